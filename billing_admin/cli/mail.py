"""Try the mail server."""

import click
from flask import current_app

from billing_admin import clock
from billing_admin.background.mail_test import describe_result, send_test_message
from billing_admin.background.mail_transport import SendOutcome
from billing_admin.cli.commands import REJECTED, command, print_message
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.queries.master_data.organisation import organisation


@command("mail-test")
@click.argument("address")
@click.pass_context
def mail_test(ctx: click.Context, address: str) -> None:
    """Send a test message and print the answer of the mail server.

    Exit code 5 if the server did not accept it.

    \b
    Example:
      flask --app wsgi mail-test ada@example.com
    """
    settings: Settings = current_app.extensions["billing_settings"]
    result = send_test_message(settings, organisation(db.session()).legal_name, address, clock.now())
    print_message(describe_result(result, address))
    ctx.exit(0 if result.outcome is SendOutcome.SENT else REJECTED)
