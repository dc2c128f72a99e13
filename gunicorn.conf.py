"""Settings of gunicorn, which reads this file in its working directory.

By default gunicorn trusts every client on the loopback address: with a header it could choose the scheme, the path and the
prefix of a URL. Headers of proxies count only if BILLING_PROXIES says so.
"""

import os
import tempfile
from pathlib import Path

forwarded_allow_ips = ""
forwarder_headers = ""
proxy_allow_ips = ""
control_socket_disable = True
umask = 0o077


def on_starting(_server: object) -> None:
    """Create the folder in which the processes of this server count requests, for `/metrics`."""
    if os.environ.get("BILLING_METRICS", "off") != "off":
        folder = os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="billing-metrics-"))
        for file in Path(folder).glob("*.db"):  # of an earlier server
            file.unlink()
