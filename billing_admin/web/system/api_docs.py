"""The API documentation: the calls by group, with examples and a form to try each.

Trying a call needs a token, since the API does not accept sessions.
"""

from flask import Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from billing_admin.domain.access import SCOPES
from billing_admin.http.api_document import api_document
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor
from billing_admin.web.system.api_reference import read_reference

pages = page_blueprint("api_docs", __name__, "/api/docs", write="tokens:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """List every call by group, with what all calls have in common."""
    return render_template(
        "api_docs/index.html",
        reference=read_reference(api_document()),
        scopes=SCOPES,
        base_url=_base_url(),
        permissions=actor().permissions,
    )


@pages.get("/<group>")
def group(group: str) -> ResponseReturnValue:
    """Show the calls of a group with their fields, examples and errors."""
    reference = read_reference(api_document())
    shown = reference.group(group) or abort(404)
    return render_template(
        "api_docs/group.html",
        group=shown,
        groups=reference.groups,
        commands={call.name: call.curl(_base_url()) for call in shown.calls},
    )


@pages.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document for the page; scripts read it from the API."""
    return Response(api_document(), content_type="application/json")


def _base_url() -> str:
    return request.url_root.rstrip("/")
