"""What no template may hold: unescaped text, inline script or style, another host, a form without its token."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*"))
CODE = sorted((ROOT / "billing_admin" / "web").rglob("*.py"))

FORBIDDEN = {
    "unescaped text": r"\|\s*safe\b|\bMarkup\b|\{%-?\s*autoescape\s+false",
    "an inline handler": r"<[^>]*\son[a-z]+\s*=",
    "an inline style": r"<style\b|<[^>]*\sstyle\s*=",
    "an inline script": r"<script(?![^>]*\ssrc=)|javascript:",
    "another host": r"(?:src|href|action|srcset|content|url)\s*[=(]\s*[\"']?(?:https?:)?//",
    "a number in a fixed format": r"\{:,",  # the filters know the organisation's number format
    "an unquoted attribute": r"<[a-z][^<>{}]*\s[a-z-]+=\{\{",
}

MAX_LINE_LENGTH = 140
CODE_IN_TEXT = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
STYLES = "".join((ROOT / "static" / name).read_text() for name in ("billing.css", "vendor/tabler.min.css"))


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".html"], ids=names)
def test_holds_none(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert {
        what: match[0] for what, pattern in FORBIDDEN.items() if (match := re.search(pattern, text, re.IGNORECASE))
    } == {}


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".html"], ids=names)
def test_every_form_that_posts_has_its_token(path: Path) -> None:
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(), re.IGNORECASE | re.DOTALL)
    assert [form for form in forms if "csrf()" not in form] == []


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".html"], ids=names)
def test_every_line_fits_on_a_screen(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE_LENGTH] == []


# The rows of one record, such as the charges on a line; the accounts of a preview are not a query.
OTHER_TABLES_WITH_PAGES = {
    "templates/billing_runs/preview.html",
    "templates/invoices/line.html",
    "templates/recurring_charges/show.html",
}


def test_every_list_uses_the_macro() -> None:
    """Only `list_table` shows pages of rows: its columns, sorts and print view are the same everywhere."""
    own_pages = {names(path) for path in filter(Path.is_file, TEMPLATES) if "{{ pagination(" in path.read_text()}
    assert own_pages - {"templates/macros/tables.html"} == OTHER_TABLES_WITH_PAGES


def test_every_class_has_a_rule() -> None:
    """`tabler.min.css` holds only the rules that pages use: a class that is new to them may lack its rule."""
    rules = set(re.findall(r"\.(-?[A-Za-z_][\w-]*)", STYLES))
    for path in filter(Path.is_file, TEMPLATES):
        for name in class_names(path.read_text()):
            # A name that ends in a hyphen is the constant part of a joined one.
            assert name in rules or (name.endswith("-") and any(rule.startswith(name) for rule in rules)), names(path)


def class_names(template: str) -> list[str]:
    """Return the classes in a template: outside of Jinja's braces, and in texts inside of them."""
    values = re.findall(r'\bclass="((?:\{\{.*?\}\}|\{%.*?%\}|[^"{])*)"', template, re.DOTALL)
    in_code = [
        text for value in values for code in CODE_IN_TEXT.findall(value) for text in re.findall(r'"([\w -]*)"', code)
    ]
    return " ".join([*(CODE_IN_TEXT.sub(" ", value) for value in values), *in_code]).split()


def test_only_names_that_jinja_escapes() -> None:
    assert {path.suffix for path in TEMPLATES if path.is_file()} <= {".html", ".md"}


@pytest.mark.parametrize("path", CODE, ids=names)
def test_views_make_no_html(path: Path) -> None:
    assert re.findall(r"\bMarkup\b|render_template_string|\|\s*safe\b", path.read_text()) == []


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize(
    "text",
    [
        "<p>{{ name }}</p>",
        '<a href="{{ url }}" class="x">on = y</a>',
        '<script src="{{ url_for("static") }}"></script>',
    ],
)
def test_lets_plain_markup_be(what: str, text: str) -> None:
    assert re.findall(FORBIDDEN[what], text, re.IGNORECASE) == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("unescaped text", "{{ name | safe }}"),
        ("an inline handler", '<a href="x" onclick="y">'),
        ("an inline style", '<p class="x" style="y">'),
        ("an inline script", "<script>x</script>"),
        ("another host", '<img src="//cdn.example/x.png">'),
        ("another host", "<link href='https://cdn.example/x.css'>"),
        ("a number in a fixed format", '{{ "{:,} rows".format(rows) }}'),
        ("an unquoted attribute", "<a class=x href={{ url }}>"),
    ],
)
def test_finds_what_it_looks_for(what: str, text: str) -> None:
    assert re.findall(FORBIDDEN[what], text, re.IGNORECASE)


@pytest.mark.parametrize("path", CODE, ids=names)
def test_views_write_numbers_in_the_chosen_format(path: Path) -> None:
    assert re.findall(r":,[df]?\}", path.read_text()) == []


COMMENT_OR_MACRO = re.compile(r"\{#.*?#\}|\{%-? macro(?:(?!\{%-? macro).)*?endmacro", re.DOTALL)


def outside_of_macros(text: str) -> str:
    shorter = COMMENT_OR_MACRO.sub("", text)
    return text if shorter == text else outside_of_macros(shorter)


def test_texts_of_macros_are_translated_for_each_reader() -> None:
    """Jinja keeps an imported template: its texts outside of macros would stay in the language of the first reader."""
    texts = {names(path): path.read_text() for path in TEMPLATES if path.suffix == ".html"}
    imported = {name: text for name, text in texts.items() if "{% extends" not in text and "{% macro" in text}
    called = {
        name: re.findall(r"\b(?:_|ngettext|pgettext)\(", outside_of_macros(text)) for name, text in imported.items()
    }
    assert {name: calls for name, calls in called.items() if calls} == {}
