"""Files for download: each leaves an audit event, stored before the first byte; exports are limited per person."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.config import Settings
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.formats import export
from billing_admin.http import downloads
from billing_admin.http.rate_limits import RateLimiter
from billing_admin.models import AuditEvent, Customer, Invoice
from billing_admin.operations.access import tokens
from tests.api.conftest import Script
from tests.making import bill, make_customer, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import link

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """ACME with one issued invoice."""
    acme = make_customer(reference="acme")
    post(make_spec(acme, "3"))
    bill()
    return signed_in(app)


@pytest.fixture
def script(app: Flask) -> Script:
    """A script that may read."""
    with app.app_context():
        secret = transaction(tokens.create, "tests", ["read"], 365, actor=SYSTEM, now=clock.now())[1]
    return Script(app.test_client(), secret)


def downloaded(session: Session) -> list[AuditEvent]:
    """The events of downloads, oldest first."""
    session.rollback()
    query = select(AuditEvent).where(AuditEvent.action.endswith(".downloaded"))
    return list(session.scalars(query.order_by(AuditEvent.at, AuditEvent.id)))


def pages(session: Session) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each file of a page: its address, and the action and details of its event."""
    customer, invoice = session.scalars(select(Customer.id)).one(), session.scalars(select(Invoice)).one()
    numbers = f"/numbers/invoice/{(invoice.issue_date or invoice.created_at).year}.csv"
    return {
        "/exports/invoices.csv?currency=USD": ("export", {"kind": "invoices", "format": "csv"}),
        "/exports/charges.xlsx": ("export", {"kind": "charges", "format": "xlsx", "filters": {}}),
        "/exports/customers.csv.zip": ("export", {"kind": "customers", "format": "csv"}),
        "/exports/audit-events.csv": ("export", {"kind": "audit-events"}),
        "/journal/file.hledger?from=2026-01-01": (
            "export",
            {"kind": "journal", "format": "hledger", "filters": {"from": "2026-01-01"}},
        ),
        numbers: ("export", {"kind": "numbers"}),
        "/ageing.csv": ("export", {"kind": "ageing", "rows": 1}),
        f"/customers/{customer}/statement.csv": ("export", {"kind": "statement", "customer": "acme", "rows": 1}),
        f"/invoices/{invoice.id}/pdf": ("invoice", {"file": f"{invoice.number}.pdf"}),
    }


def test_each_file_of_a_page_leaves_an_event(browser: FlaskClient, session: Session) -> None:
    for number, (url, (subject, details)) in enumerate(pages(session).items(), 1):
        response = browser.get(url)
        assert response.status_code == 200, url
        events = downloaded(session)
        assert len(events) == number, url
        event = events[-1]
        assert (event.action, event.actor_name) == (f"{subject}.downloaded", "admin@example.com")
        assert event.request_id == response.headers["X-Request-Id"]
        assert event.details.items() >= details.items(), url
        assert f'filename="{event.details["file"]}"' in response.headers["Content-Disposition"]
    invoice = session.scalars(select(Invoice.id)).one()
    assert downloaded(session)[-1].object_id == invoice


def test_each_file_of_the_api_leaves_an_event(browser: FlaskClient, script: Script, session: Session) -> None:
    number = session.scalars(select(Invoice.number)).one()
    for count, url in enumerate(
        ("/invoices.csv", "/payments.xlsx", "/journal.csv", "/journal.hledger", f"/invoices/{number}/pdf"), 1
    ):
        assert script.get(url).status_code == 200
        events = downloaded(session)
        assert (len(events), events[-1].actor_kind) == (count, "token"), url


def test_reading_a_list_or_totals_leaves_no_event(browser: FlaskClient, script: Script, session: Session) -> None:
    before = session.scalars(select(AuditEvent.id)).all()
    for url in ("/invoices", "/exports/invoices", "/exports/invoices.csv.meta.json", "/journal", "/ageing", "/audit"):
        assert browser.get(url).status_code == 200, url
    assert browser.get("/imports/example/charges.csv").status_code == 200
    assert script.get("/invoices").status_code == script.get("/invoices.csv?totals=1").status_code == 200
    session.rollback()
    assert session.scalars(select(AuditEvent.id)).all() == before


def test_a_prepared_file_leaves_an_event_for_each_download(browser: FlaskClient, session: Session) -> None:
    job = send(browser, "/exports/charges.csv/prepare").location
    file = link(browser.get(job), "Download the file")
    assert downloaded(session) == []
    for _ in range(2):
        assert browser.get(file).status_code == 200
    assert [(str(event.object_id), event.details["kind"]) for event in downloaded(session)] == [
        (job.rpartition("/")[2], "charges")
    ] * 2


def test_a_file_that_cannot_be_recorded_is_not_sent(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise Conflict("refused", "The event was refused.")

    urls = pages(session)
    monkeypatch.setattr(downloads, "record_download", refuse)
    for url in urls:
        response = browser.get(url)
        assert (response.status_code, "Content-Disposition" in response.headers) == (409, False), url


def test_a_refused_file_leaves_no_event(browser: FlaskClient, session: Session) -> None:
    for url in ("/invoices/{}/pdf", "/exports/made/{}"):
        assert browser.get(url.format("00000000-0000-0000-0000-000000000000")).status_code == 404
    assert downloaded(session) == []


def test_every_attachment_with_rows_is_recorded(app: Flask) -> None:
    """A view that sends a file goes through `http.downloads`: no other module writes the header."""
    root = app.root_path
    writers = [
        str(path.relative_to(root))
        for path in Path(root).rglob("*.py")
        if "attachment; filename" in path.read_text(encoding="utf-8")
    ]
    assert writers == ["http/downloads.py"]


def limit_exports(app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Allow two exports an hour."""
    settings = Settings(export_limit="2/hour", rate_limit_storage=str(tmp_path / "limits"))
    monkeypatch.setitem(app.extensions, "billing_rate_limiter", RateLimiter(settings))


def test_exports_are_limited_per_person(
    app: Flask, browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    limit_exports(app, monkeypatch, tmp_path)
    colleague = signed_in(app, "viewer")
    assert [browser.get("/exports/invoices.csv").status_code for _ in range(3)] == [200, 200, 429]
    refused = browser.get("/journal/file.csv")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert "You have reached the limit of 2 exported files per hour." in refused.text
    assert colleague.get("/exports/invoices.csv").status_code == 200
    assert len(downloaded(session)) == 3
    invoice = session.scalars(select(Invoice.id)).one()
    assert browser.get(f"/invoices/{invoice}/pdf").status_code == 200  # one document is not an export


def test_exports_are_limited_per_token(
    app: Flask, browser: FlaskClient, script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    limit_exports(app, monkeypatch, tmp_path)
    answers = [script.get("/invoices.csv") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json is not None
    assert answers[2].json["code"] == "too_many_requests"


def test_a_large_workbook_is_prepared_as_a_job(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Prepare workbook" not in browser.get("/exports/charges").text
    monkeypatch.setattr(export, "LARGE_WORKBOOK_ROWS", 0)
    page = browser.get("/exports/charges").text
    assert "Prepare workbook in the background" in page
    assert "Download workbook" not in page
    for url in ("/exports/charges.xlsx", "/exports/charges.xlsx.zip"):
        refused = browser.get(url)
        assert (refused.status_code, "This workbook has 1 rows." in refused.text) == (409, True)
    job = browser.get(send(browser, "/exports/charges.xlsx/prepare").location)
    assert browser.get(link(job, "Download the file")).data.startswith(b"PK")
    assert browser.get("/exports/charges.csv").status_code == 200
