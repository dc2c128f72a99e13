"""Reverse charge names the customer's tax ID: a run leaves out a customer without it, and an issue is refused."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.billing_runs import ChunkPlan, plan_chunk
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.domain.formatting import format_day
from billing_admin.domain.master_data import CustomerFields
from billing_admin.models import BillingRun, Customer, Invoice
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.billing.chunks import bill_chunk
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import customers, exchange_rates, services
from billing_admin.queries.billing.preview import BillingScope, Preview, prepare_current_document, preview
from billing_admin.queries.billing.runs import left_out_of_run
from billing_admin.queries.invoices.readiness import (
    IncompleteDraft,
    customer_shortcomings,
    incomplete_drafts,
    organisation_shortcomings,
    shortcomings_of,
)
from tests.books import assert_books_balance, contents
from tests.making import (
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_bank_account,
    make_customer,
    make_invoice,
    make_service,
    make_spec,
    make_tax_rate,
    post,
    void,
)

REASON = "customer_tax_id_missing"
BLANK = ["", " ", "\u00a0\u2003", "-"]


def update_customer(customer: Customer, fields: CustomerFields) -> None:
    transaction(customers.update, customer.id, fields, None, SYSTEM, NOW)


def reverse_charged(tax_id: str = "", reference: str = "VIENNA") -> Customer:
    return make_customer(reference=reference, tax_treatment="reverse_charge", tax_id=tax_id)


def left_out_of(session: Session, run_id: object) -> list[tuple[str, int, str]]:
    session.rollback()
    return [(row.reference, row.charges, row.reason) for row in left_out_of_run(session, run_id)]  # type: ignore[arg-type]


def stopped_drafts(session: Session, ids: Sequence[UUID]) -> list[IncompleteDraft]:
    return [draft for draft in incomplete_drafts(session, ids) if draft.stops]


@pytest.mark.parametrize("tax_id", BLANK)
@pytest.mark.parametrize("issue", [True, False])
def test_a_run_leaves_out_reverse_charge_without_a_tax_id(session: Session, tax_id: str, issue: bool) -> None:
    vienna, paris = reverse_charged(tax_id), reverse_charged("FR40303265045", "PARIS")
    post(make_spec(vienna, "5"), make_spec(vienna, "6"), make_spec(paris, "7"), make_spec(make_customer(), "8"))
    shown = preview(session, BillingScope(MARCH_END))
    assert [(row.reference, row.charges, row.reason) for row in shown.left_out] == [("VIENNA", 2, REASON)]
    run_id = bill(issue=issue, confirmed=shown.digest)
    assert left_out_of(session, run_id) == [("VIENNA", 2, REASON)]
    assert len(all_invoices()) == len(shown.documents) == 2
    assert session.get_one(BillingRun, run_id).state == "done"
    assert_books_balance(session)
    update_customer(vienna, {"tax_id": "ATU13585627"})
    bill(issue=issue)
    assert [one.customer_tax_id for one in all_invoices() if one.customer_reference == "VIENNA"] == ["ATU13585627"]


def test_a_run_leaves_out_lines_of_the_reverse_charge_category(session: Session) -> None:
    """The category comes from the service's tax rate; the customer's own treatment is the usual one."""
    make_tax_rate("RC", "0", "AE")
    service, customer = make_service(tax_rate="RC"), make_customer(reference="VIENNA")
    post(make_spec(customer, service=service), make_spec(customer, "5"))
    assert left_out_of(session, bill()) == [("VIENNA", 2, REASON)]
    update_customer(customer, {"tax_id": "ATU13585627"})
    assert left_out_of(session, bill()) == []
    assert [one.customer_tax_id for one in all_invoices()] == ["ATU13585627"]


def test_the_current_invoice_gives_the_reason(session: Session) -> None:
    vienna = reverse_charged()
    post(make_spec(vienna, "5"))
    prepared = prepare_current_document(session, vienna.id, "USD", MARCH_END)
    assert prepared is not None
    assert (prepared.reason, prepared.document.total) == (REASON, 500)


def test_a_total_that_makes_no_invoice_is_told_first(session: Session) -> None:
    post(make_spec(reverse_charged(), "-5"))
    assert left_out_of(session, bill()) == [("VIENNA", 1, "negative_total")]


def test_a_confirmed_preview_is_shown_again_once_the_tax_id_is_there(session: Session) -> None:
    vienna = reverse_charged()
    post(make_spec(vienna, "5"), make_spec(make_customer(), "8"))
    before = preview(session, BillingScope(MARCH_END))
    session.rollback()
    update_customer(vienna, {"tax_id": "ATU13585627"})
    assert preview(session, BillingScope(MARCH_END)).digest != before.digest


@pytest.mark.parametrize("tax_id", BLANK)
def test_an_issue_of_reverse_charge_without_a_tax_id_is_refused_at_the_field(session: Session, tax_id: str) -> None:
    vienna, other = reverse_charged("ATU13585627"), make_invoice(make_customer(), issue=False)
    draft = make_invoice(vienna, issue=False)
    update_customer(vienna, {"tax_id": tax_id})
    before = contents(session)
    acts: tuple[Callable[[], object], ...] = (
        lambda: transaction(invoices.issue, draft.id, None, SYSTEM, NOW),
        lambda: transaction(invoices.issue_many, [other.id, draft.id], NOW.date(), SYSTEM, NOW),
    )
    for act in acts:
        with pytest.raises(Invalid) as refused:
            act()
        assert (refused.value.code, refused.value.field) == (REASON, ("customer", "tax_id"))
        assert refused.value.message.startswith("Add the tax ID of VIENNA on the customer's page")
        assert contents(session) == before
    [unready] = stopped_drafts(session, [other.id, draft.id])
    assert (unready.id, unready.customer_id) == (draft.id, vienna.id)
    session.rollback()
    update_customer(vienna, {"tax_id": "ATU99999001"})
    assert stopped_drafts(session, [other.id, draft.id]) == []
    session.rollback()
    assert transaction(invoices.issue_many, [other.id, draft.id], NOW.date(), SYSTEM, NOW) == 2
    assert_books_balance(session)


def test_a_draft_made_before_the_treatment_changed_is_stopped_as_well(session: Session) -> None:
    """Its lines keep the category that they were made with, on either side of the change."""
    taxed, untaxed = make_customer(reference="TAXED"), reverse_charged("ATU13585627")
    drafts = [make_invoice(customer, issue=False) for customer in (taxed, untaxed)]
    update_customer(taxed, {"tax_treatment": "reverse_charge"})
    update_customer(untaxed, {"tax_treatment": "standard", "tax_id": ""})
    for draft in drafts:
        with pytest.raises(Invalid) as refused:
            transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
        assert refused.value.code == REASON


def test_each_draft_that_is_not_ready_is_named(session: Session) -> None:
    people = [reverse_charged("ATU13585627", reference) for reference in ("A", "B")]
    drafts = [make_invoice(customer, issue=False).id for customer in people]
    for customer in people:
        update_customer(customer, {"tax_id": ""})
    with pytest.raises(Invalid) as refused:
        transaction(invoices.issue_many, drafts, NOW.date(), SYSTEM, NOW)
    assert [problem.message.split(" on the")[0] for problem in refused.value.problems] == [
        "Add the tax ID of A",
        "Add the tax ID of B",
    ]


def test_an_invoice_of_before_is_credited_and_billed_again_without_a_tax_id(session: Session) -> None:
    """A credit note corrects what was issued; the draft in place of a void invoice may exist, and is stopped at its issue."""
    vienna = reverse_charged("ATU13585627")
    credited, voided = make_invoice(vienna), make_invoice(vienna)
    update_customer(vienna, {"tax_id": " "})
    note = credit(credited, "10")
    assert (note.kind, note.status, note.total) == ("credit_note", "issued", 1000)
    draft_id = void(voided, "billed_again")
    assert draft_id is not None
    with pytest.raises(Invalid) as refused:
        transaction(invoices.issue, draft_id, None, SYSTEM, NOW)
    assert refused.value.code == REASON
    update_customer(vienna, {"tax_id": "ATU13585627"})
    assert transaction(invoices.issue, draft_id, None, SYSTEM, NOW)
    assert_books_balance(session)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("before", "after"), [("ATU13585627", ""), ("", "ATU13585627")])
def test_a_tax_id_that_changes_after_the_run_was_started_is_seen(session: Session, before: str, after: str) -> None:
    vienna = reverse_charged(before)
    post(make_spec(vienna, "5"))
    run_id, _ = transaction(runs.start, RunSpec(MARCH_END, issue=True), SYSTEM, NOW)
    update_customer(vienna, {"tax_id": after})
    assert transaction(bill_chunk, run_id, SYSTEM, NOW) == 1
    expected = [] if after else [("VIENNA", 1, REASON)]
    assert left_out_of(session, run_id) == expected
    assert session.scalars(select(Invoice.customer_tax_id)).all() == ([after] if after else [])


def test_a_run_freezes_what_it_planned(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tax ID that is removed between the plan of a chunk and its numbers neither stops the run nor is missing."""
    vienna = reverse_charged("ATU13585627")
    post(make_spec(vienna, "5"), make_spec(make_customer(), "8"))

    def plan_then_change(*args: Any, **options: Any) -> ChunkPlan:
        planned = plan_chunk(*args, **options)
        db.session().execute(update(Customer).where(Customer.id == vienna.id).values(tax_id="", name="Renamed"))
        return planned

    monkeypatch.setattr(chunks, "plan_chunk", plan_then_change)
    run_id = bill()
    assert left_out_of(session, run_id) == []
    [invoice] = [issued for issued in all_invoices() if issued.customer_reference == "VIENNA"]
    assert (invoice.customer_tax_id, invoice.customer_name) == ("ATU13585627", "VIENNA")
    assert session.get_one(BillingRun, run_id).state == "done"
    assert_books_balance(session)


