"""The periods that charges are for, on lines and documents, in files, and through corrections and credits."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict
from billing_admin.formats.document_contents import document_contents
from billing_admin.formats.journal import JournalRequest, journal_parts
from billing_admin.models import AuditEvent, Charge, Customer, Invoice
from billing_admin.operations.charges import corrections
from billing_admin.operations.charges.charges import cancel
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.doctor.charges import find_violations
from billing_admin.queries.journal import Period
from tests.books import assert_books_balance
from tests.making import MARCH_END, NOW, all_invoices, bill, credit, make_customer, make_service, make_spec, post, void

FIRST, TENTH, NINETEENTH, LAST = (date(2026, 3, day) for day in (1, 10, 19, 31))
Days = tuple[date | None, date | None, int | None]
NO_PERIOD: Days = (None, None, None)


def spec(customer: Customer, days: Days = NO_PERIOD, *arguments: Any, **given: Any) -> ChargeSpec:
    first, last, of_days = days
    charge = make_spec(customer, *arguments, **given)
    return replace(charge, period_from=first, period_to=last, period_of_days=of_days)


def lines(invoice: Invoice) -> list[tuple[date | None, date | None, int | None, int, int]]:
    return [(line.period_from, line.period_to, line.period_of_days, line.charges, line.net) for line in invoice.lines]


@pytest.mark.both_databases
def test_charges_share_a_line_only_for_the_same_period(session: Session) -> None:
    customer, service = make_customer(), make_service()
    post(
        *(spec(customer, (FIRST, TENTH, None), "10", service=service) for _ in range(2)),
        spec(customer, (TENTH, LAST, None), "10", service=service),
        spec(customer, (TENTH, NINETEENTH, None), "10", service=service),
        spec(customer, NO_PERIOD, "10", service=service, incurred_on=date(2026, 2, 28)),
        spec(customer, NO_PERIOD, "11", service=service, incurred_on=LAST),
        spec(customer, (TENTH, NINETEENTH, 31), "8.325", service=service),
        spec(customer, (TENTH, NINETEENTH, 31), None, service=service, unit_price="10", quantity="0.5"),
        spec(customer, NO_PERIOD, None, service=service, quantity="3"),
        spec(customer, NO_PERIOD, None, service=service, unit_price="10"),
        spec(customer, (TENTH, LAST, None), "5"),
    )
    shown = preview(session, BillingScope(MARCH_END))
    bill(confirmed=shown.digest)
    [invoice] = all_invoices()
    assert lines(invoice) == [
        (None, None, None, 1, 750),
        (TENTH, NINETEENTH, 31, 1, 500),
        (None, None, None, 1, 1000),
        (None, None, None, 2, 2100),
        (FIRST, TENTH, None, 2, 2000),
        (TENTH, NINETEENTH, 31, 1, 833),
        (TENTH, NINETEENTH, None, 1, 1000),
        (TENTH, LAST, None, 1, 1000),
        (TENTH, LAST, None, 1, 500),
    ]
    assert (invoice.period_from, invoice.period_to) == (date(2026, 2, 28), LAST)
    assert_books_balance(session)


@pytest.mark.both_databases
def test_no_line_claims_a_month_whose_charge_was_cancelled(session: Session) -> None:
    months = [(date(2026, month, 1), date(2026, month, last), None) for month, last in ((1, 31), (2, 28), (3, 31))]
    customer, service = make_customer(), make_service()
    specs = [spec(customer, days, None, service=service, incurred_on=days[0]) for days in months]
    cancelled = post(*specs).ids[1]
    transaction(cancel, [cancelled], "Not supplied", SYSTEM, NOW)
    bill()
    [invoice] = all_invoices()
    assert lines(invoice) == [(*months[0], 1, 250), (*months[2], 1, 250)]
    assert document_contents(invoice)["table"]["details"] == ["1 – 31 Jan 2026", "1 – 31 Mar 2026"]
    assert_books_balance(session)


def test_doctor_accepts_a_stored_line_for_several_periods(session: Session) -> None:
    customer, service = make_customer(), make_service()
    charges = post(*(spec(customer, (FIRST, LAST, None), "10", service=service) for _ in range(3))).ids
    bill()

    def write(session: Session, days: list[tuple[date | None, date | None]]) -> None:
        for id, (first, last) in zip(charges, days, strict=True):
            session.execute(update(Charge).values(period_from=first, period_to=last).where(Charge.id == id))

    transaction(write, [(FIRST, TENTH), (NINETEENTH, LAST), (None, None)])
    assert list(find_violations(session)) == []
    transaction(write, [(FIRST, date(2026, 4, 1)), (NINETEENTH, LAST), (None, None)])
    assert [check for check, _ in find_violations(session)] == ["charge_line"]


def test_a_document_is_for_the_periods_of_its_lines_not_for_the_days_of_its_charges(session: Session) -> None:
    post(spec(make_customer(), (FIRST, LAST, None), "10", incurred_on=TENTH))
    bill()
    [invoice] = all_invoices()
    assert (invoice.period_from, invoice.period_to) == (FIRST, LAST)
    assert document_contents(invoice)["table"]["details"] == ["1 – 31 Mar 2026"]
    assert_books_balance(session)


def test_a_line_of_charges_without_a_period_has_none(session: Session) -> None:
    post(spec(make_customer(), NO_PERIOD, "10"))
    bill()
    [invoice] = all_invoices()
    assert lines(invoice) == [(None, None, None, 1, 1000)]
    assert document_contents(invoice)["table"]["details"] == [""]


def test_the_same_id_with_another_period_is_refused(session: Session) -> None:
    charge = spec(make_customer(), (FIRST, LAST, None), "10", id=UUID(int=7))
    post(charge)
    assert post(charge).replayed == 1
    with pytest.raises(Conflict) as refusal:
        post(replace(charge, period_to=NINETEENTH))
    assert refusal.value.problems[0].differs == ("period_to",)


def test_a_correction_copies_the_period_and_records_its_change(session: Session) -> None:
    [id] = post(spec(make_customer(), (TENTH, NINETEENTH, 31), "10")).ids
    fields: dict[str, Any] = {"amount": Decimal(9)}
    new_id, _ = transaction(corrections.correct_charge, id, fields, None, "Wrong amount", SYSTEM, NOW)
    fields = {"period_to": LAST}
    newest, _ = transaction(corrections.correct_charge, new_id, fields, None, "Wrong days", SYSTEM, NOW)
    columns = (Charge.period_from, Charge.period_to, Charge.period_of_days)
    kept, changed = (tuple(session.execute(select(*columns).where(Charge.id == key)).one()) for key in (new_id, newest))
    assert kept == (TENTH, NINETEENTH, 31)
    assert changed == (TENTH, LAST, None)
    query = select(AuditEvent.details).where(AuditEvent.action == "charge.corrected", AuditEvent.object_id == new_id)
    details = session.scalars(query).one()
    assert details["period_to"] == ["2026-03-19", "2026-03-31"]
    assert details["period_of_days"] == [31, None]


def test_a_credit_note_is_for_the_periods_of_the_credited_lines(session: Session) -> None:
    customer = make_customer()
    post(
        spec(customer, (TENTH, NINETEENTH, 31), "10"),
        spec(customer, (FIRST, LAST, None), "5"),
        spec(customer, NO_PERIOD, "1"),
    )
    bill()
    [invoice] = all_invoices()
    by_period = {line.period_of_days: line.id for line in invoice.lines if line.period_from is not None}
    partly = credit(invoice, lines={by_period[31]: "4"})
    assert lines(partly) == [(TENTH, NINETEENTH, 31, 0, 400)]
    assert (partly.period_from, partly.period_to) == (TENTH, NINETEENTH)
    rest = credit(invoice, "12")
    assert (rest.period_from, rest.period_to) == (invoice.period_from, invoice.period_to)
    assert_books_balance(session)


def test_charges_that_are_billed_again_keep_their_periods(session: Session) -> None:
    customer, service = make_customer(), make_service()
    post(*(spec(customer, (TENTH, NINETEENTH, 31), amount, service=service) for amount in ("10", "11")))
    post(spec(customer, NO_PERIOD, "12", service=service))
    bill()
    [invoice] = all_invoices()
    void(invoice, "billed_again")
    draft = next(one for one in all_invoices() if one.status == "draft")
    assert sorted(lines(draft), key=str) == sorted(lines(invoice), key=str)
    assert len(draft.lines) == 3
    assert_books_balance(session)


def test_the_journal_books_revenue_by_the_period_of_the_line(session: Session) -> None:
    customer, service = make_customer(reference="ACME"), make_service(code="support", prices={"USD": Decimal(5)})
    post(spec(customer, (FIRST, LAST, None), "10", service=service), spec(customer, NO_PERIOD, None, service=service))
    bill()
    rows = b"".join(journal_parts(session, JournalRequest(Period(), "csv"))).decode().splitlines()
    assert rows[0].endswith(",currency,id,period_from,period_to")
    revenue = [row.split(",") for row in rows if "Income:Sales:support" in row]
    assert [(row[8], *row[11:]) for row in revenue] == [
        ("5.00", "", ""),
        ("10.00", "2026-03-01", "2026-03-31"),
    ]
    book = b"".join(journal_parts(session, JournalRequest(Period()))).decode()
    assert "-10.00 USD  ; period:2026-03-01..2026-03-31\n" in book
    assert "-5.00 USD\n" in book


@pytest.mark.both_databases
@pytest.mark.parametrize("days", [(FIRST, None, None), (None, LAST, None), (LAST, FIRST, None), (None, None, 30)])
def test_the_database_refuses_a_period_without_one_of_its_days(session: Session, days: Days) -> None:
    post(spec(make_customer(), NO_PERIOD, "10"))
    names = ("period_from", "period_to", "period_of_days")

    def write(session: Session) -> None:
        session.execute(update(Charge).values(dict(zip(names, days, strict=True))))

    with pytest.raises(IntegrityError):
        transaction(write)
