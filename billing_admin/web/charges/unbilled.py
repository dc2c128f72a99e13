"""What waits to be billed: by customer with its age, and the charges of one account, to hold, release or remove."""

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
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges as operations
from billing_admin.queries.charges import unbilled as queries
from billing_admin.queries.master_data import customers
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    filtered_url,
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
class Move:
    """What can be done with the ticked charges: to which of them it applies, and its words."""

    operation: Any
    applies_to: str
    verb: str
    done: str
    consequence: str


MOVES: Final[Mapping[str, Move]] = {
    "hold": Move(
        operations.hold, "pending", "Hold", "held", "They stay off every invoice until somebody releases them."
    ),
    "release": Move(
        operations.release, "held", "Release", "released", "They are pending again and go on the next invoice."
    ),
    "cancel": Move(
        operations.cancel,
        "",
        "Remove",
        "removed",
        "They are cancelled and will never be billed. This cannot be undone: to bill one after all, add it again.",
    ),
}


class MoveForm(Form):
    """Confirms a move: `count` and `amount` are what was shown."""

    reason = TextField("Reason", blank_message="Say why, for whoever looks at it later.", max_length=500)
    count = HiddenField()
    amount = HiddenField()


@pages.get("")
def index() -> ResponseReturnValue:
    """The accounts with something unbilled, by customer."""
    session = db.session()
    filters = queries.UnbilledFilter(
        text_param("q"), choice_param("currency", MINOR_DIGITS), strict_day_param("through")
    )
    found = load_page(queries.unbilled_accounts(filters))
    through = filters.through
    due = queries.pending_by_account(session, {row.customer_id for row in found.rows}, through, through or today())
    return render_template(
        "unbilled/list.html",
        filters=filters,
        chips=build_chips(
            ("q", "Customer", filters.q),
            ("currency", "Currency", filters.currency),
            ("through", "Up to", format_day(through) if through else ""),
        ),
        clear_url=unfiltered_url(),
        page=found,
        due=due,
        aged_on=through or today(),
        totals=queries.unbilled_totals(session, filters),
        due_totals=queries.pending_totals(session, through, filters) if through else None,
        currencies=[(code, code) for code in customers.account_currencies(session)],
        may_bill=has_permission("billing:write"),
    )


@pages.get("/<uuid:customer_id>/<currency>")
def show(customer_id: UUID, currency: str) -> ResponseReturnValue:
    """The unbilled charges of one account, oldest first."""
    session, which = db.session(), _which(customer_id, currency)
    customer = customers.customer(session, str(customer_id))
    return render_template(
        "unbilled/show.html",
        customer=customer,
        which=which,
        page=load_page(queries.selected_charges(which)),
        sums=queries.selected_sums_by_status(session, which),
        count=queries.selected_sum(session, which)[0],
        every=text_param("all") == "1",
        today=today(),
        may_write=has_permission(WRITE),
        may_bill=has_permission("billing:write"),
    )


def _which(customer_id: UUID, currency: str) -> queries.UnbilledSelection:
    """The account, or the part of it, that the URL states."""
    if currency not in MINOR_DIGITS:
        raise NotFound("unknown_account", "There is no account in this currency.", "currency")
    return queries.UnbilledSelection(
        customer_id, currency, strict_day_param("through"), choice_param("status", ("pending", "held"))
    )


@pages.post("/<uuid:customer_id>/<currency>/<any(hold, release, cancel):move>")
def move(customer_id: UUID, currency: str, move: str) -> ResponseReturnValue:
    """State what would be moved; once that is confirmed, move it."""
    session, doing = db.session(), MOVES[move]
    customer = customers.customer(session, str(customer_id))
    which = _chosen(_which(customer_id, currency), doing)
    back = filtered_url("unbilled.show", customer_id=customer_id, currency=currency)
    form = MoveForm()
    confirmed = bool(form.count.data)
    if confirmed:
        form.process(request.form)
        if form.validate():
            with errors_on(form):
                moved = bounded_transaction(_move, doing, which, _shown(form), form.reason.data, actor(), now())
                flash(
                    f"{pluralise(moved, 'charge')} {doing.done}." if moved else "Nothing to do: it was done before.",
                    "success" if moved else "info",
                )
                return redirect(back, 303)
    count, amount = queries.selected_sum(session, which)
    if not count:
        flash(
            f"None of the ticked charges can be {doing.done}. Tick some that are {doing.applies_to or 'not billed'}.",
            "warning",
        )
        return redirect(back, 303)
    form.count.data, form.amount.data = str(count), plain_decimal(amount)
    return render_form(
        "unbilled/move.html", form, customer=customer, currency=currency, doing=doing, move=move,
        count=count, amount=amount, ids=which.ids, back=back,
    )  # fmt: skip


def _chosen(which: queries.UnbilledSelection, doing: Move) -> queries.UnbilledSelection:
    """The ticked charges that the move applies to; all of the account, where all were ticked."""
    chosen = replace(which, status=which.status if not doing.applies_to else doing.applies_to)
    if request.form.get("all") == "1":
        return chosen
    return replace(chosen, ids=tuple(selected_ids()))


def _shown(form: MoveForm) -> tuple[str, str]:
    return str(form.count.data), str(form.amount.data)


def _move(
    session: Session,
    doing: Move,
    which: queries.UnbilledSelection,
    shown: tuple[str, str],
    reason: str,
    who: Actor,
    at: datetime,
) -> int:
    """Move exactly what was shown; nothing when it is done already."""
    count, amount = queries.selected_sum(session, which)
    if not count:
        return 0
    if (str(count), plain_decimal(amount)) != shown:
        raise Conflict(
            "selection_changed", "These charges have changed since you ticked them. Look at the new sum below."
        )
    moved: int = doing.operation(session, queries.selected_ids(session, which), reason, who, at)
    return moved
