"""Jobs: the work in the background, its progress and its result."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.background import wake_worker
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.formatting import format_day
from billing_admin.domain.translation import Phrase
from billing_admin.models import Job
from billing_admin.models.job import JOB_STATES
from billing_admin.operations import jobs as operations
from billing_admin.queries import jobs as queries
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import status_label
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    current_url,
    has_permission,
    strict_day_param,
    unfiltered_url,
)
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.system_lists import JOBS
from billing_admin.web.frame.tables import load_table

pages = page_blueprint("jobs", __name__, "/jobs", write="jobs:write")


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job: its title, the sentence of its progress, and its subject's page.

    `when_done`: the subject's page exists only when the job is done.
    """

    title: str
    progress: str
    endpoint: str
    label: str
    when_done: bool = False


JOB_KINDS = {
    "export": JobKind(
        Phrase("Export"),
        Phrase("{done} of {total} bytes written"),
        "exports.download_prepared",
        Phrase("Download the file"),
        when_done=True,
    ),
    "documents": JobKind(
        Phrase("PDF documents"),
        Phrase("{done} of {total} documents"),
        "exports.download_prepared",
        Phrase("Download the file"),
        when_done=True,
    ),
    "billing_run": JobKind(
        Phrase("Billing run"),
        Phrase("{done} of {total} accounts billed or left out"),
        "billing_runs.show",
        Phrase("Show the billing run"),
    ),
    "sending_run": JobKind(
        Phrase("Sending run"),
        Phrase("{done} of {total} documents sent or left out"),
        "sending_runs.show",
        Phrase("Show the sending run"),
    ),
    "import_check": JobKind(
        Phrase("Import check"), Phrase("{done} of {total} bytes read"), "imports.show", Phrase("Show the import")
    ),
    "import": JobKind(
        Phrase("Import"), Phrase("{done} of {total} rows imported"), "imports.show", Phrase("Show the import")
    ),
}


@pages.get("")
def index() -> ResponseReturnValue:
    """List the jobs, newest first.

    `from` is the first day, in UTC, on which they were created.
    """
    state, first_day = choice_param("state", JOB_STATES), strict_day_param("from")
    created_since = datetime.combine(first_day, time.min, UTC) if first_day else None
    counts = queries.count_jobs_by_state(db.session(), created_since)
    counts[""] = sum(counts.values())
    tabs = [
        {
            "label": status_label(option) if option else Phrase("All"),
            "url": current_url(state=option),
            "active": option == state,
            "count": counts.get(option, 0),
        }
        for option in ("", *JOB_STATES)
    ]
    page = load_table(queries.jobs(state, created_since), JOBS)
    return render_template(
        "jobs/list.html",
        page=page,
        state=state,
        tabs=tabs,
        chips=build_chips(("from", Phrase("Created since"), format_day(first_day) if first_day else "")),
        clear_url=unfiltered_url(),
        kinds=JOB_KINDS,
        live=_is_any_active(*page.rows),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show a job with its progress."""
    job = queries.job(db.session(), id)
    kind = JOB_KINDS[job.kind]
    return render_template(
        "jobs/show.html",
        job=job,
        kind=kind,
        subject_url=url_for(kind.endpoint, id=job.subject_id),
        may_change=has_permission("jobs:write") and has_permission(job.permission),
        may_stop=job.kind not in operations.NOT_CANCELLABLE,
        live=_is_any_active(job),
    )


def _is_any_active(*jobs: Job) -> bool:
    """Return whether the page should refresh itself."""
    return any(job.state in {"queued", "running"} for job in jobs)


@pages.post("/<uuid:id>/cancel")
def cancel(id: UUID) -> ResponseReturnValue:
    """Stop a job."""
    transaction(operations.cancel, id, actor(), now())
    flash(Phrase("The job is stopping."), "success")
    return redirect(url_for("jobs.show", id=id), 303)


@pages.post("/<uuid:id>/again")
def retry(id: UUID) -> ResponseReturnValue:
    """Continue a job that failed or was stopped."""
    transaction(operations.retry, id, actor(), now())
    wake_worker()
    return redirect(url_for("jobs.show", id=id), 303)
