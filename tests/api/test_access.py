"""Every route needs a valid token with its scope; only the header counts."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select, update

from billing_admin.api.frame.routing import BASE, PUBLIC, ROUTES, Route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.prepared import PreparedQuery, Rows, run_without_transaction
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLES, SCOPES, SYSTEM, Actor, with_parts
from billing_admin.domain.errors import Denied, DomainError, Invalid, NotFound
from billing_admin.domain.tokens import is_well_formed, with_checksum
from billing_admin.models import ApiToken, AuditEvent, Charge, User
from billing_admin.operations.access import tokens
from billing_admin.queries.access import tokens as token_queries
from billing_admin.queries.access.tokens import bearer_of_secret
from tests.api.conftest import MakeToken, Script, code
from tests.prepared import prepared

GUARDED = [route for route in ROUTES if route.scope != PUBLIC]


def _call(client: FlaskClient, route: Route, token: str | None, **options: Any) -> Any:
    path = route.path.replace("{id}", str(uuid4())).replace("{", "").replace("}", "")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.open(BASE + path, method=route.method, headers=headers, **options)


def test_each_route_of_the_app_was_made_with_a_scope(app: Flask) -> None:
    served = {
        (method, rule.rule.replace("name:", "").replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v")
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert served == {(route.method, BASE + route.path) for route in ROUTES}
    assert {route.scope for route in GUARDED} <= set(SCOPES)
    assert [route.path for route in ROUTES if route.scope == PUBLIC] == ["/health"]
    assert all((route.scope in {"read", "exports:read"}) == (route.method == "GET") for route in GUARDED)


def test_no_route_answers_without_a_good_token(client: FlaskClient, make_token: MakeToken, app: Flask) -> None:
    good = make_token()
    revoked = make_token()
    with app.app_context():
        bearer = bearer_of_secret(db.engine, revoked, now())
        assert bearer
        assert bearer.actor.id
        transaction(tokens.revoke, bearer.actor.id, SYSTEM, now())
    bad = {
        "missing": None,
        "garbled": good[:-1] + ("0" if good[-1] != "0" else "1"),
        "unknown": with_checksum("0" * 22),
        "expired": make_token(age=366),
        "revoked": revoked,
        "no text": "",
        "not ASCII": "bil_é",
    }
    for route in GUARDED:
        for kind, token in bad.items():
            response = _call(client, route, token)
            assert response.status_code == 401, (route, kind)
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.content_type == "application/problem+json"


def test_no_route_answers_without_its_scope(client: FlaskClient, make_token: MakeToken) -> None:
    for route in GUARDED:
        weaker_token = make_token([scope for scope in SCOPES if route.scope not in with_parts([scope])])
        response = _call(client, route, weaker_token)
        assert response.status_code == 403, route
        assert route.scope in response.json["detail"]
        assert _call(client, route, make_token([route.scope])).status_code not in {401, 403}


def test_only_the_header_counts(client: FlaskClient, make_token: MakeToken) -> None:
    token = make_token()
    for query in ("access_token", "token", "api_key"):
        assert client.get(f"{BASE}/charges?{query}={token}").status_code == 401
    client.set_cookie("billing", token)
    client.set_cookie("session", token)
    assert client.get(f"{BASE}/charges").status_code == 401
    for header in (token, f"Basic {token}", f"Token {token}", f"Bearer {token} {token}", f"Bearer, {token}"):
        assert client.get(f"{BASE}/charges", headers={"Authorization": header}).status_code == 401
    assert client.get(f"{BASE}/charges", headers={"Authorization": f"bearer {token}"}).status_code == 200


@pytest.fixture
@prepared
def owner(app: Flask) -> UUID:
    """An active admin."""
    person = User(id=uuid4(), email="ada@example.com", role="admin", password_hash="", active=True, created_at=now())
    with app.app_context():
        transaction(lambda session: session.add(person))
    return person.id


def test_a_token_may_do_no_more_than_its_owner(app: Flask, client: FlaskClient, owner: UUID) -> None:
    actor = Actor("person", owner, "ada@example.com", ROLES["admin"])

    def status(scope: str) -> int:
        method = "GET" if scope == "read" else "POST"
        headers = {"Authorization": f"Bearer {secret}"}
        content: dict[str, str] | None = None if scope == "read" else {}
        return client.open(f"{BASE}/charges", method=method, headers=headers, json=content).status_code

    def change(**values: object) -> None:
        with app.app_context():
            transaction(lambda session: session.execute(update(User).values(values)))

    with app.app_context():
        _, secret = transaction(tokens.create, "t", ["read", "charges:write"], user_id=owner, actor=actor, now=now())
    assert (status("read"), status("charges:write")) == (200, 422)
    change(role="viewer")
    assert (status("read"), status("charges:write")) == (200, 403)
    change(active=False)
    assert (status("read"), status("charges:write")) == (401, 401)


CHARGE = {"customer": "ACME", "service": "hosting", "quantity": "1"}


@pytest.mark.parametrize("content", [CHARGE, {}, CHARGE | {"customer": "nobody"}, None])
@pytest.mark.parametrize("change", ["revoked", "deactivated", "lowered"])
def test_who_posted_a_moment_ago_may_not_once_that_is_over(
    app: Flask, client: FlaskClient, script: Script, owner: UUID, change: str, content: dict[str, str] | None
) -> None:
    """Each request verifies its token: another process may have revoked it."""
    actor = Actor("person", owner, "ada@example.com", ROLES["admin"])
    with app.app_context():
        token, secret = transaction(tokens.create, "t", ["charges:write"], user_id=owner, actor=actor, now=now())

    def post(content: dict[str, str] | None) -> int:
        return client.post(f"{BASE}/charges", json=content, headers={"Authorization": f"Bearer {secret}"}).status_code

    assert [post(CHARGE), post(CHARGE), post({}), post(CHARGE)] == [201, 201, 422, 201]
    with app.app_context():
        if change == "revoked":
            transaction(tokens.revoke, token.id, SYSTEM, now())
        else:
            changed = {"role": "viewer"} if change == "lowered" else {"active": False}
            transaction(lambda session: session.execute(update(User).values(changed)))
    expected = 403 if change == "lowered" else 401
    assert [post(content), post(content)] == [expected, expected]
    with app.app_context():
        assert db.session().scalar(select(func.count(Charge.id))) == 3


def test_who_was_let_in_meanwhile_may_post_at_once(
    app: Flask, client: FlaskClient, script: Script, owner: UUID
) -> None:
    """The owner of a token gets a role after a request was refused."""
    actor = Actor("person", owner, "ada@example.com", ROLES["admin"])
    with app.app_context():
        _, secret = transaction(tokens.create, "t", ["charges:write"], user_id=owner, actor=actor, now=now())

    def post() -> int:
        return client.post(f"{BASE}/charges", json=CHARGE, headers={"Authorization": f"Bearer {secret}"}).status_code

    def change(**values: object) -> None:
        with app.app_context():
            transaction(lambda session: session.execute(update(User).values(values)))

    change(role="viewer")
    assert post() == 403
    change(role="admin")
    assert [post(), post()] == [201, 201]


def test_the_first_use_of_a_token_is_noted_whatever_came_before(app: Flask, script: Script) -> None:
    assert [script.post("/charges", {}).status_code, script.post("/charges", CHARGE).status_code] == [422, 201]
    with app.app_context():
        assert db.session().scalars(select(ApiToken.last_used_at)).one() is not None


def test_each_request_reads_its_token_which_ends_when_it_expires(
    app: Flask, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[object] = []

    def counted(engine: Engine, statement: PreparedQuery, values: Mapping[str, Any]) -> Rows:
        queries.append(statement)
        return run_without_transaction(engine, statement, values)

    monkeypatch.setattr(token_queries, "run_without_transaction", counted)
    with app.app_context():
        end = db.session().scalars(select(ApiToken.expires_at)).one()
    with time_machine.travel(end - timedelta(seconds=70), tick=False) as clock:
        for seconds, status, questions in ((0, 201, 1), (59, 201, 2), (1, 201, 3), (9, 201, 4), (1, 401, 5)):
            clock.shift(seconds)
            assert script.post("/charges", CHARGE).status_code == status
            assert len(queries) == questions


@pytest.mark.parametrize(
    ("name", "scopes", "days", "kind", "field"),
    [
        ("", ["read"], 1, Invalid, ("name",)),
        (" ", ["read"], 1, Invalid, ("name",)),
        ("x" * 101, ["read"], 1, Invalid, ("name",)),
        ("x", [], 1, Invalid, ("scopes",)),
        ("x", ["read", "root"], 1, Invalid, ("scopes",)),
        ("x", ["users:write"], 1, Invalid, ("scopes",)),
        ("x", ["read"], 0, Invalid, ("expires_in_days",)),
        ("x", ["read"], 100_000, Invalid, ("expires_in_days",)),
        ("x", ["charges:write"], 1, Denied, ("scopes",)),
    ],
)
def test_a_token_that_cannot_be_is_not_made(
    app: Flask, name: str, scopes: list[str], days: int, kind: type[DomainError], field: tuple[str]
) -> None:
    viewer = Actor("person", None, "viewer", ROLES["viewer"])
    with app.app_context(), pytest.raises(kind) as caught:
        transaction(tokens.create, name, scopes, days, actor=viewer, now=now())
    assert caught.value.field == field


def test_a_token_is_kept_as_a_hash_only_and_its_making_and_end_are_on_record(app: Flask) -> None:
    with app.app_context():
        token, secret = transaction(tokens.create, "nightly", ["read"], actor=SYSTEM, now=now())
        assert is_well_formed(secret)
        assert secret.startswith(token.prefix)
        assert len(secret) == 32
        assert transaction(tokens.revoke, token.id, SYSTEM, now())
        assert not transaction(tokens.revoke, token.id, SYSTEM, now())
        with pytest.raises(NotFound):
            transaction(tokens.revoke, uuid4(), SYSTEM, now())
        events = db.session().scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
        assert [event.action for event in events] == ["token.created", "token.revoked"]
        row = db.session().execute(select(ApiToken.__table__)).one()
        assert secret[8:] not in str([tuple(row), *(event.details for event in events)])


def test_garbage_never_reaches_the_database_and_a_token_takes_one_query(
    app: Flask, make_token: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[object] = []
    secret = make_token()

    def counted(engine: Engine, statement: PreparedQuery, values: Mapping[str, Any]) -> Rows:
        queries.append(statement)
        return run_without_transaction(engine, statement, values)

    monkeypatch.setattr(token_queries, "run_without_transaction", counted)
    with app.app_context():
        assert bearer_of_secret(db.engine, secret[:-1] + "é", now()) is None
        assert bearer_of_secret(db.engine, "bil_" + "0" * 28, now()) is None
        assert queries == []
        assert bearer_of_secret(db.engine, secret, now())
        assert len(queries) == 1


@pytest.fixture
def last_used(app: Flask) -> Callable[..., Any]:
    """Return, or set, when the only token was last used."""

    def use(value: object = None) -> Any:
        with app.app_context():
            if value is not None:
                transaction(lambda session: session.execute(update(ApiToken).values(last_used_at=value)))
            return db.session().scalar(select(ApiToken.last_used_at))

    return use


def test_the_last_use_is_noted_once_a_minute(script: Script, last_used: Callable[..., Any]) -> None:
    assert last_used() is None
    script.get("/charges")
    first = last_used()
    assert first
    script.get("/charges")
    assert last_used() == first
    last_used(first - timedelta(minutes=2))
    script.get("/nothing")
    script.client.get("/api/v1/charges")
    assert last_used() == first - timedelta(minutes=2)
    script.get("/charges")
    assert last_used() >= first


def test_an_unknown_address_says_no_more_than_that(client: FlaskClient) -> None:
    response = client.get("/api/v1/nothing")
    assert (response.status_code, code(response)) == (404, "not_found")
