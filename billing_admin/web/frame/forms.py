"""Forms: fields that read what people type exactly or say how to mend it, and refusals of the business put at their field."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID, uuid4

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import Field, ValidationError
from wtforms.widgets import DateInput, HiddenInput, PasswordInput, TextArea, TextInput

from billing_admin.domain.amount_input import AmountInput, parse_amount
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, DomainError, Invalid, Stale
from billing_admin.domain.formatting import format_padded
from billing_admin.domain.text import check_length, check_reference, check_text

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"-?[0-9]+")


class _Messages:
    """What WTForms says in its own words, said as how to mend it."""

    sentences: ClassVar[Mapping[str, str]] = {
        "This field is required.": "Enter a value.",
        "Not a valid choice.": "Choose one from the list.",
        "Not a valid choice": "Choose one from the list.",
        "Invalid Choice: could not coerce.": "Choose one from the list.",
        "Invalid choice(s): one or more data inputs could not be coerced.": "Choose from the list.",
        "CSRF token missing.": "This page was open for too long. Send the form again.",
    }

    def gettext(self, string: str) -> str:
        return self.sentences.get(string, string)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return singular if n == 1 else plural


class Form(FlaskForm):  # type: ignore[misc]  # published without types
    """The base of every form."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """How its fields speak."""

        def get_translations(self, _form: object) -> _Messages:
            """Flask-WTF would look for another language."""
            return _Messages()

    def expect_currency(self, currency: str) -> None:
        """Take amounts in this currency only. Call it before the form is validated; see `AmountField.currency`."""
        for field in self:
            if isinstance(field, AmountField):
                field.currency = currency


class ParsedField(Field):
    """What was typed is kept for showing again, right or wrong; `data` is what was read, or None.

    Blank is refused with the sentence `needed`, or is fine when there is none.
    """

    widget: Any = TextInput()
    blank: ClassVar[Any] = None

    def __init__(self, label: str, blank_message: str | None = None, max_length: int = 200, **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.blank_message = blank_message
        self.max_length = max_length
        self.flags.optional = blank_message is None

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the first value, unless it is too long; a refusal becomes the field's error."""
        typed = self.trim(str(valuelist[0]) if valuelist else "")
        self.data = self.blank
        if typed:
            try:
                check_length(typed, self.max_length)
                self.data = self.parse(typed)
            except Invalid as refusal:
                raise ValueError(refusal.message) from refusal
        elif self.blank_message:
            raise ValueError(self.blank_message)

    def trim(self, typed: str) -> str:
        """Return what was typed without the spaces around it."""
        return typed.strip()

    def parse(self, typed: str) -> Any:
        """Make the value of what was typed; raise Invalid with a sentence that says how to mend it."""
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """Write a value into the field."""
        return str(value)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.format(self.data)


class TextField(ParsedField):
    """One line of text, without the spaces around it."""

    blank = ""

    def parse(self, typed: str) -> str:
        """Refuse what no stored text has; the operation checks new text."""
        return check_text(typed, longest=self.max_length, stored=True)


class MultilineField(TextField):
    """Text of several lines, such as an address."""

    widget: Any = TextArea()

    def trim(self, typed: str) -> str:
        """Browsers end lines with CR LF; we keep LF."""
        return super().trim(typed).replace("\r\n", "\n").replace("\r", "\n")

    def parse(self, typed: str) -> str:
        """Refuse what no stored text has; the operation checks new text."""
        return check_text(typed, longest=self.max_length, lines=True, stored=True)


class ReferenceField(TextField):
    """What a thing is called by: a reference, a code."""

    def parse(self, typed: str) -> str:
        """Not to be taken for an id."""
        return check_reference(typed, stored=True)


