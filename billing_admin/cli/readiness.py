"""Name the documents that cannot be issued, and all that they lack."""

from collections.abc import Iterator

import click
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json, print_table
from billing_admin.db.engine import db
from billing_admin.domain.readiness import Shortcoming
from billing_admin.queries.billing.preview import BillingScope, load_documents
from billing_admin.queries.invoices.readiness import all_drafts, incomplete_drafts, organisation_shortcomings
from billing_admin.queries.master_data.organisation import today

_COLUMNS = ("object", "customer", "severity", "code", "detail")


@command("readiness")
@click.option("--all", "with_warnings", is_flag=True, help="List warnings as well.")
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def readiness(ctx: click.Context, with_warnings: bool, wants_json: bool) -> None:
    """List everything that stops drafts and due charges from becoming invoices.

    Exit code 1 if there is any. Warnings do not change the exit code.

    \b
    Examples:
      flask --app wsgi readiness
      flask --app wsgi readiness --all --json
    """
    session = db.session()
    rows = [
        dict(zip(_COLUMNS, (name, customer, item.severity, item.code, item.message), strict=True))
        for name, customer, item in _shortcomings(session)
        if item.stops or with_warnings
    ]
    stops = sum(row["severity"] == "stop" for row in rows)
    if wants_json:
        print_json({"ready": not stops, "shortcomings": rows})
    elif rows:
        print_table(_COLUMNS, [list(row.values()) for row in rows])
    print_message(f"Shortcomings to correct before the issue: {stops:,}.")
    ctx.exit(1 if stops else 0)


def _shortcomings(session: Session) -> Iterator[tuple[str, str, Shortcoming]]:
    """Yield the object, its customer's reference and the shortcoming.

    The objects are the organisation, drafts, and the due charges of an account.
    """
    of_organisation = organisation_shortcomings(session)
    for item in of_organisation:
        yield "organisation", "", item
    for draft in incomplete_drafts(session, all_drafts(session)):
        for item in draft.shortcomings:
            if item not in of_organisation:
                yield f"draft {draft.id}", draft.reference, item
    for prepared in load_documents(session, BillingScope(today(session, clock.now()))):
        for item in prepared.shortcomings:
            if item not in of_organisation:
                yield f"due charges in {prepared.document.currency}", prepared.reference, item
