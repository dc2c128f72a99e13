"""Transactions of requests that may meet a locked account.

They wait for a limited time, in a limited number of threads.

A billing run locks the accounts that it bills. Requests to these accounts wait for a moment, and are then answered with 503
and Retry-After. They never occupy more than half of the threads of a process, nor of its database connections, so that
requests to other accounts are answered meanwhile.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from flask import current_app
from sqlalchemy.exc import DBAPIError

from billing_admin.concurrency.waiter_limit import TooManyWaiters, WaiterLimit
from billing_admin.config import Settings
from billing_admin.db.errors import AccountsLocked, is_lock_timeout
from billing_admin.db.transactions import Session, limit_lock_waits, transaction

# PostgreSQL waits twice for a row: for the first place in the row's queue, then for its lock. Each wait may take so long.
FIRST_WAIT_SECONDS: Final = 0.2  # longer than most transactions hold a lock: ordinary contention needs no slot
WAIT_SECONDS: Final = 1.75  # twice this, and the answer still comes within 5 seconds
THREADS: Final = 4  # of a server process, as `flask start` and the shipped units start it
PATIENCE_SECONDS: Final = 0.1

P = ParamSpec("P")
T = TypeVar("T")
Runner = Callable[..., Any]


def bounded_transaction(work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work(session, …)` as `transaction` does.

    Raise AccountsLocked if locks are not free in time.
    """
    return run_bounded(transaction, lambda session: work(session, *args, **kwargs))


def run_bounded(run: Runner, work: Callable[[Session], T], account: str | None = None) -> T:
    """Run work by `run`, such as `transaction` or `dry_run`.

    Raise AccountsLocked if locks are not free in time.

    `account` names the account, if the work needs only one: while others wait for it, the work joins them at once.
    """
    settings: Settings = current_app.extensions["billing_settings"]
    usable_threads = min(THREADS, settings.pool_size)  # the others wait for a connection
    limit: WaiterLimit = current_app.extensions.setdefault(
        "billing_lock_waits", WaiterLimit(usable_threads // 2, PATIENCE_SECONDS)
    )
    if account is None or not limit.is_waited_for(account):
        with suppress(AccountsLocked):
            return _run(run, work, FIRST_WAIT_SECONDS * usable_threads / THREADS)
    try:
        with limit.slot(account):
            return _run(run, work, WAIT_SECONDS)
    except TooManyWaiters as error:
        raise AccountsLocked from error


def _run(run: Runner, work: Callable[[Session], T], seconds: float) -> T:
    def limited(session: Session) -> T:
        limit_lock_waits(session, seconds)
        return work(session)

    try:
        value: T = run(limited)
    except DBAPIError as error:
        if is_lock_timeout(error):
            raise AccountsLocked from error
        raise
    return value
