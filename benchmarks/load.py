"""A load generator: one process whose connections send a request when the previous one is answered."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKERS, THREADS = 2, 4


@dataclass(frozen=True, slots=True)
class Server:
    """A running gunicorn server."""

    port: int
    pid: int
    headers: dict[str, str]

    @property
    def memory(self) -> int:
        """The sum of its workers' peak memory, in bytes."""
        return sum(_peak(pid) for pid in _children(self.pid))

    def get(self, path: str) -> bytes:
        """Return the body of one response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", path, headers=self.headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {content[:300]!r}")
        return content

    def size(self, path: str) -> int:
        """Read one response in pieces and return its length in bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", path, headers=self.headers)
        response, size = connection.getresponse(), 0
        while chunk := response.read(1 << 20):
            size += len(chunk)
        connection.close()
        return size


# Requests are counted as in production, but never refused.
UNLIMITED = {"BILLING_RATE_LIMIT": "1000000000/minute"}


@contextmanager
def serving(app: str, environment: dict[str, str], headers: dict[str, str]) -> Iterator[Server]:
    """Serve an application with gunicorn, 2 workers with 4 threads each, as in production."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--worker-class=gthread",
        f"--workers={WORKERS}",
        f"--threads={THREADS}",
    ]
    process = subprocess.Popen(
        [*command, f"--bind=127.0.0.1:{port}", "--keep-alive=30", "--log-level=error", app],
        cwd=ROOT,
        env=os.environ | UNLIMITED | environment | {"PYTHONPATH": str(ROOT)},
    )
    try:
        _wait_for(port)
        yield Server(port, process.pid, headers)
    finally:
        process.send_signal(signal.SIGQUIT)  # stops at once, whatever is connected
        process.wait(30)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("gunicorn did not start")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _peak(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def posts(server: Server, path: str, bodies: list[bytes], connections: int = 8) -> float:
    """Send every body once over a number of connections; return the successful responses per second."""
    shares = [bodies[start::connections] for start in range(connections)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_posts, server.port, path, server.headers, shares).result()


def _posts(port: int, path: str, headers: dict[str, str], shares: list[list[bytes]]) -> float:
    with ThreadPoolExecutor(len(shares)) as threads:
        started = time.perf_counter()
        sent = sum(threads.map(lambda share: _post_share(port, path, headers, share), shares))
        return sent / (time.perf_counter() - started)


def _post_share(port: int, path: str, headers: dict[str, str], bodies: list[bytes]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = 0
    for body in bodies:
        connection.request("POST", path, body, headers | {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status not in {200, 201}:
            raise RuntimeError(f"{path}: {response.status} {content[:300]!r}")
        sent += 1
    connection.close()
    return sent


def as_json(content: Any) -> bytes:
    """Return a request body as JSON."""
    return json.dumps(content).encode()
