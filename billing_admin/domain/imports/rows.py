"""Rows of imported files as requests, or as errors by line.

The requests are the same specs as those of forms and scripts. The id of a charge or payment comes from the
file, or is derived from the row's own key, or from the file's SHA-256 and the row's number. The same row of
the same file always has the same id, so that importing a file again changes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast
from uuid import UUID, uuid5

from billing_admin.domain.charges import ONE, ChargeSpec
from billing_admin.domain.customer_fields import COLUMN_PREFIX
from billing_admin.domain.days import FIRST_DAY
from billing_admin.domain.errors import DomainError, Invalid, Problem
from billing_admin.domain.formatting import format_day
from billing_admin.domain.imports.cells import (
    CellReader,
    CellType,
    cell_reader,
    read_cell,
    refuse_spreadsheet_error,
    shorten,
)
from billing_admin.domain.imports.fields import IMPORT_KINDS, ImportField, fields_of_kind
from billing_admin.domain.imports.plans import ImportPlan, read_constant
from billing_admin.domain.master_data import ContactFields, CustomerFields, ServiceFields
from billing_admin.domain.money import LONGEST_NUMBER, multiply, plain_decimal
from billing_admin.domain.opening_balances import OPENING_CREDIT, OpeningSpec
from billing_admin.domain.parties import ADDRESS_PARTS
from billing_admin.domain.payments import OLDEST, WRITE_OFF, AllocationRequest, AllocationSpec, PaymentSpec
from billing_admin.domain.prices import PriceSpec
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.domain.translation import Phrase

# Frozen: the ids of imported charges and payments are derived from it.
IMPORT_NAMESPACE: Final = UUID("6f1f1d5e-0c53-5d0e-9d53-6b7b2a5c1e90")
MAX_ROWS_PER_SERVICE = 500
_MAX_CACHED_VALUES = 10_000  # of a column: the same names, quantities, prices and days occur again and again
_MUTABLE = frozenset({CellType.ENTRIES, CellType.LABELS})  # values that are dictionaries or lists
_PRICE = frozenset({"currency", "unit_price", "includes_tax", "valid_from"})
_TOWN = ("postcode", "city", "region")
_PERIOD = frozenset(("period_from", "period_to", "period_of_days"))
_ORIGINALS = ("original_total", "original_tax")
_CHARGE_STATES = ("pending", "held", "billed", "cancelled")
_RECURRING_STATES = ("active", "paused", "ended")
_PAYMENT_STATES = ("recorded", "reversed")


class Record(NamedTuple):
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


class RowRequest(NamedTuple):
    """The request of a row, or of the rows of one service.

    `key` must be unique in the file; it is empty if the id is derived from the row's number. `extra`
    has values that the spec has no field for: id and archived of a customer or service and the dated
    prices of a service, or the reason for holding a charge. `failed` names the fields that have errors:
    the spec lacks them or has accepted values in their place. Such a request is only checked, never stored.
    """

    record: Record
    rows: int
    key: str
    spec: Any
    extra: Any = None
    failed: frozenset[str] = frozenset()


class ReadResult(NamedTuple):
    """The result of reading rows: a request or errors.

    The request is None if the rows are left out or have errors. `partial` is the request of rows with
    errors as far as they can be read: the check finds their further errors with it. `skipped` rows match
    a rule of the plan.
    """

    rows: int
    request: RowRequest | None
    errors: Sequence[RowError] = ()
    partial: RowRequest | None = None
    skipped: int = 0

    @property
    def left_out(self) -> int:
        """The number of rows that are left out because of their status."""
        return self.rows - self.skipped if self.request is None and not self.errors else 0


_NO_FIELDS: Final[frozenset[str]] = frozenset()


class _Row:
    """The values of a row by field, None for blank cells, and its problems.

    A value with a problem is None.
    """

    __slots__ = ("problems", "record", "values")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.values: dict[str, Any] = {}
        self.problems: list[Problem] = []

    @property
    def failed(self) -> frozenset[str]:
        """The fields that have problems."""
        if not self.problems:  # fast path: nearly all rows
            return _NO_FIELDS
        return frozenset(str(problem.field[0]) for problem in self.problems if problem.field)

    def fail(self, code: str, message: str, field: str) -> None:
        """Add a problem of a field."""
        self.problems.append(Problem(code, message, (field,)))
        if field in self.values:
            self.values[field] = None

    def try_to(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return the result of a function, or None and add its problems."""
        try:
            return function(*args)
        except DomainError as refusal:
            self.problems += refusal.problems
            return None

    def build(self, make: Callable[..., Any], values: dict[str, Any], placeholders: Mapping[str, Any]) -> Any:
        """Return a spec with placeholders for refused values, or None.

        Adds all problems for which values are refused.
        """
        if self.problems:
            values |= _accepted(self.failed, values, placeholders)
        while True:
            try:
                return make(**values)
            except Invalid as refusal:
                self.problems += refusal.problems
                fields = {str(problem.field[0]) for problem in refusal.problems}
                accepted = _accepted(fields, values, placeholders)
                if all(values.get(name) == value for name, value in accepted.items()):
                    return None
                values |= accepted


