"""What a document lacks before it may be issued, and what of that stops it."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from gettext import NullTranslations
from typing import Any

import pytest

from billing_admin.domain.billing_runs import LEFT_OUT_REASONS
from billing_admin.domain.document_details import Address, BankAccount, Delivery, DocumentDetails, PartyDetails
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.readiness import (
    CUSTOMER_TAX_ID_MISSING,
    CUSTOMER_VAT_NUMBER_MISSING,
    EN_16931,
    FORMAT_NAMES,
    PAGES,
    PEPPOL,
    STOP,
    STOPS,
    WARNING,
    WARNINGS,
    XRECHNUNG,
    IssueFacts,
    NumberChecks,
    Party,
    find_shortcomings,
    find_stops,
    lacks_tax_id,
    not_ready_error,
)
from billing_admin.domain.translation import phrase_data, phrase_from, translated, use_catalogue

SELLER = PartyDetails(
    address=Address("Weg 1", postcode="10115", city="Berlin", country="DE"),
    registration_id="HRB 1",
    electronic_address="4012345000016",
    electronic_scheme="0088",
    contact_name="Ada",
    contact_phone="+49 30 1",
    contact_email="ada@example.com",
)
BUYER = PartyDetails(
    address=Address("Ring 2", postcode="1010", city="Wien", country="AT"),
    electronic_address="ATU12345675",
    electronic_scheme="9915",
)
NUMBERS = NumberChecks(seller_vat_number="DE136695976", buyer_vat_number="ATU12345675")
DETAILS = DocumentDetails(
    seller=SELLER, buyer=BUYER, account=BankAccount("We", "DE75512108001245126199"), buyer_reference="R-1"
)
COMPLETE = IssueFacts(
    seller=Party("Nimbus", "1 Cloud Way", "DE136695976"),
    buyer=Party("Acme", "2 Road", "ATU12345675"),
    tax_treatment="standard",
    rates=(TaxRate("S", Decimal(19)),),
    details=DETAILS,
    currency="EUR",
    numbers=NUMBERS,
)
S19 = TaxRate("S", Decimal(19))
Change = Callable[[IssueFacts], IssueFacts]


def untaxed(*categories: str) -> Change:
    """Lines of untaxed categories."""
    return lambda facts: facts._replace(rates=[TaxRate(category, Decimal(0)) for category in categories])


def seller(**fields: Any) -> Change:
    return lambda facts: facts._replace(details=replace(facts.details, seller=replace(facts.details.seller, **fields)))


def buyer(**fields: Any) -> Change:
    return lambda facts: facts._replace(details=replace(facts.details, buyer=replace(facts.details.buyer, **fields)))


def seller_address(**fields: str) -> Change:
    return lambda facts: seller(address=replace(facts.details.seller.address, **fields))(facts)


def buyer_address(**fields: str) -> Change:
    return lambda facts: buyer(address=replace(facts.details.buyer.address, **fields))(facts)


def details(**fields: Any) -> Change:
    return lambda facts: facts._replace(details=replace(facts.details, **fields))


def numbers(**fields: str) -> Change:
    return lambda facts: facts._replace(numbers=replace(facts.numbers, **fields))


def both(*changes: Change) -> Change:
    return lambda facts: reduce(lambda result, change: change(result), changes, facts)


def changed(*changes: Change, **fields: Any) -> IssueFacts:
    facts = COMPLETE._replace(**fields)
    for change in changes:
        facts = change(facts)
    return facts


def without_tax_numbers(facts: IssueFacts) -> IssueFacts:
    """No number of the seller."""
    return facts._replace(seller=replace(facts.seller, tax_id=""))


def codes(facts: IssueFacts) -> list[str]:
    return [shortcoming.code for shortcoming in find_shortcomings(facts)]


# --- every document ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["none", *FORMAT_NAMES])
def test_a_complete_document_lacks_nothing(format: str) -> None:
    assert codes(changed(details(e_invoice=format))) == []


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (changed(seller=Party(" ", "1 Cloud Way", "DE136695976")), "organisation_name_missing"),
        (changed(seller=Party("Your company", "1 Cloud Way", "DE136695976")), "organisation_name_missing"),
        (changed(seller=Party("Nimbus", " \n", "DE136695976")), "organisation_address_missing"),
        (changed(buyer=Party("", "2 Road", "")), "customer_name_missing"),
        (changed(buyer=Party("Acme", "2 Road", ""), tax_treatment="reverse_charge"), CUSTOMER_TAX_ID_MISSING),
        (changed(buyer=Party("Acme", "2 Road", ""), tax_treatment="intra_community"), CUSTOMER_VAT_NUMBER_MISSING),
        (changed(untaxed("K"), buyer=Party("Acme", "2 Road", " -")), CUSTOMER_VAT_NUMBER_MISSING),
    ],
)
def test_every_document_names_its_parties(facts: IssueFacts, code: str) -> None:
    [shortcoming] = find_shortcomings(facts)
    assert (shortcoming.code, shortcoming.severity) == (code, STOP)
    assert find_stops(facts) == (shortcoming,)


WARNED = [
    (seller_address(country=""), "organisation_country_missing"),
    (numbers(seller_vat_problem="Wrong."), "organisation_vat_number_wrong"),
    (without_tax_numbers, "organisation_tax_number_missing"),
    (both(without_tax_numbers, seller_address(country="GR")), "organisation_tax_number_missing"),
    (details(account=None), "bank_account_missing"),
    (lambda facts: facts._replace(has_exchange_rate=False), "exchange_rate_missing"),
    (buyer_address(country=""), "customer_country_missing"),
    (buyer_address(street="", postcode="", city=""), "customer_address_missing"),
    (numbers(buyer_vat_problem="Wrong."), "customer_vat_number_wrong"),
    (both(untaxed("K"), numbers(buyer_vat_number="")), "customer_vat_number_not_intra_community"),
    (both(untaxed("K"), numbers(seller_vat_number="")), "organisation_vat_number_missing"),
    (both(untaxed("K"), details(delivery=Delivery("", Address(country="DE")))), "customer_delivery_within_country"),
]


@pytest.mark.parametrize(("change", "code"), WARNED)
def test_incomplete_details_are_warnings_until_the_organisation_requires_them(change: Change, code: str) -> None:
    [warning] = find_shortcomings(changed(change))
    assert (warning.code, warning.severity, warning.stops) == (code, WARNING, False)
    assert find_stops(changed(change)) == ()
    [stop] = find_stops(changed(change, requires_complete_details=True))
    assert stop == replace(warning, severity=STOP)


@pytest.mark.parametrize(
    "change",
    [seller(tax_number="27/1"), seller_address(country="CH"), untaxed("E"), seller_address(country="")],
    ids=["tax number", "outside the EU", "without tax", "unknown country"],
)
def test_other_sellers_need_no_vat_number(change: Change) -> None:
    assert "organisation_tax_number_missing" not in codes(changed(both(without_tax_numbers, change)))


@pytest.mark.parametrize("number", ["CHE123456788MWST", "DE136695976", "GB980780684"])
def test_an_intra_community_supply_needs_a_number_of_another_eu_country(number: str) -> None:
    facts = changed(untaxed("K"), numbers(buyer_vat_number=number))
    assert codes(facts) == ["customer_vat_number_not_intra_community"]
    assert codes(changed(untaxed("G"), numbers(buyer_vat_number=number))) == []


@pytest.mark.parametrize("number", ["ATU12345675", "EL094259216", "XI980780684"])
def test_numbers_of_the_eu_suit_an_intra_community_supply(number: str) -> None:
    facts = changed(numbers(buyer_vat_number=number), tax_treatment="intra_community")
    assert codes(facts) == []


def test_without_a_delivery_address_an_intra_community_supply_goes_to_the_customer() -> None:
    assert codes(changed(untaxed("K"), buyer_address(country="DE"))) == ["customer_delivery_within_country"]
    depot = Delivery("Depot", Address(country="AT"))
    assert codes(changed(untaxed("K"), buyer_address(country="DE"), details(delivery=depot))) == []
    assert codes(changed(untaxed("K"), details(e_invoice="ubl"))) == []


def test_a_message_names_the_customer_the_currency_and_the_problem() -> None:
    account, number = changed(details(account=None)), changed(numbers(buyer_vat_problem="Use ATU and 8 digits."))
    assert find_shortcomings(account)[0].message.startswith("Add a bank account for EUR in the settings")
    assert find_shortcomings(number)[0].message == (
        "Correct the tax ID of Acme on the customer's page. Use ATU and 8 digits."
    )


def test_without_tax_no_exchange_rate_is_needed() -> None:
    assert codes(changed(untaxed("AE"), has_exchange_rate=False)) == []


def test_a_credit_note_needs_no_bank_account() -> None:
    assert codes(changed(details(account=None, e_invoice="xrechnung-cii"), is_credit_note=True)) == []


@pytest.mark.parametrize("tax_id", ["", " ", "\t \n", "\u00a0", "\u2003", "\u200b", "\ufeff", "-", "./."])
@pytest.mark.parametrize(
    ("treatment", "categories"),
    [("reverse_charge", ()), ("reverse_charge", ("AE",)), ("reverse_charge", ("S",)), ("standard", ("S", "AE"))],
)
def test_reverse_charge_without_a_tax_id_stops_the_issue(
    tax_id: str, treatment: str, categories: tuple[str, ...]
) -> None:
    facts = changed(untaxed(*categories), buyer=Party("Acme", "2 Road", tax_id), tax_treatment=treatment)
    [found] = find_shortcomings(facts)
    assert (found.code, found.field, found.page) == (CUSTOMER_TAX_ID_MISSING, ("customer", "tax_id"), "customer")
    assert found.message == ("Add the tax ID of Acme on the customer's page: a reverse charge invoice must show it.")
    error = not_ready_error([found])
    assert (error.code, error.field, error.message) == (found.code, found.field, found.message)


@pytest.mark.parametrize(
    ("tax_id", "treatment", "categories"),
    [
        ("ATU12345678", "reverse_charge", ("AE",)),
        ("0", "standard", ("AE",)),
        ("ΕΛ123", "reverse_charge", ()),
        ("", "standard", ("S", "Z", "E", "O", "G")),
        ("", "exempt", ("E",)),
        ("", "export", ("G",)),
        ("ATU12345678", "intra_community", ("K",)),
        ("", "standard", ()),
    ],
)
def test_with_a_tax_id_or_without_reverse_charge_nothing_stops_it(
    tax_id: str, treatment: str, categories: tuple[str, ...]
) -> None:
    facts = changed(untaxed(*categories), buyer=Party("Acme", "2 Road", tax_id), tax_treatment=treatment)
    assert find_shortcomings(facts) == ()
    assert not any(lacks_tax_id(category, tax_id, treatment, categories) for category in ("AE", "K"))


# --- e-invoices -------------------------------------------------------------------------------------------------------

DELIVERED = details(delivery=Delivery("", Address(postcode="4020", city="Linz", country="AT")))
NO_VAT_NUMBER = numbers(seller_vat_number="")
EN_16931_CASES = [
    ([lambda facts: facts._replace(currency="KWD")], "e_invoice_currency_unsupported"),
    ([lambda facts: facts._replace(currency="STN")], "e_invoice_currency_unlisted"),
    ([seller_address(country="")], "e_invoice_organisation_country_missing"),
    ([numbers(seller_vat_problem="Wrong.")], "e_invoice_organisation_vat_number_wrong"),
    ([NO_VAT_NUMBER, untaxed("G")], "e_invoice_organisation_vat_number_missing"),
    ([NO_VAT_NUMBER, untaxed("K"), DELIVERED],
     "e_invoice_organisation_vat_number_missing"),
    ([NO_VAT_NUMBER], "e_invoice_organisation_tax_number_missing"),
    ([NO_VAT_NUMBER, untaxed("Z")], "e_invoice_organisation_tax_number_missing"),
    ([NO_VAT_NUMBER, untaxed("E")], "e_invoice_organisation_tax_number_missing"),
    ([NO_VAT_NUMBER, untaxed("AE")], "e_invoice_organisation_tax_number_missing"),
    ([NO_VAT_NUMBER, seller(tax_number="1/2", registration_id="")], "e_invoice_organisation_registration_missing"),
    ([NO_VAT_NUMBER, untaxed("O"), seller(registration_id="")], "e_invoice_organisation_registration_missing"),
    ([untaxed("S")], "e_invoice_taxed_without_tax"),
    ([NO_VAT_NUMBER, untaxed("O", "E"), seller(tax_number="1/2")], "e_invoice_mixed_with_outside_scope"),
    ([untaxed("O")], "e_invoice_outside_scope_with_vat_number"),
    ([lambda facts: facts._replace(is_tax_recomputable=False)], "e_invoice_tax_rounded_apart"),
    ([lambda facts: facts._replace(is_low_rate_refused=True)], "e_invoice_tax_rate_too_low"),
    ([buyer_address(country="")], "e_invoice_customer_country_missing"),
    ([numbers(buyer_vat_problem="Wrong.")], "e_invoice_customer_vat_number_wrong"),
    ([numbers(buyer_vat_number=""), untaxed("K"), DELIVERED],
     "e_invoice_customer_vat_number_missing"),
    ([numbers(buyer_vat_number=""), untaxed("AE")], "e_invoice_customer_identifier_missing"),
    ([untaxed("K"), details(delivery=Delivery("", Address(postcode="1", city="Linz")))],
     "e_invoice_customer_delivery_country_missing"),
]  # fmt: skip
XRECHNUNG_CASES = [
    ([seller_address(city="")], "e_invoice_organisation_city_missing"),
    ([seller_address(postcode=" ")], "e_invoice_organisation_postcode_missing"),
    ([seller(contact_name="")], "e_invoice_organisation_contact_name_missing"),
    ([seller(contact_phone="")], "e_invoice_organisation_contact_phone_missing"),
    ([seller(contact_email="")], "e_invoice_organisation_contact_email_missing"),
    ([seller(electronic_address="")], "e_invoice_organisation_electronic_address_missing"),
    ([details(account=None)], "e_invoice_bank_account_missing"),
    ([buyer_address(city="")], "e_invoice_customer_city_missing"),
    ([buyer_address(postcode="")], "e_invoice_customer_postcode_missing"),
    ([buyer(electronic_address="")], "e_invoice_customer_electronic_address_missing"),
    ([details(buyer_reference=" ")], "e_invoice_customer_buyer_reference_missing"),
    ([numbers(leitweg_problem="Wrong.")], "e_invoice_customer_leitweg_id_wrong"),
    ([details(delivery=Delivery("Depot", Address(postcode="1", country="AT")))],
     "e_invoice_customer_delivery_city_missing"),
    ([details(delivery=Delivery("Depot", Address(city="Linz", country="AT")))],
     "e_invoice_customer_delivery_postcode_missing"),
]  # fmt: skip
PEPPOL_CASES = [
    ([seller(electronic_address="")], "e_invoice_organisation_electronic_address_missing"),
    ([seller(electronic_scheme="EM")], "e_invoice_organisation_scheme_not_peppol"),
    ([buyer(electronic_address="")], "e_invoice_customer_electronic_address_missing"),
    ([buyer(electronic_scheme="EM")], "e_invoice_customer_scheme_not_peppol"),
    ([details(buyer_reference="")], "e_invoice_customer_reference_or_order_missing"),
]


@pytest.mark.parametrize("format", FORMAT_NAMES)
@pytest.mark.parametrize(("changes", "code"), EN_16931_CASES)
def test_the_rules_of_en_16931_stop_each_format(format: str, changes: list[Change], code: str) -> None:
    facts = changed(details(e_invoice=format), *changes)
    [stop] = find_stops(facts)
    assert (stop.code, stop.severity) == (code, STOP)
    assert stop.term
    assert stop.rule
    assert code not in codes(changed(*changes)), "without an e-invoice it is a warning at most"


@pytest.mark.parametrize(("changes", "code"), XRECHNUNG_CASES)
def test_xrechnung_asks_for_more(changes: list[Change], code: str) -> None:
    for format in ("xrechnung-ubl", "xrechnung-cii"):
        assert codes(changed(details(e_invoice=format), *changes)) == [code]
    assert code not in codes(changed(details(e_invoice="ubl"), *changes))
    within_germany = buyer_address(country="DE")
    assert len(find_stops(changed(details(e_invoice="peppol"), within_germany, *changes))) == 1


@pytest.mark.parametrize(("changes", "code"), PEPPOL_CASES)
def test_peppol_asks_for_more(changes: list[Change], code: str) -> None:
    assert codes(changed(details(e_invoice="peppol"), *changes)) == [code]
    assert codes(changed(details(e_invoice="ubl"), *changes)) == []


def test_peppol_takes_a_purchase_order_for_a_buyer_reference() -> None:
    facts = changed(details(e_invoice="peppol", buyer_reference=""), purchase_order="PO-7")
    assert codes(facts) == []


def test_a_field_has_one_shortcoming() -> None:
    facts = changed(details(e_invoice="ubl"), seller_address(country=""), numbers(buyer_vat_problem="Wrong."))
    facts = facts._replace(buyer=Party("Acme", "", ""), tax_treatment="reverse_charge")
    assert codes(facts) == [CUSTOMER_TAX_ID_MISSING, "e_invoice_organisation_country_missing"]


@pytest.mark.parametrize("problem", ["seller_vat_problem", "buyer_vat_problem"])
def test_messages_are_stored_with_their_values(problem: str) -> None:
    [warning] = find_shortcomings(changed(numbers(**{problem: "Wrong."})))
    with use_catalogue(NullTranslations()):
        assert translated(phrase_from(warning.message, phrase_data(warning.message))) == warning.message


def test_stops_come_before_warnings() -> None:
    facts = changed(details(account=None), buyer=Party("", "", ""))
    assert [shortcoming.severity for shortcoming in find_shortcomings(facts)] == [STOP, WARNING]


REQUIREMENTS = [*STOPS, *WARNINGS, *EN_16931, *XRECHNUNG, *PEPPOL]


def test_each_requirement_has_a_case() -> None:
    tested = {code for _, code in (*WARNED, *EN_16931_CASES, *XRECHNUNG_CASES, *PEPPOL_CASES)}
    assert tested | {requirement.code for requirement in STOPS} == {requirement.code for requirement in REQUIREMENTS}


def test_each_reason_has_words_wherever_a_run_gives_it_and_a_page() -> None:
    for requirement in REQUIREMENTS:
        assert LEFT_OUT_REASONS[requirement.code] == requirement.reason
        assert requirement.reason.startswith("E-invoice: ") == requirement.code.startswith("e_invoice_")
        assert PAGES[requirement.code] in {"organisation", "customer", "bank_account", "exchange_rate", "tax_rate"}
