"""The fields of customers, services, the organisation, drafts and tax rates.

The module also has the rule of each field.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypedDict
from zoneinfo import available_timezones

from billing_admin.domain.colours import check_accent
from billing_admin.domain.days import DateOrder, check_calendar_day
from billing_admin.domain.errors import Conflict, Invalid, Problem, Stale
from billing_admin.domain.journal import check_account_name
from billing_admin.domain.mail_servers import check_mail_address
from billing_admin.domain.money import currency_code, exact_decimal, refuse_unit_of_account
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.parties import (
    E_INVOICE_FORMATS,
    LANGUAGES,
    PAPERS,
    RECIPIENT_ROLES,
    check_city,
    check_country_shape,
    check_identifier,
    check_postcode,
    check_scheme_shape,
)
from billing_admin.domain.prices import check_unit_price
from billing_admin.domain.tax import TREATMENTS
from billing_admin.domain.text import (
    MAX_LINE_LENGTH,
    check_length,
    check_not_blank,
    check_number_format,
    check_reference,
    check_text,
    refuse_separators,
    refuse_unprintable,
)
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import either

# A rule returns the value or raises Invalid at the field. Each object has a rule for each of its fields.
Rule = Callable[[Any, str], Any]
EMPTY: Mapping[str, Any] = MappingProxyType({})

# Characters; forms and API fields take their limits from here. Other texts have `MAX_LINE_LENGTH`.
MAX_ADDRESS_LENGTH = 500
MAX_NOTE_LENGTH = 1000
MAX_LABEL_LENGTH = 40
MAX_CUSTOM_LINES = 4


class PartyFields(TypedDict, total=False):
    """The fields that the organisation and customers have in common."""

    street: str
    street2: str
    postcode: str
    city: str
    region: str
    country: str
    registration_id: str
    registration_scheme: str
    electronic_address: str
    electronic_scheme: str


class CustomerFields(PartyFields, total=False):
    """A customer's fields.

    Missing fields keep their values, or get defaults in a new customer. `email` is the address of the first contact
    that gets invoices. Each of the `custom_lines` has a `label` and a `value`. `metadata` holds values of
    customer fields by key: those to set, an empty one to remove it.
    """

    reference: str
    name: str
    email: str
    address: str
    tax_id: str
    tax_treatment: str
    currency: str
    payment_terms_days: int | None
    notes: str
    purchase_order: str
    language: str
    paper: str
    e_invoice: str
    buyer_reference: str
    contract: str
    custom_lines: Sequence[Mapping[str, str]]
    delivery_name: str
    delivery_street: str
    delivery_street2: str
    delivery_postcode: str
    delivery_city: str
    delivery_region: str
    delivery_country: str
    monthly_statements: bool
    metadata: Mapping[str, str]


class ContactFields(TypedDict, total=False):
    """The fields of a customer's contact.

    The last three say how the contact gets these documents: as `to` or `cc`, or `none`.
    """

    name: str
    email: str
    invoices: str
    reminders: str
    statements: str


class ServiceFields(TypedDict, total=False):
    """A service's fields.

    `tax_rate` is the code of a rate. `prices` are the unit prices by currency, and
    `prices_include_tax` the currencies whose price includes tax; both are complete lists. `unit_code` is the
    code of the unit in e-invoices, which the operation looks up.
    `revenue_account` is its account in the journal, empty for the default account.
    """

    code: str
    name: str
    unit: str
    unit_code: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: Mapping[str, Decimal]
    prices_include_tax: Collection[str]


class OrganisationFields(PartyFields, total=False):
    """The organisation's settings.

    `country` is an ISO 3166-1 code. While it is empty, documents print `address` instead of its parts. The schemes are
    codes of ICD and EAS. `language` and `paper` are those of documents whose customer has none.
    """

    legal_name: str
    address: str
    tax_id: str
    tax_number: str
    legal_info: str
    contact_name: str
    contact_phone: str
    contact_email: str
    language: str
    paper: str
    accent: str
    terms: str
    email: str
    invoice_footer: str
    time_zone: str
    base_currency: str
    payment_terms_days: int
    invoice_format: str
    credit_note_format: str
    exempt_note: str
    exempt_vatex: str
    reverse_charge_note: str
    export_note: str
    intra_community_note: str
    hold_likely_duplicates: bool
    applies_credit: bool
    requires_complete_details: bool
    attach_pdf: bool
    default_tax_rate: str
    number_format: str
    date_order: str


class DraftFields(TypedDict, total=False):
    """The fields of a draft.

    Without a due date, the customer's terms count from the day of issue.
    """

    note: str
    purchase_order: str
    due_date: date | None


class TaxRateChanges(TypedDict, total=False):
    """The fields of a tax rate that may change.

    `note` is the printed reason for charging no tax; `vatex` is its code.
    """

    name: str
    note: str
    vatex: str


class TaxRateFields(TaxRateChanges, total=False):
    """A tax rate's fields; `category` is a code of EN 16931."""

    code: str
    category: str
    percent: Decimal