def _accepted(refused: Collection[str], values: Mapping[str, Any], placeholders: Mapping[str, Any]) -> dict[str, Any]:
    """Return accepted values for refused fields and the fields that depend on them.

    Those are all fields of a period, and the blank description of a charge without a service.
    """
    names = with_dependents(refused) & values.keys()
    if "service" in refused and values.get("description") is None:
        names.add("description")
    return {name: placeholders.get(name) for name in names}


def with_dependents(refused: Collection[str]) -> set[str]:
    """Return refused fields with those that cannot be checked without them."""
    return {
        *refused,
        *(_PERIOD if _PERIOD.intersection(refused) else ()),
        *(_ORIGINALS if "open_amount" in refused or "original_total" in refused else ()),
    }


class _Column(NamedTuple):
    """A field that has a column or a constant, and the values of cells that were read."""

    position: int | None
    name: str
    read: CellReader
    field: ImportField
    cached_values: dict[str, Any]
    is_cached: bool


class RowReader:
    """Reads the rows of a file by its plan."""

    def __init__(self, kind: str, plan: ImportPlan, sha256: str) -> None:
        self.kind, self.plan, self._sha256 = kind, plan, sha256
        fields = fields_of_kind(kind, plan.columns)
        self._columns = [
            _Column(plan.columns.get(name), name, cell_reader(field.cell), field, {}, field.cell not in _MUTABLE)
            for name, field in fields.items()
            if plan.fills(name)
        ]
        self._id_columns = [name for name in ("id", "key") if name in plan.columns]
        self._constants = {
            name: read_constant(fields[name], text, plan.written)
            for name, text in plan.constants.items()
            if name in fields
        }
        self._parse = _PARSERS[kind]

    def read(self, records: Sequence[Record]) -> ReadResult:
        """Return the request of a row, or of all rows of one service, and all errors."""
        count = len(records)
        if self.plan.skip:
            records = [record for record in records if not any(rule.matches(record.cells) for rule in self.plan.skip)]
            if not records:
                return ReadResult(count, None, skipped=count)
        skipped = count - len(records)
        columns = len(self.plan.header)
        surplus = [
            self._surplus_error(record)
            for record in records
            if len(record.cells) > columns and any(map(str.strip, record.cells[columns:]))
        ]
        if surplus:  # cells may be in wrong columns: further errors would mislead
            return ReadResult(count, None, surplus, skipped=skipped)
        rows = [self._read_row(record) for record in records]
        request = self._parse(self, rows)
        errors = tuple(error for row in rows if row.problems for error in self.errors(row.record, row.problems))
        if errors:
            return ReadResult(count, None, errors, request, skipped)
        return ReadResult(count, request, skipped=skipped)

    def _surplus_error(self, record: Record) -> RowError:
        """Return the error of a row with more cells than the header.

        Spreadsheets leave out blank cells at the end of a row, or add some, so these are no error.
        """
        columns = len(self.plan.header)
        message = Phrase(
            "This row has {cells_count} cells, but the header has {columns}. Put quotes around cells that "
            "contain the delimiter.",
            cells_count=len(record.cells),
            columns=columns,
        )
        return RowError(record.line, "", shorten(record.cells[-1]), message)

    def _read_row(self, record: Record) -> _Row:
        row = _Row(record)
        cells, count, values = record.cells, len(record.cells), row.values
        for position, name, read_value, field, cached_values, is_cached in self._columns:
            cell = cells[position] if position is not None and position < count else ""
            # A number of a workbook is read by no format, so its value may differ from that of an equal text.
            value = cached_values.get(cell) if type(cell) is str else None
            if value is None:
                value = self._read_cell(row, field, read_value, cell)
                if is_cached and value is not None and len(cell) <= LONGEST_NUMBER and type(cell) is str:
                    if len(cached_values) == _MAX_CACHED_VALUES:
                        cached_values.clear()
                    cached_values[cell] = value
            values[name] = value
        return row

    def _read_cell(self, row: _Row, field: ImportField, read_value: CellReader, cell: str) -> Any:
        """Return the value of a cell, or None.

        Adds a problem to the row for a wrong cell, and for a missing one that is required.
        """
        if cell and not cell.isspace():
            try:
                if cell[0] == "#":
                    refuse_spreadsheet_error(cell)
                return read_value(cell, self.plan.written)
            except Invalid as refusal:
                row.problems += [Problem(problem.code, problem.message, (field.name,)) for problem in refusal.problems]
                return None
        if field.name in self._constants:
            return self._constants[field.name]
        if field.required:
            row.fail("missing", Phrase("Enter the {field}.", field=field.label.lower()), field.name)
        return None

    def errors(self, record: Record, problems: Iterable[Problem]) -> list[RowError]:
        """Return the errors of a row, each with its column and cell if it has one."""
        return [self._error(record, problem) for problem in problems]

    def _error(self, record: Record, problem: Problem) -> RowError:
        field = next((part for part in problem.field if isinstance(part, str)), "")
        if field == "metadata":
            field = ".".join(map(str, problem.field))
        name = next((name for name in (field, *_RELATED_FIELDS.get(field, ())) if name in self.plan.columns), None)
        if name is None:
            # A field without a column is named by the header that a column of it would have.
            return RowError(record.line, field if field in IMPORT_KINDS[self.kind].fields else "", "", problem.message)
        cell = shorten(_cell(record, self.plan.columns[name]))
        return RowError(record.line, self.plan.column(name), cell, problem.message)

    def id(self, row: _Row) -> tuple[UUID | None, str]:
        """Return the id of a row, and the key that must be unique in the file.

        The id is None if the cell of the id or key is blank or wrong: that is a problem of the row.
        """
        id, key = row.values.pop("id", None), row.values.pop("key", None)
        for name in self._id_columns:
            if (id if name == "id" else key) is None:
                if name not in row.failed:
                    row.fail("missing", Phrase("Enter a value: without it, the row could be imported twice."), name)
                return None, ""
        if id is not None:
            return id, str(id)
        # Frozen: the texts below are hashed into the ids of stored charges and payments.
        if key is not None:
            return uuid5(IMPORT_NAMESPACE, f"{self.kind}/key/{key}"), key
        sheet = f"{self.plan.sheet}/" if self.plan.sheet else ""
        return uuid5(IMPORT_NAMESPACE, f"{self.kind}/file/{self._sha256}/{sheet}{row.record.number}"), ""


