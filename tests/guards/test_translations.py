"""Texts are marked for translation, and the catalogues of translations fit to the texts."""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from billing_admin.domain.languages import ENGLISH, PAGE_LANGUAGES
from billing_admin.web.frame.labels import pluralise
from tests.language.messages import TEMPLATE, as_mo, as_po, collect, languages, po_path, read_catalogue, update
from tests.language.texts import JINJA, ROOT, Page

MARKS = {"Phrase", "plural"}
# `{{ count|pluralise("charge") }}` of templates and `pluralise(count, "charge")` of code.
COUNTED_NOUN = re.compile(r"pluralise\((?:[\w.()]+, )?[\"']([a-z][a-z -]*)[\"']\)")
# `%(name)s` of templates and `{name}` of code.
PLACEHOLDER = re.compile(r"%\(\w+\)s|(?<!{){\w+[^{}]*}(?!})")


# The rest of a template, without what is marked and without its Jinja parts, has no words but these.
UNMARKED_WORDS = {
    "billing-admin",
    "width=device-width, initial-scale=1",
    "light dark",
    'class="brand" href="">',  # the tag's name is an expression
    'class="select">',
}
# Read before any page is made.
WITHOUT_PAGES = {"mail_servers.py"}
MARKED_BLOCK = re.compile(r"{%-? trans\b.*?{%-? endtrans -?%}", re.DOTALL)
# Functions and classes whose texts people see, by name, and the place of the text among their arguments.
SPEAKERS = {"flash": 0, "Problem": 1} | dict.fromkeys(
    ("Invalid", "NotFound", "Conflict", "Stale", "Denied", "DomainError"), 1
)


def unmarked_template_texts(path: Path) -> Iterator[str]:
    """Yield the words of a template's HTML that are not marked."""
    source = MARKED_BLOCK.sub(lambda block: "\n" * block.group().count("\n"), path.read_text(encoding="utf-8"))
    page = Page()
    page.feed(JINJA.sub(lambda part: "\n" * part.group().count("\n"), source))
    page.close()
    yield from (f"{path.name}:{line}: {words}" for line, words in page.texts if words not in UNMARKED_WORDS)


def unmarked_code_texts(path: Path) -> Iterator[str]:
    """Yield the messages and labels of forms of a module that are plain strings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            place = 0 if name.endswith("Field") and path.is_relative_to(ROOT / "billing_admin" / "web") else None
            place = SPEAKERS.get(name, place)
            text = node.args[place] if place is not None and len(node.args) > place else None
            if isinstance(text, ast.JoinedStr) or (isinstance(text, ast.Constant) and text.value):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(text)[:80]}"


def calls_without_constant(path: Path) -> Iterator[str]:
    """Yield the marked texts of a module that are not constants, so that no catalogue can have them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            forms = node.args[: 2 if node.func.id == "plural" else 1]
            if not all(isinstance(form, ast.Constant) for form in forms):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the forms of a message: one, or one for each number."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def wrong_placeholders(message: Message) -> bool:
    """Return whether a form of a translation has a placeholder that the text does not have, or lacks one."""
    forms, translations = texts(message.id), [text for text in texts(message.string) if text]
    expected = {name for form in forms for name in PLACEHOLDER.findall(form)}
    required = set.intersection(*(set(PLACEHOLDER.findall(form)) for form in forms))
    return any(not required <= set(PLACEHOLDER.findall(text)) <= expected for text in translations)


def test_marked_texts_are_constants() -> None:
    modules = sorted((ROOT / "billing_admin").rglob("*.py"))
    ours = [path for path in modules if path.name != "translation.py"]
    assert [place for path in ours for place in calls_without_constant(path)] == []


def test_texts_of_templates_are_marked() -> None:
    templates = sorted((ROOT / "templates").rglob("*.html"))
    assert [text for path in templates for text in unmarked_template_texts(path)] == []


def test_messages_and_labels_are_marked() -> None:
    folders = ("domain", "operations", "queries", "web")
    modules = [path for folder in folders for path in sorted((ROOT / "billing_admin" / folder).rglob("*.py"))]
    modules = [path for path in modules if path.name not in WITHOUT_PAGES]
    assert [text for path in modules for text in unmarked_code_texts(path)] == []


def test_counted_nouns_have_both_forms() -> None:
    sources = [*sorted((ROOT / "templates").rglob("*.html")), *sorted((ROOT / "billing_admin" / "web").rglob("*.py"))]
    nouns = {noun for path in sources for noun in COUNTED_NOUN.findall(path.read_text(encoding="utf-8"))}
    for noun in nouns:
        assert pluralise(1, noun) == f"1 {noun}"


def test_template_has_every_text() -> None:
    """`make messages` writes it."""
    assert TEMPLATE.read_bytes() == as_po(template())


@cache
def template() -> Catalog:
    """Return the catalogue of all marked texts."""
    return collect()


@pytest.mark.parametrize("language", languages())
def test_catalogue_has_every_text(language: str) -> None:
    """`make messages` adds new texts, and compiles the catalogue."""
    catalog = read_catalogue(language)
    update(catalog, template())
    assert po_path(language).read_bytes() == as_po(catalog)
    assert po_path(language).with_suffix(".mo").read_bytes() == as_mo(catalog)


@pytest.mark.parametrize("language", languages())
def test_translations_keep_the_placeholders(language: str) -> None:
    assert [message.id for message in read_catalogue(language) if message.id and wrong_placeholders(message)] == []


def test_places_have_plain_names() -> None:
    """Values are stored as texts and numbers, which have no attributes when they are read back."""
    forms = [text for message in template() if message.id for text in texts(message.id)]
    assert [form for form in forms if re.search(r"{\w+[.\[]", form)] == []


@pytest.mark.parametrize("language", [language for language in PAGE_LANGUAGES if language != ENGLISH])
def test_offered_languages_are_complete(language: str) -> None:
    assert [message.id for message in read_catalogue(language) if not all(texts(message.string))] == []


@pytest.mark.parametrize(
    ("text", "translation", "is_wrong"),
    [
        ("Use {first:,} or later.", "Ab {first:,}.", False),
        ("Use {first} or later.", "Ab {erster}.", True),
        ("%(count)s of %(total)s", "%(total)s", True),
        (("{count} charge of {day}", "{count} charges of {day}"), ("{count} Posten", "{count} Posten vom {day}"), True),
        (("One charge", "{count} charges"), ("Ein Posten", "{count} Posten"), False),
        ("Use {{braces}}.", "Klammern: {{braces}}.", False),
    ],
)
def test_wrong_placeholders_are_found(text: str, translation: str, is_wrong: bool) -> None:
    assert wrong_placeholders(Message(text, translation)) is is_wrong
