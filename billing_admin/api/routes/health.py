"""Is the service there, and what can it do: for machines."""

from typing import Literal

from flask import Response, json

from billing_admin.api.frame import openapi
from billing_admin.api.frame.fields import ResponseModel
from billing_admin.api.frame.routing import MEDIA_TYPE, PUBLIC, Reply, route
from billing_admin.config import VERSION
from billing_admin.db.engine import db
from billing_admin.queries.master_data.organisation import organisation


class Health(ResponseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


@route("GET", "/health", scope=PUBLIC, response=Health)
def get_health() -> Reply:
    """Say whether the service and its database answer."""
    organisation(db.session())
    return Reply(Health())


@route("GET", "/openapi.json", scope="read", response=MEDIA_TYPE)
def get_openapi() -> Response:
    """Describe every route of this API (OpenAPI 3.1)."""
    return Response(json.dumps(openapi.document(VERSION)), content_type=MEDIA_TYPE)
