"""The dashboard: the work that waits, trends, and recent documents.

Each figure has a link to its list, and comes from the same query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.receivable_trends import MonthFigures, month_figures
from billing_admin.domain.translation import Phrase
from billing_admin.models import UnbilledDay
from billing_admin.queries import work_queue
from billing_admin.queries.billing import runs
from billing_admin.queries.charges import recurring_charges, unbilled
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.charges.unbilled import UnbilledTotal
from billing_admin.queries.invoices import invoices
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages import messages
from billing_admin.queries.messages.messages import ATTENTION, UNDELIVERED_SHOWN, MessageFilter
from billing_admin.queries.messages.outbox import current_pause
from billing_admin.queries.payments.open_items import OpenItemFilter, OpenSum, open_sums
from billing_admin.queries.payments.trends import Debtor, month_trends, top_debtors
from billing_admin.queries.webhooks import endpoints
from billing_admin.queries.work_queue import Work
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import currency_param, has_permission
from billing_admin.web.frame.lists import BUCKET_LABELS
from billing_admin.web.frame.signed_in import now, today
from billing_admin.web.messages.sending_plans import mail_on
from billing_admin.web.system.set_up import set_up_progress

RECENT_ROWS = 5
DEBTORS_SHOWN = 10

pages = page_blueprint("dashboard", __name__, None, write="settings:write")


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A figure of the work queue with the list that it leads to.

    `noun` is that of a row, `note` what it waits for. `attention` marks it while something waits.
    """

    label: str
    work: Work
    url: str
    none: str = Phrase("None")
    noun: str = "invoice"
    note: str = ""
    attention: bool = False


@dataclass(frozen=True, slots=True)
class Trends:
    """The charts of one currency, with a tab for each.

    `months` and `recorded` have an entry a month. `digits` are those of the currency after the point.
    """

    currency: str
    tabs: Sequence[dict[str, Any]]
    digits: int
    months: Sequence[MonthFigures]
    open: OpenSum | None
    buckets: Sequence[tuple[str, str]]
    debtors: Sequence[Debtor]
    recorded: Sequence[UnbilledDay | None]
    unbilled: UnbilledTotal | None


@pages.get("/")
def home() -> ResponseReturnValue:
    """Show the work queue, trends in one currency, and the latest documents.

    `currency` is that of the trends, by default the base currency.
    """
    session, day = db.session(), today()
    recent_runs = paging.page(session, runs.runs(), RECENT_ROWS).rows
    open_by_currency = open_sums(session, OpenItemFilter(day))
    unbilled_totals = unbilled.unbilled_totals(session)
    return render_template(
        "dashboard/show.html",
        set_up=set_up_progress(),
        queue=_queue(open_by_currency, unbilled_totals),
        open=open_by_currency,
        trends=_trends(currency_param(), open_by_currency, unbilled_totals),
        invoices=paging.page(session, invoices.invoices(session, InvoiceFilter(day)), RECENT_ROWS).rows,
        runs=recent_runs,
        run_totals=runs.run_totals(session, {run.id for run in recent_runs}),
        backlog=recurring_charges.posting_backlog(session, day),
        undelivered=messages.count_messages(session, MessageFilter(undelivered=True, from_=day - UNDELIVERED_SHOWN)),
        delayed=messages.delayed_messages(session, now()),
        pause=current_pause(session, now()),
        mail_on=mail_on(),
        undelivered_from=day - UNDELIVERED_SHOWN,
        failing_webhooks=endpoints.failing_endpoints(session),
        today=day,
        may_bill=has_permission("billing:write"),
        may_charge=has_permission("charges:write"),
    )


