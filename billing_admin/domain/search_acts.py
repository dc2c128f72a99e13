"""Acts and short numbers in the search, such as `new charge acme` or `INV 42`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from billing_admin.domain.text import fold_for_search

_SHORT_NUMBER = re.compile(r"([A-Za-z]{1,10})[ .#-]*0*([1-9][0-9]{0,8})", re.ASCII)
_LAST_DIGITS = re.compile(r"[0-9]+$", re.ASCII)
MIN_PREFIX = 2  # characters of a phrase that offer its act


@dataclass(frozen=True, slots=True)
class SearchAct:
    """An act that the search offers.

    The kinds of `objects` may follow one of its phrases.
    """

    name: str
    permission: str
    phrases: Sequence[str]
    objects: Sequence[str] = ()


ACTS: Final = (
    SearchAct("new_charge", "charges:write", ("new charge", "add charge", "charge"), ("customer",)),
    SearchAct("record_payment", "payments:write", ("record payment", "new payment", "pay"), ("customer", "invoice")),
    SearchAct("run_billing", "billing:write", ("run billing", "bill"), ("customer",)),
    SearchAct("new_customer", "customers:write", ("new customer", "add customer")),
    SearchAct("new_service", "catalogue:write", ("new service", "add service")),
)


def find_acts(text: str) -> list[tuple[SearchAct, str]]:
    """Return the acts that a text begins or names, each with the name of its object.

    The name is empty if the text is a phrase, or the beginning of one.
    """
    acts = []
    for act in ACTS:
        name = next((name for phrase in act.phrases if (name := _object_name(text, phrase)) is not None), None)
        if name is not None and (not name or act.objects):
            acts.append((act, name))
    return acts


def _object_name(text: str, phrase: str) -> str | None:
    """Return the text after a phrase; it is empty for the beginning of a phrase.

    None stands for another text.
    """
    words = text.split()
    count = len(phrase.split())
    if fold_for_search(" ".join(words[:count])) == phrase:
        return " ".join(words[count:])
    folded = fold_for_search(" ".join(words))
    return "" if len(folded) >= MIN_PREFIX and phrase.startswith(folded) else None


def parse_short_number(text: str) -> tuple[str, int] | None:
    """Return the letters and the number of a short form such as `INV 42`, or None."""
    match = _SHORT_NUMBER.fullmatch(text.strip())
    return (match[1].upper(), int(match[2])) if match else None


def has_short_number(number: str, letters: str, value: int) -> bool:
    """Return whether a number begins with the letters and ends with the value."""
    digits = _LAST_DIGITS.search(number)
    return digits is not None and number.upper().startswith(letters) and int(digits[0]) == value
