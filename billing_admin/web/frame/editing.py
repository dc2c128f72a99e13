"""Forms that change what is stored: which version was read, and what somebody else saved meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wtforms import BooleanField, Field, FieldList, SelectField
from wtforms.widgets import HiddenInput

from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.web.frame.forms import Form, ParsedField, WholeNumberField

CURRENCIES = {code: code for code in sorted(MINOR_DIGITS)}


class VersionField(WholeNumberField):
    """The version of what the form was filled with."""

    widget = HiddenInput()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("Version", blank_message="The form's version was lost. Open the page again.", **kwargs)
        self.type = "HiddenField"  # as the macros know it

    def set_version(self, version: int) -> None:
        """From now on the form answers to this version."""
        self.data, self.raw_data = version, None


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that has one value in the database and another in the form."""

    label: str
    saved: str
    entered: str


def find_conflicts(form: Form, saved: Form, version: int) -> list[FieldConflict]:
    """What somebody else saved otherwise since the form was filled; the form may then be sent again, knowingly.

    Empty when the form is not stale.
    """
    if form.version.data in {None, version}:
        return []
    form.version.set_version(version)
    theirs = _shown_values(saved)
    return [
        FieldConflict(label, theirs[label], yours)
        for label, yours in _shown_values(form).items()
        if yours != theirs[label]
    ]


def _shown_values(form: Form) -> Mapping[str, str]:
    return {field.label.text: _shown(field) for field in form if not isinstance(field.widget, HiddenInput)}


def _in_row(field: Field) -> str:
    """A tick is told by its label, as there is no room for each label."""
    if isinstance(field, BooleanField):
        return field.label.text.lower() if field.data else ""
    return _shown(field)


def _shown(field: Field) -> str:
    if isinstance(field, FieldList):
        rows = (" ".join(filter(None, map(_in_row, entry.form))) for entry in field)
        return ", ".join(sorted(filter(None, rows)))
    if isinstance(field, BooleanField):
        return "yes" if field.data else "no"
    if isinstance(field, SelectField):
        return next((str(label) for value, label, *_ in field.iter_choices() if value == field.data), "")
    if isinstance(field, ParsedField):
        return "" if field.data is None else field.format(field.data)
    return str(field.data or "")
