"""Registration of API routes, each with its scope, reader and documentation.

The reader is strict. The documentation is the route's part of the OpenAPI document.

A view receives by name the parts of its path, `body` and `query`. A view that changes data also receives `actor`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from billing_admin.api.frame import bearer, problems, strict_json
from billing_admin.api.frame.fields import Body, Listing, Parameters, ResponseModel, encode_cursor
from billing_admin.db.lookup import parse_uuid
from billing_admin.db.paging import Page
from billing_admin.domain.errors import Invalid, NotAuthenticated, NotFound, Problem
from billing_admin.http import rate_limits
from billing_admin.http.body_limits import JSON, body_limit, open_body
from billing_admin.http.callers import set_caller
from billing_admin.queries.access.tokens import Bearer

BASE = "/api/v1"
PUBLIC: Final = "public"
MEDIA_TYPE = "application/json"
REPLAYED: Final = {"Idempotent-Replayed": "true"}

blueprint = Blueprint("api", __name__, url_prefix=BASE)

Model = TypeVar("Model", bound=ResponseModel)
View = TypeVar("View", bound=Callable[..., "Reply | Response"])


@dataclass(frozen=True, slots=True)
class Reply:
    """The content, status and headers that a view returns."""

    content: BaseModel
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A route; the OpenAPI document is written from these fields."""

    method: str
    path: str
    scope: str
    view: Callable[..., Reply | Response]
    body: type[Body] | None
    body_optional: bool
    query: type[Parameters]
    response: type[BaseModel] | str
    or_json: type[BaseModel] | None
    or_file: str
    statuses: tuple[int, ...]
    versioned: bool

    @property
    def name(self) -> str:
        """The name of the view, which names the endpoint and the operation."""
        return str(self.view.__name__)


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    *,
    scope: str,
    response: type[BaseModel] | str,
    body: type[Body] | None = None,
    body_optional: bool = False,
    query: type[Parameters] = Parameters,
    or_json: type[BaseModel] | None = None,
    or_file: str = "",
    statuses: tuple[int, ...] = (200,),
    versioned: bool = False,
) -> Callable[[View], View]:
    """Register a view as a route.

    `scope` is a token's scope or PUBLIC. `response` is a model, or the media type of a file. Instead of the file, a query
    parameter may ask for `or_json`, or for a file of the media type `or_file`. `statuses` are the statuses of success. A
    `versioned` route sends an ETag.
    """

    def register(view: View) -> View:
        new_route = Route(
            method=method,
            path=path,
            scope=scope,
            view=view,
            body=body,
            body_optional=body_optional,
            query=query,
            response=response,
            or_json=or_json,
            or_file=or_file,
            statuses=statuses,
            versioned=versioned,
        )
        ROUTES.append(new_route)
        rule = re.sub(r"{(ref|code)}", r"<name:\1>", path)  # references and codes may contain slashes
        rule = re.sub(r"{(\w+)}", r"<\1>", rule)
        endpoint = body_limit(JSON)(_endpoint(new_route))
        blueprint.add_url_rule(rule, view.__name__, endpoint, methods=[method], provide_automatic_options=False)
        return view

    return register


def _endpoint(route: Route) -> Callable[..., Response]:
    def endpoint(**names: str) -> Response:
        if route.scope == PUBLIC:
            rate_limits.count_address(route.name)
            return _response(route.view(**names, **_arguments(route)))
        caller = _authenticate()
        set_caller(caller.actor)
        rate_limits.count_token(caller.actor)
        caller.actor.require(route.scope)
        open_body()
        actor = {} if route.method == "GET" else {"actor": caller.actor}
        response = _response(route.view(**actor, **names, **_arguments(route)))
        bearer.record_use_later(caller, response)
        return response

    return endpoint


def _authenticate() -> Bearer:
    """Return the bearer of the token.

    A request without a valid token is counted by its address.
    """
    try:
        return bearer.authenticate()
    except NotAuthenticated:
        rate_limits.count_address("token")
        raise


def _arguments(route: Route) -> dict[str, Any]:
    """Return the query and the body as a view's arguments.

    Raises Invalid, NotJson and UnsupportedMediaType.
    """
    query = _read_query(route.query)
    arguments: dict[str, Any] = {} if route.query is Parameters else {"query": query}
    if route.body is not None:
        arguments["body"] = _read_body(request.get_data(cache=False), route.body, route.body_optional)
    return arguments


def _read_query(model: type[Parameters]) -> Parameters:
    parameters = request.args.to_dict(flat=False)
    invalid = [
        Problem("duplicate_parameter", "Send this parameter only once.", (name,))
        for name, values in parameters.items()
        if values[1:]
    ]
    invalid += [
        Problem("unprintable", "Remove the NUL character.", (name.replace("\0", ""),))
        for name, values in parameters.items()
        if "\0" in name + values[0]
    ]
    if invalid:
        raise Invalid.of(invalid)
    try:
        query = model.model_validate({name: values[0] for name, values in parameters.items()})
    except ValidationError as error:
        raise problems.as_invalid(error) from None
    query.check()
    return query


def _read_body(content: bytes, model: type[Body], optional: bool) -> Body:
    if optional and not content:
        return model()
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != MEDIA_TYPE or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"Send the body as {MEDIA_TYPE} in UTF-8.")
    try:
        return model.model_validate(strict_json.read_json(content))
    except ValidationError as error:
        raise problems.as_invalid(error) from None


def created_reply(content: BaseModel, is_new: bool, **headers: str) -> Reply:
    """Return a new object with 201, or the original of a repeated request with 200."""
    return Reply(content, 201, headers) if is_new else Reply(content, 200, headers | REPLAYED)


def parse_id(name: str) -> UUID:
    """Return the id in a URL.

    Raises NotFound.
    """
    id = parse_uuid(name)
    if id is None:
        raise NotFound("not_found", f"“{name[:80]}” is not a valid ID. Use a UUID.")
    return id


def _response(reply: Reply | Response) -> Response:
    if isinstance(reply, Response):
        return reply
    return Response(reply.content.model_dump_json(by_alias=True), reply.status, reply.headers, content_type=MEDIA_TYPE)


def list_reply(page: Page[Any], to_model: Callable[[Any], Model]) -> Reply:
    """Return one page of a list with a link to the next page.

    The link is relative, because the Host header cannot be trusted.
    """
    rows, after = [to_model(row) for row in page.rows], None if page.next is None else encode_cursor(page.next)
    content = Listing[Model](data=rows, has_more=after is not None, next=after)
    if after is None:
        return Reply(content)
    address = request.path + "?" + urlencode(request.args.to_dict() | {"after": after})
    return Reply(content, headers={"Link": f'<{address}>; rel="next"'})
