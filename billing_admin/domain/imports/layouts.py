"""The layout of an imported file: encoding or sheet, and the header's place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase

ENCODINGS: Final[Mapping[str, str]] = {
    "utf-8": "UTF-8",
    "utf-16": Phrase("UTF-16 (Excel: “Unicode text”)"),
    "windows-1252": Phrase("Windows-1252 (Western Europe)"),
}
DELIMITERS: Final[Mapping[str, str]] = {"comma": ",", "semicolon": ";", "tab": "\t"}
DELIMITER_LABELS: Final[Mapping[str, str]] = {
    "comma": Phrase("Comma"),
    "semicolon": Phrase("Semicolon"),
    "tab": Phrase("Tab"),
}
MAX_HEADER_LINE: Final = 1_000


def check_header_line(line: int) -> None:
    """Refuse a line in which no header is searched.

    Raises:
        Invalid: The line is not in the range.
    """
    if not 1 <= line <= MAX_HEADER_LINE:
        raise Invalid(
            "out_of_range",
            Phrase("Enter a line from 1 to {max_header_line:,}.", max_header_line=MAX_HEADER_LINE),
            "header_line",
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the table of a file begins, and how its rows are separated.

    `header_line` is the line, or the row of a sheet, from which the header is searched: the first row
    there that is not blank. A CSV file has an encoding and a delimiter, a workbook a sheet.
    """

    encoding: str = "utf-8"
    delimiter: str = "comma"
    header_line: int = 1
    sheet: str = ""
