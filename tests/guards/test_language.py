"""Names, docstrings, comments and texts follow docs/glossary.md and docs/development.md."""

import pytest

from tests.language.texts import ROOT, Text
from tests.language.words import CODE, modules_in, subjectless_sentences, unplain, unplain_texts, vague_names, what_rate

MODULES = modules_in([ROOT / folder for folder in CODE])


def test_names_say_what_they_hold() -> None:
    assert [finding for path in MODULES for finding in vague_names(path)] == []


def test_sentences_have_a_subject() -> None:
    assert [finding for path in MODULES for finding in subjectless_sentences(path)] == []


def test_texts_are_plain() -> None:
    assert unplain_texts() == []


def test_prose_uses_nouns() -> None:
    assert what_rate(MODULES) < 2


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
