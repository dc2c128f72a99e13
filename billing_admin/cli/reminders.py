"""Remind customers of overdue invoices."""

from typing import Any
from uuid import UUID

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json, print_table
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import Money
from billing_admin.domain.reminders import describe_reason
from billing_admin.operations.messages.reminder_runs import ReminderRunSpec, preview_reminders, run_reminders
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.messages.reminders import run_items

_COLUMNS = ("customer", "currency", "invoice", "level", "open")


@command("remind", writes=True)
@click.option("-n", "--dry-run", is_flag=True, help="Show the reminders that are due, and send nothing.")
@click.option(
    "--customer", "customers", multiple=True, metavar="REF", help="Remind only this customer. Can be repeated."
)
@click.option("--currency", help="Remind only of invoices in this currency.")
@click.option("--id", type=click.UUID, help="ID of the run. A repeated ID sends nothing twice.")
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
def remind(dry_run: bool, customers: tuple[str, ...], currency: str | None, id: UUID | None, wants_json: bool) -> None:
    """Send the reminders of overdue invoices that are due today.

    Each customer gets one message for each currency. Repeating the command sends nothing twice.

    \b
    Examples:
      flask --app wsgi remind --dry-run
      flask --app wsgi remind --customer ACME
    """
    spec = ReminderRunSpec(customers=customers or None, currency=currency, id=id)
    if dry_run:
        plan = preview_reminders(db.session(), spec, clock.now()).plan
        reminded = [
            _row(reminder.account.reference, reminder.account.currency, item.invoice.number, item.level, item.invoice)
            for reminder in plan.reminders
            for item in reminder.items
        ]
        left_out = [
            _row(row.account.reference, row.account.currency, row.invoice.number, row.level, row.invoice)
            | {"reason": row.reason, "why": describe_reason(row.reason, row.day, row.note)}
            for row in plan.left_out
        ]
        _show({"state": "preview"}, reminded, left_out, wants_json)
        print_message(f"Reminders due: {len(plan.reminders):,}. Nothing was sent.")
        return
    settings: Settings = current_app.extensions["billing_settings"]
    run_id, _ = run_reminders(transaction, db.session(), spec, can_send(db.session(), settings), SYSTEM, clock.now())
    items = run_items(db.session(), run_id)
    stored = [(row, _row(row.customer_reference, row.currency, row.invoice_number, row.level, row)) for row in items]
    reminded = [cells for row, cells in stored if row.message_id]
    left_out = [
        cells | {"reason": row.reason, "why": describe_reason(row.reason, row.day, row.note)}
        for row, cells in stored
        if row.reason
    ]
    _show({"state": "done", "id": str(run_id)}, reminded, left_out, wants_json)
    sent = len({row.message_id for row in items if row.message_id})
    print_message(f"Reminder run {run_id}. Reminders in the outbox: {sent:,}.")


def _row(customer: str, currency: str, invoice: str, level: int, amounts: Any) -> dict[str, object]:
    amount = str(Money(amounts.open_amount, currency))
    return {"customer": customer, "currency": currency, "invoice": invoice, "level": level, "open": amount}


def _show(
    facts: dict[str, object],
    reminded: list[dict[str, object]],
    left_out: list[dict[str, object]],
    wants_json: bool,
) -> None:
    if wants_json:
        stripped = [{name: cell for name, cell in row.items() if name != "why"} for row in left_out]
        print_json(facts | {"invoices": reminded, "left_out": stripped})
        return
    print_table(_COLUMNS, [list(row.values()) for row in reminded], _COLUMNS[3:])
    if left_out:
        print_message("Left out:")
        rows = [[cell for name, cell in row.items() if name != "reason"] for row in left_out]
        print_table([*_COLUMNS, "why"], rows, _COLUMNS[3:])
