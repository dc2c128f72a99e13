"""The dashboard: amounts that need attention, and recent documents.

Each amount has a link to its list.
"""

from dataclasses import dataclass
from typing import Any

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.queries.billing import runs
from billing_admin.queries.charges import charges, recurring_charges, unbilled
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.invoices import invoices
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.setup import Setup, setup
from billing_admin.queries.messages import messages
from billing_admin.queries.messages.messages import ATTENTION, UNDELIVERED_SHOWN, MessageFilter
from billing_admin.queries.payments import receivables
from billing_admin.queries.payments.open_items import OpenItemFilter, open_sums
from billing_admin.queries.webhooks import endpoints
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import now, today
from billing_admin.web.messages.sending_plans import mail_on

RECENT_ROWS = 5

pages = page_blueprint("dashboard", __name__, None, write="settings:write")


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step of the set-up, and whether it is done."""

    label: str
    text: str
    url: str
    permission: str
    done: bool


@pages.get("/")
def home() -> ResponseReturnValue:
    """Show amounts to be billed, issued, paid and reviewed.

    The page also lists the latest invoices and billing runs.
    """
    session, day = db.session(), today()
    progress = setup(session)
    recent_runs = paging.page(session, runs.runs(), RECENT_ROWS).rows
    return render_template(
        "dashboard/show.html",
        steps=[] if progress.done else _setup_steps(progress),
        unbilled=unbilled.unbilled_totals(session),
        drafts=invoices.invoice_sums(session, InvoiceFilter(day, status="draft")),
        open=open_sums(session, OpenItemFilter(day)),
        unallocated=receivables.unallocated_sums(session, day),
        duplicates=charges.charge_sums(session, ChargeFilter(likely_duplicates=True)),
        invoices=paging.page(session, invoices.invoices(session, InvoiceFilter(day)), RECENT_ROWS).rows,
        runs=recent_runs,
        run_totals=runs.run_totals(session, {run.id for run in recent_runs}),
        backlog=recurring_charges.posting_backlog(session, day),
        attention=messages.count_messages(session, MessageFilter(state=ATTENTION)),
        undelivered=messages.count_messages(session, MessageFilter(undelivered=True, from_=day - UNDELIVERED_SHOWN)),
        delayed=messages.delayed_messages(session, now()),
        mail_on=mail_on(),
        undelivered_from=day - UNDELIVERED_SHOWN,
        failing_webhooks=endpoints.failing_endpoints(session),
        today=day,
        may_bill=has_permission("billing:write"),
        may_charge=has_permission("charges:write"),
    )


def _setup_steps(progress: Setup) -> list[SetupStep]:
    steps = [
        (
            "Your organisation",
            "The name, address and currency shown on every invoice.",
            "settings.edit",
            "settings:write",
        ),
        ("A service", "Something you charge for, with its unit and price.", "services.new", "catalogue:write"),
        ("A customer", "The person or company you bill.", "customers.new", "customers:write"),
        ("A first charge", "A service, a quantity and a day. Then run billing.", "charges.new", "charges:write"),
    ]
    done = (progress.organisation, progress.service, progress.customer, progress.charge)
    return [
        SetupStep(label, text, _permitted_url(endpoint, permission), permission, is_done)
        for (label, text, endpoint, permission), is_done in zip(steps, done, strict=True)
    ]


def _permitted_url(endpoint: str, permission: str) -> Any:
    return url_for(endpoint) if has_permission(permission) else ""
