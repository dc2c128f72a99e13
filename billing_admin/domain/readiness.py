"""The check of all that would be frozen on a document, before it is issued.

A shortcoming names the fact that is missing or wrong, and the page on which to correct it. Some stop the issue. Others
are warnings, until the organisation requires complete details. For a customer with an e-invoice format, the rules of
that format stop the issue as well: an issued document can never be completed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple, Self

from billing_admin.domain.document_details import Address, Delivery, DocumentDetails, PartyDetails, place_of_delivery
from billing_admin.domain.errors import FieldPath, Invalid, Problem
from billing_admin.domain.formatting import format_day
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.tax import EU_VAT_PREFIXES, UNTAXED_RATES
from billing_admin.domain.tax_breakdown import is_low_rate_refused, is_tax_recomputable
from billing_admin.domain.translation import Phrase

STOP: Final = "stop"
WARNING: Final = "warning"

NO_E_INVOICE: Final = "none"
# EN 16931 categories of taxes.
TAXED, EXPORT, INTRA_COMMUNITY, REVERSE_CHARGE, OUTSIDE_SCOPE = "S", "G", "K", "AE", "O"
CUSTOMER_TAX_ID_MISSING = "customer_tax_id_missing"
CUSTOMER_VAT_NUMBER_MISSING = "customer_vat_number_missing"
# The name that a new organisation has until somebody enters its own.
PLACEHOLDER_NAME: Final = Phrase("Your company")
# Amounts of e-invoices have at most two decimals (BR-DEC).
MAX_MINOR_DIGITS = 2
# Countries whose VAT numbers begin otherwise.
_VAT_PREFIXES: Final = {"GR": "EL"}
# Currencies of ISO 4217 that the official rules of UBL do not list (BR-CL-04): one of 2018, and one of 2025.
UNLISTED_CURRENCIES = frozenset({"STN", "XAD"})
# Schemes of electronic addresses (EAS) that do not name a participant of the Peppol network.
SCHEMES_OUTSIDE_PEPPOL: Final = frozenset({"AN", "AQ", "AS", "AU", "EM"})


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the buyer, as a document names them."""

    name: str
    address: str
    tax_id: str


@dataclass(frozen=True, slots=True)
class NumberChecks:
    """The results of checks of numbers, which need lists or check digits.

    They are empty if a number is right or missing. The VAT numbers are those that an e-invoice can state: tax IDs
    that begin with a country. The problems say how to correct a number. `leitweg_problem` is about a buyer reference
    in the form of a Leitweg-ID.
    """

    seller_vat_number: str = ""
    seller_vat_problem: str = ""
    buyer_vat_number: str = ""
    buyer_vat_problem: str = ""
    leitweg_problem: str = ""


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """A fact that a document lacks, or that is wrong.

    It has the fact's place, a stable code, and a sentence. `severity` is STOP or WARNING. `term` is the business term of
    EN 16931, and `rule` the rule that asks for it, both empty without one.
    """

    field: FieldPath
    code: str
    message: str
    severity: str = STOP
    term: str = ""
    rule: str = ""

    @property
    def page(self) -> str:
        """The page on which to correct it."""
        return str(self.field[0])

    @property
    def stops(self) -> bool:
        """Whether the document cannot be issued."""
        return self.severity == STOP


