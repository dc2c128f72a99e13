"""Demo data in, and the health of all data."""

import click

from billing_admin import clock
from billing_admin import demo as demo_data
from billing_admin.cli.commands import command, say
from billing_admin.cli.output import as_json
from billing_admin.database import db, transaction
from billing_admin.queries.doctor import Result, examine


@command("demo")
def demo() -> None:
    """Fill an empty database with a fictional cloud provider's fourteen months. Refuses a database that is in use."""
    made = transaction(demo_data.fill, clock.now())
    say(f"Made {made.customers} customers, {made.charges:,} charges and {made.invoices} invoices.")


@command("doctor")
@click.option("--json", "wants_json", is_flag=True, help="Answer in JSON, with up to 1,000 rows a check.")
@click.pass_context
def doctor(ctx: click.Context, wants_json: bool) -> None:
    """Check what must always hold, and name the rows that break it. Exit code 1 if there is any.

    It only reads, and sees one moment: people can go on working.
    """
    results = examine(db.session())
    broken = [result for result in results if result.found]
    if wants_json:
        as_json({"ok": not broken, "checks": [_as_data(result) for result in results]})
    else:
        for result in results:
            _tell(result)
    say(f"{len(broken)} of {len(results)} checks found something." if broken else "All is well.")
    ctx.exit(1 if broken else 0)


def _as_data(result: Result) -> dict[str, object]:
    rows = [{"table": row.table, "id": row.id, "wrong": row.wrong} for row in result.rows]
    return {"name": result.check.name, "sentence": result.check.sentence, "found": result.found, "rows": rows}


def _tell(result: Result) -> None:
    mark = f"{result.found:,} WRONG" if result.found else "ok"
    click.echo(f"{result.check.name}\t{mark}\t{result.check.sentence}")
    for row in result.rows:
        click.echo(f"  {row.table} {row.id}: {row.wrong}")
    if result.found > len(result.rows):
        click.echo(f"  … and {result.found - len(result.rows):,} more")
