"""The look of pages that each person chooses."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from billing_admin.domain.translation import Phrase


class Theme(StrEnum):
    """The colours of pages."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Density(StrEnum):
    """The height of the rows of tables."""

    DENSE = "dense"
    SPACIOUS = "spacious"


THEME_LABELS: Final[Mapping[str, str]] = {
    Theme.SYSTEM: Phrase("As on your device"),
    Theme.LIGHT: Phrase("Light"),
    Theme.DARK: Phrase("Dark"),
}
DENSITY_LABELS: Final[Mapping[str, str]] = {
    Density.DENSE: Phrase("Dense — More rows on a page"),
    Density.SPACIOUS: Phrase("Spacious — More space between rows"),
}
