"""One attempt, against receivers that fail, stall, redirect, flood and cut; and names that lead where they must not."""

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from billing_admin import clock
from billing_admin.background import sending
from billing_admin.background.sending import STORED_CHARACTERS, attempt_delivery
from billing_admin.config import Settings
from billing_admin.domain.webhook_addresses import Address, AddressRules
from billing_admin.operations.webhooks.deliveries import AttemptOutcome, DueDelivery
from tests.background.hooks import RULES
from tests.domain.test_webhooks import docs_check
from tests.receiver import OK, Receiver, Request, receiving, saying, status

SECRETS = ("whsec_new", "whsec_old")
KEY = "only-for-tests" * 4


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ten seconds were one."""
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 1.0)


def due(url: str, body: str = '{"name":"Zoë"}', secrets: tuple[str, ...] = SECRETS) -> DueDelivery:
    return DueDelivery(uuid4(), uuid4(), url, "invoice.issued", body, secrets)


def trying(url: str, rules: AddressRules = RULES, **given: Any) -> AttemptOutcome:
    return attempt_delivery(due(url), rules, **given)


def test_what_arrives(receiver: Receiver) -> None:
    one = due(receiver.url)
    outcome = attempt_delivery(one, RULES)
    assert (outcome.status, outcome.error, outcome.answer, outcome.succeeded) == (200, None, "ok", True)
    (came,) = receiver.requests
    assert came.line == "POST /hook?x=1 HTTP/1.1"
    assert came.body == one.body.encode()
    signature = came.headers.pop("Billing-Signature")
    assert came.headers == {
        "Host": f"127.0.0.1:{receiver.port}",
        "User-Agent": sending.USER_AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(came.body)),
        "Billing-Event": "invoice.issued",
        "Billing-Delivery": str(one.id),
        "Connection": "close",
    } | {"Accept-Encoding": "identity"}
    assert all(docs_check()(secret, signature, came.body) for secret in SECRETS)
    assert not docs_check()("whsec_other", signature, came.body)


@pytest.mark.parametrize(
    ("code", "arrived", "silent"),
    [(200, True, False), (204, True, False), (299, True, False), (301, False, False), (400, False, False),
     (410, False, False), (429, False, True), (500, False, False), (503, False, True)],
)  # fmt: skip
def test_answers(receiver: Receiver, code: int, arrived: bool, silent: bool) -> None:
    receiver.answer = status(code, "")
    outcome = trying(receiver.url)
    assert (outcome.status, outcome.error) == (code, None)
    assert (outcome.succeeded, outcome.receiver_unavailable) == (arrived, silent)


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as other:
        location = other.url.encode()
        receiver.answer = saying(b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location)
        assert trying(receiver.url).status == 307
        assert other.requests == []


def test_an_answer_is_kept_as_text_in_part(receiver: Receiver) -> None:
    receiver.answer = status(500, "a\x00\x1b[31m\nZoë" + "x" * 2000)
    answer = trying(receiver.url).answer
    assert len(answer) == STORED_CHARACTERS
    assert answer.startswith("a��[31m\nZoëxxx")


def test_ten_megabytes_are_not_read(receiver: Receiver) -> None:
    sent = 0

    def flood(_request: Request, line: socket.socket) -> None:
        nonlocal sent
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        while sent < 10_000_000:
            line.sendall(b"x" * 10_000)
            sent += 10_000

    receiver.answer = flood
    outcome = trying(receiver.url)
    assert (outcome.succeeded, len(outcome.answer)) == (True, STORED_CHARACTERS)
    assert sent < 10_000_000


def test_headers_without_end(receiver: Receiver) -> None:
    receiver.answer = saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n")
    assert trying(receiver.url).error == "The receiver did not answer with HTTP."


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH\r\n", b"\x00" * 50, b"HTTP/1.1 2xx x\r\n\r\n"]
)
def test_cut_or_nonsense(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = saying(answer)
    outcome = trying(receiver.url)
    assert outcome.status is None
    assert outcome.error in {
        "The connection was closed before the receiver answered.",
        "The receiver did not answer with HTTP.",
    }
    assert outcome.receiver_unavailable


def test_a_body_that_is_cut_matters_no_more(receiver: Receiver) -> None:
    receiver.answer = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    assert (trying(receiver.url).succeeded, trying(receiver.url).answer) == (True, "half")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_receiver_that_stalls_or_drips_is_left_in_time(receiver: Receiver, head: bytes) -> None:
    def drip(_request: Request, line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(100):
            time.sleep(0.1)
            if head:
                line.sendall(b"x")

    receiver.answer = drip
    began = time.monotonic()
    outcome = trying(receiver.url)
    assert time.monotonic() - began < 3
    assert outcome.error == "The receiver did not answer within 10 seconds."
    assert 900 < outcome.milliseconds < 3000


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert trying(f"http://127.0.0.1:{port}/").error == "Could not connect: Connection refused."


def test_a_name_that_nobody_knows() -> None:
    def unknown(_host: str, _port: int) -> list[Address]:
        raise socket.gaierror("no")

    assert trying("https://example.com/", lookup=unknown).error == "The host name example.com could not be resolved."


def test_without_a_secret_nothing_is_sent(receiver: Receiver) -> None:
    outcome = attempt_delivery(due(receiver.url, secrets=()), RULES)
    assert outcome.error == sending.KEY_CHANGED
    assert receiver.requests == []


@pytest.mark.parametrize("name", ["localhost", "localhost.", "billing.localhost", "LOCALHOST"])
def test_this_machine_by_name_is_refused(receiver: Receiver, name: str) -> None:
    outcome = trying(
        f"http://{name}:{receiver.port}/", AddressRules(http=True), lookup=lambda *_: [ip_address("127.0.0.1")]
    )
    assert outcome.error is not None
    assert outcome.error.startswith("Refused: 127.0.0.1 is not a public address.")
    assert receiver.requests == []


def test_localhost_as_the_system_knows_it_is_refused(receiver: Receiver) -> None:
    outcome = trying(f"http://localhost.:{receiver.port}/", AddressRules(http=True))
    assert (outcome.error or "").startswith("Refused: ")
    assert receiver.requests == []


@pytest.mark.parametrize(
    "addresses", [["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], ["1.1.1.1", "::ffff:10.0.0.1"]]
)
def test_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr(socket, "create_connection", None)
    outcome = trying("https://example.com/", AddressRules(), lookup=lambda *_: [ip_address(one) for one in addresses])
    assert "10.0.0.1 is not a public address" in (outcome.error or "")


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers otherwise the second time is not asked a second time."""
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def rebinding(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "10.0.0.1")]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        return real(address, timeout)

    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", connect)
    outcome = trying(f"http://rebinding.example:{receiver.port}/", lookup=rebinding)
    assert outcome.succeeded
    assert (asked, connected) == (["rebinding.example"], [("127.0.0.1", receiver.port)])
    assert receiver.requests[0].headers["Host"] == f"rebinding.example:{receiver.port}"


