"""Imports as jobs: the check of a file, which stores nothing, and its import.

The import stores a chunk of rows in each transaction.
"""

import hashlib
import io
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from uuid import UUID

from billing_admin import clock
from billing_admin.background.import_key_index import KeyIndex, open_key_index
from billing_admin.background.runner import Progress, handler
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, dry_run, transaction
from billing_admin.domain.access import CREDIT_PERMISSION, Actor
from billing_admin.domain.errors import Conflict, DomainError, Invalid, Problem
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.domain.imports.rows import MAX_ROWS_PER_SERVICE, ReadResult, Record, RowError, RowReader, RowRequest
from billing_admin.domain.imports.tally import AcceptedRow, Outcome, Tally
from billing_admin.domain.translation import Phrase, join
from billing_admin.formats import import_errors
from billing_admin.formats.table_reader import open_table
from billing_admin.models import Import, Job
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.operations.imports.kinds import (
    RefusedRow,
    RowResult,
    check_rows,
    fields_of,
    find_further_problems,
    other_problems,
    without_fields,
)
from billing_admin.operations.jobs import actor_of
from billing_admin.operations.limits import DaySums, run_after
from billing_admin.queries import imports as queries
from billing_admin.queries.access.permissions import current_permissions
from billing_admin.queries.files import StoredFileReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Rows in a transaction. Charges take a few statements together; rows of the other kinds take several each.
CHUNK_ROWS: Final = {
    "charges": 2_000,
    "payments": 100,
    "customers": 100,
    "services": 100,
    "contacts": 100,
    "opening-balances": 100,
    "recurring-charges": 100,
}
# Fields that name a row of these kinds, besides ids and references.
_KEY_FIELDS: Final = {"contacts": ("email",), "opening-balances": ("key", "id", "number")}
BLOCK_BYTES = 1 << 16
# Further errors of rows with an error are found for the first ones only: each needs transactions of its own.
MAX_EXAMINED_ROWS = 10_000

ReportProgress = Callable[[Callable[[], tuple[int, int | None]]], None]
ReportErrors = Callable[[Sequence[RowError]], None]


class _CountingReader(StoredFileReader):
    """A stored file that counts the bytes that were read."""

    count = 0

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = super().readinto(buffer)
        self.count += count
        return count


@handler(imports.CHECK_JOB)
def run_check(job: Job, progress: Progress) -> None:
    """Check a file, from its beginning in each attempt."""
    check_file(job.subject_id, _actor_of(job), progress.report)


@handler(imports.IMPORT_JOB)
def run_import(job: Job, progress: Progress) -> None:
    """Import the rows of a file that are not imported yet.

    The first chunk is reported at once, so that even a worker that dies soon after counts as having made progress.
    """
    is_first = iter([True])
    import_file(job.subject_id, _actor_of(job), lambda count: progress.report(count, at_once=next(is_first, False)))


def _actor_of(job: Job) -> Actor:
    """Return the actor who asked for the import.

    The actor may add negative charges if they have the permission at this moment.
    """
    actor = actor_of(job)
    credit_permission = {CREDIT_PERMISSION} & current_permissions(db.session(), job.actor_kind, job.actor_id)
    return replace(actor, permissions=actor.permissions | credit_permission)


def check_file(id: UUID, actor: Actor, report_progress: ReportProgress) -> None:
    """Check the file of an import and store the result."""
    stored = _load_mapped_import(id)
    failure, errors, tally, size = None, _ErrorFile(actor), Tally(), stored.size
    reader = _build_reader(stored)
    with closing(_CountingReader(db.session(), _stored_file_id(stored))) as raw:
        try:
            check_all_rows(
                reader, _buffer(raw), actor, errors.add, lambda: report_progress(lambda: (raw.count, size)), tally
            )
        except Invalid as error:
            failure = error.message
    transaction(
        imports.record_check, id, reader.plan, tally, errors.close(), errors.messages, failure, actor, clock.now()
    )


def import_file(id: UUID, actor: Actor, report_progress: ReportProgress) -> None:
    """Store the rows of an import.

    Raises Conflict, with the line, for a row that is no longer accepted.
    """
    stored = _load_mapped_import(id)
    reader, promised = _build_reader(stored), Tally.of_data(stored.promised)
    with closing(_CountingReader(db.session(), _stored_file_id(stored))) as raw:
        try:
            first = stored.done
            for reads in _read_chunks(_units_from(_units(reader, _buffer(raw)), first), reader):
                transaction(imports.store_rows, id, first, reads, actor, clock.now())
                first += sum(read.rows for read in reads)
                report_progress(lambda at=first: (at, promised.rows))  # type: ignore[misc]
            transaction(imports.finish, id, actor, clock.now())
        except DomainError as error:
            transaction(imports.stop, id, error.message, actor, clock.now())
            raise


