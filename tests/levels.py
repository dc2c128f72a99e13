"""Levels of the test suite: every test runs in `make test`, except long campaigns, which `make test-deep` runs as well.

`make test-deep` tries a part of each campaign, in minutes; with `FULL=1` it tries all of it, in hours.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

FULL = os.environ.get("FULL") == "1"

# Folders whose subject is text, layout, format, HTTP or a rule that no database decides.
ONE_DATABASE = (
    "tests/api/",
    "tests/background/",
    "tests/cli/",
    "tests/client/",
    "tests/formats/",
    "tests/guards/",
    "tests/http/",
    "tests/life/test_machine.py",
    "tests/operations/",
    "tests/queries/test_doctor.py",
    "tests/web/",
)
# Files of these folders with acts that race, lock, claim or write many rows: the database matters to each test.
BOTH_DATABASES = tuple(
    f"tests/operations/test_{name}.py"
    for name in (
        "accounts",
        "audit",
        "billing_runs",
        "charges",
        "credit_notes",
        "deliveries",
        "drafts",
        "duplicates",
        "imports",
        "invoices",
        "jobs",
        "outbox",
        "payments",
        "refunds",
        "reminder_runs",
        "send_documents",
        "voids",
    )
)


def rounds(count: int) -> list[Any]:
    """Return the rounds of a repeated test: the first in every run, two more in `make test-deep`, all with `FULL=1`."""
    return [0, *(pytest.param(number, marks=pytest.mark.deep) for number in range(1, count if FULL else min(count, 3)))]


def samples(every: int, deep: int = 1) -> pytest.MarkDecorator:
    """Run a test with `step` = `every`, for `sample`, in each run, and with a smaller one in `make test-deep`.

    That is an eighth of `every`, and `deep`, usually all items, with `FULL=1`.
    """
    step = deep if FULL else max(deep, every // 8)
    return pytest.mark.parametrize(
        "step", [pytest.param(every, id="sample"), pytest.param(step, id="many", marks=pytest.mark.deep)]
    )


def sample(items: Iterable[T], step: int) -> Sequence[T]:
    """Return every `step`-th item, the first included."""
    return list(items)[::step]


def mark_levels(items: Sequence[pytest.Item], whole_files: bool = True) -> None:
    """Mark what belongs into `make test-deep` alone.

    In the folders of ONE_DATABASE that is each test on PostgreSQL, unless its file is one of BOTH_DATABASES or it is marked
    `both_databases`; of other tests it is every case on PostgreSQL but the first. Of a test with `quick_cases` it is each
    case whose id begins with none of them. With `whole_files`, each must be the beginning of an id.
    """
    matched: dict[tuple[str, str], bool] = {}
    on_postgresql: set[str] = set()
    for item in items:
        call = getattr(item, "callspec", None)
        backend = call and call.params.get("backend")
        name = item.nodeid.partition("[")[0]
        if call and (marker := item.get_closest_marker("quick_cases")):
            for quick in marker.args:
                matched[name, quick] = matched.get((name, quick), False) or call.id.startswith(quick)
            if not call.id.startswith(marker.args):
                item.add_marker(pytest.mark.deep)
        elif backend == "postgresql" and not item.get_closest_marker("deep"):
            if not _is_for_both_databases(item) or name in on_postgresql:
                item.add_marker(pytest.mark.deep)
            on_postgresql.add(name)
    if whole_files and (wrong := [key for key, is_matched in matched.items() if not is_matched]):
        raise pytest.UsageError(f"No case begins as `quick_cases` says: {wrong}")


def _is_for_both_databases(item: pytest.Item) -> bool:
    """Return whether the database matters to a test."""
    place = item.nodeid.partition("::")[0]
    is_marked = item.get_closest_marker("both_databases") is not None
    return is_marked or place in BOTH_DATABASES or not place.startswith(ONE_DATABASE)


def mark_full_cases(items: Sequence[pytest.Item]) -> None:
    """Mark as full most cases on PostgreSQL where the database does not matter; call it before `mark_levels`.

    `make test-deep` repeats the first case of each test, but not the many samples.
    """
    names = {item.nodeid for item in items}
    repeated: set[str] = set()
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        is_repeated = parameters.get("backend") == "postgresql" and item.nodeid.replace("postgresql", "sqlite") in names
        if not is_repeated or _is_for_both_databases(item):
            continue
        name = item.nodeid.partition("[")[0]
        is_many = "step" in parameters and item.get_closest_marker("deep")
        if is_many or name in repeated:
            item.add_marker(pytest.mark.full)
        else:
            repeated.add(name)


def mark_browser_cases(items: Sequence[pytest.Item]) -> None:
    """Mark as deep all but the first case of each test in the browser: other widths, without JavaScript, other inputs."""
    names: set[str] = set()
    for item in items:
        name, _, case = item.nodeid.partition("[")
        if case and name.startswith("tests/browser/") and not item.get_closest_marker("deep"):
            if name in names:
                item.add_marker(pytest.mark.deep)
            names.add(name)
