"""Every route of the API is made here, so that none forgets its scope, its strict reader, or its place in the OpenAPI document.

`scope` must be said; PUBLIC is a word of its own. A view gets what it needs by name: the parts of its path, `body`, `query`,
and, if it changes anything, `actor`, or `bearer` if it proves the token itself.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from billing_admin.api.frame import bearer, problems, rate_limits, strict_json
from billing_admin.api.frame.fields import Answer, Body, Listing, Parameters, cursor
from billing_admin.db.lookup import as_id
from billing_admin.db.paging import Page
from billing_admin.domain.errors import Denied, DomainError, Invalid, NotAuthenticated, NotFound, Problem
from billing_admin.http.body_limits import JSON, KIB, body_limit, open_body
from billing_admin.queries.access.tokens import Bearer

BASE = "/api/v1"
PUBLIC: Final = "public"
MEDIA_TYPE = "application/json"
REPLAYED: Final = {"Idempotent-Replayed": "true"}
MOST_UNPROVEN = 64 * KIB

blueprint = Blueprint("api", __name__, url_prefix=BASE)

A = TypeVar("A", bound=Answer)
View = TypeVar("View", bound=Callable[..., "Reply | Response"])


@dataclass(frozen=True, slots=True)
class Reply:
    """What a view answers."""

    content: BaseModel
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """All there is to know of a route; the OpenAPI document is written from it."""

    method: str
    path: str
    scope: str
    view: Callable[..., Reply | Response]
    body: type[Body] | None
    body_optional: bool
    query: type[Parameters]
    answer: type[BaseModel] | str
    or_json: type[BaseModel] | None
    statuses: tuple[int, ...]
    versioned: bool
    proves_bearer: bool

    @property
    def name(self) -> str:
        """The endpoint's and operation's name: that of the view."""
        return str(self.view.__name__)


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    *,
    scope: str,
    answer: type[BaseModel] | str,
    body: type[Body] | None = None,
    body_optional: bool = False,
    query: type[Parameters] = Parameters,
    or_json: type[BaseModel] | None = None,
    statuses: tuple[int, ...] = (200,),
    versioned: bool = False,
    proves_bearer: bool = False,
) -> Callable[[View], View]:
    """Make a view a route. `answer` is a model, or the media type of a file, which a parameter may turn into `or_json`.

    `statuses` are those of success; what is `versioned` answers with an ETag. A view that `proves_bearer` finds out in its own
    transaction whether a token that was good a moment ago still is, which spares a question of each request.
    """

    def register(view: View) -> View:
        made = Route(
            method=method,
            path=path,
            scope=scope,
            view=view,
            body=body,
            body_optional=body_optional,
            query=query,
            answer=answer,
            or_json=or_json,
            statuses=statuses,
            versioned=versioned,
            proves_bearer=proves_bearer,
        )
        ROUTES.append(made)
        rule = re.sub(r"{(ref|code)}", r"<name:\1>", path)  # these names may hold a slash
        rule = re.sub(r"{(\w+)}", r"<\1>", rule)
        endpoint = body_limit(JSON)(_endpoint(made))
        blueprint.add_url_rule(rule, view.__name__, endpoint, methods=[method], provide_automatic_options=False)
        return view

    return register


def _endpoint(made: Route) -> Callable[..., Response]:
    def endpoint(**names: str) -> Response:
        if made.scope == PUBLIC:
            rate_limits.count_address(made.name)
            return _response(made.view(**names, **_asked(made)))
        seen = bearer.seen_lately() if made.proves_bearer and _body_is_small() else None
        if seen is None:
            return _answer(made, _counted(_bearer()), names)
        try:
            return _answer(made, _counted(seen), names)
        except (DomainError, HTTPException) as error:
            found = _bearer()
            found.actor.require(made.scope)  # goes before whatever else is wrong
            if not isinstance(error, NotAuthenticated | Denied):
                raise
        return _answer(made, found, names)

    return endpoint


def _body_is_small() -> bool:
    """Whether the body may be read for a token that is proven only with it: the token may be revoked by now."""
    length = request.content_length
    return length is not None and length <= MOST_UNPROVEN


def _answer(made: Route, found: Bearer, names: Mapping[str, str]) -> Response:
    found.actor.require(made.scope)
    open_body()
    who: dict[str, Any] = {}
    if made.method != "GET":
        who = {"bearer": found} if made.proves_bearer else {"actor": found.actor}
    response = _response(made.view(**who, **names, **_asked(made)))
    bearer.note_later(found, response)
    return response


def _bearer() -> Bearer:
    """Who calls. One who brings no good token is counted by address."""
    try:
        return bearer.bearer()
    except NotAuthenticated:
        rate_limits.count_address("token")
        raise


def _counted(found: Bearer) -> Bearer:
    rate_limits.count_token(found.actor)
    return found


def _asked(made: Route) -> dict[str, Any]:
    query = _read_query(made.query)
    asked: dict[str, Any] = {} if made.query is Parameters else {"query": query}
    if made.body is not None:
        content = request.get_data(cache=made.proves_bearer)  # it may have to be read again
        asked["body"] = _read_body(content, made.body, made.body_optional)
    return asked


def _read_query(model: type[Parameters]) -> Parameters:
    given = request.args.to_dict(flat=False)
    wrong = [Problem("duplicate_parameter", "Give it once.", (name,)) for name, values in given.items() if values[1:]]
    wrong += [
        Problem("unprintable", "Leave out NUL.", (name.replace("\0", ""),))
        for name, values in given.items()
        if "\0" in name + values[0]
    ]
    if wrong:
        raise Invalid.of(wrong)
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise problems.refused(error) from None


def _read_body(content: bytes, model: type[Body], optional: bool) -> Body:
    if optional and not content:
        return model()
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != MEDIA_TYPE or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"Send {MEDIA_TYPE} in UTF-8.")
    try:
        return model.model_validate(strict_json.read(content))
    except ValidationError as error:
        raise problems.refused(error) from None


def created(content: BaseModel, is_new: bool, **headers: str) -> Reply:
    """What was made just now, or the original when the same was asked before."""
    return Reply(content, 201, headers) if is_new else Reply(content, 200, headers | REPLAYED)


def found_id(name: str) -> UUID:
    """The id in an address of what has no other name. Raises NotFound."""
    id = as_id(name)
    if id is None:
        raise NotFound("not_found", f"“{name[:80]}” is not an id: there is nothing at this address.")
    return id


def _response(reply: Reply | Response) -> Response:
    if isinstance(reply, Response):
        return reply
    return Response(reply.content.model_dump_json(by_alias=True), reply.status, reply.headers, content_type=MEDIA_TYPE)


def listing(found: Page[Any], make: Callable[[Any], A]) -> Reply:
    """One page of a list, and the address of the next: a relative one, since a Host header is not to be trusted."""
    rows, following = [make(row) for row in found.rows], None if found.next is None else cursor(found.next)
    content = Listing[A](data=rows, has_more=following is not None, next=following)
    if following is None:
        return Reply(content)
    address = request.path + "?" + urlencode(request.args.to_dict() | {"after": following})
    return Reply(content, headers={"Link": f'<{address}>; rel="next"'})
