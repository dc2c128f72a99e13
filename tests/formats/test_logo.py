"""Logos: each PNG or SVG is understood as a whole, or refused with its reason."""

import struct
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.formats import logo
from billing_admin.formats.logo import check_logo
from billing_admin.formats.svg_check import check_svg
from tests.logos import make_png, png_chunk

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
RECT = '<rect width="5" height="5" fill="red"/>'
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def svg(content: str = RECT, attributes: str = 'width="100" height="40"', head: str = "") -> bytes:
    """Return an SVG with this content."""
    return f"{head}<svg {NAMESPACES} {attributes}>{content}</svg>".encode()


def refusal(data: bytes) -> Invalid:
    """Return the error that refuses a file, which is at its field."""
    with pytest.raises(Invalid) as refused:
        check_logo(data)
    assert refused.value.field == ("file",)
    return refused.value


@pytest.mark.parametrize(("colour", "bits"), [(0, 1), (0, 16), (2, 8), (3, 2), (4, 8), (6, 8), (6, 16)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_of_each_kind_is_accepted(colour: int, bits: int, interlaced: bool) -> None:
    data = make_png(7, 5, colour=colour, bits=bits, interlaced=interlaced)
    checked = check_logo(data)
    assert (checked.media_type, checked.width, checked.height, checked.data) == ("image/png", 7, 5, data)


def test_a_png_at_the_limits_is_accepted() -> None:
    assert check_logo(make_png(logo.MAX_LOGO_PIXELS, 1)).width == 2000
    assert "2,001 × 1 pixels" in refusal(make_png(logo.MAX_LOGO_PIXELS + 1, 1)).message
    assert refusal(make_png(1, 1) + b"x" * logo.MAX_LOGO_BYTES).code == "too_large"


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    return SIGNATURE + b"".join(png_chunk(name, content) for name, content in chunks)


HEADER = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
PIXELS = zlib.compress(b"\0" + b"\1\2\3" * 2)
BAD_PNG = {
    "only the signature": SIGNATURE,
    "cut": make_png(7, 5)[:-20],
    "wrong check sum": make_png(7, 5).replace(b"IEND\xaeB`\x82", b"IEND\xaeB`\x83"),
    "no pixels": _png((b"IHDR", HEADER), (b"IEND", b"")),
    "no end": _png((b"IHDR", HEADER), (b"IDAT", PIXELS)),
    "two headers": _png((b"IHDR", HEADER), (b"IHDR", HEADER), (b"IDAT", PIXELS), (b"IEND", b"")),
    "short header": _png((b"IHDR", HEADER[:12]), (b"IDAT", PIXELS), (b"IEND", b"")),
    "pixels before the header": _png((b"IDAT", PIXELS), (b"IHDR", HEADER), (b"IEND", b"")),
    "unknown critical part": _png((b"IHDR", HEADER), (b"ABCD", b""), (b"IDAT", PIXELS), (b"IEND", b"")),
    "too few pixels": _png((b"IHDR", HEADER), (b"IDAT", zlib.compress(b"\0\1\2\3")), (b"IEND", b"")),
    "too many pixels": _png((b"IHDR", HEADER), (b"IDAT", zlib.compress(b"\0" * 8)), (b"IEND", b"")),
    "not compressed": _png((b"IHDR", HEADER), (b"IDAT", b"\0" * 30), (b"IEND", b"")),
    "unknown row filter": _png((b"IHDR", HEADER), (b"IDAT", zlib.compress(b"\5" + b"\1" * 6)), (b"IEND", b"")),
    "no width": _png((b"IHDR", struct.pack(">IIBBBBB", 0, 1, 8, 2, 0, 0, 0)), (b"IDAT", PIXELS), (b"IEND", b"")),
    "no palette": _png((b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)), (b"IDAT", PIXELS), (b"IEND", b"")),
    "unknown colours": _png((b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 5, 0, 0, 0)), (b"IDAT", PIXELS), (b"IEND", b"")),
    "data after the end": make_png(2, 2) + b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("data", BAD_PNG.values(), ids=BAD_PNG)
def test_a_damaged_png_is_refused(data: bytes) -> None:
    assert refusal(data).code == "damaged"


def test_a_zip_bomb_is_refused() -> None:
    bomb = zlib.compress(b"\0" * 100_000_000)
    assert refusal(_png((b"IHDR", HEADER), (b"IDAT", bomb), (b"IEND", b""))).code == "damaged"
    profile = (b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 10_000_000))
    assert refusal(_png((b"IHDR", HEADER), profile, (b"IDAT", PIXELS), (b"IEND", b""))).code == "damaged"


