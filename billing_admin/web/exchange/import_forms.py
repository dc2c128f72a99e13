"""The forms of an import: the file, its layout, and the fields of its columns."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from wtforms import BooleanField, Field, FileField, RadioField, SelectField, ValidationError

from billing_admin.db.engine import db
from billing_admin.domain.customer_fields import COLUMN_PREFIX
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_day
from billing_admin.domain.imports.cells import FORMULA_RULE, CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS, ImportField, own_field
from billing_admin.domain.imports.headers import column_name
from billing_admin.domain.imports.layouts import DELIMITER_LABELS, ENCODINGS, Layout, check_header_line
from billing_admin.domain.imports.plans import SKIP_TESTS, ImportPlan, SkipRule
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.payments import METHODS
from billing_admin.domain.translation import Phrase
from billing_admin.queries.master_data.customer_fields import fields_in_use
from billing_admin.queries.payments.opening_balances import cut_over_day
from billing_admin.web.frame.forms import Form, TextField, WholeNumberField

IGNORE_COLUMN = Phrase("– do not import –")
SKIP_RULES = 3
LAYOUT_FIELDS = ("encoding", "delimiter", "sheet", "header_line")
MAX_CONSTANT_LENGTH = 1000


class UploadForm(Form):
    """The file to import."""

    file = FileField(Phrase("CSV file or workbook"))


class LayoutForm(Form):
    """The layout of the file.

    A CSV file has an encoding and a delimiter, a workbook a sheet.
    """

    encoding = SelectField(Phrase("Encoding"), choices=dict(ENCODINGS))
    delimiter = SelectField(Phrase("Delimiter"), choices=dict(DELIMITER_LABELS))
    sheet = SelectField(Phrase("Sheet"))
    header_line = WholeNumberField(
        Phrase("Line of the column names"), blank_message=Phrase("Enter the line of the column names.")
    )

    def validate_header_line(self, field: WholeNumberField) -> None:
        """Raise ValidationError for a line out of range.

        It is checked before the file is read again by the new layout.
        """
        if field.data is not None:
            try:
                check_header_line(field.data)
            except Invalid as error:
                raise ValidationError(error.message) from error

    def show_sheets(self, sheets: Collection[str]) -> None:
        """Offer the sheets of a workbook, or the encoding and delimiter of a CSV file."""
        if sheets:
            self.sheet.choices = {name: name for name in sheets}
            del self.encoding, self.delimiter
        else:
            del self.sheet

    def layout_fields(self) -> list[Field]:
        """Return the fields of the layout."""
        return [self[name] for name in LAYOUT_FIELDS if name in self]


class MappingForm(LayoutForm):
    """The formats of numbers and days, and the rows to leave out.

    `mapping_form` adds a field for each column of the file, and for each value that all rows may have.
    """

    number_format = SelectField(
        Phrase("Number format"), choices={number.value: number.value for number in NumberFormat}
    )
    date_order = SelectField(Phrase("Dates"), choices={order.value: order.label for order in DateOrder})
    accounting = BooleanField(Phrase("Read (1.00) and 1.00- as negative numbers"))
    earlier_export = BooleanField(
        Phrase("The file was exported by an earlier version (no formula_rule in its .meta.json)")
    )

    def columns(self) -> list[Any]:
        """Return the form fields of the file's columns, in their order."""
        return [field for field in self if field.name.startswith("column_")]

    def constants(self) -> list[Any]:
        """Return the form fields of values for all rows."""
        return [field for field in self if field.name.startswith("value_")]

    def skip_rules(self) -> list[tuple[Any, Any, Any]]:
        """Return the column, test and text fields of each rule that leaves rows out."""
        return [
            tuple(self[f"skip_{index}_{part}"] for part in ("column", "test", "text")) for index in range(SKIP_RULES)
        ]

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
                    Phrase("“{first}” is already mapped to this field. Choose one of the two columns.", first=first),
                ]
        return columns


class _UpdatableForm(MappingForm):
    existing = RadioField(
        Phrase("Existing records that differ from the file"),
        choices={
            "refuse": Phrase("Report as errors — The check shows the differences."),
            "update": Phrase("Update — The check shows how many would change."),
        },
    )


class _ChargesForm(MappingForm):
    settled = BooleanField(Phrase("Import charges that the file marks as billed, and bill them here"))


class _PaymentsForm(MappingForm):
    method = SelectField(Phrase("Default payment method"), choices=dict(METHODS))
    allocate = SelectField(
        Phrase("Payments without an invoice in the file"),
        choices={
            "none": Phrase("Keep as the customer's credit"),
            "oldest": Phrase("Allocate to the oldest invoices first"),
        },
    )


_FORMS: Mapping[str, type[MappingForm]] = {
    "customers": _UpdatableForm,
    "services": _UpdatableForm,
    "charges": _ChargesForm,
    "payments": _PaymentsForm,
    "contacts": _UpdatableForm,
    "opening-balances": MappingForm,
    "recurring-charges": MappingForm,
}


