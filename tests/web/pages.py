"""What the tests of pages look at: text without markup, forms, links, and how many statements a page takes."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from billing_admin.db.engine import db


def words(response: TestResponse) -> str:
    """The text of a page's main part, as it is read."""
    main = response.text.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    text = html.unescape(re.sub(r"<[^>]+>", " ", main))
    return re.sub(r"\s+", " ", text).replace(" ,", ",").replace(" .", ".").strip()


def field(response: TestResponse, name: str) -> str:
    """The value of an input."""
    found = re.search(rf'<input[^>]*\bname="{name}"[^>]*>', response.text)
    assert found, name
    value = re.search(r'value="([^"]*)"', found[0])
    return html.unescape(value[1]) if value else ""


def fields(response: TestResponse, name: str) -> list[str]:
    """The values of all inputs of a name."""
    found = re.findall(rf'<input[^>]*\bname="{name}"[^>]*>', response.text)
    return [html.unescape(re.search(r'value="([^"]*)"', one)[1]) for one in found]  # type: ignore[index]


def textarea(response: TestResponse, name: str) -> str:
    """The text in a textarea."""
    element = re.search(rf'<textarea[^>]*\bname="{name}"[^>]*>(?:\r\n)?(.*?)</textarea>', response.text, re.DOTALL)
    assert element, name
    return html.unescape(element[1]).replace("\r\n", "\n")


def link(response: TestResponse, label: str) -> str:
    """The address of the link of this label."""
    for href, text in re.findall(r'<a\b[^>]*href="([^"]*)"[^>]*>(.*?)</a>', response.text, re.DOTALL):
        if re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text)).strip() == label:
            return html.unescape(href)
    raise AssertionError(f"no link “{label}”")


def has_link(response: TestResponse, label: str) -> bool:
    """Whether there is one."""
    try:
        return bool(link(response, label))
    except AssertionError:
        return False


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The SQL that is sent meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
