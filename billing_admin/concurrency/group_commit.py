"""Group commit: calls that arrive together share one transaction.

A commit and a round trip to the database take as long for ten calls as for one. While one thread runs a transaction, the
calls of other threads queue; the next transaction takes all of them. Clients that send their next request as soon as they
are answered arrive a moment apart: the leader of a group waits a few milliseconds for as many calls as last time. A single
caller is not delayed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Any, Generic, TypeAlias, TypeVar

GATHER_SECONDS = 0.005  # about the time of a transaction for several calls

Request = TypeVar("Request")
Value = TypeVar("Value")
Session = TypeVar("Session")


@dataclass(frozen=True, slots=True)
class Success(Generic[Value]):
    """The value that one call returns."""

    value: Value


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that one call raises; the group's other calls are not affected."""

    error: BaseException


Result: TypeAlias = Success[Value] | Failure


class _Call(Generic[Request, Value]):
    """A queued call.

    `wake_up` is released when the call has a result, must retry alone, or is to lead the next group.
    """

    __slots__ = ("done", "request", "result", "retry_alone", "wake_up")

    result: Result[Value]

    def __init__(self, request: Request) -> None:
        self.request = request
        self.done = self.retry_alone = False
        self.wake_up = Lock()
        self.wake_up.acquire()

    def finish(self, result: Result[Value]) -> None:
        self.result, self.done = result, True
        self.wake_up.release()

    def finish_without_result(self) -> None:
        self.retry_alone = self.done = True
        self.wake_up.release()


class GroupCommit(Generic[Session, Request, Value]):
    """Runs `work` for the requests of several threads in one transaction.

    `work` returns a result for each request.

    If `work` raises, each request is retried in a transaction of its own, so that no caller gets the error of another. If
    the commit fails, it may have succeeded on the server: every caller gets the error, and nothing is retried.

    `work` must not block on row locks: it would delay unrelated callers of the same group.
    """

    def __init__(
        self,
        work: Callable[[Session, Sequence[Request]], Sequence[Result[Value]]],
        transaction: Callable[..., Any],
    ) -> None:
        self._work = work
        self._transaction = transaction
        self._state = Condition()
        self._queue: list[_Call[Request, Value]] = []
        self._expected = 1  # calls that the next group waits for
        self._has_leader = False

    def __call__(self, request: Request) -> Value:
        """Run the request in a group, and return its value or raise its error."""
        call = _Call[Request, Value](request)
        if not self._becomes_leader(call):
            call.wake_up.acquire()
        if not call.done:
            self._lead_group()
        result = self._transaction(self._work, [request])[0] if call.retry_alone else call.result
        if isinstance(result, Failure):
            raise result.error
        return result.value

    def _becomes_leader(self, call: _Call[Request, Value]) -> bool:
        """Queue a call, and return whether its thread leads the next group.

        It does if no other thread does.
        """
        with self._state:
            self._queue.append(call)
            if self._group_is_complete():
                self._state.notify()
            is_leader, self._has_leader = not self._has_leader, True
            return is_leader

    def _group_is_complete(self) -> bool:
        return len(self._queue) >= self._expected

    def _gather(self) -> None:
        with self._state:
            self._state.wait_for(self._group_is_complete, GATHER_SECONDS)

    def _take_queue(self) -> list[_Call[Request, Value]]:
        with self._state:
            calls, self._queue = self._queue, []
            return calls

    def _hand_over(self, group_size: int) -> None:
        """Wake up the first call in the queue to lead the next group."""
        with self._state:
            self._expected = group_size + len(self._queue)
            self._has_leader = bool(self._queue)
            if self._queue:
                self._queue[0].wake_up.release()

    def _lead_group(self) -> None:
        group: list[_Call[Request, Value]] = []
        work_is_done = False

        def work(session: Session) -> list[Result[Value]]:
            nonlocal work_is_done
            work_is_done = False
            group.extend(self._take_queue())  # a second attempt takes the calls that arrived meanwhile along
            results = list(self._work(session, [call.request for call in group]))
            work_is_done = True  # from here on the commit may succeed on the server even if it raises
            return results

        try:
            self._gather()
            results = self._transaction(work)
        except BaseException as error:  # noqa: BLE001 - raised in the callers' threads
            retry_alone = not work_is_done and len(group) > 1 and isinstance(error, Exception)
            for call in group or self._take_queue():
                if retry_alone:
                    call.finish_without_result()
                else:
                    call.finish(Failure(error))
        else:
            for call, result in zip(group, results, strict=True):
                call.finish(result)
        finally:
            self._hand_over(len(group))
