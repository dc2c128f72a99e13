"""Checks of texts from people and scripts.

A text is stored exactly as entered, or refused.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase

# C0 controls except tab and line ends, DEL, and lone surrogates: no stored text has one.
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff"
# C1 controls, private use and noncharacters: refused in new texts; texts stored by earlier versions may have them.
_ONLY_STORED = "\x80-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 15)
)
_NEVER_STORED = re.compile(f"[{_CONTROLS}]")
_UNPRINTABLE = re.compile(f"[{_CONTROLS}{_ONLY_STORED}]")
_LINE_END = re.compile("[\n\r]")
# Unicode's line and paragraph separators.
_SEPARATORS = re.compile("[\u2028\u2029]")
_WHITE_CONTROLS = str.maketrans("", "", "\t\n\r")
# A placeholder in a number format: its name and, as in `{number:5}`, the minimum number of digits.
NUMBER_PART = re.compile(r"{(year|month|number)(?::([1-9]))?}", re.ASCII)
_NUMBER_WORDS = re.compile(r"[A-Za-z0-9./_-]{0,30}", re.ASCII)
_NOT_IN_FILE_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_MAX_NUMBER_FORMAT = 60  # thirty characters and the three placeholders
# Characters. Forms, API fields and operations take their limits from here and from the objects' modules.
MAX_LINE_LENGTH = 200  # of a text without a limit of its own
MAX_REASON_LENGTH = 500  # of the reason that a person gives for an act
LONGEST_FOLDED = 1_000  # longer than every text that can be searched


def check_length(value: str, longest: int, *field: str | int) -> None:
    """Raise Invalid if a text is too long.

    Call this before all other work on a text: Unicode normalisation takes quadratic time.
    """
    if len(value) > longest:
        raise Invalid("too_long", Phrase("Use at most {longest:,} characters.", longest=longest), *field)


def check_text(
    value: str, *field: str | int, longest: int = MAX_LINE_LENGTH, lines: bool = False, stored: bool = False
) -> str:
    """Return a text that can be stored, shown and exported unchanged.

    `lines` allows line breaks. `stored` allows characters that only texts of earlier versions have:
    the caller compares `value` with the stored text and calls `refuse_unprintable` if it is new.

    Raises:
        Invalid: The text is too long, or has a character that is not allowed.
    """
    check_length(value, longest, *field)
    _refuse(_NEVER_STORED if stored else _UNPRINTABLE, value, field)
    if not lines:
        _refuse(_LINE_END, value, field)
    return value


def strip_controls(value: str) -> str:
    """Return one line of text without its control characters."""
    return _NEVER_STORED.sub("", value).translate(_WHITE_CONTROLS)


def file_stem(text: str) -> str:
    """Return a number or reference as a part of a file name on any system."""
    return _NOT_IN_FILE_NAMES.sub("-", text)


def refuse_unprintable(value: str, *field: str | int) -> None:
    """Check that a new text has only characters that can be printed.

    Raises:
        Invalid: The text has a control character, a private-use character or a noncharacter.
    """
    _refuse(_UNPRINTABLE, value, field)


def refuse_separators(value: str, *field: str | int) -> None:
    """Check that a new text has LF for each line break, or none.

    Raises:
        Invalid: The text has a line or paragraph separator of Unicode, which looks like a space or breaks the line.
    """
    _refuse(_SEPARATORS, value, field)


def _refuse(characters: re.Pattern[str], value: str, field: tuple[str | int, ...]) -> None:
    if match := characters.search(value):
        message = Phrase(
            "Remove the {kind} U+{ord:04X} at position {start:,}.",
            kind=_kind(match[0]),
            ord=ord(match[0]),
            start=match.start() + 1,
        )
        raise Invalid("unprintable", message, *field)


def _kind(character: str) -> str:
    if character in "\n\r":
        return Phrase("line break")
    kinds = {
        "Cc": Phrase("control character"),
        "Co": Phrase("private-use character"),
        "Cs": Phrase("lone surrogate"),
        "Zl": Phrase("line separator"),
        "Zp": Phrase("paragraph separator"),
    }
    return kinds.get(unicodedata.category(character), Phrase("noncharacter"))


def strip_unprintable(value: str) -> str:
    """Return a text without the characters that `check_text` refuses in new texts.

    Line breaks stay.
    """
    return _UNPRINTABLE.sub("", value)


# The noun of the value of a field, with its article.
_NOUNS: Mapping[str | int, str] = {
    "code": Phrase("a code"),
    "description": Phrase("a description"),
    "exempt_note": Phrase("a note"),
    "export_note": Phrase("a note"),
    "intra_community_note": Phrase("a note"),
    "legal_name": Phrase("the legal name"),
    "metadata": Phrase("a name for each value of the metadata"),
    "name": Phrase("a name"),
    "reason": Phrase("a reason"),
    "reference": Phrase("a reference"),
    "reverse_charge_note": Phrase("a note"),
    "url": Phrase("an address"),
}


def _noun(field: tuple[str | int, ...]) -> str:
    return next((_NOUNS[part] for part in reversed(field) if part in _NOUNS), Phrase("a value"))


def check_not_blank(value: str, *field: str | int, longest: int = MAX_LINE_LENGTH, stored: bool = False) -> str:
    """Return a text that is not blank.

    See `check_text` for `stored`.

    Raises:
        Invalid: The text is blank, or `check_text` refuses it.
    """
    check_length(value, longest, *field)
    if not value.strip():
        raise Invalid("blank", Phrase("Enter {noun}.", noun=_noun(field)), *field)
    return check_text(value, *field, longest=longest, stored=stored)


def check_reference(value: str, *field: str | int, stored: bool = False) -> str:
    """Return a reference or code.

    See `check_text` for `stored`.

    Raises:
        Invalid: The text is not one line, has tabs or spaces at its ends, or looks like a UUID.
    """
    check_not_blank(value, *field, stored=stored)
    if value != value.strip() or "\t" in value:
        raise Invalid("space_at_end", Phrase("Remove tabs, and spaces at the beginning and end."), *field)
    if _ID.fullmatch(value):
        raise Invalid("looks_like_an_id", Phrase("Choose a name that does not look like an ID."), *field)
    return value


def check_number_format(value: str, *field: str | int) -> str:
    """Return the format of a number series, such as `INV-{year}-{number:5}`.

    `{year}` and `{number}` occur once each, `{month}` at most once. The year is mandatory, because
    each year has its own series. `{number:5}` has at least five digits.

    Raises:
        Invalid: The text is not such a format.
    """
    bounded = value if len(value) <= _MAX_NUMBER_FORMAT else ""  # an empty text is refused below
    placeholders = [name for name, _ in NUMBER_PART.findall(bounded)]
    literals = NUMBER_PART.sub("", bounded)
    allowed = (["number", "year"], ["month", "number", "year"])
    if sorted(placeholders) not in allowed or not _NUMBER_WORDS.fullmatch(literals):
        message = Phrase("Use letters, digits and - . / _ with {year} and {number:5}, such as INV-{year}-{number:5}.")
        raise Invalid("not_a_format", message, *field)
    if re.search(r"}{", value):
        raise Invalid("not_a_format", Phrase("Put a character, such as a hyphen, between the parts in braces."), *field)
    return value


def never_collide(format: str, other_format: str) -> bool:
    """Return whether two formats can never make the same number.

    Such formats begin or end differently.
    """
    head, *_, tail = NUMBER_PART.split(format)
    other_head, *_, other_tail = NUMBER_PART.split(other_format)
    same_heads = head.startswith(other_head) or other_head.startswith(head)
    same_tails = tail.endswith(other_tail) or other_tail.endswith(tail)
    return not (same_heads and same_tails)


def may_be_in_number(text: str) -> bool:
    """Return whether the number of a document can contain a text."""
    return _NUMBER_WORDS.fullmatch(text) is not None


# Letters that Unicode does not decompose, as they are sorted in most of Europe.
_BASE_LETTERS = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ĳ": "ij",
        **dict(zip("łøđðħıŋŧƒ", "loddhintf", strict=True)),
    }
)
_APOSTROPHES = frozenset("'’‘ʼ`´")


def fold_for_search(value: str, *field: str | int) -> str:
    """Return a text without case and accents, for searches.

    For example, `cafe ang` finds `Café Ångström`.

    Raises:
        Invalid: The text is longer than every text that can be searched.
    """
    check_length(value, LONGEST_FOLDED, *field)
    return _fold(value)


def _fold(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def fold_texts(values: Iterable[str]) -> str:
    """Join texts for searches, without case, accents and line breaks.

    A text that is given twice occurs once.
    """
    return _fold(" ".join(dict.fromkeys(" ".join(value.split()) for value in values if value)))


def sort_key(name: str) -> str:
    """Return the key by which lists sort a name, the same on both databases.

    Case, accents and punctuation do not count: Ç is sorted as C, Ł as L, Ö as O, ß as ss.
    """
    decomposed = unicodedata.normalize("NFKD", name).casefold().translate(_BASE_LETTERS)
    folded = unicodedata.normalize("NFKD", decomposed)
    letters = "".join(c for c in folded if not unicodedata.combining(c) and c not in _APOSTROPHES)
    words = "".join(c if c.isalnum() else " " for c in letters).split()
    return " ".join(words) or folded
