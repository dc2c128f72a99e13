"""Drafts: changed, and charges put on them and taken off."""

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from billing_admin.api.frame.fields import LEFT_OUT, Body, Day, Key, Line, many_lines
from billing_admin.api.frame.routing import Reply, route
from billing_admin.api.frame.versions import check_match
from billing_admin.api.routes.invoices import InvoiceOut, answered
from billing_admin.clock import now
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import DraftFields
from billing_admin.operations.invoices import drafts as operations
from billing_admin.queries.invoices.invoices import invoice, invoice_id

MOST_CHARGES = 10_000
Keys = Annotated[list[Key], Field(max_length=MOST_CHARGES)]


class DraftChanges(Body):
    """What may be changed of a draft; without a `due_date`, which may be null, the customer's terms count from the issue date."""

    note: Annotated[str, many_lines(1000)] = LEFT_OUT
    purchase_order: Line = LEFT_OUT
    due_date: Day | None = LEFT_OUT


class ChargesMove(Body):
    """Ids of pending charges of the same customer and currency to put on the draft, and of charges to take off it."""

    add: Keys = LEFT_OUT
    remove: Keys = LEFT_OUT


@route("PATCH", "/invoices/{number}", scope="billing:write", body=DraftChanges, answer=InvoiceOut, versioned=True)
def patch_invoice(actor: Actor, number: str, body: DraftChanges) -> Reply:
    """Change what a draft says."""
    return transaction(_change, number, body, actor, now())


def _change(session: Session, name: str, body: DraftChanges, actor: Actor, at: datetime) -> Reply:
    row = invoice(session, name)
    check_match(row.version)
    operations.change(session, row.id, cast("DraftFields", body.given()), row.version, actor, at)
    return answered(session, str(row.id), at)


@route("POST", "/invoices/{number}/charges", scope="billing:write", body=ChargesMove, answer=InvoiceOut, versioned=True)
def move_invoice_charges(actor: Actor, number: str, body: ChargesMove) -> Reply:
    """Put charges on a draft and take others off: what is taken off is pending again."""
    return transaction(_move, number, body, actor, now())


def _move(session: Session, name: str, body: ChargesMove, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    operations.move_charges(session, id, body.add or [], body.remove or [], None, actor, at)
    return answered(session, str(id), at)
