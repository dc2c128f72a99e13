"""Imports as jobs: the check of a file, which stores nothing, and its import, chunk after chunk, each a transaction."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from uuid import UUID

from billing_admin import clock
from billing_admin.background.import_key_index import KeyIndex, open_key_index
from billing_admin.background.runner import Progress, handler
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, dry_run, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.imports.fields import ImportPlan
from billing_admin.domain.imports.rows import MAX_ROWS_PER_SERVICE, ReadResult, Record, RowError, RowReader, RowRequest
from billing_admin.domain.imports.tally import Tally
from billing_admin.formats import csv_reader, import_errors
from billing_admin.models import Import, Job
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.operations.imports.kinds import RefusedRow, check_rows
from billing_admin.operations.jobs import actor_of
from billing_admin.queries import imports as queries
from billing_admin.queries.files import StoredFileReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# How many rows go into a transaction. Of charges a thousand are one question; the others take several each.
CHUNK_ROWS: Final = {"charges": 1_000, "payments": 100, "customers": 100, "services": 100}
BLOCK_BYTES = 1 << 16

ReportProgress = Callable[[Callable[[], tuple[int, int | None]]], None]
ReportErrors = Callable[[Sequence[RowError]], None]


class _Counted(StoredFileReader):
    """A stored file that knows how much of it was read."""

    count = 0

    def readinto(self, buffer: "WriteableBuffer") -> int:
        taken = super().readinto(buffer)
        self.count += taken
        return taken


@handler(imports.CHECK_JOB)
def run_check(job: Job, progress: Progress) -> None:
    """Check a file as a whole; whoever begins again begins at its beginning."""
    check_file(job.subject_id, actor_of(job), progress.beat)


@handler(imports.IMPORT_JOB)
def run_import(job: Job, progress: Progress) -> None:
    """Take a file in, or what is left of it.

    The first chunk is told at once: a worker that dies soon after has got further all the same, and counts as such.
    """
    first = iter([True])
    import_file(job.subject_id, actor_of(job), lambda count: progress.beat(count, at_once=next(first, False)))


def check_file(id: UUID, actor: Actor, beat: ReportProgress) -> None:
    """Check the file of an import, and note what was found."""
    one = _planned(id)
    failure, errors, tally, size = None, _ErrorFile(actor), Tally(), one.size
    reader = _reader(one)
    with closing(_Counted(db.session(), _file_of(one))) as raw:
        try:
            check_all_rows(reader, _buffered(raw), actor, errors.add, lambda: beat(lambda: (raw.count, size)), tally)
        except Invalid as refusal:
            failure = refusal.message
    transaction(imports.record_check, id, reader.plan, tally, errors.close(), failure, actor, clock.now())


def import_file(id: UUID, actor: Actor, beat: ReportProgress) -> None:
    """Store what the check promised. Raises Conflict, with the line, when something has changed since."""
    one = _planned(id)
    reader, promised = _reader(one), Tally.of_data(one.promised)
    with closing(_Counted(db.session(), _file_of(one))) as raw:
        try:
            first = one.done
            for reads in _chunks(_from(_units(reader, _buffered(raw)), first), reader):
                transaction(imports.store_rows, id, first, reads, actor, clock.now())
                first += sum(read.rows for read in reads)
                beat(lambda at=first: (at, promised.rows))  # type: ignore[misc]
            transaction(imports.finish, id, actor, clock.now())
        except DomainError as refusal:
            transaction(imports.stop, id, refusal.message, actor, clock.now())
            raise


def check_all_rows(
    reader: RowReader, file: BinaryIO, actor: Actor, tell: ReportErrors, beat: Callable[[], None], tally: Tally
) -> None:
    """Run every row of a file as the import would, take it all back, and count into `tally`; errors are told by line.

    Raises Invalid for a file that cannot be read to its end.
    """
    with open_key_index() as known:
        for reads in _chunks(_units(reader, file), reader):
            errors = [error for read in reads for error in read.errors]
            errors += _examine_chunk(reader, reads, known, actor, tally)
            tally.rows += sum(read.rows for read in reads)
            tally.left_out += sum(read.rows for read in reads if read.asked is None and not read.errors)
            tally.errors += len(errors)
            tally.wrong += len({error.line for error in errors})
            tell(sorted(errors, key=lambda error: error.line))
            beat()
    if not tally.rows:
        raise Invalid("no_rows", "The file has a header row but no data rows.")


def _examine_chunk(
    reader: RowReader, reads: Sequence[ReadResult], known: KeyIndex, actor: Actor, tally: Tally
) -> list[RowError]:
    found = [read.asked for read in reads if read.asked is not None]
    again = known.again((one.key, one.record.line) for one in found if one.key)
    errors = [_twice(reader, one, again[one.record.line]) for one in found if one.record.line in again]
    asked = [one for one in found if one.record.line not in again]
    for one, made in zip(
        asked, dry_run(check_rows, reader.kind, reader.plan, asked, actor, clock.now()) if asked else [], strict=True
    ):
        if isinstance(made, RefusedRow):
            errors += reader.errors(one.record, made.problems)
        else:
            tally.note(made)
    return errors


def _twice(reader: RowReader, asked: RowRequest, line: int) -> RowError:
    name = next(name for name in ("reference", "code", "key", "id") if name in reader.plan.columns)
    beside = " Put all rows of a service next to each other." if reader.kind == "services" else ""
    said = f"Line {line} has the same {name}: remove one of the two rows, or change its {name}.{beside}"
    cell = asked.record.cells[reader.plan.columns[name]]
    return RowError(asked.record.line, reader.plan.column(name), cell[:40], said)


def _planned(id: UUID) -> Import:
    one = queries.import_by_id(db.session(), id)
    if one.plan is None:
        raise Conflict("not_mapped", "Map the columns first.")
    return one


def _file_of(one: Import) -> UUID:
    if one.file_id is None:
        raise Conflict("file_forgotten", "The file was deleted after 30 days. Upload it again.")
    return one.file_id


def _reader(one: Import) -> RowReader:
    assert one.plan is not None  # noqa: S101 - looked at when it was read
    return RowReader(one.kind, ImportPlan.of_data(one.plan), one.sha256)


def _buffered(raw: io.RawIOBase) -> BinaryIO:
    return io.BufferedReader(raw, BLOCK_BYTES)


def open_file(session: Session, id: UUID) -> BinaryIO:
    """A stored file, to be read from its beginning."""
    return _buffered(StoredFileReader(session, id))


def _units(reader: RowReader, file: BinaryIO) -> Iterator[list[Record]]:
    """The rows that are read together: one by one, but all of one service, which stand together."""
    rows = csv_reader.open_rows(file, reader.plan)
    try:
        if reader.kind == "services":
            yield from _grouped(rows, reader.plan.columns["code"])
        else:
            yield from ([record] for record in rows)
    finally:
        rows.let_go()


def _grouped(rows: Iterable[Record], place: int) -> Iterator[list[Record]]:
    for _, group in groupby(rows, lambda record: record.cells[place] if place < len(record.cells) else None):
        while part := list(islice(group, MAX_ROWS_PER_SERVICE)):
            yield part


def _from(units: Iterable[list[Record]], first: int) -> Iterator[list[Record]]:
    """Leave out those that are in already."""
    return (unit for unit in units if unit[0].number >= first)


def _chunks(units: Iterable[list[Record]], reader: RowReader) -> Iterator[list[ReadResult]]:
    waiting = iter(units)
    while chunk := [reader.read(unit) for unit in islice(waiting, CHUNK_ROWS[reader.kind])]:
        yield chunk


@dataclass(slots=True)
class _ErrorFile:
    """A stored file that grows as errors are found; none if there are none."""

    actor: Actor
    id: UUID | None = None
    parts: int = 0
    size: int = 0
    rest: bytearray = field(default_factory=bytearray)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, errors: Sequence[RowError]) -> None:
        if not errors:
            return
        if self.id is None:
            self.id = transaction(files.create, "import-errors.csv", import_errors.MEDIA_TYPE, self.actor, clock.now())
            self.rest += import_errors.header_row()
        self.rest += import_errors.error_rows(errors)
        while len(self.rest) >= files.PART_BYTES:
            self._append(files.PART_BYTES)

    def close(self) -> UUID | None:
        """Make the file whole."""
        if self.id is not None:
            self._append(len(self.rest))
            transaction(files.complete, self.id, self.size, self.digest.hexdigest())
        return self.id

    def _append(self, size: int) -> None:
        assert self.id is not None  # noqa: S101 - made with the first error
        part = bytes(self.rest[:size])
        transaction(files.append_part, self.id, self.parts, part)
        self.digest.update(part)
        del self.rest[:size]
        self.parts, self.size = self.parts + 1, self.size + size