class IssueFacts(NamedTuple):
    """The facts to be frozen on a document.

    They are the parties, the customer's tax treatment, the tax rates of the lines, the details, the currency, the
    purchase order, and the results of number checks. `has_exchange_rate` is false if the tax cannot be stated in the
    organisation's base currency by the rates for `issue_date`. `requires_complete_details` turns each warning into a stop.
    A credit note is not to be paid, so it needs no bank account. See
    `tax_breakdown.is_tax_recomputable` and `is_low_rate_refused`.
    """

    seller: Party
    buyer: Party
    tax_treatment: str
    rates: Collection[TaxRate]
    details: DocumentDetails
    currency: str
    purchase_order: str = ""
    is_credit_note: bool = False
    has_exchange_rate: bool = True
    issue_date: date | None = None
    is_tax_recomputable: bool = True
    is_low_rate_refused: bool = False
    numbers: NumberChecks = NumberChecks()
    requires_complete_details: bool = False

    @property
    def categories(self) -> set[str]:
        """The tax categories of the lines."""
        return {rate.category for rate in self.rates}

    @property
    def is_intra_community(self) -> bool:
        """Whether the document is, or has lines of, an intra-community supply."""
        return has_category(INTRA_COMMUNITY, self.tax_treatment, self.categories)

    def with_document(self, taxes: Collection[tuple[TaxRate, int, int]], purchase_order: str) -> Self:
        """Return the facts with those of a document.

        `taxes` are its rates with their bases and taxes, in minor units.
        """
        return self._replace(
            rates={rate for rate, _, _ in taxes},
            purchase_order=purchase_order,
            is_tax_recomputable=is_tax_recomputable(taxes, self.currency),
            is_low_rate_refused=is_low_rate_refused(taxes, self.currency),
        )


class Requirement(NamedTuple):
    """A fact that a document must have, with the test whether it is missing or wrong.

    `fact` says in a few words what is missing or wrong. `message` says how to correct it; it may contain the customer, the
    currency and the problem of a number.
    """

    field: FieldPath
    code: str
    fact: str
    message: str
    is_lacking: Callable[[IssueFacts], bool]
    term: str = ""
    rule: str = ""

    @property
    def reason(self) -> str:
        """Why a run leaves an account out."""
        return Phrase("E-invoice: {fact}", fact=self.fact) if self.code.startswith("e_invoice_") else self.fact


def find_shortcomings(facts: IssueFacts) -> tuple[Shortcoming, ...]:
    """Return all that a document lacks; empty if nothing is missing.

    Stops come before warnings. A field has one shortcoming: the first.
    """
    severity = STOP if facts.requires_complete_details else WARNING
    return _first_of_each_field((*_always_stopping(facts), *_lacking(facts, WARNINGS, severity)))


def find_stops(facts: IssueFacts) -> tuple[Shortcoming, ...]:
    """Return what stops a document from being issued; empty if it is ready."""
    if facts.requires_complete_details:
        return find_shortcomings(facts)
    return _first_of_each_field(_always_stopping(facts))


def _always_stopping(facts: IssueFacts) -> tuple[Shortcoming, ...]:
    requirements = (*STOPS, *e_invoice_requirements(facts))
    return tuple(_lacking(facts, requirements, STOP))


def _first_of_each_field(shortcomings: tuple[Shortcoming, ...]) -> tuple[Shortcoming, ...]:
    if len(shortcomings) < 2:
        return shortcomings
    by_field: dict[FieldPath, Shortcoming] = {}
    for shortcoming in shortcomings:
        by_field.setdefault(shortcoming.field, shortcoming)
    return tuple(by_field.values())


def _lacking(facts: IssueFacts, requirements: Iterable[Requirement], severity: str) -> Iterator[Shortcoming]:
    for requirement in requirements:
        if not requirement.is_lacking(facts):
            continue
        if "{" not in requirement.message:
            yield _fixed_shortcoming(requirement, severity)
            continue
        message = requirement.message.format(
            buyer=facts.buyer.name or "the customer",
            currency=facts.currency,
            issue_date="" if facts.issue_date is None else format_day(facts.issue_date),
            format=FORMAT_NAMES.get(facts.details.e_invoice, facts.details.e_invoice),
            seller_vat_problem=facts.numbers.seller_vat_problem,
            buyer_vat_problem=facts.numbers.buyer_vat_problem,
            leitweg_problem=facts.numbers.leitweg_problem,
        )
        yield _shortcoming(requirement, message, severity)


def _shortcoming(requirement: Requirement, message: str, severity: str) -> Shortcoming:
    return Shortcoming(requirement.field, requirement.code, message, severity, requirement.term, requirement.rule)


