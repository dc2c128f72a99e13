"""What stops a document from being issued."""

import pytest

from billing_admin.domain.invoices import LEFT_OUT_REASONS
from billing_admin.domain.readiness import (
    CUSTOMER_TAX_ID_MISSING,
    IssueFacts,
    Party,
    find_shortcomings,
    lacks_tax_id,
    not_ready_error,
)

SELLER = Party("Nimbus", "1 Cloud Way", "DE1")


def facts(tax_id: str, treatment: str = "standard", *categories: str) -> IssueFacts:
    return IssueFacts(SELLER, Party("Acme", "2 Road", tax_id), treatment, categories)


@pytest.mark.parametrize("tax_id", ["", " ", "\t \n", "\u00a0", "\u2003", "\u200b", "\ufeff", "-", "./."])
@pytest.mark.parametrize(
    ("treatment", "categories"),
    [("reverse_charge", ()), ("reverse_charge", ("AE",)), ("reverse_charge", ("S",)), ("standard", ("S", "AE"))],
)
def test_reverse_charge_without_a_tax_id_stops_the_issue(
    tax_id: str, treatment: str, categories: tuple[str, ...]
) -> None:
    [found] = find_shortcomings(facts(tax_id, treatment, *categories))
    assert (found.code, found.field, found.page) == (CUSTOMER_TAX_ID_MISSING, ("customer", "tax_id"), "customer")
    assert found.message == (
        "Add the tax ID of Acme on the customer's page: an invoice with reverse charge must name it."
    )
    error = not_ready_error([found])
    assert (error.code, error.field, error.message) == (found.code, found.field, found.message)


@pytest.mark.parametrize(
    ("tax_id", "treatment", "categories"),
    [
        ("ATU12345678", "reverse_charge", ("AE",)),
        ("0", "standard", ("AE",)),
        ("ΕΛ123", "reverse_charge", ()),
        ("", "standard", ("S", "Z", "E", "O", "G", "K")),
        ("", "exempt", ("E",)),
        ("", "export", ("G",)),
        ("", "standard", ()),
    ],
)
def test_with_a_tax_id_or_without_reverse_charge_nothing_stops_it(
    tax_id: str, treatment: str, categories: tuple[str, ...]
) -> None:
    assert find_shortcomings(facts(tax_id, treatment, *categories)) == ()
    assert not lacks_tax_id(tax_id, treatment, categories)


def test_the_reason_has_words_wherever_a_run_gives_it() -> None:
    assert "tax ID" in LEFT_OUT_REASONS[CUSTOMER_TAX_ID_MISSING]
