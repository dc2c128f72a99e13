"""A server that answers from a list and records the requests."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "bil_only-for-tests"


@dataclass(frozen=True)
class Said:
    """A response. `cut` is the number of bytes after which the connection ends; `slow` is the pause before each byte."""

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str = "application/json"
    cut: int | None = None
    slow: float = 0
    silent: bool = False

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


@dataclass(frozen=True)
class Asked:
    """A recorded request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have disconnected."""


class StandIn:
    """Answers each request with the next of `answers`, and repeats the last."""

    def __init__(self) -> None:
        self.answers: list[Said] = []
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"stand_in": self}))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def says(self, *answers: Said) -> None:
        """Set the next responses."""
        self.answers = list(answers)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandIn

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        stand_in, body = self.stand_in, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with stand_in.lock:
            stand_in.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            answer = stand_in.answers.pop(0) if len(stand_in.answers) > 1 else stand_in.answers[0]
        if not answer.silent:
            self._answer(answer)
        self.close_connection = answer.silent or answer.cut is not None

    do_POST = do_PATCH = do_GET  # noqa: N815 - the names that http.server looks for

    def _answer(self, answer: Said) -> None:
        self.send_response_only(answer.status)  # without a date, which a test may set
        for name, value in {"Content-Type": answer.type, **answer.headers}.items():
            self.send_header(name, value)
        if "Transfer-Encoding" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.slow:
            self._trickle(answer)
        else:
            self.wfile.write(answer.body[: answer.cut])

    def _trickle(self, answer: Said) -> None:
        for byte in answer.body:
            self.stand_in.ended.wait(answer.slow)
            self.wfile.write(bytes([byte]))


def problem(status: int, code: str, **headers: str) -> Said:
    """Return a problem document as a response."""
    content = {"status": status, "code": code, "detail": "No.", "instance": "request-1", "errors": []}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, content, named, "application/problem+json")


CHARGE: dict[str, Any] = {
    "id": "3135f216-5533-4c18-882a-f96c09cfc73c",
    "customer": "ACME",
    "service": None,
    "description": "Work",
    "quantity": "1",
    "unit_price": None,
    "amount": "0.10",
    "tax_included": False,
    "currency": "EUR",
    "incurred_on": "2026-11-22",
    "metadata": {"cluster": "7"},
    "status": "pending",
    "created_at": "2026-11-22T09:30:00.123456Z",
    "created_by": "meter",
    "invoice": None,
    "late": False,
    "replaces": None,
    "replaced_by": None,
    "possible_duplicate_of": [],
    "period_from": None,
    "period_to": None,
    "period_of_days": None,
    "purchase_order": "",
}
