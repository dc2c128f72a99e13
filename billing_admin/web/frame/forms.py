"""The base form, fields that parse typed values, and errors at their fields.

Typed values are parsed exactly.
"""

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
from wtforms.widgets import HiddenInput, PasswordInput, Select, TextArea, TextInput
from wtforms.widgets.core import escape  # type: ignore[attr-defined]  # the published types are of an earlier version

from billing_admin.domain.amount_input import AmountInput, parse_amount
from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid, Stale
from billing_admin.domain.formatting import format_day, format_typed
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.number_format import format_in_use
from billing_admin.domain.text import MAX_LINE_LENGTH, check_length, check_reference, check_text
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.signed_in import current_organisation

_WHOLE = re.compile(r"-?[0-9]+")


class _Messages:
    """Replacements for messages of WTForms that do not say how to fix the input.

    The keys are in lower case and without a full stop, as WTForms writes some of them both ways.
    """

    messages: ClassVar[Mapping[str, str]] = {
        "this field is required": Phrase("Enter a value."),
        "not a valid choice": Phrase("Choose one from the list."),
        "invalid choice: could not coerce": Phrase("Choose one from the list."),
        "invalid choice(s): one or more data inputs could not be coerced": Phrase("Choose from the list."),
        "csrf token missing": Phrase("This page has expired. Send the form again."),
    }

    def gettext(self, string: str) -> str:
        return self.messages.get(string.rstrip(".").lower(), string)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return singular if n == 1 else plural


class _Select(Select):
    """The choices of a field, written without `html_params`.

    Lists of currencies and countries are long: they took half of the time of a page.
    """

    @classmethod
    def render_option(cls, choice: Any, **attributes: Any) -> str:  # type: ignore[override]
        """Return the element of one choice."""
        if attributes or choice.render_kw or isinstance(choice.value, bool):
            return super().render_option(choice, **attributes)
        selected = "selected " if choice.selected else ""
        return f'<option {selected}value="{escape(choice.value)}">{escape(choice.label or choice.value)}</option>'


_SELECT: Any = _Select()


class Form(FlaskForm):  # type: ignore[misc]  # published without types
    """The base of every form."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Settings of WTForms."""

        def get_translations(self, _form: object) -> _Messages:
            """Return our messages instead of the translations of Flask-WTF."""
            return _Messages()

        def render_field(self, field: Field, render_kw: dict[str, Any]) -> str:
            """Return the element of a field, its choices by our widget."""
            widget: Any = field.widget
            if type(widget) is Select and not widget.multiple:
                field.widget = _SELECT
            element: str = super().render_field(field, render_kw)
            return element

    def expect_currency(self, currency: str) -> None:
        """Accept amounts in this currency only.

        Call it before validation; see `AmountField.currency`.
        """
        for field in self:
            if isinstance(field, AmountField):
                field.currency = currency


class ParsedField(Field):
    """A field that parses its text.

    `data` is the parsed value or None; `raw_data` is the text, which is shown again as typed. Blank is
    refused with the sentence `needed`, or is fine when there is none.
    """

    widget: Any = TextInput()
    blank: ClassVar[Any] = None

    def __init__(
        self, label: str, blank_message: str | None = None, max_length: int = MAX_LINE_LENGTH, **kwargs: Any
    ) -> None:
        super().__init__(label, **kwargs)
        self.blank_message = blank_message
        self.max_length = max_length
        self.flags.optional = blank_message is None

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Parse the first value, unless it is too long.

        The message of Invalid becomes the field's error.
        """
        typed = self.trim(str(valuelist[0]) if valuelist else "")
        self.data = self.blank
        if typed:
            try:
                check_length(typed, self.max_length)
                self.data = self.parse(typed)
            except Invalid as error:
                raise ValueError(error.message) from error
        elif self.blank_message:
            raise ValueError(self.blank_message)

    def trim(self, typed: str) -> str:
        """Return the typed text without surrounding spaces."""
        return typed.strip()

    def parse(self, typed: str) -> Any:
        """Return the value of the typed text.

        Raises:
            Invalid: its message says how to fix the input.
        """
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """Return the text that the field shows for a value."""
        return str(value)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.format(self.data)


class TextField(ParsedField):
    """One line of text, without surrounding spaces."""

    blank = ""

    def parse(self, typed: str) -> str:
        """Return the text, checked as stored text.

        The operation checks new text more strictly.
        """
        return check_text(typed, longest=self.max_length, stored=True)


class MultilineField(TextField):
    """Text of several lines, such as an address."""

    widget: Any = TextArea()

    def trim(self, typed: str) -> str:
        """Return the typed text with LF as line end; browsers send CR LF."""
        return super().trim(typed).replace("\r\n", "\n").replace("\r", "\n")

    def parse(self, typed: str) -> str:
        """Return the text, checked as stored text.

        The operation checks new text more strictly.
        """
        return check_text(typed, longest=self.max_length, lines=True, stored=True)


class ReferenceField(TextField):
    """A reference or code, by which people name a customer or service."""

    def parse(self, typed: str) -> str:
        """Return the reference; one that looks like an id is refused."""
        return check_reference(typed, stored=True)


class PasswordField(ParsedField):
    """A password, exactly as typed; never shown again."""

    widget = PasswordInput(hide_value=True)
    blank = ""

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Take the password with its spaces.

        `domain.sign_in` checks its length, so that a password that is too long counts as a failed attempt at sign-in.
        """
        self.data = str(valuelist[0]) if valuelist else ""
        if not self.data and self.blank_message:
            raise ValueError(self.blank_message)


