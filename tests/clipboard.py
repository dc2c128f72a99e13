"""Cells copied from spreadsheets: the text on the clipboard, and the rows that it holds. Tests of the server and of the script
share them."""

from collections.abc import Sequence

COPIED: list[tuple[str, list[list[str]]]] = [
    ('"19 inch rack\t1\r\nfoo\t2\r\n', [['"19 inch rack', "1"], ["foo", "2"]]),
    ('"19 inch rack\t1\n"21 inch rack\t2', [['"19 inch rack', "1"], ['"21 inch rack', "2"]]),
    ('"19 inch rack\t1\nA monitor of 24"\t2\n', [['"19 inch rack', "1"], ['A monitor of 24"', "2"]]),
    ('"Gold" support\t2', [['"Gold" support', "2"]]),
    ('"Gold"\t2', [['"Gold"', "2"]]),
    ('24" monitor\t"\t""', [['24" monitor', '"', '""']]),
    ('"Two\r\nlines, ""so"""\textra\r\n3\t4', [['Two\nlines, "so"', "extra"], ["3", "4"]]),
    ('"Two\nlines"\t1\r\n"19 inch\t2\r\nand 24"\t3\r\n', [["Two\nlines", "1"], ['"19 inch', "2"], ['and 24"', "3"]]),
    ('"a\tb ""c"""\t1', [['a\tb "c"', "1"]]),
    ('"""quote"" first\nand two lines"\t5\nx\t6', [['"quote" first\nand two lines', "5"], ["x", "6"]]),
]


def as_excel_writes(rows: Sequence[Sequence[str]]) -> str:
    """Write CR LF behind each row and LF within a cell."""
    return "".join("\t".join(map(_cell, row)) + "\r\n" for row in rows)


def as_libreoffice_writes(rows: Sequence[Sequence[str]]) -> str:
    """Write LF behind each row and within a cell."""
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows)


def as_google_sheets_writes(rows: Sequence[Sequence[str]]) -> str:
    """Write LF between rows and within a cell."""
    return "\n".join("\t".join(map(_cell, row)) for row in rows)


def _cell(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if "\n" in cell or "\t" in cell else cell
