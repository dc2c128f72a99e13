"""The organisation's number format: how numbers are typed and shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from enum import StrEnum

NO_BREAK_SPACE = "\u00a0"
MINUS = "\N{MINUS SIGN}"


class NumberFormat(StrEnum):
    """A decimal sign and a sign between thousands.

    The value is a sample, which is stored and shown. Only the decimal sign decides how a typed number
    is read: see `domain.amount_input`.
    """

    COMMA_POINT = "1,234.56"
    POINT_COMMA = "1.234,56"
    SPACE_COMMA = "1 234,56"
    APOSTROPHE_POINT = "1'234.56"

    @property
    def decimal_sign(self) -> str:
        """The sign before the decimals."""
        return self.value[5]

    @property
    def group_sign(self) -> str:
        """The sign between thousands; a space does not break the line."""
        return self.value[1].replace(" ", NO_BREAK_SPACE)

    def group(self, amount: Decimal) -> str:
        """Format a number for reading, as in `1,234.50`, with a typographic minus sign."""
        signs = {ord(","): self.group_sign, ord("."): self.decimal_sign, ord("-"): MINUS}
        return f"{amount:,f}".translate(signs)

    def type(self, plain: str) -> str:
        """Return a plain decimal as it is typed: without thousands separators."""
        return plain.replace(".", self.decimal_sign)


# The format that readers of a language expect.
OF_LANGUAGE = {
    "en": NumberFormat.COMMA_POINT,
    "de": NumberFormat.POINT_COMMA,
    "fr": NumberFormat.SPACE_COMMA,
    "es": NumberFormat.POINT_COMMA,
}


def format_on_documents(language: str, organisation_language: str, organisation_format: str) -> str:
    """Return the number format of a document in a language.

    It is the organisation's in its own language, and otherwise the usual one of the language.
    """
    return organisation_format if language == organisation_language else OF_LANGUAGE[language].value


_IN_USE = ContextVar("number_format", default=NumberFormat.COMMA_POINT)


def format_in_use() -> NumberFormat:
    """Return the number format in which `domain.formatting` shows numbers."""
    return _IN_USE.get()


@contextmanager
def use_number_format(number_format: NumberFormat) -> Iterator[None]:
    """Show numbers in this format within the block.

    Pages use the organisation's format and the PDF that of the document. Elsewhere it is `1,234.56`.
    """
    token = _IN_USE.set(number_format)
    try:
        yield
    finally:
        _IN_USE.reset(token)