def test_required_details_stop_an_issue_and_leave_an_account_out(session: Session) -> None:
    draft = make_invoice(issue=False)
    [incomplete] = incomplete_drafts(session, [draft.id])
    assert (incomplete.stops, {item.code for item in incomplete.warnings}) == (
        [],
        {"organisation_country_missing", "bank_account_missing", "customer_country_missing"},
    )
    session.rollback()
    before = preview(session, BillingScope(MARCH_END))
    post(make_spec(make_customer(reference="LATER"), "5"))
    change_settings(requires_complete_details=True)
    [stopped] = stopped_drafts(session, [draft.id])
    assert stopped.warnings == []
    with pytest.raises(Invalid) as refused:
        transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert [problem.code for problem in refused.value.problems] == [item.code for item in stopped.stops]
    shown = preview(session, BillingScope(MARCH_END))
    assert [row.reason for row in shown.left_out] == ["organisation_country_missing"]
    assert shown.digest != before.digest
    assert left_out_of(session, bill(confirmed=shown.digest)) == [("LATER", 1, "organisation_country_missing")]


def test_an_organisation_without_an_address_issues_nothing(session: Session) -> None:
    draft = make_invoice(issue=False)
    change_settings(address=" ")
    with pytest.raises(Invalid) as refused:
        transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert (refused.value.code, refused.value.field) == (
        "organisation_address_missing",
        ("organisation", "address"),
    )
    change_settings(country="DE")
    assert transaction(invoices.issue, draft.id, None, SYSTEM, NOW)


