"""Callers who ask for the same kind of work at the same moment share one transaction.

A commit, and the way to the database and back, take as long for one as for ten. So whoever finds nobody at work works for all
who wait by then, while those who come next gather. Scripts come again as soon as they are answered: as many as were there the
last time are waited for, a few milliseconds at most. Who comes alone waits for nobody.
"""

from collections.abc import Callable, Sequence
from threading import Condition, Lock
from typing import Any, Generic, TypeVar

from billing_admin.domain.errors import DomainError

GATHERING = 0.005  # seconds: about what a transaction of several takes

Asked = TypeVar("Asked")
Done = TypeVar("Done")
Session = TypeVar("Session")


class _Ticket(Generic[Asked, Done]):
    """What one caller asks for, and what came of it: an outcome, or that it failed together with others' and falls apart."""

    __slots__ = ("apart", "asked", "called", "outcome", "served")

    outcome: Done | BaseException

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.served = self.apart = False
        self.called = Lock()
        self.called.acquire()  # released when it is served, or when it is this caller's turn to work

    def serve(self, outcome: Done | BaseException) -> None:
        self.outcome, self.served = outcome, True
        self.called.release()

    def fall_apart(self) -> None:
        self.apart = self.served = True
        self.called.release()


class GroupCommit(Generic[Session, Asked, Done]):
    """Work on what many ask for, which tells what came of each: a result, or the error that is that caller's alone.

    What fails as a whole falls apart: each is then tried by itself, so that nobody bears another's fault. But if the commit
    itself fails, it may have gone through all the same: all are told, and nothing is tried again. Who waits for a lock makes the
    others wait, too: let the work not wait where strangers meet.
    """

    def __init__(
        self,
        work: Callable[[Session, Sequence[Asked]], Sequence[Done | DomainError]],
        transaction: Callable[..., Any],
    ) -> None:
        self._work = work
        self._transaction = transaction
        self._state = Condition()
        self._waiting: list[_Ticket[Asked, Done]] = []
        self._expected = 1
        self._someone_works = False

    def __call__(self, asked: Asked) -> Done:
        """Have it done, and return the result or raise the error."""
        ticket = _Ticket[Asked, Done](asked)
        if not self._finds_nobody_at_work(ticket):
            ticket.called.acquire()
        if not ticket.served:
            self._serve()
        outcome: Done | BaseException
        if ticket.apart:
            (outcome,) = self._transaction(self._work, [asked])
        else:
            outcome = ticket.outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _finds_nobody_at_work(self, ticket: _Ticket[Asked, Done]) -> bool:
        with self._state:
            self._waiting.append(ticket)
            if self._all_are_here():
                self._state.notify()
            first, self._someone_works = not self._someone_works, True
            return first

    def _all_are_here(self) -> bool:
        return len(self._waiting) >= self._expected

    def _gather(self) -> None:
        with self._state:
            self._state.wait_for(self._all_are_here, GATHERING)

    def _hand_over(self, served: int) -> None:
        with self._state:
            self._expected = served + len(self._waiting)
            self._someone_works = bool(self._waiting)
            if self._waiting:
                self._waiting[0].called.release()

    def _all_waiting(self) -> list[_Ticket[Asked, Done]]:
        with self._state:
            taken, self._waiting = self._waiting, []
            return taken

    def _serve(self) -> None:
        taken: list[_Ticket[Asked, Done]] = []
        undone = True

        def work(session: Session) -> list[tuple[_Ticket[Asked, Done], Done | DomainError]]:
            nonlocal undone
            undone = True
            taken.extend(self._all_waiting())  # with a second attempt come those who have come meanwhile
            outcomes = self._work(session, [ticket.asked for ticket in taken])
            served = list(zip(taken, outcomes, strict=True))
            undone = False  # from here on nobody but the database knows, should the commit fail
            return served

        try:
            self._gather()
            served = self._transaction(work)
        except BaseException as error:  # noqa: BLE001 - raised by whoever asked
            apart = undone and len(taken) > 1 and isinstance(error, Exception)
            for ticket in taken or self._all_waiting():
                ticket.fall_apart() if apart else ticket.serve(error)
        else:
            for ticket, outcome in served:
                ticket.serve(outcome)
        finally:
            self._hand_over(len(taken))
