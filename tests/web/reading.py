"""What is read off a page's text or the database: words, hidden fields, rows as they are now, queries a page takes."""

import re
from html import unescape
from typing import Any, TypeVar

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select
from sqlalchemy.orm import Session

from tests.web.pages import statements

T = TypeVar("T", bound=Any)


def queries_of(app: Flask, client: FlaskClient, url: str) -> int:
    """How many statements a page takes, once everything is warm."""
    client.get(url)
    with statements(app) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


def hidden(text: str, name: str) -> str:
    """The value of a hidden field."""
    tag = next(tag for tag in re.findall(r"<input[^>]*>", text) if f'name="{name}"' in tag and "hidden" in tag)
    found = re.search(r'value="([^"]*)"', tag)
    assert found is not None
    return unescape(found[1])


def words(text: str) -> str:
    """What people read in the main part: without tags, spaces joined."""
    main = text.partition('<main id="main"')[2] or text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main.partition(">")[2])).split())


def fresh(session: Session, query: Select[T]) -> list[T]:
    """The rows as they are stored now, whatever the session remembers."""
    session.rollback()
    return list(session.scalars(query.execution_options(populate_existing=True)))
