"""Opening balances: open invoices and credits of an earlier system.

An opening balance keeps the number that the earlier system gave it. It counts from the cut-over day, on which this
application takes over the books.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Invalid, NotFound, Problem
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import currency_code, exact_decimal
from billing_admin.domain.text import NUMBER_PART, check_reference, check_text
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word

OPENING_INVOICE: Final = "opening_invoice"  # the kind of the document
OPENING_CREDIT: Final = "opening_credit"  # the method of the payment
MAX_NUMBER_LENGTH: Final = 60
CUT_OVER_MISSING: Final = Phrase("Enter the cut-over day: the day on which this application takes over the books.")


@dataclass(frozen=True, slots=True)
class OpeningSpec:
    """A request to record an opening balance; None means not given.

    `customer` is an id or a reference, `number` and `original_date` are those of the earlier document. `open_amount` is
    in major units; below zero it is a credit of the customer. `opened_on` is the cut-over day, by default that of the
    other opening balances. `original_total` and `original_tax` are information only.

    Raises:
        Invalid: Values are out of range, or contradict each other; the error has a problem for each.
    """

    customer: str
    number: str
    original_date: date
    open_amount: Decimal
    due_date: date | None = None
    currency: str | None = None
    opened_on: date | None = None
    original_total: Decimal | None = None
    original_tax: Decimal | None = None
    purchase_order: str | None = None
    id: UUID | None = None

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        for check in (
            self._check_number,
            self._check_order,
            self._check_currency,
            self._check_days,
            self._check_due_date,
            self._check_amount,
            self._check_originals,
        ):
            try:
                check()
            except Invalid as error:
                problems.extend(error.problems)
        if problems:
            raise Invalid.of(problems)

    @property
    def is_credit(self) -> bool:
        """Whether the customer has a credit, and owes nothing."""
        return self.open_amount < 0

    def _check_number(self) -> None:
        check_reference(self.number, "number")
        check_text(self.number, "number", longest=MAX_NUMBER_LENGTH)
        if any(character in self.number for character in '"\\'):
            raise Invalid("quotation_mark", Phrase("Remove quotation marks and backslashes from the number."), "number")
        if _VOID_SUFFIX.search(self.number):
            raise Invalid(
                "void_number", Phrase("Remove “(void)”: numbers of void opening invoices end like this."), "number"
            )

    def _check_order(self) -> None:
        check_text(self.purchase_order or "", "purchase_order")

    def _check_currency(self) -> None:
        if self.currency is not None:
            currency_code(self.currency)

    def _check_days(self) -> None:
        check_calendar_day(self.original_date, "original_date")
        if self.opened_on is not None:
            check_calendar_day(self.opened_on, "opened_on")

    def _check_due_date(self) -> None:
        if self.due_date is not None:
            check_calendar_day(self.due_date, "due_date")
            if self.due_date < self.original_date:
                message = Phrase(
                    "Use {original_date} or later: an invoice is not due before its date.",
                    original_date=format_day(self.original_date),
                )
                raise Invalid("due_before_date", message, "due_date")

    def _check_amount(self) -> None:
        if not exact_decimal(self.open_amount, "open_amount"):
            message = Phrase("Enter the amount that is still open. Leave out documents that are settled.")
            raise Invalid("out_of_range", message, "open_amount")

    def _check_originals(self) -> None:
        if self.original_total is None:
            if self.original_tax is not None:
                raise Invalid("total_missing", Phrase("Enter the original total as well."), "original_total")
            return
        total = exact_decimal(self.original_total, "original_total")
        # copy_abs() takes any number of digits, where abs() overflows.
        if (total < 0) != self.is_credit or total.copy_abs() < self.open_amount.copy_abs():
            message = Phrase("Enter at least the open amount, with the same sign: no more can be open than was billed.")
            raise Invalid("below_open_amount", message, "original_total")
        tax = exact_decimal(self.original_tax or Decimal(0), "original_tax")
        if (tax and (tax < 0) != self.is_credit) or abs(tax) > abs(total):
            raise Invalid(
                "above_total", Phrase("Enter no more than the original total, with the same sign."), "original_tax"
            )


def signed(amount: Decimal, is_credit: bool) -> Decimal:
    """Return an amount as requests have it: below zero for a credit."""
    return -amount if is_credit else amount


class Document(Protocol):
    """A document, by kind and number."""

    @property
    def kind(self) -> str:
        """The kind, such as `opening_invoice`."""
        ...

    @property
    def number(self) -> str | None:
        """The number; a draft has none."""
        ...


def no_copy(number: str, copy: str) -> str:
    """Return why an opening invoice has no PDF, e-invoice or other copy here."""
    return Phrase(
        "{number} was issued by an earlier system, so there is no {copy} of it here.", number=number, copy=word(copy)
    )


def refuse_opening(document: Document, copy: str, *field: str | int) -> None:
    """Check that a document was issued here, so that it has a copy or a calculation.

    Raises:
        NotFound: It is an opening invoice.
    """
    if document.kind == OPENING_INVOICE:
        raise NotFound("is_opening", no_copy(document.number or "", copy), *field)


def check_original_date(original_date: date, cut_over: date) -> None:
    """Check that a document of the earlier system is not dated after the cut-over day.

    Raises:
        Invalid: It is.
    """
    if original_date > cut_over:
        message = Phrase(
            "Use {cut_over} (the cut-over day) or earlier. Documents after that day are issued here, or the "
            "cut-over day is wrong.",
            cut_over=format_day(cut_over),
        )
        raise Invalid("after_cut_over", message, "original_date")


# Added to the number of a void opening invoice, so that the number can be entered again.
_VOID_SUFFIX: Final = re.compile(r" \(void(?: ([0-9]+))?\)\Z", re.ASCII)


def void_number(number: str, earlier: Sequence[str]) -> str:
    """Return the number of an opening invoice that becomes void: `4711 (void)`.

    `earlier` are the numbers of void opening invoices that begin with it.
    """
    count = sum(1 for name in earlier if without_void_suffix(name) == number)
    return f"{number} (void {count + 1})" if count else f"{number} (void)"


def without_void_suffix(number: str) -> str:
    """Return the number that a void opening invoice had in the earlier system."""
    return _VOID_SUFFIX.sub("", number)


def read_own_number(format: str, number: str) -> tuple[int, int] | None:
    """Return year and sequence of a number in a format, or None for another one."""
    patterns = {"year": "(?P<year>[0-9]{4})", "month": "(?:0[1-9]|1[0-2])"}
    pattern, end = "", 0
    for part in NUMBER_PART.finditer(format):
        digits = f"(?P<number>[0-9]{{{part[2] or 1},18}})"
        pattern += re.escape(format[end : part.start()]) + patterns.get(part[1], digits)
        end = part.end()
    match = re.fullmatch(pattern + re.escape(format[end:]), number, re.ASCII)
    return None if match is None else (int(match["year"]), int(match["number"]))
