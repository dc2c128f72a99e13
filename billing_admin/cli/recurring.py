"""Post recurring charges, and run everything that must run once a day."""

from datetime import date

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import REJECTED, DayType, command, print_message
from billing_admin.cli.output import print_json, print_table
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import plain_decimal, plain_decimal_or_none
from billing_admin.operations import files
from billing_admin.operations.audit import seal_all_events
from billing_admin.operations.charges.recurring_posting import PostingOutcome, check_through, post_all_due_charges
from billing_admin.operations.charges.unbilled_days import record_unbilled_day
from billing_admin.operations.messages.reminder_runs import send_daily_reminders
from billing_admin.operations.messages.statements import send_all_monthly_statements
from billing_admin.operations.webhooks.deliveries import delete_all_expired
from billing_admin.queries.charges.recurring_charges import due_charges
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.messages.outbox import can_send

_COLUMNS = ("customer", "service", "from", "to", "quantity", "unit_price", "amount", "currency")


@command("post-recurring", writes=True)
@click.option("--through", type=DayType(), help="Post charges that are due up to this day. Default: today.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be posted, and store nothing.")
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def post_recurring(ctx: click.Context, through: date | None, dry_run: bool, wants_json: bool) -> None:
    """Post the recurring charges that are due.

    Repeating the command posts nothing twice. Exit code 5 if a charge could not be posted.

    \b
    Examples:
      flask --app wsgi post-recurring --dry-run
      flask --app wsgi post-recurring --through 2026-12-31
    """
    last = through or today(db.session(), clock.now())
    if dry_run:
        _preview(last, wants_json)
    else:
        outcome = post_all_due_charges(transaction, db.session(), last, SYSTEM, clock.now())
        _print_outcome(last, outcome, wants_json)
        if outcome.refused:
            ctx.exit(REJECTED)


@command("daily")
@click.pass_context
def daily(ctx: click.Context) -> None:
    """Run the daily work.

    It records what is unbilled, posts recurring charges, sends monthly statements and daily reminders, deletes old
    deliveries and files, and seals the audit log.

    \b
    Example, in a crontab:
      15 0 * * *  cd /srv/billing-admin && .venv/bin/flask --app wsgi daily
    """
    transaction(record_unbilled_day, clock.now())
    last = today(db.session(), clock.now())
    outcome = post_all_due_charges(transaction, db.session(), last, SYSTEM, clock.now())
    _print_outcome(last, outcome, wants_json=False)
    settings: Settings = current_app.extensions["billing_settings"]
    monthly = send_all_monthly_statements(
        transaction, db.session(), can_send(db.session(), settings), SYSTEM, clock.now()
    )
    print_message(f"Monthly statements in the outbox: {monthly.sent:,}.")
    for customer, reason in monthly.refused:
        print_message(f"  Not sent: {customer}: {reason}")
    reminders = send_daily_reminders(transaction, db.session(), can_send(db.session(), settings), SYSTEM, clock.now())
    print_message(f"Reminders in the outbox: {reminders:,}.")
    print_message(f"Old webhook deliveries deleted: {delete_all_expired(transaction, clock.now()):,}.")
    deleted = transaction(files.delete_created_before, clock.now() - files.RETENTION)
    print_message(f"Files older than {files.RETENTION.days} days deleted: {deleted:,}.")
    print_message(f"Audit events sealed: {seal_all_events(transaction, clock.now(), whole=True):,}.")
    if outcome.refused or monthly.refused:
        ctx.exit(REJECTED)


def _preview(through: date, wants_json: bool) -> None:
    check_through(db.session(), through, clock.now())
    rows = [
        {
            "customer": row.customer_reference,
            "service": row.service_code,
            "from": due.period_from.isoformat(),
            "to": due.period_to.isoformat(),
            "quantity": plain_decimal(due.quantity),
            "unit_price": plain_decimal_or_none(due.unit_price),
            "amount": plain_decimal_or_none(due.amount),
            "currency": row.currency,
        }
        for row, due in due_charges(db.session(), through)
    ]
    if wants_json:
        print_json({"state": "preview", "through": through.isoformat(), "charges": rows})
    else:
        print_table(_COLUMNS, [["" if cell is None else cell for cell in row.values()] for row in rows], _COLUMNS[4:7])
    print_message(f"Up to {through.isoformat()}: charges {len(rows):,}. Nothing was stored.")


def _print_outcome(through: date, outcome: PostingOutcome, wants_json: bool) -> None:
    if wants_json:
        refused = [{"id": str(id), "reason": reason} for id, reason in outcome.refused]
        print_json({"through": through.isoformat(), "charges": outcome.charges, "refused": refused})
    print_message(f"Recurring charges up to {through.isoformat()}: {outcome.charges:,} posted.")
    for id, reason in outcome.refused:
        print_message(f"  Not posted: recurring charge {id}: {reason}")
