"""CSV files: RFC 4180 with CRLF, UTF-8, ISO dates, plain decimals. Written as they are read, in memory that does not grow.

Every cell is made text by the database, so that no value passes through Python: PostgreSQL writes the rows itself (COPY), on
SQLite the csv module does. The same data gives the same bytes on both.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, literal_column, null, text, type_coerce
from sqlalchemy.orm import Session

from billing_admin.db.errors import driver_errors
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.queries.exports import Column, Export, Filters, Kind, export as rows_of

BOM = b"\xef\xbb\xbf"
BLOCK_ROWS = 2_000
# What a spreadsheet takes for the start of a formula.
FORMULA = tuple(map(ord, "=+-@\t\r"))

Cell = ColumnElement[Any]


def export_csv(session: Session, kind: str, filters: Filters, excel: bool = False) -> Iterator[bytes]:
    """Write a file of a kind (`queries.exports.KINDS`) in parts. `excel` begins it with a BOM.

    What goes wrong on the way is raised out of the iterator, so that nobody takes a part for the whole.
    """
    yield from write_csv(session, rows_of(session, kind, filters), excel)


def write_csv(session: Session, asked: Export, excel: bool = False) -> Iterator[bytes]:
    """Write any file in parts. The first part holds rows, so it exists only once the database has answered."""
    header = (BOM if excel else b"") + (",".join(column.name for column in asked.columns) + "\r\n").encode()
    if session.get_bind().dialect.name == "postgresql":
        parts = _copied(session, _cells(asked, asked.rows, _on_postgresql))
    else:
        parts = _written(session, _cells(asked, asked.rows, _on_sqlite))
    yield header + next(parts, b"")
    yield from parts


def text_rows(session: Session, asked: Export) -> Iterator[Sequence[str | None]]:
    """The rows of a file of another format: each cell as the CSV has it, but text as it is, without any apostrophe."""
    write = _on_postgresql if session.get_bind().dialect.name == "postgresql" else _on_sqlite

    def plainly(column: Column, currency: Cell) -> Cell:
        return column.value if column.kind is Kind.TEXT else write(column, currency)

    rows = _cells(asked, asked.rows, plainly).execution_options(yield_per=BLOCK_ROWS)
    with session.execute(rows) as found:
        for row in found:
            yield [None if value in {None, ""} else str(value) for value in row]


def _copied(session: Session, query: Select[Any]) -> Iterator[bytes]:
    """PostgreSQL ends rows with LF. Each row comes alone, so that one within a cell is not mistaken for the end."""
    session.execute(text("SET LOCAL datestyle = 'ISO'"))
    compiled = query.compile(dialect=session.get_bind().dialect)
    statement = f"COPY ({compiled}) TO STDOUT (FORMAT csv)"
    with driver_errors(session.connection()) as driver, driver.cursor().copy(statement, compiled.params) as copy:
        block: list[bytes] = []
        for row in copy:
            block.append(row[:-1])
            if len(block) == BLOCK_ROWS:
                block.append(b"")
                yield b"\r\n".join(block)
                block = []
        block.append(b"")
        yield b"\r\n".join(block)


def _written(session: Session, query: Select[Any]) -> Iterator[bytes]:
    cursor = session.connection().execute(query).cursor
    assert cursor is not None  # noqa: S101 - a select has rows
    while rows := cursor.fetchmany(BLOCK_ROWS):
        block = io.StringIO(newline="")
        csv.writer(block).writerows(rows)
        yield block.getvalue().encode()


def _cells(asked: Export, rows: Select[Any], write: Callable[[Column, Cell], Cell]) -> Select[Any]:
    """The rows with every cell as text, or null."""
    return rows.add_columns(*(write(column, asked.currency).label(column.name) for column in asked.columns))


def _minor_digits(currency: Cell, write: Callable[[int], Cell]) -> Cell:
    """Write money by the digits of its currency; most have two."""
    few: dict[int, list[str]] = {}
    for code, digits in MINOR_DIGITS.items():
        few.setdefault(digits, []).append(code)
    others = [(currency.in_([_literal(code) for code in few[digits]]), write(digits)) for digits in few if digits != 2]
    return case(*others, else_=write(2))


def _literal(word: str) -> ColumnElement[str]:
    """A word of our own as it stands, where a parameter would be one of very many."""
    return literal_column(f"'{word}'")


def _as_text(value: Cell) -> Cell:
    return cast(value, Text)


def _on_postgresql(column: Column, currency: Cell) -> Cell:
    value = column.value
    match column.kind:
        case Kind.TEXT:
            return _guarded(value, func.ascii)
        case Kind.WORD | Kind.WHOLE | Kind.DAY:
            return _as_text(value)
        case Kind.EXACT:
            return _as_text(func.trim_scale(value))
        case Kind.MONEY:
            return _minor_digits(currency, lambda digits: _scaled(value, digits))
        case Kind.MOMENT:
            seconds = func.left(_as_text(func.timezone(literal_column("'UTC'"), value)), 19)
            return func.concat(func.replace(seconds, _literal(" "), _literal("T")), _literal("Z"))
        case Kind.FLAG:
            return _as_text(value)


def _scaled(minor: Cell, digits: int) -> Cell:
    """NUMERIC keeps the places of its factors: 1990 × 0.01 is 19.90."""
    factor = literal_column(f"{Decimal(1).scaleb(-digits):f}", minor.type)
    return _as_text(minor * factor if digits else minor)


def _on_sqlite(column: Column, currency: Cell) -> Cell:
    value = column.value
    match column.kind:
        case Kind.TEXT:
            return _guarded(value, func.unicode)
        case Kind.WORD | Kind.WHOLE | Kind.DAY | Kind.EXACT:
            return type_coerce(value, Text)
        case Kind.MONEY:
            return _minor_digits(currency, lambda digits: _pointed(value, digits))
        case Kind.MOMENT:
            return func.replace(func.substr(value, 1, 19), " ", "T") + "Z"
        case Kind.FLAG:
            return case((value.is_(None), null()), (value, "true"), else_="false")


def _pointed(minor: Cell, digits: int) -> Cell:
    """Whole numbers only, as SQLite would otherwise pass through a float."""
    if not digits:
        return minor
    one = 10**digits
    sign = case((minor < 0, "-"), else_="")
    written = func.printf(f"%s%d.%0{digits}d", sign, func.abs(minor) // one, func.abs(minor) % one)
    return case((minor.is_not(None), written))


def _guarded(value: Cell, code: Callable[[Cell], Cell]) -> Cell:
    """A text that a spreadsheet would take for a formula gets an apostrophe; an empty one is written as none.

    `code` is the code point of a text's first character. What counts is the first behind any apostrophes, so that a text that
    begins as a guarded one does gets one more: whoever reads the file takes one apostrophe off such a text (`unguarded`) and
    has exactly what was written. Most begin with a letter, and are looked at no further.
    """
    quote = literal_column("''''", Text)
    behind = code(func.ltrim(value, quote))
    risky = and_(
        code(value) <= literal_column(str(max(FORMULA))), behind.in_([literal_column(str(one)) for one in FORMULA])
    )
    return func.nullif(case((risky, quote + value), else_=value), _literal(""))
