"""A limit on the threads of a process that wait for something slow.

The others stay free for other work.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic


class TooManyWaiters(Exception):
    """All slots are taken by threads that have waited for long."""


class WaiterLimit:
    """Slots for waiting threads; without slots, nobody waits.

    A thread that finds no free slot waits for one, but gives up as soon as a thread in a slot has waited for `patience`
    seconds. Waits that end quickly therefore refuse no thread.
    """

    def __init__(self, slots: int, patience: float) -> None:
        self._slots = slots
        self._patience = patience
        self._changed = Condition()
        self._waiters: list[tuple[float, Hashable]] = []  # when each began to wait, and for which key; oldest first

    @contextmanager
    def slot(self, key: Hashable = None) -> Iterator[None]:
        """Hold a slot during the block, which waits for `key`.

        Raises TooManyWaiters.
        """
        waiter = self._take(key)
        try:
            yield
        finally:
            with self._changed:
                self._waiters.remove(waiter)
                self._changed.notify()

    def is_waited_for(self, key: Hashable) -> bool:
        """Whether a thread in a slot waits for the key."""
        with self._changed:
            return any(waited_for == key for _, waited_for in self._waiters)

    def _take(self, key: Hashable) -> tuple[float, Hashable]:
        if not self._slots:
            raise TooManyWaiters
        with self._changed:
            while len(self._waiters) >= self._slots:
                since, _ = self._waiters[0]
                remaining = since + self._patience - monotonic()
                if remaining <= 0:
                    raise TooManyWaiters
                self._changed.wait(remaining)
            waiter = (monotonic(), key)
            self._waiters.append(waiter)
            return waiter