def test_the_next_address_is_tried(receiver: Receiver) -> None:
    addresses: list[Address] = [ip_address("127.0.0.99"), ip_address("127.0.0.1")]
    assert trying(f"http://two.example:{receiver.port}/", lookup=lambda *_: addresses).succeeded


def test_rules_are_asked_at_each_attempt(receiver: Receiver) -> None:
    assert trying(receiver.url).succeeded
    assert (trying(receiver.url, AddressRules(http=True)).error or "").startswith("127.0.0.1 is not a public address.")
    assert (trying(receiver.url, AddressRules(RULES.networks)).error or "").startswith("Use https")
    assert len(receiver.requests) == 1


def test_no_proxy_of_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert trying(receiver.url).succeeded
        assert proxy.requests == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for receiver.example, with its key, in one file."""
    made = tmp_path_factory.mktemp("tls") / "certificate.pem"
    names = "subjectAltName=DNS:receiver.example"
    command = [
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
    ]
    command += ["-subj", "/CN=receiver.example", "-addext", names, "-keyout", f"{made}.key", "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    made.write_text(made.read_text() + Path(f"{made}.key").read_text())
    return made


@pytest.fixture
def secure(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(lambda line: context.wrap_socket(line, server_side=True)) as found:
        yield found


def to(secure: Receiver, host: str) -> AttemptOutcome:
    local = AddressRules([ip_network("127.0.0.0/8")])
    return trying(f"https://{host}:{secure.port}/", local, lookup=lambda *_: [ip_address("127.0.0.1")])


def test_tls_to_whom_it_should_be(secure: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(sending, "_tls_context", lambda: trusting)
    assert to(secure, "receiver.example").answer == "ok"
    assert "Hostname mismatch" in (to(secure, "other.example").error or "")
    assert len(secure.requests) == 1


def test_tls_that_nobody_vouches_for_is_refused(secure: Receiver) -> None:
    error = to(secure, "receiver.example").error
    assert error == "The receiver’s certificate is not trusted: self-signed certificate."
    assert secure.requests == []


def test_tls_to_what_speaks_none() -> None:
    def greet(line: socket.socket) -> socket.socket:
        line.sendall(b"HTTP/1.1 400 Speak TLS not\r\n\r\n")
        return line

    with receiving(greet) as found:
        assert (to(found, "receiver.example").error or "").startswith("The TLS handshake with the receiver failed: ")


@pytest.mark.usefixtures("hasty")
def test_tls_that_stalls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = to(Receiver(server.getsockname()[1], saying(OK)), "receiver.example")
    assert outcome.error == "The receiver did not answer within 10 seconds."
    assert outcome.at <= clock.now()


def test_what_may_be_sent_to_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sending.address_rules(Settings(secret_key=KEY)) == AddressRules((), http=False)
    monkeypatch.setenv("BILLING_WEBHOOK_ALLOWED_NETWORKS", "10.20.0.0/16, fd12::/48")
    monkeypatch.setenv("BILLING_WEBHOOK_ALLOW_HTTP", "true")
    assert sending.address_rules(Settings(secret_key=KEY)) == AddressRules(
        (ip_network("10.20.0.0/16"), ip_network("fd12::/48")), http=True
    )
    monkeypatch.setenv("BILLING_WEBHOOK_ALLOWED_NETWORKS", "10.20.0.1/16")
    with pytest.raises(ValueError, match="Set BILLING_WEBHOOK_ALLOWED_NETWORKS to networks such as"):
        Settings(secret_key=KEY)
