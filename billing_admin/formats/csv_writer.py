"""CSV files of any size, written in constant memory.

The format is RFC 4180 with CRLF, UTF-8, ISO dates and plain decimals. The database turns every cell into
text, so that no value passes through Python. PostgreSQL writes the rows itself (COPY); on SQLite, the csv
module does. Frozen: the same data gives the same bytes on both, and control totals hash them.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, literal_column, null, or_, text, type_coerce
from sqlalchemy.orm import Session

from billing_admin.db.errors import driver_errors
from billing_admin.domain.imports.cells import FORMULA_CHARACTERS, FORMULA_RULE
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.queries.exports import Column, Export, Filters, Kind, export as rows_of

BOM = b"\xef\xbb\xbf"
BLOCK_ROWS = 2_000

Cell = ColumnElement[Any]


def export_csv(
    session: Session,
    kind: str,
    filters: Filters,
    excel: bool = False,
    formula_rule: int = FORMULA_RULE,
    sort: str = "",
) -> Iterator[bytes]:
    """Yield the parts of a file of a kind; `excel` begins it with a byte order mark.

    `formula_rule` is the version of the rule that escapes texts, `sort` that of a list.

    Errors are raised by the iterator, so that an incomplete file is never taken for a complete code_point.
    """
    yield from write_csv(session, rows_of(session, kind, filters, sort), excel, formula_rule)


def write_csv(
    session: Session, export: Export, excel: bool = False, formula_rule: int = FORMULA_RULE
) -> Iterator[bytes]:
    """Yield the parts of a file.

    The first part has rows, so it needs the database's answer.
    """
    header = (BOM if excel else b"") + (",".join(column.name for column in export.columns) + "\r\n").encode()
    if session.get_bind().dialect.name == "postgresql":
        parts = _copied(session, _cells(export, export.rows, partial(_on_postgresql, formula_rule=formula_rule)))
    else:
        parts = _written(session, _cells(export, export.rows, partial(_on_sqlite, formula_rule=formula_rule)))
    yield header + next(parts, b"")
    yield from parts


def text_rows(session: Session, export: Export) -> Iterator[Sequence[str | None]]:
    """Yield the rows of an export for other formats than CSV.

    Cells are as in CSV, but texts have no apostrophes.
    """
    write = _on_postgresql if session.get_bind().dialect.name == "postgresql" else _on_sqlite

    def plainly(column: Column, currency: Cell) -> Cell:
        return column.value if column.kind is Kind.TEXT else write(column, currency)

    rows = _cells(export, export.rows, plainly).execution_options(yield_per=BLOCK_ROWS)
    with session.execute(rows) as result:
        for row in result:
            yield [None if value in {None, ""} else str(value) for value in row]


def _copied(session: Session, query: Select[Any]) -> Iterator[bytes]:
    """Yield rows of PostgreSQL's COPY with CRLF.

    COPY yields one row at a time, so that only the LF at a row's end is replaced.
    """
    session.execute(text("SET LOCAL datestyle = 'ISO'"))
    # By default, SQLAlchemy expands the values of IN only at execution.
    compiled = query.compile(dialect=session.get_bind().dialect, compile_kwargs={"render_postcompile": True})
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


def _cells(export: Export, rows: Select[Any], write: Callable[[Column, Cell], Cell]) -> Select[Any]:
    """Return the query with every cell as text, or null."""
    return rows.add_columns(
        *(
            write(column, export.currency if column.currency is None else column.currency).label(column.name)
            for column in export.columns
        )
    )


def _minor_digits(currency: Cell, write: Callable[[int], Cell]) -> Cell:
    """Return the expression that writes money with the digits of its currency.

    Most currencies have two.
    """
    codes: dict[int, list[str]] = {}
    for code, digits in MINOR_DIGITS.items():
        codes.setdefault(digits, []).append(code)
    cases = [
        (currency.in_([_literal(code) for code in codes[digits]]), write(digits)) for digits in codes if digits != 2
    ]
    return case(*cases, else_=write(2))


def _literal(word: str) -> ColumnElement[str]:
    """Return a constant word as SQL text; hundreds of bound parameters would be slow."""
    return literal_column(f"'{word}'")


def _as_text(value: Cell) -> Cell:
    return cast(value, Text)


def _on_postgresql(column: Column, currency: Cell, formula_rule: int = FORMULA_RULE) -> Cell:
    value = column.value
    match column.kind:
        case Kind.TEXT:
            return _guarded(value, func.ascii, formula_rule)
        case Kind.WORD | Kind.WHOLE | Kind.DAY:
            return _as_text(value)
        case Kind.EXACT:
            return _as_text(func.trim_scale(value))
        case Kind.MONEY:
            return _minor_digits(currency, lambda digits: _scaled(value, digits))
        case Kind.MOMENT:
            seconds = func.left(_as_text(func.timezone(literal_column("'UTC'"), value)), 19)
            return func.replace(seconds, _literal(" "), _literal("T")).op("||")(_literal("Z"))  # NULL stays NULL
        case Kind.FLAG:
            return _as_text(value)


def _scaled(minor: Cell, digits: int) -> Cell:
    """NUMERIC keeps the places of its factors: 1990 × 0.01 is 19.90."""
    factor = literal_column(f"{Decimal(1).scaleb(-digits):f}", minor.type)
    return _as_text(minor * factor if digits else minor)


def _on_sqlite(column: Column, currency: Cell, formula_rule: int = FORMULA_RULE) -> Cell:
    value = column.value
    match column.kind:
        case Kind.TEXT:
            return _guarded(value, func.unicode, formula_rule)
        case Kind.WORD | Kind.WHOLE | Kind.DAY | Kind.EXACT:
            return type_coerce(value, Text)
        case Kind.MONEY:
            return _minor_digits(currency, lambda digits: _pointed(value, digits))
        case Kind.MOMENT:
            return func.replace(func.substr(value, 1, 19), " ", "T") + "Z"
        case Kind.FLAG:
            return case((value.is_(None), null()), (value, "true"), else_="false")


def _pointed(minor: Cell, digits: int) -> Cell:
    """Return minor units as text in major units.

    The arithmetic is on integers, as SQLite's division gives a float.
    """
    if not digits:
        return minor
    scale = 10**digits
    sign = case((minor < 0, "-"), else_="")
    text = func.printf(f"%s%d.%0{digits}d", sign, func.abs(minor) // scale, func.abs(minor) % scale)
    return case((minor.is_not(None), text))


def _guarded(value: Cell, code: Callable[[Cell], Cell], formula_rule: int) -> Cell:
    """Return a text that no spreadsheet takes for a formula; null if it is empty.

    A text that looks like a formula gets an apostrophe. `code` returns the code point of a text's first
    character. The first character after any apostrophes decides, so that an escaped text gets one
    more and `cells.unescape_formula` returns every text unchanged. The first comparisons skip most
    texts, which begin with a letter.
    """
    quote = literal_column("''''", Text)
    behind = code(func.ltrim(value, quote))
    code_points: list[Cell] = [literal_column(str(ord(character))) for character in FORMULA_CHARACTERS[formula_rule]]
    may_be_risky = or_(code(value) <= literal_column("64"), code(value) >= literal_column("65280"))
    risky = and_(may_be_risky, behind.in_(code_points))
    return func.nullif(case((risky, quote + value), else_=value), _literal(""))
