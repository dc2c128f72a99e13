"""An identity provider of the tests (OpenID Connect), in this process: it signs tokens and answers requests for them."""

import base64
import hashlib
import html
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

from billing_admin import clock
from billing_admin.domain.single_sign_on import ProviderSettings
from billing_admin.web.access.identity_provider import EXTENSION, IdentityProvider, ProviderAnswer

ISSUER, CLIENT, SECRET = "https://login.example.com", "billing", "provider secret of tests"
METADATA, KEYS, TOKEN, USER_INFO = "/.well-known/openid-configuration", "/keys", "/token", "/userinfo"
CALLBACK = "http://127.0.0.1:8000/sign-in/single-sign-on/callback"


@cache
def rsa_key(kid: str = "rsa") -> Key:
    """Return a private key, made once."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@cache
def ec_key(kid: str = "ec") -> Key:
    """Return a private key, made once."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def provider_settings(**changes: Any) -> ProviderSettings:
    """Return the settings of this provider."""
    given = {
        "issuer": ISSUER,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "name": "Example ID",
        "redirect_uri": CALLBACK,
    }
    return ProviderSettings(**given | changes)


class Provider:
    """An identity provider with one person, whose `claims` tests change.

    `alter` changes the claims of the next ID token; `sign` makes the token. `paths` are the requests that came.
    `announced` is added to its metadata.
    """

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {"sub": "1234", "email": "ada@example.com", "email_verified": True}
        self.user_info: dict[str, Any] = {}
        self.key = ec_key()
        self.published = [ec_key()]
        self.alter: Callable[[dict[str, Any]], object] = lambda _claims: None
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.answers: dict[str, ProviderAnswer | Exception] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.paths: list[str] = []
        self.announced: dict[str, Any] = {}

    def authorize(self, url: str) -> str:
        """Sign the person in at the authorization endpoint, and return the URL that leads back."""
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
        assert (parts.path, asked["response_type"], asked["code_challenge_method"]) == ("/authorize", "code", "S256")
        assert (asked["client_id"], "openid" in asked["scope"].split()) == (CLIENT, True)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> ProviderAnswer:
        """Answer a request."""
        path = urlsplit(url).path
        self.paths.append(path)
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        return answer or self._answer(method, path, {name.lower(): text for name, text in headers.items()}, body)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> ProviderAnswer:
        if (method, path) == ("POST", TOKEN):
            return self._token(headers, dict(parse_qsl((body or b"").decode())))
        if path == USER_INFO and headers["authorization"] == "Bearer access":
            return as_json({"sub": self.claims["sub"]} | self.user_info)
        documents = {METADATA: self.metadata(), KEYS: {"keys": [key.as_dict(private=False) for key in self.published]}}
        return as_json(documents[path]) if path in documents else as_json({}, 404)

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        endpoints = {"authorization": "/authorize", "token": TOKEN, "userinfo": USER_INFO}
        return {
            "issuer": self.issuer,
            "jwks_uri": self.issuer + KEYS,
            **{f"{name}_endpoint": self.issuer + path for name, path in endpoints.items()},
            **self.announced,
        }

    def _token(self, headers: Mapping[str, str], form: Mapping[str, str]) -> ProviderAnswer:
        """Exchange a code, once, for the browser that has its verifier."""
        credentials = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if headers.get("authorization") != f"Basic {credentials}":
            return as_json({"error": "invalid_client"}, 401)
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        is_right = asked and (asked["code_challenge"], asked["redirect_uri"]) == (challenge, form["redirect_uri"])
        if not asked or not is_right:
            return as_json({"error": "invalid_grant"}, 400)
        at = int(clock.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": at, "exp": at + 300, "nonce": asked["nonce"]} | self.claims
        if asked.get("max_age") == "0":
            claims.setdefault("auth_time", at)
        self.alter(claims)
        return as_json({"access_token": "access", "token_type": "Bearer", "id_token": self.sign(claims)})

    def _sign(self, claims: dict[str, Any]) -> str:
        return signed(claims, self.key)


@contextmanager
def serving_provider() -> Iterator[Provider]:
    """A provider with an address of its own, at which people click once to sign in."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/authorize"):
                return self.answer("GET")
            back = html.escape(provider.authorize(self.path))
            address = html.escape(provider.claims["email"])
            page = f'<!DOCTYPE html><html lang="en"><title>Example ID</title><a href="{back}">Continue as {address}</a>'
            return self.write(ProviderAnswer(200, {"Content-Type": "text/html"}, page.encode()))

        def do_POST(self) -> None:
            self.answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, method: str, body: bytes | None = None) -> None:
            self.write(provider(method, self.path, dict(self.headers.items()), body))

        def write(self, answer: ProviderAnswer) -> None:
            self.send_response(answer.status)
            for name, text in answer.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_text: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://localhost:{server.server_port}"  # another site than 127.0.0.1, as in real use
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield provider
        finally:
            server.shutdown()


def signed(claims: dict[str, Any], key: Key, algorithm: str | None = None) -> str:
    """Return a signed token."""
    algorithm = algorithm or {"EC": "ES256", "RSA": "RS256"}[key.key_type]
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def as_json(document: object, status: int = 200) -> ProviderAnswer:
    """Return an answer with a document."""
    return ProviderAnswer(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


def use_provider(app: Flask, provider: Provider, **changes: Any) -> IdentityProvider:
    """Have an application sign people in with a provider."""
    used = IdentityProvider(provider_settings(issuer=provider.issuer, **changes), production=False, exchange=provider)
    app.extensions[EXTENSION] = used
    return used


def query(url: str) -> dict[str, str]:
    """Return the parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
