"""Billing runs: what is previewed is what is made; each charge billed once, whatever happens on the way."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.invoices import Document
from billing_admin.domain.money import exact_decimal, plain_decimal
from billing_admin.models import Account, AuditEvent, BillingRun, BillingRunItem, Charge, Invoice, NumberSeries, Service
from billing_admin.operations.audit import seal_all_events
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import charges
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import services
from billing_admin.queries.billing import preview as billing
from billing_admin.queries.billing.preview import BillingScope
from billing_admin.queries.billing.runs import left_out_of_run, run_report
from tests.books import assert_books_balance, contents, rows
from tests.conftest import Database
from tests.making import (
    MARCH,
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_customer,
    make_invoice,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)

A = UUID(int=0xA)
APRIL = date(2026, 4, 1)


def counted(session: Session) -> Counter[str]:
    session.rollback()
    return Counter(session.scalars(select(Charge.status)))


def shown(session: Session, through: date = MARCH_END) -> billing.Preview:
    session.rollback()
    return billing.preview(session, BillingScope(through))


def said(document: Document) -> list[Any]:
    """What a document says, in the form of `stored`."""
    lines = [
        (line.position, group.service_id, group.description, group.quantity, group.unit_price, group.amount, line.net)
        for line in document.lines
        for group in [line.group]
    ]
    rates = [(line.group.tax.category, line.group.tax.percent, line.group.charges) for line in document.lines]
    taxes = [(total.rate.category, total.rate.percent, total.base, total.tax) for total in document.taxes]
    period = (document.period_from, document.period_to)
    return [document.currency, document.net, document.tax, document.total, period, lines, rates, taxes]


def stored(invoice: Invoice) -> list[Any]:
    """What an invoice says in its tables."""
    lines = [
        (line.position, line.service_id, line.description, line.quantity, line.unit_price, line.amount, line.net)
        for line in invoice.lines
    ]
    rates = [(line.tax_category, line.tax_percent, line.charges) for line in invoice.lines]
    in_order = sorted(invoice.taxes, key=lambda tax: tax.position)
    taxes = [(tax.category, tax.percent, tax.base, tax.tax) for tax in in_order]
    period = (invoice.period_from, invoice.period_to)
    return [invoice.currency, invoice.net, invoice.tax, invoice.total, period, lines, rates, taxes]


def a_mixed_month() -> None:
    """Charges of every kind: shared lines, plain amounts, lone ones, two rates, two currencies, held, later, zero, negative."""
    make_tax_rate("VAT19", "19")
    make_tax_rate("VAT7", "7")
    compute = make_service(
        code="compute", tax_rate="VAT19", prices={"USD": exact_decimal("0.0000008"), "EUR": exact_decimal("0.0000007")}
    )
    support = make_service(code="support", tax_rate="VAT7", line_per_charge=True, prices={"USD": exact_decimal("80")})
    people = [make_customer(reference=f"M-{n}", currency="EUR" if n == 3 else "USD") for n in range(6)]
    specs = []
    for person in people[:4]:
        specs += [make_spec(person, service=compute, quantity=str(n * 10_000), incurred_on=MARCH) for n in range(20)]
        specs += [
            make_spec(person, "0.004", service=compute, description=f"Part {n}", incurred_on=MARCH) for n in range(5)
        ]
        specs += [make_spec(person, unit_price="12.345", description="Advice", quantity="3")]
        specs += [make_spec(person, "-0.5", description="Goodwill")]
    specs += [make_spec(people[0], service=support, quantity=str(n), currency="USD") for n in (1, 2)]
    specs += [make_spec(people[0], "300.5", currency="JPY", description="Yen")]
    specs += [make_spec(people[4], "0.004", description="Crumb"), make_spec(people[5], "-3", description="Refund")]
    specs += [make_spec(people[1], "9", incurred_on=APRIL, description="April")]
    held = post(*specs, make_spec(people[2], "77", description="Doubtful")).ids[-1]
    transaction(charges.hold, [held], "Doubtful", SYSTEM, NOW)


# --- preview and run --------------------------------------------------------------------------------------------------


def test_a_preview_writes_nothing(session: Session) -> None:
    a_mixed_month()
    before = contents(session)
    shown(session)
    assert contents(session) == before


@pytest.mark.parametrize("issue", [True, False])
def test_a_run_makes_what_the_preview_shows(session: Session, issue: bool) -> None:
    a_mixed_month()
    preview = shown(session)
    run_id = bill(issue=issue, confirmed=preview.digest)
    made = {(invoice.customer_id, invoice.currency): stored(invoice) for invoice in all_invoices()}
    assert made == {(one.customer_id, one.document.currency): said(one.document) for one in preview.documents}
    assert left_out_of_run(session, run_id) == preview.left_out
    summary = run_report(session, run_id)
    assert (summary.run.state, summary.run.failure) == ("done", None)
    assert summary.totals == preview.totals
    assert (summary.invoices, summary.charges) == (len(preview.documents), preview.charges)
    assert summary.accounts == summary.processed
    assert_books_balance(session)


def test_what_is_left_out_is_named_with_its_reason_and_stays_pending(session: Session) -> None:
    a_mixed_month()
    run_id = bill()
    named = [
        (row.reference, row.charges, plain_decimal(row.amount), row.reason) for row in left_out_of_run(session, run_id)
    ]
    assert named == [
        ("M-1", 1, "9", "after_cut_off"),
        ("M-2", 1, "77", "held"),
        ("M-4", 1, "0.004", "zero_total"),
        ("M-5", 1, "-3", "negative_total"),
    ]
    assert counted(session) == {"billed": 4 * 27 + 3, "pending": 3, "held": 1}


def test_what_is_later_is_left_out_per_account_whatever_else_is_on_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In chunks of one account: with something due, with nothing due, with both in another currency, with all of it held."""
    monkeypatch.setattr(chunks, "CHUNK", 1)
    both, later, held = (make_customer(reference=name) for name in ("BOTH", "LATER", "HELD"))
    post(
        *(make_spec(both, "10"), make_spec(both, "1.005", incurred_on=APRIL), make_spec(both, "2", incurred_on=APRIL)),
        *(make_spec(both, "20", currency="EUR"), make_spec(both, "-7", currency="EUR", incurred_on=APRIL)),
        make_spec(later, "4", incurred_on=APRIL),
    )
    asked = post(make_spec(held, "5"), make_spec(held, "6")).ids
    transaction(charges.hold, asked, "Asked", SYSTEM, NOW)
    before = shown(session)
    run_id = bill()
    named = [
        (row.reference, row.currency, row.charges, plain_decimal(row.amount), row.reason)
        for row in left_out_of_run(session, run_id)
    ]
    assert named == [
        ("BOTH", "EUR", 1, "-7", "after_cut_off"),
        ("BOTH", "USD", 2, "3.005", "after_cut_off"),
        ("HELD", "USD", 2, "11", "held"),
        ("LATER", "USD", 1, "4", "after_cut_off"),
    ]
    assert left_out_of_run(session, run_id) == before.left_out
    summary = run_report(session, run_id)
    assert (summary.accounts, summary.processed, summary.invoices, summary.charges) == (3, 3, 2, 2)
    assert_books_balance(session)


