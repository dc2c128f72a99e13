"""Every route that takes a body checks the caller before it reads any of it, and then reads no more than it declares."""

import io
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from billing_admin.api.frame.routing import PUBLIC as PUBLIC_SCOPE, ROUTES
from billing_admin.domain.access import ROLES
from billing_admin.http.body_limits import FORM_BYTES, KIB, MAX_PARAMETERS, MIB, endpoint_limit
from billing_admin.web.frame.guard import PUBLIC_ENDPOINTS, WRITING_METHODS, is_api, permission_for
from tests.api.conftest import MakeToken, make_token
from tests.guards.test_routes import address
from tests.levels import sample, samples
from tests.people import csrf_token, signed_in

__all__ = ["make_token"]
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

LARGE = 200 * MIB
# Too large a body is refused, on the page that offers the field if one refuses it at its field.
REFUSALS = ("This page accepts", "Use a file of at most")
URLENCODED = "application/x-www-form-urlencoded"
CONTENT_TYPES = ("multipart/form-data; boundary=x", URLENCODED, "application/json")
SPARE = 64 * KIB  # bytes of one read


class Endless(io.RawIOBase):
    """A body that counts the bytes that are read of it."""

    def __init__(self, piece: bytes = b"a") -> None:
        super().__init__()
        self.piece, self.bytes_read = piece, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        assert self.bytes_read < LARGE, "the whole body is read"
        buffer[:] = (self.piece * (len(buffer) // len(self.piece) + 1))[: len(buffer)]
        self.bytes_read += len(buffer)
        return len(buffer)


def sent(
    client: FlaskClient, rule: Rule, method: str, body: Endless, content_type: str, **headers: str
) -> Iterator[TestResponse]:
    """Send the body to a route with a length of 200 MB, and in chunks without one."""
    for environ in (
        {"CONTENT_LENGTH": str(LARGE)},
        {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    ):
        yield client.open(
            address(client.application, rule),
            method=method,
            content_type=content_type,
            headers=headers,
            environ_overrides={"wsgi.input": body} | environ,
        )


def writing(app: Flask, api: bool) -> Iterator[tuple[Rule, str]]:
    """The rules that take a body, with their methods."""
    for rule in app.url_map.iter_rules():
        if is_api(rule.endpoint) == api:
            for method in sorted(WRITING_METHODS & (rule.methods or set())):
                yield rule, method


@samples(10)
def test_nothing_is_read_of_a_page_for_whom_it_is_not_meant(app: Flask, step: int) -> None:
    viewer = signed_in(app, "viewer")
    token, count = csrf_token(viewer), 0
    for rule, method in writing(app, api=False):
        if rule.endpoint in PUBLIC_ENDPOINTS:
            continue
        callers = [(app.test_client(), 401)]
        if permission_for(app, rule) not in ROLES["viewer"]:
            callers.append((viewer, 403))
        for client, status in callers:
            for content_type in sample(CONTENT_TYPES, step):
                body = Endless()
                for response in sent(client, rule, method, body, content_type, **{"X-CSRFToken": token}):
                    assert (response.status_code, body.bytes_read) == (status, 0), rule
                    count += 1
    assert count > 300 / step


def test_nothing_is_read_of_the_api_for_whom_it_is_not_meant(app: Flask, make_token: MakeToken) -> None:
    scopes = {f"api.{route.name}": route.scope for route in ROUTES}
    read = make_token(["read"])
    count = 0
    for rule, method in writing(app, api=True):
        assert scopes[rule.endpoint] not in {PUBLIC_SCOPE, "read"}
        for token, status in (("", 401), ("Bearer bil_wrong", 401), (f"Bearer {read}", 403)):
            for content_type in CONTENT_TYPES:
                body = Endless()
                for response in sent(app.test_client(), rule, method, body, content_type, Authorization=token):
                    assert (response.status_code, body.bytes_read) == (status, 0), rule
                    assert response.content_type == "application/problem+json"
                    count += 1
    assert count > 100


def test_a_revoked_tokens_large_body_is_not_read(app: Flask, make_token: MakeToken) -> None:
    """A process remembers for a minute which tokens were good; only a small body is read on that."""
    from billing_admin.clock import now  # noqa: PLC0415
    from billing_admin.db.engine import db  # noqa: PLC0415
    from billing_admin.db.transactions import transaction  # noqa: PLC0415
    from billing_admin.domain.access import SYSTEM  # noqa: PLC0415
    from billing_admin.models import ApiToken  # noqa: PLC0415
    from billing_admin.operations.access import tokens  # noqa: PLC0415

    secret, client = make_token(["charges:write"]), app.test_client()
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.post("/api/v1/charges", json={}, headers=headers).status_code == 422
    with app.app_context():
        id = db.session.query(ApiToken.id).scalar()
        transaction(tokens.revoke, id, actor=SYSTEM, now=now())
    rule = next(rule for rule, _ in writing(app, api=True) if rule.rule == "/api/v1/charges")
    body = Endless()
    for response in sent(client, rule, "POST", body, "application/json", **headers):
        assert (response.status_code, body.bytes_read) == (401, 0)


@samples(10)
def test_no_page_reads_more_than_it_declares(app: Flask, step: int) -> None:
    admin = signed_in(app)
    token = csrf_token(admin)
    for rule, method in sample(writing(app, api=False), step):
        with app.test_request_context():
            limit = endpoint_limit(app, rule.endpoint)
            most = limit.bytes
        if most > LARGE:
            continue  # files, of which `BILLING_MAX_UPLOAD_MB` is read
        body = Endless(b"a=&")
        for response in sent(admin, rule, method, body, URLENCODED, **{"X-CSRFToken": token}):
            assert response.status_code == 413, rule
            assert any(refusal in response.text for refusal in REFUSALS), rule
        assert body.bytes_read <= most + SPARE, rule


@samples(10)
def test_no_page_takes_more_fields_than_it_declares(app: Flask, step: int) -> None:
    admin = signed_in(app)
    headers = {"X-CSRFToken": csrf_token(admin)}
    for rule, method in sample(writing(app, api=False), step):
        fields = endpoint_limit(app, rule.endpoint).fields
        bodies = {
            URLENCODED: b"a=&" * fields + b"a=",
            CONTENT_TYPES[0]: b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * (fields + 1)
            + b"--x--\r\n",
        }
        for content_type, body in bodies.items():
            response = admin.open(
                address(app, rule), method=method, data=body, content_type=content_type, headers=headers
            )
            assert response.status_code == 413, (rule, content_type)
            refusals = (f"{fields:,} fields", REFUSALS[1])
            assert any(refusal in response.text for refusal in refusals), (rule, content_type)


def test_only_a_few_routes_declare_more_than_an_ordinary_form(app: Flask) -> None:
    with app.test_request_context():
        larger = {
            rule.endpoint: endpoint_limit(app, rule.endpoint).bytes
            for rule, _ in writing(app, api=False)
            if endpoint_limit(app, rule.endpoint).bytes > FORM_BYTES
        }
    uploads = {
        "verify_file.verify",
        *(
            f"imports.{kind}.new"
            for kind in (
                "charges",
                "contacts",
                "customers",
                "opening-balances",
                "payments",
                "recurring-charges",
                "services",
            )
        ),
    }
    small_files = {"exchange_rates.import_file", "set_up.look", "settings.edit_logo"}
    tables = {"many_charges.new", "corrections.credit", "rebilling.bill_again"}
    selections = {"duplicates.decide", "messages.change_selected"}  # the ids of all rows of a list
    signing_in = {"sign_in.sign_in", "second_step.code", "second_step.passkey", "single_sign_on.begin"}
    assert set(larger) == uploads | small_files | tables | selections | signing_in
    assert all(larger[name] <= 8 * 1024 * 1024 for name in small_files)
    assert {larger[name] for name in uploads} == {app.config["MAX_UPLOAD_LENGTH"]}


def test_parameters_of_an_address_are_counted(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/sign-in?" + "a&" * (MAX_PARAMETERS - 1)).status_code == 200
    refused = client.get("/sign-in?" + "a&" * MAX_PARAMETERS)
    assert (refused.status_code, "This address is too long" in refused.text) == (414, True)
    refused = client.get("/api/v1/customers?" + "a&" * MAX_PARAMETERS)
    assert (refused.status_code, refused.content_type) == (414, "application/problem+json")
