"""Rows of a file as what they ask for: the very specifications that forms and scripts make, with all that is wrong, by line.

A charge or payment has its id from the file, or made of a key of the file's own, or of the file's content and the row's number:
the same row of the same file always has the same id, so that importing a file again changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final, cast
from uuid import UUID, uuid5

from billing_admin.domain.charges import ONE, ChargeSpec
from billing_admin.domain.errors import DomainError, Invalid, Problem
from billing_admin.domain.imports.cells import CellType, cell_reader, read_cell, shorten
from billing_admin.domain.imports.fields import IMPORT_KINDS, ImportField, ImportPlan
from billing_admin.domain.master_data import CustomerFields, ServiceFields
from billing_admin.domain.money import multiply, plain_decimal
from billing_admin.domain.payments import OLDEST, WRITE_OFF, AllocationRequest, AllocationSpec, PaymentSpec

IMPORT_NAMESPACE: Final = UUID("6f1f1d5e-0c53-5d0e-9d53-6b7b2a5c1e90")
MAX_ROWS_PER_SERVICE = 500  # rows that may together be one service
_PRICE = ("currency", "unit_price", "includes_tax")
_CHARGE_STATES = ("pending", "held", "billed", "cancelled")
_PAYMENT_STATES = ("recorded", "reversed")


@dataclass(frozen=True, slots=True)
class Record:
    """A row: the line on which it begins (from 1), its number among the rows below the header (from 0), its cells."""

    line: int
    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong: where, what stands there, and how to mend it."""

    line: int
    column: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class RowRequest:
    """What one row, or the rows of one service, ask for.

    `key` must be the file's only one; it is empty where the row's number makes it so. `beside` is what the specification has no
    place for: whether a customer or service is archived, why a charge is to be held.
    """

    record: Record
    rows: int
    key: str
    spec: Any
    beside: Any = None


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What came of a row: something asked for, or nothing because it is left out, or because of errors."""

    rows: int
    asked: RowRequest | None
    errors: Sequence[RowError] = ()


class RowReader:
    """Reads the rows of one file by its plan."""

    def __init__(self, kind: str, plan: ImportPlan, sha256: str) -> None:
        self.kind, self.plan, self._sha256 = kind, plan, sha256
        fields = IMPORT_KINDS[kind].fields
        self._columns = [
            (plan.columns[name], one, cell_reader(one.cell)) for name, one in fields.items() if name in plan.columns
        ]
        self._make = partial(_MAKERS[kind], self)

    def read(self, records: Sequence[Record]) -> ReadResult:
        """One row; of services all rows of one code."""
        errors = [error for record in records if (error := self._ragged(record))]
        if not errors:
            try:
                return ReadResult(len(records), self._make(records))
            except _Wrong as wrong:
                errors = wrong.errors
            except DomainError as refusal:
                errors = self.errors(records[0], refusal.problems)
        return ReadResult(len(records), None, errors)

    def _ragged(self, record: Record) -> RowError | None:
        cells, columns = len(record.cells), len(self.plan.header)
        if cells == columns:
            return None
        said = f"This row has {cells} cells where the header has {columns}. Put quotes around a cell that holds a delimiter."
        return RowError(record.line, "", shorten(record.cells[-1]), said)

    def values(self, record: Record) -> dict[str, Any]:
        """The value of each field that has a column, None for a blank cell. Raises _Wrong with every cell that cannot be read."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        written = self.plan.written
        for place, field, read_value in self._columns:
            cell = record.cells[place]
            try:
                values[field.name] = None if not cell or cell.isspace() else read_value(cell, written)
            except Invalid as refusal:
                problems += [Problem(one.code, one.message, (field.name,)) for one in refusal.problems]
            else:
                if values[field.name] is None and field.required:
                    problems.append(Problem("missing", f"Enter the {field.label.lower()}.", (field.name,)))
        if problems:
            raise _Wrong(self.errors(record, problems))
        return values

    def errors(self, record: Record, problems: Sequence[Problem]) -> list[RowError]:
        """Problems of a row, each with the column and the cell that it is about, where there is one."""
        return [self._error(record, problem) for problem in problems]

    def _error(self, record: Record, problem: Problem) -> RowError:
        word = next((part for part in problem.field if isinstance(part, str)), "")
        name = next((one for one in (word, *_SAID_BY.get(word, ())) if one in self.plan.columns), None)
        if name is None:
            return RowError(record.line, "", "", problem.message)
        return RowError(
            record.line, self.plan.column(name), shorten(record.cells[self.plan.columns[name]]), problem.message
        )

    def id(self, record: Record, values: dict[str, Any]) -> tuple[UUID, str]:
        """A row's id, and the key that no other row of the file may have. Raises Invalid where the column is empty."""
        given, key = values.pop("id", None), values.pop("key", None)
        for name, value in (("id", given), ("key", key)):
            if value is None and name in self.plan.columns:
                raise Invalid("missing", "Enter one: without it the row could come in twice.", name)
        if given is not None:
            return given, str(given)
        if key is not None:
            return uuid5(IMPORT_NAMESPACE, f"{self.kind}/key/{key}"), key
        return uuid5(IMPORT_NAMESPACE, f"{self.kind}/file/{self._sha256}/{record.number}"), ""


