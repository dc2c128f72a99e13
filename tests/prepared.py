"""Rows that many tests of a module begin with: made once, and put back for each further test."""

import io
import os
import pickle
import time
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, NamedTuple, Protocol, TypeVar

import time_machine
from flask import Flask, has_app_context
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.orm import Session

T = TypeVar("T")

# A browser that is signed in, or a token, must not be older than the limits on its age.
MOST_SECONDS = 15 * 60


class PreparedDatabase(Protocol):
    """The database of the running test, which can be saved and put back."""

    app: Flask
    preparations: "Preparations"

    def save(self) -> Any:
        """Return the rows that are stored now."""

    def put_back(self, rows: Any) -> None:
        """Replace all rows by saved ones."""

    def signature(self) -> object:
        """Return a value that differs once something was written; None where it is not known."""


class Saved(NamedTuple):
    """The rows after a fixture, its value, and when it was made, in seconds."""

    rows: Any
    value: bytes
    made: float


class Preparations:
    """What the fixtures marked `prepared` have made on one database."""

    def __init__(self) -> None:
        self.saved: dict[tuple[Any, ...], Saved] = {}
        self.begin(None)

    def begin(self, signature: object) -> None:
        """Start a test on a database as the migrations left it."""
        self.applied: tuple[Any, ...] = ()
        self.signature = signature


class _Current:
    database: PreparedDatabase


def use(database: PreparedDatabase) -> None:
    """Prepare the rows of the coming test on this database."""
    _Current.database = database
    database.preparations.begin(database.signature())


def prepared(fixture: Callable[..., T]) -> Callable[..., T]:
    """Make the rows of a fixture once per module and database; later tests get a copy of them and of its value.

    The fixture must depend on nothing but the rows of other prepared fixtures, and must make all rows that it needs: what
    others have written before is an error. Its value may hold models, clients, the application and the session.
    """

    @wraps(fixture)
    def make(**arguments: Any) -> T:
        database, preparations = _Current.database, _Current.database.preparations
        if preparations.signature != database.signature():
            raise AssertionError(f"{fixture.__name__} is prepared, but comes after rows of a fixture that is not")
        module = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]
        travelled = int(time.time() // 60) if time_machine.escape_hatch.is_travelling() else None
        key = preparations.applied = (*preparations.applied, (module, fixture.__qualname__, travelled))
        saved = preparations.saved.get(key)
        if saved and time.perf_counter() - saved.made < MOST_SECONDS:
            _end_read()
            database.put_back(saved.rows)
            value: T = _load(saved.value, database.app)
        else:
            value = fixture(**arguments)
            content = _dump(value)
            _end_read()
            preparations.saved[key] = Saved(database.save(), content, time.perf_counter())
        preparations.signature = database.signature()
        return value

    return make


def _end_read() -> None:
    from billing_admin.db.engine import db  # noqa: PLC0415 - as in tests.conftest

    if has_app_context():
        db.session.rollback()


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> tuple[str, Any] | None:
        if isinstance(value, Flask):
            return "app", None
        if isinstance(value, Session):
            return "session", None
        if isinstance(value, FlaskClient):
            return "client", value._cookies
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, app: Flask) -> None:
        super().__init__(io.BytesIO(content))
        self._app = app

    def persistent_load(self, key: tuple[str, Any]) -> Any:
        from billing_admin.db.engine import db  # noqa: PLC0415 - as in tests.conftest

        kind, cookies = key
        if kind == "app":
            return self._app
        if kind == "session":
            return db.session()
        client = self._app.test_client()
        client._cookies = dict(cookies or {})
        return client


def _dump(value: object) -> bytes:
    content = io.BytesIO()
    _Pickler(content).dump(value)
    return content.getvalue()


# Models that are unpickled now; SQLAlchemy takes milliseconds to add and remove a listener of all models.
_unpickled: list[Any] = []


@cache
def _listen() -> None:
    from billing_admin.models import Base  # noqa: PLC0415 - as in tests.conftest

    event.listen(Base, "unpickle", lambda instance, _state: _unpickled.append(instance), propagate=True)


def _load(content: bytes, app: Flask) -> Any:
    """Return the value, its models attached to the session of the test if it has one."""
    from billing_admin.db.engine import db  # noqa: PLC0415 - as in tests.conftest

    _listen()
    _unpickled.clear()
    value = _Unpickler(content, app).load()
    if has_app_context():
        db.session.add_all(_unpickled)
    _unpickled.clear()
    return value
