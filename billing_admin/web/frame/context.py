"""Variables of every template."""

from typing import Any
from uuid import UUID

from flask import Flask, g, url_for
from jinja2 import StrictUndefined

from billing_admin.config import VERSION
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.languages import language_in_use
from billing_admin.web.frame.list_params import is_print_view
from billing_admin.web.frame.navigation import build_menu
from billing_admin.web.frame.shortcuts import shortcut_groups
from billing_admin.web.frame.signed_in import actor, current_organisation, current_person, now

DEMO_BANNER = Phrase("Demo data: nothing here is real. To start with an empty database, run: make run EMPTY=1")


def init_context(app: Flask) -> None:
    """Register the variables of every template, and make an unknown variable an error."""
    app.jinja_env.undefined = StrictUndefined
    app.context_processor(_context)
    app.add_template_global(history_url)
    app.add_template_global(is_print_view)


def history_url(id: UUID) -> str | None:
    """Return the URL of an object's audit events.

    The result is None if the person may not read them.
    """
    return url_for("audit.index", object=id) if "audit:read" in actor().permissions else None


def _context() -> dict[str, Any]:
    context: dict[str, Any] = {"version": VERSION, "language": language_in_use()}
    if g.get("failing"):  # an error page reads nothing from the database: it may be the cause of the error
        return context
    person, organisation = current_person(), current_organisation()
    menu = build_menu(actor()) if person else []
    return context | {
        "organisation": organisation,
        "banner": DEMO_BANNER if organisation.is_demo else None,
        "current_user": person,
        "navigation": menu,
        "shortcuts": shortcut_groups(menu),
        "as_at": now(),
    }
