"""The accent colour of documents, which must be readable on white paper."""

import re

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
# The least contrast of text, by WCAG 2.2, criterion 1.4.3.
MIN_CONTRAST = 4.5


def check_accent(value: str, field: str) -> str:
    """Return a colour as `#rrggbb` in lower case, or an empty text.

    Raises:
        Invalid: The text is no such colour, or the colour is too light for text on white.
    """
    colour = value.strip().lower()
    if not colour:
        return ""
    if not _COLOUR.fullmatch(colour):
        raise Invalid("not_a_colour", Phrase("Enter # and six digits or letters from a to f, such as #0b57d0."), field)
    contrast = contrast_on_white(colour)
    if contrast < MIN_CONTRAST:
        shown = int(contrast * 10) / 10  # rounded down: a contrast that is too low never reads as 4.5
        message = Phrase(
            "Use a darker colour: {colour} on white has a contrast of {shown}, but text needs {min_contrast}.",
            colour=colour,
            shown=shown,
            min_contrast=MIN_CONTRAST,
        )
        raise Invalid("too_light", message, field)
    return colour


def contrast_on_white(colour: str) -> float:
    """Return the contrast ratio of a colour on white, from 1 to 21 (WCAG 2.2)."""
    red, green, blue = (_linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
