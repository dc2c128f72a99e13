"""The nginx configuration of `deploy/` before servers of a test: the file itself, with other ports and a certificate."""

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.conftest import ROOT

HOST = "billing.example.com"
SECONDS = 20
MAIN = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {site}
}}
"""


class Proxy:
    """A running nginx: its ports, and the certificate to trust."""

    def __init__(self, plain: int, secure: int, certificate: Path) -> None:
        self.plain, self.secure, self.certificate = plain, secure, certificate
        self.context = ssl.create_default_context(cafile=str(certificate))

    def connect(self) -> ssl.SSLSocket:
        """Open a connection with TLS."""
        return self.context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.secure), SECONDS), server_hostname=HOST
        )

    def exchange(self, head: str, body: bytes = b"") -> str:
        """Send a request as it stands, and return the whole answer."""
        with closing(self.connect()) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer.decode(errors="replace")

    def get(self, path: str, **headers: str) -> str:
        """Get a page."""
        more = "".join(f"\n{name.replace('_', '-')}: {value}" for name, value in headers.items())
        return self.exchange(f"GET {path} HTTP/1.1\nHost: {HOST}\nConnection: close{more}")


@contextmanager
def running_nginx(folder: Path, addresses: Sequence[str]) -> Iterator[Proxy]:
    """Nginx before the servers at these addresses, such as `127.0.0.1:8000`."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    with ExitStack() as sockets:
        plain, secure = (sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        ports = plain.getsockname()[1], secure.getsockname()[1]
    site = (ROOT / "deploy/nginx/billing.conf").read_text()
    servers = "\n".join(f"server {address} fail_timeout=2s;" for address in addresses)
    for pattern, value in (
        (r"listen \[::\].*;", ""),
        (r"listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        (r"listen 443", f"listen 127.0.0.1:{ports[1]}"),
        (r"server 127\.0\.0\.1:8000 fail_timeout=2s;", servers),
        (r"/etc/letsencrypt/live/\S+/fullchain.pem", str(certificate)),
        (r"/etc/letsencrypt/live/\S+/privkey.pem", str(key)),
        (r"/var/www/html", str(folder)),
    ):
        site, count = re.subn(pattern, value, site)
        assert count, pattern
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, site=site))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    try:
        _wait_for(process, ports[1], folder / "error.log")
        yield Proxy(*ports, certificate)
    finally:
        process.terminate()
        process.wait(SECONDS)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
