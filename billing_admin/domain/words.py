"""Words that sentences name as values, such as statuses, for translation."""

from collections.abc import Mapping
from functools import reduce
from typing import Final

from billing_admin.domain.translation import Phrase

_WORDS: Final[Mapping[str, Phrase]] = {
    str(word): word
    for word in (
        Phrase("PDF"),
        Phrase("billed"),
        Phrase("calculation"),
        Phrase("cancelled"),
        Phrase("changed"),
        Phrase("copy"),
        Phrase("corrected"),
        Phrase("credited"),
        Phrase("currency"),
        Phrase("discarded"),
        Phrase("draft"),
        Phrase("dropped"),
        Phrase("e-invoice"),
        Phrase("held"),
        Phrase("invoices"),
        Phrase("issued"),
        Phrase("key"),
        Phrase("label"),
        Phrase("language"),
        Phrase("name"),
        Phrase("paid"),
        Phrase("pending"),
        Phrase("reminders"),
        Phrase("reversed"),
        Phrase("sent"),
        Phrase("statements"),
        Phrase("type"),
        Phrase("uncertain"),
        Phrase("void"),
        Phrase("voided"),
    )
}


def word(text: str) -> str:
    """Return a word that pages translate, or the text itself if it is none of them."""
    return _WORDS.get(text, text)


def either(*texts: str) -> str:
    """Return alternatives as one text: `1.50 or 150`."""
    return reduce(lambda first, second: Phrase("{first} or {second}", first=first, second=second), texts)