def _cell(record: Record, column: int) -> str:
    return record.cells[column] if column < len(record.cells) else ""


# The fields at which a problem is shown if its own field has no column.
_RELATED_FIELDS: Mapping[str, Sequence[str]] = {
    "id": ("key", "number"),
    "prices": ("unit_price",),
    "prices_include_tax": ("includes_tax",),
    "unit_price": ("amount", "service"),
    "service": ("description",),
    "address": ADDRESS_PARTS,
    "country": ("city", "postcode", "street", "address"),
    "delivery_country": ("delivery_city", "delivery_street"),
    "electronic_address": ("electronic_scheme",),
    "electronic_scheme": ("electronic_address",),
    "registration_id": ("registration_scheme",),
    "registration_scheme": ("registration_id",),
    "period_from": ("period_to", "period_of_days"),
    "period_to": ("period_from",),
}


def _present_fields(row: _Row, fields: Mapping[str, ImportField]) -> dict[str, Any]:
    """Return the fields to change.

    A blank cell changes nothing, or clears a field that can be cleared. Fields with problems are missing.
    """
    present = {}
    for name, value in row.values.items():
        if value is not None:
            present[name] = value
        elif fields[name].clearable and name not in row.failed:
            present[name] = _CLEARED.get(fields[name].cell, "")
    return present


