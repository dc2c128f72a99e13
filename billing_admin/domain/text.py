"""Text as people and scripts write it: kept exactly, or refused with a reason."""

import re
import unicodedata

from billing_admin.domain.errors import Invalid

# NUL and other controls (tab and line ends are fine in long texts), and surrogates that stand alone.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# What stands in braces in the format of a number; of `{number:5}` the digits at least.
NUMBER_PART = re.compile(r"{(year|month|number)(?::([1-9]))?}", re.ASCII)
_NUMBER_WORDS = re.compile(r"[A-Za-z0-9./_-]{0,30}", re.ASCII)
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_LONGEST_NUMBER_FORMAT = 60  # thirty characters and the three parts
LONGEST_FOLDED = 1_000  # more than any text that is searched in has


def check_length(value: str, longest: int, *field: str | int) -> None:
    """Raise Invalid for a text that is too long.

    Comes before anything else is done with a text: normalisation, for one, takes quadratic time.
    """
    if len(value) > longest:
        raise Invalid("too_long", f"Use at most {longest:,} characters.", *field)


def text(value: str, *field: str | int, longest: int = 200, lines: bool = False) -> str:
    """Return `value` if it can be stored, shown and exported as it is; raise Invalid otherwise."""
    check_length(value, longest, *field)
    if _UNPRINTABLE.search(value) or (not lines and ("\n" in value or "\r" in value)):
        raise Invalid("unprintable", "Leave out control characters.", *field)
    return value


def named(value: str, *field: str | int, longest: int = 200) -> str:
    """Return a text that must say something."""
    check_length(value, longest, *field)
    if not value.strip():
        raise Invalid("blank", "Enter at least one character that is not a space.", *field)
    return text(value, *field, longest=longest)


def reference(value: str, *field: str | int) -> str:
    """Return a name that a thing is called by: one line, no space at its ends, and not to be taken for an id."""
    named(value, *field)
    if value != value.strip() or "\t" in value:
        raise Invalid("space_at_end", "Leave out tabs, and spaces before and after.", *field)
    if _ID.fullmatch(value):
        raise Invalid("looks_like_an_id", "Choose a name that does not look like an id.", *field)
    return value


def number_format(value: str, *field: str | int) -> str:
    """Return the format of a number: `{year}` and `{number}` once each, `{month}` if wanted, digits at least as `{number:5}`.

    The year is needed, as each has its own series.
    """
    bounded = value if len(value) <= _LONGEST_NUMBER_FORMAT else ""  # an empty text is no format
    parts = [name for name, _ in NUMBER_PART.findall(bounded)]
    words = NUMBER_PART.sub("", bounded)
    if sorted(parts) not in (["number", "year"], ["month", "number", "year"]) or not _NUMBER_WORDS.fullmatch(words):
        said = "Use letters, digits and - . / _ with {year} and {number:5} in them, such as INV-{year}-{number:5}."
        raise Invalid("not_a_format", said, *field)
    if re.search(r"}{", value):
        raise Invalid("not_a_format", "Put something between the parts, such as a hyphen.", *field)
    return value


def cannot_collide(one: str, other: str) -> bool:
    """Whether no number of one format is ever one of the other: they begin or end differently, whatever the digits."""
    ends = [(NUMBER_PART.split(format)[0], NUMBER_PART.split(format)[-1]) for format in (one, other)]
    (head, tail), (other_head, other_tail) = ends
    same_heads = head.startswith(other_head) or other_head.startswith(head)
    same_tails = tail.endswith(other_tail) or other_tail.endswith(tail)
    return not (same_heads and same_tails)


def folded(value: str, *field: str | int) -> str:
    """Fold case and accents away, for search: `Café Ångström` is found by `cafe ang`. Raises Invalid for a longer text."""
    check_length(value, LONGEST_FOLDED, *field)
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