def test_a_huge_png_is_refused_before_its_pixels_are_read() -> None:
    header = struct.pack(">IIBBBBB", 4_000_000_000, 4_000_000_000, 8, 2, 0, 0, 0)
    assert refusal(_png((b"IHDR", header), (b"IDAT", PIXELS), (b"IEND", b""))).code == "too_large"


GOOD_SVG = {
    "shapes": svg(),
    "byte order mark": b"\xef\xbb\xbf" + svg(),
    "declaration": svg(head='<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!-- by hand -->\n'),
    "gradient": svg(
        '<defs><linearGradient id="a"><stop stop-color="#fff"/></linearGradient><radialGradient id="b" xlink:href="#a"/></defs>'
        '<path fill="url(#b)" style="stroke: url(\'#a\'); opacity: .5" transform="rotate(3) translate(1 2)" d="M0 0h9v9z"/>'
    ),
    "style sheet": svg(
        '<style>.a{fill:url(#g);stroke:rgb(1,2,3)}</style><linearGradient id="g"/><path class="a b(1)" d="M0 0h9v9z"/>'
    ),
    "clip and use": svg(
        '<defs><clipPath id="c"><circle r="9"/></clipPath><symbol id="s"><path d="M0 0h9v9z"/></symbol></defs>'
        '<g clip-path="url(#c)"><use href="#s"/><use xlink:href="#s" x="9"/></g>'
    ),
    "notes of a drawing program": svg(
        '<metadata><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:li r:resource="http://x.example"/></r:RDF>'
        '</metadata><s:namedview xmlns:s="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" id="n"/>'
        '<path xmlns:i="http://www.inkscape.org/namespaces/inkscape" i:label="C:\\logo (1)" data-name="Layer(1)" d="M0 0h9v9z"/>'
    ),
}


@pytest.mark.parametrize("data", GOOD_SVG.values(), ids=GOOD_SVG)
def test_a_plain_drawing_is_accepted(data: bytes) -> None:
    checked = check_logo(data)
    assert (checked.media_type, checked.width, checked.height, checked.data) == ("image/svg+xml", 100, 40, data)


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="10mm" height="1in"', (38, 96)),
        ('width="12pt" height="1.5pc"', (16, 24)),
        ('viewBox="0 0 300 50"', (300, 50)),
        ('viewBox="-10,-10,8000,4000" width="100%"', (2000, 1000)),
        ('width="30" viewBox="0 0 60 20"', (60, 20)),
    ],
)
def test_the_size_is_read_in_each_unit(attributes: str, size: tuple[int, int]) -> None:
    checked = check_logo(svg(attributes=attributes))
    assert (checked.width, checked.height) == size


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ("", "no_size"),
        ('width="0" height="5"', "no_size"),
        ('width="-5" height="5"', "no_size"),
        ('width="1e400" height="5"', "no_size"),
        ('viewBox="0 0 0 5"', "no_size"),
        ('viewBox="0 0 1e400 1e400"', "no_size"),
        ('width="1" height="500"', "no_size"),
        ('width="2001" height="50"', "too_large"),
        ('width="1e300" height="1e300"', "too_large"),
    ],
)
def test_a_size_that_cannot_be_printed_is_refused(attributes: str, code: str) -> None:
    assert refusal(svg(attributes=attributes)).code == code


