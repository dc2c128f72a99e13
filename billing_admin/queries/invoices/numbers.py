"""The number register: series, numbers with their documents, and gaps."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, type_coerce
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.document_hash import document_number
from billing_admin.domain.errors import NotFound
from billing_admin.domain.periods import LastDocument
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, NumberSeries, Organisation
from billing_admin.queries.master_data.organisation import document_number_format, organisation

DOCUMENT_KINDS = ("invoice", "credit_note")

# The names of last documents without a number.
_LAST: Final = {"invoice": Phrase("The last invoice"), "credit_note": Phrase("The last credit note")}


@dataclass(frozen=True, slots=True)
class Gap:
    """Consecutive numbers of a series, first to last, that no document has.

    There should be none.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Series:
    """The numbers of a kind of document in a year.

    `given` is the count of used numbers, `void` that of void documents. A year has a second `part` if a
    new series was started in it. `next_number` of an ended part is that of the current one.
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
    """Return every series of document numbers.

    The latest year is first; invoices come before credit notes, and the current part before earlier ones.
    """
    settings, gaps_by_series = organisation(session), find_gaps(session)
    query = (
        select(NumberSeries, func.count(Invoice.id), func.count(Invoice.id).filter(Invoice.status == "void"))
        .outerjoin(Invoice, Invoice.series_id == NumberSeries.id)
        .group_by(NumberSeries.id)
        .order_by(NumberSeries.year.desc(), NumberSeries.kind.desc(), NumberSeries.part.desc())
    )
    rows = session.execute(query).all()
    current = {(series.kind, series.year): series for series, *_ in reversed(rows)}
    return [
        Series(
            id=series.id,
            kind=series.kind,
            year=series.year,
            part=series.part,
            given=documents,
            void=void,
            last_issue_date=series.last_issue_date,
            next_number=_next_number(settings, current[series.kind, series.year]),
            gaps=tuple(gaps_by_series.get(series.id, ())),
        )
        for series, documents, void in rows
    ]


def _next_number(settings: Organisation, series: NumberSeries) -> str:
    day = series.last_issue_date or date(series.year, 1, 1)
    return document_number(document_number_format(settings, series.kind), day, series.next_sequence)


def current_series(kind: str, year: int) -> Select[NumberSeries]:
    """Select the current series of a kind and year.

    There is none before the first number.
    """
    of_year = select(NumberSeries).where(NumberSeries.kind == kind, NumberSeries.year == year)
    return of_year.order_by(NumberSeries.part.desc()).limit(1)


def next_number(session: Session, on: date, kind: str = "invoice") -> str:
    """Return the number of the next document issued on a day."""
    series = session.execute(current_series(kind, on.year).with_only_columns(NumberSeries.next_sequence)).one_or_none()
    sequence = 1 if series is None else series.next_sequence
    return document_number(document_number_format(organisation(session), kind), on, sequence)


def last_document(session: Session, kind: str, year: int) -> LastDocument | None:
    """Return the document with the last number of the current series, or None.

    The result is None if the series is empty.
    """
    series = current_series(kind, year).subquery()
    query = select(series.c.last_issue_date, Invoice.number).outerjoin(
        Invoice, and_(Invoice.series_id == series.c.id, Invoice.sequence == series.c.next_sequence - 1)
    )
    row = session.execute(query).one_or_none()
    if row is None or row.last_issue_date is None:
        return None
    return LastDocument(kind, row.number or _LAST[kind], row.last_issue_date)


def future_dated_documents(session: Session, today: date) -> list[LastDocument]:
    """Return the last documents of current series that are dated after today.

    They block further numbers until that day.
    """
    query = select(NumberSeries).where(NumberSeries.last_issue_date > today)
    years = {(series.kind, series.year) for series in session.scalars(query)}
    documents = [last_document(session, kind, year) for kind, year in sorted(years)]
    return [document for document in documents if document is not None and document.issue_date > today]


def find_gaps(session: Session) -> dict[UUID, list[Gap]]:
    """Return the missing numbers by series.

    Numbers can be missing before each document, and before the next number. Series that have as many documents as numbers
    from 1 on are complete, so that nearly always no document is compared with the one before it.
    """
    gaps: dict[UUID, list[Gap]] = defaultdict(list)
    last, documents = func.coalesce(func.max(Invoice.sequence), 0), func.count(Invoice.sequence)
    incomplete: Select[*tuple[Any, ...]] = (
        select(NumberSeries.id, last + 1, NumberSeries.next_sequence - 1)
        .outerjoin(Invoice, Invoice.series_id == NumberSeries.id)
        .group_by(NumberSeries.id)
        .having(or_(documents != last, func.min(Invoice.sequence) < 1, NumberSeries.next_sequence > last + 1))
    )
    ends = session.execute(incomplete).all()
    if not ends:
        return gaps
    before = func.lag(Invoice.sequence, 1, 0).over(partition_by=Invoice.series_id, order_by=Invoice.sequence)
    pairs = (
        select(Invoice.series_id, before.label("before"), Invoice.sequence)
        .where(Invoice.series_id.in_([series_id for series_id, *_ in ends]))
        .subquery()
    )
    between = select(pairs.c.series_id, pairs.c.before + 1, pairs.c.sequence - 1)
    for series_id, first, end in session.execute(between.where(pairs.c.sequence > pairs.c.before + 1)):
        gaps[series_id].append(Gap(first, end))
    for series_id, first, end in ends:
        if first <= end:
            gaps[series_id].append(Gap(first, end))
    return gaps


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """A series: a kind of document, a year, and the part of the year, 1 if None."""

    kind: str
    year: int
    part: int | None = None


def series(session: Session, filters: SeriesFilter) -> Series:
    """Return one series.

    Raises:
        NotFound: The year has no such series.
    """
    key = filters.kind, filters.year, filters.part or 1
    for series in all_series(session):
        if (series.kind, series.year, series.part) == key:
            return series
    raise NotFound("unknown_series", Phrase("There is no number series for {year}.", year=filters.year), "year")


def series_documents(filters: SeriesFilter) -> Select[Any]:
    """Select no columns yet of a series' documents, in the order of their numbers."""
    # As a subquery, so that PostgreSQL reads the documents in the order of the index of their numbers.
    series_id = select(NumberSeries.id).where(
        NumberSeries.kind == filters.kind,
        NumberSeries.year == filters.year,
        NumberSeries.part == (filters.part or 1),
    )
    documents = select().select_from(Invoice).where(Invoice.series_id == series_id.scalar_subquery())
    return documents.order_by(Invoice.sequence)


def number_register(filters: SeriesFilter) -> Select[Any]:
    """Select the documents of a series, last number first; for `paging.page`.

    Each row includes the number of the document that it corrects, and of the one
    that replaces it if it is void.
    """
    corrected, replacing = aliased(Invoice), aliased(Invoice)
    return (
        series_documents(filters)
        .order_by(None)
        .add_columns(
            *Invoice.__table__.c,
            corrected.number.label("corrected_number"),
            replacing.id.label("replacing_id"),
            replacing.number.label("replacing_number"),
        )
        .outerjoin(corrected, corrected.id == Invoice.corrects_id)
        .outerjoin(replacing, (replacing.replaces_id == Invoice.id) & (Invoice.status == "void"))
        # Numbered documents have a sequence; paging must not take the column for a nullable one.
        .order_by(type_coerce(Invoice.sequence, Invoice.sequence.type).desc(), Invoice.id)
    )
