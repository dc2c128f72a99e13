"""Jobs: what is being done in the background, how far each is, and what came of it."""

from dataclasses import dataclass
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.background import wake_worker
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.models import Job
from billing_admin.models.job import JOB_STATES
from billing_admin.operations import jobs as operations
from billing_admin.queries import jobs as queries
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import choice_param, current_url, has_permission, load_page
from billing_admin.web.frame.signed_in import actor, now

pages = page_blueprint("jobs", __name__, "/jobs", write="jobs:write")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of job is called, what its progress counts, and what it works on: its page, what leads there, and whether it is
    there only when the job is done."""

    title: str
    counts: str
    endpoint: str
    label: str
    when_done: bool = False


KINDS = {
    "export": Kind("Export", "bytes written", "exports.download_prepared", "Fetch the file", when_done=True),
    "billing_run": Kind("Billing run", "accounts billed or left out", "billing_runs.show", "Show the billing run"),
    "import_check": Kind("Check of an import", "bytes read", "imports.show", "Show the import"),
    "import": Kind("Import", "rows imported", "imports.show", "Show the import"),
}


@pages.get("")
def index() -> ResponseReturnValue:
    """All jobs, newest first."""
    state = choice_param("state", JOB_STATES)
    tabs = [
        {"label": one.capitalize() or "All", "url": current_url(state=one), "active": one == state}
        for one in ("", *JOB_STATES)
    ]
    found = load_page(queries.jobs(state))
    return render_template("jobs/list.html", page=found, state=state, tabs=tabs, kinds=KINDS, live=_alive(*found.rows))


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """How far one job is, at its permanent address."""
    job = queries.job(db.session(), id)
    kind = KINDS[job.kind]
    return render_template(
        "jobs/show.html",
        job=job,
        kind=kind,
        subject_url=url_for(kind.endpoint, id=job.subject_id),
        may_touch=has_permission("jobs:write") and has_permission(job.permission),
        may_stop=job.kind not in operations.NOT_CANCELLABLE,
        live=_alive(job),
    )


def _alive(*jobs: Job) -> bool:
    """Whether the page is worth reading again soon."""
    return any(job.state in {"queued", "running"} for job in jobs)


@pages.post("/<uuid:id>/cancel")
def cancel(id: UUID) -> ResponseReturnValue:
    """Stop a job."""
    transaction(operations.cancel, id, actor(), now())
    flash("The job was stopped, or stops within moments.", "success")
    return redirect(url_for("jobs.show", id=id), 303)


@pages.post("/<uuid:id>/again")
def again(id: UUID) -> ResponseReturnValue:
    """Try a job again, where it stopped."""
    transaction(operations.retry, id, actor(), now())
    wake_worker()
    return redirect(url_for("jobs.show", id=id), 303)