class PasswordField(ParsedField):
    """A password, exactly as typed; never shown again."""

    widget = PasswordInput(hide_value=True)
    blank = ""

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Spaces belong to it. `domain.signing_in` checks its length, so that a long one at sign-in counts as an attempt."""
        self.data = str(valuelist[0]) if valuelist else ""
        if not self.data and self.blank_message:
            raise ValueError(self.blank_message)


class ExactField(ParsedField):
    """An exact decimal without a currency, such as a quantity. People may type separators of thousands.

    `data` is None until the form is validated, so that no amount is used before its currency is checked.
    """

    typed: AmountInput | None = None
    digits = 0
    """How many digits after the point are written at least."""

    def __init__(self, label: str, blank_message: str | None = None, noun: str = "number", **kwargs: Any) -> None:
        super().__init__(label, blank_message, **kwargs)
        self.noun = noun

    def parse(self, typed: str) -> None:
        """Refuse what can be read in two ways, and keep the rest until `pre_validate`."""
        self.typed = parse_amount(typed)

    def pre_validate(self, _form: object) -> None:
        """Set `data` to the number, or refuse the currency that was typed with it."""
        if self.typed is not None:
            try:
                self.data = self.number(self.typed)
            except Invalid as refusal:
                raise ValidationError(refusal.message) from refusal

    def number(self, typed: AmountInput) -> Decimal | None:
        """Return the number; raise Invalid if a currency was typed."""
        return typed.without_currency(self.noun)

    def format(self, value: Any) -> str:
        """Plainly, as the API writes it, with at least as many digits as the currency has."""
        return format_padded(value, self.digits)


class AmountField(ExactField):
    """Money in `currency`, whose sign or code people may type; see `Form.expect_currency`.

    Until the currency is set, no sign or code is taken. An empty text says that another field has to name the currency
    first: `data` then stays None.
    """

    currency: str | None = None

    def number(self, typed: AmountInput) -> Decimal | None:
        """Return the amount; raise Invalid if it was typed in another currency."""
        if self.currency is None:
            return super().number(typed)
        return typed.in_currency(self.currency) if self.currency else None


class WholeNumberField(ParsedField):
    """A whole number, such as days."""

    max_digits = 9

    def parse(self, typed: str) -> int:
        """ASCII digits only."""
        if len(typed.removeprefix("-")) > self.max_digits or not _WHOLE.fullmatch(typed):
            raise Invalid("not_a_whole_number", "Enter a whole number such as 30.")
        return int(typed)


class DayField(ParsedField):
    """A day: the browser's own date field, ISO in between."""

    widget = DateInput()

    def parse(self, typed: str) -> date:
        """Only YYYY-MM-DD, and only days that exist, in the calendar."""
        try:
            day = date.fromisoformat(typed if _DAY.fullmatch(typed) else "")
        except ValueError as error:
            raise Invalid("not_a_day", "Enter a day such as 2026-11-22.") from error
        return check_calendar_day(day)

    def format(self, value: Any) -> str:
        """As browsers want it."""
        return str(value.isoformat())


class NewIdField(Field):
    """The id of what the form will make, chosen when it is first shown: sent twice, it makes one thing."""

    widget = HiddenInput()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default=uuid4, **kwargs)
        self.type = "HiddenField"  # as the macros know it

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Any UUID will do."""
        try:
            self.data = UUID(str(valuelist[0]) if valuelist else "")
        except ValueError as error:
            self.data = uuid4()
            raise ValueError("The form's key was lost. Send the form again.") from error

    def _value(self) -> str:
        return str(self.data)


def add_errors(form: Form, error: DomainError, names: Mapping[str, str] | None = None) -> None:
    """Put each problem onto the form's field that it names, or above the form.

    A problem's field is its last word, such as `quantity`; `names` maps words that the form calls otherwise.
    """
    for problem in error.problems:
        word = next((part for part in reversed(problem.field) if isinstance(part, str)), "")
        field: Field | None = form._fields.get((names or {}).get(word, word))
        if field is None or isinstance(field.widget, HiddenInput):
            form.form_errors.append(problem.message)
        else:
            field.errors = [*field.errors, problem.message]


class errors_on:  # noqa: N801 - reads as a word: `with errors_on(form):`
    """Put what the business refuses inside the block onto the form; the block then ends, and the view shows the form again."""

    def __init__(self, form: Form, names: Mapping[str, str] | None = None) -> None:
        self.form, self.names = form, names

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Invalid | Conflict | Stale):
            return False
        add_errors(self.form, error, self.names)
        return True


def render_form(template: str, form: Form, **context: Any) -> ResponseReturnValue:
    """Show a form: 422 if it has errors."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render_template(template, form=form, **context), status
