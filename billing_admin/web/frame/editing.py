"""Edit forms: the values that the person read, and later changes by others."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from wtforms import BooleanField, Field, FieldList, SelectField, SelectMultipleField
from wtforms.widgets import HiddenInput

from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Stale
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.forms import Form, ParsedField, WholeNumberField
from billing_admin.web.frame.signed_in import actor, now

T = TypeVar("T")


class VersionField(WholeNumberField):
    """The version of the row that the form was filled with.

    In an edit form, a digest of the form's values at that moment follows it. Without the digest, any change of the row
    counts.
    """

    widget = HiddenInput()
    digest = ""

    def __init__(self, _form: Form | None = None, **kwargs: Any) -> None:
        self.form = _form
        message = Phrase("The form is incomplete. Reload the page and try again.")
        super().__init__(Phrase("Version"), blank_message=message, _form=_form, **kwargs)
        self.type = "HiddenField"  # the macros skip hidden fields by their type

    def parse(self, typed: str) -> int:
        """Return the version, and keep the digest."""
        version, _, self.digest = typed.partition("-")
        return super().parse(version)

    def format(self, value: int) -> str:
        """Return the version with the digest."""
        return f"{value}-{self.digest}" if self.digest else str(value)

    def _value(self) -> str:
        if not self.raw_data and not self.digest and isinstance(self.form, EditForm):
            self.digest = _digest(self.form)
        return super()._value()

    def set_version(self, version: int) -> None:
        """Make the next submission of the form apply to this version."""
        self.data, self.raw_data = version, None


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field whose saved value differs from the entered one."""

    label: str
    saved: str
    entered: str


class EditForm(Form):
    """A form that edits stored values.

    `conflicts` are other values that were saved after the form was opened.
    """

    version = VersionField()
    conflicts: Sequence[FieldConflict] = ()


def save(form: EditForm, stored_form: Callable[[], EditForm], operation: Callable[..., T], *arguments: Any) -> T:
    """Run an operation for the version that the form was opened with.

    Returns its result. When the row has changed meanwhile, `stored_form` returns the form with the values stored now. If
    these are as they were when the form was opened, or the same as entered, there is nothing to review, and the operation
    applies to the current version.

    Raises:
        Stale: The form's values were changed meanwhile. The form has the conflicts and the new version: submitting it
            again replaces the saved values.
    """
    try:
        return transaction(operation, *arguments, form.version.data, actor(), now())
    except Stale:
        stored = stored_form()
        saved, entered = _display_values(stored), _display_values(form)
        if form.version.digest != _digest(stored) and saved != entered:
            form.version.digest = _digest(stored)
            form.version.set_version(stored.version.data)
            form.conflicts = [
                FieldConflict(form[name].label.text, saved[name], entered[name])
                for name in entered
                if saved[name] != entered[name]
            ]
            raise
    form.version.data = stored.version.data
    return save(form, stored_form, operation, *arguments)


def _digest(form: Form) -> str:
    return sha256(json.dumps(_display_values(form)).encode()).hexdigest()[:16]


def _display_values(form: Form) -> Mapping[str, str]:
    return {field.name: _display_value(field) for field in form if not isinstance(field.widget, HiddenInput)}


def _display_value_in_row(field: Field) -> str:
    """Return a field of a row.

    A ticked box is named by its label, since a row shows no labels.
    """
    if isinstance(field, BooleanField):
        return field.label.text.lower() if field.data else ""
    return _display_value(field) if field.data not in {None, ""} else ""


def _display_value(field: Field) -> str:
    if isinstance(field, FieldList):
        rows = (" ".join(filter(None, map(_display_value_in_row, entry.form))) for entry in field)
        return ", ".join(sorted(filter(None, rows)))
    if isinstance(field, BooleanField):
        return "yes" if field.data else "no"
    if isinstance(field, SelectMultipleField):
        return ", ".join(str(label) for value, label, *_ in field.iter_choices() if value in (field.data or ()))
    if isinstance(field, SelectField):
        return next((str(label) for value, label, *_ in field.iter_choices() if value == field.data), "")
    if isinstance(field, ParsedField):
        return "" if field.data is None else field.format(field.data)
    return str(field.data or "")