@time_machine.travel(NOW, tick=False)
def test_tax_in_another_currency_lacks_an_exchange_rate_until_there_is_one(session: Session) -> None:
    """A customer in USD, and an organisation in EUR."""
    service = make_service(tax_rate=make_tax_rate().code)
    post(make_spec(make_customer(), "5", service=service))
    bill(issue=False)
    [draft] = all_invoices()

    def warnings() -> set[str]:
        session.rollback()
        [incomplete] = incomplete_drafts(session, [draft.id])
        return {item.code for item in incomplete.warnings}

    assert "exchange_rate_missing" in warnings()
    too_old = NOW.date() - timedelta(days=8)
    for day, is_missing in ((too_old, True), (NOW.date(), False)):
        transaction(exchange_rates.set_rate, RateSpec("USD", day, Decimal("1.1"), "ECB"), SYSTEM, NOW)
        assert ("exchange_rate_missing" in warnings()) is is_missing


def with_format(reference: str, e_invoice: str, **fields: str) -> Customer:
    """A customer in Germany that is billed in euros and gets e-invoices."""
    address = {"street": "Platz 3", "postcode": "53113", "city": "Bonn", "country": "DE"}
    return make_customer(reference=reference, currency="EUR", e_invoice=e_invoice, **address, **fields)  # type: ignore[arg-type]


def name_a_complete_seller() -> None:
    change_settings(
        street="Hafenstr. 1",
        postcode="20457",
        city="Hamburg",
        country="DE",
        tax_id="DE136695976",
        contact_name="Ada",
        contact_phone="+49 40 1",
        contact_email="ada@example.com",
        electronic_address="4012345000009",
        electronic_scheme="0088",
    )