def _address(value: str, field: str) -> str:
    return check_text(value, field, longest=MAX_ADDRESS_LENGTH, lines=True, stored=True)


def _note(value: str, field: str) -> str:
    return check_text(value, field, longest=MAX_NOTE_LENGTH, lines=True, stored=True)


def _email(value: str, field: str) -> str:
    check_length(value, MAX_LINE_LENGTH, field)
    if value and not ("@" in value[1:-1] and " " not in value):
        raise Invalid("not_an_email", Phrase("Enter an e-mail address such as billing@example.com."), field)
    return check_text(value, field, stored=True)


def _line(value: str, field: str) -> str:
    return check_text(value, field, stored=True)


def _name(value: str, field: str) -> str:
    return check_not_blank(value, field, stored=True)


def _reference(value: str, field: str) -> str:
    return check_reference(value, field, stored=True)


def _days(value: int | None, field: str) -> int | None:
    if value is not None and not 0 <= value <= 365:
        raise Invalid("out_of_range", Phrase("Use 0 to 365 days."), field)
    return value


def _day(value: date | None, field: str) -> date | None:
    return value if value is None else check_calendar_day(value, field)


def _time_zone(value: str, field: str) -> str:
    if value not in available_timezones():
        raise Invalid(
            "unknown_time_zone", Phrase("“{value}” is not a time zone such as Europe/Berlin.", value=value[:80]), field
        )
    return value


def _currency(value: str, *field: str | int) -> str:
    try:
        return currency_code(value)
    except Invalid as error:
        raise Invalid(error.code, error.message, *field) from None


def _percent(value: Decimal, field: str) -> Decimal:
    if not 0 <= exact_decimal(value, field) <= 100:
        raise Invalid("out_of_range", Phrase("Use 0 to 100 percent."), field)
    return value


def _category(value: str, field: str) -> str:
    if value not in TAX_CATEGORIES:
        codes = ", ".join(TAX_CATEGORIES)
        raise Invalid("unknown_category", Phrase("Use one of the EN 16931 categories {codes}.", codes=codes), field)
    return value


def _treatment(value: str, field: str) -> str:
    if value not in TREATMENTS:
        codes = ", ".join(TREATMENTS)
        raise Invalid("unknown_treatment", Phrase("Use one of {codes}.", codes=codes), field)
    return value


def _prices(prices: Mapping[str, Decimal], field: str) -> Mapping[str, Decimal]:
    for currency, unit_price in prices.items():
        _currency(currency, field, currency)
        check_unit_price(unit_price, field, currency)
    return prices


def _contact_email(value: str, field: str) -> str:
    if not value.strip():
        raise Invalid("blank", Phrase("Enter the contact's e-mail address."), field)
    return _email(value, field)


def _custom_lines(lines: Sequence[Mapping[str, str]], field: str) -> Sequence[Mapping[str, str]]:
    if len(lines) > MAX_CUSTOM_LINES:
        raise Invalid(
            "too_many", Phrase("Use at most {max_custom_lines} lines.", max_custom_lines=MAX_CUSTOM_LINES), field
        )
    problems: list[Problem] = []
    labels = [line["label"].casefold() for line in lines]
    for index, line in enumerate(lines):
        try:
            check_not_blank(line["label"], field, index, "label", longest=MAX_LABEL_LENGTH)
            check_not_blank(line["value"], field, index, "value")
        except Invalid as error:
            problems += error.problems
        if labels[index] in labels[:index]:
            problems.append(Problem("label_twice", Phrase("Use each label once."), (field, index, "label")))
    if problems:
        raise Invalid.of(problems)
    return lines


