"""Large exports as jobs.

The file and its control totals are read from one snapshot and stored for download.
"""

from collections.abc import Callable
from typing import Any

from billing_admin import clock
from billing_admin.background.runner import Progress, handler
from billing_admin.db.engine import db
from billing_admin.db.transactions import open_snapshot, transaction
from billing_admin.formats import meta_filters
from billing_admin.formats.export import ExportRequest, zip_bundle
from billing_admin.models import Job
from billing_admin.operations import files
from billing_admin.operations.jobs import actor_of
from billing_admin.queries.master_data.organisation import today

JOB_KIND = "export"


@handler(JOB_KIND)
def run_export(job: Job, progress: Progress) -> dict[str, Any]:
    """Write the file, from its beginning in each attempt.

    Returns its id and size for the job's result.
    """
    parameters, now = job.asked, clock.now()
    request = ExportRequest(
        parameters["kind"],
        meta_filters.filters_from_json(parameters["kind"], parameters["filters"]),
        parameters["format"],
        sort=parameters.get("sort", ""),
    )
    day = today(db.session(), now)

    def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = transaction(work, *args, **kwargs)
        progress.report(lambda: (written_bytes, None))
        return result

    written_bytes = 0
    # One snapshot for the whole file, across the transactions that store the parts.
    with open_snapshot() as snapshot:

        def zip_parts() -> Any:
            nonlocal written_bytes
            for part in zip_bundle(lambda: snapshot, request, now, job.created_by, day):
                written_bytes += len(part)
                yield part

        id = files.store(transact, zip_parts(), f"{request.name(day)}.zip", "application/zip", actor_of(job), now)
    progress.report(lambda: (written_bytes, written_bytes), at_once=True)
    return {"file": str(id), "bytes": written_bytes}