def test_a_run_leaves_out_what_the_format_of_the_customer_does_not_accept(session: Session) -> None:
    name_a_complete_seller()
    make_bank_account(is_default=True)
    service = make_service(code="taxed", tax_rate=make_tax_rate().code, prices={"EUR": Decimal(1)})
    address = {"electronic_address": "a@example.com", "electronic_scheme": "EM"}
    complete = with_format("A", "xrechnung-ubl", buyer_reference="R-1", **address)
    incomplete = with_format("B", "xrechnung-cii", **address)
    plain = with_format("C", "none")
    post(*(make_spec(customer, "7", service=service) for customer in (complete, incomplete, plain)))
    shown = preview(session, BillingScope(MARCH_END))
    assert [(row.reference, row.reason) for row in shown.left_out] == [
        ("B", "e_invoice_customer_buyer_reference_missing")
    ]
    run_id = bill(confirmed=shown.digest)
    assert left_out_of(session, run_id) == [("B", 1, "e_invoice_customer_buyer_reference_missing")]
    assert [(invoice.customer_reference, (invoice.details or {}).get("e_invoice")) for invoice in all_invoices()] == [
        ("A", "xrechnung-ubl"),
        ("C", None),
    ]
    update_customer(incomplete, {"buyer_reference": "R-2"})
    assert left_out_of(session, bill()) == []


@pytest.mark.parametrize("issue", [True, False])
def test_the_order_of_the_run_counts_as_the_order_of_a_peppol_invoice(session: Session, issue: bool) -> None:
    name_a_complete_seller()
    service = make_service(code="taxed", tax_rate=make_tax_rate().code, prices={"EUR": Decimal(1)})
    customer = with_format("A", "peppol", electronic_address="4012345000016", electronic_scheme="0088")
    update_customer(customer, {"country": "AT", "postcode": "1010", "city": "Wien"})
    post(make_spec(customer, "7", service=service))
    session.rollback()

    def shown(spec: RunSpec) -> Preview:
        return runs.preview_run(dry_run, session, spec, SYSTEM, NOW)

    spec = RunSpec(MARCH_END, issue=issue, purchase_order="PO-7")
    without, planned = shown(replace(spec, purchase_order=None)), shown(spec)
    assert [row.reason for row in without.left_out] == ["e_invoice_customer_reference_or_order_missing"]
    assert ([item.purchase_order for item in planned.documents], planned.left_out) == (["PO-7"], [])
    session.rollback()
    with pytest.raises(Conflict, match="Review the new preview"):
        runs.run_billing(transaction, replace(spec, confirmed=without.digest), SYSTEM, NOW)
    run_id, _ = runs.run_billing(transaction, replace(spec, confirmed=planned.digest), SYSTEM, NOW)
    assert left_out_of(session, run_id) == []
    assert [invoice.purchase_order for invoice in all_invoices()] == ["PO-7"]
    assert_books_balance(session)


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("rate_is_of_today", [True, False])
def test_exchange_rates_are_those_for_the_issue_date(session: Session, rate_is_of_today: bool) -> None:
    """Ten days ago and today have no rate in common."""
    name_a_complete_seller()
    make_bank_account(currency="USD")
    earlier, today = NOW.date() - timedelta(days=10), NOW.date()
    day, day_without = (today, earlier) if rate_is_of_today else (earlier, today)
    change_settings(default_tax_rate=make_tax_rate().code)
    draft = make_invoice(make_customer(reference="DRAFT", country="DE", city="Berlin"), issue=False)
    post(make_spec(make_customer(country="DE", city="Berlin"), "7"))
    transaction(exchange_rates.set_rate, RateSpec("USD", day, Decimal("1.1"), "ECB"), SYSTEM, NOW)
    change_settings(requires_complete_details=True)

    assert incomplete_drafts(session, [draft.id], day) == []
    [stopped] = incomplete_drafts(session, [draft.id], day_without)
    assert [item.code for item in stopped.stops] == ["exchange_rate_missing"]
    assert (
        f"Add an exchange rate for USD of {format_day(day_without)} or the seven days before"
        in stopped.stops[0].message
    )
    session.rollback()

    spec = RunSpec(MARCH_END, issue=True, issue_date=day_without)
    planned = runs.preview_run(dry_run, session, spec, SYSTEM, NOW)
    assert [row.reason for row in planned.left_out] == ["exchange_rate_missing"]
    session.rollback()
    run_id, _ = runs.run_billing(transaction, replace(spec, confirmed=planned.digest), SYSTEM, NOW)
    assert [reason for _, _, reason in left_out_of(session, run_id)] == ["exchange_rate_missing"]
    assert session.get_one(BillingRun, run_id).state == "done"
    session.rollback()

    spec = RunSpec(MARCH_END, issue=True, issue_date=day)
    planned = runs.preview_run(dry_run, session, spec, SYSTEM, NOW)
    session.rollback()
    run_id, _ = runs.run_billing(transaction, replace(spec, confirmed=planned.digest), SYSTEM, NOW)
    assert left_out_of(session, run_id) == []
    [issued] = [invoice for invoice in all_invoices() if invoice.status == "issued"]
    assert (issued.details or {})["base_rate"]["day"] == day.isoformat()


