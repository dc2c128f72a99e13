"""The look of pages that each person chooses."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


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
    Theme.SYSTEM: "As on your device",
    Theme.LIGHT: "Light",
    Theme.DARK: "Dark",
}
DENSITY_LABELS: Final[Mapping[str, str]] = {
    Density.DENSE: "Dense — More rows on a page",
    Density.SPACIOUS: "Spacious — More space between rows",
}