def check_all_rows(
    reader: RowReader,
    file: BinaryIO,
    actor: Actor,
    report_errors: ReportErrors,
    report_progress: Callable[[], None],
    tally: Tally,
) -> None:
    """Check each row of a file as the import would store it.

    Counts into `tally` and passes errors to `report_errors`. Raises Invalid for a file that cannot be read to its
    end.
    """
    columns = {reader.plan.column(name): index for name, index in reader.plan.columns.items()}
    with open_key_index() as key_index:
        day_sums: DaySums = {}
        for reads in _read_chunks(_units(reader, file), reader):
            errors = [error for read in reads for error in read.errors]
            further_errors, day_sums = _check_chunk(reader, reads, key_index, actor, tally, day_sums)
            errors += further_errors
            tally.rows += sum(read.rows for read in reads)
            tally.left_out += sum(read.left_out for read in reads)
            tally.skipped += sum(read.skipped for read in reads)
            tally.errors += len(errors)
            tally.wrong += len({error.line for error in errors})
            report_errors(sorted(errors, key=lambda error: (error.line, columns.get(error.column, -1))))
            report_progress()
    if not tally.rows:
        raise Invalid("no_rows", Phrase("The file has a header row but no data rows."))


def _check_chunk(
    reader: RowReader,
    reads: Sequence[ReadResult],
    key_index: KeyIndex,
    actor: Actor,
    tally: Tally,
    day_sums: DaySums,
) -> tuple[list[RowError], DaySums]:
    """Return the errors of a chunk, and the sums for limits with its rows."""
    requests = [request for read in reads if (request := read.request or read.partial) is not None]
    errors, repeated = _check_keys(reader, requests, key_index, tally)
    complete = [read.request for read in reads if read.request and read.request.record.line not in repeated]
    incomplete = [read.partial for read in reads if read.partial is not None]
    results, day_sums = _dry_results(reader, complete, actor, day_sums)
    for request, result in zip(complete, results, strict=True):
        if isinstance(result, RefusedRow):
            errors += reader.errors(request.record, result.problems)
            if reader.kind != "charges" and (remainder := without_fields(request, fields_of(result.problems))):
                incomplete.append(remainder)
        else:
            tally.note(result)
    return errors + _check_incomplete(reader, incomplete, actor, MAX_EXAMINED_ROWS - tally.wrong), day_sums


def _check_keys(
    reader: RowReader, requests: Sequence[RowRequest], key_index: KeyIndex, tally: Tally
) -> tuple[list[RowError], Container[int]]:
    """Return the errors of repeated keys, and the lines that have them.

    A customer or service may be repeated with the same content: it is unchanged.
    """
    repeated = key_index.find_repeated(
        (request.key, request.record.line, _content(request)) for request in requests if request.key
    )
    errors = []
    for request in requests:
        first = repeated.get(request.record.line)
        if first is not None and first.is_equal:
            tally.note(AcceptedRow(Outcome.UNCHANGED))
        elif first is not None:
            errors.append(_repeated_key_error(reader, request, first.line))
    return errors, repeated


def _check_incomplete(
    reader: RowReader, requests: Sequence[RowRequest], actor: Actor, examined_rows: int
) -> list[RowError]:
    """Return the further errors of rows that have errors.

    Rows of other kinds than charges are examined one by one, so only the first ones.
    """
    errors: list[RowError] = []
    if reader.kind == "charges":
        results, _ = _dry_results(reader, requests, actor, {})
        for request, result in zip(requests, results, strict=True):
            errors += reader.errors(request.record, other_problems(request, result))
    else:
        for request in requests[: max(0, examined_rows)]:
            errors += reader.errors(request.record, _further_problems(reader, request, actor))
    return errors


def _content(request: RowRequest) -> str:
    """Return the content of a customer or service as text, blank for other kinds.

    The key may be repeated with the same content.
    """
    return repr((request.spec, request.extra)) if isinstance(request.spec, dict) else ""


def _dry_results(
    reader: RowReader, requests: Sequence[RowRequest], actor: Actor, day_sums: DaySums
) -> tuple[Sequence[RowResult], DaySums]:
    """Return the results of rows, and the sums for limits with them.

    `day_sums` are those with the rows before, which are not stored.
    """

    def check(session: Session) -> tuple[Sequence[RowResult], DaySums]:
        def check_requests() -> Sequence[RowResult]:
            return check_rows(session, reader.kind, reader.plan, requests, actor, clock.now())

        return run_after(session, actor, day_sums, check_requests)

    return dry_run(check) if requests else ((), day_sums)


