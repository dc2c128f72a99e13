"""Invoices and credit notes: read, issued, corrected, exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from billing_client import calls
from billing_client.answers import Download, Explanation, FileTotals, Invoice, Payment
from billing_client.asking import Credit, Day, DraftChanges, InvoiceFilter, Key, Number
from billing_client.ids import new_id
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Invoices(Resource):
    """`client.invoices`; an invoice is named by its number or its id."""

    def list(self, **filters: Unpack[InvoiceFilter]) -> Iterator[Invoice]:
        """Invoices and credit notes, newest first, all of them."""
        return self.each(Invoice, calls.INVOICE_LIST, filters)

    def get(self, invoice: Key) -> Invoice:
        """One invoice."""
        return self.ask(Invoice, calls.INVOICE_GET, invoice)

    def explain(self, invoice: Key) -> Explanation:
        """How each number of an invoice came about."""
        return self.ask(Explanation, calls.INVOICE_EXPLAIN, invoice)

    def update(self, read: Invoice, **changes: Unpack[DraftChanges]) -> Invoice:
        """Change a draft that was read with `get`. Raises Stale when somebody else changed it since."""
        return self.ask(Invoice, calls.INVOICE_UPDATE, read.id, body=changes, etag=read.etag)

    def move_charges(self, invoice: Key, add: Sequence[Key] = (), remove: Sequence[Key] = ()) -> Invoice:
        """Put pending charges on a draft, and take others off."""
        return self.ask(Invoice, calls.INVOICE_CHARGES, invoice, body={"add": list_of(add), "remove": list_of(remove)})

    def issue(self, invoice: Key, issue_date: Day | None = None) -> Invoice:
        """Issue a draft: it gets its number, and never changes again."""
        return self.ask(Invoice, calls.INVOICE_ISSUE, invoice, body={"issue_date": issue_date} if issue_date else {})

    def void(
        self, invoice: Key, reason: str, charges: Literal["pending", "cancelled", "billed_again"] = "pending"
    ) -> Invoice:
        """Make an invoice void that nobody paid and nothing credits; `charges` is what becomes of its charges."""
        return self.ask(Invoice, calls.INVOICE_VOID, invoice, body={"reason": reason, "charges": charges})

    def credit(self, invoice: Key, reason: str, **credit: Unpack[Credit]) -> Invoice:
        """Issue a credit note for an invoice, and return it."""
        return self.ask(Invoice, calls.INVOICE_CREDIT, invoice, body={"reason": reason, **credit})

    def write_off(self, invoice: Key, amount: Number, reason: str, id: Key | None = None) -> Payment:
        """Give up what an invoice still owes; `amount` must be all of that."""
        body = {"id": id or new_id(), "amount": amount, "reason": reason}
        return self.ask(Payment, calls.INVOICE_WRITE_OFF, invoice, body=body)

    def download(self, path: str | Path, **filters: Unpack[InvoiceFilter]) -> Download:
        """Write invoices to a CSV file, all of them; `totals` says what it must add up to."""
        return self.file(calls.INVOICE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[InvoiceFilter]) -> FileTotals:
        """What the file that `download` would write must add up to."""
        return self.ask(FileTotals, calls.INVOICE_FILE, query={**filters, "totals": 1})

    def download_lines(self, path: str | Path, **filters: Unpack[InvoiceFilter]) -> Download:
        """Write the lines of invoices to a CSV file; `line_totals` says what it must add up to."""
        return self.file(calls.INVOICE_LINE_FILE, path=path, query=filters)

    def line_totals(self, **filters: Unpack[InvoiceFilter]) -> FileTotals:
        """What the file that `download_lines` would write must add up to."""
        return self.ask(FileTotals, calls.INVOICE_LINE_FILE, query={**filters, "totals": 1})

    def download_pdf(self, invoice: Key, path: str | Path) -> Download:
        """Write the stored document of an invoice to a file."""
        return self.file(calls.INVOICE_PDF, invoice, path=path)


def list_of(ids: Sequence[Key]) -> tuple[Key, ...]:
    """Ids as they are sent, whatever held them."""
    return tuple(ids)
