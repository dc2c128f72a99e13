"""Import plans: how a file is read, and which column fills which field."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import column_name

ENCODINGS: Final[Mapping[str, str]] = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16 (Excel: “Unicode text”)",
    "windows-1252": "Windows-1252 (Western Europe)",
}
DELIMITERS: Final[Mapping[str, str]] = {"comma": ",", "semicolon": ";", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The plan by which a file is read: its header, columns, format and options.

    The columns are numbered from 0, by field. `written` is the format of its numbers and days. `update`
    changes existing objects that differ; without it they are refused. `settled` imports charges that the
    file calls billed as pending ones. `method` and `allocate` (`oldest`, `none`) are for payments without
    these cells. Imports store the plan as JSON under these names.
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

    def as_data(self) -> dict[str, Any]:
        """Return the plan as JSON values; imports store them."""
        return asdict(self) | {"header": list(self.header), "columns": dict(self.columns)}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "ImportPlan":
        """Return the plan of stored JSON values."""
        return cls(**{**data, "header": tuple(data["header"]), "written": CellFormat(**data["written"])})

    def column(self, name: str) -> str:
        """Return the name of the column of a field, or an empty text if it has none."""
        return column_name(self.header, self.columns[name]) if name in self.columns else ""


def header_key(kind: str, header: Sequence[str]) -> str:
    """Return the key under which the last plan for files with this header is stored.

    Frozen: stored plans have these keys.
    """
    return hashlib.sha256(json.dumps([kind, *header]).encode()).hexdigest()


def check_plan(kind: str, plan: ImportPlan) -> None:
    """Check that a plan has columns for required fields, and not both id and key.

    Raises:
        Invalid: A required field has no column, or both id and key have one.
    """
    fields = IMPORT_KINDS[kind].fields
    problems = [
        Problem("missing", f"Choose the column for {field.label.lower()}.", (field.name,))
        for field in fields.values()
        if field.required and field.name not in plan.columns
    ]
    for name, needed, message in _NEEDED_TOGETHER.get(kind, ()):
        if name in plan.columns and needed not in plan.columns:
            problems.append(Problem("missing", message, (needed,)))
    if "id" in plan.columns and "key" in plan.columns:
        problems.append(Problem("two_ids", "Choose either the ID or your own key, not both.", ("key",)))
    if problems:
        raise Invalid.of(problems)


# For each kind: a mapped field, the field that it needs, and the message if that is not mapped.
_NEEDED_TOGETHER: Final = {
    "services": (
        ("unit_price", "currency", "Choose the column for the currency of the price."),
        ("currency", "unit_price", "Choose the column for the unit price, or do not import the currency."),
        ("includes_tax", "unit_price", "Choose the column for the unit price, or do not import “Price includes tax”."),
    ),
}