def test_nothing_is_lost_billed_and_unbilled_are_all_that_was_accepted(session: Session) -> None:
    a_mixed_month()
    accepted = exact_totals((charge.currency, charge.amount) for charge in rows(session, Charge))
    bill()
    billed = [(line.currency, line.amount) for invoice in all_invoices() for line in invoice.lines]
    unbilled = [(one.currency, one.pending_amount + one.held_amount) for one in rows(session, Account)]
    assert exact_totals([*billed, *unbilled]) == accepted


def exact_totals(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """The exact sum per currency."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in amounts:
        totals[currency] += amount
    return totals


def test_charges_left_pending_count_towards_the_next_invoice(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "-3"))
    bill()
    assert all_invoices() == []
    post(make_spec(customer, "10", description="More"))
    bill()
    (invoice,) = all_invoices()
    assert (invoice.total, [line.net for line in invoice.lines]) == (700, [1000, -300])
    assert_books_balance(session)


def test_drafts_have_no_number_and_issued_invoices_count_without_a_gap(session: Session) -> None:
    people = [make_customer() for _ in range(5)]
    post(*(make_spec(person, "10") for person in people))
    bill(issue=False, customers=people[:2])
    assert [(one.status, one.number, one.hash, one.issue_date) for one in all_invoices()] == [
        ("draft", None, None, None)
    ] * 2
    bill()
    numbers = [invoice.number for invoice in all_invoices() if invoice.number]
    assert numbers == ["INV-2026-00001", "INV-2026-00002", "INV-2026-00003"]
    assert_books_balance(session)


def test_issued_invoices_carry_copies_and_dates(session: Session) -> None:
    change_settings(legal_name="Clouds Ltd", address="Sky 1", invoice_footer="Thank you", payment_terms_days=14)
    usual = make_customer(reference="A", name="Usual", address="Road 1", tax_id="T1")
    quick = make_customer(reference="B", name="Quick", payment_terms_days=0)
    post(make_spec(usual, "1"), make_spec(quick, "1"))
    bill(issue_date=date(2026, 4, 1))
    first, second = all_invoices()
    assert (first.seller_name, first.seller_address, first.footer) == ("Clouds Ltd", "Sky 1", "Thank you")
    assert (first.customer_name, first.customer_address, first.customer_tax_id) == ("Usual", "Road 1", "T1")
    assert (first.issue_date, first.due_date, first.issued_at) == (date(2026, 4, 1), date(2026, 4, 15), NOW)
    assert (second.customer_name, second.due_date) == ("Quick", date(2026, 4, 1))


def test_the_issue_date_left_out_is_today(session: Session) -> None:
    assert make_invoice().issue_date == NOW.date()


def test_a_second_run_makes_nothing(session: Session) -> None:
    a_mixed_month()
    bill()
    before = len(all_invoices())
    again = bill()
    assert len(all_invoices()) == before
    assert run_report(session, again).invoices == 0
    assert {row.reason for row in left_out_of_run(session, again)} == {
        "after_cut_off",
        "held",
        "zero_total",
        "negative_total",
    }
    assert_books_balance(session)


def test_a_run_over_nothing_is_done(session: Session) -> None:
    run_id = bill()
    assert run_report(session, run_id).run.state == "done"


def test_a_run_keeps_to_its_customers_and_currency(session: Session) -> None:
    one, two = make_customer(reference="ONE"), make_customer(reference="TWO")
    for person in (one, two):
        post(make_spec(person, "10"), make_spec(person, "20", currency="EUR"))
    bill(customers=[one], currency="EUR")
    assert [(invoice.customer_reference, invoice.total) for invoice in all_invoices()] == [("ONE", 2000)]
    bill(currency="USD")
    assert [(invoice.customer_reference, invoice.total) for invoice in all_invoices()][1:] == [
        ("ONE", 1000),
        ("TWO", 1000),
    ]
    assert_books_balance(session)


@pytest.mark.parametrize(
    ("spec", "code", "place"),
    [
        (RunSpec(MARCH_END, customers=("NOBODY",)), "unknown_customer", ("customers", 0)),
        (RunSpec(MARCH_END, currency="XXX"), "unknown_currency", ("currency",)),
    ],
)
def test_a_run_over_what_is_not_there_is_refused(
    session: Session, spec: RunSpec, code: str, place: tuple[str | int, ...]
) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        runs.run_billing(transaction, spec, SYSTEM, NOW)
    assert (refused.value.code, refused.value.field) == (code, place)
    assert contents(session) == before


def test_charges_of_one_service_share_a_line_per_unit_price(session: Session) -> None:
    customer, service = make_customer(), make_service()
    post(
        *(make_spec(customer, service=service, quantity=str(n)) for n in (1, 2, 3)),
        *(make_spec(customer, service=service, quantity="2", unit_price=price) for price in ("2.5", "2.50", "3")),
        make_spec(customer, "0.004", service=service),
        make_spec(customer, "0.003", service=service, quantity="9"),
        make_spec(customer, "0.004", description="Alone"),
    )
    bill()
    (invoice,) = all_invoices()
    lines = [(line.unit_price, line.charges, plain_decimal(line.amount), line.net) for line in invoice.lines]
    assert lines == [
        (Decimal("2.5"), 5, "25", 2500),
        (Decimal(3), 1, "6", 600),
        (None, 2, "0.007", 1),
        (None, 1, "0.004", 0),
    ]
    assert_books_balance(session)


def test_a_service_may_ask_for_a_line_per_charge(session: Session) -> None:
    customer, service = make_customer(), make_service(line_per_charge=True)
    post(*(make_spec(customer, service=service, incurred_on=date(2026, 3, day)) for day in (9, 2, 5)))
    bill()
    (invoice,) = all_invoices()
    assert [line.charges for line in invoice.lines] == [1, 1, 1]
    assert_books_balance(session)


def test_the_line_says_what_its_charges_say_or_the_services_name(session: Session) -> None:
    one, two, service = make_customer(), make_customer(), make_service(name="Computing")
    post(
        make_spec(one, service=service, description="Night run"),
        make_spec(one, service=service, description="Night run", quantity="2"),
        make_spec(two, service=service, description="Night run"),
        make_spec(two, service=service, description="Day run"),
    )
    bill()
    assert [invoice.lines[0].description for invoice in all_invoices()] == ["Night run", "Computing"]


def test_tax_is_computed_once_per_rate(session: Session) -> None:
    make_tax_rate("VAT19", "19")
    customer = make_customer(currency="EUR")
    for code in ("a", "b"):
        post(make_spec(customer, "0.13", service=make_service(code=code, tax_rate="VAT19")))
    bill()
    (invoice,) = all_invoices()
    assert (invoice.net, invoice.tax, invoice.total) == (26, 5, 31)


def test_the_current_invoice_is_what_billing_would_make(session: Session) -> None:
    a_mixed_month()
    prepared = shown(session).documents[0]
    current = billing.current_invoice(session, prepared.customer_id, prepared.document.currency, MARCH_END)
    assert current == prepared.document
    bill()
    session.rollback()
    assert billing.current_invoice(session, prepared.customer_id, prepared.document.currency, MARCH_END) is None


# --- what is confirmed is what was shown ------------------------------------------------------------------------------


def _post_another(session: Session) -> None:
    post(make_spec("M-0", "0.000000000001", description="Another"))


def _cancel_one(session: Session) -> None:
    id = session.scalars(select(Charge.id).where(Charge.description == "Goodwill").limit(1)).one()
    transaction(charges.cancel, [id], "", SYSTEM, NOW)


def _release_one(session: Session) -> None:
    id = session.scalars(select(Charge.id).where(Charge.status == "held")).one()
    transaction(charges.release, [id], "", SYSTEM, NOW)


def _change_the_tax(session: Session) -> None:
    id = session.scalars(select(Service.id).where(Service.code == "compute")).one()
    transaction(services.update, id, {"tax_rate": "none"}, None, SYSTEM, NOW)


def _post_later(session: Session) -> None:
    post(make_spec("M-0", "1", description="Later", incurred_on=APRIL))


@pytest.mark.parametrize("change", [_post_another, _cancel_one, _release_one, _change_the_tax, _post_later])
def test_what_changed_since_the_preview_is_shown_again(session: Session, change: Callable[[Session], None]) -> None:
    a_mixed_month()
    digest = shown(session).digest
    change(session)
    before = contents(session)
    with pytest.raises(Conflict) as refused:
        bill(confirmed=digest)
    assert (refused.value.code, refused.value.field) == ("preview_changed", ("confirmed",))
    assert contents(session) == before
    bill(confirmed=shown(session).digest)
    assert_books_balance(session)


def test_an_account_that_changes_during_a_confirmed_run_is_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [make_customer(reference=f"P-{n}") for n in range(4)]
    post(*(make_spec(person, "10") for person in people))
    digest = shown(session).digest
    monkeypatch.setattr(chunks, "CHUNK", 2)
    meddled = _between_chunks(monkeypatch, lambda: post(make_spec(people[3], "5", description="Meanwhile")))
    run_id = bill(confirmed=digest)
    assert meddled == [1]
    assert [invoice.customer_reference for invoice in all_invoices()] == ["P-0", "P-1", "P-2"]
    (row,) = left_out_of_run(session, run_id)
    assert (row.reference, row.reason, row.charges, row.amount) == ("P-3", "changed", 2, Decimal(15))
    assert_books_balance(session)


def _between_chunks(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], object]) -> list[int]:
    """Do something once, after the first chunk is committed."""
    original, done = chunks.bill_chunk, list[int]()

    def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = transaction(work, *args, **kwargs)
        if work is original and not done:
            done.append(1)
            meddle()
        return result

    monkeypatch.setattr("tests.making.transaction", transact)
    return done


def test_a_billed_charge_keeps_its_fingerprint_while_it_may_have_a_duplicate(session: Session) -> None:
    customer = make_customer()
    make_service()
    spec = make_spec(customer, service="GenericCompute")
    old = post(spec, now=NOW - timedelta(hours=40)).ids[0]
    recent = post(spec, now=NOW - timedelta(hours=23)).ids[0]
    bill()
    session.rollback()
    fingerprints = dict(session.execute(select(Charge.id, Charge.fingerprint)).all())
    assert fingerprints[recent] is not None
    assert fingerprints[old] is None
    duplicate = post(spec)
    session.rollback()
    assert session.get_one(Charge, duplicate.ids[0]).duplicate_of_id == recent


# --- going on after a failure -----------------------------------------------------------------------------------------


class Stumble:
    """`bill_chunk` that fails at the second chunk, before or after its work."""

    def __init__(self, error: Exception, after: bool) -> None:
        self.original, self.error, self.after, self.calls = chunks.bill_chunk, error, after, 0

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        self.calls += 1
        if self.calls == 2 and not self.after:
            raise self.error
        result = self.original(*args, **kwargs)
        if self.calls == 2:
            raise self.error
        return result


@pytest.mark.parametrize("after", [False, True], ids=["before-its-work", "after-its-work"])
@pytest.mark.parametrize("error", [RuntimeError("struck by lightning"), Invalid("tired", "Too tired.")], ids=type)
def test_a_run_that_fails_in_the_middle_goes_on_where_it_stopped(
    session: Session, monkeypatch: pytest.MonkeyPatch, after: bool, error: Exception
) -> None:
    people = [make_customer() for _ in range(8)]
    post(*(make_spec(person, "10") for person in people))
    monkeypatch.setattr(chunks, "CHUNK", 3)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "bill_chunk", Stumble(error, after))
        if isinstance(error, Invalid):
            bill(id=A)
        else:
            with pytest.raises(RuntimeError, match="lightning"):
                bill(id=A)
    session.rollback()
    run = session.get_one(BillingRun, A)
    assert (run.state, run.failure) == (("failed", "Too tired.") if isinstance(error, Invalid) else ("running", None))
    assert len(all_invoices()) == 3
    assert_books_balance(session)

    assert bill(id=A) == A

    session.expire_all()
    assert (session.get_one(BillingRun, A).state, session.get_one(BillingRun, A).failure) == ("done", None)
    assert [invoice.sequence for invoice in all_invoices()] == list(range(1, 9))
    assert counted(session) == {"billed": 8}
    assert_books_balance(session)


def test_a_run_that_is_done_is_answered_with_itself(session: Session) -> None:
    post(make_spec(make_customer(), "10"))
    bill(id=A)
    post(make_spec(make_customer(), "10"))
    seal_all_events(transaction, NOW)
    before = contents(session)
    assert bill(id=A) == A
    assert contents(session) == before


def test_another_run_under_the_same_id_is_refused_and_the_difference_named(session: Session) -> None:
    bill(id=A)
    spec = RunSpec(MARCH_END, issue=True, id=A)
    changes: list[tuple[RunSpec, list[str]]] = [
        (replace(spec, through=APRIL), ["through"]),
        (replace(spec, issue=False), ["issue"]),
        (replace(spec, currency="EUR", issue_date=APRIL), ["currency", "issue_date"]),
    ]
    for asked, differs in changes:
        with pytest.raises(Conflict) as refused:
            runs.run_billing(transaction, asked, SYSTEM, NOW)
        assert refused.value.extra == {"differs": differs}


def test_charges_that_another_run_took_meanwhile_are_billed_once(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [make_customer(reference=f"P-{n}") for n in range(4)]
    post(*(make_spec(person, "10") for person in people))
    monkeypatch.setattr(chunks, "CHUNK", 2)
    other = RunSpec(MARCH_END, issue=True)
    meddled = _between_chunks(monkeypatch, lambda: runs.run_billing(transaction, other, SYSTEM, NOW))
    run_id = bill()
    assert meddled == [1]
    assert [invoice.customer_reference for invoice in all_invoices()] == ["P-0", "P-1", "P-2", "P-3"]
    waiting = select(func.count()).where(BillingRunItem.run_id == run_id, BillingRunItem.state == "waiting")
    assert session.scalar(waiting) == 0
    assert_books_balance(session)


def test_each_chunk_and_the_end_of_a_run_are_recorded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    post(*(make_spec(make_customer(), "10") for _ in range(5)))
    monkeypatch.setattr(chunks, "CHUNK", 3)
    run_id = bill()
    events = session.execute(select(AuditEvent.action, AuditEvent.details).where(AuditEvent.object_id == run_id)).all()
    assert Counter(event.action for event in events) == {
        "billing_run.started": 1,
        "billing_run.billed": 2,
        "billing_run.finished": 1,
    }
    billed = [event.details for event in events if event.action == "billing_run.billed"]
    assert sum(details["invoices"] for details in billed) == sum(details["charges"] for details in billed) == 5


# --- numbers and dates ------------------------------------------------------------------------------------------------


def test_an_issue_date_before_the_last_one_is_refused(session: Session) -> None:
    make_invoice()
    post(make_spec(make_customer(), "10"))
    before = contents(session)
    with pytest.raises(Invalid, match="2026-04-02 or later") as refused:
        bill(issue_date=date(2026, 4, 1))
    assert refused.value.field == ("issue_date",)
    assert contents(session) == before
    bill(issue_date=date(2026, 4, 2))
    assert_books_balance(session)


def test_drafts_may_be_made_for_any_day(session: Session) -> None:
    make_invoice()
    post(make_spec(make_customer(), "10"))
    bill(issue=False, issue_date=date(2026, 4, 1))
    assert [invoice.status for invoice in all_invoices()] == ["issued", "draft"]


def test_a_later_invoice_between_two_chunks_stops_the_run_with_its_reason(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [make_customer(reference=f"P-{n}") for n in range(4)]
    post(*(make_spec(person, "10") for person in people))
    monkeypatch.setattr(chunks, "CHUNK", 2)
    tomorrow = RunSpec(MARCH_END, customers=("P-3",), issue=True, issue_date=NOW.date() + timedelta(days=1))
    _between_chunks(monkeypatch, lambda: runs.run_billing(transaction, tomorrow, SYSTEM, NOW + timedelta(days=1)))
    run_id = bill()
    run = run_report(session, run_id).run
    assert run.state == "failed"
    assert str(run.failure).startswith("INV-2026-00003 is dated 2026-04-03, which is after today (2026-04-02)")
    assert counted(session) == {"billed": 3, "pending": 1}
    assert_books_balance(session)


NEW_YEAR = datetime(2027, 1, 1, 9, tzinfo=UTC)


def test_each_year_has_a_series_of_its_own(session: Session) -> None:
    customer = make_customer()
    for issue_date in (date(2026, 12, 31), date(2027, 1, 1), date(2027, 1, 1), date(2026, 12, 31)):
        post(make_spec(customer, "10", description=issue_date.isoformat()))
        bill(issue_date=issue_date, now=NEW_YEAR)
    numbers = [invoice.number for invoice in all_invoices()]
    assert numbers == ["INV-2026-00001", "INV-2026-00002", "INV-2027-00001", "INV-2027-00002"]
    assert session.scalar(select(func.count()).select_from(NumberSeries)) == 2
    assert_books_balance(session)


def test_a_changed_prefix_goes_on_counting(session: Session) -> None:
    make_invoice()
    change_settings(invoice_format="RE-{year}-{number:5}")
    assert make_invoice().number == "RE-2026-00002"


# --- the same everywhere ----------------------------------------------------------------------------------------------


def _a_months_invoices(database: Database) -> list[tuple[Any, ...]]:
    database.reset()
    random_numbers = random.Random(20260331)
    with database.app.app_context():
        codes = [make_service(code=f"S{n}", line_per_charge=n == 3).code for n in range(4)]
        people = [make_customer(reference=f"R-{n}", currency=("USD", "JPY", "BHD")[n % 3]) for n in range(9)]
        specs = []
        for number in range(400):
            amount = plain_decimal(Decimal(f"{random_numbers.randint(-(10**12), 10**13)}E-12"))
            priced: dict[str, Any] = random_numbers.choice(
                [{"amount": amount}, {"unit_price": random_numbers.choice(["0.000012", "1.5"]), "quantity": amount}]
            )
            service = random_numbers.choice([*codes, None])
            specs.append(
                make_spec(
                    random_numbers.choice(people),
                    service=service,
                    description=random_numbers.choice("xyzäÄ"),
                    incurred_on=MARCH + timedelta(days=random_numbers.randint(-9, 20)),
                    id=UUID(int=number + 1),
                    **priced,
                )
            )
        post(*specs)
        bill()
        assert_books_balance(db.session())
        return [
            (invoice.number, invoice.customer_reference, invoice.total, line.service_code, line.description, line.net)
            for invoice in all_invoices()
            for line in invoice.lines
        ]


@pytest.mark.postgresql
def test_both_databases_make_the_same_invoices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [_a_months_invoices(request.getfixturevalue(name)) for name in ("sqlite", "postgresql")]
    monkeypatch.setattr(chunks, "CHUNK", 2)
    made.append(_a_months_invoices(request.getfixturevalue("postgresql")))
    assert len(made[0]) >= 5
    assert made[0] == made[1] == made[2]


# --- drafts thrown away, drafts issued --------------------------------------------------------------------------------


def test_a_draft_thrown_away_makes_its_charges_pending_again(session: Session) -> None:
    a_mixed_month()
    before = counted(session)
    bill(issue=False)
    for invoice in all_invoices():
        transaction(invoices.discard, invoice.id, SYSTEM, NOW)
    assert counted(session) == before
    assert all_invoices() == []
    assert_books_balance(session)
    bill()
    assert_books_balance(session)


def test_a_charge_too_large_for_an_invoice_is_left_out_and_stops_nobody(session: Session) -> None:
    huge, small = make_customer(reference="HUGE"), make_customer(reference="SMALL")
    post(make_spec(huge, "999999999999999999"), make_spec(small, "1"))
    before = shown(session)
    assert [(one.reference, one.reason) for one in before.left_out] == [("HUGE", "too_large")]
    bill(issue=True)
    assert [invoice.customer_reference for invoice in all_invoices()] == ["SMALL"]


def test_another_amount_among_what_is_left_out_is_another_preview(session: Session) -> None:
    customer = make_customer()
    held = post(make_spec(customer, "77"), make_spec(customer, "10")).ids[0]
    transaction(charges.hold, [held], "asked", SYSTEM, NOW)
    before = shown(session).digest
    transaction(charges.cancel, [held], "wrong", SYSTEM, NOW)
    other = post(make_spec(customer, "5")).ids[0]
    transaction(charges.hold, [other], "asked", SYSTEM, NOW)
    assert shown(session).digest != before


def test_what_was_confirmed_is_never_left_out_in_silence(session: Session) -> None:
    """Not even where an account's own totals are wrong, which doctor would find."""
    post(make_spec(make_customer(), "10"))
    digest = shown(session).digest
    transaction(lambda writing: writing.execute(update(Account).values(pending_charges=0)))
    with pytest.raises(Conflict, match="Charges have changed"):
        bill(confirmed=digest)
    assert session.scalar(select(func.count()).select_from(BillingRun)) == 0


def test_a_run_that_was_started_by_an_earlier_version_goes_on(session: Session) -> None:
    """It listed what is later when it started."""
    customer, other = make_customer(), make_customer()
    post(
        make_spec(customer, "10"), make_spec(customer, "2", incurred_on=APRIL), make_spec(other, "3", incurred_on=APRIL)
    )
    spec = RunSpec(through=MARCH_END, issue=True, id=A)
    transaction(runs.start, spec, SYSTEM, NOW)

    def as_before(session: Session) -> None:
        """The one with something due waits, and both have what is later."""
        item, later = BillingRunItem, {"part": "later", "state": "left_out", "reason": "after_cut_off"}
        session.execute(update(item).where(item.customer_id == other.id).values(**later))
        listed = {"run_id": A, "customer_id": customer.id, "currency": "USD", "charges": 1, "amount": Decimal(2)}
        session.execute(insert(item).values(**listed, **later, position=1))

    transaction(as_before)
    assert runs.run_billing(transaction, spec, SYSTEM, NOW) == (A, False)
    assert Counter((row.charges, plain_decimal(row.amount), row.reason) for row in left_out_of_run(session, A)) == {
        (1, "2", "after_cut_off"): 1,
        (1, "3", "after_cut_off"): 1,
    }
    assert run_report(session, A).run.state == "done"
    assert_books_balance(session)


def test_totals_that_are_wrong_stop_the_run_with_a_sentence(session: Session) -> None:
    """What an account keeps is changed with each charge: if it says less than there is, nobody may bill by it."""
    customer = make_customer(currency="EUR")
    post(make_spec(customer, "1.00"), make_spec(customer, "2.00"))
    transaction(lambda session: session.execute(update(Account).values(pending_charges=1)))
    id, _ = runs.run_billing(transaction, RunSpec(MARCH_END, issue=True, issue_date=MARCH_END), SYSTEM, NOW)
    session.rollback()
    run = session.get_one(BillingRun, id)
    assert run.state == "failed"
    assert f"customer {customer.id} in EUR do not match the charges" in (run.failure or "")
    assert all_invoices() == []
    assert counted(session) == {"pending": 2}


def test_a_run_that_finds_nothing_due_tells_of_no_invoices(session: Session) -> None:
    post(make_spec(make_customer(currency="EUR"), "1.00", incurred_on=APRIL))
    runs.run_billing(transaction, RunSpec(MARCH_END, issue=True, issue_date=MARCH_END), SYSTEM, NOW)
    session.rollback()
    told = session.scalars(select(AuditEvent.action).where(AuditEvent.object_type == "billing_run")).all()
    assert sorted(told) == ["billing_run.finished", "billing_run.started"]


@pytest.mark.both_databases
def test_an_excluded_account_is_left_out_also_after_the_run_stopped(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that continues reads the accounts from its row; the request need not name them again."""
    monkeypatch.setattr(chunks, "CHUNK", 1)
    for reference in "ABC":
        post(make_spec(make_customer(reference=reference), "10"))
    run_id = uuid4()
    spec = RunSpec(MARCH_END, issue=True, id=run_id, exclude=(("B", "USD"),))
    transaction(runs.start, spec, SYSTEM, NOW)
    transaction(chunks.bill_chunk, run_id, SYSTEM, NOW)
    runs.run_billing(transaction, replace(spec, exclude=()), SYSTEM, NOW)
    assert [invoice.customer_reference for invoice in all_invoices()] == ["A", "C"]
    report = run_report(session, run_id)
    assert [(row.reference, row.reason) for row in report.left_out] == [("B", "excluded")]
    assert report.excluded == [("B", "USD")]
    assert_books_balance(session)
