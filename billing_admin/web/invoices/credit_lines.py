"""Lines of an invoice in the forms that credit them.

A line is chosen by a tick. A line without a tick is chosen if a value of it was entered.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from wtforms import BooleanField, FieldList, FormField, HiddenField
from wtforms.widgets import HiddenInput

from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.errors import DomainError
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.forms import AmountField, ExactField, Form, add_errors

UNKNOWN_LINE_ID = UUID(int=0)  # no line has this id: a line sent without a valid id is refused as unknown


class LineForm(Form):
    """A line, and whether it is chosen."""

    class Meta(Form.Meta):
        """CSRF is off: the form around it has the token."""

        csrf = False

    line = HiddenField()
    tick = BooleanField(Phrase("Choose"))

    def line_id(self) -> UUID:
        """Return the id of the line, or one that no line has."""
        return parse_uuid(self.line.data or "") or UNKNOWN_LINE_ID


class CreditLineForm(LineForm):
    """The part of a line to credit: a quantity, or a net amount.

    If both are blank, all that can be credited is.
    """

    quantity = ExactField(Phrase("Quantity"), noun=Phrase("quantity"))
    amount = AmountField(Phrase("Net to credit"))


class CorrectedLineForm(LineForm):
    """The corrected values of a line that is credited and billed again."""

    quantity = ExactField(Phrase("New quantity"), noun=Phrase("quantity"))
    unit_price = AmountField(Phrase("New unit price"))
    amount = AmountField(Phrase("New amount"))


def line_fields(line_form: type[LineForm], max_lines: int = 1) -> Any:
    """Return the list of lines.

    A request that sends more than `max_lines` gets no further fields.
    """
    return FieldList(FormField(line_form), max_entries=max_lines)


def with_lines(form: type[Form], line_form: type[LineForm], lines: Sequence[dict[str, Any]], **values: Any) -> Any:
    """Return a form with a row for each line, filled with values."""
    fields = line_fields(line_form, max(len(lines), 1))
    return type(form.__name__, (form,), {"lines": fields})(lines=lines, **values)


def expect_line_currency(form: Any, currency: str) -> None:
    """Read and show all amounts, including those of the lines, in this currency."""
    for part in (form, *(entry.form for entry in form.lines)):
        for field in part:
            if isinstance(field, AmountField):
                field.currency, field.digits = currency, MINOR_DIGITS[currency]
                field.flags.optional = False


def show_line_errors(form: Any, error: DomainError, entries: Sequence[Any]) -> None:
    """Add the problems of an error to the fields of the form.

    `entries` are the rows of the chosen lines, in the order of the request.
    """
    problems = []
    for problem in error.problems:
        place = problem.field[1] if problem.field[:1] == ("lines",) and len(problem.field) > 1 else None
        if not isinstance(place, int) or place >= len(entries):
            problems.append(problem)
            continue
        row = entries[place].form
        name = problem.field[-1] if isinstance(problem.field[-1], str) else "amount"
        if name == "amount" and row.quantity.data is not None:
            name = "quantity"
        field = row._fields.get(name)
        if field is None or isinstance(field.widget, HiddenInput):
            problems.append(problem)
            continue
        field.errors = [*field.errors, problem.message]
        form.lines.errors = [*form.lines.errors, {name: [problem.message]}]
    if problems:
        error.problems = tuple(problems)
        add_errors(form, error, {"line": "", "lines": "", "remove": ""})


def is_entered(value: Decimal | None, shown: Decimal | None) -> bool:
    """Return whether a value differs from the one that the form showed."""
    return value is not None and value != shown
