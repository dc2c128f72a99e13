"""The rules of `tests.language.words`, which `make lint` checks in all code and texts."""

from pathlib import Path

import pytest

from tests.language.texts import Text
from tests.language.words import long_summaries, subjectless_sentences, unplain, vague_names, what_rate

MODULE = """\"\"\"What this module does is written in more words than the eighty that a first line may have.\"\"\"

# Who calls waits.
found = 1
"""


def test_names_comments_and_docstrings_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.language.words.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    assert list(vague_names(path)) == ["module.py:4: vague name: found"]
    assert [line.partition(": no")[0] for line in subjectless_sentences(path)] == ["module.py:1", "module.py:3"]
    assert [line.partition(": ")[0] for line in long_summaries(path)] == ["module.py:1"]
    assert what_rate([path]) == pytest.approx(1000 / 21)


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
