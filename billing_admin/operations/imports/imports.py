"""Imports: a file is brought, mapped, checked and taken in. The check runs what the import runs, and is taken back.

An import goes chunk by chunk, each with the count of its rows in one transaction: whoever goes on after a kill begins at the row
after the last that is in. Everything has an id or a name of its own, so that whatever comes twice changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.imports.fields import IMPORT_KINDS, ImportPlan, check_plan, header_key
from billing_admin.domain.imports.rows import ReadResult
from billing_admin.domain.imports.tally import Tally
from billing_admin.models import Import
from billing_admin.operations.audit import record
from billing_admin.operations.imports.kinds import RefusedRow, import_rows
from billing_admin.operations.jobs import enqueue
from billing_admin.queries.files import stored_file
from billing_admin.queries.imports import import_by_id
from billing_admin.queries.jobs import unfinished_job

CHECK_JOB: Final = "import_check"
IMPORT_JOB: Final = "import"


def create(session: Session, kind: str, file_id: UUID, actor: Actor, now: datetime) -> UUID:
    """Note a file that was brought, to be imported as a kind. Raises NotFound for one that is not whole."""
    actor.require(IMPORT_KINDS[kind].permission)
    brought = stored_file(session, file_id)
    made = Import(
        id=new_id(now),
        kind=kind,
        state="uploaded",
        file_id=file_id,
        file_name=brought.name,
        size=brought.size,
        sha256=brought.sha256,
        done=0,
        created_at=now,
        created_by=actor.name,
    )
    session.add(made)
    session.flush()
    details = {"kind": kind, "file": brought.name, "sha256": brought.sha256}
    record(session, actor, now, "import.uploaded", "import", made.id, details)
    return made.id


def set_plan(session: Session, id: UUID, how: ImportPlan, actor: Actor, now: datetime) -> None:
    """Decide how the file is read; what an earlier check found counts no more.

    Raises Invalid for a plan by which nothing could be read, and Conflict while it is checked, and once rows of it are in.
    """
    found = import_by_id(session, id, lock=True)
    actor.require(IMPORT_KINDS[found.kind].permission)
    check_plan(found.kind, how)
    if found.state in {"importing", "done"}:
        raise Conflict(
            "import_begun",
            "This import has started. To map the columns differently, upload the file again.",
        )
    if unfinished_job(session, CHECK_JOB, id) is not None:
        raise Conflict(
            "being_checked",
            "The file is being checked. Wait until the check is done, or cancel its job.",
        )
    found.plan, found.header_key = how.as_data(), header_key(found.kind, how.header)
    found.state, found.promised, found.errors_id, found.failure = "checking", None, None, None
    session.flush()
    record(session, actor, now, "import.mapped", "import", id, {"columns": dict(how.columns)})


def request_check(session: Session, id: UUID, actor: Actor, now: datetime) -> UUID:
    """Ask for the job that checks. Raises Conflict for an import without a plan, or one that has begun. Returns the job's id."""
    found = import_by_id(session, id, lock=True)
    actor.require(IMPORT_KINDS[found.kind].permission)
    if found.plan is None or found.state in {"uploaded", "importing", "done"}:
        raise Conflict("not_to_check", "This import cannot be checked: map the columns of a new import first.")
    found.state, found.promised, found.errors_id, found.failure = "checking", None, None, None
    return enqueue(session, CHECK_JOB, id, IMPORT_KINDS[found.kind].permission, actor, now)


def record_check(
    session: Session,
    id: UUID,
    how: ImportPlan,
    tally: Tally,
    errors_id: UUID | None,
    failure: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Note what the check by a plan found: without any error the import is offered. Of a plan that is another by now, nothing."""
    found = import_by_id(session, id, lock=True)
    if found.state != "checking" or found.plan != how.as_data():
        return
    found.state = "refused" if tally.errors or failure else "checked"
    found.promised, found.errors_id, found.failure = tally.as_data(), errors_id, failure
    session.flush()
    record(session, actor, now, "import.checked", "import", id, {"rows": tally.rows, "errors": tally.errors})


def start(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Begin to take the file in, or go on where it stopped. Raises Conflict unless a check found it without error."""
    found = import_by_id(session, id, lock=True)
    actor.require(IMPORT_KINDS[found.kind].permission)
    if found.state not in {"checked", "importing"}:
        raise Conflict("not_checked", "The file must pass the check before you can import it.")
    if found.state == "checked":
        record(session, actor, now, "import.started", "import", id, {"rows": Tally.of_data(found.promised).rows})
    found.state, found.failure = "importing", None
    session.flush()


def request_import(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Start, or go on, in the background. One that is done is left as it is."""
    found = import_by_id(session, id, lock=True)
    if found.state == "done":
        return
    start(session, id, actor, now)
    enqueue(session, IMPORT_JOB, id, IMPORT_KINDS[found.kind].permission, actor, now)


def store_rows(
    session: Session, id: UUID, first: int, reads: Sequence[ReadResult], actor: Actor, now: datetime
) -> None:
    """Store the rows from number `first` on, and count them as in. Rows that are in already are left as they are.

    Raises Conflict, naming the line, for a row that is refused: then none of these is stored.
    """
    found = import_by_id(session, id, lock=True)
    if found.state != "importing" or found.done != first:
        return
    assert found.plan is not None  # noqa: S101 - nothing is imported without one
    tally = Tally.of_data(found.made)
    asked = [one.asked for one in reads if one.asked is not None]
    wrong = next((one.errors[0] for one in reads if one.errors), None)
    if wrong is not None:
        raise Conflict("import_stopped", f"Line {wrong.line}: {wrong.message}")
    for one, made in zip(
        asked, import_rows(session, found.kind, ImportPlan.of_data(found.plan), asked, actor, now), strict=True
    ):
        if isinstance(made, RefusedRow):
            raise Conflict("import_stopped", f"Line {one.record.line}: {made.problems[0].message}")
        tally.note(made)
    rows = sum(one.rows for one in reads)
    tally.rows += rows
    tally.left_out += sum(one.rows for one in reads if one.asked is None)
    found.done, found.made = first + rows, tally.as_data()
    session.flush()


def stop(session: Session, id: UUID, failure: str, actor: Actor, now: datetime) -> None:
    """Note why an import stopped in the middle: what is in stays in, and going on is safe."""
    found = import_by_id(session, id, lock=True)
    if found.state != "importing":
        return
    found.failure = failure
    session.flush()
    record(session, actor, now, "import.stopped", "import", id, {"failure": failure, "rows": found.done})


def finish(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Every row is in. Raises Conflict when that is not as many as the check counted."""
    found = import_by_id(session, id, lock=True)
    if found.state != "importing":
        return
    promised = Tally.of_data(found.promised).rows
    if found.done != promised:
        raise Conflict("import_stopped", f"{found.done:,} rows were read, but the check counted {promised:,}.")
    found.state, found.failure, found.finished_at = "done", None, now
    found.made = found.made or Tally().as_data()
    session.flush()
    record(session, actor, now, "import.finished", "import", id, dict(found.made))
