"""Customer fields: the definitions of the keys in `metadata` of customers."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import OMITTED, Body, Key, Listing, ResponseModel, enumeration, one_line
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import Page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.customer_fields import (
    FIELD_TYPES,
    MAX_CHOICE_LENGTH,
    MAX_CHOICES,
    MAX_FIELD_LABEL_LENGTH,
    MAX_KEY_LENGTH,
    CustomerFieldFields,
)
from billing_admin.models import CustomerField
from billing_admin.operations.master_data import customer_fields as operations
from billing_admin.queries.master_data.customer_fields import customer_field, customer_fields

SCOPE = "settings:write"

FieldKey = Annotated[str, one_line(MAX_KEY_LENGTH, named=True)]
Label = Annotated[str, one_line(MAX_FIELD_LABEL_LENGTH, named=True)]
FieldType = Annotated[str, enumeration(*FIELD_TYPES)]
Choices = Annotated[list[Annotated[str, one_line(MAX_CHOICE_LENGTH, named=True)]], Field(max_length=MAX_CHOICES)]


class CustomerFieldChanges(Body):
    """Changes to a customer field; customers keep their values.

    `archived` fields are not offered any more.
    """

    label: Label = OMITTED
    required: bool = OMITTED
    listed: bool = OMITTED
    choices: Choices = OMITTED
    archived: bool = OMITTED


class CustomerFieldIn(Body):
    """A new customer field.

    `key` and `type` never change. `type` is `text` by default; a `choice` has `choices`. `required` fields need a value in
    each new customer. `listed` fields are columns of the list of customers.
    """

    id: Key = OMITTED
    key: FieldKey
    label: Label
    type: FieldType = OMITTED
    required: bool = OMITTED
    listed: bool = OMITTED
    choices: Choices = OMITTED


class CustomerFieldOut(ResponseModel):
    """A customer field."""

    id: UUID
    key: str
    label: str
    type: FieldType
    required: bool
    listed: bool
    choices: list[str]
    archived: bool
    created_at: datetime


def _out(row: Any) -> CustomerFieldOut:
    return CustomerFieldOut(
        id=row.id,
        key=row.key,
        label=row.label,
        type=row.type,
        required=row.is_required,
        listed=row.is_listed,
        choices=row.choices,
        archived=row.archived_at is not None,
        created_at=row.created_at,
    )


_NAMES = {"required": "is_required", "listed": "is_listed"}


def _fields(body: Body, excluded: str) -> CustomerFieldFields:
    fields = {_NAMES.get(name, name): value for name, value in body.provided(excluded).items()}
    return cast("CustomerFieldFields", fields)


@route("GET", "/customer-fields", scope="read", response=Listing[CustomerFieldOut])
def list_customer_fields() -> Reply:
    """List all customer fields by creation, archived ones last."""
    return list_reply(Page(customer_fields(db.session()), None, None), _out)


@route("GET", "/customer-fields/{id}", scope="read", response=CustomerFieldOut, versioned=True)
def get_customer_field(id: str) -> Reply:
    """Read one customer field."""
    row = customer_field(db.session(), parse_id(id))
    return Reply(_out(row), headers={"ETag": etag(row.version)})


@route(
    "POST",
    "/customer-fields",
    scope=SCOPE,
    body=CustomerFieldIn,
    response=CustomerFieldOut,
    statuses=(201, 200),
    versioned=True,
)
def post_customer_field(actor: Actor, body: CustomerFieldIn) -> Reply:
    """Add a customer field."""
    row, is_new = transaction(operations.create, _fields(body, "id"), body.id, actor, now())
    return created_reply(_out(row), is_new, ETag=etag(row.version))


@route(
    "PATCH", "/customer-fields/{id}", scope=SCOPE, body=CustomerFieldChanges, response=CustomerFieldOut, versioned=True
)
def patch_customer_field(actor: Actor, id: str, body: CustomerFieldChanges) -> Reply:
    """Change the fields that are sent."""
    row = transaction(_change, parse_id(id), body, actor, now())
    return Reply(_out(row), headers={"ETag": etag(row.version)})


def _change(session: Session, id: UUID, body: CustomerFieldChanges, actor: Actor, at: datetime) -> CustomerField:
    row = customer_field(session, id)
    check_if_match(row.version)
    row = operations.update(session, id, _fields(body, "archived"), row.version, actor, at)
    if "archived" in body.model_fields_set:
        change_state = operations.archive if body.archived else operations.restore
        change_state(session, id, actor, at)
    return row
