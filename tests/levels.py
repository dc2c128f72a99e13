"""Levels of the test suite: every test runs in `make test`, except long campaigns, which `make test-deep` runs as well."""

from collections.abc import Iterable
from typing import Any

import pytest

# Folders whose subject is text, layout or format; operations, queries, API and faults test both databases each time.
ONE_DATABASE = ("tests/web/", "tests/cli/", "tests/formats/", "tests/background/")


def rounds(count: int) -> list[Any]:
    """Return the rounds of a repeated test: the first in every run, the others in `make test-deep`."""
    return [0, *(pytest.param(number, marks=pytest.mark.deep) for number in range(1, count))]


def mark_levels(items: Iterable[pytest.Item], root: str) -> None:
    """Mark as deep what repeats a test of text, layout or format on PostgreSQL; `both_databases` keeps it in each run."""
    for item in items:
        place = item.path.as_posix().removeprefix(f"{root}/")
        backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")  # type: ignore[attr-defined]
        if backend == "postgresql" and place.startswith(ONE_DATABASE) and not item.get_closest_marker("both_databases"):
            item.add_marker(pytest.mark.deep)
