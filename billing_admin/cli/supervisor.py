"""Run the server and the worker of one machine as child processes."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

STOP_TIMEOUT = 20.0  # seconds that a worker has to put its jobs back
RESTART_PAUSE = 1.0  # seconds before a dead worker is restarted
_PR_SET_PDEATHSIG = 1
Process = subprocess.Popen[bytes]


def keep_running(server: list[str], worker: list[str]) -> int:
    """Run both processes until a signal or the server's end.

    A dead worker is restarted. Returns the server's exit code.
    """
    supervisor = Supervisor(server, worker)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.on_signal)
    return supervisor.wait()


class Supervisor:
    """The two child processes."""

    def __init__(self, server: list[str], worker: list[str]) -> None:
        self._command = worker
        self._stopping = False
        self._worker = _start_process(worker)
        self._server = _start_process(server)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on to the server and the worker.

        SIGHUP restarts the worker and reloads the server, others end both.
        """
        self._stopping = self._stopping or number != signal.SIGHUP
        self._server.send_signal(number)
        self._worker.terminate()

    def wait(self) -> int:
        """Wait for the server's end, then for the worker's."""
        while self._server.poll() is None:
            if self._worker.poll() is not None and not self._stopping:
                time.sleep(RESTART_PAUSE)
                self._worker = _start_process(self._command)
            _wait_briefly(self._server)
        self._worker.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._worker.wait(STOP_TIMEOUT)
        self._worker.kill()  # if it has not ended; jobs survive this
        return self._server.returncode


def _wait_briefly(process: Process) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(RESTART_PAUSE)


def _start_process(command: list[str]) -> Process:
    """Start a process that ends with this one.

    It gets the terminal's signals from this one only.
    """
    return subprocess.Popen(command, start_new_session=True, preexec_fn=_end_with_parent)  # noqa: PLW1509, S603 - no threads yet


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
