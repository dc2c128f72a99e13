"""The rows of a workbook (.xlsx), read as a stream without loading the sheet.

Numbers are read as the 15 digits that a spreadsheet shows, never as floats. Days come as ISO texts.
Nothing is calculated: formulas have the values that were stored with them.
"""

import errno
import re
import shutil
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO, BinaryIO, Final, Protocol
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import UNCALCULATED, NumberCell, NumberCell1904
from billing_admin.domain.translation import Phrase

MAX_EXPANDED_BYTES: Final = 4 << 30
MAX_RATIO: Final = 200  # of a part to its compressed form; usual sheets have up to 50
SMALL_BYTES: Final = 16 << 20  # a part of this size may have any ratio
MAX_ROW_CHARACTERS: Final = 1 << 20
MAX_CELLS: Final = 16_384  # of a row, as in Excel
_BLOCK_BYTES: Final = 1 << 16
_CACHED_TEXTS: Final = 1_000
_LONGEST_TEXT: Final = 32_767  # as in Excel
_SHOWN_DIGITS: Final = Context(prec=15)
_LARGEST_EXACT: Final = Decimal(10) ** 15
_DAY_FORMATS: Final = frozenset({14, 15, 16, 17, 22, *range(27, 37), *range(50, 59)})  # built in, with a day
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')  # parts of a number format that are shown as they are
_COLUMN = re.compile(r"[A-Z]{1,3}", re.ASCII)
_MERGED = re.compile(r"[A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}(?P<last>[0-9]{1,7})", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,40})?(?:[Ee][+-]?[0-9]{1,3})?", re.ASCII)


class Workbook:
    """An open workbook: the names of its visible sheets, and their rows."""

    def __init__(self, file: BinaryIO) -> None:
        """Copy and open a workbook.

        Raises:
            Invalid: The file is no workbook, or is damaged.
        """
        self._copy: IO[bytes] = TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._texts = _Texts()
        self._number_type = NumberCell
        self._paths: dict[str, str] = {}  # of the sheets, by name
        try:
            shutil.copyfileobj(file, self._copy)
            with _damage_refused():
                self._zip = ZipFile(self._copy)
                self._read_contents()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete the copy."""
        self._texts.close()
        self._copy.close()

    @property
    def sheets(self) -> list[str]:
        """The names of the visible sheets."""
        return list(self._paths)

    def rows(self, sheet: str, first_row: int) -> Iterator[tuple[int, list[str]]]:
        """Yield the numbers and cells of rows that are not blank, from `first_row`.

        The first one is taken as the header: cells below it must not be merged. Without a name, the first
        sheet is read.

        Raises:
            Invalid: The sheet does not exist, is damaged, or has merged cells.
        """
        if sheet and sheet not in self._paths:
            message = Phrase(
                "There is no sheet “{sheet}”. Use one of {sheets}.", sheet=sheet[:80], sheets=", ".join(self.sheets)
            )
            raise Invalid("unknown_sheet", message)
        with _damage_refused():
            days = self._read_styles()
            self._read_texts()
            parser = _SheetParser(self._texts, days, self._number_type, first_row)
            for _ in self._parse(self._paths[sheet or self.sheets[0]], parser):
                yield from parser.rows
                parser.rows.clear()

    def _read_contents(self) -> None:
        """Read which sheets there are, and where the parts of the workbook are."""
        (workbook,) = self._targets("_rels/.rels", "").by_type("officeDocument")
        folder, _, name = workbook.rpartition("/")
        self._related = self._targets(f"{folder}/_rels/{name}.rels".lstrip("/"), folder)
        for element, attributes in self._elements(workbook):
            if element == "workbookPr" and attributes.get("date1904", "0") in {"1", "true"}:
                self._number_type = NumberCell1904
            elif element == "sheet" and attributes.get("state", "visible") == "visible":
                self._paths[attributes["name"]] = self._related.by_id[attributes["id"]]
        if not self._paths:
            raise Invalid("empty_file", Phrase("The workbook has no visible sheet."))

    def _targets(self, path: str, folder: str) -> "_Targets":
        targets = _Targets()
        for element, attributes in self._elements(path):
            if element == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes["Target"]
                full = target[1:] if target.startswith("/") else f"{folder}/{target}".lstrip("/")
                targets.add(attributes["Id"], attributes["Type"].rpartition("/")[2], full)
        return targets

    def _read_styles(self) -> list[bool]:
        """Return whether cells show a day, by the number of their style."""
        codes: dict[str, str] = {}
        formats: list[str] = []
        for path in self._related.by_type("styles"):
            is_cell_format = False
            for element, attributes in self._elements(path):
                if element == "numFmt":
                    codes[attributes["numFmtId"]] = attributes.get("formatCode", "")
                elif element == "xf" and is_cell_format:
                    formats.append(attributes.get("numFmtId", "0"))
                elif element in {"cellStyleXfs", "cellXfs", "cellStyles", "dxfs"}:
                    is_cell_format = element == "cellXfs"
        return [_shows_day(number, codes.get(number, "")) for number in formats]

    def _read_texts(self) -> None:
        for path in self._related.by_type("sharedStrings"):
            if not self._texts.is_read:
                parser = _TextParser(self._texts)
                for _ in self._parse(path, parser):
                    pass
        self._texts.is_read = True

    def _elements(self, path: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the names and attributes of the elements of a part, without namespaces."""
        parser = _ElementParser()
        for _ in self._parse(path, parser):
            yield from parser.elements
            parser.elements.clear()

    def _parse(self, path: str, handler: "_Handler") -> Iterator[None]:
        """Pass a part to a handler, and yield after each block."""
        info = self._zip.getinfo(path)
        if info.file_size > min(MAX_EXPANDED_BYTES, MAX_RATIO * info.compress_size + SMALL_BYTES):
            raise Invalid("too_large", Phrase("The workbook is too large when extracted. Save the sheet as CSV."))
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler, parser.EndElementHandler = handler.start, handler.end
        parser.CharacterDataHandler = handler.text
        with self._zip.open(info) as part:
            while block := part.read(_BLOCK_BYTES):
                parser.Parse(block, False)
                yield
        parser.Parse(b"", True)
        yield


