"""The kinds of files that can be imported, and their fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from billing_admin.domain.customer_fields import COLUMN_PREFIX
from billing_admin.domain.imports.cells import CellType
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word


@dataclass(frozen=True, slots=True)
class ImportField:
    """A field that a column can be mapped to.

    `names` are names that other systems use. A blank cell of a `clearable` field clears it. `part_of`
    names the field of which this one is a part. A `constant` may be one value for all rows.
    """

    name: str
    label: str
    cell: CellType
    names: tuple[str, ...] = ()
    required: bool = False
    clearable: bool = False
    example: str = ""
    part_of: str = ""
    constant: bool = False


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


def fields_of_kind(kind: str, names: Iterable[str] = ()) -> Mapping[str, ImportField]:
    """Return the fields of a kind, and those of the names that are customer fields.

    The type of a customer field is not known here: the operation reads its text.
    """
    fields = IMPORT_KINDS[kind].fields
    if kind != "customers":
        return fields
    return {**fields, **{name: own_field(name) for name in names if name.startswith(COLUMN_PREFIX)}}


def own_field(name: str, label: str = "") -> ImportField:
    """Return the field of an import for a customer field."""
    return ImportField(name, label or name, CellType.TEXT, clearable=True)


_ID = ImportField("id", Phrase("ID (UUID)"), CellType.KEY, ("uuid",))
_KEY = ImportField(
    "key",
    Phrase("Your own key"),
    CellType.NAME,
    ("unique_charge_id", "charge_id", "unique_id", "external_id", "event_id", "transaction_id", "row_id"),
    example="usage-2026-11-01-0001",
)
_CUSTOMER = ImportField(
    "customer",
    Phrase("Customer"),
    CellType.NAME,
    ("customer_id", "customer_reference", "customer_ref", "client", "client_id", "account", "customer_number"),
    required=True,
    example="ACME",
    constant=True,
)
_CURRENCY = ImportField(
    "currency", Phrase("Currency"), CellType.CODE, ("currency_code", "ccy"), example="EUR", constant=True
)
# Addresses: each part with its label, cell type and the names that other programs give it.
_ADDRESS_PARTS: Final = (
    ("street", Phrase("street"), CellType.TEXT, ("street_address", "address_line_1", "address_1", "address1")),
    ("street2", Phrase("second line"), CellType.TEXT, ("address_line_2", "address_2", "address2", "street_2")),
    ("postcode", Phrase("postcode"), CellType.IDENTIFIER, ("postal_code", "zip", "zip_code", "zipcode")),
    ("city", Phrase("city"), CellType.TEXT, ("town",)),
    ("region", Phrase("region or state"), CellType.TEXT, ("state", "province", "county")),
    ("country", Phrase("country"), CellType.NAME, ("country_code", "country_name", "address_country")),
)


def _address_fields(prefix: str, label: str, other_prefixes: tuple[str, ...]) -> tuple[ImportField, ...]:
    return tuple(
        ImportField(
            prefix + part,
            Phrase("{label}: {words}", label=label, words=words),
            cell,
            tuple(
                before + name for before in other_prefixes for name in (part, *names) if before + name != prefix + part
            ),
            clearable=True,
            constant=part == "country",
        )
        for part, words, cell, names in _ADDRESS_PARTS
    )


_ARCHIVED = ImportField("archived", Phrase("Archived"), CellType.FLAG, ("inactive",), example="false")

_ORDER_HEADERS = ("po", "po_number", "purchase_order_number", "order_number", "order_reference")
IMPORT_KINDS: Final[Mapping[str, ImportKind]] = {
    "customers": ImportKind(
        Phrase("Customers"),
        "customer",
        "customers:write",
        _fields(
            ImportField(
                "reference",
                Phrase("Reference"),
                CellType.NAME,
                ("customer", "customer_id", "ref", "code", "customer_number", "account"),
                required=True,
                example="ACME",
            ),
            ImportField(
                "name",
                Phrase("Name"),
                CellType.TEXT,
                ("customer_name", "company", "company_name"),
                True,
                example="ACME Inc",
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
                Phrase("Address"),
                CellType.LINES,
                ("billing_address",),
                clearable=True,
                example="1 Main Street\nSpringfield",
            ),
            *_address_fields("", Phrase("Address"), ("", "billing_")),
            ImportField(
                "tax_id", Phrase("Tax ID"), CellType.IDENTIFIER, ("vat_id", "vat_number", "vat"), clearable=True
            ),
            ImportField("tax_treatment", Phrase("Tax treatment"), CellType.WORD, example="standard", constant=True),
            ImportField(
                "payment_terms_days",
                Phrase("Payment terms in days"),
                CellType.WHOLE,
                ("payment_terms", "terms", "net_days"),
                clearable=True,
                example="30",
                constant=True,
            ),
            ImportField("notes", Phrase("Notes"), CellType.LINES, ("note", "comment", "comments"), clearable=True),
            ImportField(
                "purchase_order", Phrase("Purchase order number"), CellType.IDENTIFIER, _ORDER_HEADERS, clearable=True
            ),
            ImportField(
                "registration_id",
                Phrase("Registration number"),
                CellType.IDENTIFIER,
                ("registration_number", "company_number", "company_registration_number", "company_id"),
                clearable=True,
            ),
            ImportField(
                "registration_scheme",
                Phrase("Scheme of the registration number (ICD)"),
                CellType.SCHEME,
                ("registration_id_scheme",),
                clearable=True,
                constant=True,
            ),
            ImportField(
                "electronic_address",
                Phrase("Electronic address"),
                CellType.IDENTIFIER,
                ("peppol_id", "endpoint_id", "endpoint", "peppol_endpoint"),
                clearable=True,
            ),
            ImportField(
                "electronic_scheme",
                Phrase("Scheme of the electronic address (EAS)"),
                CellType.SCHEME,
                ("eas", "peppol_eas", "endpoint_scheme"),
                clearable=True,
                constant=True,
            ),
            ImportField(
                "language", Phrase("Language"), CellType.WORD, ("lang", "locale"), clearable=True, constant=True
            ),
            ImportField("paper", Phrase("Paper"), CellType.WORD, ("paper_size",), clearable=True, constant=True),
            ImportField(
                "e_invoice",
                Phrase("E-invoice format"),
                CellType.WORD,
                ("e_invoice_format", "einvoice_format"),
                constant=True,
            ),
            ImportField(
                "buyer_reference",
                Phrase("Buyer reference"),
                CellType.IDENTIFIER,
                ("leitweg_id", "your_reference", "customer_reference"),
                clearable=True,
            ),
            ImportField(
                "contract",
                Phrase("Contract"),
                CellType.IDENTIFIER,
                ("contract_number", "contract_reference"),
                clearable=True,
            ),
            ImportField(
                "custom_lines",
                Phrase("Lines on documents"),
                CellType.LABELS,
                ("custom_fields",),
                clearable=True,
                example="Cost centre: 4711",
            ),
            ImportField(
                "delivery_name",
                Phrase("Delivery: name"),
                CellType.TEXT,
                ("shipping_name", "ship_to_name"),
                clearable=True,
            ),
            *_address_fields("delivery_", Phrase("Delivery"), ("delivery_", "shipping_", "ship_to_")),
            ImportField("monthly_statements", Phrase("Send a statement each month"), CellType.FLAG, example="false"),
            _ARCHIVED,
            _ID,
        ),
        "reference",
    ),
    "services": ImportKind(
        Phrase("Services"),
        "service",
        "catalogue:write",
        _fields(
            ImportField(
                "code",
                Phrase("Code"),
                CellType.NAME,
                ("service", "sku", "service_code"),
                True,
                example="GenericCompute",
            ),
            ImportField("name", Phrase("Name"), CellType.TEXT, ("service_name", "title"), example="Generic compute"),
            ImportField(
                "unit",
                Phrase("Unit"),
                CellType.TEXT,
                ("unit_of_measure", "uom"),
                clearable=True,
                example="hour",
                constant=True,
            ),
            ImportField(
                "unit_code",
                Phrase("Unit code"),
                CellType.CODE,
                ("uom_code", "unit_of_measure_code", "unece_code", "rec_20"),
                clearable=True,
                example="HUR",
                constant=True,
            ),
            ImportField("tax_rate", Phrase("Tax rate"), CellType.NAME, ("tax", "tax_code", "vat_rate"), constant=True),
            ImportField(
                "line_per_charge", Phrase("Each charge on its own invoice line"), CellType.FLAG, example="false"
            ),
            _CURRENCY,
            ImportField(
                "unit_price", Phrase("Unit price"), CellType.NUMBER, ("price", "list_price", "rate"), example="2.50"
            ),
            ImportField(
                "includes_tax",
                Phrase("Price includes tax"),
                CellType.FLAG,
                ("tax_included", "gross"),
                example="false",
                constant=True,
            ),
            ImportField("revenue_account", Phrase("Revenue account"), CellType.TEXT, ("account",), clearable=True),
            _ARCHIVED,
            _ID,
            ImportField(
                "valid_from", Phrase("Price valid from"), CellType.DAY, ("price_valid_from",), example="2027-01-01"
            ),
        ),
        "code",
    ),
    "charges": ImportKind(
        Phrase("Charges"),
        "charge",
        "charges:write",
        _fields(
            _CUSTOMER,
            ImportField(
                "service",
                Phrase("Service"),
                CellType.NAME,
                ("service_code", "sku", "product", "item"),
                example="GenericCompute",
                constant=True,
            ),
            ImportField(
                "description",
                Phrase("Description"),
                CellType.TEXT,
                ("text", "name"),
                example="Compute in November",
                constant=True,
            ),
            ImportField(
                "quantity",
                Phrase("Quantity"),
                CellType.NUMBER,
                ("qty", "units", "units_consumed", "usage", "count"),
                example="3",
                constant=True,
            ),
            ImportField(
                "unit_price", Phrase("Unit price"), CellType.NUMBER, ("price", "rate"), example="2.50", constant=True
            ),
            ImportField("amount", Phrase("Amount"), CellType.NUMBER, ("total", "net", "value"), example="7.50"),
            _CURRENCY,
            ImportField(
                "incurred_on",
                Phrase("Day"),
                CellType.DAY,
                ("day", "date", "usage_date", "charge_date"),
                example="2026-11-01",
                required=True,
                constant=True,
            ),
            ImportField(
                "tax_included",
                Phrase("Price includes tax"),
                CellType.FLAG,
                ("includes_tax", "gross"),
                example="false",
                constant=True,
            ),
            ImportField("metadata", Phrase("Metadata (JSON)"), CellType.ENTRIES),
            ImportField(
                "period_from",
                Phrase("First day of the period"),
                CellType.DAY,
                ("period_start", "service_period_start", "service_from"),
                example="2026-11-01",
            ),
            ImportField(
                "period_to",
                Phrase("Last day of the period"),
                CellType.DAY,
                ("period_end", "service_period_end", "service_to"),
                example="2026-11-30",
            ),
            ImportField("period_of_days", Phrase("Days of the whole period, if only some are charged"), CellType.WHOLE),
            ImportField("purchase_order", Phrase("Purchase order number"), CellType.IDENTIFIER, _ORDER_HEADERS),
            ImportField("status", Phrase("Status"), CellType.WORD),
            ImportField("status_reason", Phrase("Reason for hold"), CellType.TEXT),
            _KEY,
            _ID,
        ),
        "id",
    ),
    "payments": ImportKind(
        Phrase("Payments"),
        "payment",
        "payments:write",
        _fields(
            _CUSTOMER,
            ImportField(
                "amount", Phrase("Amount"), CellType.NUMBER, ("value", "paid", "credit"), True, example="119.00"
            ),
            _CURRENCY,
            ImportField(
                "received_on",
                Phrase("Received on"),
                CellType.DAY,
                ("date", "day", "value_date", "booking_date", "payment_date"),
                example="2026-11-20",
                required=True,
                constant=True,
            ),
            ImportField("method", Phrase("Method"), CellType.WORD, ("payment_method",), example="bank_transfer"),
            ImportField(
                "reference",
                Phrase("Reference"),
                CellType.IDENTIFIER,
                ("payment_reference", "purpose"),
                example="INV-2026-00001",
            ),
            ImportField(
                "allocate",
                Phrase("Invoices to pay"),
                CellType.NAME,
                ("invoice", "invoices", "invoice_number"),
                example="",
            ),
            ImportField("status", Phrase("Status"), CellType.WORD),
            _KEY,
            _ID,
        ),
        "id",
    ),
    "contacts": ImportKind(
        Phrase("Contacts"),
        "contact",
        "customers:write",
        _fields(
            replace(_CUSTOMER, names=(*_CUSTOMER.names, "reference")),
            ImportField(
                "email",
                "E-mail",
                CellType.TEXT,
                ("mail", "e_mail", "email_address"),
                required=True,
                example="pay@acme.example",
            ),
            ImportField(
                "name",
                Phrase("Name"),
                CellType.TEXT,
                ("contact", "contact_name", "person"),
                clearable=True,
                example="Ann Lee",
            ),
            *(
                ImportField(
                    role,
                    Phrase("{role} (to, cc or none)", role=word(role).capitalize()),
                    CellType.WORD,
                    example=example,
                    constant=True,
                )
                for role, example in (("invoices", "to"), ("reminders", "cc"), ("statements", "none"))
            ),
            _ID,
        ),
        "email",
    ),
    "opening-balances": ImportKind(
        Phrase("Opening balances"),
        "opening balance",
        "billing:write",
        _fields(
            _CUSTOMER,
            ImportField(
                "number",
                Phrase("Number in the earlier system"),
                CellType.IDENTIFIER,
                ("invoice", "invoice_number", "invoice_no", "document", "document_number", "no"),
                required=True,
                example="RE-4711",
            ),
            ImportField(
                "original_date",
                Phrase("Date"),
                CellType.DAY,
                ("date", "day", "invoice_date", "issue_date", "document_date"),
                required=True,
                example="2026-10-05",
            ),
            ImportField(
                "due_date",
                Phrase("Due"),
                CellType.DAY,
                ("due", "due_on", "due_day", "payable_by"),
                example="2026-11-04",
            ),
            ImportField(
                "open_amount",
                Phrase("Open amount"),
                CellType.NUMBER,
                ("open", "amount", "balance", "amount_due", "balance_due", "outstanding", "remaining"),
                required=True,
                example="119.00",
            ),
            _CURRENCY,
            ImportField(
                "opened_on",
                Phrase("Cut-over day"),
                CellType.DAY,
                ("cut_over_day", "cut_over", "opening_date"),
                example="2026-11-30",
                constant=True,
            ),
            ImportField(
                "original_total",
                Phrase("Original total"),
                CellType.NUMBER,
                ("total", "invoice_total", "total_amount", "gross"),
                example="238.00",
            ),
            ImportField(
                "original_tax", Phrase("Original tax"), CellType.NUMBER, ("tax", "vat", "tax_amount"), example="38.00"
            ),
            ImportField(
                "purchase_order",
                Phrase("Purchase order number"),
                CellType.IDENTIFIER,
                ("reference", "your_reference", "your_order", *_ORDER_HEADERS),
            ),
            _KEY,
            _ID,
        ),
        "number",
    ),
    "recurring-charges": ImportKind(
        Phrase("Recurring charges"),
        "recurring charge",
        "charges:write",
        _fields(
            _CUSTOMER,
            ImportField(
                "service",
                Phrase("Service"),
                CellType.NAME,
                ("service_code", "sku", "product", "item", "plan"),
                required=True,
                example="GenericCompute",
                constant=True,
            ),
            ImportField("description", Phrase("Description"), CellType.TEXT, ("text", "name"), example="Hosting"),
            ImportField("quantity", Phrase("Quantity"), CellType.NUMBER, ("qty", "units", "count"), example="1"),
            ImportField(
                "unit_price", Phrase("Unit price"), CellType.NUMBER, ("price", "rate", "amount"), example="2.50"
            ),
            _CURRENCY,
            ImportField(
                "interval",
                Phrase("Interval"),
                CellType.WORD,
                ("period", "billing_period", "frequency"),
                required=True,
                example="monthly",
                constant=True,
            ),
            ImportField("interval_count", Phrase("Repeat every"), CellType.WHOLE, ("every",), example="1"),
            ImportField("timing", Phrase("When to charge"), CellType.WORD, example="in_advance", constant=True),
            ImportField(
                "starts_on",
                Phrase("First day"),
                CellType.DAY,
                ("start", "start_date", "first_day", "from"),
                required=True,
                example="2026-12-01",
                constant=True,
            ),
            ImportField(
                "ends_on", Phrase("Last day"), CellType.DAY, ("end", "end_date", "last_day", "to"), example="2027-11-30"
            ),
            ImportField("anchor_on", Phrase("Periods start from"), CellType.DAY, ("anchor",)),
            ImportField("purchase_order", Phrase("Purchase order number"), CellType.IDENTIFIER, _ORDER_HEADERS),
            ImportField("status", Phrase("Status"), CellType.WORD),
            _KEY,
            _ID,
        ),
        "id",
    ),
}
