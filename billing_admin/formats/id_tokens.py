"""Check the ID tokens of an identity provider.

The rules are those of OpenID Connect Core, section 3.1.3.7.

The libraries are loaded on demand: they take a while, and few requests need them.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from billing_admin.domain.single_sign_on import CLOCK_DIFFERENCE, is_subject

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

# Asymmetric algorithms only: never "none", and never HS256, for which a public key could be taken as the secret.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
KEY_TYPES: Final = frozenset({"RSA", "EC"})


class RefusedToken(Exception):
    """An ID token that is not accepted; `reason` is a short code for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKey(RefusedToken):
    """An ID token that is signed by an unknown key: the provider may have a new one."""


def read_key_set(document: object) -> "KeySet":
    """Return the public keys for signatures in a JSON Web Key Set.

    Keys of other kinds, and keys that cannot be read, are left out. Raises ValueError if none remains.
    """
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import JWKRegistry, KeySet  # noqa: PLC0415

    entries = document.get("keys") if isinstance(document, Mapping) else None
    keys = []
    for entry in entries if isinstance(entries, list) else ():
        is_usable = isinstance(entry, dict) and entry.get("kty") in KEY_TYPES and entry.get("use", "sig") == "sig"
        if is_usable and "d" not in entry:
            with suppress(JoseError, ValueError, TypeError, KeyError):
                keys.append(JWKRegistry.import_key(entry))
    if not keys:
        raise ValueError("the key set has no key for signatures")
    return KeySet(keys)


def check_id_token(
    token: str, keys: "KeySet", *, issuer: str, client_id: str, nonce: str, access_token: str | None, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of an ID token after all checks.

    They are those of its signature, issuer, audience, times and nonce. Raises RefusedToken for a token that is not
    accepted, and UnknownKey for one with an unknown key.
    """
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
    from joserfc import jwt  # noqa: PLC0415
    from joserfc.errors import InvalidKeyIdError, JoseError  # noqa: PLC0415

    try:
        decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
    except InvalidKeyIdError as error:
        raise UnknownKey("unknown_key") from error
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise RefusedToken(getattr(error, "error", None) or "unreadable_token") from error
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
        {"nonce": nonce, "client_id": client_id, "access_token": access_token},
    )
    try:
        claims.validate(int(now.timestamp()), int(CLOCK_DIFFERENCE.total_seconds()))
    except (JoseError, ValueError, TypeError) as error:
        name = getattr(error, "claim", None)
        raise RefusedToken(f"{getattr(error, 'error', 'unreadable_claim')}:{name}" if name else str(error)) from error
    if not is_subject(claims["sub"]):
        raise RefusedToken("invalid_claim:sub")
    return dict(claims)
