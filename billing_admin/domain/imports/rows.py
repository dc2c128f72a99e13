"""Rows of imported files as requests, or as errors by line.

The requests are the same specs as those of forms and scripts. The id of a charge or payment comes from the
file, or is derived from the row's own key, or from the file's SHA-256 and the row's number. The same row of
the same file always has the same id, so that importing a file again changes nothing.
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

# Frozen: the ids of imported charges and payments are derived from it.
IMPORT_NAMESPACE: Final = UUID("6f1f1d5e-0c53-5d0e-9d53-6b7b2a5c1e90")
MAX_ROWS_PER_SERVICE = 500
_PRICE = ("currency", "unit_price", "includes_tax")
_CHARGE_STATES = ("pending", "held", "billed", "cancelled")
_PAYMENT_STATES = ("recorded", "reversed")


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a file: its first line, its number and its cells.

    Lines are counted from 1, numbers from 0 below the header.
    """

    line: int
    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class RowError:
    """An error in a row: the line, the column, the cell's value, and how to fix it."""

    line: int
    column: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class RowRequest:
    """The request of a row, or of the rows of one service.

    `key` must be unique in the file; it is empty if the id is derived from the row's number. `extra`
    has values that the spec has no field for: id and archived of a customer or service, or the reason
    for holding a charge.
    """

    record: Record
    rows: int
    key: str
    spec: Any
    extra: Any = None


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The result of reading rows: a request or errors.

    The request is None if the rows are left out or have errors.
    """

    rows: int
    request: RowRequest | None
    errors: Sequence[RowError] = ()


class RowReader:
    """Reads the rows of a file by its plan."""

    def __init__(self, kind: str, plan: ImportPlan, sha256: str) -> None:
        self.kind, self.plan, self._sha256 = kind, plan, sha256
        fields = IMPORT_KINDS[kind].fields
        # For each mapped field: its column, the field, and the function that reads its cells.
        self._columns = [
            (plan.columns[name], field, cell_reader(field.cell))
            for name, field in fields.items()
            if name in plan.columns
        ]
        self._parse = partial(_PARSERS[kind], self)

    def read(self, records: Sequence[Record]) -> ReadResult:
        """Return the request or the errors of a row, or of all rows of one service."""
        errors = [error for record in records if (error := self._cell_count_error(record))]
        if not errors:
            try:
                return ReadResult(len(records), self._parse(records))
            except _RowErrors as refusal:
                errors = refusal.errors
            except DomainError as refusal:
                errors = self.errors(records[0], refusal.problems)
        return ReadResult(len(records), None, errors)

    def _cell_count_error(self, record: Record) -> RowError | None:
        cells, columns = len(record.cells), len(self.plan.header)
        if cells == columns:
            return None
        message = f"This row has {cells} cells, but the header has {columns}. Put quotes around cells that contain the delimiter."
        return RowError(record.line, "", shorten(record.cells[-1]), message)

    def values(self, record: Record) -> dict[str, Any]:
        """Return the value of each mapped field, None for a blank cell.

        Raises:
            _RowErrors: Cells cannot be read, or required cells are blank.
        """
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        cell_format = self.plan.written
        for column, field, read_value in self._columns:
            cell = record.cells[column]
            try:
                values[field.name] = None if not cell or cell.isspace() else read_value(cell, cell_format)
            except Invalid as refusal:
                problems += [Problem(problem.code, problem.message, (field.name,)) for problem in refusal.problems]
            else:
                if values[field.name] is None and field.required:
                    problems.append(Problem("missing", f"Enter the {field.label.lower()}.", (field.name,)))
        if problems:
            raise _RowErrors(self.errors(record, problems))
        return values

    def errors(self, record: Record, problems: Sequence[Problem]) -> list[RowError]:
        """Return the errors of a row, each with its column and cell if it has one."""
        return [self._error(record, problem) for problem in problems]

    def _error(self, record: Record, problem: Problem) -> RowError:
        field = next((part for part in problem.field if isinstance(part, str)), "")
        name = next((name for name in (field, *_RELATED_FIELDS.get(field, ())) if name in self.plan.columns), None)
        if name is None:
            return RowError(record.line, "", "", problem.message)
        return RowError(
            record.line, self.plan.column(name), shorten(record.cells[self.plan.columns[name]]), problem.message
        )

    def id(self, record: Record, values: dict[str, Any]) -> tuple[UUID, str]:
        """Return the id of a row, and the key that must be unique in the file.

        Raises:
            Invalid: The cell of the id or key is blank.
        """
        id, key = values.pop("id", None), values.pop("key", None)
        for name, value in (("id", id), ("key", key)):
            if value is None and name in self.plan.columns:
                raise Invalid("missing", "Enter a value: without it, the row could be imported twice.", name)
        if id is not None:
            return id, str(id)
        # Frozen: the texts below are hashed into the ids of stored charges and payments.
        if key is not None:
            return uuid5(IMPORT_NAMESPACE, f"{self.kind}/key/{key}"), key
        return uuid5(IMPORT_NAMESPACE, f"{self.kind}/file/{self._sha256}/{record.number}"), ""


class _RowErrors(Exception):
    def __init__(self, errors: list[RowError]) -> None:
        super().__init__()
        self.errors = errors


# The fields at which a problem is shown if its own field has no column.
_RELATED_FIELDS: Mapping[str, Sequence[str]] = {
    "id": ("key",),
    "prices": ("unit_price",),
    "prices_include_tax": ("includes_tax",),
    "unit_price": ("amount", "service"),
    "service": ("description",),
}


def _present_fields(values: Mapping[str, Any], fields: Mapping[str, ImportField]) -> dict[str, Any]:
    """Return the fields to change.

    A blank cell changes nothing, or clears a field that can be cleared.
    """
    present = {}
    for name, value in values.items():
        if value is not None:
            present[name] = value
        elif fields[name].clearable:
            present[name] = None if fields[name].cell is CellType.WHOLE else ""
    return present


def _customer(reader: RowReader, records: Sequence[Record]) -> RowRequest:
    (record,) = records
    fields = _present_fields(reader.values(record), IMPORT_KINDS["customers"].fields)
    extra = fields.pop("id", None), fields.pop("archived", None)
    return RowRequest(record, 1, fields["reference"], cast("CustomerFields", fields), extra)


def _service(reader: RowReader, records: Sequence[Record]) -> RowRequest:
    first, values, errors = records[0], [], []
    for record in records:
        try:
            values.append(reader.values(record))
        except _RowErrors as refusal:
            errors += refusal.errors
            continue
        differences = [name for name, value in values[-1].items() if name not in _PRICE and value != values[0][name]]
        message = (
            f"Enter the same value as in line {first.line}: rows of one service may differ only in currency, price"
            " and tax."
        )
        errors += reader.errors(record, [Problem("differs", message, (name,)) for name in differences])
    if not errors:
        errors = [
            error
            for record, price in zip(records, values, strict=True)
            for error in _price_errors(reader, record, price)
        ]
    currencies = [price.get("currency") for price in values if price.get("currency")]
    duplicate = next((index for index, code in enumerate(currencies) if code in currencies[:index]), None)
    if not errors and duplicate is not None:
        message = f"Remove this price: an earlier row has a price in {currencies[duplicate]}."
        errors = reader.errors(records[duplicate], [Problem("price_twice", message, ("currency",))])
    if errors:
        raise _RowErrors(errors)
    fields = _present_fields(
        {name: value for name, value in values[0].items() if name not in _PRICE}, IMPORT_KINDS["services"].fields
    )
    extra = fields.pop("id", None), fields.pop("archived", None)
    spec = cast("ServiceFields", fields | _prices(reader, values))
    return RowRequest(first, len(records), fields["code"], spec, extra)


def _price_errors(reader: RowReader, record: Record, price: Mapping[str, Any]) -> list[RowError]:
    currency, unit_price = price.get("currency"), price.get("unit_price")
    if (currency is None) == (unit_price is None):
        return []
    name, noun = ("currency", "the currency of the price") if currency is None else ("unit_price", "the price")
    return reader.errors(record, [Problem("missing", f"Enter {noun}.", (name,))])


def _prices(reader: RowReader, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    priced = [price for price in values if price.get("currency")]
    fields: dict[str, Any] = {}
    if "unit_price" in reader.plan.columns:
        fields["prices"] = {price["currency"]: price["unit_price"] for price in priced}
    if "includes_tax" in reader.plan.columns:
        fields["prices_include_tax"] = [price["currency"] for price in priced if price["includes_tax"]]
    return fields


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


def _state(values: dict[str, Any], states: Sequence[str]) -> str:
    status: str = values.pop("status", None) or states[0]
    if status not in states:
        raise Invalid("unknown_status", f"Use one of {', '.join(states)}, or leave it blank.", "status")
    return status


def _check_amount(quantity: Decimal, unit_price: Decimal, amount: Decimal) -> None:
    product = multiply(quantity, unit_price, "quantity")
    if product != amount:
        message = (
            f"Quantity × unit price is {plain_decimal(product)}. Correct the amount, or do not import one of the two"
            " columns."
        )
        raise Invalid("other_amount", message, "amount")


def _payment(reader: RowReader, records: Sequence[Record]) -> RowRequest | None:
    (record,) = records
    values = reader.values(record)
    status = _state(values, _PAYMENT_STATES)
    method = values.pop("method", None) or reader.plan.method
    if status == "reversed" or method == WRITE_OFF:
        return None
    id, key = reader.id(record, values)
    text = values.pop("allocate", None) or reader.plan.allocate
    spec = PaymentSpec(**values, method=method, allocate=_allocate(text, values["amount"], reader), id=id)
    return RowRequest(record, 1, key, spec)


def _allocate(text: str, amount: Decimal, reader: RowReader) -> AllocationRequest:
    """Return the allocation that a cell asks for.

    The cell has `oldest`, `none`, an invoice that gets the whole amount, or `INV-1 = 100.00; INV-2 =
    19.00`.
    """
    if text.lower() == OLDEST:
        return OLDEST
    if text.lower() == "none":
        return ()
    parts = [part.strip() for part in text.split(";") if part.strip()]
    return tuple(_allocation(part, amount if len(parts) == 1 else None, reader) for part in parts)


def _allocation(part: str, whole_amount: Decimal | None, reader: RowReader) -> AllocationSpec:
    invoice, equals, text = (word.strip() for word in part.partition("="))
    try:
        amount = read_cell(CellType.NUMBER, text, reader.plan.written) if equals else whole_amount
    except Invalid as refusal:
        raise Invalid(refusal.code, refusal.message, "allocate") from None
    if amount is None:
        message = f"Enter the amount for {shorten(invoice)}, as in {shorten(invoice)} = 100.00."
        raise Invalid("missing", message, "allocate")
    return AllocationSpec(invoice, amount)


_PARSERS: Final[Mapping[str, Callable[[RowReader, Sequence[Record]], RowRequest | None]]] = {
    "customers": _customer,
    "services": _service,
    "charges": _charge,
    "payments": _payment,
}
