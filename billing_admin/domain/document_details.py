"""The details of a document: its facts without a column, frozen at issue.

A document that was issued before details were stored has none: it reads as `DocumentDetails()`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

# One object of a stored JSON text.
Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address; `country` is an ISO 3166-1 alpha-2 code."""

    street: str = ""
    street2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class PartyDetails:
    """The seller or the buyer without name, printed address and tax ID.

    Documents have columns for these. The schemes are codes of ICD (`registration_scheme`) and EAS
    (`electronic_scheme`). `tax_number` is the one of the local tax office. `legal_info` and the
    contact are those of the seller.
    """

    address: Address = Address()
    registration_id: str = ""
    registration_scheme: str = ""
    electronic_address: str = ""
    electronic_scheme: str = ""
    tax_number: str = ""
    legal_info: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""


@dataclass(frozen=True, slots=True)
class BankAccount:
    """The account to pay to: by its IBAN, or by another number."""

    holder: str = ""
    iban: str = ""
    account_number: str = ""
    bic: str = ""
    bank_name: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The place of delivery, where it differs from the buyer's address."""

    name: str = ""
    address: Address = Address()


@dataclass(frozen=True, slots=True)
class CustomLine:
    """A line that the customer asked for, such as `Cost centre: 4711`."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class BaseCurrencyRate:
    """The exchange rate for the tax in the organisation's base currency.

    One unit of `currency`, the base currency, costs `rate` units of the document's currency. `rate` is a plain decimal
    and `day` an ISO date.
    """

    currency: str
    rate: str
    day: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class DocumentDetails:
    """The details of a document.

    `e_invoice` is the customer's format, `none` without one. `logo` is the SHA-256 of the stored file. `base_rate` is
    set if the document's currency is not the base currency and tax is charged. `test` marks documents of demo data.
    """

    language: str = "en"
    paper: str = "a4"
    e_invoice: str = "none"
    seller: PartyDetails = PartyDetails()
    buyer: PartyDetails = PartyDetails()
    delivery: Delivery | None = None
    account: BankAccount | None = None
    buyer_reference: str = ""
    contract: str = ""
    custom_lines: tuple[CustomLine, ...] = ()
    terms: str = ""
    accent: str = ""
    logo: str = ""
    base_rate: BaseCurrencyRate | None = None
    test: bool = False


def place_of_delivery(details: DocumentDetails, is_intra_community: bool) -> Delivery | None:
    """Return the place of delivery of an e-invoice, or None if it states none.

    An intra-community supply must state one (BR-IC-12): without a delivery address, it is the buyer's address.
    """
    if details.delivery is None and is_intra_community:
        return Delivery(address=details.buyer.address)
    return details.delivery


def details_to_json(details: DocumentDetails) -> dict[str, Any]:
    """Return the details as JSON without empty members.

    Language and paper are always there.
    """
    return {"language": details.language, "paper": details.paper} | _members(details)


def _members(part: Any) -> dict[str, Any]:
    """Return the members of a part that differ from its defaults."""
    members: dict[str, Any] = {}
    for name, default in _DEFAULTS[type(part)]:
        value = getattr(part, name)
        if value == default:
            continue
        if isinstance(value, tuple):
            members[name] = [_members(line) for line in value]
        elif isinstance(value, str | bool):
            members[name] = value
        else:
            members[name] = _members_of_part(value)
    return members


# The seller and the bank account are the same on all documents of a run.
_members_of_part = lru_cache(maxsize=1024)(_members)


_DEFAULTS = {
    part: [(field.name, field.default) for field in fields(part)]
    for part in (Address, PartyDetails, BankAccount, Delivery, CustomLine, BaseCurrencyRate, DocumentDetails)
}


def details_from_json(stored: Members | None) -> DocumentDetails:
    """Return stored details; those of a document without any are empty."""
    if not stored:
        return DocumentDetails()
    parts = {name: read(stored[name]) for name, read in _READERS.items() if name in stored}
    return DocumentDetails(**{**stored, **parts})


def _party(stored: Members) -> PartyDetails:
    return PartyDetails(**{**stored, "address": _address(stored)})


def _delivery(stored: Members) -> Delivery:
    return Delivery(stored.get("name", ""), _address(stored))


def _address(stored: Members) -> Address:
    return Address(**stored.get("address", {}))


_READERS: dict[str, Callable[[Any], Any]] = {
    "seller": _party,
    "buyer": _party,
    "delivery": _delivery,
    "account": lambda stored: BankAccount(**stored),
    "custom_lines": lambda stored: tuple(CustomLine(**line) for line in stored),
    "base_rate": lambda stored: BaseCurrencyRate(**stored),
}
