"""A receiver of webhooks on loopback, which does as it is told: answers, stalls, cuts, floods."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[["Request", socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@dataclass(frozen=True)
class Request:
    """What came."""

    line: str
    headers: dict[str, str]
    body: bytes


def saying(answer: bytes) -> Answer:
    """Answer these bytes."""
    return lambda _request, line: line.sendall(answer)


def status(code: int, text: str = "") -> Answer:
    """Answer a status and a text."""
    body = text.encode()
    return saying(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%b" % (code, len(body), body))


@dataclass
class Receiver:
    """What came so far; `answer` is what is done with each request."""

    port: int
    answer: Answer = field(default=saying(OK))
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    def handle(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            line.settimeout(30)
            request = _read(line)
            if request is None:
                return
            with self._lock:
                self.requests.append(request)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                self.answer(request, line)
            finally:
                with self._lock:
                    self._at_once -= 1


def _read(line: socket.socket) -> Request | None:
    read = b""
    while b"\r\n\r\n" not in read:
        piece = line.recv(65536)
        if not piece:
            return None
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(part.split(": ", 1) for part in rest)
    while len(body) < int(headers["Content-Length"]):
        body += line.recv(65536)
    return Request(first, headers, body)


@contextmanager
def receiving(wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[Receiver]:
    """A receiver that listens; `wrap` makes TLS of a connection."""
    server = socket.create_server(("127.0.0.1", 0), backlog=100)
    receiver = Receiver(server.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                threading.Thread(target=greet, args=(line,), daemon=True).start()

    def greet(line: socket.socket) -> None:
        with suppress(OSError):
            receiver.handle(wrap(line) if wrap else line)
        line.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
