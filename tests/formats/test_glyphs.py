"""The fonts of the PDF: what they print, what is named as missing, and that nothing depends on the machine."""

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typst
from fontTools.ttLib import TTFont
from hypothesis import example, given, settings, strategies as st
from pydantic import ValidationError

from billing_admin import create_app
from billing_admin.config import Settings
from billing_admin.domain.document_details import DocumentDetails
from billing_admin.formats.document_contents import page_contents
from billing_admin.formats.document_locale import DocumentLocale
from billing_admin.formats.glyphs import (
    FOLDER,
    Glyphs,
    breakable,
    load_glyphs,
    missing_glyphs_sentence,
    readable_cluster,
)
from billing_admin.formats.pdf import compile_pdf
from tests.formats.pictures import draw_pages

GLYPHS = load_glyphs()


def document(text: str, lines: int = 1) -> dict[str, Any]:
    """A document with the same text in every place."""
    locale = DocumentLocale("en")
    seller = {"name": text, "sender": text, "columns": [[text, text], [text], [text]]}
    return page_contents(f"Invoice {text}", seller, DocumentDetails(), locale, None) | {
        "address": [text, text, text],
        "facts": [("Number", text), ("Your order", text)],
        "table": {
            "head": ["No.", "Description", "Quantity", "Unit price", "Tax", "Net"],
            "text_columns": 2,
            "wide_column": 1,
            "least_width": 60,
            "rows": [["1", text, "1", "1.00 EUR", text, "1.00 EUR"]] * lines,
            "details": [text] * lines,
            "sums": ["1.00 EUR"] * lines,
            "sum_before": "From previous pages",
            "sum_after": "Carried forward",
        },
        "sums": [("Net", "1.00 EUR", False), (text, "1.00 EUR", False), ("Total", "1.00 EUR", True)],
        "tables": [
            {
                "title": "",
                "head": ["Tax", "Net amount"],
                "rows": [[text, "1.00 EUR"]],
                "details": [[text, text]],
                "short": True,
            },
        ],
        "notes": [[text, text]],
        "payment": {"title": "Payment", "facts": [("Reference", text)], "code": None},
        "closing": [text],
    }


def printed(text: str, glyphs: Glyphs = GLYPHS) -> bytes:
    return compile_pdf(document(text), glyphs.printable, glyphs, 0)


def make_font(path: Path, family: str, characters: str) -> Path:
    """Write a font that has these characters alone: a shipped font with other names for its glyphs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TTFont(FOLDER / "NotoSansHebrew-Regular.ttf") as font:
        glyphs = dict(zip(map(ord, characters), font.getGlyphOrder()[10:], strict=False))
        for table in font["cmap"].tables:
            table.cmap = glyphs
        for record in font["name"].names:
            if record.nameID in {1, 16}:
                record.string = family
        font.save(path)
    return path


def inked(contents: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Yield how far from the left edge, in millimetres, the first and the last ink of each page stand."""
    for picture in draw_pages(compile_pdf(contents, GLYPHS.printable, GLYPHS, 0), 4 * 25.4):
        rows = picture.shades.translate(bytes(shade < 128 for shade in range(256)))
        dark = [at for at in range(picture.width) if any(rows[at :: picture.width])]
        yield dark[0] / 4, dark[-1] / 4


