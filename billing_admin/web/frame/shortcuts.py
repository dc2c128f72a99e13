"""The keyboard shortcuts of pages, as the help shows them."""

from collections.abc import Sequence
from typing import NamedTuple

from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.navigation import MenuItem


class ShortcutGroup(NamedTuple):
    """Shortcuts of one kind: the keys, and what they do."""

    name: str
    title: str
    keys: Sequence[tuple[str, str]]


def shortcut_groups(menu: Sequence[MenuItem]) -> list[ShortcutGroup]:
    """Return the shortcuts of a page, by group."""
    return [
        ShortcutGroup(
            "pages",
            Phrase("Every page"),
            [
                ("/", Phrase("Search, or name an act; choose with the arrow keys")),
                ("?", Phrase("Show keyboard shortcuts")),
                (Phrase("Esc"), Phrase("Close keyboard shortcuts or search results")),
            ],
        ),
        ShortcutGroup(
            "lists",
            Phrase("Lists"),
            [
                ("j", Phrase("Next row")),
                ("k", Phrase("Previous row")),
                ("x", Phrase("Select the row, or clear it")),
                (Phrase("Shift click"), Phrase("Select the rows up to this one")),
                (Phrase("Enter"), Phrase("Open the row")),
            ],
        ),
        ShortcutGroup("menu", Phrase("Go to"), [(f"g {item.key}", item.label) for item in menu if item.key]),
    ]
