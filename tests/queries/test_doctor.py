"""Each rule is broken on purpose, by raw SQL; the doctor must name the row, and find nothing wrong before."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.engine import db, write_options
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.audit import FIRST_PREVIOUS_HASH
from billing_admin.domain.refunds import RefundSpec
from billing_admin.operations.audit import record, seal_all_events, seal_events
from billing_admin.operations.charges import charges
from billing_admin.operations.payments import refunds
from billing_admin.queries import doctor
from billing_admin.queries.audit import ChainHead, chain_head
from billing_admin.queries.doctor import (
    CHECKS,
    PARTS,
    Finding,
    Result,
    check_anchors,
    customer_fields,
    dates,
    logos,
    messages,
    opening_balances,
    recurring,
    renditions,
    run_checks,
)
from billing_admin.queries.master_data.organisation import today
from tests.databases import without_triggers
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
    void,
)
from tests.prepared import prepared

# What stands in the way of breaking data.
CONSTRAINTS = {
    "accounts": ("ck_accounts_counts_not_negative",),
    "charges": ("ck_charges_status_known", "ck_charges_billed_is_on_a_line"),
    "invoice_lines": ("ck_invoice_lines_includes_tax_by_percent",),
    "invoices": (
        "ck_invoices_adds_up",
        "ck_invoices_numbered_when_issued",
        "ck_invoices_not_overpaid",
        "ck_invoices_void_has_day",
        "ck_invoices_void_is_not_paid",
        "ck_invoices_credit_note_corrects",
        "ck_invoices_credit_note_is_not_paid",
    ),
    "payments": (
        "ck_payments_not_over_allocated",
        "ck_payments_reversed_has_day",
        "ck_payments_reversed_pays_nothing",
    ),
    "allocations": ("ck_allocations_positive", "ck_allocations_withdrawn_after_made"),
}


@pytest.fixture
@prepared
def billed(session: Session) -> Session:
    """Two issued invoices in one run, a third after them, a draft; a pending, a held and a cancelled charge.

    Then a customer with an invoice that is void, and one that is credited in two steps.
    """
    make_tax_rate()
    compute = make_service(tax_rate="VAT19")
    retail = make_service(code="Retail", tax_rate="VAT19", prices={"USD": Decimal(1)}, prices_include_tax=["USD"])
    acme, foo = make_customer(reference="ACME"), make_customer(reference="FOO", currency="USD")
    for customer in (acme, foo):
        post(
            make_spec(customer, service=compute, quantity="3"),
            make_spec(customer, service=compute, quantity="0.0000004"),
            make_spec(customer, "10.005"),
        )
    bill()
    post(make_spec(acme, "20"))
    bill(now=NOW + timedelta(days=1))
    post(
        make_spec(foo, "30"), make_spec(foo, service=retail), make_spec(foo, "0.19", service=retail, tax_included=True)
    )
    bill(issue=False)
    left = post(make_spec(acme, "5"), make_spec(acme, "6"), make_spec(foo, "7")).ids
    transaction(charges.hold, left[1:2], "", SYSTEM, NOW)
    transaction(charges.cancel, left[2:], "", SYSTEM, NOW)
    pay(make_payment_spec(acme, "11.93", {"INV-2026-00001": "5"}, received_on=date(2026, 4, 1)))
    pay(make_payment_spec(foo, "2"))
    pay(make_payment_spec(make_customer(reference="REFUNDED"), "7", ()))
    transaction(refunds.record, RefundSpec("REFUNDED", Decimal(4), "cash"), SYSTEM, NOW)
    corrected()
    seal_all_events(transaction, NOW, whole=True)
    transaction(record, SYSTEM, NOW, "organisation.changed", "organisation")
    return session


def corrected() -> None:
    """INV-2026-00004 is void; INV-2026-00005 has the credit notes CN-2026-00001 and CN-2026-00002."""
    later = NOW + timedelta(days=2)
    corrected = make_customer(reference="CORRECTED", currency="EUR")
    void(make_invoice(corrected, "15", now=later), "cancelled", now=later)
    service = make_service(code="corrected", tax_rate="VAT19", prices={})
    post(make_spec(corrected, "100", service=service), make_spec(corrected, "-20", description="Rebate"), now=later)
    bill(customers=[corrected], now=later)
    invoice = next(one for one in all_invoices() if one.number == "INV-2026-00005")
    credit(invoice, "30", now=later)
    credit(invoice, lines={invoice.lines[0].id: "10"}, now=later)


@pytest.fixture
def defenceless(billed: Session) -> Iterator[Session]:
    """These data, and a database that refuses nothing."""
    with without_defences(billed) as session:
        yield session


@contextmanager
def without_defences(session: Session) -> Iterator[Session]:
    """A transaction in which the database refuses nothing; it is rolled back."""
    session.rollback()
    connection = session.connection(execution_options=write_options(db.engine))
    without_triggers(connection)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
    else:
        for table, names in CONSTRAINTS.items():
            for name in names:
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield session
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
    session.rollback()


def found(session: Session) -> dict[str, list[Finding]]:
    session.expire_all()
    return {result.check.name: result.rows for result in run_checks(session) if result.count}


@pytest.mark.both_databases
def test_sound_data(billed: Session) -> None:
    billed.rollback()
    assert found(billed) == {}


@pytest.mark.both_databases
def test_empty_database(session: Session) -> None:
    assert [result.count for result in run_checks(session)] == [0] * len(CHECKS)


NOBODY = "00000000-0000-7000-8000-00000000dead"


def one(table: str, where: str = "1 = 1") -> str:
    """SQL for the id of one row."""
    return f"(SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT 1)"


NOTE = "invoices.number = 'CN-2026-00001'"
CREDITED, VOIDED = "invoices.number = 'INV-2026-00005'", "invoices.number = 'INV-2026-00004'"
FIRST = "invoices.number = 'INV-2026-00001'"
BILLED, DRAFT = one("charges", "status = 'billed'"), one("invoices", "status = 'draft'")
LINE = one("invoice_lines", f"invoice_id = {one('invoices', FIRST)} AND service_id IS NOT NULL")
METERED, HELD = (
    one("charges", "status = 'billed' AND service_id IS NOT NULL AND NOT tax_included"),
    one("charges", "status = 'held'"),
)
SEALED = "(SELECT event_id FROM audit_seals WHERE sequence = 3)"
UNSEALED = one("audit_events", "id NOT IN (SELECT event_id FROM audit_seals)")
SECOND = one("invoices", "number = 'INV-2026-00002'")
PAID = one("payments", "allocated = 500")
ALLOCATED = one("allocations", "amount = 500")
ON_LINE = one("charges", f"quantity = '3' AND invoice_line_id = {LINE}")

RETAIL = one("invoice_lines", "gross = 100")

BREAKS = {
    "a billed charge off its line": (
        "charge_state",
        f"UPDATE charges SET invoice_line_id = NULL WHERE id = {BILLED}",
        "has status billed, but is on no invoice line",
    ),
    "an unknown status": (
        "charge_state",
        f"UPDATE charges SET status = 'lost' WHERE id = {HELD}",
        "has status lost, but is on no invoice line",
    ),
    "a charge on a line that is gone": (
        "charge_line",
        f"UPDATE charges SET invoice_line_id = '{NOBODY}' WHERE id = {BILLED}",
        "its invoice line does not exist",
    ),
    "a line whose invoice is gone": (
        "charge_line",
        f"DELETE FROM invoices WHERE {FIRST}",
        "its line's invoice does not exist",
    ),
    "a charge on a void invoice": (
        "charge_line",
        f"UPDATE invoices SET status = 'void', voided_on = issue_date WHERE {FIRST}",
        "its invoice is void",
    ),
    "a charge on another customer's line": (
        "charge_line",
        f"UPDATE charges SET customer_id = '{NOBODY}' WHERE id = {BILLED}",
        "its line belongs to another customer",
    ),
    "a charge on a line in another currency": (
        "charge_line",
        f"UPDATE charges SET currency = 'EUR' WHERE id = {BILLED}",
        "its line is in another currency",
    ),
    "a charge on another service's line": (
        "charge_line",
        f"UPDATE charges SET service_id = NULL WHERE id = {METERED}",
        "its line is for another service",
    ),
    "a charge on a line at another price": (
        "charge_line",
        f"UPDATE charges SET unit_price = '9' WHERE id = {METERED}",
        "its line has another unit price",
    ),
    "a charge on a line that takes its tax otherwise": (
        "charge_line",
        f"UPDATE charges SET tax_included = true WHERE id = {METERED}",
        "its line differs in whether the price includes tax",
    ),
    "a charge for days that its line is not for": (
        "charge_line",
        f"UPDATE charges SET period_from = '2026-03-01', period_to = '2026-03-31' WHERE id = {METERED}",
        "its line has another period",
    ),
    "a line for days that its document is not for": (
        "document_period",
        f"UPDATE invoice_lines SET period_from = '2026-03-01', period_to = '2026-05-01' WHERE id = {LINE}",
        "line 1 is for 2026-03-01 to 2026-05-01, but the document is for 2026-03-15 to 2026-03-15",
    ),
    "a charge whose amount was changed": (
        "line_sum",
        f"UPDATE charges SET amount = '7.51' WHERE id = {ON_LINE}",
        "amount is 7.500001, but its charges add up to 7.510001",
    ),
    "a line that counts wrongly": (
        "line_sum",
        f"UPDATE invoice_lines SET charges = 5 WHERE id = {LINE}",
        "charges is 5, but its charges add up to 2",
    ),
    "a line whose quantity was changed": (
        "line_sum",
        f"UPDATE invoice_lines SET quantity = '4' WHERE id = {LINE}",
        "quantity is 4, but its charges add up to 3.0000004",
    ),
    "an account that sums wrongly": (
        "account_sum",
        "UPDATE accounts SET pending_amount = '5.01' WHERE pending_charges = 1",
        "pending_amount is 5.01, but its charges add up to 5",
    ),
    "an account that counts held charges wrongly": (
        "account_sum",
        "UPDATE accounts SET held_charges = 2 WHERE held_charges = 1",
        "held_charges is 2, but its charges add up to 1",
    ),
    "an account that is gone": (
        "account_missing",
        "DELETE FROM accounts WHERE held_charges = 1",
        "its customer has no account in USD",
    ),
    "an audit event that is gone": (
        "audit_event",
        f"DELETE FROM audit_events WHERE id = (SELECT event_id FROM charges WHERE id = {BILLED})",
        "does not exist",
    ),
    "a charge that is gone": (
        "charges_kept",
        "DELETE FROM charges WHERE status = 'cancelled'",
        "records 3 posted charges, but 2 exist",
    ),
    "a pending charge that no account knows": (
        "conservation",
        "UPDATE charges SET status = 'pending' WHERE status = 'cancelled'",
        "count is 13, but pending, held, billed and cancelled charges add up to 12; sum is 104.200002",
    ),
    "a line in another currency": (
        "one_currency",
        f"UPDATE invoice_lines SET currency = 'EUR' WHERE id = {LINE}",
        "line 1 is in another currency",
    ),
    "a line of another customer": (
        "one_currency",
        f"UPDATE invoice_lines SET customer_id = '{NOBODY}' WHERE id = {LINE}",
        "line 1 belongs to another customer",
    ),
    "a net rounded wrongly": (
        "line_net",
        f"UPDATE invoice_lines SET net = 751 WHERE id = {LINE}",
        "INV-2026-00001: line 1 has net 7.51 USD, but 7.500001 USD rounds to 7.50 USD",
    ),
    "a gross rounded wrongly": (
        "line_net",
        f"UPDATE invoice_lines SET gross = 101 WHERE id = {RETAIL}",
        "draft: line 1 has gross 1.01 USD, but 1 USD rounds to 1.00 USD",
    ),
    "a net that is not its gross without tax": (
        "line_net",
        f"UPDATE invoice_lines SET net = net + 1 WHERE id = {RETAIL}",
        "draft: line 1 has net 0.85 USD, but 1.00 USD without tax is 0.84 USD",
    ),
    "a gross without its percentage": (
        "line_net",
        f"UPDATE invoice_lines SET included_percent = NULL WHERE id = {RETAIL}",
        "draft: line 1 has only one of gross and included percentage",
    ),
    "a currency that nobody knows": (
        "line_net",
        f"UPDATE invoices SET currency = 'XYZ' WHERE {FIRST}",
        "“XYZ” is not an ISO 4217 currency code",
    ),
    "an invoice net that is not its lines'": (
        "totals",
        f"UPDATE invoices SET net = net + 1, total = total + 1 WHERE {FIRST}",
        "net is 17.52 USD, but the lines add up to 17.51 USD",
    ),
    "a total that is not net and tax": (
        "totals",
        f"UPDATE invoices SET total = total + 1 WHERE {FIRST}",
        "net and tax add up to",
    ),
    "a tax of its own": (
        "taxes",
        f"UPDATE invoice_taxes SET tax = 144 WHERE category = 'S' AND invoice_id = {one('invoices', FIRST)}",
        "tax at S 19 % is 1.44 USD on 7.50 USD, but the lines give 1.43 USD on 7.50 USD",
    ),
    "a tax that is gone": (
        "taxes",
        f"DELETE FROM invoice_taxes WHERE category = 'S' AND invoice_id = {one('invoices', FIRST)}",
        "tax at S 19 % is nothing, but the lines give 1.43 USD on 7.50 USD",
    ),
    "a tax within prices of its own": (
        "taxes",
        "UPDATE invoice_taxes SET tax = tax + 1 WHERE included",
        "tax at S 19 %, included is 0.20 USD on 1.00 USD, but the lines give 0.19 USD on 1.00 USD",
    ),
    "a gap": (
        "numbers",
        "UPDATE invoices SET sequence = 7, number = 'INV-2026-00007' WHERE number = 'INV-2026-00005'",
        "its sequence is 7, but 5 should follow",
    ),
    "a number that is not its sequence's": (
        "numbers",
        f"UPDATE invoices SET number = 'INV-2026-00009' WHERE {FIRST}",
        "its number does not match sequence 1 of 2026",
    ),
    "a number before its time": (
        "numbers",
        "UPDATE invoices SET issue_date = '2026-05-09' WHERE number = 'INV-2026-00002'",
        "is dated 2026-04-03, before the preceding INV-2026-00002 of 2026-05-09",
    ),
    "a draft with a number": (
        "numbers",
        f"UPDATE invoices SET number = 'INV-2026-00009' WHERE id = {DRAFT}",
        "is a draft, but has a number",
    ),
    "an issued invoice without a number": (
        "numbers",
        f"UPDATE invoices SET number = NULL WHERE {FIRST}",
        "is issued, but has no complete number or no issue date",
    ),
    "an issued invoice that was changed": (
        "hash_chain",
        f"UPDATE invoices SET customer_name = 'Somebody else' WHERE {FIRST}",
        "INV-2026-00001: does not match the hash",
    ),
    "a line of an issued invoice that was changed": (
        "hash_chain",
        f"UPDATE invoice_lines SET description = 'Something else' WHERE id = {LINE}",
        "INV-2026-00001: does not match the hash",
    ),
    "a hash that was changed": (
        "hash_chain",
        f"UPDATE invoices SET hash = 'f00d' WHERE {FIRST}",
        "INV-2026-00002: does not match the hash",
    ),
    "details that were changed": (
        "hash_chain",
        f'UPDATE invoices SET details = \'{{"language": "de", "paper": "a4"}}\' WHERE {FIRST}',
        "INV-2026-00001: does not match the hash",
    ),
    "a unit code put on an issued line": (
        "hash_chain",
        f"UPDATE invoice_lines SET unit_code = 'HUR' WHERE id = {LINE}",
        "INV-2026-00001: does not match the hash",
    ),
    "a code put on the tax of an issued invoice": (
        "hash_chain",
        f"UPDATE invoice_taxes SET vatex = 'VATEX-EU-O' WHERE invoice_id = (SELECT id FROM invoices WHERE {FIRST})",
        "INV-2026-00001: does not match the hash",
    ),
    "details of another form": (
        "details",
        f'UPDATE invoices SET details = \'{{"size": "a4"}}\' WHERE {FIRST}',
        "INV-2026-00001: its details cannot be read",
    ),
    "a tax in the base currency without a rate": (
        "details",
        f"UPDATE invoices SET tax_in_base = 1 WHERE {FIRST}",
        "INV-2026-00001: has only one of the tax in the base currency and its exchange rate",
    ),
    "a draft with details": (
        "details",
        f"UPDATE invoices SET details = '{{}}' WHERE id = {DRAFT}",
        "is a draft, but has details",
    ),
    "an allocation of nothing": (
        "allocation",
        f"UPDATE allocations SET amount = 0 WHERE id = {ALLOCATED}",
        "its amount is not above zero",
    ),
    "an allocation to another customer's invoice": (
        "allocation",
        f"UPDATE allocations SET invoice_id = {SECOND} WHERE id = {ALLOCATED}",
        "its invoice has another customer or currency",
    ),
    "an allocation of a payment that is reversed": (
        "allocation",
        f"UPDATE payments SET status = 'reversed' WHERE id = {PAID}",
        "is not withdrawn, but its payment is reversed",
    ),
    "an allocation of a payment that is gone": (
        "allocation",
        f"DELETE FROM payments WHERE id = {PAID}",
        "its payment does not exist",
    ),
    "an allocation withdrawn too early": (
        "allocation",
        f"UPDATE allocations SET withdrawn_on = '2026-03-31' WHERE id = {ALLOCATED}",
        "was withdrawn before it was made",
    ),
    "an allocation on a draft": (
        "allocation",
        f"UPDATE invoices SET status = 'draft' WHERE {FIRST}",
        "is not withdrawn, but its invoice is not issued",
    ),
    "a refund that is not the sum of its parts": (
        "refund_sum",
        "UPDATE refunds SET amount = 401",
        "its amount is not that of its parts",
    ),
    "a refund before the money was received": (
        "refund_sum",
        "UPDATE refunds SET paid_on = '2026-03-31'",
        "it was paid before the money was received",
    ),
    "more allocated than was received": (
        "payment_sum",
        f"UPDATE payments SET amount = 499 WHERE id = {PAID}",
        "5.00 USD of 4.99 USD is stored as allocated, but its allocations and refunds add up to 5.00 USD",
    ),
    "a write-off that became credit": (
        "write_off",
        f"UPDATE payments SET method = 'write_off' WHERE id = {PAID}",
        "6.93 USD of the write-off is not allocated, so it counts as the customer's credit: reverse it",
    ),
    "a payment's sum that was changed": (
        "payment_sum",
        f"UPDATE payments SET allocated = 499 WHERE id = {PAID}",
        "4.99 USD of 11.93 USD is stored as allocated, but its allocations and refunds add up to 5.00 USD",
    ),
    "an invoice's paid sum that was changed": (
        "invoice_sum",
        f"UPDATE invoices SET paid = 499 WHERE {FIRST}",
        (
            "4.99 USD is stored as paid and 0.00 USD as credited, but its allocations add up to 5.00 USD,"
            " its credit notes to 0.00 USD"
        ),
    ),
    "an invoice that is said to be credited": (
        "invoice_sum",
        f"UPDATE invoices SET credited = 1 WHERE {FIRST}",
        (
            "5.00 USD is stored as paid and 0.01 USD as credited, but its allocations add up to 5.00 USD,"
            " its credit notes to 0.00 USD"
        ),
    ),
    "an invoice paid above its total": (
        "invoice_sum",
        f"UPDATE invoices SET total = 499 WHERE {FIRST}",
        "of 4.99 USD, 5.00 USD is stored as paid and 0.00 USD as credited",
    ),
    "a balance that was changed": (
        "balance",
        f"UPDATE invoices SET paid = paid + 1 WHERE {FIRST}",
        "their entries add up to",
    ),
    "a balance without its reversal": (
        "balance",
        f"UPDATE payments SET status = 'reversed', reversed_on = NULL, allocated = 0 WHERE id = {PAID}",
        "their entries add up to",
    ),
    "an invoice that is never due": (
        "ageing",
        f"UPDATE invoices SET due_date = NULL WHERE {FIRST}",
        "on 2026-04-04 its buckets less unallocated money add up to",
    ),
    "an invoice dated in the future": (
        "future_date",
        f"UPDATE invoices SET issue_date = '2999-12-29', due_date = '2999-12-30' WHERE {FIRST}",
        "INV-2026-00001: is dated 2999-12-29, after today",
    ),
    "a credit note dated in the future": (
        "future_date",
        f"UPDATE invoices SET issue_date = '2999-12-29', due_date = '2999-12-30' WHERE {NOTE}",
        "CN-2026-00001: is dated 2999-12-29, after today",
    ),
    "a void invoice dated in the future": (
        "future_date",
        f"UPDATE invoices SET issue_date = '2999-12-29', due_date = '2999-12-30' WHERE {VOIDED}",
        "INV-2026-00004, void: is dated 2999-12-29, after today",
    ),
    "a payment received in the future": (
        "future_date",
        f"UPDATE payments SET received_on = '2999-12-29' WHERE id = {PAID}",
        "is received on 2999-12-29, after today",
    ),
    "a payment reversed in the future": (
        "future_date",
        f"UPDATE payments SET status = 'reversed', reversed_on = '2999-12-29', allocated = 0 WHERE id = {PAID}",
        "is reversed on 2999-12-29, after today",
    ),
    "a void dated in the future": (
        "future_date",
        f"UPDATE invoices SET voided_on = '2999-12-29' WHERE {VOIDED}",
        "INV-2026-00004: is void on 2999-12-29, after today",
    ),
    "an allocation made in the future": (
        "future_date",
        "UPDATE allocations SET made_on = '2999-12-29' WHERE amount = 500",
        "is made on 2999-12-29, after today",
    ),
    "an allocation withdrawn in the future": (
        "future_date",
        "UPDATE allocations SET withdrawn_on = '2999-12-29' WHERE amount = 500",
        "is withdrawn on 2999-12-29, after today",
    ),
    "a void before its invoice": (
        "date_order",
        f"UPDATE invoices SET voided_on = '2026-04-01' WHERE {VOIDED}",
        "INV-2026-00004: is void on 2026-04-01, before its date 2026-04-04",
    ),
    "a reversal before the receipt": (
        "date_order",
        f"UPDATE payments SET status = 'reversed', reversed_on = '2026-03-31', allocated = 0 WHERE id = {PAID}",
        "is reversed on 2026-03-31, before its receipt on 2026-04-01",
    ),
    "a tax rate of category S with 0 percent": (
        "taxed_at_zero",
        "UPDATE tax_rates SET percent = '0' WHERE code = 'VAT19'",
        "VAT19: has 0 percent in category S; add a rate of category Z or E and use it for the services",
    ),
    "a tax rate of category S that changes to 0 percent": (
        "taxed_at_zero",
        (
            "INSERT INTO tax_rate_changes (tax_rate_id, valid_from, percent)"
            " SELECT id, '2027-01-01', '0' FROM tax_rates WHERE code = 'VAT19'"
        ),
        "VAT19: has 0 percent in category S from 2027-01-01; add a rate of category Z or E",
    ),
    "a message text with a field that does not exist": (
        "message_texts",
        (
            "INSERT INTO message_texts (key, language, subject, body, version)"
            " VALUES ('invoice', 'de', 'Rechnung {numero}', 'Text', 1)"
        ),
        "There is no field {numero}. Use {number}, or another one of",
    ),
    "a series that would leave a gap": (
        "number_series",
        "UPDATE number_series SET next_sequence = 9",
        "invoice 2026: next_sequence is 9, but its documents give 6",
    ),
    "a last invoice that is gone": (
        "number_series",
        "DELETE FROM invoices WHERE number = 'INV-2026-00005'",
        "next_sequence is 6, but its documents give 5",
    ),
    "a credit note of nothing": (
        "credit_note",
        f"UPDATE invoices SET corrects_id = NULL WHERE {NOTE}",
        "CN-2026-00001: corrects no invoice",
    ),
    "a credit note of a credit note": (
        "credit_note",
        f"UPDATE invoices SET kind = 'credit_note' WHERE {CREDITED}",
        "CN-2026-00001: corrects another credit note",
    ),
    "a credit note of a draft": (
        "credit_note",
        f"UPDATE invoices SET corrects_id = {DRAFT} WHERE {NOTE}",
        "CN-2026-00001: corrects an invoice that is not issued",
    ),
    "a credit note of another customer's invoice": (
        "credit_note",
        f"UPDATE invoices SET customer_id = '{NOBODY}' WHERE {NOTE}",
        "CN-2026-00001: corrects another customer's invoice",
    ),
    "a credit note in another currency": (
        "credit_note",
        f"UPDATE invoices SET currency = 'USD' WHERE {NOTE}",
        "CN-2026-00001: corrects an invoice in another currency",
    ),
    "a credit note before its invoice": (
        "credit_note",
        f"UPDATE invoices SET issue_date = '2026-01-01' WHERE {NOTE}",
        "CN-2026-00001: is dated before the invoice that it corrects",
    ),
    "a credit note without a reason": (
        "credit_note",
        f"UPDATE invoices SET reason = '' WHERE {NOTE}",
        "CN-2026-00001: gives no reason",
    ),
    "a credit note's line of nowhere": (
        "credit_note",
        f"UPDATE invoice_lines SET corrects_line_id = NULL WHERE invoice_id = {one('invoices', NOTE)}",
        "CN-2026-00001: has a line that its invoice does not have",
    ),
    "a line credited twice": (
        "credited",
        f"UPDATE invoice_lines SET net = net + 9000 WHERE net > 0 AND invoice_id = {one('invoices', NOTE)}",
        "its net is 100.00 EUR, but ",
    ),
    "a line credited the wrong way": (
        "credited",
        f"UPDATE invoice_lines SET net = 1 WHERE net < 0 AND invoice_id = {one('invoices', NOTE)}",
        "its net is −20.00 EUR, but 0.01 EUR is credited",
    ),
    "a tax credited twice": (
        "credited",
        f"UPDATE invoice_taxes SET tax = tax + 1900 WHERE category = 'S' AND invoice_id = {one('invoices', NOTE)}",
        "at S 19 %, base and tax are 100.00 EUR and 19.00 EUR, but ",
    ),
    "a tax credited that was never charged": (
        "credited",
        f"UPDATE invoice_taxes SET percent = '20' WHERE category = 'S' AND invoice_id = {one('invoices', NOTE)}",
        "at S 20 %, base and tax are 0.00 EUR and 0.00 EUR, but ",
    ),
    "a void invoice that is paid": (
        "void",
        f"UPDATE invoices SET paid = 1 WHERE {VOIDED}",
        "INV-2026-00004: is void, but is paid or credited",
    ),
    "a void invoice without a reason": (
        "void",
        f"UPDATE invoices SET reason = '' WHERE {VOIDED}",
        "INV-2026-00004: is void, but gives no reason",
    ),
    "a void invoice without a day": (
        "void",
        f"UPDATE invoices SET voided_on = NULL WHERE {VOIDED}",
        "INV-2026-00004: is void, but has no void date",
    ),
    "a void line whose charges are forgotten": (
        "void",
        "DELETE FROM voided_charges",
        "is void and had 1 charges, but 0 are recorded",
    ),
    "a credit note that was changed": (
        "hash_chain",
        f"UPDATE invoices SET reason = 'Another' WHERE {NOTE}",
        "CN-2026-00001: does not match the hash",
    ),
    "a note put on an issued invoice": (
        "hash_chain",
        f"UPDATE invoices SET note = 'Late' WHERE {FIRST}",
        "INV-2026-00001: does not match the hash",
    ),
    "a gap among credit notes": (
        "numbers",
        "UPDATE invoices SET sequence = 3, number = 'CN-2026-00003' WHERE number = 'CN-2026-00002'",
        "its sequence is 3, but 2 should follow",
    ),
    "an event with other details": (
        "audit_chain",
        f"UPDATE audit_events SET details = '{{\"charges\": 4}}' WHERE id = {SEALED}",
        "does not match seal 3",
    ),
    "an event by somebody else": (
        "audit_chain",
        f"UPDATE audit_events SET actor_name = 'Somebody else' WHERE id = {SEALED}",
        "does not match seal 3",
    ),
    "an event of another time": (
        "audit_chain",
        f"UPDATE audit_events SET at = '2026-04-03 09:30:00.000001' WHERE id = {SEALED}",
        "does not match seal 3",
    ),
    "a sealed event that is gone": (
        "audit_chain",
        f"DELETE FROM audit_events WHERE id = {SEALED}",
        "does not exist; it was sealed as number 3",
    ),
    "a seal that is gone": (
        "audit_chain",
        "DELETE FROM audit_seals WHERE sequence = 3",
        "follows 2: the seals between them are missing",
    ),
    "a seal with another hash": (
        "audit_chain",
        f"UPDATE audit_seals SET hash = '{'0' * 64}' WHERE sequence = 3",
        "does not match seal 4",
    ),
    "a seal of another event": (
        "audit_chain",
        f"UPDATE audit_seals SET event_id = {UNSEALED} WHERE sequence = 3",
        "does not match seal 3",
    ),
}


@pytest.mark.parametrize(("check", "sql", "wrong"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_named(defenceless: Session, check: str, sql: str, wrong: str) -> None:
    assert defenceless.connection().execute(text(sql)).rowcount
    findings = found_by(defenceless, check)
    assert any(wrong in finding.problem for finding in findings), findings


def found_by(session: Session, check: str) -> list[Finding]:
    """Run the part with a check; on PostgreSQL, where each case is deep, all parts, which must bear the broken rows."""
    if session.get_bind().dialect.name == "postgresql":
        return found(session).get(check, [])
    session.expire_all()
    part = next(part for part in (*PARTS, dates) if check in {one.name for one in part.CHECKS})
    day = (today(session, clock.now()),) if part is dates else ()
    return [finding for name, finding in part.find_violations(session, *day) if name == check]


def test_every_check_is_tried() -> None:
    """Those of recurring charges are tried in `test_doctor_recurring`, those of stored files in `test_renditions` and
    `test_logos`, those of messages in `test_doctor_messages`, those of opening balances in `test_opening_balances`, those
    of customer fields in `test_customer_fields`.
    """
    modules = (recurring, renditions, logos, messages, opening_balances, customer_fields)
    elsewhere = {check.name for module in modules for check in module.CHECKS}
    assert {check for check, _, _ in BREAKS.values()} == {check.name for check in CHECKS} - elsewhere


@pytest.mark.both_databases
def test_entries_in_the_future_are_found_by_the_day_of_the_organisation(billed: Session) -> None:
    """The latest document is of 4 April: still to come on the 3rd, and on the 4th in a time zone that is behind."""
    for zone, now, names in (
        (
            "UTC",
            "2026-04-03T23:59:59+00:00",
            ["INV-2026-00004, void", "INV-2026-00005", "CN-2026-00001", "CN-2026-00002"],
        ),
        ("UTC", "2026-04-04T00:00:00+00:00", []),
        ("Pacific/Kiritimati", "2026-04-03T10:00:00+00:00", []),
        ("Pacific/Pago_Pago", "2026-04-04T11:00:00+00:00", []),
        (
            "Pacific/Pago_Pago",
            "2026-04-04T10:59:59+00:00",
            ["INV-2026-00004, void", "INV-2026-00005", "CN-2026-00001", "CN-2026-00002"],
        ),
    ):
        change_settings(time_zone=zone)
        billed.rollback()
        billed.expire_all()
        results = {result.check.name: result for result in run_checks(billed, datetime.fromisoformat(now))}
        wrong = [finding.problem.partition(":")[0] for finding in results["future_date"].rows]
        assert sorted(wrong) == sorted(names), (zone, now)


@pytest.mark.both_databases
def test_a_changed_hash_names_the_row_itself_and_the_next(defenceless: Session) -> None:
    defenceless.connection().execute(text(f"UPDATE invoices SET hash = 'f00d' WHERE {FIRST}"))
    assert [finding.problem.partition(":")[0] for finding in found(defenceless)["hash_chain"]] == [
        "INV-2026-00001",
        "INV-2026-00002",
    ]


def test_all_are_counted_and_the_first_are_carried(defenceless: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MAX_ROWS", 2)
    defenceless.connection().execute(text("UPDATE invoice_lines SET net = net + 1"))
    result: dict[str, Result] = {result.check.name: result for result in run_checks(defenceless)}
    assert (result["line_net"].count, len(result["line_net"].rows)) == (14, 2)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_audit_event_that_cannot_even_be_read_is_named(defenceless: Session) -> None:
    """SQLite stores what it is given."""
    defenceless.connection().execute(text(f"UPDATE audit_events SET details = '{{', at = 'x' WHERE id = {SEALED}"))
    assert [row.problem.partition(":")[0] for row in audit_rows(defenceless)] == ["does not match seal 3"]


def test_audit_events_that_changed_places_are_named(defenceless: Session) -> None:
    for to, where in ((-1, 3), (3, 4), (4, -1)):
        defenceless.connection().execute(text(f"UPDATE audit_seals SET sequence = {to} WHERE sequence = {where}"))
    assert [row.problem.partition(":")[0] for row in audit_rows(defenceless)][:2] == [
        "does not match seal 3",
        "does not match seal 4",
    ]


def audit_rows(session: Session) -> list[Finding]:
    return next(result.rows for result in run_checks(session) if result.check.name == "audit_chain")


def test_a_tail_that_was_cut_off_shows_by_the_head_exported_before(defenceless: Session) -> None:
    """The chain that is left is sound; only who kept its head knows better."""
    end = chain_head(defenceless)
    assert check_anchors(defenceless, [ChainHead(0, FIRST_PREVIOUS_HASH), end]).count == 0
    defenceless.connection().execute(
        text("DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_seals WHERE sequence > 5)")
    )
    defenceless.connection().execute(text("DELETE FROM audit_seals WHERE sequence > 5"))
    assert audit_rows(defenceless) == []
    [finding] = check_anchors(defenceless, [end]).rows
    assert (finding.id, finding.problem) == (str(end.sequence), "does not exist: the chain was truncated")


def test_a_chain_that_was_made_anew_shows_by_the_head_exported_before(defenceless: Session) -> None:
    end = chain_head(defenceless)
    defenceless.connection().execute(text(f"UPDATE audit_events SET actor_name = 'Nobody' WHERE id = {SEALED}"))
    defenceless.connection().execute(text("DELETE FROM audit_seals"))
    seal_events(defenceless, NOW, whole=True)
    assert audit_rows(defenceless) == []
    assert [row.problem for row in check_anchors(defenceless, [end]).rows] == [
        "has another hash: the chain was rebuilt"
    ]
