"""The demo says the same on both databases, breaks no rule, and lies in no future."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin import demo
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.errors import Conflict
from billing_admin.formats.einvoice import render_xml
from billing_admin.models import (
    AuditEvent,
    BillingRunItem,
    Charge,
    Customer,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    Payment,
    Service,
)
from billing_admin.operations.audit import record, seal_all_events
from billing_admin.operations.invoices.e_invoices import missing_facts
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments.open_items import OpenItemFilter, open_sums
from tests.conftest import Database, PostgreSQL, SQLite
from tests.einvoicing import ONLY_FACTUR_X, broken_rules
from tests.making import make_customer

ADA = Actor("person", UUID(int=7), "ada@example.com", frozenset())
TODAY = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def filled(database: Database, now: datetime) -> dict[str, list[Any]]:
    """What a fill makes, without the ids that the server chooses."""
    database.reset()
    with database.app.app_context():
        transaction(demo.fill, now)
        assert {result.check.name for result in run_checks(db.session(), now) if result.count} == set()
        return {name: list(db.session.execute(query).all()) for name, query in _TOLD.items()}


_TOLD = {
    "customers": select(Customer.__table__).order_by(Customer.reference),
    "services": select(Service.id, Service.code, Service.name, Service.archived_at).order_by(Service.code),
    "charges": select(
        *(column for column in Charge.__table__.c if column.name not in {"invoice_line_id", "event_id"})
    ).order_by(Charge.id),
    "invoices": select(
        Invoice.number,
        Invoice.customer_reference,
        Invoice.status,
        Invoice.issue_date,
        Invoice.due_date,
        Invoice.net,
        Invoice.tax,
        Invoice.paid,
        Invoice.credited,
        Invoice.reason,
        Invoice.issued_at,
    ).order_by(Invoice.status, Invoice.number, Invoice.customer_reference),
    "lines": select(
        Invoice.number,
        InvoiceLine.position,
        InvoiceLine.description,
        InvoiceLine.quantity,
        InvoiceLine.amount,
        InvoiceLine.net,
    )
    .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
    .where(Invoice.number.is_not(None))
    .order_by(Invoice.number, InvoiceLine.position),
    "payments": select(
        *(
            Payment.__table__.c[name]
            for name in ("id", "currency", "amount", "allocated", "received_on", "method", "status")
        )
    ).order_by(Payment.id),
    "events": select(AuditEvent.at, AuditEvent.action, func.count())
    .group_by(AuditEvent.at, AuditEvent.action)
    .order_by(AuditEvent.at, AuditEvent.action),
}


@pytest.mark.deep
def test_the_same_on_both_databases_at_any_hour_of_a_day(sqlite: SQLite, postgresql: PostgreSQL) -> None:
    assert filled(sqlite, TODAY) == filled(postgresql, TODAY + timedelta(hours=14))


# The first moments of a month and of a year, a leap day, and the end of a month: in Berlin's time.
@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 30, 23, 5, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 0, tzinfo=UTC),
        datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
        datetime(2026, 10, 31, 22, 59, tzinfo=UTC),
    ],
    ids=str,
)
@pytest.mark.deep
def test_on_any_day_all_is_well_and_nothing_lies_in_the_future(sqlite: SQLite, now: datetime) -> None:
    told = filled(sqlite, now)
    assert max(row.created_at for row in told["charges"]) <= now
    assert max(row.at for row in told["events"]) <= now
    assert max(row.received_on for row in told["payments"]) <= now.astimezone(demo.ZONE).date()
    current = now.astimezone(demo.ZONE).date().replace(day=1)
    assert {row.status for row in told["charges"] if row.incurred_on >= current} == {"pending", "held"}
    assert max(row.issue_date for row in told["invoices"] if row.issue_date) == current


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_it_has_something_of_everything(session: Session) -> None:
    made = transaction(demo.fill, TODAY)
    session.rollback()
    assert (made.customers, made.charges > 2500, 400 < made.invoices < 500) == (36, True, True)
    assert organisation(session).is_demo
    assert set(session.scalars(select(Invoice.currency))) == {"EUR", "USD", "JPY"}
    assert _count(session, Invoice.status == "draft") == 1
    assert _count(session, Charge.status == "held") == 3
    assert _count(session, Charge.duplicate_of_id.is_not(None)) == 2
    assert _count(session, Charge.late) > 20
    assert _count(session, Customer.archived_at.is_not(None)) == _count(session, Service.archived_at.is_not(None)) == 1
    assert _count(session, BillingRunItem.reason == "negative_total") == 1
    assert _count(session, BillingRunItem.reason == "customer_tax_id_missing") == 0
    under_reverse_charge = select(Invoice.customer_tax_id).join(InvoiceTax).where(InvoiceTax.category == "AE")
    assert all(session.scalars(under_reverse_charge).all())
    assert {row.name for row in session.execute(select(Customer.name))} >= {"ACME Inc", "Foo Ltd"}
    taxes = select(InvoiceTax.category, InvoiceTax.percent, InvoiceTax.included).distinct()
    assert {(category, int(percent), included) for category, percent, included in session.execute(taxes)} == {
        ("S", 19, False),
        ("S", 7, True),
        ("AE", 0, False),
        ("G", 0, False),
        ("K", 0, False),
    }
    assert _count(session, InvoiceTax.vatex.in_(["VATEX-EU-AE", "VATEX-EU-G"])) > 0
    assert _count(session, InvoiceTax.vatex == "VATEX-EU-IC") > 0
    assert _count(session, InvoiceLine.unit_code == "HUR") > 0
    foreign = (Invoice.currency != "EUR") & (Invoice.tax != 0) & (Invoice.status != "draft")
    assert _count(session, foreign) == _count(session, Invoice.tax_in_base.is_not(None)) > 0
    services = {service.code: str(service.prices[0].unit_price) for service in session.scalars(select(Service))}
    assert services.items() >= {"GenericCompute": "2.5", "DataBaseHosting": "1.5", "IPAddress": "0.4"}.items()
    paid = _count(session, Invoice.paid == Invoice.total)
    assert 300 < paid < _count(session, Invoice.status == "issued")
    assert _count(session, (Invoice.paid > 0) & (Invoice.paid < Invoice.total)) >= 2
    assert _count(session, (Payment.status == "recorded") & (Payment.allocated < Payment.amount)) == 2
    assert _count(session, Payment.status == "reversed") == _count(session, Payment.method == "write_off") == 1
    notes = (Invoice.kind == "credit_note") & (Invoice.status == "issued")
    assert _count(session, notes) == _count(session, Invoice.credited > 0) == 2
    assert _count(session, (Invoice.credited > 0) & (Invoice.paid == Invoice.total - Invoice.credited)) >= 1
    again = (Invoice.replaces_id.is_not(None)) & (Invoice.status == "issued") & (Invoice.purchase_order == "PO-2207-B")
    assert _count(session, Invoice.status == "void") == _count(session, again) == 1
    today = TODAY.date()
    assert all(map(sum, zip(*(sums.amounts for sums in open_sums(session, OpenItemFilter(today))), strict=True)))
    assert session.scalar(select(func.min(Invoice.issue_date))) == date(2025, 11, 1)
    last = {document.customer_id: document for document in _issued(session)}
    assert _check_e_invoices(last.values()) >= {"factur-x", "peppol", "ubl", "xrechnung-cii", "xrechnung-ubl"}


@pytest.mark.deep
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_each_document_has_a_valid_e_invoice(session: Session) -> None:
    transaction(demo.fill, TODAY)
    session.rollback()
    documents = _issued(session)
    assert len(documents) > 400
    assert len(_check_e_invoices(documents)) == 5


def _issued(session: Session) -> list[Invoice]:
    query = select(Invoice).where(Invoice.status == "issued").order_by(Invoice.issue_date)
    return list(session.scalars(query))


def _check_e_invoices(documents: Iterable[Invoice]) -> set[str]:
    """Check the documents of customers with a format, and return the formats."""
    formats = set()
    for document in documents:
        format = details_from_json(document.details).e_invoice
        if format != "none":
            formats.add(format)
            assert missing_facts(document, format) == []
            assert set(broken_rules(render_xml(document, format))) <= {ONLY_FACTUR_X}
    return formats


def _count(session: Session, condition: Any) -> int:
    return session.scalar(select(func.count()).where(condition)) or 0


def test_a_database_in_use_is_refused(session: Session) -> None:
    make_customer(reference="REAL")
    with pytest.raises(Conflict, match="empty database"):
        transaction(demo.fill, TODAY)
    session.rollback()
    assert list(session.scalars(select(Customer.reference))) == ["REAL"]
    assert not organisation(session).is_demo


@pytest.mark.parametrize(
    ("actor", "action", "unchanged"),
    [
        (ADA, "user.signed_in", True),
        (ADA, "invoice.downloaded", True),
        (replace(SYSTEM, name="worker"), "charge.posted", True),
        (ADA, "customer.changed", False),
        (SYSTEM, "charges.posted", False),
    ],
)
def test_demo_data_is_unchanged_until_somebody_writes(
    session: Session, actor: Actor, action: str, unchanged: bool
) -> None:
    def write(session: Session) -> None:
        organisation(session).is_demo = True
        record(session, SYSTEM, TODAY - timedelta(hours=8), "organisation.demo_begun", "organisation")
        record(session, SYSTEM, TODAY, "user.set_up_link_created", "user")
        record(session, actor, TODAY + timedelta(hours=1), action, "user")

    assert not demo.is_unchanged(session)
    transaction(write)
    session.rollback()
    assert demo.is_unchanged(session) == unchanged


def test_a_change_after_the_clock_was_set_back_is_no_demo_data(session: Session) -> None:
    def write(session: Session, at: datetime, action: str) -> None:
        organisation(session).is_demo = True
        record(session, ADA, at, action, "user")

    transaction(write, TODAY, "user.set_up_link_created")
    seal_all_events(transaction, TODAY, whole=True)
    session.rollback()
    assert demo.is_unchanged(session)
    transaction(write, TODAY - timedelta(hours=1), "customer.changed")
    session.rollback()
    assert not demo.is_unchanged(session)
    seal_all_events(transaction, TODAY, whole=True)
    session.rollback()
    assert not demo.is_unchanged(session)
