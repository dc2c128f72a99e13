"""The real product behind gunicorn on a free port, and the one Chromium that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
SECRET = "only-for-tests" * 4
# Settings of a server that is asked more than its limits allow.
UNLIMITED = dict.fromkeys(("rate_limit", "rate_limit_address", "export_limit"), "1000000/minute")
GUNICORN = ("--worker-class", "gthread", "--threads", "4", "--no-control-socket")
# Without the network that Chromium would talk to by itself, and as root, which its sandbox refuses.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ChromiumMissing(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    executable = shutil.which("chromium")
    if executable is None:
        raise ChromiumMissing("No chromium found: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def serving(database_url: str, workers: int = 1, **settings: str) -> Iterator[str]:
    """The address of the product on this migrated database. Ends with an AssertionError if it logged a traceback.

    `settings` are BILLING_… variables without the prefix; {address} in them is the address of the product.
    """
    with serving_process(database_url, workers, **settings) as (address, _):
        yield address


@contextmanager
def serving_process(
    database_url: str, workers: int = 1, **settings: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same, with the main process of gunicorn, which may be stopped; the setting `port` chooses its port."""
    port = int(settings.pop("port", "0"))
    given = {"database_url": database_url, "secret_key": SECRET, "queue_url": "immediate:"} | settings
    with socket.create_server(("127.0.0.1", port)) as listener, tempfile.TemporaryFile() as log:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        named = {f"BILLING_{name.upper()}": value.replace("{address}", address) for name, value in given.items()}
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", *GUNICORN, "--workers", str(workers)),
                *("--bind", f"fd://{listener.fileno()}", "wsgi:app"),
            ],
            cwd=ROOT,
            env=os.environ | named,
            pass_fds=(listener.fileno(),),
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the tests first; they stop the server
        )
        try:
            listener.close()  # from here on a server that ended refuses, and one that starts lets wait
            urllib.request.urlopen(f"{address}/sign-in", timeout=START_SECONDS).close()
            yield address, process
        finally:
            process.terminate()
            process.wait(START_SECONDS)
            log.seek(0)
            said = log.read().decode(errors="replace")
        assert "Traceback" not in said, said
