"""What every page is given."""

from typing import Any
from uuid import UUID

from flask import Flask, g, url_for
from jinja2 import StrictUndefined

from billing_admin.config import VERSION
from billing_admin.web.frame.navigation import build_menu
from billing_admin.web.frame.signed_in import actor, current_organisation, current_person, now


def init_context(app: Flask) -> None:
    """A name that a template misspells is an error, not a blank."""
    app.jinja_env.undefined = StrictUndefined
    app.context_processor(_context)
    app.add_template_global(history_url)


def history_url(id: UUID) -> str | None:
    """Where the audit log tells of one object, for whoever may read it."""
    return url_for("audit.index", object=id) if "audit:read" in actor().permissions else None


def _context() -> dict[str, Any]:
    """Pages about a failure ask the database nothing: it may be what failed."""
    context: dict[str, Any] = {"version": VERSION}
    if g.get("failing"):
        return context
    found, where = current_person(), current_organisation()
    return context | {
        "organisation": where,
        "banner": "Demo data: nothing here is real." if where.is_demo else None,
        "current_user": found,
        "navigation": build_menu(actor()) if found else [],
        "as_at": now(),
    }
