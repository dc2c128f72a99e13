"""Bank accounts of the organisation: their fields and the rule of each."""

from collections.abc import Mapping
from typing import Final, TypedDict

from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import Rule
from billing_admin.domain.money import currency_code
from billing_admin.domain.text import check_not_blank, check_text
from billing_admin.domain.translation import Phrase

# Characters. An IBAN may be typed with spaces; an account number may name a routing or sort code as well.
MAX_HOLDER_LENGTH = 70  # of the name in a payment code
MAX_NUMBER_LENGTH = 70
MAX_BIC_LENGTH = 20


class BankAccountFields(TypedDict, total=False):
    """A bank account's fields.

    It has an IBAN or an account number. Without a holder, a new account belongs to the legal name of the organisation.
    """

    currency: str
    holder: str
    iban: str
    account_number: str
    bic: str
    bank_name: str


def _currency(value: str, field: str) -> str:
    try:
        return currency_code(value)
    except Invalid as error:
        raise Invalid(error.code, error.message, field) from None


def _holder(value: str, field: str) -> str:
    return check_not_blank(value, field, longest=MAX_HOLDER_LENGTH, stored=True)


def _number(value: str, field: str) -> str:
    return check_text(value, field, longest=MAX_NUMBER_LENGTH, stored=True)


def _bic(value: str, field: str) -> str:
    return check_text(value, field, longest=MAX_BIC_LENGTH, stored=True)


def _line(value: str, field: str) -> str:
    return check_text(value, field, stored=True)


BANK_ACCOUNT_RULES: Mapping[str, Rule] = {
    "currency": _currency,
    "holder": _holder,
    "iban": _number,
    "account_number": _number,
    "bic": _bic,
    "bank_name": _line,
}
BANK_ACCOUNT_DEFAULTS: Final[Mapping[str, str]] = {"iban": "", "account_number": "", "bic": "", "bank_name": ""}


def check_one_number(iban: str, account_number: str) -> None:
    """Check that an account has either an IBAN or an account number.

    Raises:
        Invalid: It has neither, or both.
    """
    if iban.strip() and account_number.strip():
        message = Phrase("Enter the IBAN alone: it contains the account number.")
        raise Invalid("both_numbers", message, "account_number")
    if not iban.strip() and not account_number.strip():
        message = Phrase("Enter the IBAN, or the account number if the account has no IBAN.")
        raise Invalid("missing", message, "iban")


def group_iban(iban: str) -> str:
    """Return an IBAN in groups of four characters, as it is shown and printed."""
    return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))
