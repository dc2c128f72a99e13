"""Rules for single sign-on: the claims of the identity provider, and their effect."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from numbers import Real
from typing import Any, Final

from billing_admin.domain.errors import Invalid
from billing_admin.domain.sign_in import check_email
from billing_admin.domain.translation import Phrase

CALLBACK_PATH: Final = "/sign-in/single-sign-on/callback"
FLOW_IS_VALID_FOR: Final = timedelta(minutes=10)
CLOCK_DIFFERENCE: Final = timedelta(minutes=1)  # allowed between the provider's clock and ours
LONGEST_SUBJECT: Final = 255  # by OpenID Connect Core
LATEST_MOMENT: Final = 2**37  # seconds; a later one is no time of a sign-in


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The identity provider, and what its claims mean here.

    `roles`: values of the claim `role_claim` → roles; the first one that a person has counts. `checks_second_factor`: the
    provider asks for the second factor, so that a person needs none here.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    redirect_uri: str
    scopes: tuple[str, ...] = ("openid", "email")
    role_claim: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    creates_people: bool = False
    email_domains: tuple[str, ...] = ()
    checks_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in at the provider that a browser has begun.

    Only the browser with its `state` can complete it. `nonce` ties the ID token to it, and `verifier` the code (PKCE).
    `is_confirmation`: a signed-in person confirms their identity.
    """

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    created_at: datetime
    is_confirmation: bool = False
    next_url: str = ""
    saved_form: str = field(default="", repr=False)

    def is_valid(self, now: datetime) -> bool:
        """Return whether the flow can still be completed."""
        return self.created_at <= now < self.created_at + FLOW_IS_VALID_FOR


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as the provider describes them, from a checked ID token.

    `signed_in_at` is when they last entered their credentials there; None if the provider does not say.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    groups: tuple[str, ...]
    signed_in_at: datetime | None

    def was_confirmed_since(self, moment: datetime) -> bool:
        """Return whether the person entered their credentials there after a moment."""
        return self.signed_in_at is not None and self.signed_in_at >= moment - CLOCK_DIFFERENCE


class Refusal(StrEnum):
    """The reasons for which a person whom the provider knows is refused."""

    EMAIL_NOT_VERIFIED = "email_not_verified"
    FOREIGN_DOMAIN = "foreign_domain"
    UNKNOWN_PERSON = "unknown_person"
    DEACTIVATED = "deactivated"
    OTHER_ACCOUNT = "other_account"
    NO_ROLE = "no_role"
    UNKNOWN_ROLE = "unknown_role"


REFUSAL_SENTENCES: Final[Mapping[Refusal, Phrase]] = {
    Refusal.EMAIL_NOT_VERIFIED: Phrase(
        "{name} does not confirm your e-mail address. Have it verified there, then sign in again."
    ),
    Refusal.FOREIGN_DOMAIN: Phrase(
        "People with this e-mail address cannot sign in with {name}. Ask an admin to allow its domain."
    ),
    Refusal.UNKNOWN_PERSON: Phrase(
        "There is no account here for your e-mail address. Ask an admin to invite you, then sign in again."
    ),
    Refusal.DEACTIVATED: Phrase("Your account here is deactivated. Ask an admin to activate it."),
    Refusal.OTHER_ACCOUNT: Phrase(
        "Your account here belongs to another account of {name}. Ask an admin to remove the single sign-on from it."
    ),
    Refusal.NO_ROLE: Phrase(
        "{name} gives you no role here. Ask an admin to put you into a group that has one in BILLING_OIDC_ROLES."
    ),
    Refusal.UNKNOWN_ROLE: Phrase(
        "{name} gives you a role that does not exist here. Ask an admin to correct BILLING_OIDC_ROLES."
    ),
}


def read_identity(issuer: str, claims: Mapping[str, Any], role_claim: str) -> Identity:
    """Return the person that checked claims describe.

    Some providers send `email_verified` as text.
    """
    return Identity(
        issuer,
        claims["sub"],
        _address(claims.get("email")),
        claims.get("email_verified") in (True, "true"),
        claim_values(claims, role_claim) if role_claim else (),
        _moment(claims.get("auth_time")),
    )


def is_subject(text: str) -> bool:
    """Return whether a text can be a subject: up to 255 printable characters of ASCII."""
    return 0 < len(text) <= LONGEST_SUBJECT and text.isascii() and text.isprintable()


def mapped_role(groups: Collection[str], roles: Mapping[str, str]) -> str | None:
    """Return the role of the first group in the mapping that a person has, or None."""
    return next((role for group, role in roles.items() if group in groups), None)


def is_allowed_domain(email: str, domains: Collection[str]) -> bool:
    """Return whether an address is in one of the domains.

    Without domains, all are allowed.
    """
    return not domains or email.rpartition("@")[2].casefold() in {domain.casefold() for domain in domains}


def claim_values(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts of a claim.

    A name with dots can also lead into an object, such as `realm_access.roles`.
    """
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _address(value: object) -> str:
    try:
        return check_email(value) if isinstance(value, str) else ""
    except Invalid:
        return ""


def _moment(seconds: Any) -> datetime | None:
    """Return the time of a JSON number of seconds, or None.

    JSON of Python has NaN and infinity.
    """
    is_moment = isinstance(seconds, Real) and 0 < seconds < LATEST_MOMENT  # type: ignore[operator]
    return datetime.fromtimestamp(int(seconds), UTC) if is_moment else None
