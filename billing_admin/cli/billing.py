"""A billing run: rehearsed, run, resumed."""

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
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.invoices import LEFT_OUT_REASONS
from billing_admin.domain.money import Money, plain_decimal
from billing_admin.operations.billing.runs import RunSpec, resolve_scope, run_billing
from billing_admin.queries.billing.preview import LeftOut, preview
from billing_admin.queries.billing.runs import RunReport, run_report
from billing_admin.queries.invoices.currency_totals import CurrencyTotal


@command("billing-run", writes=True)
@click.option(
    "--through", type=DayType(), help="Bill what was incurred up to this day. Needed, unless --id names a run."
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be billed, and store nothing.")
@click.option("--issue", is_flag=True, help="Issue the invoices; without it they are drafts.")
@click.option("--issue-date", type=DayType(), help="The invoices' date; today if left out.")
@click.option("--customer", "customers", multiple=True, metavar="REF", help="Only this customer; may be repeated.")
@click.option("--currency", help="Only charges in this currency.")
@click.option("--id", type=click.UUID, help="The run's id. One that was interrupted goes on where it stopped.")
@click.option("--json", "wants_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def billing_run(
    ctx: click.Context,
    through: date | None,
    dry_run: bool,
    issue: bool,
    issue_date: date | None,
    customers: tuple[str, ...],
    currency: str | None,
    id: UUID | None,
    wants_json: bool,
) -> None:
    """Make invoices of pending charges.

    \b
    Examples:
      flask --app wsgi billing-run --through 2026-10-31 --dry-run
      flask --app wsgi billing-run --through 2026-10-31 --issue
      flask --app wsgi billing-run --id 019a52c7-…        (goes on with an interrupted run)
    """
    if through is None and (id is None or dry_run):
        raise click.UsageError("Say up to which day to bill, with --through.")
    asked: dict[str, Any] = {"customers": customers or None, "currency": currency, "issue": issue}
    if dry_run:
        assert through is not None  # noqa: S101 - asked for above
        _rehearse(RunSpec(through, issue_date=issue_date, **asked), wants_json)
    elif through is None:
        assert id is not None  # noqa: S101 - asked for above
        _run(ctx, _stored(id), wants_json)
    else:
        _run(ctx, RunSpec(through, issue_date=issue_date, id=id or new_id(clock.now()), **asked), wants_json)


def _stored(id: UUID) -> RunSpec:
    """What was asked of a run, so that it goes on as it began. Raises NotFound."""
    stored = run_report(db.session(), id).run
    return RunSpec(
        through=stored.through,
        customers=None if stored.customers is None else tuple(stored.customers),
        currency=stored.currency,
        issue=stored.issue,
        issue_date=stored.issue_date,
        id=id,
    )


def _rehearse(spec: RunSpec, wants_json: bool) -> None:
    shown = preview(db.session(), resolve_scope(db.session(), spec, clock.now()))
    counts = {"state": "preview", "through": spec.through.isoformat()}
    _show(
        counts | {"invoices": len(shown.documents), "charges": shown.charges}, shown.totals, shown.left_out, wants_json
    )
    print_message("Nothing was stored. The same command without --dry-run bills it.")


def _run(ctx: click.Context, spec: RunSpec, wants_json: bool) -> None:
    print_message(f"Billing run {spec.id}. Should it be interrupted: flask --app wsgi billing-run --id {spec.id}")
    run_id, _ = run_billing(transaction, spec, SYSTEM, clock.now())
    made = run_report(db.session(), run_id)
    _show(_facts(made), made.totals, made.left_out, wants_json)
    if made.run.state == "failed":
        print_message(f"The run stopped: {made.run.failure} To go on: flask --app wsgi billing-run --id {run_id}")
        ctx.exit(REJECTED)
    if not made.run.issue and made.invoices:
        print_message("They are drafts: look at them in the browser, and issue them there.")


def _facts(made: RunReport) -> dict[str, Any]:
    run = made.run
    days = {"through": run.through.isoformat(), "issue_date": run.issue_date.isoformat()}
    return {"id": str(run.id), "state": run.state, **days, "invoices": made.invoices, "charges": made.charges}


def _show(
    facts: dict[str, Any], totals: Sequence[CurrencyTotal], left_out: Sequence[LeftOut], wants_json: bool
) -> None:
    sums = [_sums(total) for total in totals]
    rest = [_rest(row) for row in left_out]
    if wants_json:
        print_json(facts | {"totals": sums, "left_out": rest})
        return
    print_message(
        f"Up to {facts['through']}: invoices {facts['invoices']:,}, charges {facts['charges']:,} ({facts['state']})."
    )
    print_table(["currency", "invoices", "net", "tax", "total"], [list(row.values()) for row in sums], _NUMBERS)
    if rest:
        print_message("Left out:")
        columns = ["customer", "currency", "charges", "amount", "why"]
        rows = [[*list(row.values())[:-1], LEFT_OUT_REASONS[str(row["reason"])]] for row in rest]
        print_table(columns, rows, _NUMBERS)


_NUMBERS = ("invoices", "net", "tax", "total", "charges", "amount")


def _sums(total: CurrencyTotal) -> dict[str, object]:
    amounts = {name: str(Money(getattr(total, name), total.currency)) for name in ("net", "tax", "total")}
    return {"currency": total.currency, "invoices": total.invoices, **amounts}


def _rest(row: LeftOut) -> dict[str, object]:
    amount = plain_decimal(row.amount)
    return {
        "customer": row.reference,
        "currency": row.currency,
        "charges": row.charges,
        "amount": amount,
        "reason": row.reason,
    }
