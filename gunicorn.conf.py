"""Settings of gunicorn, which reads this file in its working directory.

By default gunicorn trusts every client on the loopback address: with a header it could choose the scheme, the path and the
prefix of a URL. Headers of proxies count only if BILLING_PROXIES says so.
"""

import os
import shutil
import socket
import struct
import tempfile
from pathlib import Path

from gunicorn.workers import gthread

forwarded_allow_ips = ""
forwarder_headers = ""
proxy_allow_ips = ""
control_socket_disable = True
umask = 0o077

# A proxy must close its idle connections earlier: it could send a request on one that is being closed.
keepalive = 10
# A thread waits so long for the first bytes of a connection, then leaves the wait to the main loop. gunicorn's 5 seconds let
# a few hundred silent connections occupy all threads for minutes.
gthread.DEFAULT_WORKER_DATA_TIMEOUT = 0.1
RECEIVE_SECONDS = 10  # without a byte of a request that has begun
SEND_SECONDS = 60  # without a byte of the answer taken

METRICS_FOLDER = "billing-metrics-"  # begins the name of a folder that is created here


def on_starting(_server: object) -> None:
    """Create the folder in which the processes of this server count requests, for `/metrics`."""
    if os.environ.get("BILLING_METRICS", "off") != "off":
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=METRICS_FOLDER)
        for file in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db"):  # of an earlier server
            file.unlink()


def when_ready(server: object) -> None:
    """Limit how long a thread waits for a client; connections inherit the limits of the socket that accepted them."""
    for listener in server.LISTENERS:  # type: ignore[attr-defined]
        for option, seconds in ((socket.SO_RCVTIMEO, RECEIVE_SECONDS), (socket.SO_SNDTIMEO, SEND_SECONDS)):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))


def on_exit(_server: object) -> None:
    """Delete the folder again; gunicorn calls this once, in its main process."""
    folder = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""))
    if folder.name.startswith(METRICS_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
