"""Names, docstrings, comments and texts follow docs/glossary.md and docs/development.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.language.texts import ROOT, Text
from tests.language.words import CODE, modules_in, subjectless_sentences, unplain, unplain_texts, vague_names, what_rate

MODULES = modules_in([ROOT / folder for folder in CODE])
MAX_SUMMARY = 80


def long_summaries(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module whose first line has over 80 characters."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            if len(summary) > MAX_SUMMARY:
                yield f"{path.relative_to(ROOT)}:{node.body[0].lineno}: {len(summary)} characters: {summary}"


def test_names_say_what_they_hold() -> None:
    assert [finding for path in MODULES for finding in vague_names(path)] == []


def test_sentences_have_a_subject() -> None:
    assert [finding for path in MODULES for finding in subjectless_sentences(path)] == []


def test_texts_are_plain() -> None:
    assert unplain_texts() == []


def test_prose_uses_nouns() -> None:
    assert what_rate(MODULES) < 2


def test_docstrings_begin_with_a_short_line() -> None:
    assert [finding for path in MODULES for finding in long_summaries(path)] == []


@pytest.mark.parametrize(
    "text",
    [
        "The house decides.",
        "Who comes alone waits for nobody.",
        "Mend what errors names.",
        "What is paid since is not on it.",
    ],
)
def test_unplain_texts_are_found(text: str) -> None:
    assert list(unplain(Text("templates/x.html", 1, text)))


@pytest.mark.parametrize(
    "text", ["Choose a customer.", "Use one of EUR, USD.", "Who can read this?", "Enter it by hand."]
)
def test_plain_texts_pass(text: str) -> None:
    assert not list(unplain(Text("templates/x.html", 1, text)))
