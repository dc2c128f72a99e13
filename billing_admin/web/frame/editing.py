"""Edit forms: the version that the person read, and later changes by others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wtforms import BooleanField, Field, FieldList, SelectField
from wtforms.widgets import HiddenInput

from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.web.frame.forms import Form, ParsedField, WholeNumberField

CURRENCIES = {code: code for code in sorted(MINOR_DIGITS)}


class VersionField(WholeNumberField):
    """The version of the row that the form was filled with."""

    widget = HiddenInput()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("Version", blank_message="The form is incomplete. Reload the page and try again.", **kwargs)
        self.type = "HiddenField"  # the macros skip hidden fields by their type

    def set_version(self, version: int) -> None:
        """Make the next submission of the form apply to this version."""
        self.data, self.raw_data = version, None


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field whose saved value differs from the entered one."""

    label: str
    saved: str
    entered: str


def find_conflicts(form: Form, saved: Form, version: int) -> list[FieldConflict]:
    """Return the fields that differ from the values that another person saved.

    Empty if the form is current.

    The form gets the new version: submitting it again replaces the saved values.
    """
    if form.version.data in {None, version}:
        return []
    form.version.set_version(version)
    saved_values = _values_by_label(saved)
    return [
        FieldConflict(label, saved_values[label], entered)
        for label, entered in _values_by_label(form).items()
        if entered != saved_values[label]
    ]


def _values_by_label(form: Form) -> Mapping[str, str]:
    return {field.label.text: _display_value(field) for field in form if not isinstance(field.widget, HiddenInput)}


def _display_value_in_row(field: Field) -> str:
    """Return a field of a row.

    A ticked box is named by its label, since a row shows no labels.
    """
    if isinstance(field, BooleanField):
        return field.label.text.lower() if field.data else ""
    return _display_value(field)


def _display_value(field: Field) -> str:
    if isinstance(field, FieldList):
        rows = (" ".join(filter(None, map(_display_value_in_row, entry.form))) for entry in field)
        return ", ".join(sorted(filter(None, rows)))
    if isinstance(field, BooleanField):
        return "yes" if field.data else "no"
    if isinstance(field, SelectField):
        return next((str(label) for value, label, *_ in field.iter_choices() if value == field.data), "")
    if isinstance(field, ParsedField):
        return "" if field.data is None else field.format(field.data)
    return str(field.data or "")
