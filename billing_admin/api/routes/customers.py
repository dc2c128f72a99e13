"""Customers: added, listed, read and changed."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import Field, WithJsonSchema

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    City,
    CountryCode,
    Currency,
    CurrencyCode,
    Flag,
    Identifier,
    Key,
    Listing,
    Name,
    Paging,
    Parameters,
    Postcode,
    ResponseModel,
    SchemeCode,
    ShortText,
    enumeration,
    many_lines,
    one_line,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.customer_fields import MAX_KEY_LENGTH
from billing_admin.domain.master_data import (
    CUSTOMER_RULES,
    MAX_ADDRESS_LENGTH,
    MAX_CUSTOM_LINES,
    MAX_LABEL_LENGTH,
    CustomerFields,
)
from billing_admin.domain.parties import E_INVOICE_FORMATS, LANGUAGES, PAPERS
from billing_admin.domain.tax import TREATMENTS
from billing_admin.domain.text import MAX_LINE_LENGTH
from billing_admin.models import Customer
from billing_admin.operations.master_data import customers as operations
from billing_admin.queries.master_data.customer_fields import check_filter_keys
from billing_admin.queries.master_data.customers import CustomerFilter, customer, listed_customers

Metadata = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"maxLength": MAX_KEY_LENGTH},
            "additionalProperties": one_line(MAX_LINE_LENGTH).json_schema,
        }
    ),
]
Lines = Annotated[str, many_lines(MAX_ADDRESS_LENGTH)]
Days = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 365})]
Treatment = Annotated[str, enumeration(*TREATMENTS)]
Language = Annotated[str, enumeration("", *LANGUAGES)]
Paper = Annotated[str, enumeration("", *PAPERS)]
EInvoice = Annotated[str, enumeration(*E_INVOICE_FORMATS)]


class CustomLineIn(Body):
    """A line that is printed on the customer's documents."""

    label: Annotated[str, one_line(MAX_LABEL_LENGTH, named=True)]
    value: Name


class CustomLineOut(ResponseModel):
    """A line that is printed on the customer's documents."""

    label: str
    value: str


CustomLines = Annotated[list[CustomLineIn], Field(max_length=MAX_CUSTOM_LINES)]


class CustomerBody(Body):
    """The fields of a customer in requests.

    `metadata` holds texts by the key of customer fields: numbers as `"1250.5"`, days as `"2026-11-30"`. Only the keys
    that you send change; an empty text removes the value. `purchase_order` is for new charges without a number.
    """

    reference: Name = OMITTED
    name: Name = OMITTED
    email: ShortText = OMITTED
    address: Lines = OMITTED
    tax_id: ShortText = OMITTED
    tax_treatment: Treatment = OMITTED
    currency: CurrencyCode = OMITTED
    payment_terms_days: Days | None = OMITTED
    notes: Lines = OMITTED
    purchase_order: ShortText = OMITTED
    street: ShortText = OMITTED
    street2: ShortText = OMITTED
    postcode: Postcode = OMITTED
    city: City = OMITTED
    region: City = OMITTED
    country: CountryCode = OMITTED
    registration_id: Identifier = OMITTED
    registration_scheme: SchemeCode = OMITTED
    electronic_address: Identifier = OMITTED
    electronic_scheme: SchemeCode = OMITTED
    language: Language = OMITTED
    paper: Paper = OMITTED
    e_invoice: EInvoice = OMITTED
    buyer_reference: ShortText = OMITTED
    contract: ShortText = OMITTED
    custom_lines: CustomLines = OMITTED
    delivery_name: ShortText = OMITTED
    delivery_street: ShortText = OMITTED
    delivery_street2: ShortText = OMITTED
    delivery_postcode: Postcode = OMITTED
    delivery_city: City = OMITTED
    delivery_region: City = OMITTED
    delivery_country: CountryCode = OMITTED
    monthly_statements: bool = OMITTED
    metadata: Metadata = OMITTED


