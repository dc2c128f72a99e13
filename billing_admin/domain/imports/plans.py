"""Import plans: how a file is read, and which column or value fills which field."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.imports.cells import CellFormat, CellType, read_cell, shorten
from billing_admin.domain.imports.fields import IMPORT_KINDS, ImportField
from billing_admin.domain.imports.headers import column_name
from billing_admin.domain.imports.layouts import Layout, check_header_line
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.translation import Phrase

TODAY: Final = "today"
MAX_SKIP_RULES: Final = 10
# Plans that were stored before days had to be chosen: a missing day was the day of the import.
_EARLIER_CONSTANTS: Final = {"incurred_on": TODAY, "received_on": TODAY}
# Names of fields in plans that were stored before addresses had parts.
_EARLIER_NAMES: Final[Mapping[str, str]] = {"address_line_2": "street2", "address_country": "country"}
SKIP_TESTS: Final[Mapping[str, str]] = {"is": "is", "is_not": "is not", "contains": "contains"}


@dataclass(frozen=True, slots=True)
class SkipRule:
    """A rule that leaves rows out: a column (from 0), a test and a text.

    Upper and lower case are the same, and so are spaces at the ends. An empty text is a blank cell.
    """

    column: int
    test: str
    text: str

    def matches(self, cells: Sequence[str]) -> bool:
        """Return whether the row with these cells is left out."""
        cell = (cells[self.column] if self.column < len(cells) else "").strip().casefold()
        text = self.text.strip().casefold()
        if self.test == "contains":
            return text in cell
        return (cell == text) == (self.test == "is")


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The plan by which a file is read: its header, columns, format and options.

    The columns are numbered from 0, by field. `written` is the format of its numbers and days.
    `constants` are texts, by field, for rows without a cell of their own; the day `today` is the day of
    the import. Rows that match a rule of `skip` are left out. `update` changes existing objects that
    differ; without it they are refused. `settled` imports charges that the file calls billed as pending
    ones. `method` and `allocate` (`oldest`, `none`) are for payments without these cells. Imports store
    the plan as JSON under these names.
    """

    header: tuple[str, ...]
    columns: Mapping[str, int]
    encoding: str = "utf-8"
    delimiter: str = "comma"
    written: CellFormat = field(default_factory=CellFormat)
    update: bool = False
    settled: bool = False
    method: str = "bank_transfer"
    allocate: str = "none"
    header_line: int = 1
    sheet: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[SkipRule, ...] = ()

    @property
    def layout(self) -> Layout:
        """The layout of the file."""
        return Layout(self.encoding, self.delimiter, self.header_line, self.sheet)

    def as_data(self) -> dict[str, Any]:
        """Return the plan as JSON values; imports store them."""
        data = asdict(self) | {"header": list(self.header), "columns": dict(self.columns)}
        return data | {"skip": [asdict(rule) for rule in self.skip], "constants": dict(self.constants)}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "ImportPlan":
        """Return the plan of stored JSON values, also of earlier versions."""
        values = {"constants": _EARLIER_CONSTANTS, "skip": (), **data, "header": tuple(data["header"])}
        values["skip"] = tuple(SkipRule(**rule) for rule in values["skip"])
        values["columns"] = {_EARLIER_NAMES.get(name, name): column for name, column in data["columns"].items()}
        return cls(**{**values, "written": _stored_format(data["written"])})

    def describe_rules(self) -> list[str]:
        """Return the rules that leave rows out in words, as in `Text is “Total”`."""
        return [f"{column_name(self.header, rule.column)} {SKIP_TESTS[rule.test]} “{rule.text}”" for rule in self.skip]

    def fills(self, name: str) -> bool:
        """Return whether a field has a column or a constant."""
        return name in self.columns or name in self.constants

    def column(self, name: str) -> str:
        """Return the name of the column of a field, or an empty text if it has none."""
        return column_name(self.header, self.columns[name]) if name in self.columns else ""


def for_another_file(kind: str, plan: ImportPlan) -> ImportPlan:
    """Return the plan to offer for another file with the same header.

    It lacks what is decided for each file anew: days, and options that change existing records.
    """
    fields = IMPORT_KINDS[kind].fields
    constants = {
        name: text
        for name, text in plan.constants.items()
        if name in fields and (fields[name].cell is not CellType.DAY or text == TODAY)
    }
    return replace(plan, constants=constants, update=False, settled=False)