ATTACKS = {
    "script": ("<script>alert(1)</script>", "remove the element <script>"),
    "script of HTML": (
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        "remove the element <script>",
    ),
    "event": ('<rect onclick="alert(1)"/>', "remove the attribute onclick"),
    "event in capitals": ('<rect ONLOAD="alert(1)"/>', "remove the attribute ONLOAD"),
    "event with a prefix": ('<rect xlink:onload="alert(1)"/>', "remove the attribute onload"),
    "event in a note": (
        '<d:x xmlns:d="http://purl.org/dc/elements/1.1/"><path onload="x"/></d:x>',
        "remove the attribute onload",
    ),
    "drawing in a note": ('<d:x xmlns:d="http://purl.org/dc/elements/1.1/"><path/></d:x>', "is inside <metadata>"),
    "link": ('<a href="https://x.example"><rect/></a>', "remove the element <a>"),
    "script address": ('<use href="javascript:alert(1)"/>', "References to other files"),
    "external use": ('<use xlink:href="https://x.example/a.svg#b"/>', "References to other files"),
    "relative use": ('<use href="/logout#b"/>', "References to other files"),
    "use with a space": ('<use href=" #a"/>', "References to other files"),
    "base": ('<g xml:base="https://x.example/"/>', "remove xml:base"),
    "picture": ('<image href="https://x.example/a.png"/>', "remove the element <image>"),
    "picture as data": ('<image href="data:image/svg+xml;base64,PHN2Zy8+"/>', "remove the element <image>"),
    "foreign object": ("<foreignObject/>", "remove the element <foreignObject>"),
    "animation": ('<animate attributeName="href" to="javascript:alert(1)"/>', "Animations are not allowed"),
    "set": ('<set attributeName="onload" to="alert(1)"/>', "Animations are not allowed"),
    "effect": ("<filter/>", "shadows and blur"),
    "effect outside": ("<feImage/>", "shadows and blur"),
    "text": ("<text>Logo</text>", "convert the texts to paths"),
    "import": ('<style>@import "https://x.example/a.css";</style>', "remove “@”"),
    "import in CDATA": ('<style><![CDATA[@import "a.css";]]></style>', "remove “@”"),
    "import in parts": ('<style>&#64;im<!-- -->port "a.css";</style>', "remove “@”"),
    "font": ("<style>@font-face{src:url(a.woff)}</style>", "remove “@”"),
    "address in CSS": ("<style>rect{fill:url(https://x.example/a)}</style>", "References to other files"),
    "address in capitals": ('<rect fill="URL(https://x.example/a)"/>', "References to other files"),
    "address with a space": ("<rect style=\"fill: url ( '//x.example/a' )\"/>", "References to other files"),
    "address with a part": ('<rect mask="url(https://x.example/a#b)"/>', "References to other files"),
    "address without an end": ('<rect mask="url(#a"/>', "References to other files"),
    "escaped address": ('<rect style="fill:u\\72l(https://x.example/a)"/>', "remove “\\”"),
    "set of pictures": ("<rect style=\"cursor:image-set('a.png' 1x)\"/>", "The function image-set()"),
    "expression": ('<rect style="width:expression(alert(1))"/>', "The function expression()"),
    "style sheet that repeats": (
        '<style>.a{mask:url(#m)}</style><mask id="m"><rect class="a"/></mask><rect class="a"/>',
        "which is not a gradient",
    ),
    "instruction": ('<?xml-stylesheet href="a.css"?>', "remove <?xml-stylesheet …?>"),
    "unknown element": ("<iframe/>", "The element <iframe> is not allowed"),
    "include": ('<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>', "The element <include>"),
    "same id": ('<g id="a"/><g id="a"/>', "Two elements have the id “a”"),
    "marker": ("<marker/>", "The element <marker>"),
}


@pytest.mark.parametrize(("content", "reason"), ATTACKS.values(), ids=ATTACKS)
def test_active_and_external_parts_are_refused_with_their_line(content: str, reason: str) -> None:
    error = refusal(svg("\n" + content))
    assert error.code == "not_allowed"
    assert reason in error.message
    assert "Line 2" in error.message or "style sheet refers" in error.message


