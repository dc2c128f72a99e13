"""Single sign-on: the flow with an identity provider, every answer that must be refused, and the people it signs in."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from billing_admin.config import Settings
from billing_admin.db.ids import new_id
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.sign_in import FAILURES_PER_NETWORK
from billing_admin.models import AuditEvent, FamiliarNetwork, ProviderAccount, SignInFailure, User, UserSession
from billing_admin.operations.access import invitations, users
from billing_admin.operations.access.second_factors import require_second_factor
from billing_admin.web.access.identity_provider import EXTENSION, ProviderAnswer
from billing_admin.web.access.provider_flows import SESSION_KEY
from billing_admin.web.access.sign_in import SIGNED_OUT, _signer
from tests.clocks import stopped_clock
from tests.identity_provider import (
    CALLBACK,
    CLIENT,
    ISSUER,
    KEYS,
    METADATA,
    SECRET,
    TOKEN,
    Provider,
    as_json,
    ec_key,
    query,
    rsa_key,
    signed,
    use_provider,
)
from tests.people import person, send, sign_in, signed_in
from tests.web.pages import fields, has_link, link, parse, words
from tests.web.test_second_factors import app_code, set_up

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADDRESS, BEGIN = "ada@example.com", "/sign-in/single-sign-on"
NOT_ACCEPTED = "The answer of Example ID was not accepted."
UNAVAILABLE = "The sign-in service does not answer."
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(START)


def signed_out_page(client: FlaskClient) -> str:
    """Return the page that follows the end of a session of single sign-on."""
    with client.application.app_context():
        return f"/sign-in?{urlencode({'signed_out': _signer().sign(SIGNED_OUT).decode()})}"


@pytest.fixture
def provider(app: Flask) -> Iterator[Provider]:
    """The provider of the application, and a person with an account at both."""
    person(app, "viewer", ADDRESS)
    provider = Provider()
    use_provider(app, provider)
    yield provider
    app.extensions[EXTENSION] = None


def authorization_url(page: TestResponse) -> str:
    """The URL to which a page leads the browser."""
    assert page.status_code == 200, page.text
    (refresh,) = [meta for meta in parse(page).elements("meta") if meta.attributes.get("http-equiv") == "refresh"]
    return refresh.attributes["content"].removeprefix("0; url=")


def begin(client: FlaskClient, provider: Provider, **form: str) -> str:
    """Begin a sign-in, sign in at the provider, and return the URL that leads back."""
    back = provider.authorize(authorization_url(send(client, BEGIN, **form)))
    parts = urlsplit(back)
    return f"{parts.path}?{parts.query}"


def use(client: FlaskClient, provider: Provider, **form: str) -> TestResponse:
    """Sign in with the provider."""
    return client.get(begin(client, provider, **form))


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/customers").status_code == 200


def count(session: Session, model: type[Any]) -> int:
    session.rollback()
    return int(session.scalar(select(func.count()).select_from(model)) or 0)


def events(session: Session, action: str = "") -> list[AuditEvent]:
    session.rollback()
    rows = session.scalars(select(AuditEvent).order_by(AuditEvent.at, AuditEvent.id)).all()
    return [row for row in rows if action in row.action]


def last_reason(session: Session) -> str:
    """The reason of the last failed sign-on."""
    event = events(session, "user.single_sign_on_failed")[-1]
    assert event.details["address"] == "127.0.0.1"
    return str(event.details["reason"])


def test_nothing_is_offered_without_a_provider(client: FlaskClient) -> None:
    assert "Sign in with" not in client.get("/sign-in").text
    assert send(client, BEGIN).status_code == 404
    assert client.get(f"{BEGIN}/callback?code=x&state=y").status_code == 404


def test_a_person_signs_in_and_is_known_from_then_on(
    client: FlaskClient, provider: Provider, session: Session, clock: time_machine.Traveller
) -> None:
    assert "Sign in with Example ID" in words(client.get("/sign-in"))
    assert provider.paths == [], "showing the button sends nothing"
    done = use(client, provider, next="/invoices?status=open")
    assert (done.status_code, done.location, is_signed_in(client)) == (303, "/invoices?status=open", True)
    account = session.scalars(select(ProviderAccount)).one()
    user = session.scalars(select(User)).one()
    assert (account.issuer, account.subject, account.user_id) == (provider.issuer, "1234", user.id)
    added, signed_in = events(session)[-2:]
    assert (added.action, added.actor_name) == ("user.single_sign_on_added", "single sign-on")
    assert (signed_in.action, signed_in.details["method"]) == ("user.signed_in", "single sign-on")
    assert provider.paths == [METADATA, TOKEN, KEYS]
    clock.shift(timedelta(minutes=5))
    provider.claims |= {"email": "another@example.org", "email_verified": False}
    assert use(client, provider).status_code == 303, "the account counts, not the address"
    session.rollback()
    assert (account.last_used_at, count(session, User)) == (START + timedelta(minutes=5), 1)
    assert provider.paths.count(METADATA) == 1, "metadata are kept"


def test_the_request_has_pkce_state_nonce_and_the_configured_address(client: FlaskClient, provider: Provider) -> None:
    urls = [authorization_url(send(client, BEGIN)) for _ in range(2)]
    first, second = map(query, urls)
    assert first["redirect_uri"] == "http://127.0.0.1:8000/sign-in/single-sign-on/callback"
    assert (first["scope"], first["code_challenge_method"], "prompt" in first) == ("openid email", "S256", False)
    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))
    assert all(len(first[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    elsewhere = client.application.test_client().post(
        BEGIN, data={"csrf_token": "x"}, headers={"Host": "evil.example.com"}
    )
    assert elsewhere.status_code == 400


@pytest.mark.parametrize("next_url", ["https://evil.example.com/", "//evil.example.com", "/\\evil.example.com"])
def test_next_stays_here(client: FlaskClient, provider: Provider, next_url: str) -> None:
    assert use(client, provider, next=next_url).location == "/"


def test_a_form_of_an_expired_session_is_kept(client: FlaskClient, provider: Provider) -> None:
    saved = json.dumps(["/customers/new", [["name", "Clouds <Ltd>"]]])
    page = use(client, provider, saved_form=saved)
    assert (page.status_code, fields(page, "name")) == (200, ["Clouds <Ltd>"])
    letters = base64.b64encode(hashlib.shake_256(b"x").digest(6_000)).decode()
    too_long = send(client, BEGIN, saved_form=json.dumps(["/customers/new", [["name", letters]]]))
    assert "Your input is too long to be kept while you sign in there." in words(too_long)
    assert "http-equiv" not in too_long.text
    with client.session_transaction() as kept:
        assert kept[SESSION_KEY][-1] == ""


def test_another_browser_cannot_complete_a_sign_in(app: Flask, client: FlaskClient, provider: Provider) -> None:
    back = begin(client, provider)
    other = app.test_client()
    for url in (back, f"{BEGIN}/callback", f"{BEGIN}/callback?code=x&state="):
        page = other.get(url)
        assert (page.status_code, "was begun in another browser" in words(page)) == (401, True)
    begin(other, provider)
    assert other.get(back).status_code == 401
    assert (provider.paths.count(TOKEN), is_signed_in(other)) == (0, False)
    assert client.get(back).status_code == 303


def test_a_sign_in_is_completed_once_and_in_time(
    app: Flask, client: FlaskClient, provider: Provider, session: Session, clock: time_machine.Traveller
) -> None:
    back = begin(client, provider)
    thief, cookie = app.test_client(), client.get_cookie("billing")
    assert cookie is not None
    thief.set_cookie("billing", cookie.value)
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 401
    page = thief.get(back)
    assert (page.status_code, NOT_ACCEPTED in words(page)) == (401, True)
    assert last_reason(session) == "provider:invalid_grant"
    late = begin(thief, provider)
    clock.shift(timedelta(minutes=10))
    assert thief.get(late).status_code == 401
    assert not is_signed_in(thief)


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def with_public_key_as_secret(claims: dict[str, Any]) -> str:
    key = rsa_key()
    assert isinstance(key, RSAKey)
    public_key, parts = key.as_pem(private=False), ({"alg": "HS256", "kid": "rsa"}, claims)
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    signature = hmac.digest(public_key, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def with_another_key(claims: dict[str, Any]) -> str:
    return signed(claims, ec_key.__wrapped__())


def altered(claims: dict[str, Any]) -> str:
    header, _, signature = signed(claims, ec_key()).split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "1"}).encode()).decode().rstrip("=")
    return f"{header}.{body}.{signature}"


def garbage(_claims: dict[str, Any]) -> str:
    return "x.y.z"


def nothing(_claims: dict[str, Any]) -> str:
    return ""


@pytest.mark.parametrize(
    "sign",
    [unsigned, with_public_key_as_secret, with_another_key, altered, garbage, nothing],
)
def test_a_wrong_signature_is_refused(
    client: FlaskClient, provider: Provider, session: Session, sign: Callable[[dict[str, Any]], str]
) -> None:
    provider.published, provider.sign = [ec_key(), rsa_key()], sign
    page = use(client, provider)
    assert (page.status_code, NOT_ACCEPTED in words(page), is_signed_in(client)) == (401, True, False)
    assert last_reason(session)
    assert count(session, ProviderAccount) == 0


AT = int(START.timestamp())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"iss": "https://other.example.com"}, "invalid_claim:iss"),
        ({"aud": "another-client"}, "invalid_claim:aud"),
        ({"aud": [CLIENT, "another-client"]}, "missing_claim:azp"),
        ({"azp": "another-client"}, "invalid_claim:azp"),
        ({"exp": AT - 61}, "expired_token:exp"),
        ({"exp": "soon"}, "invalid_claim:exp"),
        ({"iat": AT + 120}, "invalid_claim:iat"),
        ({"nbf": AT + 120}, "invalid_claim:nbf"),
        ({"nonce": "another"}, "invalid_claim:nonce"),
        ({"sub": ""}, "invalid_claim:sub"),
        ({"sub": "\x00"}, "invalid_claim:sub"),
        ({"at_hash": "x"}, "invalid_claim:at_hash"),
    ],
)
def test_a_wrong_claim_is_refused(
    client: FlaskClient, provider: Provider, session: Session, wrong: dict[str, Any], reason: str
) -> None:
    provider.claims |= wrong
    page = use(client, provider)
    assert (page.status_code, NOT_ACCEPTED in words(page), is_signed_in(client)) == (401, True, False)
    assert last_reason(session) == reason


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "nonce", "sub"])
def test_a_missing_claim_is_refused(client: FlaskClient, provider: Provider, session: Session, claim: str) -> None:
    provider.alter = lambda claims: claims.pop(claim)
    assert use(client, provider).status_code == 401
    assert last_reason(session) == f"missing_claim:{claim}"


def test_rsa_signatures_are_accepted(client: FlaskClient, provider: Provider) -> None:
    provider.key, provider.published = rsa_key(), [ec_key(), rsa_key()]
    assert use(client, provider).status_code == 303


def test_new_keys_are_read_once(
    client: FlaskClient, provider: Provider, session: Session, clock: time_machine.Traveller
) -> None:
    use(client, provider)
    provider.key = ec_key("next")
    assert use(client, provider).status_code == 401
    assert provider.paths.count(KEYS) == 1, "they were read within the last 30 seconds"
    clock.shift(timedelta(seconds=30))
    provider.published = [ec_key("next")]
    assert use(client, provider).status_code == 303
    assert provider.paths.count(KEYS) == 2
    clock.shift(timedelta(hours=1))
    use(client, provider)
    assert (provider.paths.count(KEYS), provider.paths.count(METADATA)) == (3, 2)


@pytest.mark.parametrize(
    "answer",
    [
        ConnectionRefusedError(111, "refused"),
        TimeoutError("timed out"),
        as_json({}, 500),
        as_json([]),
        as_json({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        ProviderAnswer(302, {"Location": "https://evil.example.com/"}, b"{}"),
        ProviderAnswer(200, {}, b"<html>"),
        ProviderAnswer(200, {}, b"\xff" * 600_000),
    ],
    ids=["refused", "slow", "500", "list", "no key", "redirect", "HTML", "garbage"],
)
@pytest.mark.parametrize("path", [METADATA, TOKEN, KEYS])
def test_a_provider_that_is_away_is_named(
    client: FlaskClient, provider: Provider, session: Session, path: str, answer: ProviderAnswer | Exception
) -> None:
    provider.answers[path] = answer
    with capture_logs() as lines:
        page = send(client, BEGIN, next="/invoices") if path == METADATA else use(client, provider, next="/invoices")
    assert (page.status_code, UNAVAILABLE in words(page), fields(page, "next")[0]) == (503, True, "/invoices")
    (line,) = [line for line in lines if line["event"] == "identity_provider_unavailable"]
    assert (line["log_level"], bool(line["reason"])) == ("error", True)
    assert count(session, SignInFailure) == 0
    assert all(path in {METADATA, TOKEN, KEYS} for path in provider.paths), "no redirect is followed"


def test_a_provider_that_is_away_is_asked_again_after_a_while(
    client: FlaskClient, provider: Provider, clock: time_machine.Traveller
) -> None:
    provider.answers[METADATA] = ConnectionRefusedError(111, "refused")
    assert [send(client, BEGIN).status_code for _ in range(3)] == [503] * 3
    assert provider.paths == [METADATA]
    del provider.answers[METADATA]
    clock.shift(timedelta(seconds=10))
    assert send(client, BEGIN).status_code == 200


def test_a_provider_that_hangs_is_not_asked_again_at_once(
    app: Flask, client: FlaskClient, provider: Provider, clock: time_machine.Traveller
) -> None:
    paths = []

    def hang(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> ProviderAnswer:
        paths.append(urlsplit(url).path)
        clock.shift(timedelta(seconds=10))
        raise TimeoutError("timed out")

    app.extensions[EXTENSION]._exchange = hang
    assert [send(client, BEGIN).status_code for _ in range(3)] == [503] * 3
    assert paths == [METADATA]


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://other.example.com"},
        {"token_endpoint": "http://login.example.com/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
)
def test_unusable_metadata_are_refused(client: FlaskClient, provider: Provider, changes: dict[str, Any]) -> None:
    provider.answers[METADATA] = as_json(provider.metadata() | changes)
    assert send(client, BEGIN).status_code == 503


def test_a_sign_in_that_is_cancelled_there_can_be_tried_again(client: FlaskClient, provider: Provider) -> None:
    state = query(begin(client, provider, next="/invoices"))["state"]
    page = client.get(f"{BEGIN}/callback?error=access_denied&state={state}")
    assert (page.status_code, fields(page, "next")[0]) == (401, "/invoices")
    assert "You did not sign in with Example ID." in words(page)


@pytest.mark.parametrize(
    ("claims", "sentence", "reason"),
    [
        ({"email_verified": False}, "Have it verified there", "email_not_verified"),
        ({"email_verified": "yes"}, "Have it verified there", "email_not_verified"),
        ({"email": "not an address"}, "Have it verified there", "email_not_verified"),
        ({"email": "eve@example.com"}, "Ask an admin to invite you", "unknown_person"),
    ],
)
def test_people_who_are_not_known_are_refused(
    client: FlaskClient, provider: Provider, session: Session, claims: dict[str, Any], sentence: str, reason: str
) -> None:
    provider.claims |= claims
    page = use(client, provider)
    assert (page.status_code, sentence in words(page), last_reason(session)) == (401, True, reason)
    assert (count(session, ProviderAccount), count(session, SignInFailure), is_signed_in(client)) == (0, 1, False)


def test_an_address_belongs_to_one_account(
    app: Flask, client: FlaskClient, provider: Provider, session: Session
) -> None:
    use(client, provider)
    provider.claims["sub"] = "another"
    page = use(app.test_client(), provider)
    assert "belongs to another account of Example ID" in words(page)
    assert last_reason(session) == "other_account"


def test_a_deactivated_person_is_refused(app: Flask, client: FlaskClient, provider: Provider, session: Session) -> None:
    user_id = session.scalars(select(User.id)).one()
    for is_bound in (False, True):
        transaction(users.deactivate, user_id, SYSTEM, START)
        page = use(app.test_client(), provider)
        assert ("Your account here is deactivated." in words(page), last_reason(session)) == (True, "deactivated")
        assert events(session)[-1].object_id == user_id
        transaction(users.activate, user_id, SYSTEM, START)
        if not is_bound:
            assert use(client, provider).status_code == 303


def test_an_invited_person_needs_no_password(client: FlaskClient, provider: Provider, session: Session) -> None:
    transaction(invitations.invite, "eve@example.com", "viewer", SYSTEM, START, by_mail=False)
    provider.claims |= {"email": "Eve@Example.com", "sub": "eve", "email_verified": "true"}
    assert (use(client, provider).status_code, is_signed_in(client)) == (303, True)


def test_addresses_of_other_domains_are_refused(
    app: Flask, client: FlaskClient, provider: Provider, session: Session
) -> None:
    use_provider(app, provider, email_domains=("Example.COM",))
    assert use(client, provider).status_code == 303
    person(app, "viewer", "ada@example.org")
    provider.claims |= {"email": "ada@example.org", "sub": "other"}
    page = use(app.test_client(), provider)
    assert ("Ask an admin to allow its domain." in words(page), last_reason(session)) == (True, "foreign_domain")


def test_the_second_factor_is_asked_for_unless_the_provider_does(
    app: Flask,
    client: FlaskClient,
    provider: Provider,
    session: Session,
    clock: time_machine.Traveller,
) -> None:
    owner = app.test_client()
    sign_in(owner, ADDRESS)
    set_up(owner, session, ADDRESS)
    clock.shift(timedelta(minutes=1))
    page = use(client, provider, next="/invoices")
    assert ("Enter your code" in words(page), is_signed_in(client)) == (True, False)
    done = send(client, "/sign-in/code", code=app_code(session, email=ADDRESS), next="/invoices")
    assert (done.status_code, done.location) == (303, "/invoices")
    session.rollback()
    assert session.scalars(select(UserSession.single_sign_on)).all().count(True) == 1
    use_provider(app, provider, checks_second_factor=True)
    assert use(app.test_client(), provider).status_code == 303


def test_a_required_second_factor_can_be_that_of_the_provider(
    app: Flask, client: FlaskClient, provider: Provider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count(session, User) == 1
    transaction(require_second_factor, True, SYSTEM, START)
    use(client, provider)
    assert client.get("/customers").location.startswith("/account/security/authenticator")
    settings: Settings = app.extensions["billing_settings"]
    monkeypatch.setattr(settings, "oidc_second_factor", True)
    assert is_signed_in(client)


def test_a_temporary_password_is_not_asked_for(client: FlaskClient, provider: Provider, session: Session) -> None:
    user_id = session.scalars(select(User.id)).one()
    transaction(users.set_password, user_id, "copper-lantern-orchard-52", SYSTEM, START)
    use(client, provider)
    assert is_signed_in(client)


def test_failures_are_limited_by_network_and_block_no_account(
    app: Flask, client: FlaskClient, provider: Provider, session: Session
) -> None:
    rows = [
        {"id": new_id(START), "email": "", "address": "127.0.0.1", "at": START} for _ in range(FAILURES_PER_NETWORK - 1)
    ]
    transaction(lambda session: session.execute(insert(SignInFailure), rows))
    familiar = {"user_id": session.scalars(select(User.id)).one(), "address": "127.0.0.1"}
    provider.claims |= {"email": "eve@example.com", "sub": "eve"}
    assert use(client, provider).status_code == 401
    blocked, exchanges = use(client, provider), provider.paths.count(TOKEN)
    assert (blocked.status_code, "Too many failed attempts." in words(blocked)) == (429, True)
    assert (count(session, SignInFailure), exchanges) == (FAILURES_PER_NETWORK, 1)
    assert len(events(session, "single_sign_on_failed")) == 1
    transaction(lambda session: session.execute(insert(FamiliarNetwork), [familiar | {"at": START}]))
    assert use(client, provider).status_code == 401, "somebody signed in from there, so that nobody is locked out"
    assert count(session, SignInFailure) == FAILURES_PER_NETWORK, "and nothing more is stored"
    provider.claims |= {"email": ADDRESS, "sub": "1234"}
    assert use(client, provider).status_code == 303


def test_secrets_are_not_logged(app: Flask, client: FlaskClient, provider: Provider, session: Session) -> None:
    provider.claims["aud"] = "another"
    back = begin(client, provider)
    with client.session_transaction() as kept:
        secrets = [*kept[SESSION_KEY][:3], query(back)["code"], SECRET, "access"]
    with capture_logs() as lines:
        client.get(back)
    stored = repr([(event.action, event.details) for event in events(session)]) + repr(lines)
    assert [secret for secret in secrets if secret in stored] == []
    assert SECRET not in repr(app.extensions[EXTENSION].settings)


def test_claims_that_the_token_lacks_come_from_the_user_info(
    client: FlaskClient, provider: Provider, session: Session
) -> None:
    provider.user_info = {"email": provider.claims.pop("email"), "email_verified": True}
    del provider.claims["email_verified"]
    assert use(client, provider).status_code == 303
    provider.user_info["sub"] = "another"
    assert use(client, provider).status_code == 401
    assert last_reason(session) == "user_info_of_another_person"


def test_an_admin_removes_the_single_sign_on_of_a_person(app: Flask, provider: Provider, session: Session) -> None:
    admin, viewer = signed_in(app), app.test_client()
    use(viewer, provider)
    url = f"/users/{session.scalars(select(ProviderAccount.user_id)).one()}/single-sign-on"
    people = admin.get("/users")
    assert ("Single sign-on" in words(people), f'href="{url}"' in people.text) == (True, True)
    assert "They have no password." not in words(admin.get(url))
    assert "You sign in with Example ID." in words(viewer.get("/account/security"))
    assert send(admin, url).location == "/users"
    assert (is_signed_in(viewer), count(session, ProviderAccount)) == (False, 0)
    assert events(session)[-1].action == "user.single_sign_on_removed"
    assert url not in admin.get("/users").text
    assert send(admin, url).location == "/users", "nothing is left to remove"


def test_the_last_admin_without_a_password_keeps_single_sign_on(
    app: Flask, client: FlaskClient, provider: Provider, session: Session
) -> None:
    transaction(invitations.invite, "eve@example.com", "admin", SYSTEM, START, by_mail=False)
    provider.claims |= {"email": "eve@example.com", "sub": "eve"}
    use(client, provider)
    assert "You have no password here." in words(client.get("/account/security"))
    url = f"/users/{session.scalars(select(ProviderAccount.user_id)).one()}/single-sign-on"
    page = send(client, url)
    assert (page.status_code, "This is the last admin." in words(page)) == (422, True)
    assert "They have no password." in words(page)


def test_commands_tie_and_untie_an_account(
    app: Flask, client: FlaskClient, provider: Provider, session: Session
) -> None:
    runner = app.test_cli_runner()
    del provider.claims["email_verified"]
    added = runner.invoke(args=["add-single-sign-on", ADDRESS.upper(), "1234"])
    assert added.stderr.strip() == f"{ADDRESS} can sign in with the account 1234 of {provider.issuer}."
    assert use(client, provider).status_code == 303
    for subject, sentence in (("1234", "has an account there"), ("x" * 256, "Enter the subject")):
        refused = runner.invoke(args=["add-single-sign-on", ADDRESS, subject])
        assert (refused.exit_code > 0, sentence in refused.stderr) == (True, True)
    removed = [runner.invoke(args=["remove-single-sign-on", ADDRESS]).stderr.strip() for _ in range(2)]
    assert removed == [f"The single sign-on of {ADDRESS} was removed.", f"{ADDRESS} has no single sign-on."]
    assert not is_signed_in(client)


def test_a_command_checks_the_provider(app: Flask, provider: Provider) -> None:
    runner = app.test_cli_runner()
    done = runner.invoke(args=["check-single-sign-on"])
    assert (done.exit_code, CALLBACK in done.stderr, provider.paths) == (0, True, [METADATA, KEYS])
    use_provider(app, provider, role_claim="groups", roles={"finance": "biller", "lost": "no such role"})
    wrong = runner.invoke(args=["check-single-sign-on"])
    assert (wrong.exit_code, "does not exist: no such role." in wrong.stderr) == (1, True)
    provider.answers[METADATA] = as_json({}, 404)
    away = runner.invoke(args=["check-single-sign-on"])
    assert (away.exit_code, f"{provider.issuer} cannot be used: status 404" in away.stderr) == (1, True)
    app.extensions[EXTENSION] = None
    assert "Single sign-on is not configured." in runner.invoke(args=["check-single-sign-on"]).stderr


@pytest.mark.parametrize(
    ("announced", "named", "reason"),
    [
        (False, "", None),
        (False, ISSUER, None),
        (True, ISSUER, None),
        (True, "", "answer_of_another_issuer"),
        (True, "https://evil.example", "answer_of_another_issuer"),
        (False, "https://evil.example", "answer_of_another_issuer"),
        (True, f"{ISSUER}/", "answer_of_another_issuer"),
    ],
)
def test_an_answer_names_the_provider_if_it_announced_that(
    client: FlaskClient, session: Session, provider: Provider, announced: bool, named: str, reason: str | None
) -> None:
    provider.announced = {"authorization_response_iss_parameter_supported": announced}
    back = begin(client, provider)
    page = client.get(f"{back}&{urlencode({'iss': named})}" if named else back)
    if reason is None:
        assert is_signed_in(client)
    else:
        assert NOT_ACCEPTED in words(page)
        assert last_reason(session) == reason
        assert TOKEN not in provider.paths  # no code is sent to the wrong provider


def test_after_single_sign_on_one_can_sign_out_at_the_provider(
    client: FlaskClient, provider: Provider, clock: time_machine.Traveller
) -> None:
    provider.announced = {"end_session_endpoint": f"{ISSUER}/logout?realm=a"}
    use(client, provider)
    signed_out = send(client, "/sign-out").location
    page = client.get(signed_out)
    assert "Still signed in with Example ID?" in words(page)
    assert link(page, "Sign out of Example ID") == f"{ISSUER}/logout?realm=a&client_id={CLIENT}"
    for forged in ("/sign-in", "/sign-in?signed_out=single-sign-on", signed_out[:-1] + "~"):
        assert not has_link(client.get(forged), "Sign out of Example ID")
    clock.shift(timedelta(minutes=11))
    assert not has_link(client.get(signed_out), "Sign out of Example ID")


def test_the_sign_in_page_never_asks_the_provider(
    client: FlaskClient, provider: Provider, clock: time_machine.Traveller
) -> None:
    provider.announced = {"end_session_endpoint": f"{ISSUER}/logout"}
    assert not has_link(client.get(signed_out_page(client)), "Sign out of Example ID")
    assert provider.paths == []
    begin(client, provider)
    provider.paths.clear()
    clock.shift(timedelta(days=1))
    assert has_link(client.get(signed_out_page(client)), "Sign out of Example ID")
    assert provider.paths == []


@pytest.mark.parametrize("announced", [{}, {"end_session_endpoint": "javascript:alert(1)"}])
def test_without_an_endpoint_no_sign_out_is_offered(
    client: FlaskClient, provider: Provider, announced: dict[str, str]
) -> None:
    provider.announced = announced
    use(client, provider)
    page = client.get(send(client, "/sign-out").location)
    assert not has_link(page, "Sign out of Example ID")


def test_a_person_without_a_password_is_told_where_it_is(
    app: Flask, client: FlaskClient, session: Session, provider: Provider
) -> None:
    use_provider(app, provider, creates_people=True, role_claim="groups", roles={"all": "viewer"})
    provider.claims |= {"sub": "new", "email": "new@example.com", "groups": ["all"]}
    use(client, provider)
    page = client.get("/account/password")
    assert "You have no password here. You sign in with Example ID." in words(page)
    assert send(client, "/account/password", current="", password="a long new password", again="").status_code == 200
    assert session.scalars(select(User.password_hash).where(User.email == "new@example.com")).one() == ""
