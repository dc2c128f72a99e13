"""`/healthz`, `/readyz` and `/metrics`: who may read them, under which host, and what they say."""

import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from billing_admin import clock, create_app
from billing_admin.config import Settings
from billing_admin.db.engine import db, migration_options
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.audit import seal_all_events
from billing_admin.operations.backups import record_backup
from billing_admin.queries.figures import read_figures
from tests.browser.server import serving
from tests.conftest import Client
from tests.making import make_customer, make_invoice
from tests.messages import make_message

TOKEN = "Zq7w0Pn5Kd2Vx9Lm4Rt8Yc1Hb6Jf3Gs0"
ON_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


WithMetrics = Callable[..., Flask]


@pytest.fixture
def with_metrics(app: Flask) -> Iterator[WithMetrics]:
    """Return the same installation with metrics; its connections are closed before the next test gets the database."""
    made: list[Flask] = []

    def make(**settings: object) -> Flask:
        stored: Settings = app.extensions["billing_settings"]
        counting = create_app(stored.model_copy(update={"metrics": "loopback", **settings}))
        counting.test_client_class = Client  # which closes responses
        made.append(counting)
        return counting

    yield make
    for counting in made:
        with counting.app_context():
            db.engine.dispose()


@ON_SQLITE
def test_probes_answer_under_any_host_without_a_session(app: Flask) -> None:
    browser = app.test_client()
    for path, body in (("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready"})):
        response = browser.get(path, base_url="http://10.0.0.7:8000")
        assert (response.status_code, response.json) == (200, body)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in response.headers
        assert browser.head(path).data == b""
        assert browser.post(path).status_code in {404, 405}
    assert browser.get("/sign-in", base_url="http://10.0.0.7:8000").status_code == 400


@ON_SQLITE
def test_a_database_of_another_revision_is_alive_and_not_ready(app: Flask) -> None:
    with (
        app.app_context(),
        db.engine.connect().execution_options(**migration_options(db.engine)) as connection,
        connection.begin(),
    ):
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.json) == (503, {"status": "database_revision"})
    assert response.headers["Retry-After"] == "5"
    assert app.test_client().get("/healthz").status_code == 200


@ON_SQLITE
def test_metrics_are_off_by_default(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 404


@ON_SQLITE
def test_metrics_need_the_token_or_this_machine(with_metrics: WithMetrics) -> None:
    local = with_metrics().test_client()
    assert local.get("/metrics").status_code == 200
    assert local.get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200
    for refused in ({"REMOTE_ADDR": "203.0.113.7"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}):
        assert local.get("/metrics", environ_base=refused).status_code == 403
    by_token = with_metrics(metrics="token", metrics_token=TOKEN).test_client()
    for header in ("", f"Bearer {TOKEN}x", TOKEN, "Bearer é"):
        response = by_token.get("/metrics", headers={"Authorization": header})
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert by_token.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_token_must_be_long() -> None:
    with pytest.raises(ValueError, match="Set BILLING_METRICS_TOKEN to at least 32"):
        Settings(metrics="token", metrics_token="short")


@ON_SQLITE
def test_requests_are_counted_by_route(with_metrics: WithMetrics) -> None:
    counting = with_metrics()
    browser = counting.test_client()
    for path in ("/sign-in", "/sign-in", "/nowhere/1", "/nowhere/2", "/customers"):
        browser.get(path)
    text = browser.get("/metrics").text
    assert 'billing_http_requests_total{method="GET",route="/sign-in",status="200"} 2.0' in text
    assert 'billing_http_requests_total{method="GET",route="unknown",status="404"} 2.0' in text
    assert 'billing_http_request_duration_seconds_count{method="GET",route="/sign-in"} 2.0' in text
    assert 'route="/customers' in text
    assert "nowhere" not in text
    assert "billing_database_up 1.0" in text


@pytest.mark.both_databases
def test_the_figures_are_those_of_the_database(app: Flask, session: Session) -> None:
    now = clock.now()
    seal_all_events(transaction, now, whole=True)
    figures = read_figures(session, now)
    assert (figures.unsealed_events, figures.oldest_queued_job, figures.last_backup) == (0, None, None)
    assert figures.jobs == dict.fromkeys(("queued", "running", "done", "failed", "cancelled"), 0)
    make_message(make_invoice(make_customer(reference="ACME")))
    for hours in (2, 1):
        transaction(record_backup, "billing-1", 10, False, SYSTEM, now - timedelta(hours=hours))
    session.rollback()
    figures = read_figures(session, now)
    assert figures.messages == {"waiting": 1, "sending": 0, "failed": 0, "uncertain": 0}
    assert figures.last_backup == now - timedelta(hours=1)
    assert figures.last_billing_run is not None
    assert figures.unsealed_events == 2


@pytest.mark.deep
@ON_SQLITE
def test_requests_of_all_processes_are_added_up(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "counts"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))  # where the server creates its folder, and deletes it in the end
    url = app.extensions["billing_settings"].database_url
    with serving(url, workers=3, metrics="loopback") as address:
        for _ in range(59):  # and one by which the test waits for the server
            urllib.request.urlopen(f"{address}/sign-in").close()
        texts = {urllib.request.urlopen(f"{address}/metrics").read().decode() for _ in range(6)}
    assert set(folder.iterdir()) == set()
    line = 'billing_http_requests_total{method="GET",route="/sign-in",status="200"} '
    assert {text.partition(line)[2].partition("\n")[0] for text in texts} == {"60.0"}
