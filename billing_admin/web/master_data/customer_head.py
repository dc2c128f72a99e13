"""The head of a customer's pages: the standing, and the act that is due next."""

from collections.abc import Sequence
from typing import Any

from flask import url_for

from billing_admin.db.engine import db
from billing_admin.domain.customer_standing import AccountStanding, Act, due_acts
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer
from billing_admin.queries.invoices import invoices
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.payments.customer_balances import CustomerBalance, customer_balances
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import today

# For each act: its permission, its label and its icon.
_ACTS: dict[Act, tuple[str, str, str]] = {
    "allocate": ("payments:write", Phrase("Allocate credit"), "credit-card"),
    "record_payment": ("payments:write", Phrase("Record payment"), "credit-card"),
    "review_drafts": ("billing:write", Phrase("Review drafts"), "file-invoice"),
    "bill": ("billing:write", Phrase("Run billing"), "player-play"),
    "add_charge": ("charges:write", Phrase("Add charge"), "plus"),
}


def customer_head(customer: Customer) -> dict[str, Any]:
    """Return the variables of the template `customers/base.html`, with the standing."""
    day = today()
    balances = customer_balances(db.session(), [customer.id], day)[customer.id]
    drafts = invoices.invoice_sums(db.session(), InvoiceFilter(day, customer=str(customer.id), status="draft"))
    due = due_acts([_standing(balance) for balance in balances], sum(row.invoices for row in drafts))
    return statement_head(customer, due) | {"balances": balances}


def statement_head(customer: Customer, due: Sequence[Act] = ("add_charge",)) -> dict[str, Any]:
    """Return the variables without the standing: a statement has its own figures.

    The first of the `due` acts that the person may do is the primary button. It stands last, as on every page.
    """
    permitted = [act for act in due if has_permission(_ACTS[act][0])]
    primary = permitted[0] if permitted and not customer.archived_at else None
    offered: list[Act | None] = ["record_payment"] if customer.archived_at else ["record_payment", "add_charge"]
    offered = [act for act in offered if act != primary] + [primary]
    return {
        "acts": [
            {"label": _ACTS[act][1], "icon": _ACTS[act][2], "url": _url(act, customer), "primary": act == primary}
            for act in offered
            if act and has_permission(_ACTS[act][0])
        ],
        "may_write": has_permission("customers:write"),
        "may_charge": has_permission("charges:write"),
        "may_pay": has_permission("payments:write"),
    }


def _standing(balance: CustomerBalance) -> AccountStanding:
    position, unbilled = balance.position, balance.unbilled
    return AccountStanding(
        sum(position.open), position.overdue, position.unallocated, unbilled.pending_charges if unbilled else 0
    )


def _url(act: Act, customer: Customer) -> str:
    name = customer.reference
    match act:
        case "allocate":
            return url_for("payments.index", customer=name, status="unallocated")
        case "record_payment":
            return url_for("payments.new", customer=name)
        case "review_drafts":
            return url_for("invoices.index", customer=name, status="draft")
        case "bill":
            return url_for("billing_runs.new", customer=name)
        case "add_charge":
            return url_for("charges.new", customer=name)
