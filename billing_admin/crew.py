"""Several processes share a piece of work: while one's database is busy, another computes.

Of one process's threads only one at a time runs Python, and on SQLite only one process at a time writes. The others come from a
server that has loaded the work's module and nothing else, so that none inherits a connection; it is started when first wanted.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import structlog
from flask import Flask, current_app

from billing_admin.config import Settings
from billing_admin.database import db, glance, init_database, transaction
from billing_admin.database_errors import cause, unavailable
from billing_admin.domain.errors import DomainError
from billing_admin.garbage import settle
from billing_admin.logs import init_logs

# How many others: on PostgreSQL one computes, one's database is busy, and one is ready for either.
BESIDE = {"postgresql": 2, "sqlite": 1}
MUCH = 8  # pieces; for fewer it takes too long until others are there
_log = structlog.get_logger(__name__)

# `database.transaction`, or what behaves like it.
Transact: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hand:
    """One of those who share a piece of work: how it writes, and which of how many parts is its own.

    On SQLite a writer keeps all others waiting: who is not alone there looks ahead, with `look`, which runs work on a session
    that reads, and then only writes what it found, if that still holds.
    """

    transact: Transact
    look: Callable[..., Any] | None = None
    number: int = 0
    of: int = 1


# What is shared: a function of a module, that does what waits in the hand's part until nothing does, and what it is about.
Work: TypeAlias = Callable[..., None]
# Who does it: `alone` or `side_by_side`.
Crew: TypeAlias = Callable[..., None]


def alone(transact: Transact, _pieces: int, work: Work, *about: Any) -> None:
    """Have nobody else share the work."""
    work(Hand(transact), *about)


def side_by_side(transact: Transact, pieces: int, work: Work, *about: Any) -> None:
    """Have other processes share the work if it is much, and see to it that all is done.

    What stops one of them is noted: its pieces still wait, and stop us as well when we come to them. When our part is done, or we
    are stopped, or killed, they end with the piece that they are at: only we say how far it is, and hear when to stop.
    """
    if pieces >= MUCH:
        of = 1 + BESIDE[db.engine.dialect.name]
        with _others(of, work, about):
            work(_hand(transact, 0, of), *about)
    work(Hand(transact), *about)


def _hand(transact: Transact, number: int, of: int) -> Hand:
    return Hand(transact, glance if db.engine.dialect.name == "sqlite" else None, number, of)


@contextmanager
def _others(of: int, work: Work, about: tuple[Any, ...]) -> Iterator[None]:
    """Others at work, for as long as we hold the lines to them; at the end they have ended."""
    settings: Settings = current_app.extensions["billing_settings"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])
    with ExitStack() as ended, ExitStack() as lines:
        for number in range(1, of):
            ours, theirs = context.Pipe()
            lines.enter_context(closing(ours))
            process = context.Process(target=_help, args=(settings, theirs, number, of, work, about), daemon=True)
            try:
                with closing(theirs):
                    process.start()
            except (OSError, EOFError) as error:
                _log.warning("no_hand", work=work.__name__, error=repr(error))
                break
            ended.callback(process.join)
        yield


def _help(settings: Settings, line: Connection, number: int, of: int, work: Work, about: tuple[Any, ...]) -> None:
    """What another process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is at the keyboard means the one that they started
    if _hung_up(line):
        return
    init_logs()
    settle()
    app = Flask("billing_admin")
    init_database(app, settings)

    def transact(*what: Any, **how: Any) -> Any:
        if _hung_up(line):
            sys.exit()
        return transaction(*what, **how)

    with app.app_context():
        try:
            work(_hand(transact, number, of), *about)
        except Exception as error:  # noqa: BLE001 - told by whoever comes to the same
            expected = isinstance(error, DomainError) or unavailable(error)
            _log.warning("hand_stopped", work=work.__name__, error=cause(error), exc_info=not expected)


def _hung_up(line: Connection) -> bool:
    return line.poll()  # nobody ever sends anything
