"""Addresses that hold a thing's own name: whatever it is called, a slash at its beginning included."""

from flask import Flask
from werkzeug.routing import BaseConverter, PathConverter, UnicodeConverter, ValidationError


class WithoutNul(BaseConverter):
    """Any text but one with a NUL: nothing is called so, and PostgreSQL refuses to look for it."""

    def to_python(self, value: str) -> str:
        """Return the text, or say that the address is none of the rule's."""
        if "\0" in value:
            raise ValidationError
        return value


class Text(WithoutNul, UnicodeConverter):
    """A part of an address."""


class Name(WithoutNul, PathConverter):
    """A name as people choose them: `/subscriptions/64e3`, `a//b`."""

    regex = ".+?"
    part_isolating = False  # it may go over several parts of the address


def init_url_converters(app: Flask) -> None:
    """Offer `<name:…>` to every rule, and take slashes as they come. Comes before any rule."""
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"default": Text, "string": Text, "name": Name}
