"""Signing in: rules for e-mail addresses, passwords, attempts and sessions."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from billing_admin.domain.common_passwords import is_guessable
from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_length, check_text
from billing_admin.domain.translation import Phrase

SHORTEST_PASSWORD, LONGEST_PASSWORD = 15, 1000
LONGEST_TYPED_PASSWORD = 4 * LONGEST_PASSWORD  # NFKC composes at most four characters into one
LONGEST_EMAIL = 254

# How long a failed attempt counts, and how many block further ones. An account is blocked first for the network of the
# failures. The other limits stop guesses from many networks, of many accounts, and floods. They do not hold for a
# network from which the person signed in lately, so that no attacker can lock a person out.
FAILURES_COUNT_FOR = timedelta(minutes=15)
FAILURES_PER_ACCOUNT_AND_NETWORK = 10
FAILURES_PER_ACCOUNT = 50
FAILURES_PER_NETWORK = 500
FAILURES_IN_TOTAL = 2_000
NETWORK_IS_FAMILIAR_FOR = timedelta(days=90)

LAST_SEEN_INTERVAL = timedelta(minutes=1)
CONFIRMATION_IS_VALID_FOR = timedelta(minutes=10)
PENDING_SIGN_IN_IS_VALID_FOR = timedelta(minutes=10)
CLOCK_SLACK = timedelta(minutes=5)

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")


def check_email(value: str, *field: str | int) -> str:
    """Return an e-mail address in the form that is stored.

    Raises:
        Invalid: The text is not an e-mail address.
    """
    folded = fold_email(value, *field)
    check_text(folded, *field, longest=LONGEST_EMAIL)
    if not _EMAIL.fullmatch(folded):
        raise Invalid("not_an_email", Phrase("Enter an e-mail address such as name@example.com."), *field)
    return folded


def fold_email(value: str, *field: str | int) -> str:
    """Return an address without case and compatibility forms.

    All forms of an address are therefore one account.

    Raises:
        Invalid: The text is longer than any address, before or after folding.
    """
    trimmed = value.strip()
    check_length(trimmed, LONGEST_EMAIL, *field)
    folded = unicodedata.normalize("NFKC", trimmed).casefold()
    check_length(folded, LONGEST_EMAIL, *field)
    return folded


def normalise_password(value: str, *field: str | int) -> str:
    """Return a password in NFKC, as keyboards compose characters in different ways.

    Raises:
        Invalid: The password is too long; it is never cut off.
    """
    if len(value) > LONGEST_TYPED_PASSWORD:
        check_length(value, LONGEST_PASSWORD, *field)
    return unicodedata.normalize("NFKC", value)


def check_password(value: str, email: str, *field: str | int, organisation: str = "") -> None:
    """Check that a password is long and hard to guess.

    No kind of character is required. A password of nothing but common passwords, words of the product, and parts of the
    e-mail address and of the organisation's name is refused.

    Raises:
        Invalid: The password is too short, too long or easy to guess.
    """
    password = normalise_password(value, *field)
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(
            "short_password",
            Phrase(
                "Use at least {shortest_password} characters, such as a few unrelated words.",
                shortest_password=SHORTEST_PASSWORD,
            ),
            *field,
        )
    check_text(password, *field, longest=LONGEST_PASSWORD)
    if is_guessable(password, (email, organisation)):
        raise Invalid("common_password", Phrase("Choose other words: this password is easy to guess."), *field)


def attempt_network(address: str) -> str:
    """Return the network by which attempts to sign in are counted.

    The network is an IPv4 address, or the /64 of an IPv6 address, which one subscriber has.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed.packed, 64), strict=False))


def is_recently_confirmed(confirmed_at: datetime, now: datetime) -> bool:
    """Return whether a person need not confirm their identity again.

    A confirmation from the future does not count: the clock was set back.
    """
    return confirmed_at - CLOCK_SLACK <= now < confirmed_at + CONFIRMATION_IS_VALID_FOR


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in whose password was right, and which still needs the second factor.

    It is no session. `fingerprint` is that of the password's hash, so that a new password ends it. `single_sign_on`: the
    identity provider took the place of the password.
    """

    user_id: UUID
    fingerprint: str
    single_sign_on: bool = False


def password_fingerprint(password_hash: str) -> str:
    """Return a hash by which a change of the password is detected."""
    return hashlib.sha256(password_hash.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RecentFailures:
    """The numbers of failed attempts that still count."""

    account_and_network: int
    account: int
    network: int
    total: int

    def block(self, *, is_familiar: bool) -> bool:
        """Return whether they block another attempt on the account from the network.

        `is_familiar`: the person signed in from this network lately.
        """
        if self.account_and_network >= FAILURES_PER_ACCOUNT_AND_NETWORK:
            return True
        return not is_familiar and (
            self.account >= FAILURES_PER_ACCOUNT
            or self.network >= FAILURES_PER_NETWORK
            or self.total >= FAILURES_IN_TOTAL
        )


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """How long a session lasts in total, and without use."""

    hours: int
    idle_minutes: int

    def covers(self, created_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
        """Return whether a session is valid.

        A session from the future is not valid: the clock was set back.
        """
        return (
            now < created_at + timedelta(hours=self.hours)
            and now < last_seen_at + timedelta(minutes=self.idle_minutes)
            and now >= max(created_at, last_seen_at) - CLOCK_SLACK
        )
