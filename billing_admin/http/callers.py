"""The caller of a request, for the log and the audit log."""

from typing import Any

from flask import g, request

from billing_admin.domain.access import Actor
from billing_admin.http.request_ids import request_id


def set_caller(actor: Actor) -> None:
    """Store who makes this request, once that is known."""
    g.caller = actor


def caller() -> Actor | None:
    """Return the person or token of this request, or None before sign-in."""
    actor: Actor | None = g.get("caller")
    return actor


def require_caller() -> Actor:
    """Return the person or token of a request that has passed the permission check."""
    actor = caller()
    if actor is None:
        raise RuntimeError("This needs a caller: the route must be behind the guard or a token.")
    return actor


def describe_request() -> dict[str, Any]:
    """Return the fields by which a line of the log identifies this request.

    They contain no query, header or body, since these may hold secrets.
    """
    actor = caller()
    return {
        "request_id": request_id(),
        "actor_kind": actor.kind if actor else None,
        "actor_id": str(actor.id) if actor and actor.id else None,
        "actor": actor.name if actor else None,
        "address": request.remote_addr,
        "method": request.method,
        "path": request.path,
    }
