"""Preview, run and resume billing runs."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import click

from billing_admin import clock
from billing_admin.cli.commands import REJECTED, DayType, command, print_message
from billing_admin.cli.output import print_json, print_table
from billing_admin.db.engine import db
from billing_admin.db.ids import new_id
from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.billing_review import (
    DEFAULT_CHANGE_PERCENT,
    FLAG_LABELS,
    MAX_CHANGE_PERCENT,
    ReviewedDocument,
)
from billing_admin.domain.billing_runs import LEFT_OUT_REASONS
from billing_admin.domain.money import Money, plain_decimal
from billing_admin.operations.billing.runs import RunSpec, preview_run, resolve_scope, run_billing
from billing_admin.queries.billing.preview import DueCharge, LeftOut, LikelyDuplicates
from billing_admin.queries.billing.review import UnbilledAccount, review
from billing_admin.queries.billing.runs import RunReport, run_report
from billing_admin.queries.invoices.currency_totals import CurrencyTotal
from billing_admin.queries.payments.refunds import credit_by_currency


@command("billing-run", writes=True)
@click.option(
    "--through", type=DayType(), help="Bill charges incurred up to this day. Required unless --id names a run."
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be billed, and store nothing.")
@click.option("--issue", is_flag=True, help="Issue the invoices. Default: create drafts.")
@click.option("--issue-date", type=DayType(), help="Issue date of the invoices. Default: today.")
@click.option(
    "--customer",
    "customers",
    multiple=True,
    metavar="REF",
    help="Bill only this customer. Repeat the option to add customers.",
)
@click.option("--currency", help="Bill only charges in this currency.")
@click.option("--purchase-order", help="Purchase order number of invoices whose charges and customer have none.")
@click.option(
    "--change-percent",
    type=click.IntRange(1, MAX_CHANGE_PERCENT),
    default=DEFAULT_CHANGE_PERCENT,
    show_default=True,
    help="With --dry-run: flag amounts that differ by more from the account's last invoices.",
)
@click.option("--id", type=click.UUID, help="ID of the run. An interrupted run continues where it stopped.")
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def billing_run(
    ctx: click.Context,
    through: date | None,
    dry_run: bool,
    issue: bool,
    issue_date: date | None,
    customers: tuple[str, ...],
    currency: str | None,
    purchase_order: str | None,
    change_percent: int,
    id: UUID | None,
    wants_json: bool,
) -> None:
    """Turn pending charges into invoices.

    \b
    Examples:
      flask --app wsgi billing-run --through 2026-10-31 --dry-run
      flask --app wsgi billing-run --through 2026-10-31 --issue
      flask --app wsgi billing-run --id 019a52c7-…        (continues an interrupted run)
    """
    if through is None and (id is None or dry_run):
        raise click.UsageError("Set the last day to bill with --through.")
    scope: dict[str, Any] = {"customers": customers or None, "currency": currency, "issue": issue}
    scope |= {"purchase_order": purchase_order}
    if dry_run:
        assert through is not None  # noqa: S101 - asked for above
        _preview(RunSpec(through, issue_date=issue_date, **scope), change_percent, wants_json)
    elif through is None:
        assert id is not None  # noqa: S101 - asked for above
        _run(ctx, _stored_spec(id), wants_json)
    else:
        _run(ctx, RunSpec(through, issue_date=issue_date, id=id or new_id(clock.now()), **scope), wants_json)


def _stored_spec(id: UUID) -> RunSpec:
    """Return the specification of a stored run, to continue it.

    Raises NotFound.
    """
    run = run_report(db.session(), id).run
    return RunSpec(
        through=run.through,
        customers=None if run.customers is None else tuple(run.customers),
        currency=run.currency,
        issue=run.issue,
        issue_date=run.issue_date,
        id=id,
        purchase_order=run.purchase_order,
    )


def _preview(spec: RunSpec, change_percent: int, wants_json: bool) -> None:
    session, now = db.session(), clock.now()
    billing_preview = preview_run(dry_run, session, spec, SYSTEM, now)
    checked = review(session, resolve_scope(session, spec, now), billing_preview, change_percent)
    facts: dict[str, Any] = {"state": "preview", "through": spec.through.isoformat()}
    facts |= {"invoices": len(billing_preview.documents), "charges": billing_preview.charges}
    due = [_due_row(row) for row in billing_preview.due]
    refused = [
        {"customer": row.customer_reference, "service": row.service_code, "reason": reason}
        for row, reason in billing_preview.refused
    ]
    duplicates = [_duplicates_row(row) for row in billing_preview.duplicates]
    credit = credit_by_currency(session, billing_preview.documents if spec.issue else ())
    lists: dict[str, list[dict[str, object]]] = {
        "due_recurring_charges": due,
        "refused_recurring_charges": refused,
        "possible_duplicates": duplicates,
        "reviews": [_review_row(row) for row in checked.documents if row.flags],
        "usually_billed": [_missing_row(row) for row in checked.missing],
        "credit_to_apply": [
            {"currency": currency, "amount": str(Money(amount, currency))} for currency, amount in credit.items()
        ],
    }
    _show(
        facts | lists,
        billing_preview.totals,
        billing_preview.left_out,
        wants_json,
    )
    for name, message in _PREVIEW_LISTS.items():
        if lists[name] and not wants_json:
            print_message(message)
            print_table(list(lists[name][0]), [list(map(_cell, row.values())) for row in lists[name]], _NUMBERS)
    print_message("Nothing was stored. Run the command without --dry-run to bill these charges.")


def _run(ctx: click.Context, spec: RunSpec, wants_json: bool) -> None:
    print_message(
        f"Billing run {spec.id}. If it is interrupted, continue it with: flask --app wsgi billing-run --id {spec.id}"
    )
    run_id, _ = run_billing(transaction, spec, SYSTEM, clock.now())
    report = run_report(db.session(), run_id)
    _show(_facts(report), report.totals, report.left_out, wants_json)
    if report.run.state == "failed":
        print_message(
            f"The run stopped: {report.run.failure} Continue it with: flask --app wsgi billing-run --id {run_id}"
        )
        ctx.exit(REJECTED)
    if not report.run.issue and report.invoices:
        print_message("The invoices are drafts. Check and issue them in the browser.")


def _facts(report: RunReport) -> dict[str, Any]:
    run = report.run
    days = {"through": run.through.isoformat(), "issue_date": run.issue_date.isoformat()}
    return {"id": str(run.id), "state": run.state, **days, "invoices": report.invoices, "charges": report.charges}


def _show(
    facts: dict[str, Any], totals: Sequence[CurrencyTotal], left_out: Sequence[LeftOut], wants_json: bool
) -> None:
    sums = [_total_row(total) for total in totals]
    left_out_rows = [_left_out_row(row) for row in left_out]
    if wants_json:
        print_json(facts | {"totals": sums, "left_out": left_out_rows})
        return
    print_message(
        f"Up to {facts['through']}: invoices {facts['invoices']:,}, charges {facts['charges']:,} ({facts['state']})."
    )
    print_table(["currency", "invoices", "net", "tax", "total"], [list(row.values()) for row in sums], _NUMBERS)
    if left_out_rows:
        print_message("Left out:")
        columns = ["customer", "currency", "charges", "amount", "why"]
        rows = [[*list(row.values())[:-1], LEFT_OUT_REASONS[str(row["reason"])]] for row in left_out_rows]
        print_table(columns, rows, _NUMBERS)


_NUMBERS = ("invoices", "net", "tax", "total", "charges", "amount", "usual_net", "change_percent", "average_net")
# The lists of a preview, each with its heading.
_PREVIEW_LISTS = {
    "due_recurring_charges": "Recurring charges that are due and not posted yet. The run posts and bills them:",
    "refused_recurring_charges": "Recurring charges that cannot be posted:",
    "possible_duplicates": "Likely duplicates that will be billed. Hold or cancel them before you run billing:",
    "reviews": "Invoices to check before you run billing, with the reasons:",
    "usually_billed": "Accounts that are usually billed and have no invoice now:",
    "credit_to_apply": "Credit of customers that will pay these invoices when they are issued:",
}


def _cell(value: object) -> object:
    """Return a value for a table, where flags have labels."""
    if isinstance(value, list):
        return ", ".join(FLAG_LABELS[flag] for flag in value)
    return "" if value is None else value


def _total_row(total: CurrencyTotal) -> dict[str, object]:
    amounts = {name: str(Money(getattr(total, name), total.currency)) for name in ("net", "tax", "total")}
    return {"currency": total.currency, "invoices": total.invoices, **amounts}


def _due_row(row: DueCharge) -> dict[str, object]:
    charge = row.charge
    return {
        "customer": charge.customer_reference,
        "service": charge.service_code,
        "day": charge.incurred_on.isoformat(),
        "description": charge.description,
        "amount": plain_decimal(charge.amount),
        "currency": charge.currency,
    }


def _duplicates_row(row: LikelyDuplicates) -> dict[str, object]:
    return {
        "customer": row.reference,
        "currency": row.currency,
        "charges": len(row.ids),
        "amount": plain_decimal(row.amount),
    }


def _review_row(row: ReviewedDocument) -> dict[str, object]:
    currency = row.prepared.document.currency
    return {
        "customer": row.prepared.reference,
        "currency": currency,
        "flags": list(row.flags),
        "net": str(Money(row.prepared.document.net, currency)),
        "usual_net": None if row.usual_net is None else str(Money(row.usual_net, currency)),
        "change_percent": row.change_percent,
    }


def _missing_row(row: UnbilledAccount) -> dict[str, object]:
    return {
        "customer": row.reference,
        "currency": row.currency,
        "invoices": row.invoices,
        "last_issued": row.last_issued.isoformat(),
        "average_net": str(Money(row.average, row.currency)),
    }


def _left_out_row(row: LeftOut) -> dict[str, object]:
    amount = plain_decimal(row.amount)
    return {
        "customer": row.reference,
        "currency": row.currency,
        "charges": row.charges,
        "amount": amount,
        "reason": row.reason,
    }
