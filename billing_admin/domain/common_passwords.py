"""Passwords that attackers try first.

These are common passwords, and words of the product and of the organisation.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

LIST = Path(__file__).with_name("common_passwords.txt")

# Words of the product, and words that people join to a password. Any number of them is guessable.
_WORDS = frozenset(
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
        "princess shadow freedom whatever qaz wsx edc rfv tgb yhn ujm abc xyz",
        "monday tuesday wednesday thursday friday saturday sunday january february march",
        "april june july august september october november december spring summer autumn fall winter",
        "accounts payable receivable receivables book books bookkeeping note notes tax treasury controller team",
        "department rechnung rechnungen abrechnung buchhaltung facture factures facturation factura facturas",
        "geheim geheimnis kennwort hallo welt willkommen motdepasse bonjour contrasena contraseña hola",
    )
    for word in words.split()
)
# Rows and columns of keys, in each direction.
_ROWS = (
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
)
_SEQUENCES = frozenset(
    row[start:end]
    for key_row in _ROWS
    for row in (key_row, key_row[::-1])
    for start in range(len(row))
    for end in range(start + 4, len(row) + 1)
)
_LEAST_DISTINCT_CHARACTERS = 5
_SHORTEST_NAME_PART = 3
# Two different common passwords are guessed soon: there are about 10^8 pairs. Three are a passphrase.
_MOST_COMMON_PASSWORDS = 2
# Digits and signs that people write for letters; 1 stands for two of them.
_SUBSTITUTES = tuple(str.maketrans("0134578@$!+", f"o{letter}easbtasit") for letter in "il")


@cache
def common_passwords() -> frozenset[str]:
    """Return the list of common passwords, in lower case."""
    return frozenset(LIST.read_text().split())


@cache
def _common_lengths() -> frozenset[int]:
    return frozenset(map(len, common_passwords()))


def is_guessable(password: str, names: Iterable[str] = ()) -> bool:
    """Return whether a password is made of what attackers try first.

    This is so if it has few distinct characters, or nothing but digits, punctuation, words of the product, parts of
    `names` and at most two different common passwords. A common password may be repeated, and written with digits and
    signs in place of letters.
    """
    folded = password.casefold()
    if len(set(folded)) < _LEAST_DISTINCT_CHARACTERS:
        return True
    words = _WORDS.union(_SEQUENCES, *(_name_parts(name) for name in names))
    return _consists_of(folded, words)


def _name_parts(name: str) -> Iterator[str]:
    """Yield a name, its parts, and its parts written as one."""
    parts = re.findall(r"[^\W_]+", name.casefold())
    for part in (name.casefold(), "".join(parts), *parts):
        if len(part) >= _SHORTEST_NAME_PART:
            yield part


def _consists_of(password: str, words: frozenset[str]) -> bool:
    """Return whether a password has nothing but guessable parts.

    These are words, at most two different common passwords, digits and punctuation. One pass over the positions that such
    a sequence can reach, with the smallest sets of common passwords used so far.
    """
    spellings = (password, *(password.translate(substitutes) for substitutes in _SUBSTITUTES))
    common, lengths = common_passwords(), _common_lengths().union(map(len, words))
    reached: dict[int, set[frozenset[str]]] = {0: {frozenset()}}
    for position, character in enumerate(password):
        if not (starts := _smallest(reached.pop(position, set()))):
            continue
        parts = {spelling[position : position + length] for length in lengths for spelling in spellings}
        steps = [
            (position + len(part), frozenset() if part in words else {part})
            for part in parts
            if part in words or part in common
        ]
        if not character.isalpha():
            steps.append((position + 1, set()))
        for used, (end, added) in product(starts, steps):
            if len(used | added) <= _MOST_COMMON_PASSWORDS:
                reached.setdefault(end, set()).add(used | added)
    return len(password) in reached


def _smallest(sets: set[frozenset[str]]) -> list[frozenset[str]]:
    """Return the sets that contain no other set."""
    return [used for used in sets if not any(subset < used for subset in sets)]