def _stored_format(data: Mapping[str, Any]) -> CellFormat:
    """Return a stored cell format.

    Earlier versions only knew the decimal comma and day-first dates.
    """
    if "decimal_comma" in data:
        number_format = NumberFormat.POINT_COMMA if data["decimal_comma"] else NumberFormat.COMMA_POINT
        order = DateOrder.DAY_FIRST if data["day_first"] else DateOrder.YEAR_FIRST
        return CellFormat(number_format, order, formula_rule=1)
    return CellFormat(
        NumberFormat(data["number_format"]),
        DateOrder(data["date_order"]),
        data["accounting"],
        data.get("formula_rule", 1),
    )


def header_key(kind: str, header: Sequence[str]) -> str:
    """Return the key under which the last plan for files with this header is stored.

    Frozen: stored plans have these keys.
    """
    return hashlib.sha256(json.dumps([kind, *header]).encode()).hexdigest()


def check_plan(kind: str, plan: ImportPlan) -> None:
    """Check that a plan fills the required fields, and has either an id or a key.

    Raises:
        Invalid: A required field has neither column nor constant, a constant cannot be read, both id and
            key have a column, or a rule for rows is wrong.
    """
    fields = IMPORT_KINDS[kind].fields
    problems = [
        Problem("missing", _missing_message(field), (field.name,))
        for field in fields.values()
        if field.required and not plan.fills(field.name)
    ]
    for name, needed, message in _NEEDED_TOGETHER.get(kind, ()):
        if name in plan.columns and not plan.fills(needed):
            problems.append(Problem("missing", message, (needed,)))
    if "id" in plan.columns and "key" in plan.columns:
        problems.append(Problem("two_ids", Phrase("Choose either the ID or your own key, not both."), ("key",)))
    problems += _constant_problems(fields, plan)
    problems += _layout_problems(plan)
    if problems:
        raise Invalid.of(problems)


def _missing_message(field: ImportField) -> str:
    if not field.constant:
        return Phrase(
            "Choose the column for {field}, usually “{header}”.", field=field.label.lower(), header=field.name
        )
    message = Phrase(
        "Choose the column for {field}, usually “{header}”, or enter it for all rows.",
        field=field.label.lower(),
        header=field.name,
    )
    return (
        Phrase("{message} “{today}” is the day of the import.", message=message, today=TODAY)
        if field.cell is CellType.DAY
        else message
    )


def read_constant(field: ImportField, text: str, cell_format: CellFormat) -> Any:
    """Return the value of a constant; None for `today`.

    Raises:
        Invalid: The text cannot be read.
    """
    if field.cell is CellType.DAY and text.strip().lower() == TODAY:
        return None
    return read_cell(field.cell, text, cell_format)


def _constant_problems(fields: Mapping[str, ImportField], plan: ImportPlan) -> Iterator[Problem]:
    for name, text in plan.constants.items():
        if name not in fields:
            continue
        if not fields[name].constant:
            yield Problem(
                "not_for_all", Phrase("{label} cannot have one value for all rows.", label=fields[name].label), (name,)
            )
        try:
            read_constant(fields[name], text, plan.written)
        except Invalid as refusal:
            yield from (Problem(problem.code, problem.message, (name,)) for problem in refusal.problems)


def _layout_problems(plan: ImportPlan) -> Iterator[Problem]:
    try:
        check_header_line(plan.header_line)
    except Invalid as refusal:
        yield from refusal.problems
    if len(plan.skip) > MAX_SKIP_RULES:
        yield Problem(
            "too_many", Phrase("Use at most {max_skip_rules} rules.", max_skip_rules=MAX_SKIP_RULES), ("skip",)
        )
    for rule in plan.skip:
        if rule.test == "contains" and not rule.text.strip():
            yield Problem(
                "blank",
                Phrase("Enter the text that “{shorten}” contains.", shorten=shorten(plan.header[rule.column])),
                ("skip",),
            )


# For each kind: a mapped field, the field that it needs, and the message if that is not mapped.
_NEEDED_TOGETHER: Final = {
    "services": (
        (
            "unit_price",
            "currency",
            Phrase("Choose the column for the currency of the price, or enter it for all rows."),
        ),
        ("currency", "unit_price", Phrase("Choose the column for the unit price, or do not import the currency.")),
        (
            "includes_tax",
            "unit_price",
            Phrase("Choose the column for the unit price, or do not import “Price includes tax”."),
        ),
    ),
}
