"""Customers: added, listed, read and changed."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import WithJsonSchema

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    CurrencyCode,
    Flag,
    Key,
    Listing,
    Name,
    Paging,
    Parameters,
    ResponseModel,
    ShortText,
    enumeration,
    many_lines,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import MAX_ADDRESS_LENGTH, CustomerFields
from billing_admin.domain.tax import TREATMENTS
from billing_admin.models import Customer
from billing_admin.operations.master_data import customers as operations
from billing_admin.queries.listing import newest_first
from billing_admin.queries.master_data.customers import CustomerFilter, customer, customers

Lines = Annotated[str, many_lines(MAX_ADDRESS_LENGTH)]
Days = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 365})]
Treatment = Annotated[str, enumeration(*TREATMENTS)]


class CustomerChanges(Body):
    """Changes to a customer.

    Null `payment_terms_days` means the organisation's payment terms.
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
    archived: bool = OMITTED


class CustomerIn(Body):
    """A new customer.

    `reference` defaults to the next free one, such as C-0007.
    """

    id: Key = OMITTED
    reference: Name = OMITTED
    name: Name
    email: ShortText = OMITTED
    address: Lines = OMITTED
    tax_id: ShortText = OMITTED
    tax_treatment: Treatment = OMITTED
    currency: CurrencyCode
    payment_terms_days: Days | None = OMITTED
    notes: Lines = OMITTED
    purchase_order: ShortText = OMITTED


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


class CustomerFilters(Parameters):
    """Filters of customers.

    `q` searches reference, name and email.
    """

    q: str = ""
    currency: Currency = ""
    archived: Flag | None = None


class CustomerQuery(CustomerFilters, Paging):
    """A page of customers."""


def _out(row: Any) -> CustomerOut:
    return CustomerOut(
        id=row.id,
        reference=row.reference,
        name=row.name,
        email=row.email,
        address=row.address,
        tax_id=row.tax_id,
        tax_treatment=row.tax_treatment,
        currency=row.currency,
        payment_terms_days=row.payment_terms_days,
        notes=row.notes,
        archived=row.archived_at is not None,
        created_at=row.created_at,
        purchase_order=row.purchase_order,
    )


@route("GET", "/customers", scope="read", query=CustomerQuery, response=Listing[CustomerOut])
def list_customers(query: CustomerQuery) -> Reply:
    """List customers, newest first."""
    rows = newest_first(customers(CustomerFilter(**query.filters())), Customer)
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
    fields = cast("CustomerFields", body.provided("id"))
    row, is_new = transaction(operations.create, fields, body.id, actor, now())
    return created_reply(_out(row), is_new, ETag=etag(row.version))


@route("PATCH", "/customers/{ref}", scope="customers:write", body=CustomerChanges, response=CustomerOut, versioned=True)
def patch_customer(actor: Actor, ref: str, body: CustomerChanges) -> Reply:
    """Change the fields that are sent."""
    row = transaction(_change, ref, body, actor, now())
    return Reply(_out(row), headers={"ETag": etag(row.version)})


def _change(session: Session, ref: str, body: CustomerChanges, actor: Actor, at: datetime) -> Customer:
    row = customer(session, ref)
    check_if_match(row.version)
    row = operations.update(session, row.id, cast("CustomerFields", body.provided("archived")), row.version, actor, at)
    if "archived" in body.model_fields_set:
        change_state = operations.archive if body.archived else operations.restore
        change_state(session, row.id, actor, at)
        session.flush()
    return row
