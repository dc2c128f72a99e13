"""Likely duplicates: review each with the earlier charge, and keep or cancel them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.errors import Conflict
from billing_admin.domain.selections import MAX_SELECTED
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase, plural
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges, duplicates
from billing_admin.queries.charges import charges as queries
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.web.charges.selected import too_many_to_select
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import NOTHING_CHANGED
from billing_admin.web.frame.list_params import has_permission, selected_ids
from billing_admin.web.frame.lists import DUPLICATES, charge_totals
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.tables import load_table

WRITE = "charges:write"
UNDECIDED = ChargeFilter(likely_duplicates=True)

pages = page_blueprint("duplicates", __name__, "/charges/duplicates", write=WRITE)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about likely duplicates, with its texts.

    `reason_message` is shown if its reason is missing. A charge of a status in `refused` does not allow it.
    """

    operation: Any
    order: Callable[[int], Phrase]
    done: Callable[[int], Phrase]
    problem: Callable[[int], Phrase]
    consequence: str
    refused: str
    reason_message: str | None = None


DECISIONS: Final[Mapping[str, Decision]] = {
    "keep": Decision(
        duplicates.keep_duplicates,
        lambda count: plural("Keep {count} charge", "Keep {count} charges", count),
        lambda count: plural("{count} charge kept.", "{count} charges kept.", count),
        lambda count: plural("{count} charge cannot be kept", "{count} charges cannot be kept", count),
        Phrase("They count as separate charges. Held charges become pending and will be on the next invoice."),
        refused="cancelled",
    ),
    "cancel": Decision(
        charges.cancel,
        lambda count: plural("Cancel {count} charge", "Cancel {count} charges", count),
        lambda count: plural("{count} charge cancelled.", "{count} charges cancelled.", count),
        lambda count: plural("{count} charge cannot be cancelled", "{count} charges cannot be cancelled", count),
        Phrase(
            "They will not be billed. The earlier charges stay. This cannot be undone: to bill one later, add it again."
        ),
        refused="billed",
        reason_message=Phrase("Enter a reason. It is shown in the history."),
    ),
}


class DecisionForm(Form):
    """The reason for keeping or cancelling charges."""

    reason = TextField(Phrase("Reason"), max_length=MAX_REASON_LENGTH)


@pages.get("")
def index() -> ResponseReturnValue:
    """List the likely duplicates that need a decision, newest first.

    Each is shown with the earlier charge.
    """
    session = db.session()
    page, sums = load_table(queries.charges(session, UNDECIDED), DUPLICATES), queries.charge_sums(session, UNDECIDED)
    count = sum(row.charges for row in sums)
    return render_template(
        "duplicates/list.html",
        page=page,
        earlier=queries.charges_by_id(session, {row.duplicate_of_id for row in page.rows}),
        totals=charge_totals(sums),
        count=0 if count > MAX_SELECTED else count,
        select_sums=[(row.currency, row.amount) for row in sums],
        too_many=too_many_to_select() if count > MAX_SELECTED else None,
        may_write=has_permission(WRITE),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show a likely duplicate and the earlier charge side by side."""
    session = db.session()
    charge = queries.charge(session, id)
    if charge.duplicate_of_id is None:
        raise Conflict("not_a_duplicate", Phrase("This charge is not a likely duplicate."), "id")
    return render_template(
        "duplicates/show.html",
        charge=charge,
        earlier=queries.charge(session, charge.duplicate_of_id),
        may_write=has_permission(WRITE),
    )


@pages.post("/<any(keep, cancel):action>")
@body_limit(BodyLimit(MIB, fields=MAX_SELECTED + 20))
def decide(action: str) -> ResponseReturnValue:
    """Ask for confirmation, then keep or cancel the selected charges, or all.

    Charges that were billed or cancelled in the meantime are named before a reason is asked for.
    """
    session, decision = db.session(), DECISIONS[action]
    ids = selected_ids()
    if request.form.get("all") == "1":
        ids = list(queries.charge_ids(session, UNDECIDED, MAX_SELECTED))
    if not ids:
        flash(Phrase("Select at least one charge."), "warning")
        return redirect(url_for("duplicates.index"), 303)
    form = DecisionForm() if "reason" in request.form else DecisionForm(formdata=None)
    form.reason.blank_message = decision.reason_message
    form.reason.flags.optional = decision.reason_message is None
    if "reason" in request.form:
        form.process(request.form)
        if form.validate():
            with errors_on(form):
                changed = bounded_transaction(decision.operation, ids, form.reason.data, actor(), now())
                message = decision.done(changed) if changed else NOTHING_CHANGED
                flash(message, "success" if changed else "info")
                return redirect(url_for("duplicates.index"), 303)
    charges_by_id = queries.charges_by_id(session, ids)
    refused = [charge for charge in charges_by_id.values() if charge.status == decision.refused]
    allowed_ids = [id for id in ids if id in charges_by_id and charges_by_id[id].status != decision.refused]
    return render_form(
        "duplicates/decide.html",
        form,
        decision=decision,
        action=action,
        ids=allowed_ids,
        refused=refused,
        sums=queries.sums_by_id(session, allowed_ids),
    )
