"""The health check and the OpenAPI document."""

from typing import Literal

from flask import Response, json

from billing_admin.api.frame import openapi
from billing_admin.api.frame.fields import ResponseModel
from billing_admin.api.frame.routing import MEDIA_TYPE, PUBLIC, Reply, route
from billing_admin.config import VERSION
from billing_admin.db.engine import db
from billing_admin.queries.master_data.organisation import organisation


class Health(ResponseModel):
    """The service and its database are available."""

    status: Literal["ok"] = "ok"


@route("GET", "/health", scope=PUBLIC, response=Health)
def get_health() -> Reply:
    """Check that the service and its database are available."""
    organisation(db.session())
    return Reply(Health())


@route("GET", "/openapi.json", scope="read", response=MEDIA_TYPE)
def get_openapi() -> Response:
    """Read the OpenAPI 3.1 document of this API."""
    return Response(json.dumps(openapi.document(VERSION)), content_type=MEDIA_TYPE)
