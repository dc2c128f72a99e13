"""The API documentation.

Trying a call needs a token, since the API does not accept sessions.
"""

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from billing_admin.http.api_document import api_document
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor

pages = page_blueprint("api_docs", __name__, "/api/docs", write="tokens:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """Show every route with its fields and errors, and a form to try it."""
    return render_template("api_docs/show.html", permissions=actor().permissions)


@pages.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document for the page; scripts read it from the API."""
    return Response(api_document(), content_type="application/json")
