"""Signing in: rules for e-mail addresses, passwords, attempts and sessions."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_length, check_text

SHORTEST_PASSWORD, LONGEST_PASSWORD = 15, 1000
LONGEST_TYPED_PASSWORD = 4 * LONGEST_PASSWORD  # NFKC composes at most four characters into one
LONGEST_EMAIL = 254

# How long a failed attempt counts. An account is blocked only for the address of the failed attempts,
# so that its owner can sign in from another one.
FAILURES_COUNT_FOR = timedelta(minutes=15)
FAILURES_PER_ACCOUNT_AND_ADDRESS = 10
FAILURES_PER_ADDRESS = 50

LAST_SEEN_INTERVAL = timedelta(minutes=1)
CLOCK_SLACK = timedelta(minutes=5)

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_SHORTEST_PERSONAL_WORD = 3

# Words that attackers try first. A password of nothing but these, digits and punctuation is refused.
_COMMON = frozenset(
    word
    for words in (
        "correct horse battery staple trustno the quick brown fox jumps over lazy dog to be or not that is question",
        "let me in open sesame i love you iloveyou never gonna give up may force with live long and prosper",
        "password passwort passphrase pass word pwd secret login logon signin user username account access enter",
        "admin administrator root superuser system sysadmin manager master owner guest demo test testing tester",
        "example sample default temp temporary change changeme it please now new old my your our this welcome",
        "hello hi world billing bill bills biller invoice invoices invoicing charge charges payment payments ledger",
        "backoffice back office finance accounting company organisation organization customer service cloud money",
        "euro dollar bank credit monkey dragon football baseball basketball superman batman starwars sunshine",
        "princess shadow freedom whatever qwerty qwertyuiop qwertz qwertzuiop azerty azertyuiop asdf asdfgh",
        "asdfghjkl zxcv zxcvbn zxcvbnm yxcvbnm qaz wsx edc rfv tgb yhn ujm abc abcd abcdef abcdefg xyz",
        "abcdefghijklmnopqrstuvwxyz monday tuesday wednesday thursday friday saturday sunday january february march",
        "april june july august september october november december spring summer autumn fall winter",
    )
    for word in words.split()
)
_LEAST_DISTINCT_CHARACTERS = 5


def check_email(value: str, *field: str | int) -> str:
    """Return an e-mail address in the form that is stored.

    Raises:
        Invalid: The text is not an e-mail address.
    """
    folded = fold_email(value, *field)
    check_text(folded, *field, longest=LONGEST_EMAIL)
    if not _EMAIL.fullmatch(folded):
        raise Invalid("not_an_email", "Enter an e-mail address such as name@example.com.", *field)
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


def check_password(value: str, email: str, *field: str | int) -> None:
    """Check that a password is long and hard to guess.

    No kind of character is required.

    Raises:
        Invalid: The password is too short, too long or easy to guess.
    """
    password = normalise_password(value, *field)
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(
            "short_password", f"Use at least {SHORTEST_PASSWORD} characters, such as a few unrelated words.", *field
        )
    check_text(password, *field, longest=LONGEST_PASSWORD)
    if _is_guessable(password, email):
        raise Invalid("common_password", "Choose other words: this password is easy to guess.", *field)


def _is_guessable(password: str, email: str) -> bool:
    folded = password.casefold()
    local, _, domain = email.casefold().partition("@")
    names = (email.casefold(), local, domain, *domain.split("."))
    words = tuple({*_COMMON, *(name for name in names if len(name) >= _SHORTEST_PERSONAL_WORD)})
    return len(set(folded)) < _LEAST_DISTINCT_CHARACTERS or _consists_of(folded, words)


def _consists_of(password: str, words: tuple[str, ...]) -> bool:
    """Return whether a password has nothing but words, digits and punctuation.

    One pass over the positions that such a sequence can reach, however the words overlap.
    """
    reachable = {0}
    for position, character in enumerate(password):
        if position in reachable:
            reachable.update(position + len(word) for word in words if password.startswith(word, position))
            if not character.isalpha():
                reachable.add(position + 1)
    return len(password) in reachable


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
