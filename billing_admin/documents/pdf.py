"""An issued document on paper: PDF/A out of its frozen rows alone, the same bytes each time it is asked for.

What is paid since is not on it, as it was not when it was issued; that a document is void is written across it.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import typst

from billing_admin.domain.errors import NotFound
from billing_admin.domain.wording import day, exact, money, number, percent, reason_for_no_tax, tax_words
from billing_admin.models import Invoice, InvoiceLine

HERE = Path(__file__).parent
KINDS = {"invoice": "Invoice", "credit_note": "Credit note"}
DASH = "–"


def pdf(invoice: Invoice) -> bytes:
    """The document as PDF/A-3b. Raises NotFound for a draft, which is no document yet."""
    if invoice.issued_at is None:
        raise NotFound("not_issued", "A draft has no PDF: issue it first.", "invoice")
    return typst.compile(
        HERE.joinpath("invoice.typ"),
        root=HERE,
        font_paths=_fonts(),
        format="pdf",
        sys_inputs={"document": json.dumps(contents(invoice))},
        pdf_standards=["a-3b"],
        timestamp=int(invoice.issued_at.timestamp()),
    )


@cache
def _fonts() -> typst.Fonts:
    """Ours first; the system's for scripts that ours lacks."""
    return typst.Fonts(font_paths=[HERE.joinpath("fonts")])


def contents(invoice: Invoice) -> dict[str, Any]:
    """What stands on the paper, in words."""
    credits = invoice.kind == "credit_note"
    return {
        "title": f"{KINDS[invoice.kind]} {invoice.number}",
        "mark": "VOID" if invoice.status == "void" else None,
        "seller": _party(invoice.seller_name, invoice.seller_address, invoice.seller_tax_id),
        "buyer": _party(
            invoice.customer_name, invoice.customer_address, invoice.customer_tax_id, invoice.customer_reference
        ),
        "facts": _facts(invoice),
        "head": ["Description", "Tax", "Net"] if credits else ["Description", "Quantity", "Unit price", "Tax", "Net"],
        "rows": [_row(line, credits) for line in invoice.lines],
        "sums": _sums(invoice),
        "notes": _notes(invoice),
    }


def _party(name: str, address: str, tax_id: str, reference: str = "") -> dict[str, Any]:
    lines = [line for line in address.splitlines() if line.strip()]
    lines += [f"Tax ID {tax_id}"] if tax_id else []
    lines += [f"Customer {reference}"] if reference else []
    return {"name": name, "lines": lines}


def _facts(invoice: Invoice) -> list[tuple[str, str]]:
    facts = [(KINDS[invoice.kind], invoice.number or ""), ("Issued", _day(invoice.issue_date))]
    if invoice.corrected is not None:
        facts.append(("Corrects", f"{invoice.corrected.number} of {_day(invoice.corrected.issue_date)}"))
    else:
        facts.append(("Due", _day(invoice.due_date)))
    facts.append(("Charges of", _days(invoice)))
    return facts + ([("Your order", invoice.purchase_order)] if invoice.purchase_order else [])


def _day(value: Any) -> str:
    return day(value) if value else DASH


def _days(invoice: Invoice) -> str:
    first, last = invoice.period_from, invoice.period_to
    return day(first) if first == last else f"{day(first)} {DASH} {day(last)}"


def _row(line: InvoiceLine, credits: bool) -> list[str]:
    tax, net = percent(line.tax_percent), money(line.net, line.currency)
    if line.included_percent is not None:
        tax = f"{tax}, price with {percent(line.included_percent)}"
    if credits:
        return [line.description, tax, net]
    price = DASH if line.unit_price is None else exact(line.unit_price, line.currency)
    return [line.description, number(line.quantity), price, tax, net]


def _sums(invoice: Invoice) -> list[tuple[str, str, bool]]:
    cur = invoice.currency
    rates = [
        (f"{tax_words(tax.category, tax.percent, tax.included)} on {money(tax.base, cur)}", money(tax.tax, cur), False)
        for tax in invoice.taxes
    ]
    total = "Total credited" if invoice.kind == "credit_note" else "Total"
    return [("Net", money(invoice.net, cur), False), *rates, (total, money(invoice.total, cur), True)]


def _notes(invoice: Invoice) -> list[list[str]]:
    reasons = [reason_for_no_tax(tax) for tax in invoice.taxes]
    why = f"Reason: {invoice.reason}" if invoice.kind == "credit_note" else ""
    return [text.splitlines() for text in (*reasons, why, invoice.note, invoice.footer) if text]