def _queue(open_by_currency: Sequence[OpenSum], unbilled_totals: Sequence[UnbilledTotal]) -> list[QueueItem]:
    """Return the figures of the work queue, each with a link to its list."""
    session, day = db.session(), today()
    pending, held = work_queue.unbilled_work(unbilled_totals)
    first_day = now().date() - work_queue.FAILED_JOB_DAYS
    return [
        QueueItem(Phrase("Unbilled"), pending, url_for("unbilled.index"), Phrase("Nothing to bill"), "pending charge"),
        QueueItem(
            Phrase("Recurring charges due"),
            work_queue.due_work(session, day),
            url_for("billing_runs.preview", through=day.isoformat(), _anchor="due"),
            noun="charge",
            note=Phrase("to post"),
        ),
        QueueItem(
            Phrase("Likely duplicates"),
            work_queue.charge_work(session, ChargeFilter(likely_duplicates=True)),
            url_for("duplicates.index"),
            noun="charge",
            note=Phrase("to keep or cancel"),
        ),
        QueueItem(
            Phrase("Held charges"),
            held,
            url_for("charges.index", status="held"),
            noun="charge",
            note=Phrase("to release or cancel"),
        ),
        QueueItem(
            Phrase("Drafts"),
            work_queue.invoice_work(session, InvoiceFilter(day, status="draft")),
            url_for("invoices.index", status="draft"),
            note=Phrase("to issue or discard"),
        ),
        QueueItem(
            Phrase("Open"),
            work_queue.open_work(open_by_currency),
            url_for("invoices.index", status="open"),
            note=Phrase("not paid in full"),
        ),
        QueueItem(
            Phrase("Overdue"),
            work_queue.open_work(open_by_currency, first_bucket=1),
            url_for("invoices.index", status="overdue"),
            note=Phrase("past the due date"),
            attention=True,
        ),
        QueueItem(
            Phrase("Unallocated payments"),
            work_queue.unallocated_work(session, day),
            url_for("payments.index", status="unallocated"),
            noun="payment",
            note=Phrase("to allocate"),
        ),
        QueueItem(
            Phrase("Messages not sent"),
            work_queue.message_work(session),
            url_for("messages.index", state=ATTENTION),
            noun="message",
            note=Phrase("failed, or may not have been sent"),
            attention=True,
        ),
        QueueItem(
            Phrase("Failed jobs"),
            work_queue.failed_jobs(session, now()),
            url_for("jobs.index", **{"state": "failed", "from": first_day.isoformat()}),  # type: ignore[arg-type]
            noun="job",
            note=Phrase("to start again"),
            attention=True,
        ),
        *(item for item in _exceptional_work() if item.work.count),
    ]


def _exceptional_work() -> Iterator[QueueItem]:
    """Yield rare items, which are shown only while something waits."""
    yield QueueItem(
        Phrase("To approve"),
        work_queue.approvals_work(db.session()),
        url_for("approvals.index", state="waiting"),
        noun="act",
        note=Phrase("above the limit of a role"),
        attention=True,
    )
    if has_permission("access:read"):
        yield QueueItem(
            Phrase("API tokens that expire"),
            work_queue.expiring_tokens(db.session(), now()),
            url_for("tokens.index"),
            noun="API token",
            note=Phrase("to replace within 14 days"),
            attention=True,
        )


def _trends(
    currency: str, open_by_currency: Sequence[OpenSum], unbilled_totals: Sequence[UnbilledTotal]
) -> Trends | None:
    """Return the trends in a currency; None while there is nothing to show in any."""
    session, day = db.session(), today()
    by_currency = month_trends(session, day, open_by_currency)
    currencies = sorted({*by_currency, *(total.currency for total in unbilled_totals)})
    if not currencies:
        return None
    base = organisation(session).base_currency
    shown = currency or (base if base in currencies else currencies[0])
    months = by_currency.get(shown) or month_figures(day, 0, [], [], [], [])
    recorded = unbilled.unbilled_by_month(session, [month.month for month in months]).get(shown, [None] * len(months))
    return Trends(
        currency=shown,
        tabs=[
            {"label": code, "url": url_for("dashboard.home", currency=code, _anchor="trends"), "active": code == shown}
            for code in currencies
        ],
        digits=MINOR_DIGITS[shown],
        months=months,
        open=next((row for row in open_by_currency if row.currency == shown), None),
        buckets=tuple(BUCKET_LABELS.items()),
        debtors=top_debtors(session, OpenItemFilter(day, currency=shown), DEBTORS_SHOWN),
        recorded=recorded,
        unbilled=next((row for row in unbilled_totals if row.currency == shown), None),
    )
