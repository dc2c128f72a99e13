"""The number register: each series, each number that it gave out and what became of it, and the numbers that are missing."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.document_hash import document_number
from billing_admin.domain.errors import NotFound
from billing_admin.domain.periods import LastDocument
from billing_admin.models import Invoice, NumberSeries, Organisation
from billing_admin.queries.master_data.organisation import number_format, organisation

DOCUMENT_KINDS = ("invoice", "credit_note")


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a series, from first to last in its order, that no document has. There should be none."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Series:
    """A kind of document in a year: how many numbers were given out, how many of them are void, and which comes next.

    A year has a second part where a new series was begun in it; the next number of an ended part is that of the current one.
    """

    id: UUID
    kind: str
    year: int
    part: int
    given: int
    void: int
    last_issue_date: date | None
    next_number: str
    gaps: tuple[Gap, ...]


def all_series(session: Session) -> list[Series]:
    """Every series, the latest year first, invoices before credit notes, the current part before ended ones."""
    house, missing = organisation(session), find_gaps(session)
    query = (
        select(NumberSeries, func.count(Invoice.id), func.count(Invoice.id).filter(Invoice.status == "void"))
        .outerjoin(Invoice, Invoice.series_id == NumberSeries.id)
        .group_by(NumberSeries.id)
        .order_by(NumberSeries.year.desc(), NumberSeries.kind.desc(), NumberSeries.part.desc())
    )
    counted = session.execute(query).all()
    current = {(series.kind, series.year): series for series, *_ in reversed(counted)}
    return [
        Series(
            id=one.id,
            kind=one.kind,
            year=one.year,
            part=one.part,
            given=given,
            void=void,
            last_issue_date=one.last_issue_date,
            next_number=_next_number(house, current[one.kind, one.year]),
            gaps=tuple(missing.get(one.id, ())),
        )
        for one, given, void in counted
    ]


def _next_number(settings: Organisation, series: NumberSeries) -> str:
    day = series.last_issue_date or date(series.year, 1, 1)
    return document_number(number_format(settings, series.kind), day, series.next_sequence)


def current_series(kind: str, year: int) -> Select[NumberSeries]:
    """Select the series that gives out the numbers of a kind and year now; none before the first number."""
    of_year = select(NumberSeries).where(NumberSeries.kind == kind, NumberSeries.year == year)
    return of_year.order_by(NumberSeries.part.desc()).limit(1)


def next_number(session: Session, on: date, kind: str = "invoice") -> str:
    """The number that a document issued on a day gets, unless another one comes first."""
    series = session.execute(current_series(kind, on.year).with_only_columns(NumberSeries.next_sequence)).one_or_none()
    sequence = 1 if series is None else series.next_sequence
    return document_number(number_format(organisation(session), kind), on, sequence)


def last_document(session: Session, kind: str, year: int) -> LastDocument | None:
    """The document with the last number of the current series; None while the series is empty."""
    series = current_series(kind, year).subquery()
    query = select(series.c.last_issue_date, Invoice.number).outerjoin(
        Invoice, and_(Invoice.series_id == series.c.id, Invoice.sequence == series.c.next_sequence - 1)
    )
    row = session.execute(query).one_or_none()
    if row is None or row.last_issue_date is None:
        return None
    return LastDocument(kind, row.number or f"The last {kind.replace('_', ' ')}", row.last_issue_date)


def future_dated_documents(session: Session, today: date) -> list[LastDocument]:
    """The last documents of current series that are dated after today: no number follows them until their day."""
    query = select(NumberSeries).where(NumberSeries.last_issue_date > today)
    years = {(series.kind, series.year) for series in session.scalars(query)}
    documents = [last_document(session, kind, year) for kind, year in sorted(years)]
    return [document for document in documents if document is not None and document.issue_date > today]


def find_gaps(session: Session) -> dict[UUID, list[Gap]]:
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
    """Which series: a kind of document, a year, and the part of the year, 1 if None."""

    kind: str
    year: int
    part: int | None = None


def series(session: Session, which: SeriesFilter) -> Series:
    """One series, or raise NotFound."""
    key = which.kind, which.year, which.part or 1
    found = next((one for one in all_series(session) if (one.kind, one.year, one.part) == key), None)
    if found is None:
        raise NotFound("unknown_series", f"No number of {which.year} was given out.", "year")
    return found


def series_documents(which: SeriesFilter) -> Select[Any]:
    """The documents of a series, in the order of their numbers; it selects nothing yet."""
    mine = (NumberSeries.kind == which.kind, NumberSeries.year == which.year, NumberSeries.part == (which.part or 1))
    joined = select().select_from(Invoice).join(NumberSeries, NumberSeries.id == Invoice.series_id)
    return joined.where(*mine).order_by(Invoice.sequence)


def number_register(which: SeriesFilter) -> Select[Any]:
    """Each number of a series, the last first, with its document and what it corrects or is replaced by; for `paging.page`."""
    corrected, replacing = aliased(Invoice), aliased(Invoice)
    return (
        series_documents(which)
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