ENTITIES = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
FILES = {
    "entities": (svg("&b;", head=ENTITIES), "not_allowed"),
    "file by an entity": (svg("&a;", head='<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'), "not_allowed"),
    "document type": (
        svg(head='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd">'),
        "not_allowed",
    ),
    "style sheet at the top": (svg(head='<?xml-stylesheet href="a.css"?>'), "not_allowed"),
    "HTML": (b"<html><script>alert(1)</script></html>", "not_allowed"),
    "no namespace": (b'<svg width="5" height="5"/>', "not_allowed"),
    "other encoding": (svg(head='<?xml version="1.0" encoding="UTF-7"?>'), "not_utf8"),
    "Latin-1": (svg("<title>ü</title>").decode().encode("latin-1"), "not_utf8"),
    "UTF-16": (svg().decode().encode("utf-16"), "not_a_logo"),
    "not well-formed": (svg("<g>"), "damaged"),
    "NUL": (svg("\0"), "damaged"),
    "nothing": (b"", "blank"),
    "JPEG": (b"\xff\xd8\xff\xe0", "not_a_logo"),
    "refers to itself": (svg('<g id="a"><use href="#a"/></g>'), "too_complex"),
    "deep": (svg("<g>" * 100 + "</g>" * 100), "too_complex"),
}


@pytest.mark.parametrize(("data", "code"), FILES.values(), ids=FILES)
def test_another_file_is_refused(data: bytes, code: str) -> None:
    assert refusal(data).code == code


def chain(length: int, link: str, first: str) -> bytes:
    """Return a drawing in which each of many parts draws the next one twice."""
    parts = "".join(link.format(number=number, following=number + 1) for number in range(length))
    return svg(f"<defs>{parts}</defs>{first}")


@pytest.mark.parametrize(
    ("link", "first"),
    [
        ('<g id="p{number}"><use href="#p{following}"/><use href="#p{following}"/></g>', '<use href="#p0"/>'),
        (
            '<pattern id="p{number}"><rect fill="url(#p{following})"/><rect style="fill:url(#p{following})"/></pattern>',
            '<rect fill="url(#p0)"/>',
        ),
        (
            '<mask id="p{number}"><g mask="url(#p{following})"/><g mask="url(#p{following})"/></mask>',
            '<g mask="url(#p0)"/>',
        ),
    ],
)
def test_a_drawing_that_grows_without_limit_is_refused(link: str, first: str) -> None:
    assert refusal(chain(40, link, first)).code == "too_complex"
    assert check_logo(chain(6, link, first)).width == 100


LONG = 400_000
SIZE = 'width="100" height="40"'
LONG_ATTRIBUTES = {
    "name": f'{SIZE} fill="{"a" * LONG}"',
    "name and spaces": f'{SIZE} fill="{"a" + " " * LONG}"',
    "names and spaces": f'{SIZE} fill="{"a " * (LONG // 2)}"',
    "hyphens": f'{SIZE} fill="{"-" * LONG}"',
    "calls": f'{SIZE} fill="{"rgb(" * (LONG // 4)}"',
    "name of a class": f'{SIZE} class="{"a" * LONG}"',
    "width": f'width="{"1" * LONG}x" viewBox="0 0 100 40"',
    "spaces before the width": f'width="{" " * LONG}x" viewBox="0 0 100 40"',
}
LONG_REFUSED = {
    "width and height": f'width="{"1" * (LONG // 2)}x" height="{"1" * (LONG // 2)}x"',
    "view box": f'viewBox="0 0 {"1" * LONG}x"',
    "view box of hyphens": f'viewBox="{"-" * LONG}"',
    "view box of points": f'viewBox="{"1." * (LONG // 2)}"',
    "address without an end": f'{SIZE} fill="url(#{"a" * LONG}"',
    "addresses without an end": f'{SIZE} fill="{"url(#a" * (LONG // 6)}"',
    "address and spaces": f'{SIZE} fill="url(#a{" " * LONG}"',
    "address before spaces": f'{SIZE} fill="url({" " * LONG}"',
    "words of an address": f'{SIZE} fill="{"url " * (LONG // 4)}url(a)"',
    "reference": f'{SIZE} xlink:href="#{"a" * LONG} "',
    "function": f'{SIZE} fill="{"a" * LONG}("',
}