# A preview of 10,000 documents has the same few sentences 50,000 times.
@lru_cache(maxsize=256)
def _fixed_shortcoming(requirement: Requirement, severity: str) -> Shortcoming:
    """Return the shortcoming of a requirement with a fixed sentence."""
    return _shortcoming(requirement, requirement.message, severity)


def e_invoice_requirements(facts: IssueFacts) -> tuple[Requirement, ...]:
    """Return the requirements of the customer's e-invoice format."""
    format = facts.details.e_invoice
    if format == NO_E_INVOICE:
        return ()
    requirements: tuple[Requirement, ...] = EN_16931
    if format == "peppol":
        requirements += PEPPOL
    if format.startswith("xrechnung") or (format == "peppol" and _is_within_germany(facts)):
        requirements += XRECHNUNG
    return requirements


def _is_within_germany(facts: IssueFacts) -> bool:
    """Return whether seller and buyer are in Germany.

    Peppol then has the rules of XRechnung (DE-R).
    """
    return facts.details.seller.address.country == facts.details.buyer.address.country == "DE"


def lacks_tax_id(category: str, tax_id: str, tax_treatment: str, tax_categories: Collection[str] = ()) -> bool:
    """Return whether a document with a tax category lacks the customer's tax ID.

    The category is that of lines, or of the customer's tax treatment. A tax ID without a letter or digit counts as none.
    """
    return has_category(category, tax_treatment, tax_categories) and not any(map(str.isalnum, tax_id))


def has_category(category: str, tax_treatment: str, tax_categories: Collection[str]) -> bool:
    """Return whether lines or the customer's tax treatment have a tax category."""
    untaxed = UNTAXED_RATES.get(tax_treatment)
    return category in tax_categories or (untaxed is not None and untaxed.category == category)


def _is_of_another_eu_country(facts: IssueFacts) -> bool:
    """Return whether the buyer's VAT number is of another EU country."""
    buyer, seller = facts.numbers.buyer_vat_number[:2], facts.numbers.seller_vat_number[:2]
    return buyer in EU_VAT_PREFIXES and buyer != seller


def _is_country_alone(address: Address) -> bool:
    return address.country != "" and address == Address(country=address.country)


def _charges_tax_in_the_eu(facts: IssueFacts) -> bool:
    """Return whether a seller in the EU bills lines with tax."""
    prefix = _VAT_PREFIXES.get(facts.details.seller.address.country, facts.details.seller.address.country)
    return prefix in EU_VAT_PREFIXES and any(rate.percent for rate in facts.rates)


def _delivers_within_country(facts: IssueFacts) -> bool:
    """Return whether the country of delivery is the seller's."""
    delivery = place_of_delivery(facts.details, facts.is_intra_community)
    return delivery is not None and delivery.address.country == facts.details.seller.address.country != ""


def not_ready_error(missing: Collection[Shortcoming]) -> Invalid:
    """Return the error that refuses to issue documents with these shortcomings."""
    error = Invalid.of([Problem(item.code, item.message, item.field) for item in missing])
    assert isinstance(error, Invalid)  # noqa: S101 - `of` makes an error of its own class
    return error


# --- the requirements -------------------------------------------------------------------------------------------------

FORMAT_NAMES: Final = {
    "cii": "CII",
    "factur-x": Phrase("Factur-X"),
    "ubl": "UBL",
    "peppol": Phrase("Peppol"),
    "xrechnung-ubl": Phrase("XRechnung (UBL)"),
    "xrechnung-cii": Phrase("XRechnung (CII)"),
}

