"""Demo data in, the health of all data, and the audit log's chain."""

import re
from itertools import islice
from typing import TextIO

import click
from flask import current_app
from sqlalchemy.orm import Session

from billing_admin import clock, demo as demo_data
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.formats.glyphs import load_glyphs, readable_cluster
from billing_admin.operations.audit import seal_all_events
from billing_admin.queries.audit import ChainHead, chain_head, count_unsealed
from billing_admin.queries.doctor import MAX_ROWS, Result, check_anchors, run_checks
from billing_admin.queries.invoices.printing import texts_of_issued

_ANCHOR = re.compile(r"([0-9]{1,18})[ \t]+([0-9a-f]{64})", re.ASCII)


@command("demo", writes=True)
def demo() -> None:
    """Fill an empty database with a fictional cloud provider's fourteen months. Refuses a database that is in use."""
    made = transaction(demo_data.fill, clock.now())
    print_message(f"Made {made.customers} customers, {made.charges:,} charges and {made.invoices} invoices.")


@command("doctor")
@click.option("--json", "wants_json", is_flag=True, help="Answer in JSON, with up to 1,000 rows a check.")
@click.option(
    "--anchor", type=click.File(), help="Heads that audit-head printed: are they still in the chain? - is stdin."
)
@click.pass_context
def doctor(ctx: click.Context, wants_json: bool, anchor: TextIO | None) -> None:
    """Check what must always hold, and name the rows that break it. Exit code 1 if there is any.

    It only reads, and sees one moment: people can go on working. Documents with characters that the PDF cannot print are
    named as well; they do not change the exit code.

    \b
    Examples:
      flask --app wsgi audit-head >> heads.txt           (keep it elsewhere)
      flask --app wsgi doctor --anchor heads.txt
    """
    session = db.session()
    heads = _heads(anchor) if anchor else []
    results = [*run_checks(session, clock.now()), *([check_anchors(session, heads)] if heads else [])]
    broken, unsealed = [result for result in results if result.found], count_unsealed(session)
    unprintable = _unprintable(session)
    if wants_json:
        checks = [_as_data(result) for result in results]
        documents = [{"document": number, "characters": named} for number, named in unprintable.items()]
        print_json({"ok": not broken, "unsealed_events": unsealed, "unprintable": documents, "checks": checks})
    else:
        for result in results:
            _tell(result)
    if unsealed:
        print_message(f"Audit events not sealed yet: {unsealed:,}. To seal them: flask --app wsgi seal-audit")
    if unprintable:
        _say_unprintable(unprintable)
    print_message(f"{len(broken)} of {len(results)} checks found something." if broken else "All is well.")
    ctx.exit(1 if broken else 0)


@command("seal-audit")
def seal_audit() -> None:
    """Seal every audit event that has no seal yet. Running it each night, or each hour, leaves no late one out."""
    print_message(f"Audit events sealed: {seal_all_events(transaction, clock.now(), whole=True):,}.")


@command("audit-head")
def audit_head() -> None:
    """Print the audit log's head: how many events are sealed, and the hash over them all.

    Keep it where nobody of this machine can change it: doctor --anchor proves later that nothing was cut off before it.
    """
    found = chain_head(db.session())
    click.echo(f"{found.sequence}\t{found.hash}")


def _heads(file: TextIO) -> list[ChainHead]:
    lines = [line.strip() for line in file if line.strip()]
    read = [_ANCHOR.fullmatch(line) for line in lines]
    if not lines or not all(read):
        raise click.BadParameter(
            "It must hold lines as audit-head prints them: a number and a hash.", param_hint="--anchor"
        )
    return [ChainHead(int(found[1]), found[2]) for found in read if found]


def _unprintable(session: Session) -> dict[str, list[str]]:
    """Return the characters that the PDF cannot print, by the number of each issued document that has any."""
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    missing: dict[str, dict[str, None]] = {}
    for invoice_id, number, text in texts_of_issued(session):
        for cluster in glyphs.missing([text]):
            missing.setdefault(number or str(invoice_id), {})[readable_cluster(cluster)] = None
    return {number: list(characters) for number, characters in missing.items()}


def _say_unprintable(unprintable: dict[str, list[str]]) -> None:
    for number, characters in islice(unprintable.items(), MAX_ROWS):
        print_message(f"{number}: the PDF cannot print {', '.join(characters)}.")
    print_message(
        f"Documents with characters that cannot be printed: {len(unprintable):,}."
        " Install fonts that have these characters and set BILLING_FONTS."
    )


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
