"""The layout of printed documents: golden texts, positions, marks, and parts that stay together.

`RECORD=1` records the golden texts anew. Read them before you commit them.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from billing_admin.domain.document_details import Address, BankAccount, CustomLine, Delivery, DocumentDetails
from billing_admin.domain.parties import LANGUAGES
from billing_admin.formats.document_contents import document_contents
from billing_admin.formats.glyphs import FOLDER, load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Logo
from tests.formats.pictures import draw_pages, read_codes
from tests.formats.printing import (
    DETAILS,
    IBAN,
    ISSUED_AT,
    Fragment,
    in_dollars,
    make_credit_note,
    make_document,
    make_line,
    make_tax,
    read_fragments,
    read_pages,
)
from tests.formats.test_payment_code import transfer

GLYPHS = load_glyphs()
GOLDEN = Path(__file__).parents[1] / "data" / "printed_documents.json"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><path fill="#06c" d="M0 0h40v10H0z"/></svg>'
SIZES = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
LEFT, RIGHT, TOP, BOTTOM = 25.0, 20.0, 12.0, 8.0


def render(document: Any, logo: Logo | None = None) -> bytes:
    return render_pdf(document, GLYPHS, logo)


def printed(document: Any) -> str:
    return " ".join(read_pages(render(document)))


def in_language(document: Any, language: str, paper: str = "a4") -> Any:
    document.details = document.details | {"language": language, "paper": paper}
    document.number_format = "1,234.56" if language == "en" else "1.234,56"
    return document


def voided(document: Any) -> Any:
    document.status, document.voided_on, document.reason = "void", date(2026, 4, 9), "Wrong customer"
    return document


def mixed_taxes(document: Any) -> Any:
    """Prices with and without tax at one rate, and an untaxed line."""
    document.lines[0].included_percent = Decimal(19)
    document.taxes = [
        make_tax(base=1000, tax=190),
        make_tax(base=840, tax=160, included=True),
        make_tax(category="AE", percent=Decimal(0), base=500, tax=0, note="Reverse charge."),
    ]
    return document


KINDS: dict[str, Callable[[], Any]] = {
    "invoice": make_document,
    "credit note": make_credit_note,
    "void": lambda: voided(make_document()),
    "mixed taxes in dollars": lambda: in_dollars(mixed_taxes(make_document())),
    "draft": lambda: make_document(status="draft", number=None, issue_date=None, due_date=None, issued_at=None),
}


def test_each_kind_matches_the_golden_texts_in_each_language() -> None:
    texts = {
        f"{kind}, {language}": read_pages(render(in_language(make(), language)))
        for kind, make in KINDS.items()
        for language in LANGUAGES
    }
    if os.environ.get("RECORD"):
        GOLDEN.write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert texts == json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("paper", SIZES)
def test_the_address_stands_in_the_window_of_an_envelope(paper: str) -> None:
    """DIN 5008, form B: 45 to 90 mm from the top and 20 to 105 mm from the left, the last 27.3 mm for the address."""
    pdf = render(in_language(make_document(), "en", paper))
    width, height = SIZES[paper]
    box = PdfReader(BytesIO(pdf)).pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx((width / 25.4 * 72, height / 25.4 * 72), abs=0.1)
    fragments = read_fragments(pdf)
    address = [place for place in fragments if place.x == pytest.approx(25, abs=0.1) and 45 < place.y < 90]
    assert [place.text for place in address] == [
        *("Cloud Example GmbH · Road 1 · 10115 Berlin · Germany", "ACME Inc."),
        *("Main Street 5", "10115 Berlin", "Germany"),
    ]
    assert address[0].y < 62.7 < address[1].y - 2
    in_window = [place for place in fragments if place.page == 1 and 44 < place.y < 90 and place.x < 105]
    assert in_window == address


def test_it_is_an_archive_for_screen_readers() -> None:
    logo = Logo(sha256="1", media_type="image/svg+xml", width=40, height=10, data=SVG, created_at=ISSUED_AT)
    reader = PdfReader(BytesIO(render(in_language(make_document(), "de"), logo)))
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "de"
    assert root["/MarkInfo"]["/Marked"].value is True
    assert "/StructTreeRoot" in root
    assert reader.metadata is not None
    assert reader.metadata.title == "Rechnung INV-2026-00042"
    xmp = root["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in "".join(xmp.split())
    assert "<pdfuaid:part>1</pdfuaid:part>" in "".join(xmp.split())
    assert {"/H1", "/Table", "/TH", "/TD", "/Figure"} <= set(values_of("/S", root["/StructTreeRoot"]))
    descriptions = set(values_of("/Alt", root["/StructTreeRoot"]))
    assert descriptions == {"Logo von Cloud Example GmbH", "QR-Code für die Überweisung von 11,90 EUR"}


def values_of(key: str, element: Any) -> Any:
    """Yield the values of a key in the tree of tags."""
    element = element.get_object()
    if isinstance(element, list):
        for part in element:
            yield from values_of(key, part)
    elif isinstance(element, dict):
        if key in element:
            yield str(element[key])
        if "/K" in element:
            yield from values_of(key, element["/K"])


def test_a_png_logo_is_printed() -> None:
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
    logo = Logo(sha256="1", media_type="image/png", width=1, height=1, data=png, created_at=ISSUED_AT)
    assert b"/Subtype/Image" in b"".join(render(make_document(), logo).split())
    assert b"/Subtype/Image" not in b"".join(render(make_document()).split())


def test_taxes_of_one_rate_are_one_row_and_the_base_currency_has_its_rate() -> None:
    contents = document_contents(in_dollars(mixed_taxes(make_document())))
    (taxes,) = contents["tables"]
    assert taxes["rows"] == [
        ["Tax 19 %", "18.40 USD", "3.50 USD"],
        ["Reverse charge, 0\u00a0%", "5.00 USD", "0.00 USD"],
        ["Tax in EUR", "", "1.75 EUR"],
    ]
    assert taxes["details"] == [[], ["Reverse charge."], ["Exchange rate 1 EUR = 1.0832 USD of 1 Apr 2026 (ECB)"]]
    assert contents["table"]["rows"][0][3] == {"text": "1.00 USD", "detail": "incl. 19 %"}


@pytest.mark.parametrize(
    ("document", "mark"),
    [
        (make_document(), None),
        (make_document(details=replace(DETAILS, test=True)), "TEST"),
        (KINDS["draft"](), "DRAFT"),
        (voided(make_document(details=replace(DETAILS, test=True))), "VOID"),
    ],
)
def test_drafts_void_documents_and_demo_data_are_marked(document: Any, mark: str | None) -> None:
    assert document_contents(document)["mark"] == (mark or "")
    large = {place.text for place in read_fragments(render(document)) if place.size > 15}
    assert large == ({mark} if mark else set())


def test_only_an_issued_invoice_asks_for_money_and_only_in_euro_with_an_iban_by_code() -> None:
    dollars = BankAccount("Cloud Example Inc.", "", "12345678", "CHASUS33", "Chase")
    for document, has_box, has_code in (
        (make_document(), True, True),
        (make_document(details=replace(DETAILS, account=None)), True, False),
        (make_document(details=None), True, False),
        (make_document(details=replace(DETAILS, account=dollars)), True, False),
        (in_dollars(make_document()), True, False),
        (make_credit_note(), False, False),
        (voided(make_document()), False, False),
        (KINDS["draft"](), False, False),
    ):
        payment = document_contents(document)["payment"]
        assert (payment is not None, bool(payment and payment["code"])) == (has_box, has_code)
    assert "Account number 12345678 BIC CHASUS33 Bank Chase" in printed(
        make_document(details=replace(DETAILS, account=dollars))
    )


def test_a_document_without_details_is_printed() -> None:
    document = make_document(details=None)
    document.lines[0].unit_code = None
    (text,) = read_pages(render(document))
    assert "10 hour 1.00 EUR" in text
    assert "Tax ID DE987654321" in text
    assert "Amount 11.90 EUR Due date 16 Apr 2026 Reference INV-2026-00042" in text


def test_long_documents_carry_their_sum_from_page_to_page() -> None:
    pdf = render(make_document(90))
    pages = read_pages(pdf)
    assert len(pages) > 3
    sums = [place for place in read_fragments(pdf) if place.text.startswith(("Carried forward", "From previous pages"))]
    assert len(sums) == 2 * (len(pages) - 1)
    assert all(place.x > 120 for place in sums)
    for number, page in enumerate(pages, 1):
        assert page.endswith(f"Invoice INV-2026-00042 · Cloud Example GmbH Page {number} of {len(pages)}")
        assert page.count("Description Quantity Unit price") == 1
    for page, following in pairwise(pages):
        rows = page.split(" No. Description")[1].count("Virtual server S")
        before = page.partition("From previous pages ")[2].partition(" EUR")[0] or "0"
        until = Decimal(before) + Decimal("10.00") * rows
        assert f"Carried forward {until} EUR" in page
        assert following.startswith(f"From previous pages {until} EUR")
    assert "Carried forward" not in pages[-1]
    assert "Total 1,071.00 EUR" in pages[-1]
    assert "Payment Amount 1,071.00 EUR" in pages[-1]


@pytest.mark.parametrize("count", range(4, 15, 2))
def test_payment_and_short_notes_share_the_last_page(count: int) -> None:
    pages = read_pages(render(make_document(count)))
    (total,) = [page for page in pages if "Total " in page]
    assert total in pages[-2:]
    for text in ("Net ", "Tax 19 %"):
        assert text in total
    for text in ("Payment Amount", "Payable within", "Scan to pay", "Thank you for your business."):
        assert text in pages[-1]


def test_sums_end_the_page_before_the_payment_box() -> None:
    first, last = read_pages(render(make_document(10)))
    assert "Total 119.00 EUR" in first
    assert "Payment Amount 119.00 EUR" in last
    (note,) = [page for page in read_pages(render(make_credit_note(16))) if "Total credited" in page]
    assert "Thank you" not in note


def test_short_descriptions_leave_their_room_to_the_figures() -> None:
    def quantity_lines(description: str) -> int:
        figures: Any = {"unit": "gigabyte hours", "unit_code": None, "unit_price": Decimal("0.0016")}
        line = make_line(description=description, quantity=Decimal("123456.78"), net=99_999_999_00, **figures)
        fragments = read_fragments(render(make_document(lines=[line])))
        return len({round(part.y) for part in fragments if "123,456.78" in part.text or "gigabyte" in part.text})

    assert quantity_lines("Storage") == 1


def test_text_follows_a_long_word_on_its_line() -> None:
    line = make_line(description=f"{'W' * 40} and many more words than one line of the column of descriptions has")
    places = read_fragments(render(make_document(lines=[line])))
    (end,) = {place.y for place in places if "and many" in place.text}
    assert end in {place.y for place in places if "W" in place.text}
    assert end not in {place.y for place in places if "descriptions" in place.text}


LONG = "W" * 200
FIGURE = Decimal("999999999999999999.999999999999")


def everywhere(text: str) -> Any:
    """A document with the same text in every place where people can enter one."""
    address = Address(text, text, text[:20], text[:100], text[:100], "DE")
    details = replace(
        DETAILS,
        seller=replace(DETAILS.seller, tax_number=text, legal_info=text, contact_name=text, contact_email=text),
        delivery=Delivery(text, address),
        account=BankAccount(text, IBAN, "", text[:11], text),
        buyer_reference=text,
        contract=text,
        custom_lines=(CustomLine(text, text),),
        terms=text,
    )
    parts = (f"{party}_{part}" for party in ("seller", "customer") for part in ("name", "address", "tax_id"))
    texts: dict[str, Any] = dict.fromkeys((*parts, "customer_reference", "purchase_order", "note", "footer"), text)
    line = make_line(description=text, unit=text, unit_code=None, purchase_order=f"{text}x")
    return make_document(details=details, lines=[line], taxes=[make_tax(note=text)], **texts)


HARD: dict[str, Callable[[], Any]] = {
    "a name of 200 letters": lambda: everywhere(LONG),
    "Chinese": lambda: everywhere("株式会社クラウド" * 20),
    "Korean": lambda: everywhere("한국 클라우드 " * 10),
    "Arabic": lambda: everywhere("ابجد" * 40),
    "Hebrew": lambda: everywhere("שלום עליכם " * 10),
    "Devanagari": lambda: everywhere("क्षत्रिय" * 20),
    "Thai": lambda: everywhere("บริษัท" * 20),
    "emoji": lambda: everywhere("Rocket 🚀👩‍👩‍👧 " * 10),
    "an address of 60 lines": lambda: make_document(customer_address="\n".join(f"Line {n}" for n in range(60))),
    "a seller's address of 60 lines": lambda: make_document(seller_address="\n".join(f"Line {n}" for n in range(60))),
    "long notes": lambda: make_document(note="\n".join(["Note " * 40] * 60), footer="\n".join(["Pay " * 40] * 60)),
    "many taxes": lambda: make_document(taxes=[make_tax(percent=Decimal(n), note="Why " * 99) for n in range(1, 40)]),
    "large figures": lambda: make_document(
        lines=[make_line(quantity=FIGURE, unit_price=FIGURE, net=10**18)], net=10**18, tax=10**17, total=11 * 10**17
    ),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in {"large figures", "many taxes"} else pytest.mark.deep) for name in HARD],
)
@pytest.mark.parametrize("paper", SIZES)
def test_nothing_is_printed_outside_the_margins_or_over_something(name: str, paper: str) -> None:
    document = in_language(HARD[name](), "de", paper)
    fragments = read_fragments(render(document))
    width, height = SIZES[paper]
    for place in fragments:
        assert LEFT - 0.1 <= place.x <= width - RIGHT
        assert TOP <= place.y <= height - BOTTOM
    assert overlaps(fragments) == []


@pytest.mark.parametrize("paper", SIZES)
def test_a_usual_document_is_printed_within_its_margins(paper: str) -> None:
    fragments = read_fragments(render(in_language(mixed_taxes(make_document(40)), "de", paper)))
    width, height = SIZES[paper]
    assert all(place.x >= LEFT - 0.1 and place.x + length(place) <= width - RIGHT + 0.1 for place in fragments)
    assert all(TOP <= place.y <= height - BOTTOM for place in fragments)
    assert overlaps(fragments) == []


@pytest.mark.deep
def test_a_document_of_1000_lines_is_printed_whole() -> None:
    pages = read_pages(render(make_document(1000)))
    assert sum(page.count("Virtual server S") for page in pages) == 1000
    [totals] = [number for number, page in enumerate(pages) if "Total 11,900.00 EUR" in page]
    assert "Payment Amount 11,900.00 EUR" in pages[-1]
    assert totals in {len(pages) - 2, len(pages) - 1}


def overlaps(fragments: list[Fragment]) -> list[tuple[Fragment, Fragment]]:
    """Return the pairs of Latin texts whose letters cover each other."""
    pages: dict[int, list[Fragment]] = {}
    for place in fragments:
        if place.size < 15 and place.text.isascii():
            pages.setdefault(place.page, []).append(place)
    # pypdf can join the first letter of a text to the one before.
    return [
        (first, second)
        for places in pages.values()
        for (x, first), (y, second) in combinations(enumerate(places), 2)
        if y > x + 1 and cover(first, second)
    ]


def cover(first: Fragment, second: Fragment) -> bool:
    above, below = sorted((first, second), key=lambda place: place.y)
    if above.y <= below.y - 0.7 * below.size and above.y != below.y:
        return False
    start, end = sorted((first, second), key=lambda place: place.x)
    return start.x + length(start) > end.x + 0.2


_FONT = TTFont(FOLDER / "Inter-Regular.ttf")
_WIDTHS, _GLYPHS = _FONT["hmtx"], _FONT.getBestCmap()


def length(place: Fragment) -> float:
    """Return about how long a text is, in millimetres."""
    units = sum(_WIDTHS[_GLYPHS[ord(c)]][0] for c in place.text if ord(c) in _GLYPHS)
    return float(units / _FONT["head"].unitsPerEm * place.size)


def test_custom_lines_and_facts_are_printed_as_entered() -> None:
    details = DocumentDetails(custom_lines=(CustomLine("Kostenstelle", "<b>#1</b>"),))
    assert ("Kostenstelle", "<b>#1</b>") in document_contents(make_document(details=details))["facts"]
    assert "Kostenstelle <b>#1</b>" in printed(make_document(details=details))


def test_a_ship_to_address_is_printed_only_if_it_differs() -> None:
    address = Address("Main Street 5", "", "10115", "Berlin", "", "DE")
    same = replace(DETAILS, delivery=Delivery("ACME Inc.", address))
    assert document_contents(make_document(details=same))["delivery"] is None
    other = replace(DETAILS, delivery=Delivery("", replace(address, street="Harbour 3")))
    assert document_contents(make_document(details=other))["delivery"] == {
        "label": "Ship to",
        "lines": ["ACME Inc.", "Harbour 3", "10115 Berlin", "Germany"],
    }


@pytest.mark.parametrize(
    ("width", "height", "printed_size"), [(40, 10, (72, 18)), (400, 10, (72, 1.8)), (10, 40, (4.5, 18))]
)
def test_a_logo_begins_at_the_margin_and_fits_above_the_address(
    width: int, height: int, printed_size: tuple[float, float]
) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><path d="M0 0h9v9z"/></svg>'
    logo = Logo(sha256="1", media_type="image/svg+xml", width=width, height=height, data=svg.encode())
    pdf = render(make_document(), logo)
    assert next(place for place in read_fragments(pdf) if place.x < 30).y > 50
    contents = document_contents(make_document(), logo)["logo"]
    factor = 72 / width if contents["wide"] else 18 / height
    assert (width * factor, height * factor) == pytest.approx(printed_size)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_code_in_the_pdf_says_what_the_payment_box_says(language: str) -> None:
    pdf = render(in_language(make_document(3), language))
    (text,) = read_pages(pdf)
    amount = text.partition({"en": "Amount ", "de": "Betrag "}[language])[2].partition(" EUR")[0].replace(",", ".")
    iban = text.partition("IBAN ")[2].partition(" BIC")[0].replace(" ", "")
    reference = text.rpartition({"en": "Reference ", "de": "Verwendungszweck "}[language])[2].partition(" ")[0]
    assert (amount, iban, reference) == ("35.70", IBAN, "INV-2026-00042")
    (picture,) = draw_pages(pdf)
    assert read_codes(picture) == ["\n".join(transfer("Cloud Example GmbH", amount, reference))]


@pytest.mark.parametrize(
    "svg", [b"<svg", b"no picture", SVG.replace(b"</svg>", b"<text y='5'>\xe2\x98\x83\xed\x95\x9c</text></svg>")]
)
def test_a_logo_that_cannot_be_printed_does_not_stop_the_document(svg: bytes) -> None:
    logo = Logo(sha256="1", media_type="image/svg+xml", width=40, height=10, data=svg)
    assert "Total 11.90 EUR" in " ".join(read_pages(render(make_document(), logo)))
