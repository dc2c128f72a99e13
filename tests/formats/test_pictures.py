"""Pictures of one document of each kind, compared with those that a person looked at.

`RECORD=1` draws them anew. Look at them before you commit them.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from billing_admin.domain.receivables import make_statement
from billing_admin.formats.letter_contents import (
    ReceivedPayment,
    receipt_contents,
    reminder_contents,
    statement_contents,
)
from billing_admin.formats.pdf import print_contents, render_pdf
from billing_admin.models import Logo
from tests.formats import test_letters as letters, test_pdf_layout as layout
from tests.formats.pictures import Picture, draw_pages
from tests.formats.printing import DETAILS, ISSUED_AT, make_document

FOLDER = Path(__file__).parents[1] / "data" / "pictures"
DPI = 45
# The shade of a square may differ by so much (0 is black, 255 white): a letter that moves by its width changes more.
SQUARE, TOLERANCE = 6, 8
LOGO = Logo(sha256="1", media_type="image/svg+xml", width=40, height=10, data=layout.SVG, created_at=ISSUED_AT)


def draw(kind: str) -> Picture:
    """Draw the first page of a document of this kind."""
    if kind in layout.KINDS:
        language, paper = {"credit note": ("de", "letter"), "void": ("fr", "a4")}.get(kind, ("en", "a4"))
        pdf = render_pdf(layout.in_language(layout.KINDS[kind](), language, paper), layout.GLYPHS, LOGO)
    elif kind == "two pages":
        document = make_document(22, details=replace(DETAILS, accent="#0055aa"))
        pdf = render_pdf(document, layout.GLYPHS)
    else:
        letter = letters.make_letter("es" if kind == "statement" else "en")
        entries = make_statement(letters.entries(6), letters.FIRST)
        received = ReceivedPayment(letters.LAST, "bank_transfer", "BANK 7", 1500, 100, [("INV-2026-00001", 1400)])
        contents = {
            "statement": lambda: statement_contents(letter, entries, letters.POSITION, letters.FIRST, letters.LAST),
            "reminder": lambda: reminder_contents(letter, 2, letters.DOCUMENTS),
            "receipt": lambda: receipt_contents(letter, received),
        }[kind]()
        pdf = print_contents(contents, letters.GLYPHS, 0)
    return next(draw_pages(pdf, DPI))


def difference(picture: Picture, recorded: Picture) -> float:
    """Return the largest difference of the mean shade of a square."""
    squares = zip(picture.blocks(SQUARE), recorded.blocks(SQUARE), strict=True)
    return max(abs(shade - expected) for shade, expected in squares)


@pytest.mark.parametrize("kind", [*layout.KINDS, "two pages", "statement", "reminder", "receipt"])
def test_each_kind_looks_as_recorded(kind: str) -> None:
    picture, file = draw(kind), FOLDER / f"{kind.replace(' ', '_')}.png"
    if os.environ.get("RECORD"):
        FOLDER.mkdir(exist_ok=True)
        file.write_bytes(picture.as_png())
    recorded = Picture.from_png(file.read_bytes())
    assert (picture.width, picture.height) == (recorded.width, recorded.height)
    assert difference(picture, recorded) <= TOLERANCE


def test_a_part_that_moves_by_two_millimetres_is_noticed() -> None:
    recorded = Picture.from_png((FOLDER / "invoice.png").read_bytes())
    moved = Picture(
        recorded.width, recorded.height, recorded.shades[-4 * recorded.width :] + recorded.shades[: -4 * recorded.width]
    )
    assert difference(moved, recorded) > 3 * TOLERANCE
    blank = recorded._replace(shades=b"\xff" * len(recorded.shades))
    assert difference(blank, recorded) > 3 * TOLERANCE
