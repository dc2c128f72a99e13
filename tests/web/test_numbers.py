"""The number register on pages and as a file, and the period lock."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.queries.invoices.numbers import Gap, all_series
from billing_admin.queries.master_data.organisation import organisation
from tests.clocks import stopped_clock
from tests.databases import without_triggers
from tests.making import NOW, change_settings, credit, make_customer, make_invoice, make_spec, post, void
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import day_field, field, has_link, link, words

NEXT_YEAR = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


clock = stopped_clock(NOW + timedelta(hours=1))


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def documents(session: Session) -> None:
    """In 2026 an invoice that is credited, a void one that is billed again; in 2027 one, with numbers of another format."""
    credit(make_invoice(make_customer(reference="acme", name="ACME Inc")), "4")
    void(make_invoice(make_customer(reference="foo", name="Foo Ltd")), "billed_again", reason="Wrong address")
    change_settings(invoice_format="R{year}/{number:3}")
    make_invoice(make_customer(reference="late"), now=NEXT_YEAR)


def test_empty_register(browser: FlaskClient) -> None:
    page = words(browser.get("/numbers"))
    assert "Invoice INV-2026-00001 Credit note CN-2026-00001" in page
    assert "No numbers yet" in page


def test_every_series_and_every_number(browser: FlaskClient, documents: None) -> None:
    page = browser.get("/numbers")
    assert "No number is missing" in words(page)
    assert "Invoices 2027 1 0 0 4 Jan 2027 R2027/002" in words(page)
    assert "Invoices 2026 2 1 0 2 Apr 2026 R2026/003" in words(page)
    assert "Credit notes 2026 1 0 0 2 Apr 2026 CN-2026-00002" in words(page)
    of_2026 = browser.get(link(page, "Invoices 2026"))
    assert "Void Voided on 2 Apr 2026: Wrong address. Billed again on Draft" in words(of_2026)
    assert "4.00 USD credited" in words(of_2026)
    notes = browser.get(link(page, "Credit notes 2026"))
    assert "Credits INV-2026-00001 : Agreed" in words(notes)
    assert browser.get("/numbers/invoice/1999").status_code == 404
    assert browser.get("/numbers/invoice/1999.csv").status_code == 404


def test_the_file_of_a_series(browser: FlaskClient, documents: None) -> None:
    at = link(browser.get("/numbers/invoice/2026"), "Export CSV")
    rows = list(csv.DictReader(io.StringIO(browser.get(at).text)))
    assert [(row["number"], row["status"], row["total"], row["reason"]) for row in rows] == [
        ("INV-2026-00001", "issued", "10.00", ""),
        ("INV-2026-00002", "void", "10.00", "Wrong address"),
    ]
    [note] = csv.DictReader(io.StringIO(browser.get("/numbers/credit_note/2026.csv").text))
    assert (note["number"], note["corrects"], note["total"]) == ("CN-2026-00001", "INV-2026-00001", "4.00")


def test_missing_numbers_are_reported(browser: FlaskClient, session: Session) -> None:
    for _ in range(4):
        make_invoice()

    def lose(work: Session) -> None:
        without_triggers(work.connection())
        work.execute(text("UPDATE invoices SET sequence = 7 WHERE sequence = 4"))
        work.execute(text("UPDATE number_series SET next_sequence = 9"))

    transaction(lose)
    [one] = all_series(session)
    assert one.gaps == (Gap(4, 6), Gap(8, 8))
    page = words(browser.get("/numbers"))
    assert "Invoices 2026: no document has numbers 4 to 6." in page
    assert "Invoices 2026: no document has number 8." in page
    assert "No number is missing" not in page
    assert "No document has numbers 4 to 6 of this series." in words(browser.get("/numbers/invoice/2026"))


# --- the period lock -------------------------------------------------------------------------------------------------


def locked(session: Session) -> date | None:
    session.rollback()
    session.expire_all()
    return organisation(session).locked_through


def test_locks_and_warns_of_what_is_unfinished(browser: FlaskClient, session: Session) -> None:
    make_invoice(issue=False)
    post(make_spec(make_customer(), "1"), make_spec(make_customer(), "2", incurred_on=date(2026, 4, 1)))
    at = link(browser.get("/settings"), "Change: Period lock")
    assert field(browser.get(at), "through") == "31 Mar 2026"
    warned = send(browser, at, through="2026-03-31", reason="")
    assert warned.status_code == 200
    assert "1 draft and 1 unbilled charge can only be billed with a later date once the books are locked." in words(
        warned
    )
    assert locked(session) is None
    done = send(browser, at, through="2026-03-31", reason="", warned=field(warned, "warned"))
    assert done.status_code == 303
    page = words(browser.get(done.location))
    assert "The books are locked through 31 Mar 2026." in page
    assert "Locked through 31 Mar 2026" in page


@pytest.mark.parametrize("day", ["2026-04-28", "2026-04-29", "2026-04-30", "2026-05-01"])
def test_the_suggested_day_of_the_period_lock_is_accepted(app: Flask, session: Session, day: str) -> None:
    with time_machine.travel(f"{day}T12:00Z", tick=False):
        admin, at = signed_in(app), "/settings/period-lock"
        suggested = day_field(admin.get(at), "through")
        assert send(admin, at, through=suggested, reason="").status_code == 303
        assert locked(session) == date.fromisoformat(suggested) <= date.fromisoformat(day)
        assert day_field(admin.get(at), "through") == suggested


def test_unlocking_needs_a_reason(browser: FlaskClient, session: Session) -> None:
    at = "/settings/period-lock"
    send(browser, at, through="2026-04-01", reason="")
    assert locked(session) == date(2026, 4, 1)
    for through in ("", "2026-03-31"):
        refused = send(browser, at, through=through, reason="")
        assert refused.status_code == 422
        assert "Enter a reason." in words(refused)
    future = send(browser, at, through="2026-04-03", reason="")
    assert (future.status_code, "future days cannot be locked" in words(future)) == (422, True)
    assert locked(session) == date(2026, 4, 1)
    assert send(browser, at, through="", reason="A payment was forgotten").status_code == 303
    assert locked(session) is None


def test_a_viewer_sees_the_lock_and_leaves_it(app: Flask, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get("/settings")
    assert "Locked through Not locked" in words(page)
    assert not has_link(page, "Change: Period lock")
    assert send(viewer, "/settings/period-lock", through="2026-03-31").status_code == 403
