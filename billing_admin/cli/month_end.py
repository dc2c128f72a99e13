"""Show the steps of the month end."""

from typing import Any

import click

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json, print_table
from billing_admin.db.engine import db
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.month_end import Source, Step, parse_month
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.month_end import month_end as load_month_end

_COLUMNS = ("step", "done", "count", "sums")


@command("month-end")
@click.argument("month", required=False, metavar="[YYYY-MM]")
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def month_end(ctx: click.Context, month: str | None, wants_json: bool) -> None:
    """Show which steps of a month's end are done. Default: the last whole month.

    Exit code 1 if a step is not done.

    \b
    Examples:
      flask --app wsgi month-end
      flask --app wsgi month-end 2026-10 --json
    """
    session, now = db.session(), clock.now()
    report = load_month_end(session, parse_month(month or "", today(session, now)), now)
    if wants_json:
        print_json(
            {
                "month": f"{report.month.first:%Y-%m}",
                "done": report.done == len(report.steps),
                "steps": [_step(step) for step in report.steps],
                "sources": [_source(source) for source in report.sources],
            }
        )
    else:
        print_table(_COLUMNS, [_line(step) for step in report.steps])
    print_message(f"Steps done in {report.month.first:%Y-%m}: {report.done} of {len(report.steps)}.")
    ctx.exit(0 if report.done == len(report.steps) else 1)


def _step(step: Step) -> dict[str, Any]:
    sums = [{"currency": row.currency, "count": row.count, "amount": plain_decimal(row.amount)} for row in step.sums]
    return {"step": step.name, "done": step.done, "count": step.count, "sums": sums}


def _source(source: Source) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "name": source.name,
        "last": source.last.isoformat() if source.last else None,
        "charges": source.charges,
    }


def _line(step: Step) -> list[Any]:
    sums = ", ".join(f"{plain_decimal(row.amount)} {row.currency}" for row in step.sums)
    return [step.name, "yes" if step.done else "no", step.count, sums]
