"""Statements of account by e-mail."""

from datetime import datetime

from flask import current_app

from billing_admin.api.frame.fields import OMITTED, Body, CurrencyCode, FigureDay, Key
from billing_admin.api.frame.routing import Reply, created_reply, route
from billing_admin.api.routes.messages import (
    MessageBody,
    MessageOut,
    MessageSubject,
    Recipients,
    message_out,
    read_recipients,
)
from billing_admin.clock import now
from billing_admin.config import Settings
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.operations.messages.statements import StatementSpec, send_statement
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.messages.messages import message
from billing_admin.queries.messages.outbox import can_send


class StatementIn(Body):
    """A statement to send, as PDF.

    The period is from the first movement to today by default. `currency` is required if the customer has entries in
    several. It goes to the contacts that get statements unless `recipients` are given; `subject` and `text` replace those
    of the message text `statement`.
    """

    id: Key = OMITTED
    currency: CurrencyCode = OMITTED
    period_from: FigureDay = OMITTED
    period_to: FigureDay = OMITTED
    recipients: Recipients = OMITTED
    subject: MessageSubject = OMITTED
    text: MessageBody = OMITTED

    def to_spec(self) -> StatementSpec:
        """Return the specification for the operation."""
        recipients = read_recipients(self.recipients)
        return StatementSpec(
            self.currency or "", self.period_from, self.period_to, recipients, self.subject, self.text, self.id
        )


@route(
    "POST",
    "/customers/{ref}/statements",
    scope="messages:write",
    body=StatementIn,
    response=MessageOut,
    statuses=(201, 200),
)
def post_statement(actor: Actor, ref: str, body: StatementIn) -> Reply:
    """Send a customer's statement by e-mail.

    A currency and period are sent once; `POST /messages/{id}/again` sends them again.
    """
    return created_reply(*transaction(_send, ref, body.to_spec(), actor, now()))


def _send(session: Session, ref: str, spec: StatementSpec, actor: Actor, at: datetime) -> tuple[MessageOut, bool]:
    settings: Settings = current_app.extensions["billing_settings"]
    id, is_new = send_statement(session, customer(session, ref).id, spec, can_send(session, settings), actor, at)
    return message_out(message(session, id)), is_new
