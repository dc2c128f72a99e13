"""The days on which something may be booked: what is dated moves a balance from that day on, so the past can be closed."""

from datetime import date

from billing_admin.domain.errors import Invalid


def refuse_locked(day: date, locked_through: date | None, *field: str | int) -> None:
    """Raise Invalid for a day in the locked period: on or before `locked_through`."""
    if locked_through is not None and day <= locked_through:
        message = f"Use a day after {locked_through.isoformat()}: the books are locked through that day."
        raise Invalid("period_locked", message, *field)


def refuse_future(day: date, today: date, *field: str | int) -> None:
    """Raise Invalid for a day that is still to come: money is booked when it has moved."""
    if day > today:
        raise Invalid("in_the_future", f"Use {today.isoformat()} or earlier: this day is still to come.", *field)
