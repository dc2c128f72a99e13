"""Signing in: what an e-mail address and a password must be, how many attempts there are, how long a session lives."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_length, check_text

SHORTEST_PASSWORD, LONGEST_PASSWORD = 15, 1000
LONGEST_TYPED_PASSWORD = 4 * LONGEST_PASSWORD  # four characters compose into one at most
LONGEST_EMAIL = 254

# A failure counts for this long. An account is closed only to the address that failed: its owner gets in from elsewhere.
FAILURES_COUNT_FOR = timedelta(minutes=15)
FAILURES_PER_ACCOUNT_AND_ADDRESS = 10
FAILURES_PER_ADDRESS = 50

LAST_SEEN_INTERVAL = timedelta(minutes=1)
CLOCK_SLACK = timedelta(minutes=5)

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_LEAST_OWN_NAME = 3

# What guessers try first. A password made of these, of digits and of punctuation alone is as good as known.
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
_LEAST_CHARACTERS = 5


def check_email(value: str, *field: str | int) -> str:
    """Return the one spelling under which an e-mail address is stored and compared; raise Invalid if it is none."""
    spelled = fold_email(value, *field)
    check_text(spelled, *field, longest=LONGEST_EMAIL)
    if not _EMAIL.fullmatch(spelled):
        raise Invalid("not_an_email", "Enter an e-mail address such as name@example.com.", *field)
    return spelled


def fold_email(value: str, *field: str | int) -> str:
    """Fold case and compatibility forms away: two spellings of one address are one account.

    Raises Invalid for a text that is longer than any account's address, as it is typed or folded.
    """
    typed = value.strip()
    check_length(typed, LONGEST_EMAIL, *field)
    spelled = unicodedata.normalize("NFKC", typed).casefold()
    check_length(spelled, LONGEST_EMAIL, *field)
    return spelled


def normalise_password(value: str, *field: str | int) -> str:
    """Return one spelling of what keyboards compose in several ways; nothing is cut off. Raises Invalid for a longer text."""
    if len(value) > LONGEST_TYPED_PASSWORD:
        check_length(value, LONGEST_PASSWORD, *field)
    return unicodedata.normalize("NFKC", value)


def check_password(value: str, email: str, *field: str | int) -> None:
    """Raise Invalid unless the password is long and not easily guessed. Which kinds of characters it holds does not matter."""
    spelled = normalise_password(value, *field)
    if len(spelled) < SHORTEST_PASSWORD:
        raise Invalid(
            "short_password", f"Use at least {SHORTEST_PASSWORD} characters; a few unrelated words do well.", *field
        )
    check_text(spelled, *field, longest=LONGEST_PASSWORD)
    if _guessable(spelled, email):
        raise Invalid(
            "common_password", "Choose words that are harder to guess: this is among the first tried.", *field
        )


def _guessable(password: str, email: str) -> bool:
    folded = password.casefold()
    local, _, domain = email.casefold().partition("@")
    own = [name for name in (email.casefold(), local, domain, *domain.split(".")) if len(name) >= _LEAST_OWN_NAME]
    words = tuple({*_COMMON, *own})
    return len(set(folded)) < _LEAST_CHARACTERS or _made_of(folded, words)


def _made_of(password: str, words: tuple[str, ...]) -> bool:
    """Whether nothing is left beside words, digits and punctuation; in one pass, however the words overlap."""
    reached = {0}
    for at, character in enumerate(password):
        if at in reached:
            reached.update(at + len(word) for word in words if password.startswith(word, at))
            if not character.isalpha():
                reached.add(at + 1)
    return len(password) in reached


def attempt_network(address: str) -> str:
    """The network that attempts are counted by: an IPv4 address, or the /64 that one IPv6 subscriber holds."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed.packed, 64), strict=False))


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """How long a session lives: in all, and without being used."""

    hours: int
    idle_minutes: int

    def covers(self, created_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
        """Whether a session still lives. One from the future does not: the clock was set back."""
        return (
            now < created_at + timedelta(hours=self.hours)
            and now < last_seen_at + timedelta(minutes=self.idle_minutes)
            and now >= max(created_at, last_seen_at) - CLOCK_SLACK
        )
