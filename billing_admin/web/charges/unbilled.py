"""Unbilled charges: totals and ages by customer, and the charges of one account.

The charges can be held, released or cancelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import MINOR_DIGITS, plain_decimal
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges as operations
from billing_admin.queries.charges import unbilled as queries
from billing_admin.queries.master_data import customers
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import NOTHING_CHANGED, pluralise
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    currency_param,
    filtered_url,
    flag_param,
    has_permission,
    load_page,
    selected_ids,
    strict_day_param,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "charges:write"

pages = page_blueprint("unbilled", __name__, "/unbilled", write=WRITE)


@dataclass(frozen=True, slots=True)
class Action:
    """An action on selected charges and its texts.

    `applies_to` is the status of the charges that it changes, "" for all.
    """

    operation: Any
    applies_to: str
    verb: str
    past_participle: str
    consequence: str


ACTIONS: Final[Mapping[str, Action]] = {
    "hold": Action(operations.hold, "pending", "Hold", "held", "They will not be billed until they are released."),
    "release": Action(
        operations.release, "held", "Release", "released", "They become pending and will be on the next invoice."
    ),
    "cancel": Action(
        operations.cancel,
        "",
        "Cancel",
        "cancelled",
        "They will not be billed. This cannot be undone: to bill one later, add it again.",
    ),
}


class ConfirmForm(Form):
    """Confirmation of an action; `count` and `amount` are those that the page showed."""

    reason = TextField(
        "Reason", blank_message="Enter a reason. It is shown in the history.", max_length=MAX_REASON_LENGTH
    )
    count = HiddenField()
    amount = HiddenField()


@pages.get("")
def index() -> ResponseReturnValue:
    """List the accounts with unbilled charges, by customer."""
    session = db.session()
    filters = queries.UnbilledFilter(text_param("q"), currency_param(), strict_day_param("through"))
    page = load_page(queries.unbilled_accounts(filters))
    through = filters.through
    due = queries.pending_by_account(session, {row.customer_id for row in page.rows}, through, through or today())
    return render_template(
        "unbilled/list.html",
        filters=filters,
        chips=build_chips(
            ("q", "Customer", filters.q),
            ("currency", "Currency", filters.currency),
            ("through", "Up to", format_day(through) if through else ""),
        ),
        clear_url=unfiltered_url(),
        page=page,
        due=due,
        aged_on=through or today(),
        totals=queries.unbilled_totals(session, filters),
        due_totals=queries.pending_totals(session, through, filters) if through else None,
        currencies=[(code, code) for code in customers.account_currencies(session)],
        may_bill=has_permission("billing:write"),
    )


@pages.get("/<uuid:customer_id>/<currency>")
def show(customer_id: UUID, currency: str) -> ResponseReturnValue:
    """List the unbilled charges of one account, oldest first."""
    session, selection = db.session(), _read_selection(customer_id, currency)
    customer = customers.customer(session, str(customer_id))
    return render_template(
        "unbilled/show.html",
        customer=customer,
        selection=selection,
        page=load_page(queries.selected_charges(selection)),
        sums=queries.selected_sums_by_status(session, selection),
        count=queries.selected_sum(session, selection)[0],
        all_selected=flag_param("all"),
        today=today(),
        may_write=has_permission(WRITE),
        may_bill=has_permission("billing:write"),
    )


def _read_selection(customer_id: UUID, currency: str) -> queries.UnbilledSelection:
    """Return the account and the filters in the URL."""
    if currency not in MINOR_DIGITS:
        raise NotFound("unknown_account", "This currency does not exist.", "currency")
    return queries.UnbilledSelection(
        customer_id, currency, strict_day_param("through"), choice_param("status", ("pending", "held"))
    )


@pages.post("/<uuid:customer_id>/<currency>/<any(hold, release, cancel):action>")
def change_status(customer_id: UUID, currency: str, action: str) -> ResponseReturnValue:
    """Ask for confirmation, then hold, release or cancel the selected charges."""
    session, choice = db.session(), ACTIONS[action]
    customer = customers.customer(session, str(customer_id))
    selection = _selected_charges(_read_selection(customer_id, currency), choice)
    back = filtered_url("unbilled.show", customer_id=customer_id, currency=currency)
    form = ConfirmForm()
    confirmed = bool(form.count.data)
    if confirmed:
        form.process(request.form)
        if form.validate():
            with errors_on(form):
                changed = bounded_transaction(
                    _apply, choice, selection, _shown_totals(form), form.reason.data, actor(), now()
                )
                flash(
                    f"{pluralise(changed, 'charge')} {choice.past_participle}." if changed else NOTHING_CHANGED,
                    "success" if changed else "info",
                )
                return redirect(back, 303)
    count, amount = queries.selected_sum(session, selection)
    if not count:
        flash(
            f"None of the selected charges can be {choice.past_participle}. "
            f"Select charges that are {choice.applies_to or 'not billed'}.",
            "warning",
        )
        return redirect(back, 303)
    form.count.data, form.amount.data = str(count), plain_decimal(amount)
    return render_form(
        "unbilled/change_status.html", form, customer=customer, currency=currency, choice=choice, action=action,
        count=count, amount=amount, ids=selection.ids, back=back,
    )  # fmt: skip


def _selected_charges(selection: queries.UnbilledSelection, choice: Action) -> queries.UnbilledSelection:
    """Return the selected charges to which the action applies.

    All of the account if all were selected.
    """
    applicable = replace(selection, status=choice.applies_to or selection.status)
    if request.form.get("all") == "1":
        return applicable
    return replace(applicable, ids=tuple(selected_ids()))


def _shown_totals(form: ConfirmForm) -> tuple[str, str]:
    return str(form.count.data), str(form.amount.data)


def _apply(
    session: Session,
    choice: Action,
    selection: queries.UnbilledSelection,
    shown: tuple[str, str],
    reason: str,
    actor: Actor,
    at: datetime,
) -> int:
    """Change the charges if they are still those that were shown.

    Return how many were changed.
    """
    count, amount = queries.selected_sum(session, selection)
    if not count:
        return 0
    if (str(count), plain_decimal(amount)) != shown:
        raise Conflict("selection_changed", "These charges changed after you selected them. Check the new sum below.")
    changed: int = choice.operation(session, queries.selected_ids(session, selection), reason, actor, at)
    return changed
