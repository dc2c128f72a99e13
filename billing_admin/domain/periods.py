"""The days on which documents and payments may be dated.

Such a day is not locked and not in the future. A dated document changes balances from its day on, so days
that are reported can be locked.
"""

from dataclasses import dataclass
from datetime import date

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase

DOCUMENT_NAMES = {"invoice": Phrase("an invoice"), "credit_note": Phrase("a credit note")}


@dataclass(frozen=True, slots=True)
class LastDocument:
    """The document with the last number of its series."""

    kind: str
    number: str
    issue_date: date


def check_document_date(
    day: date, today: date, locked_through: date | None, last: LastDocument | None, *field: str | int
) -> None:
    """Raise Invalid unless a document may be dated on `day`.

    The day is not after today, not in the locked period, and not before the last document of its number series.
    `today` is the organisation's day; `last` is None while the series is empty.
    """
    refuse_future(day, today, *field)
    refuse_locked(day, locked_through, *field)
    if last is not None and day < last.issue_date:
        raise Invalid("before_last_issue", _before_last(last, today), *field)


def _before_last(last: LastDocument, today: date) -> str:
    if last.issue_date <= today:
        return Phrase(
            "Use {issue_date} or later: {kind} with this date has already been issued.",
            issue_date=last.issue_date.isoformat(),
            kind=DOCUMENT_NAMES[last.kind],
        )
    return Phrase(
        "{last_number} is dated {issue_date}, which is after today ({today}), and numbers follow the "
        "issue dates. Change the format of these numbers in the settings to begin a new number series, "
        "or wait until {issue_date}.",
        last_number=last.number,
        issue_date=last.issue_date.isoformat(),
        today=today.isoformat(),
    )


def refuse_locked(day: date, locked_through: date | None, *field: str | int) -> None:
    """Raise Invalid for a day in the locked period: on or before `locked_through`."""
    if locked_through is not None and day <= locked_through:
        message = Phrase(
            "Use a day after {locked_through}: the books are locked through that day.",
            locked_through=locked_through.isoformat(),
        )
        raise Invalid("period_locked", message, *field)


def refuse_future(day: date, today: date, *field: str | int) -> None:
    """Check that a day is not after today.

    Documents and payments are never dated in the future.

    Raises:
        Invalid: The day is after today.
    """
    if day > today:
        raise Invalid(
            "in_the_future",
            Phrase("Use {today} (today) or earlier: this day is in the future.", today=today.isoformat()),
            *field,
        )


def unlocks(locked_through: date | None, through: date | None) -> bool:
    """Return whether a new period lock opens days that are locked."""
    return locked_through is not None and (through is None or through < locked_through)