@time_machine.travel(NOW, tick=False)
def test_a_run_that_leaves_drafts_looks_at_the_rates_of_today(session: Session) -> None:
    """A draft has no issue date yet."""
    name_a_complete_seller()
    make_bank_account(currency="USD")
    change_settings(default_tax_rate=make_tax_rate().code)
    post(make_spec(make_customer(country="DE", city="Berlin"), "7"))
    transaction(exchange_rates.set_rate, RateSpec("USD", NOW.date(), Decimal("1.1"), "ECB"), SYSTEM, NOW)
    change_settings(requires_complete_details=True)
    run_id = bill(issue=False, issue_date=NOW.date() - timedelta(days=10))
    assert left_out_of(session, run_id) == []
    assert [invoice.status for invoice in all_invoices()] == ["draft"]


def test_a_draft_is_stopped_by_its_format_and_the_organisation_names_it(session: Session) -> None:
    """A seller with a VAT number cannot use the tax category O."""
    customer, billed = with_format("A", "ubl"), with_format("B", "none")
    service = make_service(code="out", tax_rate=make_tax_rate("OUT", "0", "O").code, prices={"EUR": Decimal(1)})
    post(make_spec(billed, "7", service=service))
    bill(issue=False)
    [draft] = all_invoices()
    update_customer(billed, {"e_invoice": "factur-x"})
    session.rollback()
    assert {item.code for item in customer_shortcomings(session, customer.id) if item.stops} == {
        "e_invoice_organisation_country_missing",
        "e_invoice_organisation_registration_missing",
        "e_invoice_organisation_tax_number_missing",
    }
    assert {item.code for item in organisation_shortcomings(session) if item.stops} == {
        "e_invoice_organisation_country_missing",
        "e_invoice_organisation_registration_missing",
        "e_invoice_organisation_tax_number_missing",
    }
    session.rollback()
    name_a_complete_seller()
    [stopped] = stopped_drafts(session, [draft.id])
    assert [item.code for item in stopped.stops] == ["e_invoice_outside_scope_with_vat_number"]
    assert next(iter(organisation_shortcomings(session))).code == "bank_account_missing"


def test_a_draft_stopped_by_its_tax_rates_says_to_discard_it(session: Session) -> None:
    """A draft keeps its tax rates, so another rate of the service alone does not help."""
    customer = with_format("A", "none")
    name_a_complete_seller()
    service = make_service(code="out", tax_rate=make_tax_rate("OUT", "0", "O").code, prices={"EUR": Decimal(1)})
    post(make_spec(customer, "7", service=service))
    bill(issue=False)
    [draft] = all_invoices()
    update_customer(customer, {"e_invoice": "ubl"})
    transaction(services.update, service.id, {"tax_rate": make_tax_rate("FREE", "0", "E").code}, None, SYSTEM, NOW)
    with pytest.raises(Invalid, match="A draft keeps its tax rates: discard it, then bill again") as refused:
        transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert refused.value.code == "e_invoice_outside_scope_with_vat_number"
    transaction(invoices.discard, draft.id, SYSTEM, NOW)
    assert left_out_of(session, bill()) == []
    assert [invoice.status for invoice in all_invoices()] == ["issued"]


def test_a_document_is_checked_by_what_was_frozen_on_it(session: Session) -> None:
    invoice = make_invoice(with_format("A", "none"))
    format, shortcomings = shortcomings_of(session, invoice)
    assert format == "none"
    assert {item.code for item in shortcomings} == {"organisation_country_missing", "bank_account_missing"}
    session.rollback()
    name_a_complete_seller()
    assert shortcomings_of(session, all_invoices()[0])[1] == shortcomings
