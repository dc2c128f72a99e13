"""Only so many threads wait for something slow; quick waits refuse no thread."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from time import monotonic

import pytest

from billing_admin.concurrency.waiter_limit import TooManyWaiters, WaiterLimit


@contextmanager
def taken(limit: WaiterLimit, *keys: str) -> Iterator[None]:
    """Hold a slot for each key."""
    with ExitStack() as slots:
        for key in keys:
            slots.enter_context(limit.slot(key))
        yield


def test_a_free_slot_is_taken_at_once_and_given_back() -> None:
    limit = WaiterLimit(2, patience=0)
    for _ in range(5):
        with taken(limit, "a", "b"):
            pass


def test_a_slot_is_given_back_when_the_wait_fails() -> None:
    limit = WaiterLimit(1, patience=0)
    with pytest.raises(ValueError, match="failed"), limit.slot():
        raise ValueError("failed")
    with limit.slot():
        pass


def test_a_thread_without_a_slot_is_refused_once_others_have_waited_for_long() -> None:
    limit = WaiterLimit(2, patience=0)
    with taken(limit, "a", "b"), pytest.raises(TooManyWaiters), limit.slot("c"):
        pass


def test_nobody_waits_without_slots() -> None:
    with pytest.raises(TooManyWaiters), WaiterLimit(0, patience=20).slot():
        pass


def test_a_thread_without_a_slot_waits_while_others_have_not_waited_for_long() -> None:
    limit, patience = WaiterLimit(1, patience=0.2), 0.2
    with taken(limit, "a"):
        started = monotonic()
        with pytest.raises(TooManyWaiters), limit.slot("b"):
            pass
        assert patience / 2 < monotonic() - started < 10
        started = monotonic()
        with pytest.raises(TooManyWaiters), limit.slot("b"):
            pass
        assert monotonic() - started < patience


def test_a_thread_gets_the_slot_that_another_gives_back() -> None:
    limit, go_on, waits = WaiterLimit(1, patience=20), Event(), Event()

    def hold() -> None:
        with limit.slot("a"):
            waits.set()
            assert go_on.wait(20)

    def take() -> bool:
        with limit.slot("b"):
            return limit.is_waited_for("b") and not limit.is_waited_for("a")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(hold)
        assert waits.wait(20)
        second = threads.submit(take)
        go_on.set()
        assert second.result(20)
        first.result(20)


def test_a_key_is_waited_for_while_a_thread_holds_a_slot_for_it() -> None:
    limit = WaiterLimit(2, patience=0)
    with taken(limit, "a"):
        assert limit.is_waited_for("a")
        assert not limit.is_waited_for("b")
    assert not limit.is_waited_for("a")
