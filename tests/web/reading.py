"""Rows as they are stored now, and how many queries a page takes."""

from typing import Any, TypeVar

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select
from sqlalchemy.orm import Session

from tests.web.pages import statements

T = TypeVar("T", bound=Any)


def queries_of(app: Flask, client: FlaskClient, url: str) -> int:
    """Return how many statements a page takes, once everything is warm."""
    client.get(url)
    with statements(app) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


def fresh(session: Session, query: Select[T]) -> list[T]:
    """Return the rows as they are stored now, whatever the session remembers."""
    session.rollback()
    return list(session.scalars(query.execution_options(populate_existing=True)))
