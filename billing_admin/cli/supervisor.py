"""The server and the worker of one machine, kept running side by side by the process that started them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

STOP_TIMEOUT = 20.0  # seconds that a worker has to give back what it is at
RESTART_PAUSE = 1.0  # seconds before a worker that died is started again
_PR_SET_PDEATHSIG = 1
Process = subprocess.Popen[bytes]


def keep_running(server: list[str], worker: list[str]) -> int:
    """Run both until told to stop, or until the server ends; a worker that dies is started again.

    Returns the server's exit code.
    """
    running = Supervisor(server, worker)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, running.on_signal)
    return running.wait()


class Supervisor:
    """The two processes."""

    def __init__(self, server: list[str], worker: list[str]) -> None:
        self._command = worker
        self._stopping = False
        self._worker = _started(worker)
        self._server = _started(server)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """SIGHUP makes the server load the code anew, and the worker begin again; the others end both."""
        self._stopping = self._stopping or number != signal.SIGHUP
        self._server.send_signal(number)
        self._worker.terminate()

    def wait(self) -> int:
        """Wait for the server's end, then for the worker's."""
        while self._server.poll() is None:
            if self._worker.poll() is not None and not self._stopping:
                time.sleep(RESTART_PAUSE)
                self._worker = _started(self._command)
            _wait_for_one(self._server)
        self._worker.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._worker.wait(STOP_TIMEOUT)
        self._worker.kill()  # if it has not ended: jobs are made to survive that
        return self._server.returncode


def _wait_for_one(process: Process) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(RESTART_PAUSE)


def _started(command: list[str]) -> Process:
    """A process that ends when this one is gone, however it went. Signals of the terminal reach it through us alone."""
    return subprocess.Popen(command, start_new_session=True, preexec_fn=_end_with_parent)  # noqa: PLW1509, S603 - no threads yet


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
