"""Text as people and scripts write it: kept exactly, or refused with a reason."""

import re
import unicodedata

from billing_admin.domain.errors import Invalid

# NUL and other controls (tab and line ends are fine in long texts), and surrogates that stand alone.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_PREFIX = re.compile(r"[A-Za-z0-9]{1,12}", re.ASCII)
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def text(value: str, *field: str | int, longest: int = 200, lines: bool = False) -> str:
    """Return `value` if it can be stored, shown and exported as it is; raise Invalid otherwise."""
    if _UNPRINTABLE.search(value) or (not lines and ("\n" in value or "\r" in value)):
        raise Invalid("unprintable", "Leave out control characters.", *field)
    if len(value) > longest:
        raise Invalid("too_long", f"Use at most {longest:,} characters.", *field)
    return value


def named(value: str, *field: str | int, longest: int = 200) -> str:
    """Return a text that must say something."""
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


def prefix(value: str, *field: str | int) -> str:
    """Return what numbers may begin with."""
    if not _PREFIX.fullmatch(value):
        raise Invalid("not_a_prefix", "Use 1 to 12 letters and digits.", *field)
    return value


def folded(value: str) -> str:
    """Fold case and accents away, for search: `Café Ångström` is found by `cafe ang`."""
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
