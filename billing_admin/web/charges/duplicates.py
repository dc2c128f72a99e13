"""Likely duplicates: each beside the earlier charge that it looks like, to keep or to cancel, one or many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.errors import Conflict
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges, duplicates
from billing_admin.queries.charges import charges as queries
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.list_params import has_permission, load_page
from billing_admin.web.frame.signed_in import actor, now

WRITE = "charges:write"
EVERY = ChargeFilter(likely_duplicates=True)

pages = page_blueprint("duplicates", __name__, "/charges/duplicates", write=WRITE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person may decide: its words, and whether a reason is needed."""

    operation: Any
    verb: str
    done: str
    consequence: str
    reason_needed: str | None = None


DECISIONS: Final[Mapping[str, Decision]] = {
    "keep": Decision(
        duplicates.keep_duplicates,
        "Keep",
        "kept",
        "They are charges of their own. Those held for looking alike are pending again and go on the next invoice.",
    ),
    "cancel": Decision(
        charges.cancel,
        "Cancel",
        "cancelled",
        "They will never be billed; the earlier charges stay. This cannot be undone: to bill one after all, add it again.",
        "Say why, for whoever looks at it later.",
    ),
}


class DecisionForm(Form):
    """Why they are kept or cancelled."""

    reason = TextField("Reason", max_length=500)


@pages.get("")
def index() -> ResponseReturnValue:
    """Those on which nobody has decided, newest first, each with the earlier charge."""
    session = db.session()
    page = load_page(queries.charges(session, EVERY))
    return render_template(
        "duplicates/list.html",
        page=page,
        earlier=queries.charges_by_id(session, {row.duplicate_of_id for row in page.rows}),
        sums=queries.charge_sums(session, EVERY),
        may_write=has_permission(WRITE),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Both charges side by side: what is the same, and when and by whom each was posted."""
    session = db.session()
    charge = queries.charge(session, id)
    if charge.duplicate_of_id is None:
        raise Conflict("not_a_duplicate", "This charge looks like no other.", "id")
    return render_template(
        "duplicates/show.html",
        charge=charge,
        earlier=queries.charge(session, charge.duplicate_of_id),
        may_write=has_permission(WRITE),
    )


@pages.post("/<any(keep, cancel):move>")
def move(move: str) -> ResponseReturnValue:
    """State what would be kept or cancelled; once that is confirmed, do it."""
    session, doing = db.session(), DECISIONS[move]
    ids = [id for id in map(_id, request.form.getlist("id")) if id is not None]
    if not ids:
        flash("Tick some charges first.", "warning")
        return redirect(url_for("duplicates.index"), 303)
    form = DecisionForm() if "reason" in request.form else DecisionForm(formdata=None)
    form.reason.blank_message = doing.reason_needed
    form.reason.flags.optional = doing.reason_needed is None
    if "reason" in request.form:
        form.process(request.form)
        if form.validate():
            with errors_on(form):
                done = bounded_transaction(doing.operation, ids, form.reason.data, actor(), now())
                words = f"{pluralise(done, 'charge')} {doing.done}." if done else "Nothing to do: it was done before."
                flash(words, "success" if done else "info")
                return redirect(url_for("duplicates.index"), 303)
    return render_form(
        "duplicates/move.html", form, doing=doing, move=move, ids=ids, sums=queries.sums_by_id(session, ids)
    )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
