"""Imports: a file is uploaded, mapped to columns, checked and imported.

The check runs the import and rolls it back. Each chunk of rows is stored with the number of imported rows in one
transaction, so an interrupted import continues at the next row. Each row has an id or key of its own: importing it
twice changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.plans import ImportPlan, check_plan, header_key
from billing_admin.domain.imports.rows import ReadResult
from billing_admin.domain.imports.tally import Tally
from billing_admin.domain.opening_balances import CUT_OVER_MISSING
from billing_admin.domain.translation import Phrase, phrase_data
from billing_admin.models import Import
from billing_admin.operations.audit import record
from billing_admin.operations.imports.kinds import RefusedRow, import_rows
from billing_admin.operations.jobs import enqueue
from billing_admin.queries.files import stored_file
from billing_admin.queries.imports import import_by_id
from billing_admin.queries.jobs import unfinished_job
from billing_admin.queries.payments.opening_balances import cut_over_day

CHECK_JOB: Final = "import_check"
IMPORT_JOB: Final = "import"


def create(session: Session, kind: str, file_id: UUID, actor: Actor, now: datetime) -> UUID:
    """Create an import of an uploaded file and return its id.

    Raises NotFound for an incomplete file.
    """
    actor.require(IMPORT_KINDS[kind].permission)
    file = stored_file(session, file_id)
    new_import = Import(
        id=new_id(now),
        kind=kind,
        state="uploaded",
        file_id=file_id,
        file_name=file.name,
        size=file.size,
        sha256=file.sha256,
        done=0,
        created_at=now,
        created_by=actor.name,
    )
    session.add(new_import)
    session.flush()
    details = {"kind": kind, "file": file.name, "sha256": file.sha256}
    record(session, actor, now, "import.uploaded", "import", new_import.id, details)
    return new_import.id


def check_columns(session: Session, kind: str, plan: ImportPlan) -> None:
    """Check that a plan fills what files of a kind need now.

    Raises:
        Invalid: The plan is wrong; or it has no cut-over day, and there is no opening balance yet that has one.
    """
    check_plan(kind, plan)
    if kind == "opening-balances" and not plan.fills("opened_on") and cut_over_day(session) is None:
        raise Invalid("cut_over_missing", CUT_OVER_MISSING, "opened_on")


def set_plan(session: Session, id: UUID, plan: ImportPlan, actor: Actor, now: datetime) -> None:
    """Set how the file is read, and drop the result of an earlier check.

    Raises Invalid for an incomplete plan, and Conflict while the file is being checked and after the import has started.
    """
    stored = import_by_id(session, id, lock=True)
    actor.require(IMPORT_KINDS[stored.kind].permission)
    check_columns(session, stored.kind, plan)
    if stored.state in {"importing", "done"}:
        raise Conflict(
            "import_begun",
            Phrase("This import has started. To map the columns differently, upload the file again."),
        )
    if unfinished_job(session, CHECK_JOB, id) is not None:
        raise Conflict(
            "being_checked",
            Phrase("The file is being checked. Wait until the check is done, or cancel its job."),
        )
    stored.plan, stored.header_key = plan.as_data(), header_key(stored.kind, plan.header)
    _forget_check(stored)
    session.flush()
    details: dict[str, Any] = {"columns": dict(plan.columns)}
    details |= {"constants": dict(plan.constants)} if plan.constants else {}
    details |= {"skip": plan.describe_rules()} if plan.skip else {}
    record(session, actor, now, "import.mapped", "import", id, details)


def request_check(session: Session, id: UUID, actor: Actor, now: datetime) -> UUID:
    """Enqueue the check and return the id of its job.

    Raises Conflict without a plan and after the import has started.
    """
    stored = import_by_id(session, id, lock=True)
    actor.require(IMPORT_KINDS[stored.kind].permission)
    if stored.plan is None or stored.state in {"uploaded", "importing", "done"}:
        raise Conflict(
            "not_to_check",
            Phrase(
                "This import cannot be checked. If you have not mapped its columns yet, map them; otherwise "
                "start a new import."
            ),
        )
    _forget_check(stored)
    return enqueue(session, CHECK_JOB, id, IMPORT_KINDS[stored.kind].permission, actor, now)


def _forget_check(stored: Import) -> None:
    stored.state, stored.promised, stored.failure = "checking", None, None
    stored.errors_id = stored.error_phrases = None


def record_check(
    session: Session,
    id: UUID,
    plan: ImportPlan,
    tally: Tally,
    errors_id: UUID | None,
    messages: Sequence[str],
    failure: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Store the result of a check.

    `messages` are those of the first errors in the file of errors. Does nothing when the plan has changed since the check began.
    """
    stored = import_by_id(session, id, lock=True)
    if stored.state != "checking" or stored.plan is None or ImportPlan.of_data(stored.plan) != plan:
        return
    stored.state = "refused" if tally.errors or failure else "checked"
    stored.promised, stored.errors_id, stored.failure = tally.as_data(), errors_id, failure
    stored.error_phrases = [phrase_data(message) for message in messages] or None
    session.flush()
    record(session, actor, now, "import.checked", "import", id, {"rows": tally.rows, "errors": tally.errors})