_CLEARED: Mapping[CellType, Any] = {CellType.WHOLE: None, CellType.LABELS: []}


def _customer(reader: RowReader, rows: Sequence[_Row]) -> RowRequest:
    (row,) = rows
    _join_address(reader, row)
    fields = _present_fields(row, fields_of_kind("customers", row.values))
    names = [name for name in fields if name.startswith(COLUMN_PREFIX)]
    if names:
        fields["metadata"] = {name.removeprefix(COLUMN_PREFIX): fields.pop(name) for name in names}
    extra = fields.pop("id", None), fields.pop("archived", None)
    key = fields.get("reference", "")
    return RowRequest(row.record, 1, key, cast("CustomerFields", fields), extra, row.failed)


def _join_address(reader: RowReader, row: _Row) -> None:
    """Make one address of a row's cells.

    With a country it has parts, and a column that is called “Address” has the street. Without one the parts are joined to
    lines, as they are printed: postcode, city and region form one line, in the order of their columns, since files have
    them in the order that their country writes.
    """
    parts = {name: row.values.get(name) for name in ADDRESS_PARTS}
    if not any(parts.values()) or "country" in row.failed:
        return
    if parts["country"]:
        _split_address(row, any(parts[name] for name in ADDRESS_PARTS if name != "country"))
        return
    for name in ADDRESS_PARTS:
        row.values.pop(name, None)
    town = sorted((name for name in _TOWN if parts[name]), key=lambda name: reader.plan.columns[name])
    town_line = " ".join(str(parts[name]).strip() for name in town)
    lines = [row.values.get("address"), parts["street"], parts["street2"], town_line]
    row.values["address"] = "\n".join(line.strip() for line in lines if line) or None


def _split_address(row: _Row, has_parts: bool) -> None:
    """Make street and second line of the column “Address” of a file without streets.

    An address of more lines that has no parts stays a text; the country, as the file names it, is its last line.
    """
    address = row.values.get("address")
    if not address or "street" in row.values:
        return
    first, *following = [line.strip() for line in address.split("\n") if line.strip()]
    if has_parts or len(following) <= 1:
        row.values |= {"address": "", "street": first}
        row.values["street2"] = ", ".join(filter(None, (*following, row.values.get("street2"))))
    else:
        row.values["address"] = f"{address.rstrip()}\n{row.values['country'].strip()}"


def _service(reader: RowReader, rows: Sequence[_Row]) -> RowRequest:
    first, shared = rows[0], rows[0].values.keys() - _PRICE
    message = Phrase(
        "Enter the same value as in line {line}: rows of one service may differ only in currency, price,"
        " tax and the day from which the price is valid.",
        line=first.record.line,
    )
    for row in rows[1:]:
        for name in shared - row.failed - first.failed:
            if row.values[name] != first.values[name]:
                row.problems.append(Problem("differs", message, (name,)))
    prices: set[tuple[str, date | None]] = set()
    for row in rows:
        _check_price(reader, row, prices)
    failed = frozenset(name for row in rows for name in row.failed)
    fields = _present_fields(first, IMPORT_KINDS["services"].fields)
    fields = {name: value for name, value in fields.items() if name not in _PRICE}
    values = [] if failed.intersection(_PRICE) else [row.values for row in rows]
    dated = _dated_prices(values)
    extra = fields.pop("id", None), fields.pop("archived", None), dated
    if values and not dated:
        fields |= _prices(reader, values)
    return RowRequest(first.record, len(rows), fields.get("code", ""), cast("ServiceFields", fields), extra, failed)


