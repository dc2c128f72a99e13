"""Collect every text that a person reads: pages, messages, command-line output, API descriptions, client errors.

`make texts` writes them into `texts.txt`, one a line with its place, to be read through.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
PACKAGES = (ROOT / "billing_admin", ROOT / "client" / "billing_client")
# Docstrings that are shown to people: of commands as their help, of API routes and fields in the OpenAPI document.
SHOWN_DOCSTRINGS = ("billing_admin/cli/", "billing_admin/api/")
SPOKEN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title", "content"}
JINJA = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}", re.DOTALL)
_JINJA_STRING = re.compile(r"(\b_\()?(?:\"([^\"\n]*)\"|'([^'\n]*)')")
_SENTENCE = re.compile(r"[A-Z“][^\s]*\s+\S|[a-z]+ [a-z]+.*[.:?!]$")
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|WITH|COPY|SET|FROM|WHERE|LOCK)\b")


@dataclass(frozen=True, slots=True)
class Text:
    """A text and where it stands; `path` is relative to the project's root."""

    path: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.words}"


class Page(HTMLParser):
    """Collect the text nodes and the spoken attributes of a template without its Jinja parts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[tuple[int, str]] = []

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if re.search(r"[A-Za-z]{2}", words):
            leading = data[: len(data) - len(data.lstrip())]
            self.texts.append((self.getpos()[0] + leading.count("\n"), words))

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in SPOKEN_ATTRIBUTES and value and " " in value.strip():
                self.texts.append((self.getpos()[0], value))


def template_texts(path: Path) -> Iterator[Text]:
    """Yield the texts of a template: those of its HTML, and the sentences among its Jinja strings."""
    source = path.read_text(encoding="utf-8")
    place = path.relative_to(ROOT).as_posix()
    page = Page()
    page.feed(
        JINJA.sub(lambda part: "\n" * part.group().count("\n") + ("…" if part.group()[1] == "{" else " "), source)
    )
    page.close()
    yield from (Text(place, line, words) for line, words in page.texts)
    for part in JINJA.finditer(source):
        line = source.count("\n", 0, part.start()) + 1
        for mark, double, single in _JINJA_STRING.findall(part.group()):
            words = double or single
            if (mark or " " in words.strip()) and re.search(r"[a-z]{2}", words):
                yield Text(place, line, words)


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(map(str, parts))
    return None


def _docstrings(tree: ast.Module) -> set[int]:
    """Return the identity of every docstring's node, the strings below fields included."""
    owners = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    return {id(part.value) for owner in owners for part in owner.body if isinstance(part, ast.Expr)}


def python_texts(path: Path) -> Iterator[Text]:
    """Yield the sentences among the string literals of a module, and its docstrings where people are shown these."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(ROOT).as_posix()
    docstrings = _docstrings(tree)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr) or id(node) in parts:
            continue
        words = _literal(node)
        if words is None or (id(node) in docstrings and not place.startswith(SHOWN_DOCSTRINGS)):
            continue
        words = " ".join(words.split())
        if _SENTENCE.search(words) and not _SQL.search(words):
            yield Text(place, node.lineno, words)


def all_texts() -> list[Text]:
    """Return every text that a person reads, by file and line."""
    found = [text for path in sorted(TEMPLATES.rglob("*.html")) for text in template_texts(path)]
    for package in PACKAGES:
        found += [text for path in sorted(package.rglob("*.py")) for text in python_texts(path)]
    return sorted(found, key=lambda text: (text.path, text.line))


def main() -> None:
    """Write the texts to the file named on the command line, or to standard output."""
    lines = "".join(f"{text}\n" for text in all_texts())
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(lines, encoding="utf-8")
    else:
        sys.stdout.write(lines)


if __name__ == "__main__":
    main()
