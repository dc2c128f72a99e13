"""The forms of an import: the file, how it is read, and which of its columns is which of our fields."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wtforms import BooleanField, FileField, RadioField, SelectField

from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import DELIMITERS, ENCODINGS, IMPORT_KINDS, ImportPlan, column_name
from billing_admin.domain.payments import METHODS
from billing_admin.web.frame.forms import Form

IGNORE_COLUMN = "– leave out –"


class UploadForm(Form):
    """Which file."""

    file = FileField("CSV file")


class FileFormatForm(Form):
    """How the file's bytes become rows."""

    encoding = SelectField("Encoding", choices=dict(ENCODINGS))
    delimiter = SelectField("Delimiter", choices={name: name.capitalize() for name in DELIMITERS})


class MappingForm(FileFormatForm):
    """How cells are written, and what becomes of what is there already; the columns are added for each file."""

    decimal = SelectField("Numbers", choices={"point": "Decimal point: 1234.50", "comma": "Decimal comma: 1234,50"})
    days = SelectField("Days", choices={"iso": "2026-12-31", "day_first": "Day first: 31.12.2026 or 31/12/2026"})

    def columns(self) -> list[Any]:
        """The fields of the file's columns, in their order."""
        return [field for field in self if field.name.startswith("column_")]

    def chosen(self) -> dict[str, int]:
        """Which column is which field. A field that is chosen twice gets an error at the second column."""
        found: dict[str, int] = {}
        for place, field in enumerate(self.columns()):
            if field.data and found.setdefault(field.data, place) != place:
                first = self.columns()[found[field.data]].label.text
                field.errors = [*field.errors, f"“{first}” is that already. Choose one of the two columns."]
        return found


class _Named(MappingForm):
    existing = RadioField(
        "What exists already and differs",
        choices={
            "refuse": "Is an error — The check says what differs.",
            "update": "Update what exists — The check says how many would change.",
        },
    )


class _Charges(MappingForm):
    settled = BooleanField("Take in charges that the file calls billed, to be billed here")


class _Payments(MappingForm):
    method = SelectField("Method, where the file says none", choices=dict(METHODS))
    allocate = SelectField(
        "Invoices to pay, where the file says none",
        choices={"none": "None: it becomes the customer's credit", "oldest": "The oldest invoices first"},
    )


_FORMS: Mapping[str, type[MappingForm]] = {
    "customers": _Named,
    "services": _Named,
    "charges": _Charges,
    "payments": _Payments,
}


def mapping_form(kind: str, plan: ImportPlan, **how: Any) -> MappingForm:
    """The form of a file with the plan's header, filled with the plan."""
    labels = {"": IGNORE_COLUMN} | {
        one.name: one.label + (" (needed)" if one.required else "") for one in IMPORT_KINDS[kind].fields.values()
    }
    fields = {
        f"column_{place}": SelectField(column_name(plan.header, place), choices=labels)
        for place in range(len(plan.header))
    }
    known = {place: name for name, place in plan.columns.items()}
    filled = {f"column_{place}": known.get(place, "") for place in range(len(plan.header))}
    made: type[MappingForm] = type("FileForm", (_FORMS[kind],), dict(fields))
    return made(data=_data(plan) | filled, **how)


def _data(plan: ImportPlan) -> dict[str, Any]:
    return {
        "encoding": plan.encoding,
        "delimiter": plan.delimiter,
        "decimal": "comma" if plan.written.decimal_comma else "point",
        "days": "day_first" if plan.written.day_first else "iso",
        "existing": "update" if plan.update else "refuse",
        "settled": plan.settled,
        "method": plan.method,
        "allocate": plan.allocate,
    }


def read_plan(form: MappingForm, header: Sequence[str], encoding: str, delimiter: str) -> ImportPlan:
    """What the form says."""
    said = form.data
    plan = ImportPlan(tuple(header), form.chosen(), encoding, delimiter)
    return replace(
        plan,
        written=CellFormat(said["decimal"] == "comma", said["days"] == "day_first"),
        update=said.get("existing") == "update",
        settled=bool(said.get("settled")),
        method=said.get("method") or plan.method,
        allocate=said.get("allocate") or plan.allocate,
    )
