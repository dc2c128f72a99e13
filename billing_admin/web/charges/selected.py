"""Acts on selected charges: hold, release, cancel or export exactly these.

The selection may have been made on any list of charges. It is stored first, so that the confirmation names what will change.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.formatting import format_whole
from billing_admin.domain.selections import MAX_SELECTED
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase, plural
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges as operations
from billing_admin.operations.selections import store_selection
from billing_admin.queries.selections import selected_row_ids
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import NOTHING_CHANGED
from billing_admin.web.frame.list_params import id_param
from billing_admin.web.frame.local_urls import safe_local_url
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "charges:write"
BILL, EXPORT = "bill", "export"
CHARGE_ACTS = ("hold", "release", "cancel", BILL, EXPORT)
SELECTION_GONE = Phrase("This selection does not exist any more. Select the charges again.")

pages = page_blueprint("selected_charges", __name__, "/charges/selected", write=WRITE)


@dataclass(frozen=True, slots=True)
class Act:
    """An act on selected charges, with its texts.

    `order` and `done` take the number of charges. `problem` is for charges of which none allows the act.
    """

    order: Callable[[int], Phrase]
    done: Callable[[int], Phrase]
    problem: str
    consequence: str
    danger: bool = False


ACTS: Final[Mapping[str, Act]] = {
    "hold": Act(
        lambda count: plural("Hold {count} charge", "Hold {count} charges", count),
        lambda count: plural("{count} charge held.", "{count} charges held.", count),
        Phrase("None of these charges can be held"),
        Phrase("They will not be billed until they are released."),
    ),
    "release": Act(
        lambda count: plural("Release {count} charge", "Release {count} charges", count),
        lambda count: plural("{count} charge released.", "{count} charges released.", count),
        Phrase("None of these charges can be released"),
        Phrase("They become pending and will be on the next invoice."),
    ),
    "cancel": Act(
        lambda count: plural("Cancel {count} charge", "Cancel {count} charges", count),
        lambda count: plural("{count} charge cancelled.", "{count} charges cancelled.", count),
        Phrase("None of these charges can be cancelled"),
        Phrase("They will not be billed. This cannot be undone: to bill one later, add it again."),
        danger=True,
    ),
}


class ConfirmForm(Form):
    """Confirmation of an act; `shown` is the digest of the charges on the page."""

    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is shown in the history."),
        max_length=MAX_REASON_LENGTH,
    )
    shown = HiddenField()


LoadIds = Callable[[Session], Collection[UUID]]


def start_act(act: str, load_ids: LoadIds, back: str, through: date | None = None) -> ResponseReturnValue:
    """Store the selected charges, and continue with an act on them.

    `back` is the page of the list. `through` is the last day to bill, by default today.
    """
    try:
        selection_id = transaction(_store, load_ids, actor(), now())
    except Invalid as error:
        flash(error.message, "warning")
        return redirect(back, 303)
    if act == BILL:
        day = (through or today()).isoformat()
        return redirect(url_for("billing_runs.preview", through=day, selection=selection_id), 303)
    if act == EXPORT:
        return redirect(url_for("exports.charge_files", selection=selection_id), 303)
    return redirect(url_for("selected_charges.change", act=act, selection=selection_id, back=back), 303)


def _store(session: Session, load_ids: LoadIds, actor: Actor, at: datetime) -> UUID:
    return store_selection(session, "charges", load_ids(session), actor, at)


def too_many_to_select() -> str:
    """Return the sentence in place of the choice of all charges that match a filter."""
    return Phrase(
        "More than {max_selected} charges match. To select all of them at once, narrow the list by filters.",
        max_selected=format_whole(MAX_SELECTED),
    )


@pages.route("/<any(hold, release, cancel):act>", methods=["GET", "POST"])
def change(act: str) -> ResponseReturnValue:
    """Show what an act changes; once confirmed, change exactly these charges."""
    choice, back, ids = ACTS[act], _back_url(), _selected_ids()
    form = ConfirmForm()
    if form.validate_on_submit():
        with errors_on(form):
            plan = bounded_transaction(
                operations.change_selected, act, ids, form.reason.data, form.shown.data or "", actor(), now()
            )
            changed = len(plan.ids)
            flash(
                choice.done(changed) if changed else NOTHING_CHANGED,
                "success" if changed else "info",
            )
            return redirect(back, 303)
    plan = operations.plan_selected(db.session(), act, ids)
    form.shown.data = plan.digest()
    page: dict[str, Any] = {
        "act": act,
        "choice": choice,
        "plan": plan,
        "back": back,
        "selection": id_param("selection"),
    }
    if not plan.ids:
        return render_template("charges/change_selected.html", **page)
    return render_form("charges/change_selected.html", form, **page)


def _selected_ids() -> list[UUID]:
    """Return the ids of the selected charges.

    Raises:
        NotFound: There is no such selection, or it was deleted.
    """
    selection_id = id_param("selection")
    ids = selected_row_ids(db.session(), selection_id) if selection_id else []
    if not ids:
        raise NotFound("unknown_selection", SELECTION_GONE)
    return ids


def _back_url() -> str:
    back = safe_local_url(request.args.get("back"))
    return url_for("charges.index") if back == "/" else back
