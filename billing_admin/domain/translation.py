"""English texts of the program that pages show in the language in use.

A `Phrase` is an English string wherever it is stored, sent or compared. It remembers its form and its values, so that a
page can look up the form in the catalogue of a language. Texts that people entered are plain strings, which are never
translated.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from html import escape
from string import Formatter
from typing import Any, Protocol, Self

from billing_admin.domain.number_format import format_in_use


class Catalogue(Protocol):
    """The translations of a language, as `gettext` has them."""

    def gettext(self, message: str, /) -> str:
        """Return the translation of a form, or the form itself."""
        ...

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str:
        """Return the translation of a form for a number."""
        ...


_IN_USE: ContextVar[Catalogue | None] = ContextVar("catalogue", default=None)


class _Grouping(Formatter):
    """Write `{limit:,}` with the thousands separators of the number format in use."""

    def format_field(self, value: object, format_spec: str) -> str:
        if format_spec == "," and isinstance(value, int):
            return format_in_use().group(Decimal(value))
        return str(super().format_field(value, format_spec))


_GROUPING = _Grouping()


def _fill(form: str, values: Mapping[str, object]) -> str:
    if not values:
        return form
    return _GROUPING.vformat(form, (), values) if ":,}" in form else form.format(**values)


def _fill_twice(form: str, values: Mapping[str, object], added_values: Mapping[str, object]) -> str:
    """Fill a form with values, and then its places in doubled braces.

    Braces in the first values are texts, not places.
    """
    escaped = {
        name: value.replace("{", "{{").replace("}", "}}") if isinstance(value, str) else value
        for name, value in values.items()
    }
    return _fill(_fill(form, escaped), added_values)


class Phrase(str):
    """An English text, such as `Phrase("Use {first} or later.", first=day)`.

    A form without values is taken as it is, with its braces. `plural` makes texts that depend on a number.
    """

    __slots__ = ("added_values", "form", "number", "plural_form", "values")

    form: str
    values: Mapping[str, object]
    added_values: Mapping[str, object]
    plural_form: str | None
    number: int

    def __new__(cls, form: str, /, **values: object) -> Self:
        """Return the text in English."""
        text = super().__new__(cls, _fill(form, values))
        text.form, text.values, text.added_values, text.plural_form, text.number = form, values, {}, None, 0
        return text

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Return the English text, which is what other processes get."""
        return str, (str(self),)

    def __html__(self) -> str:
        """Return the text for a page: in the language in use, escaped."""
        return escape(translated(self)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")  # as Jinja writes them

    def __str__(self) -> str:
        """Return the English text as a plain string."""
        return str.__str__(self)

    def __add__(self, text: str) -> "Phrase":
        """Return both texts as one, each with its own translation."""
        return Phrase("{first}{second}", first=self, second=text)

    def format(self, *_args: object, **values: object) -> "Phrase":
        """Return the text with values in its open places, which have names."""
        if self.values:
            form = self.form if self.plural_form is None or self.number == 1 else self.plural_form
            english = _fill_twice(form, self.values, values)
        else:
            english = super().format(**values)
        text = self._with_english(english)
        text.added_values = values
        return text

    def lower(self) -> "Phrase":
        """Return the text in lower case; a translation keeps its capitals."""
        return self._with_english(super().lower())

    def capitalize(self) -> "Phrase":
        """Return the text with a capital; a translation keeps its capitals."""
        return self._with_english(super().capitalize())

    def _with_english(self, english: str) -> "Phrase":
        text = super().__new__(Phrase, english)
        text.form, text.values, text.added_values = self.form, self.values, self.added_values
        text.plural_form, text.number = self.plural_form, self.number
        return text


def join(separator: str, texts: Iterable[str]) -> Phrase:
    """Return texts as one, each with its own translation."""
    values = {f"text{position}": text for position, text in enumerate(texts)}
    return Phrase(separator.join(f"{{{name}}}" for name in values), **values)


def plural(singular: str, plural_form: str, number: int, /, **values: object) -> Phrase:
    """Return a text that depends on a number.

    For example, `plural("{count} charge", "{count} charges", 3)`; `count` is the number as it is shown.
    """
    values = {"count": format_in_use().group(Decimal(number)), **values}
    text = Phrase(singular if number == 1 else plural_form, **values)
    text.form, text.plural_form, text.number = singular, plural_form, number
    return text


def translated(text: str) -> str:
    """Return a text in the language in use, with the texts among its values.

    A plain string is returned as it is.
    """
    catalogue = _IN_USE.get()
    if catalogue is None or not isinstance(text, Phrase):
        return str(text)
    if text.plural_form is None:
        form = catalogue.gettext(text.form)
    else:
        form = catalogue.ngettext(text.form, text.plural_form, text.number)
    values, added_values = _translated_values(text.values), _translated_values(text.added_values)
    return _fill_twice(form, values, added_values) if added_values else _fill(form, values)


def _translated_values(values: Mapping[str, object]) -> Mapping[str, object]:
    return {name: translated(value) if isinstance(value, Phrase) else value for name, value in values.items()}


def phrase_data(text: str | None) -> dict[str, Any] | None:
    """Return the form and values of a text as JSON data, or None for a plain string.

    With the English text they are stored; `phrase_from` makes the text of them again.
    """
    if not isinstance(text, Phrase):
        return None
    data: dict[str, Any] = {"form": text.form}
    if text.values:
        data["values"] = _values_as_data(text.values)
    if text.added_values:
        data["added"] = _values_as_data(text.added_values)
    if text.plural_form is not None:
        data |= {"plural": text.plural_form, "number": text.number}
    return data


def _values_as_data(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: _value_as_data(value) for name, value in values.items()}


def _value_as_data(value: object) -> Any:
    if isinstance(value, Phrase):
        return {"text": str(value), "phrase": phrase_data(value)}
    return value if isinstance(value, int) else str(value)


def phrase_from(english: str, data: Mapping[str, Any] | None) -> str:
    """Return a stored text: a phrase, if its form was stored with it."""
    if data is None:
        return english
    text = str.__new__(Phrase, english)
    text.form, text.plural_form, text.number = data["form"], data.get("plural"), data.get("number", 0)
    text.values, text.added_values = _values_from(data.get("values", {})), _values_from(data.get("added", {}))
    return text


def _values_from(data: Mapping[str, Any]) -> dict[str, object]:
    return {
        name: phrase_from(value["text"], value["phrase"]) if isinstance(value, Mapping) else value
        for name, value in data.items()
    }


@contextmanager
def use_catalogue(catalogue: Catalogue | None) -> Iterator[None]:
    """Translate texts by a catalogue within the block; none leaves them in English."""
    token = _IN_USE.set(catalogue)
    try:
        yield
    finally:
        _IN_USE.reset(token)
