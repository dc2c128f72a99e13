"""The PDFs of many documents in one ZIP file, for download."""

from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import UUID

from flask import current_app

from billing_admin import clock
from billing_admin.background.runner import Progress, handler
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.text import file_stem
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.meta_filters import filters_from_json
from billing_admin.formats.zip_stream import ZippedFile, zip_files
from billing_admin.models import Job
from billing_admin.operations import files
from billing_admin.operations.invoices.renditions import issued_pdf
from billing_admin.operations.jobs import actor_of
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice, issued_ids
from billing_admin.queries.master_data.organisation import today

DOCUMENTS_JOB = "documents"


@handler(DOCUMENTS_JOB)
def zip_documents(job: Job, progress: Progress) -> dict[str, Any]:
    """Write the PDFs of the documents that match the job's filter into a ZIP file.

    Returns its id and size for the job's result. A repeated attempt starts from the beginning, but the PDFs that were
    made are stored.
    """
    now, session = clock.now(), db.session()
    filters = cast("InvoiceFilter", filters_from_json("invoices", job.asked["filters"]))
    ids, day = issued_ids(session, filters), today(session, now)
    count = written_bytes = 0

    def count_documents() -> tuple[int, int]:
        return count, len(ids)

    def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = transaction(work, *args, **kwargs)
        progress.report(count_documents)
        return result

    def zip_parts() -> Iterator[bytes]:
        nonlocal count, written_bytes
        for part in zip_files(_pdfs(transact, ids)):
            count, written_bytes = min(count + 1, len(ids)), written_bytes + len(part)
            progress.report(count_documents)
            yield part

    id = files.store(transact, zip_parts(), f"documents-{day.isoformat()}.zip", "application/zip", actor_of(job), now)
    progress.report(count_documents, at_once=True)
    return {"file": str(id), "bytes": written_bytes}


def _pdfs(transact: Callable[..., Any], ids: list[UUID]) -> Iterator[ZippedFile]:
    glyphs, names = load_glyphs(current_app.extensions["billing_settings"].fonts), set[str]()
    for id in ids:
        document = invoice(db.session(), str(id))
        assert document.issued_at is not None  # noqa: S101 - it has a number
        name, issued_at = _file_name(document.number or "", names), document.issued_at
        yield ZippedFile(name, issued_at, issued_pdf(transact, db.session(), document, glyphs, clock.now()))


def _file_name(number: str, names: set[str]) -> str:
    """Return a file name for a number that no other document of the ZIP file has."""
    stem = file_stem(number)
    name = next(
        name for n in range(1, len(names) + 2) if (name := f"{stem}{f' ({n})' if n > 1 else ''}.pdf") not in names
    )
    names.add(name)
    return name
