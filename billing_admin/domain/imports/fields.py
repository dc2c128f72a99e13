"""What can be imported: the fields of each kind of file, which column is which, and how somebody decided to read a file."""

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
    """A field of ours that a column may fill; `names` are what others call it. A blank cell of a `said` field says: nothing."""

    name: str
    label: str
    cell: CellType
    names: tuple[str, ...] = ()
    required: bool = False
    said: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class ImportKind:
    """One kind of file: what it holds, who may import it, and the field that names a row within the file."""

    title: str
    one: str
    permission: str
    fields: Mapping[str, ImportField]
    key: str


def _fields(*fields: ImportField) -> Mapping[str, ImportField]:
    return {one.name: one for one in fields}


_ID = ImportField("id", "Id (UUID)", CellType.KEY, ("uuid",))
_KEY = ImportField(
    "key",
    "Key of your own",
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
                said=True,
                example="pay@acme.example",
            ),
            ImportField(
                "address",
                "Address",
                CellType.LINES,
                ("billing_address",),
                said=True,
                example="1 Main Street\nSpringfield",
            ),
            ImportField("tax_id", "Tax id", CellType.TEXT, ("vat_id", "vat_number", "vat"), said=True),
            ImportField("tax_treatment", "Tax treatment", CellType.WORD, example="standard"),
            ImportField(
                "payment_terms_days",
                "Payment terms, days",
                CellType.WHOLE,
                ("payment_terms", "terms", "net_days"),
                said=True,
                example="30",
            ),
            ImportField("notes", "Notes", CellType.LINES, ("note", "comment", "comments"), said=True),
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
            ImportField("unit", "Unit", CellType.TEXT, ("unit_of_measure", "uom"), said=True, example="hour"),
            ImportField("tax_rate", "Tax rate", CellType.NAME, ("tax", "tax_code", "vat_rate")),
            ImportField("line_per_charge", "A line for each charge", CellType.FLAG, example="false"),
            _CURRENCY,
            ImportField("unit_price", "Unit price", CellType.NUMBER, ("price", "list_price", "rate"), example="2.50"),
            ImportField(
                "includes_tax", "Price includes tax", CellType.FLAG, ("tax_included", "gross"), example="false"
            ),
            ImportField("revenue_account", "Revenue account", CellType.TEXT, ("account",), said=True),
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
            ImportField("status", "Status", CellType.WORD),
            ImportField("status_reason", "Why it is held", CellType.TEXT),
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
    """How a file is read: what stands in its header row, which column (from 0) is which field, and what was chosen beside.

    `update`: what exists and differs is changed, else refused. `settled`: charges that the file calls billed come in as
    pending ones. `method` and `allocate` (`oldest`, `none`) hold for payments that do not say.
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
        """As JSON keeps it."""
        return asdict(self) | {"header": list(self.header), "columns": dict(self.columns)}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "ImportPlan":
        """Of what `as_data` made."""
        return cls(**{**data, "header": tuple(data["header"]), "written": CellFormat(**data["written"])})

    def column(self, name: str) -> str:
        """What the file calls the column of a field."""
        return column_name(self.header, self.columns[name]) if name in self.columns else ""


def column_name(header: Sequence[str], place: int) -> str:
    """A column's name, or its number (from 1) where it has none."""
    return header[place].strip() or f"(column {place + 1})"


def header_key(kind: str, header: Sequence[str]) -> str:
    """What files of the same header row share."""
    return hashlib.sha256(json.dumps([kind, *header]).encode()).hexdigest()


def check_header(header: Sequence[str]) -> None:
    """Raise Invalid for a header row that no columns could be told apart by."""
    if len(header) > MAX_COLUMNS:
        raise Invalid("too_many_columns", f"The header has {len(header):,} columns; use at most {MAX_COLUMNS}.")
    places: dict[str, int] = {}
    for place, name in enumerate(map(str.strip, header), 1):
        if name and places.setdefault(name, place) != place:
            raise Invalid(
                "column_twice",
                f"Columns {places[name]} and {place} are both called “{name[:40]}”. Give each a name of its own.",
            )


def guess_columns(kind: str, header: Sequence[str]) -> dict[str, int]:
    """Which column is which field, by its name: our own names before those that others use, each field and column once."""
    spelt = [_spelling(name) for name in header]
    found: dict[str, int] = {}
    fields = IMPORT_KINDS[kind].fields.values()
    for names in ([(one.name,) for one in fields], [(_spelling(one.label), *one.names) for one in fields]):
        for one, known in zip(fields, names, strict=True):
            taken = set(found.values())
            place = next((n for name in known for n, it in enumerate(spelt) if it == name and n not in taken), None)
            if place is not None:
                found.setdefault(one.name, place)
    if "id" in found and "key" in found:
        del found["key"]
    return found


def _spelling(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def check_plan(kind: str, plan: ImportPlan) -> None:
    """Raise Invalid for a plan by which no row could be read; each problem's field is that of ours."""
    fields = IMPORT_KINDS[kind].fields
    problems = [
        Problem("missing", f"Say which column is the {one.label.lower()}.", (one.name,))
        for one in fields.values()
        if one.required and one.name not in plan.columns
    ]
    for one, other, why in _TOGETHER.get(kind, ()):
        if one in plan.columns and other not in plan.columns:
            problems.append(Problem("missing", why, (other,)))
    if "id" in plan.columns and "key" in plan.columns:
        problems.append(Problem("two_ids", "Choose the id or a key of your own, not both.", ("key",)))
    if problems:
        raise Invalid.of(problems)


_TOGETHER: Final = {
    "services": (
        ("unit_price", "currency", "Say which column is the currency of the price."),
        ("currency", "unit_price", "Say which column is the unit price, or leave the currency out."),
        ("includes_tax", "unit_price", "Say which column is the unit price that includes tax or not."),
    ),
}
