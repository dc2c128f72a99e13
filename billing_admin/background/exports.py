"""A large export as a job: the file and its control totals, from one snapshot, stored until somebody fetches it."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.background.runner import Progress, handler
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.formats import meta_filters
from billing_admin.formats.export import ExportRequest, zip_bundle
from billing_admin.models import Job
from billing_admin.operations import files
from billing_admin.operations.jobs import actor_of
from billing_admin.queries.master_data.organisation import today

JOB_KIND = "export"


@handler(JOB_KIND)
def run_export(job: Job, progress: Progress) -> dict[str, Any]:
    """Write the file anew, whatever an earlier attempt has left; says which file it is."""
    asked, now = job.asked, clock.now()
    wanted = ExportRequest(
        asked["kind"], meta_filters.filters_from_json(asked["kind"], asked["filters"]), asked["format"]
    )
    day = today(db.session(), now)

    def transact(work: Callable[..., Any], *args: Any, **how: Any) -> Any:
        done = transaction(work, *args, **how)
        progress.beat(lambda: (written, None))
        return done

    written = 0
    with Session(db.engine) as reading:  # its snapshot outlives the transactions that store the parts

        def parts() -> Any:
            nonlocal written
            for part in zip_bundle(lambda: reading, wanted, now, job.created_by, day):
                written += len(part)
                yield part

        id = files.store(transact, parts(), f"{wanted.name(day)}.zip", "application/zip", actor_of(job), now)
    progress.beat(lambda: (written, written), at_once=True)
    return {"file": str(id), "bytes": written}