@pytest.mark.parametrize("attributes", LONG_ATTRIBUTES.values(), ids=LONG_ATTRIBUTES)
def test_a_long_attribute_is_checked_in_a_second(attributes: str) -> None:
    data, begin = svg(attributes=attributes), time.process_time()
    assert check_svg(data) == (100, 40)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("attributes", LONG_REFUSED.values(), ids=LONG_REFUSED)
def test_a_long_attribute_is_refused_in_a_second(attributes: str) -> None:
    data, begin = svg(attributes=attributes), time.process_time()
    with pytest.raises(Invalid) as refused:
        check_svg(data)
    assert time.process_time() - begin < 1
    assert refused.value.code in {"not_allowed", "no_size"}


SLOW_TO_PRINT = {
    "style": svg(f'<rect style="fill:{"-" * LONG}"/>'),
    "style sheet": svg(f"<style>rect{{fill:{'-' * LONG}}}</style>"),
    "style sheets": svg(f"<style>rect{{fill:{'-' * 30_000}}}</style>" * 10),
    "rules and elements": svg("<style>" + ".a{fill:red}" * 4_000 + "</style>" + '<g class="a"/>' * 20_000),
    "rules and references": svg(
        "<style>"
        + ".a{fill:red}" * 4_000
        + '</style><g id="a">'
        + '<g class="a"/>' * 100
        + "</g>"
        + '<use href="#a"/>' * 90
    ),
    "path in many places": svg(f'<path id="a" d="M0 0{"h9v9" * 20_000}"/>' + '<use href="#a"/>' * 10_000),
    "styles in many places": svg(f'<g id="a" style="{"a:b;" * 900}"/>' + '<use href="#a"/>' * 10_000),
}


@pytest.mark.parametrize("data", SLOW_TO_PRINT.values(), ids=SLOW_TO_PRINT)
def test_a_drawing_that_takes_long_to_print_is_refused(data: bytes) -> None:
    begin = time.process_time()
    assert refusal(data).code == "too_complex"
    assert time.process_time() - begin < 1


def test_a_drawing_of_a_usual_program_has_room() -> None:
    sheet = "".join(f".st{number}{{fill:#123456;stroke:#000}}" for number in range(300))
    paths = '<path class="st7" d="M0 0h9v9z"/>' * 5_000
    symbol = f'<symbol id="s"><path style="{"stroke-width:1.5;" * 120}" d="M0 0{"h9v9" * 2_000}"/></symbol>'
    stops = f'<stop style="stop-color:#123456;stop-opacity:1" offset="{"0" * 300}"/>' * 5
    gradient = f'<linearGradient id="g">{stops}</linearGradient>' + '<path fill="url(#g)" d="M0 0h9v9z"/>' * 2_000
    assert check_logo(svg(gradient)).width == 100
    assert check_logo(svg(f"<style>{sheet}</style>{paths}{symbol}" + '<use href="#s"/>' * 50)).width == 100


def test_a_size_of_many_digits_is_read() -> None:
    exact = 'width="123.45678901234567mm" height="50.00000000000001mm"'
    assert check_svg(svg(attributes=exact)) == (467, 189)
    assert check_svg(svg(attributes='viewBox="-0.12345678901234 .5 123.45678901234567 50.00000000000001"')) == (123, 50)


def test_a_logo_that_cannot_be_printed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logo, "logo_as_svg", lambda *_parts: "<svg")
    assert refusal(make_png(2, 2)).code == "not_printable"


@given(st.integers(0, 200), st.binary(min_size=1, max_size=4))
@settings(max_examples=60)
def test_no_change_of_a_png_makes_another_error(position: int, replacement: bytes) -> None:
    data = make_png(6, 4)
    changed = data[:position] + replacement + data[position + len(replacement) :]
    if changed != data:
        assert refusal(changed).code in {"damaged", "not_a_logo", "too_large"}


@given(st.text(alphabet="<>/=\"'&;:#() \nabcdefgostruvxy", max_size=60))
@settings(max_examples=60)
def test_no_text_makes_another_error(content: str) -> None:
    with suppress(Invalid):
        assert check_logo(svg(content)).width == 100
