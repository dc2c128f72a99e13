"""Words and forms that code and texts do not use, and where they stand: `python -m tests.language.words [PATH …]`.

Names are nouns and verbs of the field, and sentences name their subject (docs/glossary.md, docs/development.md).
"""

import ast
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.language.texts import ROOT, Text, all_texts

CODE = ("billing_admin", "client")
MAX_SUMMARY = 80  # characters of the first line of a docstring
MAX_WHAT_RATE = 2  # per 1,000 words
# Local names and arguments that do not say what they hold.
VAGUE_NAMES = frozenset(
    "one ones found said made asked given told kept own rest beside what how wanted others other meant taken left seen"
    " looked instead besides house who more some few nothing put brought gone come stands ground hand bell crew".split()
)
# Columns, and fields of the API and the client, whose names do not change.
CONTRACT_NAMES = frozenset(
    {
        "billing_admin/api/routes/numbers.py: given",
        "billing_admin/models/imports.py: made",
        "billing_admin/models/job.py: asked",
        "billing_admin/models/payment.py: asked",
        "billing_admin/queries/invoices/numbers.py: given",
        "client/billing_client/answers.py: given",
    }
)
# Words of interface texts that are archaic, private metaphors, or of no help to the reader.
UNPLAIN_WORDS = frozenset(
    "anew beside besides bell brought crew gone hand house invalid lane lately let lets meanwhile mend mended mends"
    " nobody ours perhaps please somebody stand stands stranger theirs thereof told untold whoever whom".split()
)
# Letters to customers, which are courteous.
LETTERS = "billing_admin/domain/built_in_texts.py"
# These are terms, and names of exceptions.
TERMS = re.compile(r"\bRaises \w+|\bby[ _]hand\b|\bhand over\b|\bon hand\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
# A sentence that begins with a pronoun and asks nothing has no subject.
SUBJECTLESS = re.compile(r"^(who|whoever|what|whatever|those who|else)\b(?!.*\?$)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+")


def unplain(text: Text) -> Iterator[str]:
    """Yield the reasons why an interface text is not plain."""
    words = TERMS.sub("", text.words)
    unplain_words = UNPLAIN_WORDS - {"please"} if text.path == LETTERS else UNPLAIN_WORDS
    yield from (word for word in _WORD.findall(words) if word.lower() in unplain_words)
    for sentence in _SENTENCE_END.split(text.words):
        if SUBJECTLESS.match(sentence.strip()):
            yield f"no subject: {sentence[:60]}"


def unplain_texts() -> list[str]:
    """Return every interface text that is not plain, with the reason."""
    return [
        f"{text.path}:{text.line}: {reason}: {text.words[:120]}" for text in all_texts() for reason in unplain(text)
    ]


def vague_names(path: Path) -> Iterator[str]:
    """Yield the local names and arguments of a module that do not say what they hold."""
    for node in ast.walk(_tree(path)):
        stored = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None
        name = node.arg if isinstance(node, ast.arg) else stored
        if name is not None and name.strip("_") in VAGUE_NAMES and f"{_place(path)}: {name}" not in CONTRACT_NAMES:
            yield f"{_place(path)}:{node.lineno}: vague name: {name}"  # type: ignore[attr-defined]


def subjectless_sentences(path: Path) -> Iterator[str]:
    """Yield the sentences of docstrings and comments that begin with a pronoun in place of their subject."""
    for line, prose in _prose(path):
        for sentence in _SENTENCE_END.split(prose):
            if SUBJECTLESS.match(sentence.strip()):
                yield f"{_place(path)}:{line}: no subject: {' '.join(sentence.split())[:100]}"


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _prose(path: Path) -> list[tuple[int, str]]:
    """Return the docstrings and comments of a module, with the line of each."""
    documented = (
        node
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )
    docstrings = ((node.body[0].lineno, ast.get_docstring(node)) for node in documented if node.body)
    with path.open(encoding="utf-8") as source:
        comments = [
            (token.start[0], token.string.lstrip("# "))
            for token in tokenize.generate_tokens(source.readline)
            if token.type == tokenize.COMMENT
        ]
    return [(line, docstring) for line, docstring in docstrings if docstring] + comments


def what_rate(paths: Iterable[Path]) -> float:
    """Return how often "what", which stands where a noun is missing, occurs per 1,000 words of docstrings and comments."""
    words = [word for path in paths for _, prose in _prose(path) for word in prose.split()]
    return 1000 * sum(word.strip("(“\"'.,:;?!)”").lower() == "what" for word in words) / max(1, len(words))


def long_summaries(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module whose first line is too long."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            if len(summary) > MAX_SUMMARY:
                yield f"{_place(path)}:{node.body[0].lineno}: {len(summary)} characters: {summary}"


def modules_in(paths: Iterable[Path]) -> list[Path]:
    """Return the Python modules among files and in folders."""
    return [module for path in paths for module in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]


def _place(path: Path) -> str:
    return path.resolve().relative_to(ROOT).as_posix()


def main() -> int:
    """Print each finding of the paths named, or of all code and texts; return 1 if there is any."""
    named = [Path(argument).resolve() for argument in sys.argv[1:]]
    modules = [path for path in modules_in(named or [ROOT / folder for folder in CODE]) if path.suffix == ".py"]
    checks = (vague_names, subjectless_sentences, long_summaries)
    findings = [finding for check in checks for path in modules for finding in check(path)]
    if not named and (rate := what_rate(modules)) >= MAX_WHAT_RATE:
        findings.append(f"“what” occurs {rate:.1f} times per 1,000 words, and may {MAX_WHAT_RATE} times")
    prefixes = tuple(path.relative_to(ROOT).as_posix() for path in named)
    findings += [finding for finding in unplain_texts() if not prefixes or finding.startswith(prefixes)]
    print(*findings, sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