class _Targets:
    """The related parts of a part."""

    def __init__(self) -> None:
        self.by_id: dict[str, str] = {}
        self._by_type: dict[str, list[str]] = {}

    def add(self, id: str, type: str, path: str) -> None:
        """Add a part."""
        self.by_id[id] = path
        self._by_type.setdefault(type, []).append(path)

    def by_type(self, type: str) -> list[str]:
        """Return the parts of a type."""
        return self._by_type.get(type, [])


class _Texts:
    """The texts that cells refer to by number, in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._ends = array("Q", [0])
        self.is_read = False
        self.find = lru_cache(_CACHED_TEXTS)(self._find)

    def add(self, text: str) -> None:
        """Add the next text."""
        self._ends.append(self._ends[-1] + self._file.write(text.encode()))

    def close(self) -> None:
        """Delete the texts."""
        self._file.close()

    def _find(self, number: str) -> str:
        if not number.isdecimal():
            raise ValueError
        index = int(number)
        start, end = self._ends[index], self._ends[index + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode()


class _Handler(Protocol):
    """A handler of the elements and texts of a part."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def end(self, name: str) -> None: ...
    def text(self, text: str) -> None: ...


class _ElementParser:
    def __init__(self) -> None:
        self.elements: list[tuple[str, Mapping[str, str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements.append((_local(name), {_local(key): value for key, value in attributes.items()}))

    def end(self, _name: str) -> None:
        pass

    def text(self, _text: str) -> None:
        pass


class _ValueParser:
    """Collects the characters of `v` and `t` elements, without phonetic hints."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._is_value = self._is_hint = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        name = _local(name)
        if name in {"v", "t"}:
            self._is_value = not self._is_hint
        elif name == "rPh":
            self._is_hint = True

    def end(self, name: str) -> None:
        name = _local(name)
        if name in {"v", "t"}:
            self._is_value = False
        elif name == "rPh":
            self._is_hint = False

    def text(self, text: str) -> None:
        if not self._is_value:
            return
        self._size += len(text)
        if self._size > MAX_ROW_CHARACTERS:
            raise Invalid(
                "too_long",
                Phrase("A row of the workbook is longer than {limit:,} characters.", limit=MAX_ROW_CHARACTERS),
            )
        self._parts.append(text)

    def take(self) -> str:
        """Return the characters, and begin anew."""
        value = "".join(self._parts)
        self._parts.clear()
        return value


class _TextParser(_ValueParser):
    """Collects the shared texts of a workbook."""

    def __init__(self, texts: _Texts) -> None:
        super().__init__()
        self._texts = texts

    def end(self, name: str) -> None:
        super().end(name)
        if _local(name) == "si":
            text = self.take()
            if len(text) > _LONGEST_TEXT:
                raise ValueError
            self._texts.add(text)
            self._size = 0


class _SheetParser(_ValueParser):
    """Collects the rows of a sheet."""

    def __init__(self, texts: _Texts, days: list[bool], number_type: type[NumberCell], first_row: int) -> None:
        super().__init__()
        self.rows: list[tuple[int, list[str]]] = []
        self._texts, self._days, self._number_type, self._first_row = texts, days, number_type, first_row
        self._header_row: int | None = None
        self._row, self._cells = 0, list[str]()
        self._column, self._type, self._style, self._has_formula = 0, "", "", False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "c":
                self._start_cell(attributes)
            case "f":
                self._has_formula = True
            case "row":
                self._row = int(attributes.get("r", self._row + 1))
                self._cells, self._column, self._size = [], 0, 0
            case "mergeCell":
                self._refuse_merged(attributes.get("ref", ""))
            case _:
                super().start(name, attributes)

    def end(self, name: str) -> None:
        match _local(name):
            case "c":
                self._end_cell()
            case "row":
                if self._row >= self._first_row and any(self._cells):
                    self._header_row = self._header_row or self._row
                    self.rows.append((self._row, self._cells))
            case _:
                super().end(name)

    def _start_cell(self, attributes: dict[str, str]) -> None:
        letters = _COLUMN.match(attributes.get("r", ""))
        self._column = _column_number(letters[0]) if letters else self._column + 1
        if not len(self._cells) < self._column <= MAX_CELLS:
            raise ValueError
        self._type, self._style, self._has_formula = attributes.get("t", "n"), attributes.get("s", ""), False

    def _end_cell(self) -> None:
        value = self.take()
        cell = self._read_cell(value) if value else UNCALCULATED if self._has_formula and self._type != "str" else ""
        if cell:
            self._cells.extend([""] * (self._column - 1 - len(self._cells)))
            self._cells.append(cell)

    def _read_cell(self, value: str) -> str:
        if self._type == "s":
            text = self._texts.find(value.strip())
            self._size += len(text)
            if self._size > MAX_ROW_CHARACTERS:
                raise Invalid(
                    "too_long",
                    Phrase("Row {row:,} is longer than {limit:,} characters.", row=self._row, limit=MAX_ROW_CHARACTERS),
                )
            return text
        if self._type == "b":
            return "true" if value.strip() == "1" else "false"
        if self._type == "n" and _NUMBER.fullmatch(value.strip()):
            return self._read_number(value.strip())
        return value

    def _read_number(self, text: str) -> str:
        number = _SHOWN_DIGITS.create_decimal(text)
        if self._style.isdecimal() and int(self._style) < len(self._days) and self._days[int(self._style)]:
            return _day_or_moment(number, self._number_type) or text
        if abs(number) >= _LARGEST_EXACT:  # its last digits are lost: no longer a reference or an amount
            return f"{number:.14E}"
        return self._number_type(format(number, "f") if number else "0")

    def _refuse_merged(self, reference: str) -> None:
        match = _MERGED.fullmatch(reference)
        if match and self._header_row is not None and int(match["last"]) > self._header_row:
            raise Invalid(
                "merged_cells",
                Phrase("The cells {cells} are merged. Unmerge them and fill each cell.", cells=reference),
            )


def _local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition("}")[2]


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _shows_day(number: str, code: str) -> bool:
    """Return whether a number format shows a day.

    It is built in, or has years or days.
    """
    signs = _LITERALS.sub("", code[:200]).lower()
    return (int(number) in _DAY_FORMATS and not code) or "y" in signs or "d" in signs


def _day_or_moment(serial: Decimal, number_type: type[NumberCell]) -> str | None:
    """Return the day of a serial number as an ISO text, with its time if it has one."""
    days = int(serial)
    try:
        day = number_type.first_day + timedelta(days=days)
    except OverflowError:
        return None
    seconds = int((serial - days) * 86_400 + Decimal("0.5"))
    if not seconds:
        return day.isoformat()
    return (datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)).isoformat()  # noqa: DTZ001 - as shown


def _refuse_doctype(*_args: object) -> None:
    raise ValueError


@contextmanager
def _damage_refused() -> Iterator[None]:
    """Raise Invalid for the errors that a damaged or hostile workbook causes."""
    try:
        yield
    except (
        BadZipFile,
        zlib.error,
        expat.ExpatError,
        InvalidOperation,
        EOFError,
        LookupError,  # a part, a text or an encoding that does not exist
        NotImplementedError,  # a method of compression
        RuntimeError,  # a password
        OverflowError,
        ValueError,
    ) as error:
        raise _damaged() from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the beginning of the file
            raise
        raise _damaged() from error


def _damaged() -> Invalid:
    message = Phrase(
        "The workbook is damaged, has a password, or is not an .xlsx file. Save it again, or save the sheet as CSV."
    )
    return Invalid("not_a_workbook", message)
