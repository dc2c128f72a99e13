"""The OpenAPI document as text: the API writes it, and a page shows it."""

from collections.abc import Callable

from flask import Flask, current_app

_KEY = "billing_api_document"


def init_api_document(app: Flask, write: Callable[[], str]) -> None:
    """Set the function that returns the document as JSON."""
    app.extensions[_KEY] = write


def api_document() -> str:
    """Return the document as JSON."""
    write: Callable[[], str] = current_app.extensions[_KEY]
    return write()