class _Wrong(Exception):
    def __init__(self, errors: list[RowError]) -> None:
        super().__init__()
        self.errors = errors


# Where a problem's own field has no column, it is shown at one of these.
_SAID_BY: Mapping[str, Sequence[str]] = {
    "id": ("key",),
    "prices": ("unit_price",),
    "prices_include_tax": ("includes_tax",),
    "unit_price": ("amount", "service"),
    "service": ("description",),
}


def _fields(values: Mapping[str, Any], fields: Mapping[str, ImportField]) -> dict[str, Any]:
    """What is said: a blank cell says nothing at all, or, of some fields, that there is nothing."""
    said = {}
    for name, value in values.items():
        if value is not None:
            said[name] = value
        elif fields[name].said:
            said[name] = None if fields[name].cell is CellType.WHOLE else ""
    return said


def _customer(reader: RowReader, records: Sequence[Record]) -> RowRequest:
    (record,) = records
    said = _fields(reader.values(record), IMPORT_KINDS["customers"].fields)
    beside = said.pop("id", None), said.pop("archived", None)
    return RowRequest(record, 1, said["reference"], cast("CustomerFields", said), beside)


def _service(reader: RowReader, records: Sequence[Record]) -> RowRequest:
    first, values, errors = records[0], [], []
    for record in records:
        try:
            values.append(reader.values(record))
        except _Wrong as wrong:
            errors += wrong.errors
            continue
        differs = [name for name, value in values[-1].items() if name not in _PRICE and value != values[0][name]]
        said = f"Line {first.line} says otherwise: rows of one service differ in currency, price and tax alone."
        errors += reader.errors(record, [Problem("differs", said, (name,)) for name in differs])
    if not errors:
        errors = [
            error
            for record, price in zip(records, values, strict=True)
            for error in _price_errors(reader, record, price)
        ]
    currencies = [price.get("currency") for price in values if price.get("currency")]
    twice = next((n for n, code in enumerate(currencies) if code in currencies[:n]), None)
    if not errors and twice is not None:
        said = f"There is a price in {currencies[twice]} already: leave one of them out."
        errors = reader.errors(records[twice], [Problem("price_twice", said, ("currency",))])
    if errors:
        raise _Wrong(errors)
    said_of = _fields(
        {name: one for name, one in values[0].items() if name not in _PRICE}, IMPORT_KINDS["services"].fields
    )
    beside = said_of.pop("id", None), said_of.pop("archived", None)
    return RowRequest(
        first, len(records), said_of["code"], cast("ServiceFields", said_of | _prices(reader, values)), beside
    )


