"""The kinds of files that can be imported, their fields, and their plans.

A plan says how a file is read.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.imports.cells import CellFormat, CellType

ENCODINGS: Final[Mapping[str, str]] = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16 (Excel: “Unicode text”)",
    "windows-1252": "Windows-1252 (Western Europe)",
}
DELIMITERS: Final[Mapping[str, str]] = {"comma": ",", "semicolon": ";", "tab": "\t"}
MAX_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class ImportField:
    """A field that a column can be mapped to.

    `names` are names that other systems use. A blank cell of a `clearable` field clears it.
    """

    name: str
    label: str
    cell: CellType
    names: tuple[str, ...] = ()
    required: bool = False
    clearable: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class ImportKind:
    """A kind of file: its nouns, permission, fields and key field.

    The permission is the one that is needed to import the file.
    """

    title: str
    singular: str
    permission: str
    fields: Mapping[str, ImportField]
    key: str


def _fields(*fields: ImportField) -> Mapping[str, ImportField]:
    return {field.name: field for field in fields}


_ID = ImportField("id", "ID (UUID)", CellType.KEY, ("uuid",))
_KEY = ImportField(
    "key",
    "Your own key",
    CellType.NAME,
    ("unique_charge_id", "charge_id", "unique_id", "external_id", "event_id", "transaction_id", "row_id"),
    example="usage-2026-11-01-0001",
)
_CUSTOMER = ImportField(
    "customer",
    "Customer",
    CellType.NAME,
    ("customer_id", "customer_reference", "customer_ref", "client", "client_id", "account", "customer_number"),
    required=True,
    example="ACME",
)
_CURRENCY = ImportField("currency", "Currency", CellType.CODE, ("currency_code", "ccy"), example="EUR")
_ARCHIVED = ImportField("archived", "Archived", CellType.FLAG, ("inactive",), example="false")

IMPORT_KINDS: Final[Mapping[str, ImportKind]] = {
    "customers": ImportKind(
        "Customers",
        "customer",
        "customers:write",
        _fields(
            ImportField(
                "reference",
                "Reference",
                CellType.NAME,
                ("customer", "customer_id", "ref", "code", "customer_number", "account"),
                required=True,
                example="ACME",
            ),
            ImportField(
                "name", "Name", CellType.TEXT, ("customer_name", "company", "company_name"), True, example="ACME Inc"
            ),
            replace(_CURRENCY, required=True),
            ImportField(
                "email",
                "E-mail",
                CellType.TEXT,
                ("mail", "e_mail", "email_address"),
                clearable=True,
                example="pay@acme.example",
            ),
            ImportField(
                "address",
                "Address",
                CellType.LINES,
                ("billing_address",),
                clearable=True,
                example="1 Main Street\nSpringfield",
            ),
            ImportField("tax_id", "Tax ID", CellType.TEXT, ("vat_id", "vat_number", "vat"), clearable=True),
            ImportField("tax_treatment", "Tax treatment", CellType.WORD, example="standard"),
            ImportField(
                "payment_terms_days",
                "Payment terms in days",
                CellType.WHOLE,
                ("payment_terms", "terms", "net_days"),
                clearable=True,
                example="30",
            ),
            ImportField("notes", "Notes", CellType.LINES, ("note", "comment", "comments"), clearable=True),
            _ARCHIVED,
            _ID,
        ),
        "reference",
    ),
    "services": ImportKind(
        "Services",
        "service",
        "catalogue:write",
        _fields(
            ImportField(
                "code", "Code", CellType.NAME, ("service", "sku", "service_code"), True, example="GenericCompute"
            ),
            ImportField("name", "Name", CellType.TEXT, ("service_name", "title"), example="Generic compute"),
            ImportField("unit", "Unit", CellType.TEXT, ("unit_of_measure", "uom"), clearable=True, example="hour"),
            ImportField("tax_rate", "Tax rate", CellType.NAME, ("tax", "tax_code", "vat_rate")),
            ImportField("line_per_charge", "Each charge on its own invoice line", CellType.FLAG, example="false"),
            _CURRENCY,
            ImportField("unit_price", "Unit price", CellType.NUMBER, ("price", "list_price", "rate"), example="2.50"),
            ImportField(
                "includes_tax", "Price includes tax", CellType.FLAG, ("tax_included", "gross"), example="false"
            ),
            ImportField("revenue_account", "Revenue account", CellType.TEXT, ("account",), clearable=True),
            _ARCHIVED,
            _ID,
        ),
        "code",
    ),
    "charges": ImportKind(
        "Charges",
        "charge",
        "charges:write",
        _fields(
            _CUSTOMER,
            ImportField(
                "service",
                "Service",
                CellType.NAME,
                ("service_code", "sku", "product", "item"),
                example="GenericCompute",
            ),
            ImportField("description", "Description", CellType.TEXT, ("text", "name"), example="Compute in November"),
            ImportField(
                "quantity",
                "Quantity",
                CellType.NUMBER,
                ("qty", "units", "units_consumed", "usage", "count"),
                example="3",
            ),
            ImportField("unit_price", "Unit price", CellType.NUMBER, ("price", "rate"), example="2.50"),
            ImportField("amount", "Amount", CellType.NUMBER, ("total", "net", "value"), example="7.50"),
            _CURRENCY,
            ImportField(
                "incurred_on", "Day", CellType.DAY, ("day", "date", "usage_date", "charge_date"), example="2026-11-01"
            ),
            ImportField(
                "tax_included", "Price includes tax", CellType.FLAG, ("includes_tax", "gross"), example="false"
            ),
            ImportField("metadata", "Metadata (JSON)", CellType.ENTRIES),
            ImportField(
                "period_from",
                "First day of the period",
                CellType.DAY,
                ("period_start", "service_period_start", "service_from"),
                example="2026-11-01",
            ),
            ImportField(
                "period_to",
                "Last day of the period",
                CellType.DAY,
                ("period_end", "service_period_end", "service_to"),
                example="2026-11-30",
            ),
            ImportField("period_of_days", "Days of the whole period, if only some are charged", CellType.WHOLE),
            ImportField("status", "Status", CellType.WORD),
            ImportField("status_reason", "Reason for hold", CellType.TEXT),
            _KEY,
            _ID,
        ),
        "id",
    ),
    "payments": ImportKind(
        "Payments",
        "payment",
        "payments:write",
        _fields(
            _CUSTOMER,
            ImportField("amount", "Amount", CellType.NUMBER, ("value", "paid", "credit"), True, example="119.00"),
            _CURRENCY,
            ImportField(
                "received_on",
                "Received on",
                CellType.DAY,
                ("date", "day", "value_date", "booking_date", "payment_date"),
                example="2026-11-20",
            ),
            ImportField("method", "Method", CellType.WORD, ("payment_method",), example="bank_transfer"),
            ImportField(
                "reference", "Reference", CellType.TEXT, ("payment_reference", "purpose"), example="INV-2026-00001"
            ),
            ImportField(
                "allocate", "Invoices to pay", CellType.NAME, ("invoice", "invoices", "invoice_number"), example=""
            ),
            ImportField("status", "Status", CellType.WORD),
            _KEY,
            _ID,
        ),
        "id",
    ),
}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The plan by which a file is read: its header, columns, format and options.

    The columns are numbered from 0, by field. `written` is the format of its numbers and days. `update`
    changes existing objects that differ; without it they are refused. `settled` imports charges that the
    file calls billed as pending ones. `method` and `allocate` (`oldest`, `none`) are for payments without
    these cells. Imports store the plan as JSON under these names.
    """

    header: tuple[str, ...]
    columns: Mapping[str, int]
    encoding: str = "utf-8"
    delimiter: str = "comma"
    written: CellFormat = field(default_factory=CellFormat)
    update: bool = False
    settled: bool = False
    method: str = "bank_transfer"
    allocate: str = "none"

    def as_data(self) -> dict[str, Any]:
        """Return the plan as JSON values; imports store them."""
        return asdict(self) | {"header": list(self.header), "columns": dict(self.columns)}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "ImportPlan":
        """Return the plan of stored JSON values."""
        return cls(**{**data, "header": tuple(data["header"]), "written": CellFormat(**data["written"])})

    def column(self, name: str) -> str:
        """Return the name of the column of a field, or an empty text if it has none."""
        return column_name(self.header, self.columns[name]) if name in self.columns else ""


