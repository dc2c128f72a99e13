"""The check of whether a document may be issued.

A shortcoming names what the document lacks, and the page on which to add it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from billing_admin.domain.errors import FieldPath, Invalid, Problem

# The EN 16931 category of a line under reverse charge.
REVERSE_CHARGE = "AE"
CUSTOMER_TAX_ID_MISSING = "customer_tax_id_missing"


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the buyer, as a document names them."""

    name: str
    address: str
    tax_id: str


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """A fact that a document lacks before it may be issued.

    It has the fact's place, a stable code, a sentence, and the page on which to add it.
    """

    field: FieldPath
    code: str
    message: str
    page: str


@dataclass(frozen=True, slots=True)
class IssueFacts:
    """The facts to be frozen on a document.

    They are the parties, the customer's tax treatment and the tax categories of the lines.
    """

    seller: Party
    buyer: Party
    tax_treatment: str
    tax_categories: Collection[str]


def find_shortcomings(facts: IssueFacts) -> tuple[Shortcoming, ...]:
    """Return what stops a document from being issued; empty if it is ready."""
    if not lacks_tax_id(facts.buyer.tax_id, facts.tax_treatment, facts.tax_categories):
        return ()
    message = (
        f"Add the tax ID of {facts.buyer.name} on the customer's page: an invoice with reverse charge must name it."
    )
    return (Shortcoming(("customer", "tax_id"), CUSTOMER_TAX_ID_MISSING, message, "customer"),)


def lacks_tax_id(tax_id: str, tax_treatment: str, tax_categories: Collection[str] = ()) -> bool:
    """Return whether a document with reverse charge lacks the customer's tax ID.

    A tax ID without a letter or digit counts as none.
    """
    is_reverse_charge = tax_treatment == "reverse_charge" or REVERSE_CHARGE in tax_categories
    return is_reverse_charge and not any(character.isalnum() for character in tax_id)


def not_ready_error(missing: Collection[Shortcoming]) -> Invalid:
    """Return the error that refuses to issue documents with these shortcomings."""
    error = Invalid.of([Problem(item.code, item.message, item.field) for item in missing])
    assert isinstance(error, Invalid)  # noqa: S101 - `of` makes an error of its own class
    return error