STOPS: Final = (
    Requirement(
        ("organisation", "legal_name"),
        "organisation_name_missing",
        Phrase("The seller's name is missing"),
        Phrase("Enter your legal name in the settings: an invoice must name the seller."),
        lambda facts: facts.seller.name.strip() in {"", PLACEHOLDER_NAME},
        "BT-27",
        "BR-06",
    ),
    Requirement(
        ("organisation", "address"),
        "organisation_address_missing",
        Phrase("The seller's address is missing"),
        Phrase("Enter your address in the settings: an invoice must have the seller's address."),
        lambda facts: not facts.seller.address.strip(),
        "BG-5",
        "BR-08",
    ),
    Requirement(
        ("customer", "name"),
        "customer_name_missing",
        Phrase("The customer's name is missing"),
        Phrase("Enter the customer's name on its page: an invoice must name the customer."),
        lambda facts: not facts.buyer.name.strip(),
        "BT-44",
        "BR-07",
    ),
    Requirement(
        ("customer", "tax_id"),
        CUSTOMER_TAX_ID_MISSING,
        Phrase("Reverse charge, and the customer's tax ID is missing"),
        Phrase("Add the tax ID of {buyer} on the customer's page: a reverse charge invoice must show it."),
        lambda facts: lacks_tax_id(REVERSE_CHARGE, facts.buyer.tax_id, facts.tax_treatment, facts.categories),
        "BT-48",
        "BR-AE-02",
    ),
    Requirement(
        ("customer", "tax_id"),
        CUSTOMER_VAT_NUMBER_MISSING,
        Phrase("Intra-community supply, and the customer's VAT number is missing"),
        Phrase(
            "Add the VAT number of {buyer} as tax ID on the customer's page: without it, an intra-community "
            "supply is not free of tax."
        ),
        lambda facts: lacks_tax_id(INTRA_COMMUNITY, facts.buyer.tax_id, facts.tax_treatment, facts.categories),
        "BT-48",
        "BR-IC-02",
    ),
)

WARNINGS: Final = (
    Requirement(
        ("organisation", "country"),
        "organisation_country_missing",
        Phrase("The seller's country is missing"),
        Phrase("Choose your country in the settings: customers abroad need it, and so does an e-invoice."),
        lambda facts: not facts.details.seller.address.country,
        "BT-40",
    ),
    Requirement(
        ("organisation", "tax_id"),
        "organisation_vat_number_wrong",
        Phrase("The seller's VAT number is wrong"),
        Phrase("Correct your tax ID in the settings. {seller_vat_problem}"),
        lambda facts: bool(facts.numbers.seller_vat_problem),
        "BT-31",
    ),
    Requirement(
        ("organisation", "tax_id"),
        "organisation_tax_number_missing",
        Phrase("The seller's VAT number and tax number are missing"),
        Phrase("Enter your VAT number or tax number in the settings: in the EU, an invoice with tax must show one."),
        lambda facts: _charges_tax_in_the_eu(facts) and not (facts.seller.tax_id or facts.details.seller.tax_number),
        "BT-31",
    ),
    Requirement(
        ("bank_account", "currency"),
        "bank_account_missing",
        Phrase("There is no bank account for the currency"),
        Phrase(
            "Add a bank account for {currency} in the settings: without one, the invoice does not say where to pay."
        ),
        lambda facts: facts.details.account is None and not facts.is_credit_note,
        "BG-17",
    ),
    Requirement(
        ("exchange_rate", "currency"),
        "exchange_rate_missing",
        Phrase("There is no current exchange rate for the currency"),
        Phrase(
            "Add an exchange rate for {currency} of {issue_date} or the seven days before in the settings: "
            "without one, the invoice does not show the tax in your base currency."
        ),
        lambda facts: not facts.has_exchange_rate and any(rate.percent for rate in facts.rates),
        "BT-111",
    ),
    Requirement(
        ("customer", "country"),
        "customer_country_missing",
        Phrase("The customer's country is missing"),
        Phrase(
            "Choose the country of {buyer} on the customer's page: the tax depends on it, and an e-invoice needs it."
        ),
        lambda facts: not facts.details.buyer.address.country,
        "BT-55",
    ),
    Requirement(
        ("customer", "street"),
        "customer_address_missing",
        Phrase("The customer's address is missing"),
        Phrase("Enter the address of {buyer} on the customer's page: an invoice must show it."),
        lambda facts: _is_country_alone(facts.details.buyer.address),
        "BG-8",
    ),
    Requirement(
        ("customer", "tax_id"),
        "customer_vat_number_wrong",
        Phrase("The customer's VAT number is wrong"),
        Phrase("Correct the tax ID of {buyer} on the customer's page. {buyer_vat_problem}"),
        lambda facts: bool(facts.numbers.buyer_vat_problem),
        "BT-48",
    ),
    Requirement(
        ("customer", "tax_id"),
        "customer_vat_number_not_intra_community",
        Phrase("Intra-community supply, but the customer's VAT number is not of another EU country"),
        Phrase(
            "Enter the VAT number that another EU country gave to {buyer} as tax ID on the customer's page, "
            "or choose another tax treatment: only then is an intra-community supply free of tax."
        ),
        lambda facts: facts.is_intra_community and not _is_of_another_eu_country(facts),
        "BT-48",
    ),
    Requirement(
        ("organisation", "tax_id"),
        "organisation_vat_number_missing",
        Phrase("Intra-community supply, and the seller's VAT number is missing"),
        Phrase(
            "Enter your VAT number as tax ID in the settings: an invoice for an intra-community supply must show it."
        ),
        lambda facts: facts.is_intra_community and not facts.numbers.seller_vat_number,
        "BT-31",
    ),
    Requirement(
        ("customer", "delivery_country"),
        "customer_delivery_within_country",
        Phrase("Intra-community supply, but the country of delivery is the seller's"),
        Phrase(
            "Correct the delivery address of {buyer} on the customer's page, or choose another tax "
            "treatment: an intra-community supply goes to another EU country."
        ),
        lambda facts: facts.is_intra_community and _delivers_within_country(facts),
        "BT-80",
    ),
)