def layout_form(layout: Mapping[str, Any], sheets: Collection[str]) -> LayoutForm:
    """Return the form for a file that cannot be read by its layout."""
    form = LayoutForm(formdata=None, data=layout)
    form.show_sheets(sheets)
    return form


def mapping_form(kind: str, plan: ImportPlan, sheets: Collection[str]) -> MappingForm:
    """Return the form for a file with the plan's header, filled with the plan."""
    fields = [*IMPORT_KINDS[kind].fields.values(), *(_customer_fields() if kind == "customers" else ())]
    choices = {"": IGNORE_COLUMN} | {
        field.name: Phrase("{label} (required)", label=field.label) if field.required else field.label
        for field in fields
    }
    names = [column_name(plan.header, index) for index in range(len(plan.header))]
    form_fields: dict[str, Any] = {
        f"column_{index}": SelectField(name, choices=choices) for index, name in enumerate(names)
    }
    form_fields |= {
        f"value_{field.name}": TextField(
            field.label, description=_constant_hint(kind, field.name), max_length=MAX_CONSTANT_LENGTH
        )
        for field in fields
        if field.constant
    }
    rule_columns = {"": Phrase("– no rule –")} | {str(index): name for index, name in enumerate(names)}
    for index in range(SKIP_RULES):
        form_fields[f"skip_{index}_column"] = SelectField(
            Phrase("Column, rule {index}", index=index + 1), choices=rule_columns
        )
        form_fields[f"skip_{index}_test"] = SelectField(
            Phrase("Condition, rule {index}", index=index + 1), choices=dict(SKIP_TESTS)
        )
        form_fields[f"skip_{index}_text"] = TextField(
            Phrase("Text, rule {index}", index=index + 1), max_length=MAX_CONSTANT_LENGTH
        )
    form_class: type[MappingForm] = type("FileForm", (_FORMS[kind],), form_fields)
    form = form_class(data=_options(plan))
    form.show_sheets(sheets)
    return form


def _customer_fields() -> list[ImportField]:
    return [own_field(COLUMN_PREFIX + field.key, field.label) for field in fields_in_use(db.session())]


def _constant_hint(kind: str, name: str) -> str:
    """Return when a value for all rows is needed, if stored records decide that."""
    if kind != "opening-balances" or name != "opened_on":
        return ""
    day = cut_over_day(db.session())
    if day is None:
        return Phrase(
            "Needed for the first import only, unless the file has a column for it: the day on which this application "
            "takes over the books."
        )
    return Phrase("Leave it blank for {day}, the cut-over day of the other opening balances.", day=format_day(day))


def _options(plan: ImportPlan) -> dict[str, Any]:
    field_by_column = {index: name for name, index in plan.columns.items()}
    options: dict[str, Any] = {
        "encoding": plan.encoding,
        "delimiter": plan.delimiter,
        "sheet": plan.sheet,
        "header_line": plan.header_line,
        "number_format": plan.written.number_format.value,
        "date_order": plan.written.date_order.value,
        "accounting": plan.written.accounting,
        "earlier_export": plan.written.formula_rule == 1,
        "existing": "update" if plan.update else "refuse",
        "settled": plan.settled,
        "method": plan.method,
        "allocate": plan.allocate,
    }
    options |= {f"column_{index}": field_by_column.get(index, "") for index in range(len(plan.header))}
    options |= {f"value_{name}": text for name, text in plan.constants.items()}
    options |= {f"skip_{index}_test": "is" for index in range(SKIP_RULES)}
    for index, rule in enumerate(plan.skip):
        options[f"skip_{index}_column"] = str(rule.column)
        options |= {f"skip_{index}_test": rule.test, f"skip_{index}_text": rule.text}
    return options


def read_plan(form: MappingForm, header: Sequence[str]) -> ImportPlan:
    """Return the plan entered in the form, for a file with this header."""
    options = form.data
    number_format, date_order = NumberFormat(options["number_format"]), DateOrder(options["date_order"])
    defaults = Layout()
    return ImportPlan(
        tuple(header),
        form.mapping(),
        encoding=options.get("encoding", defaults.encoding),
        delimiter=options.get("delimiter", defaults.delimiter),
        header_line=options["header_line"],
        sheet=options.get("sheet", defaults.sheet),
        written=CellFormat(
            number_format, date_order, options["accounting"], 1 if options["earlier_export"] else FORMULA_RULE
        ),
        update=options.get("existing") == "update",
        settled=bool(options.get("settled")),
        method=options.get("method") or "bank_transfer",
        allocate=options.get("allocate") or "none",
        constants={field.name.removeprefix("value_"): field.data for field in form.constants() if field.data},
        skip=tuple(
            SkipRule(int(column.data), test.data, text.data) for column, test, text in form.skip_rules() if column.data
        ),
    )
