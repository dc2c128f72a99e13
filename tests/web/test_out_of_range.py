"""Issue 12, point 4: the values that answered 500, and the reference of a 500 in the log."""

from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from billing_admin.api.routes import health
from billing_admin.web.frame.list_params import BAD_CURSOR
from billing_admin.web.system import dashboard
from tests.making import make_customer, make_invoice, make_service, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, words

LISTS = (
    "/audit",
    "/billing-runs",
    "/charges",
    "/charges/duplicates",
    "/customers",
    "/imports",
    "/invoices",
    "/jobs",
    "/numbers/invoice/2026",
    "/payments",
    "/recurring-charges",
    "/services",
    "/unbilled",
)
CURSORS = (
    "%3Es:a~i:99999999999999999999999",
    "%3Ex",
    "%3Edt:0001-01-01+00:00:00%2B14:00~uuid:00000000-0000-0000-0000-000000000000",
    "%3Es:a%00",
    "%3E%ED%A0%80",
)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin, and a customer with a charge."""
    make_service()
    acme = make_customer(reference="acme", name="Acme")
    make_invoice(acme)
    post(make_spec(acme, "5"))
    return signed_in(app)


def test_a_cursor_out_of_range_shows_the_first_page(browser: FlaskClient) -> None:
    for path in LISTS:
        plain = browser.get(path)
        for cursor in CURSORS:
            page = browser.get(f"{path}?after={cursor}")
            assert page.status_code == plain.status_code, (path, cursor)
            assert words(page).replace(f"{BAD_CURSOR} ", "", 1) == words(plain), (path, cursor)
            assert BAD_CURSOR in words(page), (path, cursor)


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/ageing", "as_of"),
        ("/ageing.csv", "as_of"),
        ("/unbilled", "through"),
        ("/unbilled/{acme}/USD", "through"),
        ("/billing-runs/preview", "through"),
        ("/billing-runs/preview?through=2026-03-31", "issue_date"),
        ("/customers/{acme}/statement", "from"),
        ("/customers/{acme}/statement", "to"),
        ("/customers/{acme}/statement.csv", "to"),
        ("/journal", "from"),
        ("/journal/file.csv", "to"),
    ],
)
def test_figures_of_a_day_out_of_range_are_refused_by_name(
    browser: FlaskClient, path: str, name: str, day: str
) -> None:
    acme = browser.get("/customers/acme").location.rpartition("/")[2]
    page = browser.get(f"{path.format(acme=acme)}{'&' if '?' in path else '?'}{name}={day}")
    assert page.status_code == 422
    assert "Use a day between 1970 and 2199." in page.text
    assert field(page, name) == day


def test_a_list_compares_with_any_day(browser: FlaskClient) -> None:
    everything = words(browser.get("/charges"))
    assert "Work" in everything
    assert "Work" in words(browser.get("/charges?from=0001-01-01&to=9999-12-31"))
    assert "Work" not in words(browser.get("/charges?to=0001-01-01"))
    assert browser.get("/charges?from=2026-W10-1").status_code == 422, "a week is not a day"


def test_a_field_for_a_day_refuses_one_out_of_range(browser: FlaskClient) -> None:
    for day in ("0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"):
        page = send(browser, "/billing-runs/new", through=day, make="drafts", issue_date=day)
        assert page.status_code == 422
        assert words(page).count("Use a day between 1970 and 2199.") == 4  # each in the summary and at its field


def test_a_name_with_nul_is_at_no_address(browser: FlaskClient) -> None:
    acme = browser.get("/customers/acme").location
    for path in ("/customers/%00", "/customers/a%00b", f"{acme}/current/%00", "/static/%00", "/api/v1/customers/%00"):
        assert browser.get(path).status_code in {401, 404}, path


def test_a_file_sent_as_text_is_not_a_file(browser: FlaskClient) -> None:
    page = send(browser, "/verify-file", file="a", totals="b")
    assert (page.status_code, "Choose the file to verify." in page.text) == (422, True)


# --- the reference of a 500 ---


def fail(*_: object, **__: object) -> Any:
    raise RuntimeError("a bug")


def test_the_reference_of_a_page_that_failed_is_in_the_log_with_the_traceback(
    browser: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    monkeypatch.setattr(dashboard, "render_template", fail)
    with capture_logs() as log:
        page = browser.get("/")
    reference = page.headers["X-Request-Id"]
    assert (page.status_code, reference in page.text, "a bug" in page.text) == (500, True, False)
    (entry,) = [entry for entry in log if entry.get("request_id") == reference]
    line = structlog.processors.format_exc_info(None, "error", entry)
    assert (entry["event"], entry["path"]) == ("request_failed", "/")
    assert "RuntimeError: a bug" in line["exception"]
    assert "Traceback" in line["exception"]


def test_the_reference_of_an_api_call_that_failed_is_in_the_log_with_the_traceback(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "organisation", fail)
    with capture_logs() as log:
        answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json and answer.json["instance"]) == (500, answer.headers["X-Request-Id"])
    (entry,) = [entry for entry in log if entry.get("request_id") == answer.headers["X-Request-Id"]]
    line = structlog.processors.format_exc_info(None, "error", entry)
    assert (entry["event"], entry["path"]) == ("request_failed", "/api/v1/health")
    assert "RuntimeError: a bug" in line["exception"]
    assert "Traceback" in line["exception"]
