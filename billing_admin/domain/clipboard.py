"""Cells copied from a spreadsheet, as Excel, LibreOffice and Google Sheets do.

Cells are separated by tabs and rows by line breaks. Only a cell that contains a tab or a line break
is quoted, and only then are the quotes within it doubled: every other quote is part of the text.
`cellsOf` in static/billing.js does the same.
"""

import re

_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"(?=[\t\r\n]|\Z)')
_PLAIN = re.compile(r"[^\t\r\n]*")


def parse_rows(text: str) -> list[list[str]]:
    """Return the rows of a copied text, each with its cells.

    Excel ends rows with CR LF and breaks the lines of a cell with LF, so in a text with both, a CR LF
    always ends the cell. A text with one kind of line break (browsers send all of them as CR LF) is
    ambiguous if one cell begins with a quote and a cell of a later row ends with one: such a cell is
    taken as quoted only if it has either a tab or a line break, not both.
    """
    text = text.replace("\r\n", "\r")
    has_both = "\r" in text and "\n" in text
    if not has_both:
        text = text.replace("\r", "\n")
    rows: list[list[str]] = []
    row: list[str] = []
    place = 0
    while place <= len(text):
        cell = _QUOTED.match(text, place)
        if cell is None or not _needs_quotes(cell[1], has_both):
            cell = _PLAIN.match(text, place)
            assert cell is not None  # noqa: S101 - it matches an empty text, too
            row.append(cell[0])
        else:
            row.append(cell[1].replace('""', '"'))
        place = cell.end() + 1
        if text[cell.end() : place] != "\t":
            rows.append(row)
            row = []
    if rows[-1] == [""]:  # the text ended with the line break of its last row
        rows.pop()
    return rows


def _needs_quotes(content: str, has_both: bool) -> bool:
    has_break, has_tab = "\n" in content, "\t" in content
    return "\r" not in content and (has_break or has_tab) and (has_both or has_break != has_tab)