def start(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Start or continue the import.

    Raises Conflict unless the file has passed its check.
    """
    stored = import_by_id(session, id, lock=True)
    actor.require(IMPORT_KINDS[stored.kind].permission)
    if stored.state not in {"checked", "importing"}:
        raise Conflict("not_checked", Phrase("The file must pass the check before you can import it."))
    if stored.state == "checked":
        record(session, actor, now, "import.started", "import", id, {"rows": Tally.of_data(stored.promised).rows})
    stored.state, stored.failure = "importing", None
    session.flush()


def request_import(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Start or continue the import, and enqueue its job.

    Does nothing when it is done.
    """
    stored = import_by_id(session, id, lock=True)
    if stored.state == "done":
        return
    start(session, id, actor, now)
    enqueue(session, IMPORT_JOB, id, IMPORT_KINDS[stored.kind].permission, actor, now)


def store_rows(
    session: Session, id: UUID, first: int, reads: Sequence[ReadResult], actor: Actor, now: datetime
) -> None:
    """Store a chunk of rows that begins with row number `first`, and count it.

    Does nothing when it is already stored. Raises Conflict, with the line, for a refused row; then no row of the
    chunk is stored.
    """
    stored = import_by_id(session, id, lock=True)
    if stored.state != "importing" or stored.done != first:
        return
    assert stored.plan is not None  # noqa: S101 - an import without a plan cannot start
    tally = Tally.of_data(stored.made)
    requests = [read.request for read in reads if read.request is not None]
    error = next((read.errors[0] for read in reads if read.errors), None)
    if error is not None:
        raise Conflict("import_stopped", Phrase("Line {line}: {message}", line=error.line, message=error.message))
    results = import_rows(session, stored.kind, ImportPlan.of_data(stored.plan), requests, actor, now)
    for request, result in zip(requests, results, strict=True):
        if isinstance(result, RefusedRow):
            raise Conflict(
                "import_stopped",
                Phrase("Line {line}: {message}", line=request.record.line, message=result.problems[0].message),
            )
        tally.note(result)
    rows = sum(read.rows for read in reads)
    tally.rows += rows
    tally.left_out += sum(read.left_out for read in reads)
    tally.skipped += sum(read.skipped for read in reads)
    stored.done, stored.made = first + rows, tally.as_data()
    session.flush()


def stop(session: Session, id: UUID, failure: str, actor: Actor, now: datetime) -> None:
    """Store why an import stopped.

    Imported rows stay, and the import can be continued.
    """
    stored = import_by_id(session, id, lock=True)
    if stored.state != "importing":
        return
    stored.failure = failure
    session.flush()
    record(session, actor, now, "import.stopped", "import", id, {"failure": failure, "rows": stored.done})


def finish(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Close an import as done.

    Raises Conflict when it has not as many rows as the check counted.
    """
    stored = import_by_id(session, id, lock=True)
    if stored.state != "importing":
        return
    promised = Tally.of_data(stored.promised).rows
    if stored.done != promised:
        raise Conflict(
            "import_stopped",
            Phrase("{done:,} rows were read, but the check counted {promised:,}.", done=stored.done, promised=promised),
        )
    stored.state, stored.failure, stored.finished_at = "done", None, now
    stored.made = stored.made or Tally().as_data()
    session.flush()
    details = {name: value for name, value in stored.made.items() if name != "customers"}
    record(session, actor, now, "import.finished", "import", id, details)
