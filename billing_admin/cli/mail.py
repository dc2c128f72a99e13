"""Try the mail server, and import delivery reports."""

from pathlib import Path

import click
from flask import current_app

from billing_admin import clock
from billing_admin.background.bounces import imap_source, import_bounces as import_reports, maildir_source
from billing_admin.background.mail_test import describe_result, send_test_message
from billing_admin.background.mail_transport import SendOutcome
from billing_admin.cli.commands import REJECTED, command, print_message
from billing_admin.config import Settings, read_password_file
from billing_admin.db.engine import db
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.bounces import BounceOutcome
from billing_admin.domain.errors import Invalid
from billing_admin.domain.mail_servers import parse_imap_url
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


@command("import-bounces", writes=True)
@click.option("--imap", "url", help="Folder of an IMAP server, such as imaps://bounces@mail.example.com/INBOX.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the password for the IMAP server. Default: BILLING_MAIL_PASSWORD_FILE.",
)
@click.option(
    "--maildir", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder in maildir form."
)
def import_bounces(url: str | None, password_file: Path | None, maildir: Path | None) -> None:
    """Read delivery reports, and mark the recipients that messages did not reach.

    Reads the unseen messages of a mailbox. Reports that were imported are marked as seen; messages that are no report
    about a message of this program stay unseen. Run it every hour.

    \b
    Examples:
      flask --app wsgi import-bounces --imap imaps://bounces@mail.example.com
      flask --app wsgi import-bounces --maildir /home/bounces/Maildir
    """
    if (url is None) == (maildir is None):
        raise click.UsageError("Give either --imap or --maildir.")
    if maildir is not None:
        counts = import_reports(maildir_source(maildir), SYSTEM, clock.now())
    else:
        with imap_source(parse_imap_url(url or ""), _imap_password(password_file)) as messages:
            counts = import_reports(messages, SYSTEM, clock.now())
    print_message(
        f"{counts[BounceOutcome.RECORDED]:,} bounces recorded, {counts[BounceOutcome.REPEATED]:,} already recorded,"
        f" {counts[BounceOutcome.NO_FAILURE]:,} reports without a failure."
    )
    if counts[BounceOutcome.UNKNOWN]:
        print_message(f"{counts[BounceOutcome.UNKNOWN]:,} other messages stay unseen in the mailbox.")


def _imap_password(file: Path | None) -> str:
    settings: Settings = current_app.extensions["billing_settings"]
    file = file or settings.mail_password_file
    if file is None:
        raise click.UsageError("Give --password-file, or set BILLING_MAIL_PASSWORD_FILE.")
    try:
        return read_password_file(file)
    except ValueError as error:
        raise Invalid("no_password", f"The password cannot be read. {error}", "password_file") from None
