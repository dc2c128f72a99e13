"""The page of all keyboard shortcuts, for browsers without script."""

from flask import render_template
from flask.typing import ResponseReturnValue

from billing_admin.web.frame.guard import page_blueprint

pages = page_blueprint("keyboard", __name__, "/keyboard", write="settings:write")


@pages.get("")
def show() -> ResponseReturnValue:
    """Show the keyboard shortcuts."""
    return render_template("keyboard/show.html")
