"""The period lock: through which day the books are closed."""

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.transactions import db, transaction
from billing_admin.domain.lifecycle import usual_cut_off
from billing_admin.operations.master_data import periods as operations
from billing_admin.queries.master_data import periods as queries
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.frame.forms import DayField, Form, TextField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import day as written_day

pages = subject("periods", __name__, "/settings/period-lock", write="settings:write")

LONGEST_REASON = 500


class LockForm(Form):
    """Through which day, none to open the books; `warned` is the day for which the warning was shown."""

    through = DayField("Lock the books through")
    reason = TextField("Reason", longest=LONGEST_REASON)
    warned = HiddenField()


@pages.route("", methods=["GET", "POST"])
def edit() -> ResponseReturnValue:
    """Lock the books, or open them again; what is left unfinished before the day is said once."""
    session = db.session()
    locked = organisation(session).locked_through
    form = LockForm(through=max(locked or usual_cut_off(today()), usual_cut_off(today())))
    left = None
    if form.validate_on_submit():
        through = form.through.data
        left = queries.unfinished(session, through) if through and (locked is None or through > locked) else None
        if not left or form.warned.data == through.isoformat():
            with refusals_on(form):
                changed = transaction(operations.set_period_lock, through, form.reason.data, actor(), now())
                done = f"The books are locked through {written_day(through)}." if through else "The books are open."
                flash(done, "success" if changed else "info")
                return redirect(url_for("settings.index"), 303)
        form.warned.data = through.isoformat() if through else ""
    return form_page("settings/period_lock.html", form, locked=locked, left=left)
