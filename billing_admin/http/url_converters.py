"""URL converters for references, codes and numbers.

These may contain slashes, even as their first character.
"""

from flask import Flask
from werkzeug.routing import BaseConverter, PathConverter, UnicodeConverter, ValidationError


class WithoutNul(BaseConverter):
    """A converter that refuses NUL.

    No stored text contains it, and PostgreSQL refuses it in queries.
    """

    def to_python(self, value: str) -> str:
        """Return the text.

        Raises ValidationError, so that the rule does not match, if it contains NUL.
        """
        if "\0" in value:
            raise ValidationError
        return value


class Text(WithoutNul, UnicodeConverter):
    """One segment of a path."""


class Name(WithoutNul, PathConverter):
    """A reference, code or number, such as `/subscriptions/64e3` or `a//b`."""

    regex = ".+?"
    part_isolating = False  # it may span several segments


def init_url_converters(app: Flask) -> None:
    """Register `<name:…>` for all rules and keep repeated slashes.

    Call it before the first rule is added.
    """
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"default": Text, "string": Text, "name": Name}
