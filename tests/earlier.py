"""Text as earlier versions stored it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from billing_admin.domain import text

OLD = "Old \x96 text \uf0b7 here"
REFUSED = "Remove the control character U+0096 at position 5."


@contextmanager
def earlier_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accept the text that earlier versions accepted."""
    with monkeypatch.context() as patched:
        patched.setattr(text, "_UNPRINTABLE", text._NEVER_STORED)
        yield
