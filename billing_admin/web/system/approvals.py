"""To approve: acts above the limits of roles, with a preview of their effect."""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.domain.approvals import ACTS, STATES, WAITING
from billing_admin.domain.errors import Conflict, DomainError
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import ApprovalRequest
from billing_admin.operations import approvals as operations
from billing_admin.queries import approvals as queries
from billing_admin.web.frame.forms import Form, TextField, add_errors, errors_on, render_form
from billing_admin.web.frame.guard import needs, page_blueprint
from billing_admin.web.frame.list_params import choice_param, current_url, has_permission
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.system_lists import APPROVALS
from billing_admin.web.frame.tables import load_table

WRITE = operations.PERMISSION

pages = page_blueprint("approvals", __name__, "/approvals", write=WRITE)

TABS = {
    "": Phrase("All"),
    WAITING: Phrase("Waiting"),
    "approved": Phrase("Approved"),
    "rejected": Phrase("Rejected"),
    "withdrawn": Phrase("Withdrawn"),
}


class ApproveForm(Form):
    """The fingerprint of the preview that the person saw."""

    shown = HiddenField()


class RejectForm(Form):
    """The reason of a rejection."""

    reason = TextField(Phrase("Reason"), blank_message=Phrase("Enter a reason."), max_length=MAX_REASON_LENGTH)


@pages.get("")
def index() -> ResponseReturnValue:
    """List the acts that wait, or were decided, newest first."""
    state = choice_param("state", STATES)
    tabs = [
        {"label": label, "url": current_url(state=option), "active": option == state} for option, label in TABS.items()
    ]
    page = load_table(queries.approval_requests(state), APPROVALS)
    return render_template("approvals/list.html", page=page, state=state, tabs=tabs, acts=ACTS)


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show an act with its effect as it would be now."""
    return _page(id, ApproveForm(formdata=None))


def _page(id: UUID, form: ApproveForm) -> ResponseReturnValue:
    session = db.session()
    approval = queries.approval_request(session, id)
    preview = queries.preview(session, approval)
    form.shown.data, form.shown.raw_data = preview.fingerprint, None
    is_waiting, is_own = approval.state == WAITING, operations.is_own(approval, actor())
    return render_form(
        "approvals/show.html",
        form,
        approval=approval,
        act=ACTS[approval.act].label,
        preview=preview if is_waiting else None,
        has_changed=preview.fingerprint != approval.fingerprint,
        object_url=_object_url(approval),
        may_decide=is_waiting and not is_own and has_permission(WRITE),
        may_withdraw=is_waiting and is_own,
        is_own=is_own,
    )


def _object_url(approval: ApprovalRequest) -> str:
    if approval.object_id is None:
        return url_for("settings.index")
    return url_for(f"{approval.object_type}s.show", id=approval.object_id)


@pages.post("/<uuid:id>/approve")
def approve(id: UUID) -> ResponseReturnValue:
    """Do the act, if its effect is still the one that was shown."""
    form = ApproveForm()
    try:
        approval = bounded_transaction(operations.approve, id, form.shown.data or "", actor(), now())
    except DomainError as error:
        if isinstance(error, Conflict) and error.code == "already_decided":
            raise
        add_errors(form, error)
        return _page(id, form)
    flash(Phrase("{act} approved and done.", act=ACTS[approval.act].label), "success")
    return redirect(url_for("approvals.show", id=id), 303)


@pages.route("/<uuid:id>/reject", methods=["GET", "POST"])
def reject(id: UUID) -> ResponseReturnValue:
    """Ask for a reason, then reject the act."""
    form = RejectForm()
    if form.validate_on_submit():
        with errors_on(form):
            bounded_transaction(operations.reject, id, form.reason.data, actor(), now())
            flash(Phrase("The request was rejected. Nothing was changed."), "success")
            return redirect(url_for("approvals.show", id=id), 303)
    approval = queries.approval_request(db.session(), id)
    return render_form("approvals/reject.html", form, approval=approval, act=ACTS[approval.act].label)


@pages.post("/<uuid:id>/withdraw")
@needs("read")
def withdraw(id: UUID) -> ResponseReturnValue:
    """Withdraw one's own request."""
    bounded_transaction(operations.withdraw, id, actor(), now())
    flash(Phrase("The request was withdrawn. Nothing was changed."), "success")
    return redirect(url_for("approvals.show", id=id), 303)