def _further_problems(reader: RowReader, request: RowRequest, actor: Actor) -> Iterator[Problem]:
    attempt: RowRequest | None = request
    while attempt is not None:
        problems, attempt = dry_run(find_further_problems, reader.kind, reader.plan, attempt, actor, clock.now())
        yield from problems


def _repeated_key_error(reader: RowReader, request: RowRequest, line: int) -> RowError:
    names = (*_KEY_FIELDS.get(reader.kind, ()), "reference", "code", "key", "id")
    name = next(name for name in names if name in reader.plan.columns)
    message = Phrase(
        "Line {line} has the same {column}. Remove one of the two rows, or change its {column}.", line=line, column=name
    )
    if reader.kind == "services":
        message = join(" ", [message, Phrase("Put all rows of a service next to each other.")])
    cell = request.record.cells[reader.plan.columns[name]]
    return RowError(request.record.line, reader.plan.column(name), cell[:40], message)


def _load_mapped_import(id: UUID) -> Import:
    stored = queries.import_by_id(db.session(), id)
    if stored.plan is None:
        raise Conflict("not_mapped", "Map the columns first.")
    return stored


def _stored_file_id(stored: Import) -> UUID:
    if stored.file_id is None:
        raise Conflict("file_forgotten", "The file was deleted after 30 days. Upload it again.")
    return stored.file_id


def _build_reader(stored: Import) -> RowReader:
    assert stored.plan is not None  # noqa: S101 - checked when it was loaded
    return RowReader(stored.kind, ImportPlan.of_data(stored.plan), stored.sha256)


def _buffer(raw: io.RawIOBase) -> BinaryIO:
    return io.BufferedReader(raw, BLOCK_BYTES)


def open_file(session: Session, id: UUID) -> BinaryIO:
    """Open a stored file at its beginning."""
    return _buffer(StoredFileReader(session, id))


def _units(reader: RowReader, file: BinaryIO) -> Iterator[list[Record]]:
    """Yield the rows that are read together.

    These are single rows, or the adjacent rows of a service.
    """
    table = open_table(file, reader.plan)
    try:
        if reader.kind == "services":
            yield from _group_by_column(table, reader.plan.columns["code"])
        else:
            yield from ([record] for record in table)
    finally:
        table.close()


def _group_by_column(rows: Iterable[Record], place: int) -> Iterator[list[Record]]:
    for _, group in groupby(rows, lambda record: record.cells[place] if place < len(record.cells) else None):
        while part := list(islice(group, MAX_ROWS_PER_SERVICE)):
            yield part


def _units_from(units: Iterable[list[Record]], first: int) -> Iterator[list[Record]]:
    """Return the units that begin with row number `first` or a later row."""
    return (unit for unit in units if unit[0].number >= first)


def _read_chunks(units: Iterable[list[Record]], reader: RowReader) -> Iterator[list[ReadResult]]:
    remaining = iter(units)
    while chunk := [reader.read(unit) for unit in islice(remaining, CHUNK_ROWS[reader.kind])]:
        yield chunk


@dataclass(slots=True)
class _ErrorFile:
    """A stored file of errors, created with the first error."""

    actor: Actor
    id: UUID | None = None
    parts: int = 0
    size: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    digest: Any = field(default_factory=hashlib.sha256)
    messages: list[str] = field(default_factory=list)  # of the first errors, which the page of the import shows

    def add(self, errors: Sequence[RowError]) -> None:
        if not errors:
            return
        if self.id is None:
            self.id = transaction(files.create, "import-errors.csv", import_errors.MEDIA_TYPE, self.actor, clock.now())
            self.buffer += import_errors.header_row()
        self.buffer += import_errors.error_rows(errors)
        self.messages += [error.message for error in errors[: import_errors.MAX_SHOWN - len(self.messages)]]
        while len(self.buffer) >= files.PART_BYTES:
            self._append(files.PART_BYTES)

    def close(self) -> UUID | None:
        """Complete the file, and return its id, or None without errors."""
        if self.id is not None:
            self._append(len(self.buffer))
            transaction(files.complete, self.id, self.size, self.digest.hexdigest())
        return self.id

    def _append(self, size: int) -> None:
        assert self.id is not None  # noqa: S101 - set with the first error
        part = bytes(self.buffer[:size])
        transaction(files.append_part, self.id, self.parts, part)
        self.digest.update(part)
        del self.buffer[:size]
        self.parts, self.size = self.parts + 1, self.size + size
