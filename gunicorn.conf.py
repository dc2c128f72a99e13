"""Settings of gunicorn, which reads this file in its working directory.

By default gunicorn trusts every client on the loopback address: with a header it could choose the scheme, the path and the
prefix of a URL. Headers of proxies count only if BILLING_PROXIES says so.
"""

import os
import shutil
import tempfile
from pathlib import Path

forwarded_allow_ips = ""
forwarder_headers = ""
proxy_allow_ips = ""
control_socket_disable = True
umask = 0o077

METRICS_FOLDER = "billing-metrics-"  # begins the name of a folder that is created here


def on_starting(_server: object) -> None:
    """Create the folder in which the processes of this server count requests, for `/metrics`."""
    if os.environ.get("BILLING_METRICS", "off") != "off":
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=METRICS_FOLDER)
        for file in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db"):  # of an earlier server
            file.unlink()


def on_exit(_server: object) -> None:
    """Delete the folder again; gunicorn calls this once, in its main process."""
    folder = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""))
    if folder.name.startswith(METRICS_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