def _seller_field(field: str, noun: str, term: str, rule: str) -> Requirement:
    """Return the requirement of a field of the seller's details or address."""
    return Requirement(
        ("organisation", field),
        f"e_invoice_organisation_{field}_missing",
        Phrase("The seller's {noun} is missing", noun=noun),
        Phrase("Enter your {noun} in the settings: {{format}} e-invoices must have it.", noun=noun),
        lambda facts: not _field_of(facts.details.seller, field),
        term,
        rule,
    )


def _buyer_field(field: str, noun: str, term: str, rule: str) -> Requirement:
    """Return the requirement of a field of the buyer's details or address."""
    return Requirement(
        ("customer", field),
        f"e_invoice_customer_{field}_missing",
        Phrase("The customer's {noun} is missing", noun=noun),
        Phrase("Enter the {noun} of {{buyer}} on the customer's page: {{format}} e-invoices must have it.", noun=noun),
        lambda facts: not _field_of(facts.details.buyer, field),
        term,
        rule,
    )


def _field_of(party: PartyDetails, field: str) -> str:
    """Return a field of a party or of its address, without spaces at its ends."""
    owner = party if hasattr(party, field) else party.address
    text: str = getattr(owner, field)
    return text.strip()


def _delivery_field(field: str, noun: str, term: str, rule: str) -> Requirement:
    """Return the requirement of a part of the delivery address, where there is one."""
    return Requirement(
        ("customer", f"delivery_{field}"),
        f"e_invoice_customer_delivery_{field}_missing",
        Phrase("The {noun} of the delivery address is missing", noun=noun),
        Phrase(
            "Enter the {noun} of the delivery address of {{buyer}} on the customer's page, or remove the "
            "delivery address.",
            noun=noun,
        ),
        lambda facts: _lacks_part(facts.details.delivery, field),
        term,
        rule,
    )


def _lacks_part(delivery: Delivery | None, field: str) -> bool:
    return delivery is not None and not getattr(delivery.address, field).strip()


def _lacks_tax_number(facts: IssueFacts) -> bool:
    """Return whether a line's category asks for a VAT or tax number of the seller.

    It is false if the seller has one.
    """
    numbers = facts.numbers.seller_vat_number or facts.details.seller.tax_number
    return not numbers and bool(facts.categories - {OUTSIDE_SCOPE, EXPORT, INTRA_COMMUNITY})


def _is_outside_peppol(party: PartyDetails) -> bool:
    return bool(party.electronic_address) and party.electronic_scheme in SCHEMES_OUTSIDE_PEPPOL


