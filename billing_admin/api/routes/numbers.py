"""The number register and the period lock."""

from datetime import date
from typing import Annotated

from billing_admin.api.frame.fields import ResponseModel, enumeration
from billing_admin.api.frame.routing import Reply, route
from billing_admin.db.engine import db
from billing_admin.queries.invoices import numbers
from billing_admin.queries.master_data.organisation import organisation


class GapOut(ResponseModel):
    """A range of numbers of a series that no document has."""

    first: int
    last: int


class SeriesOut(ResponseModel):
    """The number series of a kind of document in a year.

    `given` counts the numbers in use, void documents included. `part` is 2 for a second series within the year.
    """

    kind: Annotated[str, enumeration(*numbers.DOCUMENT_KINDS)]
    year: int
    part: int
    given: int
    void: int
    last_issue_date: date | None
    next_number: str
    gaps: list[GapOut]


class RegisterOut(ResponseModel):
    """All number series, the latest year first.

    `gaps` should be empty in each.
    """

    data: list[SeriesOut]


class PeriodLockOut(ResponseModel):
    """The day through which nothing may be dated.

    It is null while the books are not locked.
    """

    locked_through: date | None


@route("GET", "/number-series", scope="read", response=RegisterOut)
def list_number_series() -> Reply:
    """List the number series."""
    rows = numbers.all_series(db.session())
    return Reply(RegisterOut(data=[SeriesOut.model_validate(row) for row in rows]))


@route("GET", "/period-lock", scope="read", response=PeriodLockOut)
def get_period_lock() -> Reply:
    """Read the day through which the books are locked.

    People lock and unlock them in the settings.
    """
    return Reply(PeriodLockOut(locked_through=organisation(db.session()).locked_through))
