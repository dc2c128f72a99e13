"""Checks of the stored files of documents."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from lxml import etree
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.money import Money
from billing_admin.models import Invoice, InvoiceLine, Rendition
from billing_admin.queries.doctor.findings import Check, Finding

FETCH_SIZE: Final = 100
XML: Final = b"<?xml"
FACTUR_X: Final = "factur-x"
HASH = Check("rendition_hash", "Stored files of documents match their hashes.")
ISSUED = Check("rendition_issued", "Stored files are of issued documents, and those marked VOID of void ones.")
TOTAL = Check(
    "rendition_total", "Stored files have the number of their documents, and e-invoices their day, amounts and lines."
)
CHECKS = (HASH, ISSUED, TOTAL)


# Where an e-invoice in CII, and one in UBL, states facts of its document.
_CII: Final = {
    "number": "{*}ExchangedDocument/{*}ID",
    "day": "{*}ExchangedDocument/{*}IssueDateTime/{*}DateTimeString",
    "currency": ".//{*}InvoiceCurrencyCode",
    "net": ".//{*}TaxBasisTotalAmount",
    "tax": ".//{*}TaxTotalAmount[@currencyID='{currency}']",
    "total": ".//{*}DuePayableAmount",
    "lines": ".//{*}SpecifiedTradeSettlementLineMonetarySummation/{*}LineTotalAmount",
}
_UBL: Final = {
    "number": "{*}ID",
    "day": "{*}IssueDate",
    "currency": "{*}DocumentCurrencyCode",
    "net": "{*}LegalMonetaryTotal/{*}TaxExclusiveAmount",
    "tax": "{*}TaxTotal/{*}TaxAmount[@currencyID='{currency}']",
    "total": "{*}LegalMonetaryTotal/{*}PayableAmount",
    "lines": "{*}{line}/{*}LineExtensionAmount",
}


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield the stored files that were changed, or that a document cannot have."""
    document = (
        *(Invoice.number, Invoice.status, Invoice.issue_date),
        *(Invoice.currency, Invoice.net, Invoice.tax, Invoice.total),
    )
    columns = (Rendition.id, Rendition.invoice_id, Rendition.form, Rendition.sha256, Rendition.data, *document)
    query = select(*columns).join(Invoice, Invoice.id == Rendition.invoice_id).order_by(Rendition.id)
    for rows in session.execute(query.execution_options(yield_per=FETCH_SIZE)).partitions():
        line_nets = _line_nets(session, rows)
        for row in rows:
            name = f"{row.form} of {row.number or 'a draft'}"
            if hashlib.sha256(row.data).hexdigest() != row.sha256:
                yield HASH.name, Finding("renditions", str(row.id), f"{name}: its bytes do not match its SHA-256")
            if row.status == "draft" or (row.form == "void" and row.status != "void"):
                yield ISSUED.name, Finding("renditions", str(row.id), f"{name}: the document is {row.status}")
            elif difference := _difference(row, line_nets[row.invoice_id]):
                yield TOTAL.name, Finding("renditions", str(row.id), f"{name}: not the document's {difference}")


def _line_nets(session: Session, rows: Sequence[Any]) -> dict[UUID, list[int]]:
    """Return the nets of the lines of each document, in their order."""
    nets: dict[UUID, list[int]] = defaultdict(list)
    query = select(InvoiceLine.invoice_id, InvoiceLine.net).order_by(InvoiceLine.invoice_id, InvoiceLine.position)
    for line in session.execute(query.where(is_any_of(InvoiceLine.invoice_id, {row.invoice_id for row in rows}))):
        nets[line.invoice_id].append(line.net)
    return nets


def _difference(row: Any, line_nets: list[int]) -> str:
    """Return the name of the first fact in the file that is not the document's.

    The text is empty if all are.
    """
    is_xml = row.data.startswith(XML)
    # The title of a PDF stands in its metadata, which are not compressed.
    if not is_xml and row.number.encode() not in row.data:
        return "number"
    if not is_xml and row.form != FACTUR_X:
        return ""
    try:
        stated = _stated_facts(etree.fromstring(row.data if is_xml else _attached_file(row.data)), row.currency)
    except (etree.XMLSyntaxError, PyPdfError, ValueError):
        return "e-invoice"
    facts = {"number": [row.number], "day": [row.issue_date.isoformat()], "currency": [row.currency]}
    amounts = {"net": [row.net], "tax": [row.tax], "total": [row.total], "lines": line_nets}
    facts |= {name: [str(Money(amount, row.currency)) for amount in values] for name, values in amounts.items()}
    return next((name for name, texts in facts.items() if stated[name] != texts), "")


def _attached_file(pdf: bytes) -> bytes:
    """Return the only file in a PDF.

    Raises:
        PyPdfError, ValueError: The PDF is damaged, or has another number of files.
    """
    [(_, [content])] = PdfReader(BytesIO(pdf)).attachments.items()
    return content


def _stated_facts(tree: etree._Element, currency: str) -> dict[str, list[str]]:
    """Return the facts that an e-invoice in CII or UBL states."""
    kind = etree.QName(tree).localname
    paths = _CII if kind == "CrossIndustryInvoice" else _UBL
    texts = {
        name: [
            element.text or ""
            for element in tree.findall(path.replace("{currency}", currency).replace("{line}", f"{kind}Line"))
        ]
        for name, path in paths.items()
    }
    # CII writes days without separators.
    texts["day"] = [f"{day[:4]}-{day[4:6]}-{day[6:]}" if len(day) == 8 else day for day in texts["day"]]
    return texts