_DISCARD_DRAFT: Final = Phrase(" A draft keeps its tax rates: discard it, then bill again.")
EN_16931: Final = (
    Requirement(
        ("customer", "currency"),
        "e_invoice_currency_unsupported",
        Phrase("The currency has more than two decimals"),
        Phrase(
            "Choose “None” as e-invoice format of {buyer} on the customer's page: amounts in {currency} have"
            " more decimals than an e-invoice can have."
        ),
        lambda facts: MINOR_DIGITS[facts.currency] > MAX_MINOR_DIGITS,
        "BT-5",
        "BR-DEC",
    ),
    Requirement(
        ("customer", "currency"),
        "e_invoice_currency_unlisted",
        Phrase("The currency is not in the official list"),
        Phrase(
            "Choose “None” as e-invoice format of {buyer} on the customer's page: the rules of e-invoices do"
            " not list {currency}."
        ),
        lambda facts: facts.currency in UNLISTED_CURRENCIES,
        "BT-5",
        "BR-CL-04",
    ),
    _seller_field("country", Phrase("country"), "BT-40", "BR-09"),
    Requirement(
        ("organisation", "tax_id"),
        "e_invoice_organisation_vat_number_wrong",
        Phrase("The seller's VAT number is wrong"),
        Phrase("Correct your tax ID in the settings. {seller_vat_problem}"),
        lambda facts: bool(facts.numbers.seller_vat_problem),
        "BT-31",
        "BR-CO-09",
    ),
    Requirement(
        ("organisation", "tax_id"),
        "e_invoice_organisation_vat_number_missing",
        Phrase("The seller's VAT number is missing"),
        Phrase("Enter your VAT number as tax ID in the settings: exports and intra-community supplies must show it."),
        lambda facts: not facts.numbers.seller_vat_number and bool(facts.categories & {EXPORT, INTRA_COMMUNITY}),
        "BT-31",
        Phrase("BR-G-02, BR-IC-02"),
    ),
    Requirement(
        ("organisation", "tax_id"),
        "e_invoice_organisation_tax_number_missing",
        Phrase("The seller's VAT number or tax number is missing"),
        Phrase(
            "Enter your VAT number as tax ID, or your tax number, in the settings: an e-invoice must have one of them."
        ),
        _lacks_tax_number,
        Phrase("BT-31, BT-32"),
        Phrase("BR-S-02, BR-Z-02, BR-E-02, BR-AE-02"),
    ),
    Requirement(
        ("organisation", "registration_id"),
        "e_invoice_organisation_registration_missing",
        Phrase("The seller's VAT number or registration number is missing"),
        Phrase(
            "Enter your VAT number as tax ID, or your registration number, in the settings: an e-invoice "
            "must have one of them."
        ),
        lambda facts: not facts.numbers.seller_vat_number and not facts.details.seller.registration_id.strip(),
        Phrase("BT-30, BT-31"),
        "BR-CO-26",
    ),
    Requirement(
        ("tax_rate", "percent"),
        "e_invoice_taxed_without_tax",
        Phrase("A tax rate of category S has 0 %"),
        Phrase(
            "Use a tax rate of category Z or E for the services of {buyer}'s invoice: category S needs more than 0 %."
        )
        + _DISCARD_DRAFT,
        lambda facts: any(rate.category == TAXED and not rate.percent for rate in facts.rates),
        "BT-152",
        "BR-S-05",
    ),
    Requirement(
        ("tax_rate", "category"),
        "e_invoice_mixed_with_outside_scope",
        Phrase("Tax category O must be on an invoice of its own"),
        Phrase(
            "Bill the services of tax category O on an invoice of their own, or give them a tax rate of "
            "category E or Z."
        )
        + _DISCARD_DRAFT,
        lambda facts: OUTSIDE_SCOPE in facts.categories and len(facts.categories) > 1,
        "BT-118",
        "BR-O-11",
    ),
    Requirement(
        ("tax_rate", "category"),
        "e_invoice_outside_scope_with_vat_number",
        Phrase("A seller with a VAT number cannot use tax category O"),
        Phrase(
            "Give the services a tax rate of category E or Z: an e-invoice with category O must not name "
            "your VAT number."
        )
        + _DISCARD_DRAFT,
        lambda facts: OUTSIDE_SCOPE in facts.categories and bool(facts.numbers.seller_vat_number),
        "BT-31",
        "BR-O-02",
    ),
    Requirement(
        ("customer", "currency"),
        "e_invoice_tax_rounded_apart",
        Phrase("The rounded tax of prices with and without tax does not match the percentage"),
        Phrase(
            "Bill the charges whose prices include tax on an invoice of their own: together with the others,"
            " their rounded tax in {currency} does not match the percentage."
        )
        + _DISCARD_DRAFT,
        lambda facts: not facts.is_tax_recomputable,
        "BT-117",
        "BR-CO-17",
    ),
    Requirement(
        ("tax_rate", "percent"),
        "e_invoice_tax_rate_too_low",
        Phrase("The tax at a rate below 0.5 % is too high"),
        Phrase(
            "Choose “None” as e-invoice format of {buyer} on the customer's page, or bill the charges on several"
            " invoices: the rules of e-invoices refuse a tax of 0.50 {currency} or more at a rate below 0.5 %."
        ),
        lambda facts: facts.is_low_rate_refused,
        "BT-117",
        "BR-CO-17",
    ),
    _buyer_field("country", Phrase("country"), "BT-55", "BR-11"),
    Requirement(
        ("customer", "tax_id"),
        "e_invoice_customer_vat_number_wrong",
        Phrase("The customer's VAT number is wrong"),
        Phrase("Correct the tax ID of {buyer} on the customer's page. {buyer_vat_problem}"),
        lambda facts: bool(facts.numbers.buyer_vat_problem),
        "BT-48",
        "BR-CO-09",
    ),
    Requirement(
        ("customer", "tax_id"),
        "e_invoice_customer_vat_number_missing",
        Phrase("The customer's VAT number is missing"),
        Phrase(
            "Enter the VAT number of {buyer}, with its country code, as tax ID on the customer's page: an "
            "intra-community supply needs it."
        ),
        lambda facts: facts.is_intra_community and not facts.numbers.buyer_vat_number,
        "BT-48",
        "BR-IC-02",
    ),
    Requirement(
        ("customer", "tax_id"),
        "e_invoice_customer_identifier_missing",
        Phrase("Reverse charge, and the customer has neither VAT number nor registration number"),
        Phrase(
            "Enter the VAT number of {buyer}, with its country code, as tax ID, or the registration number, "
            "on the customer's page: reverse charge needs one of them."
        ),
        lambda facts: (
            REVERSE_CHARGE in facts.categories
            and not facts.numbers.buyer_vat_number
            and not facts.details.buyer.registration_id.strip()
        ),
        Phrase("BT-47, BT-48"),
        "BR-AE-02",
    ),
    Requirement(
        ("customer", "delivery_country"),
        "e_invoice_customer_delivery_country_missing",
        Phrase("The country of delivery is missing"),
        Phrase("Enter the country of delivery of {buyer} on the customer's page: an intra-community supply needs it."),
        lambda facts: facts.is_intra_community and _lacks_part(place_of_delivery(facts.details, True), "country"),
        "BT-80",
        "BR-IC-12",
    ),
)

