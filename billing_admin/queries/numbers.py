"""The number register: each series, each number that it gave out and what became of it, and the numbers that are missing."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.errors import NotFound
from billing_admin.domain.written import document_number
from billing_admin.models import Invoice, NumberSeries
from billing_admin.queries.organisation import number_format, organisation

KINDS = ("invoice", "credit_note")


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a series, from first to last in its order, that no document has. There should be none."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Series:
    """A kind of document in a year: how many numbers were given out, how many of them are void, and which comes next."""

    id: UUID
    kind: str
    year: int
    given: int
    void: int
    last_issue_date: date | None
    next_number: str
    gaps: tuple[Gap, ...]


def all_series(session: Session) -> list[Series]:
    """Every series, the latest year first, invoices before credit notes."""
    house, missing = organisation(session), gaps(session)
    query = (
        select(NumberSeries, func.count(Invoice.id), func.count(Invoice.id).filter(Invoice.status == "void"))
        .outerjoin(Invoice, Invoice.series_id == NumberSeries.id)
        .group_by(NumberSeries.id)
        .order_by(NumberSeries.year.desc(), NumberSeries.kind.desc())
    )
    return [
        Series(
            id=one.id,
            kind=one.kind,
            year=one.year,
            given=given,
            void=void,
            last_issue_date=one.last_issue_date,
            next_number=document_number(
                number_format(house, one.kind), one.last_issue_date or date(one.year, 1, 1), one.next_sequence
            ),
            gaps=tuple(missing.get(one.id, ())),
        )
        for one, given, void in session.execute(query)
    ]


def gaps(session: Session) -> dict[UUID, list[Gap]]:
    """What is missing by series, read off the documents: before each number, and up to where the series goes on."""
    before = func.lag(Invoice.sequence, 1, 0).over(partition_by=Invoice.series_id, order_by=Invoice.sequence)
    numbered = select(Invoice.series_id, before.label("before"), Invoice.sequence).where(Invoice.series_id.is_not(None))
    beside = numbered.subquery()
    between = select(beside.c.series_id, beside.c.before + 1, beside.c.sequence - 1)
    last = func.coalesce(func.max(Invoice.sequence), 0)
    at_the_end = (
        select(NumberSeries.id, last + 1, NumberSeries.next_sequence - 1)
        .outerjoin(Invoice, Invoice.series_id == NumberSeries.id)
        .group_by(NumberSeries.id)
        .having(NumberSeries.next_sequence > last + 1)
    )
    found: dict[UUID, list[Gap]] = defaultdict(list)
    for query in (between.where(beside.c.sequence > beside.c.before + 1), at_the_end):
        for series_id, first, end in session.execute(query):
            found[series_id].append(Gap(first, end))
    return found


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """Which series: a kind of document, and a year."""

    kind: str
    year: int


def series(session: Session, which: SeriesFilter) -> Series:
    """One series, or raise NotFound."""
    found = next((one for one in all_series(session) if (one.kind, one.year) == (which.kind, which.year)), None)
    if found is None:
        raise NotFound("unknown_series", f"No number of {which.year} was given out.", "year")
    return found


def numbered(which: SeriesFilter) -> Select[Any]:
    """The documents of a series, in the order of their numbers; it selects nothing yet."""
    mine = (NumberSeries.kind == which.kind, NumberSeries.year == which.year)
    joined = select().select_from(Invoice).join(NumberSeries, NumberSeries.id == Invoice.series_id)
    return joined.where(*mine).order_by(Invoice.sequence)


def register(which: SeriesFilter) -> Select[Any]:
    """Each number of a series, the last first, with its document and what it corrects or is replaced by; for `paging.page`."""
    corrected, replacing = aliased(Invoice), aliased(Invoice)
    return (
        numbered(which)
        .order_by(None)
        .add_columns(
            *Invoice.__table__.c,
            corrected.number.label("corrected_number"),
            replacing.id.label("replacing_id"),
            replacing.number.label("replacing_number"),
        )
        .outerjoin(corrected, corrected.id == Invoice.corrects_id)
        .outerjoin(replacing, replacing.replaces_id == Invoice.id)
        .order_by(func.coalesce(Invoice.sequence, 0).desc(), Invoice.id)
    )
