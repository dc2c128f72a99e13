"""The page of a sending run: its progress, and the documents that it left out."""

from collections import Counter
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.messages import NOT_SENT_REASONS
from billing_admin.queries.jobs import latest_job
from billing_admin.queries.messages.sending_runs import left_out_of_run, sending_progress, sending_run
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.messages.sending import MAX_ROWS

pages = page_blueprint("sending_runs", __name__, "/sending-runs", write="messages:write")


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show a run: its progress, and the documents that it left out with the reasons."""
    session = db.session()
    run, job, left_out = sending_run(session, id), latest_job(session, id), left_out_of_run(session, id)
    reasons, progress = Counter(row.reason for row in left_out), sending_progress(session, id)
    return render_template(
        "sending_runs/show.html",
        run=run,
        job=job,
        progress=progress,
        left_out=left_out[:MAX_ROWS],
        reasons=NOT_SENT_REASONS,
        counts=reasons.most_common(),
        live=job is not None and job.state in {"queued", "running"} and progress.waiting > 0,
    )
