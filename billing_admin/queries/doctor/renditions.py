"""Checks of the stored files of documents."""

import hashlib
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Invoice, Rendition
from billing_admin.queries.doctor.findings import Check, Finding

FETCH_SIZE = 100
HASH = Check("rendition_hash", "Stored files of documents match their hashes.")
ISSUED = Check("rendition_issued", "Stored files are of issued documents, and those marked VOID of void ones.")
CHECKS = (HASH, ISSUED)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield the stored files that were changed, or that a document cannot have."""
    columns = (Rendition.id, Rendition.form, Rendition.sha256, Rendition.data, Invoice.number, Invoice.status)
    query = select(*columns).join(Invoice, Invoice.id == Rendition.invoice_id).order_by(Rendition.id)
    for row in session.execute(query.execution_options(yield_per=FETCH_SIZE)):
        name = f"{row.form} of {row.number or 'a draft'}"
        if hashlib.sha256(row.data).hexdigest() != row.sha256:
            yield HASH.name, Finding("renditions", str(row.id), f"{name}: its bytes do not match its SHA-256")
        if row.status == "draft" or (row.form == "void" and row.status != "void"):
            yield ISSUED.name, Finding("renditions", str(row.id), f"{name}: the document is {row.status}")
