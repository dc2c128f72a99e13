"""The settings of reminders: the levels, and the daily switch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.domain.reminders import LEVELS, ReminderLevel, levels_from_json
from billing_admin.domain.translation import Phrase
from billing_admin.operations.master_data import reminder_levels as operations
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import WholeNumberField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import REMINDER_NAMES

COLUMNS = ("days_after_due", "least_days", "attaches_documents", "attaches_statement")

pages = page_blueprint("reminder_levels", __name__, "/settings/reminders", write="settings:write")


class LevelsForm(EditForm):
    """The daily switch, and the fields of each level, such as `days_after_due_1`."""

    daily_reminders = BooleanField(Phrase("Send reminders every day"))

    def levels(self) -> Sequence[ReminderLevel]:
        """Return the levels entered."""
        return [
            ReminderLevel(**{column: self[f"{column}_{level}"].data for column in COLUMNS})  # each field has its type
            for level in LEVELS
        ]


for _level in LEVELS:
    _name = REMINDER_NAMES[_level]
    _blank = Phrase("Enter a number of days, such as 7.")
    setattr(
        LevelsForm,
        f"days_after_due_{_level}",
        WholeNumberField(Phrase("{name}: days after the due date", name=_name), blank_message=_blank),
    )
    setattr(
        LevelsForm,
        f"least_days_{_level}",
        WholeNumberField(Phrase("{name}: days since the last reminder", name=_name), blank_message=_blank),
    )
    setattr(LevelsForm, f"attaches_documents_{_level}", BooleanField(Phrase("{name}: attach the invoices", name=_name)))
    setattr(
        LevelsForm,
        f"attaches_statement_{_level}",
        BooleanField(Phrase("{name}: attach a statement of account", name=_name)),
    )


@pages.route("", methods=["GET", "POST"])
def edit() -> ResponseReturnValue:
    """Edit the levels, and switch daily reminders on or off."""
    form = LevelsForm(data=_stored_values())
    if form.validate_on_submit():
        with errors_on(form):
            _save(form)
            flash(Phrase("The settings were saved. They apply to the next reminders."), "success")
            return redirect(url_for("settings.index", _anchor="reminders"), 303)
    return render_form("reminders/levels.html", form, levels=LEVELS, names=REMINDER_NAMES)


def _save(form: LevelsForm) -> None:
    try:
        save(
            form,
            lambda: LevelsForm(formdata=None, data=_stored_values()),
            operations.update,
            form.levels(),
            form.daily_reminders.data,
        )
    except Invalid as error:  # each problem names a level by its index
        problems = [
            replace(problem, field=(f"{column}_{int(index) + 1}",))
            for problem in error.problems
            for _, index, column in [problem.field]
        ]
        raise Invalid.of(problems) from error


def _stored_values() -> dict[str, Any]:
    settings = organisation(db.session())
    levels = levels_from_json(settings.reminder_levels)
    return {
        f"{column}_{number}": getattr(level, column) for number, level in enumerate(levels, 1) for column in COLUMNS
    } | {"daily_reminders": settings.daily_reminders, "version": settings.version}
