"""Checks of stored logos."""

import hashlib
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Invoice, Logo
from billing_admin.queries.doctor.findings import Check, Finding

FETCH_SIZE = 10
HASH = Check("logo_hash", "Stored logos match their hashes.")
STORED = Check("logo_stored", "The logo of each issued document is stored.")
CHECKS = (HASH, STORED)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield the logos that were changed, and the documents whose logo is missing."""
    logos = select(Logo.sha256, Logo.data).order_by(Logo.sha256).execution_options(yield_per=FETCH_SIZE)
    for logo in session.execute(logos):
        if hashlib.sha256(logo.data).hexdigest() != logo.sha256:
            yield HASH.name, Finding("logos", logo.sha256, "its bytes do not match its SHA-256")
    sha256 = Invoice.details["logo"].as_string()
    without_logo = select(Invoice.id, Invoice.number).where(
        sha256.is_not(None), ~select(Logo.sha256).where(Logo.sha256 == sha256).exists()
    )
    for document in session.execute(without_logo.order_by(Invoice.id)):
        yield STORED.name, Finding("invoices", str(document.id), f"{document.number}: its logo is missing")
