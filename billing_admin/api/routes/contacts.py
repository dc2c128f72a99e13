"""The contacts of customers: added, listed, read, changed and removed."""

from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from billing_admin.api.frame.fields import OMITTED, Body, Key, Listing, Name, ResponseModel, ShortText, enumeration
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import Page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import ContactFields
from billing_admin.domain.parties import RECIPIENT_ROLES
from billing_admin.models import CustomerContact
from billing_admin.operations.master_data import contacts as operations
from billing_admin.queries.master_data.contacts import contact, contacts
from billing_admin.queries.master_data.customers import customer

Role = Annotated[str, enumeration(*RECIPIENT_ROLES)]


class ContactChanges(Body):
    """Changes to a contact."""

    name: ShortText = OMITTED
    email: Name = OMITTED
    invoices: Role = OMITTED
    reminders: Role = OMITTED
    statements: Role = OMITTED


class ContactIn(Body):
    """A new contact.

    By default it gets invoices and reminders as To, and no statements.
    """

    id: Key = OMITTED
    name: ShortText = OMITTED
    email: Name
    invoices: Role = OMITTED
    reminders: Role = OMITTED
    statements: Role = OMITTED


class ContactRemoval(Body):
    """The removal of a contact, without fields."""


class ContactOut(ResponseModel):
    """A contact of a customer, and how it gets each kind of document."""

    id: UUID
    name: str
    email: str
    invoices: Role
    reminders: Role
    statements: Role
    created_at: datetime


@route("GET", "/customers/{ref}/contacts", scope="read", response=Listing[ContactOut])
def list_contacts(ref: str) -> Reply:
    """List the contacts of a customer, in the order in which they were added."""
    session = db.session()
    return list_reply(Page(contacts(session, customer(session, ref).id), None, None), ContactOut.model_validate)


@route("GET", "/customers/{ref}/contacts/{id}", scope="read", response=ContactOut, versioned=True)
def get_contact(ref: str, id: str) -> Reply:
    """Read one contact."""
    row = _contact(db.session(), ref, id)
    return Reply(ContactOut.model_validate(row), headers={"ETag": etag(row.version)})


@route(
    "POST",
    "/customers/{ref}/contacts",
    scope="customers:write",
    body=ContactIn,
    response=ContactOut,
    statuses=(201, 200),
    versioned=True,
)
def post_contact(actor: Actor, ref: str, body: ContactIn) -> Reply:
    """Add a contact to a customer."""
    row, is_new = transaction(_create_contact, ref, body, actor, now())
    return created_reply(ContactOut.model_validate(row), is_new, ETag=etag(row.version))


def _create_contact(
    session: Session, ref: str, body: ContactIn, actor: Actor, at: datetime
) -> tuple[CustomerContact, bool]:
    fields = cast("ContactFields", body.provided("id"))
    return operations.create(session, customer(session, ref).id, fields, body.id, actor, at)


@route(
    "PATCH",
    "/customers/{ref}/contacts/{id}",
    scope="customers:write",
    body=ContactChanges,
    response=ContactOut,
    versioned=True,
)
def patch_contact(actor: Actor, ref: str, id: str, body: ContactChanges) -> Reply:
    """Change the fields of a contact that are sent."""
    row = transaction(_change_contact, ref, id, body, actor, now())
    return Reply(ContactOut.model_validate(row), headers={"ETag": etag(row.version)})


def _change_contact(
    session: Session, ref: str, id: str, body: ContactChanges, actor: Actor, at: datetime
) -> CustomerContact:
    row = _contact(session, ref, id)
    check_if_match(row.version)
    return operations.update(session, row.id, cast("ContactFields", body.provided()), row.version, actor, at)


@route(
    "POST",
    "/customers/{ref}/contacts/{id}/remove",
    scope="customers:write",
    body=ContactRemoval,
    body_optional=True,
    response=ContactOut,
)
def remove_contact(actor: Actor, ref: str, id: str, body: ContactRemoval) -> Reply:  # noqa: ARG001 - it has no fields
    """Remove a contact, and return it."""
    return Reply(transaction(_remove_contact, ref, id, actor, now()))


def _remove_contact(session: Session, ref: str, id: str, actor: Actor, at: datetime) -> ContactOut:
    row = _contact(session, ref, id)
    content = ContactOut.model_validate(row)
    operations.remove(session, row.id, actor, at)
    return content


def _contact(session: Session, ref: str, id: str) -> CustomerContact:
    return contact(session, customer(session, ref).id, parse_id(id))
