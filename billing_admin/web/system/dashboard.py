"""The first page: what waits, each figure leading to the list that adds up to it."""

from dataclasses import dataclass
from typing import Any

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.domain.receivables import ageing_buckets
from billing_admin.queries.billing import runs
from billing_admin.queries.charges import charges, unbilled
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.invoices import invoices
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.setup import Setup, setup
from billing_admin.queries.payments import payments, receivables
from billing_admin.queries.payments.payments import PaymentFilter
from billing_admin.queries.webhooks import endpoints
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import today

RECENT = 5

pages = page_blueprint("dashboard", __name__, None, write="settings:write")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of setting up."""

    label: str
    text: str
    url: str
    permission: str
    done: bool


@pages.get("/")
def home() -> ResponseReturnValue:
    """What waits to be billed, issued and paid; what to look at; what happened last."""
    session, day = db.session(), today()
    found = setup(session)
    recent = paging.page(session, runs.runs(), RECENT).rows
    return render_template(
        "dashboard/show.html",
        steps=[] if found.done else _steps(found),
        unbilled=unbilled.unbilled_totals(session),
        due={
            status: invoices.invoice_sums(session, InvoiceFilter(day, status=status))
            for status in ("draft", "open", "overdue")
        },
        aged=receivables.open_amounts_by_bucket(session, day),
        buckets=ageing_buckets(day),
        unallocated=payments.payment_sums(session, PaymentFilter(status="unallocated")),
        duplicates=charges.charge_sums(session, ChargeFilter(likely_duplicates=True)),
        invoices=paging.page(session, invoices.invoices(session, InvoiceFilter(day)), RECENT).rows,
        runs=recent,
        made=runs.run_totals(session, {run.id for run in recent}),
        troubled=endpoints.failing_endpoints(session),
        today=day,
        may_bill=has_permission("billing:write"),
        may_charge=has_permission("charges:write"),
    )


def _steps(found: Setup) -> list[Step]:
    steps = [
        (
            "Your organisation",
            "Its name, address and currency stand on every invoice.",
            "settings.edit",
            "settings:write",
        ),
        ("A service", "What you charge for, with its unit and price.", "services.new", "catalogue:write"),
        ("A customer", "Whom you bill.", "customers.new", "customers:write"),
        ("A first charge", "How much of what, on which day. Then run billing.", "charges.new", "charges:write"),
    ]
    done = (found.organisation, found.service, found.customer, found.charge)
    return [
        Step(label, text, _where(endpoint, permission), permission, ready)
        for (label, text, endpoint, permission), ready in zip(steps, done, strict=True)
    ]


def _where(endpoint: str, permission: str) -> Any:
    return url_for(endpoint) if has_permission(permission) else ""