def _optional_account(value: str, field: str) -> str:
    return check_account_name(value, field) if value else value


def _choice(options: Collection[str]) -> Rule:
    names = either(*(option for option in options if option))

    def check(value: str, field: str) -> str:
        if value not in options:
            message = (
                Phrase("Use one of {names}, or leave it blank.", names=names)
                if "" in options
                else Phrase("Use one of {names}.", names=names)
            )
            raise Invalid("not_a_choice", message, field)
        return value

    return check


def _unchecked(value: Any, _field: str) -> Any:
    """Accept a value whose type is its rule, or that the operation looks up."""
    return value


TAX_CATEGORIES = {
    "S": Phrase("Taxed"),
    "Z": Phrase("Zero rated"),
    "E": Phrase("Exempt"),
    "AE": Phrase("Reverse charge"),
    "O": Phrase("Not subject to tax"),
    "G": Phrase("Export outside the EU"),
    "K": Phrase("Intra-community supply"),
}

_ADDRESS_RULES: Mapping[str, Rule] = {
    "street": _line,
    "street2": _line,
    "postcode": check_postcode,
    "city": check_city,
    "region": check_city,
    "country": check_country_shape,
}
# The details that the organisation and customers have in common.
PARTY_RULES: Mapping[str, Rule] = {
    **_ADDRESS_RULES,
    "registration_id": check_identifier,
    "registration_scheme": check_scheme_shape,
    "electronic_address": check_identifier,
    "electronic_scheme": check_scheme_shape,
}
CUSTOMER_RULES: Mapping[str, Rule] = {
    "reference": _reference,
    "name": _name,
    "email": _email,
    "address": _address,
    "tax_id": _line,
    "tax_treatment": _treatment,
    "currency": _currency,
    "payment_terms_days": _days,
    "notes": _address,
    "purchase_order": _line,
    **PARTY_RULES,
    "language": _choice(["", *LANGUAGES]),
    "paper": _choice(["", *PAPERS]),
    "e_invoice": _choice([*E_INVOICE_FORMATS]),
    "buyer_reference": _line,
    "contract": _line,
    "custom_lines": _custom_lines,
    "delivery_name": _line,
    **{f"delivery_{part}": rule for part, rule in _ADDRESS_RULES.items()},
    "monthly_statements": _unchecked,
    "metadata": _unchecked,
}
# The values of optional fields in a new customer; `reference` defaults to the next free one.
CUSTOMER_DEFAULTS: Mapping[str, Any] = {
    "email": "",
    "address": "",
    "tax_id": "",
    "tax_treatment": "standard",
    "payment_terms_days": None,
    "notes": "",
    "purchase_order": "",
    **dict.fromkeys(PARTY_RULES, ""),
    "language": "",
    "paper": "",
    "e_invoice": "none",
    "buyer_reference": "",
    "contract": "",
    "custom_lines": [],
    "delivery_name": "",
    **dict.fromkeys((f"delivery_{part}" for part in _ADDRESS_RULES), ""),
    "monthly_statements": False,
    "metadata": EMPTY,
}
CONTACT_RULES: Mapping[str, Rule] = {
    "name": _line,
    "email": _contact_email,
    **dict.fromkeys(("invoices", "reminders", "statements"), _choice([*RECIPIENT_ROLES])),
}
# A contact gets statements only if that is chosen: they are sent every month.
CONTACT_DEFAULTS: Mapping[str, Any] = {"name": "", "invoices": "to", "reminders": "to", "statements": "none"}
SERVICE_RULES: Mapping[str, Rule] = {
    "code": _reference,
    "name": _name,
    "unit": _line,
    "unit_code": _line,
    "tax_rate": _unchecked,
    "line_per_charge": _unchecked,
    "revenue_account": _optional_account,
    "prices": _prices,
    "prices_include_tax": _unchecked,
}
ORGANISATION_RULES: Mapping[str, Rule] = {
    "legal_name": _name,
    "address": _address,
    **PARTY_RULES,
    "tax_id": _line,
    "tax_number": _line,
    "legal_info": _address,
    "contact_name": _line,
    "contact_phone": _line,
    "contact_email": _email,
    "language": _choice(LANGUAGES),
    "paper": _choice(PAPERS),
    "accent": check_accent,
    "terms": _note,
    "email": _email,
    "invoice_footer": _address,
    "time_zone": _time_zone,
    "base_currency": _currency,
    "payment_terms_days": _days,
    "invoice_format": check_number_format,
    "credit_note_format": check_number_format,
    "exempt_note": _name,
    "exempt_vatex": _line,
    "reverse_charge_note": _name,
    "export_note": _name,
    "intra_community_note": _name,
    "hold_likely_duplicates": _unchecked,
    "applies_credit": _unchecked,
    "requires_complete_details": _unchecked,
    "attach_pdf": _unchecked,
    "default_tax_rate": _unchecked,
    "number_format": _choice([*NumberFormat]),
    "date_order": _choice([*DateOrder]),
}
DRAFT_RULES: Mapping[str, Rule] = {"note": _note, "purchase_order": _line, "due_date": _day}
TAX_RATE_RULES: Mapping[str, Rule] = {
    "code": _reference,
    "name": _name,
    "category": _category,
    "percent": _percent,
    "note": _note,
    "vatex": _line,
}