class ExactField(ParsedField):
    """An exact decimal without a currency, such as a quantity.

    It may be typed with thousands separators.

    `data` is None until the form is validated, so that no amount is used before its currency is checked.
    """

    typed: AmountInput | None = None
    digits = 0
    """The minimum number of digits shown after the decimal point."""

    def __init__(
        self, label: str, blank_message: str | None = None, noun: str = Phrase("number"), **kwargs: Any
    ) -> None:
        super().__init__(label, blank_message, **kwargs)
        self.noun = noun

    def parse(self, typed: str) -> None:
        """Store the typed amount for `pre_validate`; an ambiguous number is refused."""
        self.typed = parse_amount(typed, format_in_use())

    def pre_validate(self, _form: object) -> None:
        """Set `data` to the number.

        A currency that does not belong to the field is refused.
        """
        if self.typed is not None:
            try:
                self.data = self.number(self.typed)
            except Invalid as error:
                raise ValidationError(error.message) from error

    def number(self, typed: AmountInput) -> Decimal | None:
        """Return the number.

        Raises:
            Invalid: a currency was typed.
        """
        return typed.without_currency(self.noun)

    def format(self, value: Any) -> str:
        """Return the number as it is typed, with at least `digits` decimals."""
        return format_typed(value, self.digits)


class AmountField(ExactField):
    """An amount in `currency`, which may be typed with the currency's sign or code.

    See `Form.expect_currency`.

    While `currency` is None, signs and codes are refused. While it is "", another field must name the currency first and
    `data` stays None.
    """

    currency: str | None = None

    def number(self, typed: AmountInput) -> Decimal | None:
        """Return the amount; None if the currency is not chosen yet.

        Raises:
            Invalid: another currency was typed.
        """
        if self.currency is None:
            return super().number(typed)
        return typed.in_currency(self.currency) if self.currency else None


class WholeNumberField(ParsedField):
    """A whole number, such as days."""

    max_digits = 9

    def parse(self, typed: str) -> int:
        """Return the number; only ASCII digits and a minus sign are accepted."""
        if len(typed.removeprefix("-")) > self.max_digits or not _WHOLE.fullmatch(typed):
            raise Invalid("not_a_whole_number", Phrase("Enter a whole number such as 30."))
        return int(exact_decimal(typed))  # refuses −0


class DayInput(TextInput):
    """A text input for a day.

    A date input of the browser shows days in an order of its own and keeps no other text.
    """

    def __call__(self, field: Any, **kwargs: Any) -> Any:
        """Return the HTML of the input."""
        return super().__call__(field, autocomplete="off", data_day=True, **kwargs)


class DayField(ParsedField):
    """A day.

    It is typed as pages show it (22 Nov 2026), in the organisation's date order or as YYYY-MM-DD.
    """

    widget = DayInput()

    def parse(self, typed: str) -> date:
        """Return the day that was typed.

        See `domain.day_input`. It must lie in the calendar's range.
        """
        return check_calendar_day(parse_day(typed, current_organisation().date_order))

    def format(self, value: Any) -> str:
        """Return the day as pages show it."""
        return format_day(value)


class NewIdField(Field):
    """The id of the object that the form creates.

    The id is chosen when the form is shown, so that a form that is sent twice creates one object.
    """

    widget = HiddenInput()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default=uuid4, **kwargs)
        self.type = "HiddenField"  # the macros skip hidden fields by their type

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Take the UUID that was sent; replace anything else by a new one, with an error."""
        try:
            self.data = UUID(str(valuelist[0]) if valuelist else "")
        except ValueError as error:
            self.data = uuid4()
            raise ValueError(Phrase("The form is incomplete. Reload the page and try again.")) from error

    def _value(self) -> str:
        return str(self.data)


def add_errors(form: Form, error: DomainError, names: Mapping[Any, str] | None = None) -> None:
    """Add each problem of an error to the field that it names, or to the form.

    The last word of a problem's path, such as `quantity`, is the field; `names` maps the words, or whole paths, for which
    the form uses other field names.
    """
    names = names or {}
    for problem in error.problems:
        word = next((part for part in reversed(problem.field) if isinstance(part, str)), "")
        field: Field | None = form._fields.get(names.get(problem.field, names.get(word, word)))
        if field is None or isinstance(field.widget, HiddenInput):
            form.form_errors.append(problem.message)
        else:
            field.errors = [*field.errors, problem.message]


class errors_on:  # noqa: N801 - used like a function: `with errors_on(form):`
    """Add errors that an operation raises inside the block to the form.

    The view then shows the form again.
    """

    def __init__(self, form: Form, names: Mapping[Any, str] | None = None) -> None:
        self.form, self.names = form, names

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        """Add an error to the form and suppress it.

        It is an Invalid, Conflict or Stale error, or a Denied one that names a field.
        """
        denied_field = isinstance(error, Denied) and error.field
        if not isinstance(error, Invalid | Conflict | Stale) and not denied_field:
            return False
        assert isinstance(error, DomainError)  # noqa: S101 - each of these is one
        add_errors(self.form, error, self.names)
        return True


def render_form(template: str, form: Form, **context: Any) -> ResponseReturnValue:
    """Render a page with a form; its status is 422 if the form has errors."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render_template(template, form=form, **context), status
