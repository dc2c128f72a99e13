"""Checks of the stored files of documents."""

import hashlib
import re
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.money import Money
from billing_admin.models import Invoice, Rendition
from billing_admin.queries.doctor.findings import Check, Finding

FETCH_SIZE = 100
XML = b"<?xml"
HASH = Check("rendition_hash", "Stored files of documents match their hashes.")
ISSUED = Check("rendition_issued", "Stored files are of issued documents, and those marked VOID of void ones.")
TOTAL = Check("rendition_total", "Stored e-invoices have the number and the total of their documents.")
CHECKS = (HASH, ISSUED, TOTAL)
_NUMBER = re.compile(rb"<(?:cbc|ram):ID>([^<]*)<")
_TOTAL = re.compile(rb"<(?:cbc:Payable|ram:DuePayable)Amount[^>]*>([^<]*)<")


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield the stored files that were changed, or that a document cannot have."""
    document = (Invoice.number, Invoice.status, Invoice.total, Invoice.currency)
    columns = (Rendition.id, Rendition.form, Rendition.sha256, Rendition.data, *document)
    query = select(*columns).join(Invoice, Invoice.id == Rendition.invoice_id).order_by(Rendition.id)
    for row in session.execute(query.execution_options(yield_per=FETCH_SIZE)):
        name = f"{row.form} of {row.number or 'a draft'}"
        if hashlib.sha256(row.data).hexdigest() != row.sha256:
            yield HASH.name, Finding("renditions", str(row.id), f"{name}: its bytes do not match its SHA-256")
        if row.status == "draft" or (row.form == "void" and row.status != "void"):
            yield ISSUED.name, Finding("renditions", str(row.id), f"{name}: the document is {row.status}")
        if row.data.startswith(XML) and not _agrees(row.data, row.number, Money(row.total, row.currency)):
            yield TOTAL.name, Finding("renditions", str(row.id), f"{name}: its number or total is another one")


def _agrees(xml: bytes, number: str, total: Money) -> bool:
    """Return whether an e-invoice states the number and the total."""
    stated = _TOTAL.search(xml)
    return number.encode() in _NUMBER.findall(xml) and stated is not None and stated[1].decode() == str(total)
