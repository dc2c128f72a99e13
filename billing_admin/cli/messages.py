"""Send documents to customers, and show their messages."""

from datetime import date

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import DayType, command, print_message
from billing_admin.cli.output import print_json, print_table
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.formatting import format_whole
from billing_admin.domain.messages import CC, MARK_SENT, NOT_SENT_REASONS, TO, Recipient
from billing_admin.models import Message
from billing_admin.operations.messages.deliveries import resume_sending
from billing_admin.operations.messages.documents import SendSpec, send_document
from billing_admin.operations.messages.sending_runs import SendingRunSpec, send_run, start_run
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.messages.documents import unsent_sums
from billing_admin.queries.messages.messages import FILTER_STATES, MessageFilter, count_by_state, messages
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.messages.sending_runs import left_out_of_run, sending_progress
from billing_admin.queries.object_ids import invoice_id

_COLUMNS = ("id", "created_at", "state", "customer", "documents", "recipients", "reason")


@command("send", writes=True)
@click.argument("number")
@click.option("--to", "to", multiple=True, help="Address of a recipient. Default: the contacts that get invoices.")
@click.option("--cc", "cc", multiple=True, help="Address that gets a copy; only with --to.")
def send(number: str, to: tuple[str, ...], cc: tuple[str, ...]) -> None:
    """Send an issued invoice or credit note to its customer.

    The message waits in the outbox for a worker; its id is printed on stdout.

    \b
    Examples:
      flask --app wsgi send INV-2026-00042
      flask --app wsgi send INV-2026-00042 --to anna@acme.example --cc ben@acme.example
    """
    if cc and not to:
        raise click.UsageError("--cc needs --to.")
    settings: Settings = current_app.extensions["billing_settings"]
    recipients = [Recipient("", address, kind) for kind, addresses in ((TO, to), (CC, cc)) for address in addresses]
    document = invoice_id(db.session(), number)
    spec = SendSpec(recipients or None)
    id, _ = transaction(send_document, document, spec, can_send(db.session(), settings), SYSTEM, clock.now())
    click.echo(str(id))
    print_message(f"{number} is in the outbox. Show its state: outbox --document {number}")


@command("mark-sent", writes=True)
@click.argument("numbers", nargs=-1)
@click.option("--reason", required=True, help="How the documents were sent, such as “By letter”.")
@click.option("--customer", default="", help="Only documents of the customer with this reference.")
@click.option("--from", "first", type=DayType(), help="Only documents issued on this day or later.")
@click.option("--to", "last", type=DayType(), help="Only documents issued up to this day.")
@click.option("-n", "--dry-run", is_flag=True, help="Count the documents, and change nothing.")
def mark_sent(
    numbers: tuple[str, ...], reason: str, customer: str, first: date | None, last: date | None, dry_run: bool
) -> None:
    """Mark documents as sent by other means, such as letter post.

    NUMBERS are the documents; without them, those of the options that were issued and not sent. Repeating the command
    marks nothing twice.

    \b
    Examples:
      flask --app wsgi mark-sent --to 2026-10-31 --reason "By letter"
      flask --app wsgi mark-sent INV-2026-00042 INV-2026-00043 --reason "By letter"
    """
    session = db.session()
    filters = InvoiceFilter(today(session, clock.now()), customer=customer, issued_from=first, issued_to=last)
    if bool(numbers) == bool(customer or first or last):
        raise click.UsageError("Name documents, or use --customer, --from or --to.")
    documents = [invoice_id(session, number) for number in numbers] or filters
    if dry_run:
        count = len(numbers) or sum(count for count, _ in unsent_sums(session, filters).values())
        print_message(f"Documents: {format_whole(count)}. Nothing was changed.")
        return
    run_id, _ = transaction(start_run, SendingRunSpec(MARK_SENT, reason), documents, True, SYSTEM, clock.now())
    send_run(transaction, run_id, True, SYSTEM, clock.now())
    left_out = left_out_of_run(db.session(), run_id)
    print_table(
        ("document", "reason"), [[row.number or row.invoice_id, NOT_SENT_REASONS[row.reason]] for row in left_out]
    )
    progress = sending_progress(db.session(), run_id)
    print_message(
        f"Documents marked as sent: {format_whole(progress.sent)}. Left out: {format_whole(progress.left_out)}."
    )


@command("resume-outbox", writes=True)
def resume_outbox() -> None:
    """Send all waiting messages now, and end a pause of the outbox.

    A worker sends them. Correct the cause before, such as a wrong password of the mail server.
    """
    count = transaction(resume_sending, SYSTEM, clock.now())
    print_message(f"Messages that will be sent shortly, if the mail server accepts them: {format_whole(count)}.")


@command("outbox")
@click.option("--state", type=click.Choice(FILTER_STATES), help="Show only messages in this state.")
@click.option("--customer", help="Show only the messages to the customer with this reference.")
@click.option("--document", help="Show only the messages with the document that has this number.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Largest number of messages."
)
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
def outbox(state: str | None, customer: str | None, document: str | None, limit: int, wants_json: bool) -> None:
    """List the messages to customers, newest first.

    The state “attention” has the messages that failed, or are uncertain, and were not sent again.

    \b
    Examples:
      flask --app wsgi outbox --state attention
      flask --app wsgi outbox --document INV-2026-00042 --json
    """
    session = db.session()
    filters = MessageFilter(state=state or "", customer=customer or "", document=document or "")
    rows = [_row(message) for message in page(session, messages(session, filters), limit).rows]
    counts = count_by_state(session, filters)
    if wants_json:
        print_json({"counts": {name: count for name, count in counts.items() if name}, "messages": rows})
    elif rows:
        print_table(_COLUMNS, [list(row.values()) for row in rows])
    parts = ", ".join(f"{name} {format_whole(counts[name])}" for name in FILTER_STATES)
    print_message(f"Messages: {format_whole(counts[''])} ({parts}).")


def _row(message: Message) -> dict[str, str]:
    values = (
        str(message.id),
        message.created_at.isoformat(),
        message.state,
        message.customer.reference,
        " ".join(part.invoice.number or "" for part in message.documents),
        " ".join(recipient.address for recipient in message.recipients),
        message.reason,
    )
    return dict(zip(_COLUMNS, values, strict=True))
