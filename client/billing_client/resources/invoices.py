"""Invoices and credit notes: list, change, issue, void, credit and export them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from billing_client import calls
from billing_client.answers import (
    BilledAgain,
    Download,
    Explanation,
    FileTotals,
    Invoice,
    Message,
    OpenItem,
    Payment,
    Readiness,
)
from billing_client.asking import (
    BillAgain,
    CorrectedLine,
    Credit,
    Day,
    DraftChanges,
    InvoiceFilter,
    Key,
    NewMessage,
    Number,
    OpenItemFilter,
)
from billing_client.ids import new_id
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Invoices(Resource):
    """The calls of `client.invoices`.

    Name an invoice by its number or id.
    """

    def list(self, **filters: Unpack[InvoiceFilter]) -> Iterator[Invoice]:
        """Yield all invoices and credit notes, newest first."""
        return self.each(Invoice, calls.INVOICE_LIST, filters)

    def get(self, invoice: Key) -> Invoice:
        """Return one invoice."""
        return self.ask(Invoice, calls.INVOICE_GET, invoice)

    def explain(self, invoice: Key) -> Explanation:
        """Return the calculation of each amount of an invoice."""
        return self.ask(Explanation, calls.INVOICE_EXPLAIN, invoice)

    def readiness(self, invoice: Key) -> Readiness:
        """Return whether a draft may be issued, and all that it lacks."""
        return self.ask(Readiness, calls.INVOICE_READINESS, invoice)

    def update(self, read: Invoice, **changes: Unpack[DraftChanges]) -> Invoice:
        """Change a draft that was read with `get`.

        Raises Stale if it has changed since.
        """
        return self.ask(Invoice, calls.INVOICE_UPDATE, read.id, body=changes, etag=read.etag)

    def move_charges(self, invoice: Key, add: Sequence[Key] = (), remove: Sequence[Key] = ()) -> Invoice:
        """Add pending charges to a draft, and remove others."""
        return self.ask(Invoice, calls.INVOICE_CHARGES, invoice, body={"add": list_of(add), "remove": list_of(remove)})

    def issue(self, invoice: Key, issue_date: Day | None = None) -> Invoice:
        """Issue a draft: it receives its number and can no longer change."""
        return self.ask(Invoice, calls.INVOICE_ISSUE, invoice, body={"issue_date": issue_date} if issue_date else {})

    def void(
        self, invoice: Key, reason: str, charges: Literal["pending", "cancelled", "billed_again"] = "pending"
    ) -> Invoice:
        """Void an invoice without payments or credit notes.

        `charges` is the new state of its charges.
        """
        return self.ask(Invoice, calls.INVOICE_VOID, invoice, body={"reason": reason, "charges": charges})

    def credit(self, invoice: Key, reason: str, **credit: Unpack[Credit]) -> Invoice:
        """Issue a credit note for an invoice, and return the credit note."""
        return self.ask(Invoice, calls.INVOICE_CREDIT, invoice, body={"reason": reason, **credit})

    def bill_again(
        self, invoice: Key, reason: str, lines: Sequence[CorrectedLine], **billing: Unpack[BillAgain]
    ) -> BilledAgain:
        """Credit lines of an invoice and bill them again, in one act."""
        body = {"reason": reason, "lines": tuple(lines), **billing}
        return self.ask(BilledAgain, calls.INVOICE_BILL_AGAIN, invoice, body=body)

    def write_off(
        self, invoice: Key, amount: Number, reason: str, id: Key | None = None, *, part: bool = False
    ) -> Payment:
        """Write off the open balance of an invoice.

        `amount` must equal it, or be below it if only a `part` is written off.
        """
        body = {"id": id or new_id(), "amount": amount, "reason": reason, **({"part": True} if part else {})}
        return self.ask(Payment, calls.INVOICE_WRITE_OFF, invoice, body=body)

    def send(self, invoice: Key, **message: Unpack[NewMessage]) -> Message:
        """Send an issued document to its customer, once.

        `client.messages.send_again` repeats a message.
        """
        return self.ask(Message, calls.INVOICE_SEND, invoice, body=message)

    def mark_sent(self, invoice: Key, reason: str, id: Key | None = None) -> Message:
        """Mark a document as sent by other means, such as letter post."""
        return self.ask(Message, calls.INVOICE_MARK_SENT, invoice, body={"id": id or new_id(), "reason": reason})

    def download(self, path: str | Path, **filters: Unpack[InvoiceFilter]) -> Download:
        """Write all matching invoices to a CSV file; `totals` returns its control totals."""
        return self.file(calls.INVOICE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[InvoiceFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.INVOICE_FILE, query={**filters, "totals": 1})

    def download_lines(self, path: str | Path, **filters: Unpack[InvoiceFilter]) -> Download:
        """Write the lines of all matching invoices to a CSV file.

        `line_totals` returns its control totals.
        """
        return self.file(calls.INVOICE_LINE_FILE, path=path, query=filters)

    def line_totals(self, **filters: Unpack[InvoiceFilter]) -> FileTotals:
        """Return the control totals of the file that `download_lines` writes."""
        return self.ask(FileTotals, calls.INVOICE_LINE_FILE, query={**filters, "totals": 1})

    def open_items(self, **filters: Unpack[OpenItemFilter]) -> Iterator[OpenItem]:
        """Yield the invoices with an open amount on a day, oldest due first."""
        return self.each(OpenItem, calls.OPEN_ITEM_LIST, filters)

    def download_open_items(self, path: str | Path, **filters: Unpack[OpenItemFilter]) -> Download:
        """Write the open items of a day to a CSV file.

        `open_item_totals` returns its control totals.
        """
        return self.file(calls.OPEN_ITEM_FILE, path=path, query=filters)

    def open_item_totals(self, **filters: Unpack[OpenItemFilter]) -> FileTotals:
        """Return the control totals of the file that `download_open_items` writes."""
        return self.ask(FileTotals, calls.OPEN_ITEM_FILE, query={**filters, "totals": 1})

    def download_pdf(self, invoice: Key, path: str | Path) -> Download:
        """Write the PDF of an issued invoice to a file."""
        return self.file(calls.INVOICE_PDF, invoice, path=path)

    def download_e_invoice(self, invoice: Key, path: str | Path, syntax: str = "") -> Download:
        """Write the e-invoice of an issued invoice to a file.

        Without a `syntax`, it has the format that the customer had at the issue. `factur-x` is a PDF.
        """
        return self.file(calls.INVOICE_E_INVOICE, invoice, path=path, query={"syntax": syntax} if syntax else {})


def list_of(ids: Sequence[Key]) -> tuple[Key, ...]:
    """Return the ids as a tuple."""
    return tuple(ids)
