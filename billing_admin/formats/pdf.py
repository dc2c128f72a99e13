"""PDF/A files of issued documents.

A file is made of stored rows alone, so that it has the same bytes each time. Later payments are not on the
document. A void document is marked as void.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog
import typst

from billing_admin.domain.errors import NotFound
from billing_admin.domain.formatting import (
    format_day,
    format_exact,
    format_money,
    format_number,
    format_percent,
    format_period,
    format_tax,
    tax_note,
)
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.formats.glyphs import Glyphs, breakable
from billing_admin.models import Invoice, InvoiceLine

TEMPLATE_FOLDER = Path(__file__).parent
DOCUMENT_TITLES = {"invoice": "Invoice", "credit_note": "Credit note"}
DASH = "–"
# Words of this many characters may break anywhere, as they do not fit into a column of text or figures.
LONG_WORD = 24
LONG_FIGURE = 13
# Facts and figures of more characters leave too little room for the parties or for the description (60 mm).
WIDE_FACT = 40
WIDE_FIGURES = 48


def render_pdf(invoice: Invoice, glyphs: Glyphs) -> bytes:
    """Return the document as PDF/A-3b, with □ for characters that no font has.

    Raises:
        NotFound: the document is a draft.
    """
    if invoice.issued_at is None:
        raise NotFound("not_issued", "A draft has no PDF. Issue it first.", "invoice")
    document, issued_at = document_contents(invoice), int(invoice.issued_at.timestamp())
    try:
        return compile_pdf(document, glyphs.printable, glyphs, issued_at)
    except typst.TypstError as error:
        # The PDF/A export can refuse a glyph of a font of BILLING_FONTS: print without these fonts.
        structlog.get_logger(__name__).warning("pdf.printed_plainly", invoice=invoice.number, reason=error.message)
        return compile_pdf(document, glyphs.only_basic, glyphs, issued_at)


def missing_characters(invoice: Invoice, glyphs: Glyphs) -> list[str]:
    """Return the characters of the document that its PDF cannot print."""
    return glyphs.missing(_texts(document_contents(invoice)))


def compile_pdf(document: dict[str, Any], printable: Callable[[str], str], glyphs: Glyphs, issued_at: int) -> bytes:
    """Return the PDF of a document's contents.

    Each text is made `printable`, and long words are made breakable.
    """
    texts = _each_text(document, printable)
    rows = texts.pop("rows")
    widest = (max(map(len, column)) for column in list(zip(texts["head"], *rows, strict=True))[1:])
    data = _each_text(texts, lambda text: breakable(text, LONG_WORD)) | {
        "rows": [
            [breakable(first, LONG_WORD), *(breakable(cell, LONG_FIGURE) for cell in row)] for first, *row in rows
        ],
        "wide_facts": any(len(value) > WIDE_FACT for _, value in texts["facts"]),
        "wide_figures": sum(widest) > WIDE_FIGURES,
    }
    return typst.compile(
        TEMPLATE_FOLDER.joinpath("invoice.typ"),
        root=TEMPLATE_FOLDER,
        font_paths=glyphs.fonts,
        format="pdf",
        sys_inputs={"document": json.dumps(data), "families": json.dumps(glyphs.families)},
        pdf_standards=["a-3b"],
        timestamp=issued_at,
    )


def _each_text(value: Any, change: Callable[[str], object]) -> Any:
    """Return the same structure with each text in it changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(part, change) for part in value]
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def document_contents(invoice: Invoice) -> dict[str, Any]:
    """Return the texts of the printed document, in its own number format."""
    with use_number_format(NumberFormat(invoice.number_format)):
        return _contents(invoice)


def _contents(invoice: Invoice) -> dict[str, Any]:
    credits = invoice.kind == "credit_note"
    return {
        "title": f"{DOCUMENT_TITLES[invoice.kind]} {invoice.number}",
        "mark": "VOID" if invoice.status == "void" else None,
        "seller": _party(invoice.seller_name, invoice.seller_address, invoice.seller_tax_id),
        "buyer": _party(
            invoice.customer_name, invoice.customer_address, invoice.customer_tax_id, invoice.customer_reference
        ),
        "facts": _facts(invoice),
        "head": ["Description", "Tax", "Net"] if credits else ["Description", "Quantity", "Unit price", "Tax", "Net"],
        "rows": [_row(line, credits) for line in invoice.lines],
        "periods": [_small_print(line, invoice.purchase_order) for line in invoice.lines],
        "sums": _sums(invoice),
        "notes": _notes(invoice),
    }


def _party(name: str, address: str, tax_id: str, reference: str = "") -> dict[str, Any]:
    lines = [line for line in address.splitlines() if line.strip()]
    lines += [f"Tax ID {tax_id}"] if tax_id else []
    lines += [f"Customer {reference}"] if reference else []
    return {"name": name, "lines": lines}


def _facts(invoice: Invoice) -> list[tuple[str, str]]:
    facts = [(DOCUMENT_TITLES[invoice.kind], invoice.number or ""), ("Issued", _day(invoice.issue_date))]
    if invoice.corrected is not None:
        facts.append(("Corrects", f"{invoice.corrected.number} of {_day(invoice.corrected.issue_date)}"))
    else:
        facts.append(("Due", _day(invoice.due_date)))
    facts.append(("Charges of", _days(invoice)))
    return facts + ([("Your order", invoice.purchase_order)] if invoice.purchase_order else [])


def _day(value: Any) -> str:
    return format_day(value) if value else DASH


def _days(invoice: Invoice) -> str:
    first, last = invoice.period_from, invoice.period_to
    return format_day(first) if first == last else f"{format_day(first)} {DASH} {format_day(last)}"


def _small_print(line: InvoiceLine, purchase_order: str) -> str:
    """Return a line's period and purchase order, if it is not that of the document."""
    order = f"Your order {line.purchase_order}" if line.purchase_order not in {"", purchase_order} else ""
    return ", ".join(text for text in (_period(line), order) if text)


def _period(line: InvoiceLine) -> str:
    """Return the period of a line, or an empty text for a line of charges without one."""
    if line.period_from is None or line.period_to is None:
        return ""
    return format_period(line.period_from, line.period_to, line.period_of_days)


def _row(line: InvoiceLine, credits: bool) -> list[str]:
    tax, net = format_percent(line.tax_percent), format_money(line.net, line.currency)
    if line.included_percent is not None:
        tax = f"{tax}, price with {format_percent(line.included_percent)}"
    if credits:
        return [line.description, tax, net]
    price = DASH if line.unit_price is None else format_exact(line.unit_price, line.currency)
    quantity = format_number(line.quantity)
    return [line.description, f"{quantity} {line.unit}" if line.unit else quantity, price, tax, net]


def _sums(invoice: Invoice) -> list[tuple[str, str, bool]]:
    cur = invoice.currency
    rates = [
        (
            f"{format_tax(tax.category, tax.percent, tax.included)} on {format_money(tax.base, cur)}",
            format_money(tax.tax, cur),
            False,
        )
        for tax in invoice.taxes
    ]
    total = "Total credited" if invoice.kind == "credit_note" else "Total"
    return [("Net", format_money(invoice.net, cur), False), *rates, (total, format_money(invoice.total, cur), True)]


def _notes(invoice: Invoice) -> list[list[str]]:
    reasons = [tax_note(tax) for tax in invoice.taxes]
    # The footer says how to pay, so a credit note does not have it.
    last = f"Reason: {invoice.reason}" if invoice.kind == "credit_note" else invoice.footer
    return [text.splitlines() for text in (*reasons, invoice.note, last) if text]
