"""A proxy that loses responses, cuts connections, delays, and answers 503, at random with a seed."""

import http.client
import socket
import threading
from collections import Counter
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self

PASS = "passes"
FATES = {
    PASS: 10,
    "eats the answer": 3,
    "cuts the answer": 2,
    "cuts the request": 2,
    "hangs up": 2,
    "delays": 2,
    "is busy": 1,
    "loses its server": 1,
}


class Proxy:
    """Forwards HTTP to `address` with a random fault for each request; `met` counts the faults."""

    def __init__(self, address: str, seed: int) -> None:
        self.host = address.removeprefix("http://")
        self.chance = Random(seed)
        self.lock = threading.Lock()
        self.met: Counter[str] = Counter()
        self.server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"proxy": self}))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def fate(self) -> tuple[str, float]:
        """Return the fault of the next request, and the part of the response that is sent."""
        with self.lock:
            [fate] = self.chance.choices(list(FATES), list(FATES.values()))
            self.met[fate] += 1
            return fate, self.chance.random()

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have disconnected."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate, part = self.proxy.fate()
        self.close_connection = fate not in {PASS, "delays", "is busy", "loses its server"}
        if fate == "cuts the request":
            self._forward_cut(body[: int(len(body) * part)], len(body))
        elif fate == "is busy":
            self._answer(429, b"", {"Retry-After": "0"})
        elif fate != "hangs up":
            self._forward(body, fate, part)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def _forward(self, body: bytes, fate: str, part: float) -> None:
        if fate == "delays":
            threading.Event().wait(part / 20)
        connection = http.client.HTTPConnection(self.proxy.host, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if fate == "loses its server":
            self._answer(502, b"<html>Bad gateway", {"Content-Type": "text/html"})
        elif fate != "eats the answer":
            self._answer(response.status, answer, response.headers, part if fate == "cuts the answer" else 1)

    def _forward_cut(self, body: bytes, length: int) -> None:
        host, _, port = self.proxy.host.partition(":")
        with socket.create_connection((host, int(port))) as there:
            head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            there.sendall(f"{self.command} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + body[: length - 1])

    def _answer(self, status: int, body: bytes, headers: Message | dict[str, str], part: float = 1) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if part == 1 else body[: int(len(body) * part)])
