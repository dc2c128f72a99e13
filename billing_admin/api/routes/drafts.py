"""Drafts: changed, and their charges added and removed."""

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from billing_admin.api.frame.fields import OMITTED, Body, Day, Key, ShortText, many_lines
from billing_admin.api.frame.routing import Reply, route
from billing_admin.api.frame.versions import check_if_match
from billing_admin.api.routes.invoices import InvoiceOut, invoice_reply
from billing_admin.clock import now
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import MAX_NOTE_LENGTH, DraftFields
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.invoices import drafts as operations
from billing_admin.queries.invoices.invoices import invoice
from billing_admin.queries.object_ids import invoice_id

MAX_CHARGES = 10_000
Keys = Annotated[list[Key], Field(max_length=MAX_CHARGES)]


class DraftChanges(Body):
    """Changes to a draft.

    With a null `due_date`, the customer's payment terms count from the issue date.
    """

    note: Annotated[str, many_lines(MAX_NOTE_LENGTH)] = OMITTED
    purchase_order: ShortText = OMITTED
    due_date: Day | None = OMITTED


class ChargesMove(Body):
    """IDs of charges to add to a draft, and of charges to remove.

    The charges to add are pending, and of the same customer and currency.
    """

    add: Keys = OMITTED
    remove: Keys = OMITTED


@route("PATCH", "/invoices/{number}", scope="billing:write", body=DraftChanges, response=InvoiceOut, versioned=True)
def patch_invoice(actor: Actor, number: str, body: DraftChanges) -> Reply:
    """Change the note, purchase order or due date of a draft."""
    return bounded_transaction(_change, number, body, actor, now())


def _change(session: Session, name: str, body: DraftChanges, actor: Actor, at: datetime) -> Reply:
    row = invoice(session, name)
    check_if_match(row.version)
    operations.change(session, row.id, cast("DraftFields", body.provided()), row.version, actor, at)
    return invoice_reply(session, str(row.id), at)


@route(
    "POST", "/invoices/{number}/charges", scope="billing:write", body=ChargesMove, response=InvoiceOut, versioned=True
)
def move_invoice_charges(actor: Actor, number: str, body: ChargesMove) -> Reply:
    """Add charges to a draft and remove others.

    Removed charges are pending again.
    """
    return bounded_transaction(_move, number, body, actor, now())


def _move(session: Session, name: str, body: ChargesMove, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    operations.move_charges(session, id, body.add or [], body.remove or [], None, actor, at)
    return invoice_reply(session, str(id), at)