def _check_price(reader: RowReader, row: _Row, prices: set[tuple[str, date | None]]) -> None:
    """Check that a row has a price with its currency, or none of both."""
    currency, unit_price, day = (row.values.get(name) for name in ("currency", "unit_price", "valid_from"))
    if row.failed.intersection(_PRICE):
        return
    if unit_price is None and "currency" in reader.plan.constants:
        row.values["currency"] = currency = None  # for all rows that have a price
    if currency is None and (unit_price is not None or day is not None):
        row.fail("missing", Phrase("Enter the currency of the price."), "currency")
    elif currency is not None and unit_price is None:
        row.fail("missing", Phrase("Enter the price."), "unit_price")
    elif (currency, day) in prices:
        message = (
            Phrase(
                "Remove this price: an earlier row has a price in {currency} from {day}.",
                currency=currency,
                day=format_day(day),
            )
            if day
            else Phrase("Remove this price: an earlier row has a price in {currency}.", currency=currency)
        )
        row.fail("price_twice", message, "currency")
    elif currency is not None:
        prices.add((currency, day))


def _dated_prices(values: Sequence[Mapping[str, Any]]) -> list[PriceSpec]:
    """Return the prices of a service if any has a first day.

    Such prices are added to the stored ones. Without a first day they replace the prices of today.
    """
    if not any(price.get("valid_from") for price in values):
        return []
    return [
        PriceSpec(price["currency"], price["unit_price"], price.get("valid_from"), price.get("includes_tax"))
        for price in values
        if price.get("currency")
    ]


