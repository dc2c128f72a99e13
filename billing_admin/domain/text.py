"""Text as people and scripts write it: kept exactly, or refused with a reason."""

import re
import unicodedata

from billing_admin.domain.errors import Invalid

# C0 controls but for tab and line ends, DEL, and halves of surrogate pairs: no stored text has one.
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff"
# C1 controls, private use and noncharacters: refused in new text, but stored text may have them from earlier versions.
_ONLY_STORED = "\x80-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 15)
)
_NEVER_STORED = re.compile(f"[{_CONTROLS}]")
_UNPRINTABLE = re.compile(f"[{_CONTROLS}{_ONLY_STORED}]")
_LINE_END = re.compile("[\n\r]")
_WHITE_CONTROLS = str.maketrans("", "", "\t\n\r")
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


def check_text(value: str, *field: str | int, longest: int = 200, lines: bool = False, stored: bool = False) -> str:
    """Return `value` if it can be stored, shown and exported as it is; raise Invalid otherwise.

    With `stored`, characters that only stored text may have are accepted: the caller compares `value` with the stored text
    and calls `refuse_unprintable` if it is new.
    """
    check_length(value, longest, *field)
    _refuse(_NEVER_STORED if stored else _UNPRINTABLE, value, field)
    if not lines:
        _refuse(_LINE_END, value, field)
    return value


def strip_controls(value: str) -> str:
    """Return one line of text without its control characters; every other character stays as it is."""
    return _NEVER_STORED.sub("", value).translate(_WHITE_CONTROLS)


def refuse_unprintable(value: str, *field: str | int) -> None:
    """Raise Invalid if a new text has a control character, a private-use character or a noncharacter."""
    _refuse(_UNPRINTABLE, value, field)


def _refuse(characters: re.Pattern[str], value: str, field: tuple[str | int, ...]) -> None:
    if wrong := characters.search(value):
        message = f"Remove the {_kind(wrong[0])} U+{ord(wrong[0]):04X} at position {wrong.start() + 1:,}."
        raise Invalid("unprintable", message, *field)


def _kind(character: str) -> str:
    if character in "\n\r":
        return "line break"
    kinds = {"Cc": "control character", "Co": "private-use character", "Cs": "lone surrogate"}
    return kinds.get(unicodedata.category(character), "noncharacter")


def check_not_blank(value: str, *field: str | int, longest: int = 200, stored: bool = False) -> str:
    """Return a text that must say something; see `check_text` for `stored`."""
    check_length(value, longest, *field)
    if not value.strip():
        raise Invalid("blank", "Enter at least one character that is not a space.", *field)
    return check_text(value, *field, longest=longest, stored=stored)


def check_reference(value: str, *field: str | int, stored: bool = False) -> str:
    """Return a name that a thing is called by: one line, no space at its ends, and not to be taken for an id.

    See `check_text` for `stored`.
    """
    check_not_blank(value, *field, stored=stored)
    if value != value.strip() or "\t" in value:
        raise Invalid("space_at_end", "Leave out tabs, and spaces before and after.", *field)
    if _ID.fullmatch(value):
        raise Invalid("looks_like_an_id", "Choose a name that does not look like an id.", *field)
    return value


def check_number_format(value: str, *field: str | int) -> str:
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


def never_collide(one: str, other: str) -> bool:
    """Whether no number of one format is ever one of the other: they begin or end differently, whatever the digits."""
    ends = [(NUMBER_PART.split(format)[0], NUMBER_PART.split(format)[-1]) for format in (one, other)]
    (head, tail), (other_head, other_tail) = ends
    same_heads = head.startswith(other_head) or other_head.startswith(head)
    same_tails = tail.endswith(other_tail) or other_tail.endswith(tail)
    return not (same_heads and same_tails)


def fold_for_search(value: str, *field: str | int) -> str:
    """Fold case and accents away, for search: `Café Ångström` is found by `cafe ang`. Raises Invalid for a longer text."""
    check_length(value, LONGEST_FOLDED, *field)
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
