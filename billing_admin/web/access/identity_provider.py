"""The identity provider: its metadata and keys, and the exchange of a code.

Metadata and keys are kept for an hour. Redirects are not followed, proxies not used, and each exchange ends after ten
seconds, so that a provider that is slow or away holds no request.
"""

import re
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from socket import create_connection
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from flask import Flask, current_app

from billing_admin import clock
from billing_admin.background.deadlines import shut_down_after
from billing_admin.config import VERSION, Settings, is_provider_url
from billing_admin.domain.single_sign_on import Flow, Identity, ProviderSettings, claim_values, read_identity
from billing_admin.formats.id_tokens import RefusedToken, UnknownKey, check_id_token, read_key_set

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session
    from joserfc.jwk import KeySet
    from requests import Response

EXTENSION: Final = "billing_identity_provider"
CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 10.0
MAX_RESPONSE_BYTES: Final = 512 * 1024
KEPT_FOR: Final = timedelta(hours=1)  # metadata and keys
FAILURE_KEPT_FOR: Final = timedelta(seconds=10)  # a provider that is away is not asked again until then
KEYS_INTERVAL: Final = timedelta(seconds=30)  # a token with an unknown key has the keys read again, at most so often
CLIENT_AUTHENTICATION: Final = (
    "client_secret_basic",
    "client_secret_post",
)  # those that we can do, the first one is the default


class ProviderUnavailable(Exception):
    """The provider did not answer, or not by its protocol; the text is for the log."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A response of the provider."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange(Protocol):
    """Sends a request to the provider; tests pass their own."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> ProviderAnswer:
        """Return the response.

        Raises:
            OSError, HTTPException: There is none.
        """


@dataclass(frozen=True, slots=True)
class _Metadata:
    """The provider's endpoints, by its discovery document.

    `names_issuer`: its answers name it (RFC 9207). `end_session_endpoint` is empty if it announces none.
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    end_session_endpoint: str
    authentication: str
    names_issuer: bool
    read_at: datetime


@dataclass(frozen=True, slots=True)
class _Keys:
    keys: "KeySet"
    read_at: datetime


def send_request(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> ProviderAnswer:
    """Send a request to the provider, within ten seconds in total."""
    parts, deadline = urlsplit(url), monotonic() + TOTAL_SECONDS
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    with (
        closing(create_connection((host, port), timeout=CONNECT_SECONDS)) as plain,
        shut_down_after(plain, deadline - monotonic()) as timed_out,
    ):
        connection = HTTPConnection(host, port)
        connection.sock = _tls_context().wrap_socket(plain, server_hostname=host) if is_secure else plain
        with closing(connection):
            path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            sent = {"Host": parts.netloc.rpartition("@")[2], "Connection": "close"} | dict(headers)
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            content = response.read(MAX_RESPONSE_BYTES + 1)
            if timed_out.is_set():  # a response that was cut off is none
                raise TimeoutError("no complete response within ten seconds")
            return ProviderAnswer(response.status, dict(response.getheaders()), content)


@cache
def _tls_context() -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates of this machine."""
    return ssl.create_default_context()


