"""Files as they come: every encoding that may be chosen, what is broken is named by its line, and nothing is ever guessed at."""

import gzip
import io
from functools import partial

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.headers import score_headers
from billing_admin.domain.imports.layouts import Layout
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.formats.csv_reader import MAX_ROW_CHARACTERS, guess_encoding
from billing_admin.formats.csv_tables import write_csv
from billing_admin.formats.table_reader import LayoutChoice, Preview, Table, open_table, preview


def opened(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def read(content: bytes, encoding: str = "utf-8", delimiter: str = "comma") -> list[tuple[int, list[str]]]:
    found = Table(opened(content), Layout(encoding, delimiter))
    return [(1, list(found.header)), *((row.line, list(row.cells)) for row in found)]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("name\ncafé\n".encode(), "utf-8"),
        ("name\ncafé\n".encode("utf-8-sig"), "utf-8"),
        ("name\ncafé\n".encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + "name\ncafé\n".encode("utf-16-be"), "utf-16"),
        ("name\ncafé\n".encode("cp1252"), "windows-1252"),
    ],
)
def test_each_encoding(content: bytes, encoding: str) -> None:
    assert read(content, encoding) == [(1, ["name"]), (2, ["café"])]


def test_mixed_line_ends_and_quotes_with_lines_and_blank_rows() -> None:
    content = b'a,b\r\n1,"x\ny\r\nz"\n\n,\n"3 ""q""",4\r5,6'
    assert read(content) == [(1, ["a", "b"]), (2, ["1", "x\ny\r\nz"]), (7, ['3 "q"', "4"]), (8, ["5", "6"])]