XRECHNUNG: Final = (
    _seller_field("city", Phrase("city"), "BT-37", "BR-DE-3"),
    _seller_field("postcode", Phrase("postcode"), "BT-38", "BR-DE-4"),
    _seller_field("contact_name", Phrase("contact's name"), "BT-41", "BR-DE-5"),
    _seller_field("contact_phone", Phrase("contact's phone number"), "BT-42", "BR-DE-6"),
    _seller_field("contact_email", Phrase("contact's e-mail address"), "BT-43", "BR-DE-7"),
    _seller_field("electronic_address", Phrase("electronic address"), "BT-34", "PEPPOL-EN16931-R020"),
    Requirement(
        ("bank_account", "currency"),
        "e_invoice_bank_account_missing",
        Phrase("There is no bank account for the currency"),
        Phrase("Add a bank account for {currency} in the settings: {format} e-invoices must say where to pay."),
        lambda facts: facts.details.account is None and not facts.is_credit_note,
        "BT-84",
        Phrase("BR-DE-1, BR-DE-23-a"),
    ),
    _buyer_field("city", Phrase("city"), "BT-52", "BR-DE-8"),
    _buyer_field("postcode", Phrase("postcode"), "BT-53", "BR-DE-9"),
    _buyer_field("electronic_address", Phrase("electronic address"), "BT-49", "PEPPOL-EN16931-R010"),
    Requirement(
        ("customer", "buyer_reference"),
        "e_invoice_customer_buyer_reference_missing",
        Phrase("The buyer reference is missing"),
        Phrase(
            "Enter the buyer reference of {buyer} on the customer's page. For a public authority, it is the Leitweg-ID."
        ),
        lambda facts: not facts.details.buyer_reference.strip(),
        "BT-10",
        "BR-DE-15",
    ),
    Requirement(
        ("customer", "buyer_reference"),
        "e_invoice_customer_leitweg_id_wrong",
        Phrase("The Leitweg-ID is wrong"),
        Phrase("Correct the buyer reference of {buyer} on the customer's page. {leitweg_problem}"),
        lambda facts: bool(facts.numbers.leitweg_problem),
        "BT-10",
        "BR-DE-15",
    ),
    _delivery_field("city", Phrase("city"), "BT-77", "BR-DE-10"),
    _delivery_field("postcode", Phrase("postcode"), "BT-78", "BR-DE-11"),
)

