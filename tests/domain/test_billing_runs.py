"""The plan of a billing run: documents, charges that are left out and why."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.billing_runs import (
    AFTER_CUT_OFF,
    BilledCustomer,
    BillingData,
    ChunkPlan,
    LeftOutItem,
    WaitingAccount,
    billed_charges,
    plan_chunk,
    prepare_documents,
)
from billing_admin.domain.document_details import Address, BankAccount, DocumentDetails, PartyDetails
from billing_admin.domain.errors import Conflict
from billing_admin.domain.invoices import ChargeGroup, TaxRate
from billing_admin.domain.readiness import IssueFacts, Party
from billing_admin.domain.tax import untaxed_terms

MARCH = date(2026, 3, 15)
COMPUTE, STORAGE = UUID(int=0xC), UUID(int=0x5)
ACME, BETA, ZETA = UUID(int=0xA), UUID(int=0xB), UUID(int=0xF)
SELLER = Party("Seller", "Street 1", "DE1")
DETAILS = DocumentDetails(
    seller=PartyDetails(Address(country="DE")),
    buyer=PartyDetails(Address(street="Street 2", country="DE")),
    account=BankAccount("Seller"),
)
AccountKey = tuple[UUID, str]


def make_group(amount: str, charges: int = 1, **fields: Any) -> ChargeGroup:
    """Return charges of one service and unit price at 19 percent."""
    values: dict[str, Any] = {
        "service_id": COMPUTE,
        "service_code": "Compute",
        "unit_price": None,
        "charge_id": None,
        "description": "Compute",
        "quantity": Decimal(1),
        "amount": Decimal(amount),
        "charges": charges,
        "period_from": MARCH,
        "period_to": MARCH,
        "tax": TaxRate("S", Decimal(19)),
    }
    return ChargeGroup(**(values | fields))


def make_data(groups: dict[AccountKey, Sequence[ChargeGroup]], **treatments: str) -> BillingData:
    """Return what is loaded; `treatments` are tax treatments by customer reference, standard if left out."""
    references = {ACME: "ACME", BETA: "BETA", ZETA: "ZETA"}
    customers = {
        id: BilledCustomer(name, treatments.get(name, "standard"), f"{name} Inc") for id, name in references.items()
    }
    facts = {
        (id, currency): IssueFacts(
            SELLER, Party(customers[id].name, "Street 2", ""), customers[id].tax_treatment, (), DETAILS, currency
        )
        for id, currency in groups
    }
    notes = {
        "exempt": "Exempt by law",
        "reverse_charge": "Reverse charge",
        "export": "Export",
        "intra_community": "Supply within the EU",
    }
    return BillingData(groups, customers, facts, untaxed_terms(notes, "VATEX-EU-132"))


def waiting(charges: int, amount: str, *, expected: str | None = None, position: int = 1) -> WaitingAccount:
    """Return an account of the run."""
    return WaitingAccount(position, expected, charges, Decimal(amount))


def plan(
    accounts: dict[AccountKey, WaitingAccount], data: BillingData, *, confirmed: bool = False
) -> tuple[ChunkPlan, list[AccountKey]]:
    """Return the plan, and the keys of the accounts that it bills."""
    chunk = plan_chunk(accounts, data, confirmed=confirmed)
    return chunk, [item.prepared.key for item in chunk.billed]


# --- documents, as preview and run make them --------------------------------------------------------------------------


def test_each_account_gets_a_document_with_lines_rounded_once_and_tax_per_rate() -> None:
    groups = [make_group("1.005", 2), make_group("2.004", 3, service_id=STORAGE, service_code="Storage")]
    (prepared,) = prepare_documents(make_data({(ACME, "EUR"): groups}))
    document = prepared.document
    assert [(line.group.service_code, line.net) for line in document.lines] == [("Compute", 101), ("Storage", 200)]
    assert [(total.rate.percent, total.base, total.tax) for total in document.taxes] == [(Decimal(19), 301, 57)]
    assert (document.net, document.tax, document.total) == (301, 57, 358)
    assert (document.charges, document.amount) == (5, Decimal("3.009"))
    assert (prepared.customer_id, prepared.reference, prepared.name) == (ACME, "ACME", "ACME Inc")
    assert (prepared.shortcomings, prepared.reason) == ((), None)


def test_documents_are_in_the_order_of_references_and_currencies() -> None:
    keys = [(ZETA, "EUR"), (ACME, "USD"), (BETA, "EUR"), (ACME, "EUR")]
    prepared = prepare_documents(make_data({key: [make_group("1")] for key in keys}))
    assert [(document.reference, document.document.currency) for document in prepared] == [
        ("ACME", "EUR"),
        ("ACME", "USD"),
        ("BETA", "EUR"),
        ("ZETA", "EUR"),
    ]


@pytest.mark.parametrize(
    ("treatment", "category", "note", "vatex"),
    [
        ("exempt", "E", "Exempt by law", "VATEX-EU-132"),
        ("export", "G", "Export", "VATEX-EU-G"),
        ("intra_community", "K", "Supply within the EU", "VATEX-EU-IC"),
        ("reverse_charge", "AE", "Reverse charge", "VATEX-EU-AE"),
    ],
)
def test_a_customer_without_tax_gets_the_treatments_category_and_reason(
    treatment: str, category: str, note: str, vatex: str
) -> None:
    (prepared,) = prepare_documents(make_data({(ACME, "EUR"): [make_group("10")]}, ACME=treatment))
    (total,) = prepared.document.taxes
    assert (total.rate.category, total.tax, total.note, total.vatex) == (category, 0, note, vatex)
    assert prepared.document.total == 1000


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("0.01", None),
        ("0.004", "zero_total"),
        ("0", "zero_total"),
        ("-0.01", "negative_total"),
        ("99999999999999999", "too_large"),
    ],
)
def test_a_document_that_may_not_be_made_has_a_reason(amount: str, reason: str | None) -> None:
    (prepared,) = prepare_documents(make_data({(ACME, "EUR"): [make_group(amount)]}))
    assert prepared.reason == reason


def test_reverse_charge_without_a_tax_id_is_a_reason_and_a_shortcoming() -> None:
    (prepared,) = prepare_documents(make_data({(ACME, "EUR"): [make_group("1")]}, ACME="reverse_charge"))
    assert prepared.reason == "customer_tax_id_missing"
    assert [shortcoming.code for shortcoming in prepared.shortcomings] == ["customer_tax_id_missing"]


def test_an_intra_community_supply_without_a_vat_number_is_a_reason() -> None:
    (prepared,) = prepare_documents(make_data({(ACME, "EUR"): [make_group("1")]}, ACME="intra_community"))
    assert prepared.reason == "customer_vat_number_missing"


def test_a_total_that_is_not_positive_goes_before_a_shortcoming() -> None:
    (prepared,) = prepare_documents(make_data({(ACME, "EUR"): [make_group("-1")]}, ACME="reverse_charge"))
    assert prepared.reason == "negative_total"


# --- a chunk ----------------------------------------------------------------------------------------------------------


def test_an_account_whose_pending_charges_are_all_due_is_billed() -> None:
    chunk, billed = plan({(ACME, "EUR"): waiting(3, "7.5")}, make_data({(ACME, "EUR"): [make_group("7.5", 3)]}))
    assert billed == [(ACME, "EUR")]
    assert [(item.charges, item.amount) for item in chunk.billed] == [(3, Decimal("7.5"))]
    assert (chunk.left_out, chunk.later, chunk.finished) == ([], [], [])
    assert billed_charges(chunk.billed) == 3


def test_charges_of_after_the_cut_off_are_left_out_beside_those_that_are_billed() -> None:
    chunk, billed = plan({(ACME, "EUR"): waiting(5, "9.75")}, make_data({(ACME, "EUR"): [make_group("7.5", 3)]}))
    assert billed == [(ACME, "EUR")]
    assert chunk.later == [LeftOutItem((ACME, "EUR"), 2, Decimal("2.25"), AFTER_CUT_OFF)]
    assert (chunk.left_out, chunk.finished) == ([], [])


def test_an_account_with_only_charges_of_after_the_cut_off_is_left_out() -> None:
    chunk, billed = plan({(ACME, "EUR"): waiting(2, "2.25")}, make_data({}))
    assert billed == []
    assert chunk.left_out == [LeftOutItem((ACME, "EUR"), 2, Decimal("2.25"), AFTER_CUT_OFF)]
    assert (chunk.later, chunk.finished) == ([], [])


def test_charges_of_after_the_cut_off_may_add_up_to_nothing() -> None:
    chunk, _ = plan({(ACME, "EUR"): waiting(2, "0")}, make_data({}))
    assert chunk.left_out == [LeftOutItem((ACME, "EUR"), 2, Decimal(0), AFTER_CUT_OFF)]


def test_an_account_that_another_run_has_billed_is_finished() -> None:
    chunk, billed = plan({(ACME, "EUR"): waiting(0, "0")}, make_data({}))
    assert (chunk.finished, billed, chunk.left_out, chunk.later) == ([(ACME, "EUR")], [], [], [])


def test_a_document_with_a_reason_is_left_out_with_its_charges() -> None:
    chunk, billed = plan({(ACME, "EUR"): waiting(2, "-1")}, make_data({(ACME, "EUR"): [make_group("-1", 2)]}))
    assert billed == []
    assert chunk.left_out == [LeftOutItem((ACME, "EUR"), 2, Decimal(-1), "negative_total")]


def test_charges_of_after_the_cut_off_are_named_beside_a_document_that_is_left_out() -> None:
    chunk, _ = plan({(ACME, "EUR"): waiting(3, "4")}, make_data({(ACME, "EUR"): [make_group("-1", 2)]}))
    assert chunk.left_out == [LeftOutItem((ACME, "EUR"), 2, Decimal(-1), "negative_total")]
    assert chunk.later == [LeftOutItem((ACME, "EUR"), 1, Decimal(5), AFTER_CUT_OFF)]


def test_accounts_of_one_customer_are_planned_each_by_its_currency() -> None:
    data = make_data({(ACME, "EUR"): [make_group("1")], (ACME, "USD"): [make_group("2")]})
    chunk, billed = plan({(ACME, "EUR"): waiting(1, "1"), (BETA, "USD"): waiting(0, "0")}, data)
    assert billed == [(ACME, "EUR")], "the other currency belongs to another chunk"
    assert chunk.finished == [(BETA, "USD")]


def test_billed_accounts_are_in_the_order_of_references() -> None:
    keys = [(ZETA, "EUR"), (ACME, "EUR"), (BETA, "EUR")]
    data = make_data({key: [make_group("1")] for key in keys})
    assert plan({key: waiting(1, "1") for key in keys}, data)[1] == [(ACME, "EUR"), (BETA, "EUR"), (ZETA, "EUR")]


# --- a run that confirms a preview ------------------------------------------------------------------------------------


def digest(data: BillingData) -> str:
    """Return the digest of the only document, as the preview shows it."""
    (prepared,) = prepare_documents(data)
    return prepared.document.digest()


def test_a_document_as_confirmed_is_billed() -> None:
    data = make_data({(ACME, "EUR"): [make_group("1")]})
    accounts = {(ACME, "EUR"): waiting(1, "1", expected=digest(data))}
    assert plan(accounts, data, confirmed=True)[1] == [(ACME, "EUR")]


@pytest.mark.parametrize("expected", ["another digest", None])
def test_a_document_that_differs_from_the_confirmed_one_is_left_out(expected: str | None) -> None:
    data = make_data({(ACME, "EUR"): [make_group("1")]})
    chunk, billed = plan({(ACME, "EUR"): waiting(1, "1", expected=expected)}, data, confirmed=True)
    assert billed == []
    assert chunk.left_out == [LeftOutItem((ACME, "EUR"), 1, Decimal(1), "changed")]


def test_without_a_confirmed_preview_no_document_is_changed() -> None:
    data = make_data({(ACME, "EUR"): [make_group("1")]})
    assert plan({(ACME, "EUR"): waiting(1, "1", expected="another digest")}, data)[1] == [(ACME, "EUR")]


def test_the_reason_of_the_document_goes_before_a_change() -> None:
    data = make_data({(ACME, "EUR"): [make_group("-1")]})
    chunk, _ = plan({(ACME, "EUR"): waiting(1, "-1", expected="another digest")}, data, confirmed=True)
    assert [item.reason for item in chunk.left_out] == ["negative_total"]


# --- totals that do not match -----------------------------------------------------------------------------------------


def test_an_account_that_counts_fewer_charges_than_are_due_stops_the_run() -> None:
    with pytest.raises(Conflict, match=f"customer {ACME} in EUR do not match") as refused:
        plan({(ACME, "EUR"): waiting(1, "1")}, make_data({(ACME, "EUR"): [make_group("3", 2)]}))
    assert refused.value.code == "account_drift"