def column_name(header: Sequence[str], index: int) -> str:
    """Return the name of a column (from 0), or `(column 1)` and so on if it has none."""
    return header[index].strip() or f"(column {index + 1})"


def header_key(kind: str, header: Sequence[str]) -> str:
    """Return the key under which the last plan for files with this header is stored.

    Frozen: stored plans have these keys.
    """
    return hashlib.sha256(json.dumps([kind, *header]).encode()).hexdigest()


def check_header(header: Sequence[str]) -> None:
    """Raise Invalid if a header has too many columns, or two with the same name."""
    if len(header) > MAX_COLUMNS:
        raise Invalid("too_many_columns", f"Use at most {MAX_COLUMNS} columns: the header has {len(header):,}.")
    numbers: dict[str, int] = {}
    for number, name in enumerate(map(str.strip, header), 1):
        if name and numbers.setdefault(name, number) != number:
            raise Invalid(
                "column_twice",
                f"Columns {numbers[name]} and {number} are both named “{name[:40]}”. Give them different names.",
            )


def guess_columns(kind: str, header: Sequence[str]) -> dict[str, int]:
    """Return the column (from 0) of each field, guessed by name.

    Fields' own names are matched before labels and names of other systems. Each column is used once.
    """
    headings = [_normalise(name) for name in header]
    columns: dict[str, int] = {}
    fields = IMPORT_KINDS[kind].fields.values()
    own_names = [(import_field.name,) for import_field in fields]
    other_names = [(_normalise(import_field.label), *import_field.names) for import_field in fields]
    for candidates in (own_names, other_names):
        for import_field, names in zip(fields, candidates, strict=True):
            free = [index for index in range(len(headings)) if index not in columns.values()]
            index = next((index for name in names for index in free if headings[index] == name), None)
            if index is not None:
                columns.setdefault(import_field.name, index)
    if "id" in columns and "key" in columns:
        del columns["key"]
    return columns


def _normalise(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def check_plan(kind: str, plan: ImportPlan) -> None:
    """Check that a plan has columns for required fields, and not both id and key.

    Raises:
        Invalid: A required field has no column, or both id and key have one.
    """
    fields = IMPORT_KINDS[kind].fields
    problems = [
        Problem("missing", f"Choose the column for {field.label.lower()}.", (field.name,))
        for field in fields.values()
        if field.required and field.name not in plan.columns
    ]
    for name, needed, message in _NEEDED_TOGETHER.get(kind, ()):
        if name in plan.columns and needed not in plan.columns:
            problems.append(Problem("missing", message, (needed,)))
    if "id" in plan.columns and "key" in plan.columns:
        problems.append(Problem("two_ids", "Choose either the ID or your own key, not both.", ("key",)))
    if problems:
        raise Invalid.of(problems)


# For each kind: a mapped field, the field that it needs, and the message if that is not mapped.
_NEEDED_TOGETHER: Final = {
    "services": (
        ("unit_price", "currency", "Choose the column for the currency of the price."),
        ("currency", "unit_price", "Choose the column for the unit price, or do not import the currency."),
        ("includes_tax", "unit_price", "Choose the column for the unit price, or do not import “Price includes tax”."),
    ),
}
