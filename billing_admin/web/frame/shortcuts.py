"""The keyboard shortcuts of pages, as the help shows them."""

from collections.abc import Sequence
from typing import NamedTuple

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
            "Every page",
            [
                ("/", "Search, or name an act; choose with the arrow keys"),
                ("?", "Show keyboard shortcuts"),
                ("Esc", "Close keyboard shortcuts or search results"),
            ],
        ),
        ShortcutGroup(
            "lists",
            "Lists",
            [
                ("j", "Next row"),
                ("k", "Previous row"),
                ("x", "Select the row, or clear it"),
                ("Shift click", "Select the rows up to this one"),
                ("Enter", "Open the row"),
            ],
        ),
        ShortcutGroup("menu", "Go to", [(f"g {item.key}", item.label) for item in menu if item.key]),
    ]
