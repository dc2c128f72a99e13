"""Certificates are always verified: an untrusted server gets no token, and `ca_certs` adds an authority."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from billing_client import CertificateRefused, Client
from flask import Flask

from tests.client.conftest import in_this_process


def certificate(folder: Path, names: str) -> tuple[Path, ssl.SSLContext]:
    """Make a self-signed certificate for these names, and the TLS context of a server with it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=test", "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


@pytest.fixture
def secure(app: Flask, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The product behind TLS, and the file of its certificate."""
    cert, context = certificate(tmp_path, "IP:127.0.0.1")
    with in_this_process(app, context) as address:
        yield address, cert


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_certificate_of_ones_own_needs_its_file(secure: tuple[str, Path], token: str) -> None:
    address, cert = secure
    with pytest.raises(CertificateRefused, match="ca_certs") as caught:
        Client(address, token, deadline=20).customers.get("ACME")
    error = caught.value
    assert (error.tries, error.unsent, error.worth_retrying, token in str(error)) == (1, True, False, False)
    with Client(address, token, ca_certs=cert) as client:
        assert client.customers.get("ACME").name == "ACME Inc"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_certificate_for_another_name_is_refused(app: Flask, token: str, tmp_path: Path) -> None:
    cert, context = certificate(tmp_path, "DNS:billing.example.com")
    with in_this_process(app, context) as address, pytest.raises(CertificateRefused, match=r"127\.0\.0\.1"):
        Client(address, token, ca_certs=cert, deadline=20).customers.get("ACME")


def test_old_protocols_are_not_spoken() -> None:
    client = Client("https://billing.example.com", "bil_x")
    context = client._transport._pool.connection_pool_kw["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