PEPPOL: Final = (
    _seller_field("electronic_address", Phrase("electronic address"), "BT-34", "PEPPOL-EN16931-R020"),
    Requirement(
        ("organisation", "electronic_scheme"),
        "e_invoice_organisation_scheme_not_peppol",
        Phrase("The seller's electronic address is not a Peppol ID"),
        Phrase("Enter your Peppol ID as electronic address in the settings: Peppol does not accept e-mail addresses."),
        lambda facts: _is_outside_peppol(facts.details.seller),
        "BT-34",
        "PEPPOL-EN16931-CL008",
    ),
    _buyer_field("electronic_address", Phrase("electronic address"), "BT-49", "PEPPOL-EN16931-R010"),
    Requirement(
        ("customer", "electronic_scheme"),
        "e_invoice_customer_scheme_not_peppol",
        Phrase("The customer's electronic address is not a Peppol ID"),
        Phrase(
            "Enter the Peppol ID of {buyer} as electronic address on the customer's page: e-mail addresses do not work."
        ),
        lambda facts: _is_outside_peppol(facts.details.buyer),
        "BT-49",
        "PEPPOL-EN16931-CL008",
    ),
    Requirement(
        ("customer", "buyer_reference"),
        "e_invoice_customer_reference_or_order_missing",
        Phrase("The buyer reference or purchase order is missing"),
        Phrase(
            "Enter the buyer reference of {buyer} on the customer's page, or a purchase order number: Peppol"
            " needs one of them."
        ),
        lambda facts: not facts.details.buyer_reference.strip() and not facts.purchase_order.strip(),
        Phrase("BT-10, BT-13"),
        "PEPPOL-EN16931-R003",
    ),
)

_REQUIREMENTS: Final = (*STOPS, *WARNINGS, *EN_16931, *XRECHNUNG, *PEPPOL)
# Why a run leaves an account out, by the code of the shortcoming. The codes are part of the API.
REASONS: Final = {requirement.code: requirement.reason for requirement in _REQUIREMENTS}
# The missing or wrong fact, by the code of the shortcoming.
MISSING_FACTS: Final = {requirement.code: requirement.fact for requirement in _REQUIREMENTS}
# The page on which to correct a shortcoming, by its code, and the field.
PAGES: Final = {requirement.code: str(requirement.field[0]) for requirement in _REQUIREMENTS}
FIELDS: Final = {requirement.code: str(requirement.field[1]) for requirement in _REQUIREMENTS}
