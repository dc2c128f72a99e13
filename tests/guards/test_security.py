"""`docs/security.md` names a test for each of its 48 checks, and each of these tests exists."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+) \|")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
OPEN = "open"


def rows() -> list[tuple[int, str]]:
    """Return the number and the tests of each row."""
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    return [(int(match[1]), match[3]) for line in lines if (match := ROW.fullmatch(line))]


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in a file."""
    return frozenset(re.findall(r"^def (test_\w+)\(", (ROOT / path).read_text(), re.MULTILINE))


def test_each_check_has_one_row() -> None:
    assert [number for number, _ in rows()] == list(range(1, 49))


def test_each_named_test_exists() -> None:
    for number, tests in rows():
        if tests != OPEN:
            named = TEST.findall(tests)
            assert ", ".join(f"`{path}::{name}`" for path, name in named) == tests, number
            assert [name for path, name in named if name not in names_in(path)] == [], number


def test_each_test_that_names_a_check_is_in_its_row() -> None:
    rows_by_number = dict(rows())
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name, number in re.findall(r"^def (test_check_(\d+)_\w+)", path.read_text(), re.MULTILINE):
            assert name in rows_by_number[int(number)], name
