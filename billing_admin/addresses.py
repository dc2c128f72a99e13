"""Addresses that hold a thing's own name: whatever it is called, a slash at its beginning included."""

from flask import Flask
from werkzeug.routing import PathConverter


class Name(PathConverter):
    """A name as people choose them: `/subscriptions/64e3`, `a//b`."""

    regex = ".+?"
    part_isolating = False  # it may go over several parts of the address


def init_addresses(app: Flask) -> None:
    """Offer `<name:…>` to every rule, and take slashes as they come. Comes before any rule."""
    app.url_map.merge_slashes = False
    app.url_map.converters["name"] = Name