@pytest.mark.parametrize(
    "text",
    [
        "Zoë Ångström, Łódź – “quoted” … 1 × 2 ½ ™",
        "€ $ £ ¥ ₹ ₽ ₿ ₩ ₪ ₫ ₺ ₴ ₦ ₱ ֏ ₾",
        "✓ ✗ → ← ☐ ★ № ° ‰ ≤ ≠ □",
        "Αθήνα Москва Київ Ελλάδα",
        "السلام عليكم ۱۲۳",
        "שלום עליכם",
        "नमस्ते क्षत्रिय",
        "สวัสดี น้ำ",
        "Հայաստան საქართველო ລາວ",
        "𝐁𝐨𝐥𝐝 ① ⑳ ⠓ Ꭰ Ⲁ",
        "a\u0301 \u0628\u064e \u0915\u093f e\u0323\u0302",
        "\u202eright\u202c \u2066x\u2069 soft\u00adhyphen zero\u200bwidth \u2764\ufe0f",
    ],
)
def test_common_scripts_and_signs_are_printed_as_they_are(text: str) -> None:
    assert GLYPHS.printable(text) == text
    assert GLYPHS.missing([text]) == []
    assert printed(text).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("text", "boxed", "missing"),
    [
        ("한국 클라우드", "□□ □□□□", ["한", "국", "클", "라", "우", "드"]),
        ("株式会社", "□□□□", ["株", "式", "会", "社"]),
        ("தமிழ்", "□□□", ["த", "மி", "ழ்"]),
        ("Rocket 🚀🚀", "Rocket □□", ["🚀"]),
        ("👩‍👩‍👧 👍🏽 🇩🇪", "□ □ □", ["👩‍👩‍👧", "👍🏽", "🇩🇪"]),
        ("a\x96b\uf0b7c", "a□b□c", ["\x96", "\uf0b7"]),
        ("a\x00b\x1bc", "a□b□c", ["\x00", "\x1b"]),
        ("a\ue000b\ue000\u0301\U000f0000", "a□b□□", ["\ue000", "\ue000\u0301", "\U000f0000"]),
        ("\ufffe\uffff\ud800", "□□□", ["\ufffe", "\uffff", "\ud800"]),
        ("a\tb\r\nc\u2028d", "a b  c d", []),
        ("ᄒ\u1161ᆫ", "□", ["ᄒ\u1161ᆫ"]),
    ],
)
def test_a_cluster_that_no_font_has_is_one_box(text: str, boxed: str, missing: list[str]) -> None:
    assert GLYPHS.printable(text) == boxed
    assert GLYPHS.missing([text, text]) == missing
    assert printed(text).startswith(b"%PDF-")


# Read when a test needs them: each process of a run imports this module.
PRINTABLE = st.deferred(
    lambda: st.sampled_from([chr(point) for point in range(0x20000) if GLYPHS.printable(chr(point)) == chr(point)])
)
MARKS = st.deferred(
    lambda: st.sampled_from([chr(point) for point in range(0x20000) if unicodedata.category(chr(point))[0] == "M"])
)
HIDDEN = [*map(chr, (0xAD, 0x34F, 0x61C, 0x17B4, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x202E, 0x2060, 0x2066))]
HIDDEN += map(chr, (0x115F, 0x3164, 0xFE0F, 0xFEFF, 0xFFF9, 0xFFFC, 0x1BCA0, 0x1D173, 0xE0001, 0xE0061, 0xE0100))
ANY_TEXT = st.text(
    st.one_of(
        st.characters(),  # lone surrogates, controls, private use and unassigned code points as well
        PRINTABLE,
        MARKS,
        st.sampled_from(HIDDEN),
        st.sampled_from("ab \t\n\x00क्षिกำا\u1100\u1161🇩🇪👩🏽"),
    ),
    max_size=40,
)


@given(ANY_TEXT)
@example("a" + "\u0301\u0327" * 100)
@example("".join(HIDDEN))
@example("👩\u200d" * 30)
@settings(max_examples=100)
def test_no_text_in_any_place_stops_the_pdf(text: str) -> None:
    assert printed(text).startswith(b"%PDF-")


def test_no_private_use_character_of_a_font_stops_the_pdf() -> None:
    text = "".join(map(chr, range(0xE000, 0xF900)))
    assert set(GLYPHS.printable(text)) == set(GLYPHS.only_basic(text)) == {"□"}


@given(ANY_TEXT)
@settings(max_examples=300)
def test_what_is_printable_stays_printable_and_is_boxed_where_it_is_named(text: str) -> None:
    printable = GLYPHS.printable(text)
    assert GLYPHS.printable(printable) == printable
    assert GLYPHS.missing([printable]) == []
    assert printable.count("□") >= len(GLYPHS.missing([text]))


@pytest.mark.parametrize(
    "word", ["W" * 200, "x" * 1000, "Ä\u0301" * 200, "ابجد" * 50, "क" * 200, "한" * 200, "1-" * 100]
)
def test_a_long_word_can_be_broken(word: str) -> None:
    parts = breakable(f"a {word} b", 24)
    if "한" in word:  # lines end between Hangul syllables anyway
        assert parts == f"a {word} b"
    else:
        assert isinstance(parts, list)
        before, pieces, after = parts
        assert (before, "".join(pieces).replace("\u200b", ""), after) == ("a ", word, " b")
        assert max(map(len, pieces.split("\u200b") if isinstance(pieces, str) else pieces)) <= 12
    assert printed(word).startswith(b"%PDF-")


@pytest.mark.parametrize(
    "text",
    [
        "W" * 200,
        "ابجد" * 50,
        *(
            pytest.param(text, marks=pytest.mark.deep)
            for text in ("한" * 200, "บริษัท" * 40, "PO-" + "9" * 150, "word " * 40)
        ),
    ],
)
def test_no_text_leaves_the_margins(text: str) -> None:
    for left, right in inked(document(text) | {"title": "Invoice INV-2026-00001"}):
        assert left >= 24.5
        assert right <= 190.5


