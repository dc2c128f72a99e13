"""The number series and what is missing in them, and how far the books are locked."""

from datetime import date
from typing import Annotated

from billing_admin.api.frame.fields import ResponseModel, enumeration
from billing_admin.api.frame.routing import Reply, route
from billing_admin.db.engine import db
from billing_admin.queries.invoices import numbers
from billing_admin.queries.master_data.organisation import organisation


class GapOut(ResponseModel):
    """Numbers of a series that no document has, by their order in it."""

    first: int
    last: int


class SeriesOut(ResponseModel):
    """A kind of document in a year: the numbers given out, those of void documents among them, and the next one.

    `part` is 2 for a second series that was begun within a year.
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
    """Every series, the latest year first; `gaps` should be empty in each."""

    data: list[SeriesOut]


class PeriodLockOut(ResponseModel):
    """Nothing may be dated on or before this day; null while the books are open."""

    locked_through: date | None


@route("GET", "/number-series", scope="read", response=RegisterOut)
def list_number_series() -> Reply:
    """List the number series."""
    found = numbers.all_series(db.session())
    return Reply(RegisterOut(data=[SeriesOut.model_validate(one) for one in found]))


@route("GET", "/period-lock", scope="read", response=PeriodLockOut)
def get_period_lock() -> Reply:
    """Read how far the books are locked. Locking and unlocking them is for people, in the settings."""
    return Reply(PeriodLockOut(locked_through=organisation(db.session()).locked_through))
