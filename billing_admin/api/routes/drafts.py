"""Drafts: changed, and charges put on them and taken off."""

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from billing_admin.api.frame.fields import OMITTED, Body, Day, Key, ShortText, many_lines
from billing_admin.api.frame.routing import Reply, route
from billing_admin.api.frame.versions import check_if_match
from billing_admin.api.routes.invoices import InvoiceOut, invoice_reply
from billing_admin.clock import now
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import DraftFields
from billing_admin.operations.invoices import drafts as operations
from billing_admin.queries.invoices.invoices import invoice, invoice_id

MAX_CHARGES = 10_000
Keys = Annotated[list[Key], Field(max_length=MAX_CHARGES)]


class DraftChanges(Body):
    """What may be changed of a draft; without a `due_date`, which may be null, the customer's terms count from the issue date."""

    note: Annotated[str, many_lines(1000)] = OMITTED
    purchase_order: ShortText = OMITTED
    due_date: Day | None = OMITTED


class ChargesMove(Body):
    """Ids of pending charges of the same customer and currency to put on the draft, and of charges to take off it."""

    add: Keys = OMITTED
    remove: Keys = OMITTED


@route("PATCH", "/invoices/{number}", scope="billing:write", body=DraftChanges, response=InvoiceOut, versioned=True)
def patch_invoice(actor: Actor, number: str, body: DraftChanges) -> Reply:
    """Change what a draft says."""
    return transaction(_change, number, body, actor, now())


def _change(session: Session, name: str, body: DraftChanges, actor: Actor, at: datetime) -> Reply:
    row = invoice(session, name)
    check_if_match(row.version)
    operations.change(session, row.id, cast("DraftFields", body.provided()), row.version, actor, at)
    return invoice_reply(session, str(row.id), at)


@route(
    "POST", "/invoices/{number}/charges", scope="billing:write", body=ChargesMove, response=InvoiceOut, versioned=True
)
def move_invoice_charges(actor: Actor, number: str, body: ChargesMove) -> Reply:
    """Put charges on a draft and take others off: what is taken off is pending again."""
    return transaction(_move, number, body, actor, now())


def _move(session: Session, name: str, body: ChargesMove, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    operations.move_charges(session, id, body.add or [], body.remove or [], None, actor, at)
    return invoice_reply(session, str(id), at)