def test_figures_of_any_length_stay_inside_their_columns() -> None:
    number = "999,999,999,999,999,999.999999999999"
    row = ["1", "W" * 200, number, {"text": f"{number} EUR", "detail": "incl. 19 %"}, "19 %", number[:26] + " EUR"]
    contents = document("x")
    contents["table"]["rows"] = [row]
    for left, right in inked(contents):
        assert left >= 24.5
        assert right <= 190.5


def test_short_words_stay_whole() -> None:
    text = "Donaudampfschiff 3135f216-5533-4c18-88"
    assert breakable(text, 24) == text


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ([], ""),
        (["한"], "1 character cannot be printed in the PDF: 한. □ is printed instead. To print it, ask"),
        (["한", "\x96"], "2 characters cannot be printed in the PDF: 한, U+0096. □ is printed instead. To print them"),
        ([chr(0xAC00 + n) for n in range(1025)], " and 1,005 more. □ is printed"),
    ],
)
def test_missing_characters_are_named_with_a_way_out(missing: list[str], sentence: str) -> None:
    message = missing_glyphs_sentence(missing)
    assert sentence in message
    assert bool(message) == bool(missing)
    assert len(message) < 300


@pytest.mark.parametrize(("cluster", "words"), [("한", "한"), ("\x96", "U+0096"), ("\uf0b7", "U+F0B7"), ("🇩🇪", "🇩🇪")])
def test_a_character_is_named_so_that_it_can_be_read(cluster: str, words: str) -> None:
    assert readable_cluster(cluster) == words


def test_a_folder_adds_fonts_and_changes_nothing_else(tmp_path: Path) -> None:
    make_font(tmp_path / "deep" / "hangul.ttf", "Hangul Test", "한국A")
    more = load_glyphs(tmp_path)
    assert more.families == [*GLYPHS.families, "Hangul Test"]
    assert more.printable("한국 ACME 라") == "한국 ACME □"
    assert printed("한국", more) != printed("한국")
    assert printed("ACME", more) == printed("ACME")


def test_a_broken_font_file_is_left_out(tmp_path: Path) -> None:
    make_font(tmp_path / "hangul.ttf", "Hangul Test", "한")
    (tmp_path / "broken.ttf").write_bytes((tmp_path / "hangul.ttf").read_bytes()[:300])
    (tmp_path / "none.otf").write_bytes(b"no font")
    assert load_glyphs(tmp_path).printable("한") == "한"


def test_a_font_that_promises_more_than_it_has_does_not_stop_the_pdf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    more = Glyphs(FOLDER)
    monkeypatch.setattr(more, "_has", lambda _character: True)
    assert more.printable("한") == "한"
    with pytest.raises(typst.TypstError):
        printed("한", more)
    assert compile_pdf(document("한"), more.only_basic, more, 0).startswith(b"%PDF-")


IN_ANOTHER_PROCESS = """
import hashlib, json, sys, typst
from tests.formats.test_glyphs import printed
families = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False).families()
text = "ACME \\N{ROCKET} 한국 السلام नमस्ते"
print(json.dumps(["Hangul Test" in families, hashlib.sha256(printed(text)).hexdigest()]))
"""


def test_the_fonts_of_the_machine_change_nothing(tmp_path: Path) -> None:
    make_font(tmp_path / "with" / "fonts" / "hangul.ttf", "Hangul Test", "한국ACME")
    results = []
    for folder in ("with", "without"):
        environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / folder), "HOME": str(tmp_path / folder)}
        done = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS], env=environment, capture_output=True, text=True, check=True
        )
        results.append(json.loads(done.stdout))
    (has, first), (has_not, second) = results
    assert (has, has_not) == (True, False)
    assert first == second


def test_a_font_folder_that_is_missing_or_empty_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_FONTS", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit, match=r"Set BILLING_FONTS to a folder with fonts: .*nowhere is not a folder\."):
        create_app()
    (tmp_path / "readme.txt").write_text("no font")
    with pytest.raises(ValidationError, match=r"Set BILLING_FONTS to a folder with \.ttf, \.otf"):
        Settings(fonts=tmp_path)
    make_font(tmp_path / "hangul.ttf", "Hangul Test", "한")
    assert Settings(fonts=tmp_path).fonts == tmp_path
    monkeypatch.setenv("BILLING_FONTS", "")
    assert Settings().fonts is None
