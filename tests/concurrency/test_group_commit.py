"""Group commit: calls that arrive together share a transaction, and each gets its own result."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from billing_admin.concurrency import group_commit
from billing_admin.concurrency.group_commit import Failure, GroupCommit, Result, Success

Group = GroupCommit[list[str], str, str]


class Refused(Exception):
    """The error of one request."""


class Deadlock(Exception):
    """The error for which a transaction is run again."""


class Broken(Exception):
    """The error of a database that cannot be used."""


class Database:
    """A database whose only content is a list: a transaction that raises changes nothing, a deadlock is tried again."""

    def __init__(self) -> None:
        self.committed: list[str] = []

    def transaction(self, work: Callable[..., Any], *args: Any) -> Any:
        while True:
            session = list(self.committed)
            try:
                value = work(session, *args)
            except Deadlock:
                continue
            self.committed = session
            return value


class Desk:
    """Work that notes each group; the first group waits until the test lets it go on."""

    def __init__(self) -> None:
        self.database = Database()
        self.groups: list[list[str]] = []
        self.first_group_began, self.go_on = Event(), Event()

    def work(self, session: list[str], requests: Sequence[str]) -> list[Result[str]]:
        self.groups.append(list(requests))
        if len(self.groups) == 1:
            self.first_group_began.set()
            assert self.go_on.wait(20)
        session.extend(requests)
        if "breaks" in requests:
            raise RuntimeError("breaks")
        return [
            Failure(Refused(f"{request} is bad")) if request.startswith("bad") else Success(request.upper())
            for request in requests
        ]

    def committed(self) -> str:
        return "".join(self.database.committed)


@pytest.fixture
def desk() -> Desk:
    """The work of a test."""
    return Desk()


@pytest.fixture
def group(desk: Desk) -> Group:
    """A group commit for that work."""
    return GroupCommit(desk.work, desk.database.transaction)


@contextmanager
def callers(group: Group) -> Iterator[Callable[[str], Future[str]]]:
    """Make each call in a thread of its own."""
    with ThreadPoolExecutor(16) as threads:
        yield lambda request: threads.submit(group, request)


def call_together(
    desk: Desk, group: Group, call: Callable[[str], Future[str]], first: str, *others: str
) -> list[Future[str]]:
    """Queue the other requests, in their order, while the first is at work; then let it go on."""
    futures = [call(first)]
    assert desk.first_group_began.wait(20)
    for place, request in enumerate(others, 1):
        futures.append(call(request))
        while len(group._queue) < place:
            Event().wait(0.001)
    desk.go_on.set()
    return futures


def test_a_single_caller_is_served_at_once(desk: Desk, group: Group) -> None:
    desk.go_on.set()
    assert [group("one"), group("two")] == ["ONE", "TWO"]
    assert desk.groups == [["one"], ["two"]]
    assert desk.committed() == "onetwo"


def test_calls_that_arrive_during_a_transaction_share_the_next_one(desk: Desk, group: Group) -> None:
    with callers(group) as call:
        futures = call_together(desk, group, call, "a", "b", "c", "d")
        assert [future.result(20) for future in futures] == ["A", "B", "C", "D"]
    assert desk.groups == [["a"], ["b", "c", "d"]]
    assert desk.committed() == "abcd"


def test_a_failure_is_raised_to_its_caller_only(desk: Desk, group: Group) -> None:
    with callers(group) as call:
        first, bad, good, worse = call_together(desk, group, call, "a", "bad1", "c", "bad2")
        assert (first.result(20), good.result(20)) == ("A", "C")
        for refused, name in ((bad, "bad1"), (worse, "bad2")):
            with pytest.raises(Refused, match=f"{name} is bad"):
                refused.result(20)
    assert desk.groups == [["a"], ["bad1", "c", "bad2"]]


def test_the_calls_of_a_group_that_raises_are_retried_one_by_one(desk: Desk, group: Group) -> None:
    with callers(group) as call:
        first, good, broken, other = call_together(desk, group, call, "a", "b", "breaks", "d")
        assert [future.result(20) for future in (first, good, other)] == ["A", "B", "D"]
        with pytest.raises(RuntimeError, match="breaks"):
            broken.result(20)
    assert desk.groups[1] == ["b", "breaks", "d"]
    assert sorted(desk.groups[2:]) == [["b"], ["breaks"], ["d"]]
    assert sorted(desk.committed()) == ["a", "b", "d"]


def test_a_failure_during_a_retry_is_raised(desk: Desk, group: Group) -> None:
    with callers(group) as call:
        _, bad, broken = call_together(desk, group, call, "a", "bad", "breaks")
        with pytest.raises(Refused, match="bad is bad"):
            bad.result(20)
        with pytest.raises(RuntimeError, match="breaks"):
            broken.result(20)


def test_a_single_call_that_raises_is_not_retried(desk: Desk, group: Group) -> None:
    desk.go_on.set()
    with pytest.raises(RuntimeError, match="breaks"):
        group("breaks")
    assert desk.groups == [["breaks"]]
    assert group("next") == "NEXT"
    assert desk.committed() == "next"


def assert_second_group_gets(error: type[Exception], desk: Desk, group: Group) -> None:
    """The first caller gets its value, the others get the error."""
    with callers(group) as call:
        first, *others = call_together(desk, group, call, "a", "b", "c")
        assert first.result(20) == "A"
        for future in others:
            with pytest.raises(error):
                future.result(20)


def test_all_callers_get_the_error_if_no_transaction_can_begin(desk: Desk) -> None:
    database_is_up = True

    def transaction(*arguments: Any) -> Any:
        if desk.groups and database_is_up is False:
            raise Broken
        return desk.database.transaction(*arguments)

    group = GroupCommit(desk.work, transaction)
    with callers(group) as call:
        first = call("a")
        assert desk.first_group_began.wait(20)
        others = [call("b"), call("c")]
        while len(group._queue) < 2:
            Event().wait(0.001)
        database_is_up = False
        desk.go_on.set()
        assert first.result(20) == "A"
        for future in others:
            with pytest.raises(Broken):
                future.result(20)
    database_is_up = True
    assert group("later") == "LATER"


def test_if_the_commit_fails_all_callers_get_the_error_and_nothing_is_retried(desk: Desk) -> None:
    """The connection may have broken after the database had committed: a retry could do the work twice."""

    def transaction(work: Any, *arguments: Any) -> Any:
        is_first = not desk.groups
        value = desk.database.transaction(work, *arguments)
        if is_first:
            return value
        raise Broken

    assert_second_group_gets(Broken, desk, GroupCommit(desk.work, transaction))
    assert desk.groups == [["a"], ["b", "c"]]
    assert desk.committed() == "abc"


def test_a_second_attempt_runs_each_request_once(desk: Desk) -> None:
    """When the database reports a deadlock, the transaction runs the group again."""
    desk.go_on.set()
    attempts = []

    def work(session: list[str], requests: Sequence[str]) -> list[Result[str]]:
        attempts.append(list(requests))
        if len(attempts) == 1:
            raise Deadlock
        return desk.work(session, requests)

    assert GroupCommit(work, desk.database.transaction)("a") == "A"
    assert attempts == [["a"], ["a"]]
    assert desk.committed() == "a"


def test_a_group_waits_for_as_many_calls_as_last_time(
    desk: Desk, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients send their next request as soon as they are answered: the first need not go alone."""
    with callers(group) as call:
        for future in call_together(desk, group, call, "a", "b", "c"):
            future.result(20)
        monkeypatch.setattr(group_commit, "GATHER_SECONDS", 20)
        futures = [call(request) for request in ("d", "e")]
        assert [future.result(20) for future in futures] == ["D", "E"]
    assert [sorted(names) for names in desk.groups] == [["a"], ["b", "c"], ["d", "e"]]


def test_a_group_waits_only_once_for_calls_that_do_not_come(
    desk: Desk, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    with callers(group) as call:
        for future in call_together(desk, group, call, "a", "b", "c"):
            future.result(20)
    assert group("d") == "D"
    monkeypatch.setattr(group_commit, "GATHER_SECONDS", 20)
    started = time.monotonic()
    assert group("e") == "E"
    assert time.monotonic() - started < 10
    assert desk.groups == [["a"], ["b", "c"], ["d"], ["e"]]