# Fields with the address of a mailbox. Those stored by earlier versions may have another form.
_MAIL_ADDRESSES: Final = frozenset({"email", "contact_email"})


def check_fields(rules: Mapping[str, Rule], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object, each checked by its rule.

    Texts may have characters that only stored texts have: call `check_new_texts` before storing them.

    Raises:
        Invalid: Fields break their rules; the error has a problem for each.
    """
    _check(fields, lambda field, value: rules[field](value, field))
    return dict(fields)


# Scripts name objects by these texts, which are never printed as lines.
_KEYS: Final = frozenset({"reference", "code"})


_CURRENCIES = frozenset({"currency", "base_currency"})


def check_new_texts(fields: Mapping[str, Any], stored: Mapping[str, Any] = EMPTY) -> None:
    """Raise Invalid with every problem if new texts have unprintable characters.

    A new e-mail address must also be one that mail servers accept, a new currency one that customers can pay in.
    """
    new = {field: value for field, value in fields.items() if isinstance(value, str) and value != stored.get(field)}
    _check(new, _check_new_text)


def _check_new_text(field: str, value: str) -> None:
    if field in _CURRENCIES:
        refuse_unit_of_account(value, field)
    refuse_unprintable(value, field)
    if field not in _KEYS:
        refuse_separators(value, field)
    if field in _MAIL_ADDRESSES and value:
        check_mail_address(value, field)
        if "." not in value.rpartition("@")[2].strip("."):
            raise Invalid("not_an_email", Phrase("Enter an e-mail address such as billing@example.com."), field)


def _check(fields: Mapping[str, Any], rule: Callable[[str, Any], object]) -> None:
    problems: list[Problem] = []
    for field, value in fields.items():
        try:
            rule(field, value)
        except Invalid as error:
            problems.extend(error.problems)
    if problems:
        raise Invalid.of(problems)


def differing_fields(fields: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields whose values differ from the stored values."""
    return [field for field, value in fields.items() if stored[field] != value]


def refuse_differences(name: str, differs: Sequence[str], field: str | None = None) -> None:
    """Raise Conflict when a repeated request differs from the stored object.

    `differs` are the fields with other values. The error is at `field`, by default the first of them.
    """
    if differs:
        message = Phrase("{name} already exists with a different {differs}.", name=name, differs=", ".join(differs))
        raise Conflict("id_conflict", message, field or differs[0], differs=differs)


def check_version(version: int | None, stored: int, name: str, are_several: bool = False) -> None:
    """Raise Stale when an object has changed since `version`, if one is given."""
    if version is not None and version != stored:
        raise Stale(
            "stale",
            Phrase("{name} have been changed since you opened the form. Review the change, then try again.", name=name)
            if are_several
            else Phrase(
                "{name} has been changed since you opened the form. Review the change, then try again.", name=name
            ),
        )
