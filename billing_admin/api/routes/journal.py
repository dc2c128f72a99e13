"""The accounting journal of a period, for hledger and ledger or as CSV."""

from flask import Response
from pydantic import Field

from billing_admin.api.frame.fields import FigureDay, Parameters, ResponseModel, Switch
from billing_admin.api.frame.routing import Reply, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.formats import journal
from billing_admin.formats.journal import FORMATS, JournalRequest
from billing_admin.http.callers import require_caller
from billing_admin.http.downloads import Download, send_export
from billing_admin.queries.journal import Period


class JournalQuery(Parameters):
    """The period of a journal, and its options.

    `from` and `to` are days, both included. `opening=1` adds the opening balances, `totals=1` returns totals as JSON.
    """

    from_: FigureDay | None = Field(None, alias="from")
    to: FigureDay | None = None
    opening: Switch = False
    totals: Switch = False


class JournalTotals(ResponseModel):
    """The control totals of a journal, as in its `.meta.json`.

    Debits and credits are equal; `rows` counts postings.
    """

    name: str
    kind: str
    format: str
    filters: dict[str, str | bool]
    made_at: str
    made_by: str
    transactions: int
    rows: int
    debits: dict[str, str]
    credits: dict[str, str]
    sha256: str
    product: str
    version: str
    formula_rule: int


@route(
    "GET",
    "/journal.hledger",
    scope="exports:read",
    query=JournalQuery,
    response=FORMATS["hledger"],
    or_json=JournalTotals,
)
def get_journal(query: JournalQuery) -> Reply | Response:
    """Export the journal of a period for hledger and ledger."""
    return _file(query, "hledger")


@route("GET", "/journal.csv", scope="exports:read", query=JournalQuery, response=FORMATS["csv"], or_json=JournalTotals)
def get_journal_file(query: JournalQuery) -> Reply | Response:
    """Export the journal of a period as CSV with a row for each posting."""
    return _file(query, "csv")


def _file(query: JournalQuery, format: str) -> Reply | Response:
    journal_request = JournalRequest(Period(query.from_, query.to), format, query.opening)
    if query.totals:
        totals = journal.journal_totals(db.session(), journal_request)
        return Reply(
            JournalTotals(
                **journal.describe_journal(journal_request, journal_request.name, totals, now(), require_caller().name)
            )
        )
    file = Download(journal_request.name, FORMATS[format], journal_request.details)
    return send_export(file, lambda session: journal.journal_parts(session, journal_request))
