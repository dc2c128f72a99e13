"""Deadlines for exchanges with servers."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Timer


@contextmanager
def shut_down_after(connection: socket.socket, seconds: float) -> Iterator[Event]:
    """Shut a connection down after so many seconds.

    A socket's own timeout would start again with each received byte. Yields an event that is set when that has
    happened.
    """
    timed_out = Event()
    with closing(connection.dup()) as duplicate:  # a TLS socket takes over the original

        def end() -> None:
            timed_out.set()
            with suppress(OSError):
                duplicate.shutdown(socket.SHUT_RDWR)

        timer = Timer(max(0, seconds), end)
        timer.start()
        try:
            yield timed_out
        finally:
            timer.cancel()
            timer.join()