def _price_errors(reader: RowReader, record: Record, price: Mapping[str, Any]) -> list[RowError]:
    currency, unit_price = price.get("currency"), price.get("unit_price")
    if (currency is None) == (unit_price is None):
        return []
    name, said = ("currency", "the currency of the price") if currency is None else ("unit_price", "the price")
    return reader.errors(record, [Problem("missing", f"Enter {said}.", (name,))])


def _prices(reader: RowReader, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    priced = [price for price in values if price.get("currency")]
    said: dict[str, Any] = {}
    if "unit_price" in reader.plan.columns:
        said["prices"] = {price["currency"]: price["unit_price"] for price in priced}
    if "includes_tax" in reader.plan.columns:
        said["prices_include_tax"] = [price["currency"] for price in priced if price["includes_tax"]]
    return said


def _charge(reader: RowReader, records: Sequence[Record]) -> RowRequest | None:
    (record,) = records
    values = reader.values(record)
    status, reason = _state(values, _CHARGE_STATES), values.pop("status_reason", None)
    if status == "cancelled" or (status == "billed" and not reader.plan.settled):
        return None
    id, key = reader.id(record, values)
    if values.get("unit_price") is not None and values.get("amount") is not None:
        quantity = values.get("quantity")
        _check_amount(ONE if quantity is None else quantity, values["unit_price"], values.pop("amount"))
    return RowRequest(
        record, 1, key, ChargeSpec(**values, id=id), (reason or "Held in the file") if status == "held" else None
    )


def _state(values: dict[str, Any], known: Sequence[str]) -> str:
    status: str = values.pop("status", None) or known[0]
    if status not in known:
        raise Invalid("unknown_status", f"Use one of {', '.join(known)}, or leave it empty.", "status")
    return status


def _check_amount(quantity: Decimal, unit_price: Decimal, amount: Decimal) -> None:
    product = multiply(quantity, unit_price, "quantity")
    if product != amount:
        said = (
            f"Quantity times unit price is {plain_decimal(product)}: mend it, or take in only one of the two columns."
        )
        raise Invalid("other_amount", said, "amount")


def _payment(reader: RowReader, records: Sequence[Record]) -> RowRequest | None:
    (record,) = records
    values = reader.values(record)
    status = _state(values, _PAYMENT_STATES)
    method = values.pop("method", None) or reader.plan.method
    if status == "reversed" or method == WRITE_OFF:
        return None
    id, key = reader.id(record, values)
    said = values.pop("allocate", None) or reader.plan.allocate
    spec = PaymentSpec(**values, method=method, allocate=_allocate(said, values["amount"], reader), id=id)
    return RowRequest(record, 1, key, spec)


def _allocate(said: str, amount: Decimal, reader: RowReader) -> AllocationRequest:
    """`oldest`, `none`, an invoice that all of it is for, or `INV-1 = 100.00; INV-2 = 19.00`."""
    if said.lower() == OLDEST:
        return OLDEST
    if said.lower() == "none":
        return ()
    parts = [part.strip() for part in said.split(";") if part.strip()]
    return tuple(_allocation(part, amount if len(parts) == 1 else None, reader) for part in parts)


def _allocation(part: str, whole: Decimal | None, reader: RowReader) -> AllocationSpec:
    invoice, equals, amount = (word.strip() for word in part.partition("="))
    try:
        found = read_cell(CellType.NUMBER, amount, reader.plan.written) if equals else whole
    except Invalid as refusal:
        raise Invalid(refusal.code, refusal.message, "allocate") from None
    if found is None:
        raise Invalid(
            "missing", f"Say how much is for {shorten(invoice)}, as in {shorten(invoice)} = 100.00.", "allocate"
        )
    return AllocationSpec(invoice, found)


_MAKERS: Final[Mapping[str, Callable[[RowReader, Sequence[Record]], RowRequest | None]]] = {
    "customers": _customer,
    "services": _service,
    "charges": _charge,
    "payments": _payment,
}