def _prices(reader: RowReader, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    priced = [price for price in values if price.get("currency")]
    fields: dict[str, Any] = {}
    if "unit_price" in reader.plan.columns:
        fields["prices"] = {price["currency"]: price["unit_price"] for price in priced}
    if reader.plan.fills("includes_tax"):
        fields["prices_include_tax"] = [price["currency"] for price in priced if price["includes_tax"]]
    return fields


def _charge(reader: RowReader, rows: Sequence[_Row]) -> RowRequest | None:
    (row,) = rows
    values = row.values
    status, reason = row.try_to(_state, values, _CHARGE_STATES), values.pop("status_reason", None)
    if not row.problems and (status == "cancelled" or (status == "billed" and not reader.plan.settled)):
        return None
    id, key = reader.id(row)
    if values.get("unit_price") is not None or "unit_price" in row.failed:
        amount = values.pop("amount", None)
        if amount is not None and not row.failed & {"quantity", "unit_price"}:
            row.try_to(_check_amount, values.get("quantity"), values["unit_price"], amount)
    spec = row.build(ChargeSpec, {**values, "id": id}, _CHARGE_PLACEHOLDERS)
    if spec is None:
        return None
    return RowRequest(
        row.record, 1, key, spec, (reason or Phrase("Held in the file")) if status == "held" else None, row.failed
    )


# Accepted values, with which a row is checked further where its own have problems; None for other fields.
_CHARGE_PLACEHOLDERS: Mapping[str, Any] = {
    "customer": "",
    "description": "x",
    "quantity": ONE,
    "unit_price": ONE,
    "amount": ONE,
}
PAYMENT_PLACEHOLDERS: Final[Mapping[str, Any]] = {"customer": "", "amount": ONE, "method": "other", "allocate": ()}


def _state(values: dict[str, Any], states: Sequence[str]) -> str:
    status: str = values.pop("status", None) or states[0]
    if status not in states:
        raise Invalid(
            "unknown_status", Phrase("Use one of {states}, or leave it blank.", states=", ".join(states)), "status"
        )
    return status


def _check_amount(quantity: Decimal | None, unit_price: Decimal, amount: Decimal) -> None:
    product = multiply(ONE if quantity is None else quantity, unit_price, "quantity")
    if product != amount:
        message = Phrase(
            "Quantity × unit price is {product}. Correct the amount, or do not import one of the two columns.",
            product=plain_decimal(product),
        )
        raise Invalid("other_amount", message, "amount")


def _payment(reader: RowReader, rows: Sequence[_Row]) -> RowRequest | None:
    (row,) = rows
    values = row.values
    status = row.try_to(_state, values, _PAYMENT_STATES)
    method = values.pop("method", None) or reader.plan.method
    if not row.problems and (status == "reversed" or method in {WRITE_OFF, OPENING_CREDIT}):
        return None
    id, key = reader.id(row)
    text = values.pop("allocate", None) or reader.plan.allocate
    allocate = row.try_to(_allocate, text, values.get("amount"), reader)
    values |= {"method": method, "allocate": () if allocate is None else allocate, "id": id}
    spec = row.build(PaymentSpec, values, PAYMENT_PLACEHOLDERS)
    return None if spec is None else RowRequest(row.record, 1, key, spec, failed=row.failed)


def _allocate(text: str, amount: Decimal | None, reader: RowReader) -> AllocationRequest:
    """Return the allocation that a cell asks for.

    The cell has `oldest`, `none`, an invoice that gets the whole amount, or `INV-1 = 100.00; INV-2 =
    19.00`.
    """
    if text.lower() == OLDEST:
        return OLDEST
    if text.lower() == "none":
        return ()
    parts = [part.strip() for part in text.split(";") if part.strip()]
    whole_amount = (ONE if amount is None else amount) if len(parts) == 1 else None
    return tuple(_allocation(part, whole_amount, reader) for part in parts)


def _allocation(part: str, whole_amount: Decimal | None, reader: RowReader) -> AllocationSpec:
    invoice, equals, text = (word.strip() for word in part.partition("="))
    try:
        amount = read_cell(CellType.NUMBER, text, reader.plan.written) if equals else whole_amount
    except Invalid as refusal:
        raise Invalid(refusal.code, refusal.message, "allocate") from None
    if amount is None:
        message = Phrase("Enter the amount for {shorten}, as in {shorten} = 100.00.", shorten=shorten(invoice))
        raise Invalid("missing", message, "allocate")
    return AllocationSpec(invoice, amount)


def _contact(_reader: RowReader, rows: Sequence[_Row]) -> RowRequest:
    (row,) = rows
    fields = _present_fields(row, IMPORT_KINDS["contacts"].fields)
    extra = fields.pop("id", None), fields.pop("customer", None)
    key = f"{extra[1]} {fields.get('email', '').casefold()}"
    return RowRequest(row.record, 1, key, cast("ContactFields", fields), extra, row.failed)


# Accepted values of opening balances; a placeholder for the day of the document is before every cut-over day.
OPENING_PLACEHOLDERS: Final[Mapping[str, Any]] = {
    "customer": "",
    "number": "x",
    "original_date": FIRST_DAY,
    "open_amount": ONE,
}


def _opening_balance(reader: RowReader, rows: Sequence[_Row]) -> RowRequest | None:
    (row,) = rows
    values = row.values
    is_named = "id" in reader.plan.columns or "key" in reader.plan.columns
    id, key = reader.id(row)
    spec = row.build(OpeningSpec, {**values, "id": id}, OPENING_PLACEHOLDERS)
    if spec is None:
        return None
    # Without an id of its own, a row is recognised by its customer and number.
    return RowRequest(row.record, 1, key or f"{spec.customer} {spec.number}", spec, is_named, row.failed)


RECURRING_PLACEHOLDERS: Final[Mapping[str, Any]] = {
    "customer": "",
    "service": "",
    "interval": "monthly",
    "starts_on": FIRST_DAY,
}


def _recurring_charge(reader: RowReader, rows: Sequence[_Row]) -> RowRequest | None:
    """Return the request of a recurring charge; one that has ended is left out."""
    (row,) = rows
    values = row.values
    status = row.try_to(_state, values, _RECURRING_STATES)
    if not row.problems and status == "ended":
        return None
    id, key = reader.id(row)
    spec = row.build(RecurringChargeSpec, {**values, "id": id}, RECURRING_PLACEHOLDERS)
    return None if spec is None else RowRequest(row.record, 1, key, spec, status == "paused", row.failed)


_PARSERS: Final[Mapping[str, Callable[[RowReader, Sequence[_Row]], RowRequest | None]]] = {
    "customers": _customer,
    "services": _service,
    "charges": _charge,
    "payments": _payment,
    "contacts": _contact,
    "opening-balances": _opening_balance,
    "recurring-charges": _recurring_charge,
}