class IdentityProvider:
    """The identity provider of this installation."""

    def __init__(self, settings: ProviderSettings, *, production: bool, exchange: Exchange = send_request) -> None:
        self.settings = settings
        self._production = production
        self._exchange = exchange
        self._metadata: _Metadata | None = None
        self._keys: _Keys | None = None
        self._failed_at: datetime | None = None

    def authorization_url(self, flow: Flow, now: datetime) -> str:
        """Return the URL to sign in at the provider.

        For a confirmation, the person must enter their credentials again. Raises ProviderUnavailable.
        """
        metadata = self._read_metadata(now)
        again = {"prompt": "login", "max_age": "0"} if flow.is_confirmation else {}
        with closing(self._client(metadata)) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=flow.state,
                nonce=flow.nonce,
                code_verifier=flow.verifier,
                **again,
            )
        return str(url)

    def sign_out_url(self) -> str | None:
        """Return the URL to sign out at the provider, or None if none is known.

        No session is named there, so that the provider asks the person. The provider is not asked: anyone can open the
        page that shows the URL, so that it uses the metadata that a sign-in read, however old.
        """
        endpoint = self._metadata.end_session_endpoint if self._metadata else ""
        separator = "&" if "?" in endpoint else "?"
        return f"{endpoint}{separator}{urlencode({'client_id': self.settings.client_id})}" if endpoint else None

    def identify(self, code: str, issuer: str | None, flow: Flow, now: datetime) -> Identity:
        """Exchange a code for the identity of the person who signed in.

        `issuer` is the provider that the answer with the code names.

        Raises:
            ProviderUnavailable: The provider did not answer, or not as it should.
            RefusedToken: The code or the ID token is not accepted, or the code is of another provider.
        """
        from authlib.integrations.base_client import OAuthError  # noqa: PLC0415

        metadata = self._read_metadata(now)
        if issuer != self.settings.issuer and (issuer is not None or metadata.names_issuer):
            raise RefusedToken("answer_of_another_issuer")
        try:
            with closing(self._client(metadata)) as client:
                token = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=flow.verifier,
                    redirect_uri=self.settings.redirect_uri,
                    allow_redirects=False,
                )
        except OAuthError as error:
            raise RefusedToken(f"provider:{_code(error.error)}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise ProviderUnavailable(_reason(error)) from error
        id_token, access_token = token.get("id_token"), token.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise ProviderUnavailable("the token endpoint returned no ID token")
        claims = self._check(id_token, access_token, flow, metadata, now)
        return read_identity(
            self.settings.issuer, self._with_user_info(claims, access_token, metadata), self.settings.role_claim
        )

    def check(self, now: datetime) -> None:
        """Read metadata and keys anew.

        Raises:
            ProviderUnavailable: One of them cannot be read.
        """
        self._metadata = self._keys = self._failed_at = None
        self._read_keys(self._read_metadata(now), now)

    def _check(
        self, id_token: str, access_token: str, flow: Flow, metadata: _Metadata, now: datetime
    ) -> Mapping[str, Any]:
        """Return the claims of an ID token; read the keys once more if its key is unknown."""
        expected = {
            "issuer": self.settings.issuer,
            "client_id": self.settings.client_id,
            "nonce": flow.nonce,
            "access_token": access_token,
        }
        keys = self._read_keys(metadata, now)
        try:
            return check_id_token(id_token, keys.keys, **expected, now=now)
        except UnknownKey:
            if not _is_older(keys.read_at, KEYS_INTERVAL, now):
                raise
        self._keys = None
        return check_id_token(id_token, self._read_keys(metadata, now).keys, **expected, now=now)

    def _with_user_info(self, claims: Mapping[str, Any], access_token: str, metadata: _Metadata) -> Mapping[str, Any]:
        """Return the claims, with those of the user info if address or roles are missing.

        Many providers put them into the ID token; the standard allows either.
        """
        role_claim = self.settings.role_claim
        is_complete = "email" in claims and (not role_claim or claim_values(claims, role_claim))
        if is_complete or not metadata.userinfo_endpoint:
            return claims
        headers = {"Authorization": f"Bearer {access_token}"}
        info = self._read_json(metadata.userinfo_endpoint, headers)
        if info.get("sub") != claims["sub"]:
            raise RefusedToken("user_info_of_another_person")
        return info | dict(claims)

    def _read_metadata(self, now: datetime) -> _Metadata:
        if self._metadata is not None and not _is_older(self._metadata.read_at, KEPT_FOR, now):
            return self._metadata
        if self._failed_at is not None and not _is_older(self._failed_at, FAILURE_KEPT_FOR, now):
            raise ProviderUnavailable("it failed within the last seconds")
        try:
            document = self._read_json(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            self._metadata = self._parse_metadata(document, now)
        except ProviderUnavailable:
            self._failed_at = clock.now()  # a provider that hangs fails seconds after `now`
            raise
        self._failed_at = None
        return self._metadata

    def _parse_metadata(self, document: Mapping[str, Any], now: datetime) -> _Metadata:
        if document.get("issuer") != self.settings.issuer:
            raise ProviderUnavailable("its metadata name another issuer than BILLING_OIDC_ISSUER")
        endpoints = {
            name: document.get(name)
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        }
        for name, url in endpoints.items():
            is_missing = url is None and name == "userinfo_endpoint"
            if not is_missing and not (isinstance(url, str) and is_provider_url(url, production=self._production)):
                raise ProviderUnavailable(f"its metadata have no usable {name}")
        offered = document.get("token_endpoint_auth_methods_supported") or CLIENT_AUTHENTICATION[:1]
        authentication = next((method for method in CLIENT_AUTHENTICATION if method in offered), None)
        if authentication is None:
            raise ProviderUnavailable("it accepts no client secret")
        return _Metadata(
            str(endpoints["authorization_endpoint"]),
            str(endpoints["token_endpoint"]),
            str(endpoints["jwks_uri"]),
            str(endpoints["userinfo_endpoint"] or ""),
            self._optional_url(document.get("end_session_endpoint")),
            authentication,
            document.get("authorization_response_iss_parameter_supported") is True,
            now,
        )

    def _optional_url(self, url: object) -> str:
        """Return a URL that is not required, or an empty text if it is unusable."""
        return url if isinstance(url, str) and is_provider_url(url, production=self._production) else ""

    def _read_keys(self, metadata: _Metadata, now: datetime) -> _Keys:
        keys = self._keys
        if keys is None or _is_older(keys.read_at, KEPT_FOR, now):
            try:
                keys = self._keys = _Keys(read_key_set(self._read_json(metadata.jwks_uri)), now)
            except ValueError as error:
                raise ProviderUnavailable(_reason(error)) from error
        return keys

    def _read_json(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        with closing(self._client(None)) as client:
            try:
                response = client.request("GET", url, withhold_token=True, headers=headers, allow_redirects=False)
                document = response.json() if response.status_code == HTTPStatus.OK else None
            except (OSError, HTTPException, ValueError) as error:
                raise ProviderUnavailable(_reason(error)) from error
        if not isinstance(document, dict):
            raise ProviderUnavailable(f"status {response.status_code} without a JSON object at {urlsplit(url).path}")
        return document

    def _client(self, metadata: _Metadata | None) -> "OAuth2Session":
        """Return a client that sends its requests by our exchange.

        It uses no proxies and no stored passwords.
        """
        from authlib.integrations.requests_client import OAuth2Session  # noqa: PLC0415

        from billing_admin.web.access.provider_adapter import ProviderAdapter  # noqa: PLC0415

        client = OAuth2Session(
            self.settings.client_id,
            self.settings.client_secret,
            token_endpoint_auth_method=metadata.authentication if metadata else None,
            scope=" ".join(self.settings.scopes),
            redirect_uri=self.settings.redirect_uri,
            code_challenge_method="S256",
        )
        client.trust_env = False
        client.headers.update({"User-Agent": f"billing-admin/{VERSION}", "Accept-Encoding": "identity"})
        client.register_compliance_hook("access_token_response", _refuse_redirect)
        for scheme in ("https://", "http://"):
            client.mount(scheme, ProviderAdapter(self._exchange))
        return client


def init_identity_provider(app: Flask, settings: Settings) -> None:
    """Set up the identity provider, if one is configured. Nothing is sent to it yet."""
    provider = settings.identity_provider
    app.extensions[EXTENSION] = IdentityProvider(provider, production=settings.production) if provider else None


def identity_provider() -> IdentityProvider | None:
    """Return the identity provider, or None if none is configured."""
    provider: IdentityProvider | None = current_app.extensions[EXTENSION]
    return provider


def provider_name() -> str | None:
    """Return the name of the identity provider for people, or None."""
    provider = identity_provider()
    return provider.settings.name if provider else None


def _is_older(moment: datetime, age: timedelta, now: datetime) -> bool:
    """Return whether a moment is longer ago.

    One in the future is: the clock was set back.
    """
    return not moment <= now < moment + age


def _refuse_redirect(response: "Response") -> "Response":
    if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        raise ValueError(f"status {response.status_code}: redirects are not followed")
    return response


def _code(error: object) -> str:
    """Return an error code of OAuth, without characters that none has."""
    return re.sub(r"[^a-z_]", "", str(error)[:60])


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