class CustomerChanges(CustomerBody):
    """Changes to a customer.

    Null `payment_terms_days` means the organisation's payment terms. Empty `language` and `paper` mean the
    organisation's, or the paper of the country. `email` is the address of the first contact that gets invoices.
    If it is empty, no contact gets invoices as To; the contacts stay.
    """

    archived: bool = OMITTED


class CustomerIn(CustomerBody):
    """A new customer.

    `reference` defaults to the next free one, such as C-0007.
    """

    id: Key = OMITTED
    name: Name
    currency: CurrencyCode


class CustomerOut(ResponseModel):
    """A customer."""

    id: UUID
    reference: str
    name: str
    email: str
    address: str
    tax_id: str
    tax_treatment: Treatment
    currency: str
    payment_terms_days: int | None
    notes: str
    archived: bool
    created_at: datetime
    purchase_order: str
    street: str
    street2: str
    postcode: str
    city: str
    region: str
    country: str
    registration_id: str
    registration_scheme: str
    electronic_address: str
    electronic_scheme: str
    language: Language
    paper: Paper
    e_invoice: EInvoice
    buyer_reference: str
    contract: str
    custom_lines: list[CustomLineOut]
    delivery_name: str
    delivery_street: str
    delivery_street2: str
    delivery_postcode: str
    delivery_city: str
    delivery_region: str
    delivery_country: str
    monthly_statements: bool
    metadata: dict[str, str]


class CustomerFilters(Parameters):
    """Filters of customers.

    `q` searches reference, name and email. `metadata` selects by customer fields, as `region=South`; join several with `&`.
    """

    q: str = ""
    currency: Currency = ""
    archived: Flag | None = None
    metadata: str = ""


class CustomerQuery(CustomerFilters, Paging):
    """A page of customers."""


def _out(row: Any) -> CustomerOut:
    fields = {field: getattr(row, operations.ATTRIBUTES.get(field, field)) for field in CUSTOMER_RULES}
    return CustomerOut(id=row.id, archived=row.archived_at is not None, created_at=row.created_at, **fields)


def _fields(body: Body, excluded: str) -> CustomerFields:
    fields = body.provided(excluded)
    if "custom_lines" in fields:
        fields["custom_lines"] = [line.model_dump() for line in fields["custom_lines"]]
    return cast("CustomerFields", fields)


@route("GET", "/customers", scope="read", query=CustomerQuery, response=Listing[CustomerOut])
def list_customers(query: CustomerQuery) -> Reply:
    """List customers, newest first."""
    check_filter_keys(db.session(), query.metadata)
    rows = listed_customers(CustomerFilter(**query.filters()))
    return list_reply(page(db.session(), rows, query.limit, query.after), _out)


@route("GET", "/customers/{ref}", scope="read", response=CustomerOut, versioned=True)
def get_customer(ref: str) -> Reply:
    """Read one customer by ID or reference."""
    row = customer(db.session(), ref)
    return Reply(_out(row), headers={"ETag": etag(row.version)})


@route(
    "POST",
    "/customers",
    scope="customers:write",
    body=CustomerIn,
    response=CustomerOut,
    statuses=(201, 200),
    versioned=True,
)
def post_customer(actor: Actor, body: CustomerIn) -> Reply:
    """Add a customer."""
    row, is_new = transaction(operations.create, _fields(body, "id"), body.id, actor, now())
    return created_reply(_out(row), is_new, ETag=etag(row.version))


@route("PATCH", "/customers/{ref}", scope="customers:write", body=CustomerChanges, response=CustomerOut, versioned=True)
def patch_customer(actor: Actor, ref: str, body: CustomerChanges) -> Reply:
    """Change the fields that are sent."""
    row = transaction(_change, ref, body, actor, now())
    return Reply(_out(row), headers={"ETag": etag(row.version)})


def _change(session: Session, ref: str, body: CustomerChanges, actor: Actor, at: datetime) -> Customer:
    row = customer(session, ref)
    check_if_match(row.version)
    row = operations.update(session, row.id, _fields(body, "archived"), row.version, actor, at)
    if "archived" in body.model_fields_set:
        change_state = operations.archive if body.archived else operations.restore
        change_state(session, row.id, actor, at)
        session.flush()
    return row
