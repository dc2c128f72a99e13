"""Fill in demo data, check stored data, and seal the audit log."""

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
from billing_admin.queries.messages.messages import delayed_messages
from billing_admin.queries.messages.outbox import current_pause

_ANCHOR = re.compile(r"([0-9]{1,18})[ \t]+([0-9a-f]{64})", re.ASCII)


@command("demo", writes=True)
def demo() -> None:
    """Fill an empty database with fourteen months of a fictional cloud provider.

    Refuses one with data.
    """
    counts = transaction(demo_data.fill, clock.now())
    print_message(f"Created {counts.customers} customers, {counts.charges:,} charges and {counts.invoices} invoices.")


@command("doctor")
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON, with up to 1,000 rows per check.")
@click.option(
    "--anchor",
    type=click.File(),
    help="File with lines from audit-head, to check that they are still in the hash chain. Use - for stdin.",
)
@click.pass_context
def doctor(ctx: click.Context, wants_json: bool, anchor: TextIO | None) -> None:
    """Check every rule of the stored data and list the rows that break one.

    Exit code 1 if there is any.

    It reads a snapshot of the data and does not block other work. Documents with characters that the PDF cannot print, and
    messages that have waited for long, are also named; they do not change the exit code.

    \b
    Examples:
      flask --app wsgi audit-head >> heads.txt           (keep it on another machine)
      flask --app wsgi doctor --anchor heads.txt
    """
    session = db.session()
    heads = _read_heads(anchor) if anchor else []
    results = [*run_checks(session, clock.now()), *([check_anchors(session, heads)] if heads else [])]
    broken, unsealed = [result for result in results if result.count], count_unsealed(session)
    unprintable = _unprintable(session)
    delayed, pause = delayed_messages(session, clock.now()), current_pause(session, clock.now())
    if wants_json:
        checks = [_as_data(result) for result in results]
        documents = [{"document": number, "characters": characters} for number, characters in unprintable.items()]
        print_json(
            {
                "ok": not broken,
                "unsealed_events": unsealed,
                "unprintable": documents,
                "messages_waiting": None if delayed is None else {"count": delayed.count, "reason": delayed.reason},
                "outbox_paused": None if pause is None else pause.reason,
                "checks": checks,
            }
        )
    else:
        for result in results:
            _print_result(result)
    if unsealed:
        print_message(f"Audit events without a seal: {unsealed:,}. Seal them with: flask --app wsgi seal-audit")
    if unprintable:
        _print_unprintable(unprintable)
    if pause:
        print_message(
            f"The outbox is paused: the mail server refused {pause.refusals} messages in a row. {pause.reason}"
        )
    if delayed:
        latest = f" The latest reason: {delayed.reason}" if delayed.reason else ""
        print_message(f"Messages that have waited for more than an hour: {delayed.count:,}.{latest}")
    print_message(f"{len(broken)} of {len(results)} checks found problems." if broken else "All checks passed.")
    ctx.exit(1 if broken else 0)


@command("seal-audit")
def seal_audit() -> None:
    """Add all audit events without a seal to the hash chain.

    Run it every hour.
    """
    print_message(f"Audit events sealed: {seal_all_events(transaction, clock.now(), whole=True):,}.")


@command("audit-head")
def audit_head() -> None:
    """Print the head of the audit log: number of sealed events, hash of the chain.

    Store it on another machine: doctor --anchor later proves that no event before it was changed or removed.
    """
    head = chain_head(db.session())
    click.echo(f"{head.sequence}\t{head.hash}")


def _read_heads(file: TextIO) -> list[ChainHead]:
    lines = [line.strip() for line in file if line.strip()]
    matches = [_ANCHOR.fullmatch(line) for line in lines]
    if not lines or not all(matches):
        raise click.BadParameter("Use a file with lines from audit-head: a number and a hash.", param_hint="--anchor")
    return [ChainHead(int(match[1]), match[2]) for match in matches if match]


def _unprintable(session: Session) -> dict[str, list[str]]:
    """Return the characters that the PDF cannot print, by document number.

    Only issued documents with such characters are included.
    """
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    missing: dict[str, dict[str, None]] = {}
    for invoice_id, number, text in texts_of_issued(session):
        for cluster in glyphs.missing([text]):
            missing.setdefault(number or str(invoice_id), {})[readable_cluster(cluster)] = None
    return {number: list(characters) for number, characters in missing.items()}


def _print_unprintable(unprintable: dict[str, list[str]]) -> None:
    for number, characters in islice(unprintable.items(), MAX_ROWS):
        print_message(f"{number}: the PDF cannot print {', '.join(characters)}.")
    print_message(
        f"Documents with characters that cannot be printed: {len(unprintable):,}."
        " Install fonts that have these characters and set BILLING_FONTS."
    )


def _as_data(result: Result) -> dict[str, object]:
    rows = [{"table": row.table, "id": row.id, "wrong": row.problem} for row in result.rows]
    return {"name": result.check.name, "sentence": result.check.sentence, "found": result.count, "rows": rows}


def _print_result(result: Result) -> None:
    mark = f"{result.count:,} WRONG" if result.count else "ok"
    click.echo(f"{result.check.name}\t{mark}\t{result.check.sentence}")
    for row in result.rows:
        click.echo(f"  {row.table} {row.id}: {row.problem}")
    if result.count > len(result.rows):
        click.echo(f"  … and {result.count - len(result.rows):,} more")
