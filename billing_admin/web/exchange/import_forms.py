"""The forms of an import: the file, its format, and the fields of its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wtforms import BooleanField, FileField, RadioField, SelectField

from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import column_name
from billing_admin.domain.imports.plans import DELIMITERS, ENCODINGS, ImportPlan
from billing_admin.domain.payments import METHODS
from billing_admin.web.frame.forms import Form

IGNORE_COLUMN = "– do not import –"


class UploadForm(Form):
    """The file to import."""

    file = FileField("CSV file")


class FileFormatForm(Form):
    """Encoding and delimiter of the file."""

    encoding = SelectField("Encoding", choices=dict(ENCODINGS))
    delimiter = SelectField("Delimiter", choices={name: name.capitalize() for name in DELIMITERS})


class MappingForm(FileFormatForm):
    """Number and date formats.

    `mapping_form` adds a field for each column of the file.
    """

    decimal = SelectField("Numbers", choices={"point": "Decimal point: 1234.50", "comma": "Decimal comma: 1234,50"})
    days = SelectField("Dates", choices={"iso": "2026-12-31", "day_first": "Day first: 31.12.2026 or 31/12/2026"})

    def columns(self) -> list[Any]:
        """Return the form fields of the file's columns, in their order."""
        return [field for field in self if field.name.startswith("column_")]

    def mapping(self) -> dict[str, int]:
        """Return the index of the column that each field is mapped to.

        A second column for the same field gets an error.
        """
        columns: dict[str, int] = {}
        for index, form_field in enumerate(self.columns()):
            if form_field.data and columns.setdefault(form_field.data, index) != index:
                first = self.columns()[columns[form_field.data]].label.text
                form_field.errors = [
                    *form_field.errors,
                    f"“{first}” is already mapped to this field. Choose one of the two columns.",
                ]
        return columns


class _UpdatableForm(MappingForm):
    existing = RadioField(
        "Existing records that differ from the file",
        choices={
            "refuse": "Report as errors — The check shows the differences.",
            "update": "Update — The check shows how many would change.",
        },
    )


class _ChargesForm(MappingForm):
    settled = BooleanField("Import charges that the file marks as billed, and bill them here")


class _PaymentsForm(MappingForm):
    method = SelectField("Default payment method", choices=dict(METHODS))
    allocate = SelectField(
        "Payments without an invoice in the file",
        choices={"none": "Keep as the customer's credit", "oldest": "Allocate to the oldest invoices first"},
    )


_FORMS: Mapping[str, type[MappingForm]] = {
    "customers": _UpdatableForm,
    "services": _UpdatableForm,
    "charges": _ChargesForm,
    "payments": _PaymentsForm,
}


def mapping_form(kind: str, plan: ImportPlan) -> MappingForm:
    """Return the form for a file with the plan's header, filled with the plan."""
    choices = {"": IGNORE_COLUMN} | {
        field.name: field.label + (" (required)" if field.required else "")
        for field in IMPORT_KINDS[kind].fields.values()
    }
    fields = {
        f"column_{index}": SelectField(column_name(plan.header, index), choices=choices)
        for index in range(len(plan.header))
    }
    field_by_column = {index: name for name, index in plan.columns.items()}
    mapping = {f"column_{index}": field_by_column.get(index, "") for index in range(len(plan.header))}
    form_class: type[MappingForm] = type("FileForm", (_FORMS[kind],), dict(fields))
    return form_class(data=_options(plan) | mapping)


def _options(plan: ImportPlan) -> dict[str, Any]:
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
    """Return the plan entered in the form, for a file with this header."""
    options = form.data
    plan = ImportPlan(tuple(header), form.mapping(), encoding, delimiter)
    return replace(
        plan,
        written=CellFormat(options["decimal"] == "comma", options["days"] == "day_first"),
        update=options.get("existing") == "update",
        settled=bool(options.get("settled")),
        method=options.get("method") or plan.method,
        allocate=options.get("allocate") or plan.allocate,
    )
