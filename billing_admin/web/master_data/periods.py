"""The period lock: the day through which the books are locked."""

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.formatting import format_day
from billing_admin.domain.lifecycle import default_lock_day
from billing_admin.domain.periods import unlocks
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.operations.master_data import periods as operations
from billing_admin.queries.master_data import periods as queries
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.access.confirmation import confirmation_page
from billing_admin.web.frame.forms import DayField, Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import text_param
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "periods:write"

pages = page_blueprint("periods", __name__, "/settings/period-lock", write=WRITE)


class LockForm(Form):
    """The last locked day, or blank to unlock.

    `warned` is the day that a warning was shown for.
    """

    through = DayField(Phrase("Lock the books through"))
    reason = TextField(Phrase("Reason"), max_length=MAX_REASON_LENGTH)
    warned = HiddenField()


@pages.route("", methods=["GET", "POST"])
def edit() -> ResponseReturnValue:
    """Lock or unlock the books.

    Warn once if drafts or charges up to the day are not billed.
    """
    session = db.session()
    locked = organisation(session).locked_through
    form = LockForm(through=default_lock_day(today(), locked))
    unbilled = None
    if form.validate_on_submit():
        through = form.through.data
        if unlocks(locked, through) and (page := confirmation_page()) is not None:
            return page
        unbilled = (
            queries.count_unissued(session, through) if through and (locked is None or through > locked) else None
        )
        if not unbilled or form.warned.data == through.isoformat():
            with errors_on(form):
                changed = transaction(operations.set_period_lock, through, form.reason.data, actor(), now())
                message = (
                    Phrase("The books are locked through {through}.", through=format_day(through))
                    if through
                    else Phrase("The books are unlocked.")
                )
                flash(message, "success" if changed else "info")
                month = text_param("month")  # the month end leads here, and is shown again
                return redirect(url_for("month_end.show", month=month) if month else url_for("settings.index"), 303)
        form.warned.data = through.isoformat() if through else ""
    return render_form("settings/period_lock.html", form, locked=locked, unbilled=unbilled)
