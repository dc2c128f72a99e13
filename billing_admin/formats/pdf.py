"""PDF/A files of documents and letters.

A file is made of its contents and the shipped fonts alone, so that it has the same bytes each time and everywhere.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
import typst

from billing_admin.formats.document_contents import Contents, document_contents
from billing_admin.formats.glyphs import Glyphs, breakable
from billing_admin.models import Invoice, Logo

TEMPLATE_FOLDER: Final = Path(__file__).parent / "templates"
TEMPLATE: Final = TEMPLATE_FOLDER / "document.typ"
# Archived with its source data (PDF/A-3), and read aloud by screen readers (PDF/UA-1).
STANDARDS: Final = ("a-3a", "ua-1")
# Words of this many characters may break anywhere, as they do not fit into a column of text or figures.
LONG_WORD: Final = 24
LONG_FIGURE: Final = 13
LONG_FACT: Final = 18
# A4 between its margins, the space around each cell, and a usual character, in millimetres.
BODY_WIDTH: Final = 165
CELL_SPACE: Final = 3
CHARACTER_WIDTH: Final = 1.9
# Values of these keys are for the template, not for print.
_SETTINGS: Final = frozenset({"language", "paper", "accent", "svg"})


class PrintedFile(NamedTuple):
    """The PDF of a document or letter.

    It is `plain` if a font or the logo was left out because the export refused it. Callers do not store such a file.
    """

    data: bytes
    plain: bool


def render_pdf(invoice: Invoice, glyphs: Glyphs, logo: Logo | None = None, e_invoice: str = "") -> bytes:
    """Return a document as PDF, with □ for characters that no font has.

    `e_invoice` is XML to attach; see `factur_x.render_factur_x`.
    """
    return print_document(invoice, glyphs, logo, e_invoice).data


def print_document(invoice: Invoice, glyphs: Glyphs, logo: Logo | None = None, e_invoice: str = "") -> PrintedFile:
    """Return a document as PDF, and whether it lacks a font or the logo.

    See `render_pdf`.
    """
    made_at = invoice.issued_at or invoice.created_at
    return _print_file(document_contents(invoice, logo), glyphs, int(made_at.timestamp()), e_invoice)


def print_contents(contents: Contents, glyphs: Glyphs, made_at: int) -> bytes:
    """Return the PDF of a letter; `made_at` is in seconds since 1970."""
    return _print_file(contents, glyphs, made_at, "").data


def _print_file(contents: Contents, glyphs: Glyphs, made_at: int, e_invoice: str) -> PrintedFile:
    """Return the PDF of a document or letter.

    The export can refuse the logo, or a glyph of a font of BILLING_FONTS. The file is then printed without the logo,
    without these fonts, and at last without both.
    """
    without_logo = contents | {"logo": None}
    attempts = [(contents, glyphs.printable), (without_logo, glyphs.printable), (contents, glyphs.only_basic)]
    if contents["logo"] is None:
        attempts = attempts[:1]
    for plain, (printed, printable) in enumerate(attempts):
        try:
            return PrintedFile(compile_pdf(printed, printable, glyphs, made_at, e_invoice), bool(plain))
        except typst.TypstError as error:
            log = structlog.get_logger(__name__)
            log.warning("pdf.printed_plainly", document=contents["title"], reason=error.message)
    return PrintedFile(compile_pdf(without_logo, glyphs.only_basic, glyphs, made_at, e_invoice), True)


def missing_characters(invoice: Invoice, glyphs: Glyphs) -> list[str]:
    """Return the characters of the document that its PDF cannot print."""
    texts: list[str] = []
    _each_text(document_contents(invoice), texts.append)
    return glyphs.missing(texts)


@cache
def template_version() -> str:
    """Return the first characters of the SHA-256 of the template."""
    return hashlib.sha256(TEMPLATE.read_bytes()).hexdigest()[:16]


def compile_pdf(
    contents: Contents, printable: Callable[[str], str], glyphs: Glyphs, made_at: int, e_invoice: str = ""
) -> bytes:
    """Return the PDF of the contents.

    Each text is made `printable`, and long words are made breakable.

    Raises:
        typst.TypstError: A glyph is missing.
    """
    texts = _each_text(contents, printable)
    data = _break_words(texts, LONG_WORD) | {"facts": [_break_words(fact, LONG_FACT) for fact in texts["facts"]]}
    if texts["table"] is not None:
        data["table"] |= {
            "rows": [_break_row(row, texts["table"]["wide_column"]) for row in texts["table"]["rows"]],
            "wide_figures": _are_figures_wide(texts["table"]),
        }
    options: dict[str, Any] = {
        "root": TEMPLATE_FOLDER,
        "font_paths": glyphs.fonts,
        "format": "pdf",
        "sys_inputs": {
            "document": json.dumps(data),
            "families": json.dumps(glyphs.families),
            "e_invoice": e_invoice,
        },
        "timestamp": made_at,
    }
    pdf: bytes = typst.compile(TEMPLATE, pdf_standards=list(STANDARDS), **options)
    return pdf


def _are_figures_wide(table: Contents) -> bool:
    """Return whether the figures leave the wide column less than its least width."""
    columns = zip(table["head"], *(list(map(_longest_line, row)) for row in table["rows"]), strict=True)
    widths = [max(map(len, column)) for column in columns]
    figures = sum(widths) - widths[table["wide_column"]]
    room: float = BODY_WIDTH - table["least_width"] - CELL_SPACE * len(widths)
    return figures * CHARACTER_WIDTH > room


def _longest_line(cell: Any) -> str:
    lines: Iterable[str] = cell.values() if isinstance(cell, dict) else (cell,)
    return max(lines, key=len)


def _break_row(row: list[Any], wide_column: int) -> list[Any]:
    return [_break_words(cell, LONG_WORD if x == wide_column else LONG_FIGURE) for x, cell in enumerate(row)]


def _break_words(value: Any, longest: int) -> Any:
    return _each_text(value, lambda text: breakable(text, longest))


def _each_text(value: Any, change: Callable[[str], object]) -> Any:
    """Return the same structure with each printed text in it changed.

    Keys and settings stay.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: part if key in _SETTINGS else _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(part, change) for part in value]
    return value