def test_rows_are_numbered_without_the_blank_ones() -> None:
    assert [(row.line, row.number) for row in Table(opened(b"a\n\n1\n\n2\n"), Layout())] == [(3, 0), (5, 1)]


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (b"", "utf-8", "There is no row with column names"),
        (b"\n\n", "utf-8", "There is no row with column names"),
        (b"\xef\xbb\xbf", "utf-8", "There is no row with column names"),
        (",".join(f"c{n}" for n in range(201)).encode(), "utf-8", "Use at most 200 columns: the header has 201."),
        (b"a,b\n1,caf\xe9\n", "utf-8", "Line 2 is not UTF-8: it has the bytes E9 0A"),
        (b"a\n1\n\x81\n", "windows-1252", "Line 3 is not Windows-1252: it has the bytes 81 0A"),
        (b"a,b\n1,\x00\n", "utf-8", "Line 2 has a NUL byte"),
        ("a,b\n1,2\n".encode("utf-16-le"), "utf-8", "Line 1 has a NUL byte"),
        ("a,b\n1,2\n".encode("utf-16"), "utf-8", "The file is UTF-16. Choose that encoding"),
        ("a,b\n1,2\n".encode("utf-8-sig"), "windows-1252", "The file is UTF-8. Choose that encoding"),
        (b"\xff\xfea\x00\n", "utf-16", "Line 1 is not UTF-16"),
        (b"PK\x03\x04\x00\x00", "utf-8", "The workbook is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1", "utf-8", "old Excel workbook"),
        (b"%PDF-1.7", "utf-8", "PDF"),
        (b"\x1f\x8b\x08", "utf-8", "damaged or incomplete"),
        (gzip.compress(gzip.compress(b"a\n1\n", mtime=0), mtime=0), "utf-8", "compressed twice"),
        (gzip.compress(b"PK\x03\x04", mtime=0), "utf-8", "The workbook is damaged"),
        (gzip.compress(b"a\n1\n" * 1000, mtime=0)[:-9], "utf-8", "damaged or incomplete"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "utf-8", "Line 1 is not UTF-8"),
        (b"a\n" + b"x" * 10_000_000 + b"\n", "utf-8", "The row that begins on line 2 is longer than 1,048,576"),
        (
            b'a\n"' + b"x\n" * 5_000_000 + b'"\n',
            "utf-8",
            "line 2 is longer than 1,048,576 characters. Is a closing quote missing",
        ),
        (b'a\n1\n"x\n2\n', "utf-8", "Line 3: A closing quote is missing"),
        (b'a\n"x"y\n', "utf-8", "Line 2: A closing quote must be followed by"),
    ],
)
def test_broken_csv_names_the_problem(content: bytes, encoding: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        read(content, encoding)
    assert refused.value.field == ()


def test_a_wrong_byte_far_down_is_named_by_its_line() -> None:
    content = b"a\n" + b"x\r\n" * 100_000 + b'"y\nz\xff"\n'
    with pytest.raises(Invalid, match="Line 100003 is not UTF-8"):
        read(content)


def looked_at(content: bytes, kind: str = "charges", **choice: object) -> Preview:
    return preview(lambda: opened(content), partial(score_headers, kind), LayoutChoice(**choice))  # type: ignore[arg-type]


def test_a_header_alone_has_no_rows() -> None:
    with pytest.raises(Invalid, match="no data rows"):
        looked_at(b"a,b\n")
    assert [row.cells for row in looked_at(b"a\n1\n2\n3\n4\n").rows] == [["1"], ["2"], ["3"]]


def test_the_header_must_be_the_one_that_was_mapped() -> None:
    plan = ImportPlan(("a", "b"), {"name": 0})
    assert open_table(opened(b"a,b\n1,2\n"), plan).header == ("a", "b")
    with pytest.raises(Invalid, match="Map the columns again"):
        open_table(opened(b"a,c\n1,2\n"), plan)


@pytest.mark.parametrize(
    ("header", "delimiter"), [(b"a,b;c,d", "comma"), (b"a;b;c,d", "semicolon"), (b"a\tb\tc,d", "tab"), (b"a", "comma")]
)
def test_the_delimiter_with_most_columns(header: bytes, delimiter: str) -> None:
    assert looked_at(header + b"\n1\n").layout.delimiter == delimiter


TITLES = b"Usage report;;\n\nMonth, in full;November, 2026\n\nKunde;Betrag;Datum\nacme;5;2026-11-01\n"


def test_title_rows_above_the_header_are_found() -> None:
    beginning = looked_at(TITLES)
    assert beginning.layout == Layout("utf-8", "semicolon", 5)
    assert beginning.header == ("Kunde", "Betrag", "Datum")
    assert [row.line for row in beginning.rows] == [6]
    [record] = Table(opened(TITLES), beginning.layout)
    assert (record.line, record.number, record.cells) == (6, 0, ["acme", "5", "2026-11-01"])


@pytest.mark.parametrize("line", [2, 3])
def test_the_line_of_the_header_can_be_chosen(line: int) -> None:
    beginning = looked_at(TITLES, header_line=line, delimiter="semicolon")
    assert (beginning.layout.header_line, beginning.header[0]) == (line, "Month, in full")
    with pytest.raises(Invalid, match="There is no row with column names"):
        looked_at(TITLES, header_line=9)


def test_a_first_row_without_known_names_is_the_header() -> None:
    assert looked_at(b"a,b\ncustomer,2\n1,2\n").layout.header_line == 1  # one name can be chance
    assert looked_at(b"a,b\ncustomer,amount\n").layout.header_line == 1
    assert looked_at(b"a,b\ncustomer,amount\n1,2\n").layout.header_line == 2
    assert looked_at(b"a,b\n1,2\n").layout.header_line == 1
    assert looked_at(b"\n\ncustomer,amount\n1,2\n").layout.header_line == 1


@pytest.mark.parametrize("parts", [1, 2])
def test_compressed_files_are_read(parts: int) -> None:
    rows = [b"a,b\n1,2\n", b"3,4\n"]
    content = b"".join(map(gzip.compress, rows)) if parts == 2 else gzip.compress(b"".join(rows))
    assert read(content) == [(1, ["a", "b"]), (2, ["1", "2"]), (3, ["3", "4"])]
    assert looked_at(gzip.compress(TITLES)).header == ("Kunde", "Betrag", "Datum")


def test_a_file_that_expands_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_admin.formats.compressed.SMALL_BYTES", 100_000)
    content = gzip.compress(b"a\n" + b"x\n" * 500_000)
    with pytest.raises(Invalid, match="too large when extracted"):
        read(content)
    assert len(content) < 5_000


def test_guessing_fails_with_what_is_wrong() -> None:
    with pytest.raises(Invalid, match="There is no row"):
        looked_at(b"")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"\xff\xfea", "utf-16"),
        ("name,city\nA,Köln\n".encode("utf-16-le"), "utf-16"),
        ("name,city\nA,Köln\n".encode("utf-16-be"), "utf-16"),
        (b"\xef\xbb\xbf", "utf-8"),
        ("name\ncafé\n".encode(), "utf-8"),
        ("name\ncafé\n".encode("cp1252"), "windows-1252"),
        ("name\ncafé\nnaïve\n".encode() + b"broken \xe9\n", "utf-8"),  # one wrong byte: the check names its line
        (b"name\n" + b"x\n" * 2_000_000 + b"caf\xe9\n", "windows-1252"),
        (("x" * ((1 << 20) - 1) + "é\n").encode(), "utf-8"),  # the character is split between two blocks
        (b"name\ncaf\xc3", "windows-1252"),
    ],
)
def test_encoding_is_guessed_from_the_bytes(content: bytes, encoding: str) -> None:
    assert guess_encoding(opened(content)) == encoding


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_byte_order_mark_is_read(codec: str) -> None:
    assert read("name\ncafé\n".encode(codec), "utf-16") == [(1, ["name"]), (2, ["café"])]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_whatever_is_written_is_read(texts: list[list[str]]) -> None:
    content = write_csv(["a", "b"], texts, numbers=["a", "b"])
    assert [cells for _, cells in read(content)[1:]] == texts


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for encoding in ("utf-8", "utf-16", "windows-1252"):
        try:
            found = read(content, encoding)
        except Invalid as refused:
            assert refused.message  # noqa: PT017 - either is fine
        else:
            assert len(found) <= len(content) + 1
    assert MAX_ROW_CHARACTERS
