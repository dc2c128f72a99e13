"""Send statements of account."""

from datetime import date

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import DayType, command, print_message
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.messages.statements import StatementSpec, send_statement as enqueue_statement
from billing_admin.queries.master_data.customers import customer as load_customer
from billing_admin.queries.messages.outbox import can_send


@command("send-statement", writes=True)
@click.argument("customer")
@click.option("--currency", default="", help="Currency of the statement. Required if the customer has several.")
@click.option("--from", "first", type=DayType(), help="First day. Default: that of the first movement.")
@click.option("--to", "last", type=DayType(), help="Last day. Default: today.")
def send_statement(customer: str, currency: str, first: date | None, last: date | None) -> None:
    """Send a customer's statement to the contacts that get statements.

    CUSTOMER is a reference or ID. A currency and period are sent once.

    \b
    Examples:
      flask --app wsgi send-statement ACME --from 2026-11-01 --to 2026-11-30
      flask --app wsgi send-statement ACME --currency USD
    """
    settings: Settings = current_app.extensions["billing_settings"]
    id = load_customer(db.session(), customer).id
    spec = StatementSpec(currency, first, last)
    message_id, _ = transaction(enqueue_statement, id, spec, can_send(db.session(), settings), SYSTEM, clock.now())
    print_message(f"The statement is in the outbox: message {message_id}.")
