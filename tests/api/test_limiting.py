"""Rate limits: by token, by address without a token, and across all workers; a failed storage stops nobody."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError
from structlog.testing import capture_logs

from billing_admin.config import Settings
from billing_admin.http.rate_limits import RateLimiter
from tests.api.conftest import BASE, MakeToken, Script, code
from tests.browser.server import serving

START = 1_790_000_000.0


def limit(app: Flask, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """Set other limits for the duration of a test."""
    config: Settings = app.extensions["billing_settings"]
    monkeypatch.setitem(app.extensions, "billing_rate_limiter", RateLimiter(config.model_copy(update=settings)))


def test_a_token_over_its_limit_gets_the_time_to_retry(
    script: Script, app: Flask, make_token: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(app, monkeypatch, rate_limit="3/minute")
    with time_machine.travel(START, tick=False) as clock:
        assert [script.get("/charges").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        refused = script.post("/charges", {"customer": "ACME", "service": "hosting"})
        assert (refused.status_code, code(refused)) == (429, "too_many_requests")
        assert refused.content_type == "application/problem+json"
        assert refused.json
        assert refused.json["instance"] == refused.headers["X-Request-Id"]
        assert refused.headers["Retry-After"] == "80"
        assert "3 per 1 minute" in refused.json["detail"]
        assert "80 s" in refused.json["detail"]
        another = Script(script.client, make_token(["read"]))
        assert another.get("/charges").status_code == 200
        clock.move_to(START + 79)
        assert script.get("/charges").status_code == 429
        assert script.get("/charges").headers["Retry-After"] == "1"
        clock.move_to(START + 80)
        assert [script.get("/charges").status_code for _ in range(2)] == [200, 429]


def test_refusals_and_nonsense_count_as_well(script: Script, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(app, monkeypatch, rate_limit="3/minute")
    assert [script.post("/charges", body).status_code for body in (b"[", b"{}", {"customer": "?"}, b"[")] == [
        400,
        422,
        422,
        429,
    ]


def test_bad_tokens_count_against_their_address_and_good_ones_go_on(
    script: Script, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(app, monkeypatch, rate_limit_address="2/minute")

    def status(address: str, token: str = "bil_x") -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return script.client.get(
            f"{BASE}/charges", headers=headers, environ_overrides={"REMOTE_ADDR": address}
        ).status_code

    assert [status("192.0.2.1") for _ in range(3)] == [401, 401, 429]
    assert [status("2001:db8::1"), status("2001:db8::2"), status("2001:db8::3")] == [401, 401, 429]
    assert status("192.0.2.2") == 401
    assert status("192.0.2.1", script.token) == 200
    assert script.client.get(f"{BASE}/health", environ_overrides={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def test_what_needs_no_token_is_limited_by_address(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(app, monkeypatch, rate_limit_address="2/minute")
    assert [client.get(f"{BASE}/health").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("storage", ["{folder}/file/counts", "redis://127.0.0.1:1/0"])
def test_a_storage_that_fails_stops_nobody(
    script: Script,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    storage: str,
) -> None:
    (tmp_path / "file").touch()
    limit(app, monkeypatch, rate_limit="1/minute", rate_limit_storage=storage.format(folder=tmp_path))
    with capture_logs() as log:
        assert [script.get("/charges").status_code for _ in range(3)] == [200] * 3
    assert [(entry["event"], entry["unlimited_seconds"]) for entry in log] == [("rate_limit_storage_unavailable", 5)]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """A Redis server for the test. Without Redis the test is skipped; in CI it fails."""
    executable = shutil.which("redis-server")
    if executable is None:
        assert os.environ.get("CI", "").lower() not in {"1", "true", "yes"}, "No redis-server: apt install redis-server"
        pytest.skip("No redis-server found: apt install redis-server")
    path = tmp_path / "redis"
    settings = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path))
    with subprocess.Popen([executable, *settings], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(path)
            yield f"redis+unix://{path}"
        finally:
            process.terminate()


def _wait_for(path: Path) -> None:
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(0.05)
            if path.exists() and probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("redis-server did not start")


@pytest.mark.deep  # tests/http/test_rate_limit_storage.py lets four processes share a limit in each run
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("shared", ["file", "redis"])
def test_four_workers_let_exactly_so_many_through(
    script: Script, app: Flask, shared: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storage = str(tmp_path / "limits") if shared == "file" else request.getfixturevalue("redis")
    url = app.extensions["billing_settings"].database_url
    with serving(url, 4, rate_limit="150/hour", rate_limit_storage=storage) as home, ThreadPoolExecutor(16) as pool:

        def call(_n: int) -> int:
            headers = {"Authorization": f"Bearer {script.token}"}
            request = urllib.request.Request(f"{home}{BASE}/period-lock", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as refusal:
                with refusal:
                    return refusal.code

        assert Counter(pool.map(call, range(400))) == {200: 150, 429: 250}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_limit", "many"),
        ("rate_limit", "0/minute"),
        ("rate_limit_address", "10"),
        ("rate_limit_storage", "memory://"),
    ],
)
def test_a_limit_that_is_none_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=f"Set BILLING_{name.upper()} to"):
        Settings.model_validate({name: value})


def test_the_counts_lie_beside_the_database() -> None:
    assert Settings(database_url="sqlite:////data/billing.sqlite3").rate_limit_storage == "/data/billing.sqlite3.limits"
    assert Settings(database_url="postgresql://x@y/z").rate_limit_storage.endswith("/instance/billing.limits")
    assert Settings(rate_limit_storage="redis://cache:6379/1").rate_limit_storage == "redis://cache:6379/1"
