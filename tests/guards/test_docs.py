"""Documents name files that exist, and their prose wraps at 100 columns."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "client" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#([\w-]+))?\)")
_PATH = re.compile(r"`((?:billing_admin|benchmarks|client|deploy|docs|migrations|static|templates|tests)/[\w./-]*)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = _HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document, with their numbers, outside of code, tables, headings and pictures."""
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        in_code ^= line.lstrip().startswith("```")
        if not in_code and not line.startswith(("|", "#", "![")):
            yield number, line


@pytest.mark.parametrize("path", DOCS, ids=names)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in _LINK.findall(path.read_text(encoding="utf-8")):
        linked = (path.parent / target).resolve()
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("path", [path for path in DOCS if path.name != "CHANGELOG.md"], ids=names)
def test_paths_exist(path: Path) -> None:
    missing = [name for name in _PATH.findall(path.read_text(encoding="utf-8")) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCS, ids=names)
def test_prose_wraps(path: Path) -> None:
    longest_word = {number: max(map(len, line.split()), default=0) for number, line in prose(path)}
    assert [number for number, line in prose(path) if len(line) > 100 and longest_word[number] < 80] == []
