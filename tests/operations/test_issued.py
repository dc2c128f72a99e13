"""The database itself refuses to change or delete what was issued, whoever asks."""

from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.models.document_triggers import REFUSAL
from tests.making import credit, make_invoice, void
from tests.prepared import prepared

ISSUED = "status = 'issued' AND kind = 'invoice'"
OF_ISSUED = f"invoice_id IN (SELECT id FROM invoices WHERE {ISSUED})"
CHANGES = [
    f"UPDATE invoices SET total = total + 1, net = net + 1 WHERE {ISSUED}",
    f"UPDATE invoices SET customer_name = 'Somebody else' WHERE {ISSUED}",
    f"UPDATE invoices SET note = 'Late' WHERE {ISSUED}",
    f"UPDATE invoices SET reason = 'Late' WHERE {ISSUED}",
    f"UPDATE invoices SET due_date = '2030-01-01' WHERE {ISSUED}",
    f"UPDATE invoices SET hash = 'f00d' WHERE {ISSUED}",
    f"UPDATE invoices SET details = '{{}}' WHERE {ISSUED}",
    f"UPDATE invoices SET details = NULL WHERE {ISSUED}",
    f"UPDATE invoices SET tax_in_base = 1 WHERE {ISSUED}",
    f"UPDATE invoices SET status = 'draft', number = NULL, series_id = NULL, sequence = NULL, hash = NULL WHERE {ISSUED}",
    "UPDATE invoices SET status = 'issued', voided_on = NULL WHERE status = 'void'",
    "UPDATE invoices SET reason = 'Another' WHERE status = 'void'",
    "UPDATE invoices SET reason = 'Another' WHERE kind = 'credit_note'",
    f"DELETE FROM invoices WHERE {ISSUED}",
    "DELETE FROM invoices WHERE status = 'void'",
    f"UPDATE invoice_lines SET net = net + 1 WHERE {OF_ISSUED}",
    f"UPDATE invoice_lines SET unit_code = 'HUR' WHERE {OF_ISSUED}",
    f"DELETE FROM invoice_lines WHERE {OF_ISSUED}",
    "DELETE FROM invoice_lines WHERE invoice_id IN (SELECT id FROM invoices WHERE status = 'void')",
    f"UPDATE invoice_taxes SET tax = tax + 1 WHERE {OF_ISSUED}",
    f"UPDATE invoice_taxes SET vatex = 'VATEX-EU-O' WHERE {OF_ISSUED}",
    f"DELETE FROM invoice_taxes WHERE {OF_ISSUED}",
]


@pytest.fixture
@prepared
def documents(session: Session) -> Session:
    """An issued invoice with a credit note, a void one, a draft."""
    credit(make_invoice(), "1")
    void(make_invoice())
    make_invoice(issue=False)
    return session


def change(sql: str) -> int:
    return transaction(lambda work: int(work.connection().execute(text(sql)).rowcount))


@pytest.mark.parametrize("sql", CHANGES)
def test_refuses(documents: Session, sql: str) -> None:
    with pytest.raises(DBAPIError, match=REFUSAL):
        change(sql)


def test_lets_what_is_paid_move_and_drafts_change(documents: Session) -> None:
    assert change(f"UPDATE invoices SET paid = 1, version = version + 1 WHERE {ISSUED}") == 1
    assert change("UPDATE invoices SET note = 'Soon', period_from = '2026-01-01' WHERE status = 'draft'") == 1
    of_draft = "invoice_id IN (SELECT id FROM invoices WHERE status = 'draft')"
    assert change(f"UPDATE invoice_taxes SET note = 'x' WHERE {of_draft}") == 1
    assert change(f"DELETE FROM invoice_taxes WHERE {of_draft}") == 1


def test_lets_an_issued_one_become_void_once(documents: Session) -> None:
    change(f"UPDATE invoices SET paid = 0, credited = 0 WHERE {ISSUED}")
    day = date(2026, 4, 2).isoformat()
    assert change(f"UPDATE invoices SET status = 'void', voided_on = '{day}', reason = 'Why' WHERE {ISSUED}") == 1
