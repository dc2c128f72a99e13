"""Tax rates: the page of one, adding, rewording, and changing the percentage from a day on."""

from decimal import Decimal
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import TaxRate
from tests.clocks import stopped_clock
from tests.making import NOW, change_settings, change_tax, make_tax_rate
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, hidden, link, words
from tests.web.reading import fresh

TODAY, TOMORROW = "2026-04-02", "2026-04-03"


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def vat(session: Session) -> TaxRate:
    return make_tax_rate("vat", "19")


@pytest.fixture
@prepared
def free(session: Session) -> TaxRate:
    return make_tax_rate("free", "0", "E")


def stored(session: Session, rate: TaxRate) -> TaxRate:
    return fresh(session, select(TaxRate).where(TaxRate.id == rate.id))[0]


def changes(session: Session, rate: TaxRate) -> list[tuple[str, Decimal]]:
    return [(change.valid_from.isoformat(), change.percent) for change in stored(session, rate).changes]


def test_settings_lead_to_each_rate_with_its_percentage_of_today(admin: FlaskClient, vat: TaxRate) -> None:
    change_tax(vat, NOW.date(), "20")
    page = admin.get("/settings")
    assert "vat vat Taxed (S) 20 %" in words(page.text)
    shown = words(admin.get(link(page, "vat")).text)
    assert "Start 19 % Past" in shown
    assert "2 Apr 2026 20 % Current" in shown
    assert "Default tax rate" in words(page.text)


def test_a_reason_is_taken_from_the_category(admin: FlaskClient, session: Session) -> None:
    fields = {"code": "rc", "name": "Reverse charge", "category": "AE", "percent": "0", "note": ""}
    assert send(admin, "/settings/tax-rates/new", **fields).status_code == 303
    rate = fresh(session, select(TaxRate).where(TaxRate.code == "rc"))[0]
    assert rate.note == "Reverse charge: the customer accounts for the tax"
    assert rate.note in words(admin.get(f"/settings/tax-rates/{rate.id}").text)


def test_the_code_of_a_reason_is_chosen_for_an_exempt_rate(admin: FlaskClient, session: Session, free: TaxRate) -> None:
    url = f"/settings/tax-rates/{free.id}/edit"
    assert '<option value="VATEX-EU-132-1I">VAT directive, article 132(1)(i)</option>' in admin.get(url).text
    sent = {"name": "Exempt", "note": "Education", "version": "1"}
    response = send(admin, url, vatex="VATEX-EU-133", **sent)
    assert response.status_code == 422
    assert "“VATEX-EU-133” is not a VATEX code. Use VATEX-EU-153 or VATEX-EU-143 or VATEX-EU-132, or" in words(
        response.text
    )
    assert send(admin, url, vatex="vatex-eu-132-1i", **sent).status_code == 303
    assert stored(session, free).vatex == "VATEX-EU-132-1I"
    shown = words(admin.get(f"/settings/tax-rates/{free.id}").text)
    assert "VATEX code VATEX-EU-132-1I (VAT directive, article 132(1)(i))" in shown


def test_zero_percent_is_refused_for_a_taxed_rate(admin: FlaskClient, session: Session) -> None:
    fields = {"code": "zero", "name": "Zero", "category": "S", "percent": "0", "note": ""}
    response = send(admin, "/settings/tax-rates/new", **fields)
    assert response.status_code == 422
    assert "A tax rate of category S needs more than 0 percent. Use category Z (zero rated) or E" in response.text


@pytest.mark.parametrize(("tax_id", "shown"), [("DE123456788", True), ("", False)])
def test_a_seller_with_a_tax_id_is_warned_of_category_o(
    admin: FlaskClient, session: Session, tax_id: str, shown: bool
) -> None:
    change_settings(tax_id=tax_id)
    rate = make_tax_rate("outside", "0", "O")
    page = words(admin.get(f"/settings/tax-rates/{rate.id}").text)
    assert ("You cannot use this rate on e-invoices" in page) == shown


def test_a_percentage_where_no_tax_is_charged_is_refused(admin: FlaskClient, session: Session) -> None:
    fields = {"code": "rc", "name": "Reverse charge", "category": "AE", "percent": "7", "note": ""}
    response = send(admin, "/settings/tax-rates/new", **fields)
    assert (response.status_code, len(fresh(session, select(TaxRate)))) == (422, 1)
    assert "Category AE charges no tax: use 0 percent." in response.text


def test_is_reworded(admin: FlaskClient, session: Session, free: TaxRate) -> None:
    url = f"/settings/tax-rates/{free.id}/edit"
    assert send(admin, url, name="Exempt", note="Article 132", version="1").status_code == 303
    assert (stored(session, free).name, stored(session, free).note) == ("Exempt", "Article 132")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "Enter a name, such as VAT 19%."),
        ({"note": ""}, "Enter the reason to print on invoices for not charging tax."),
        ({"note": "x" * 201}, "Use at most 200 characters."),
    ],
)
def test_refuses_words(
    admin: FlaskClient, session: Session, free: TaxRate, wrong: dict[str, str], sentence: str
) -> None:
    fields = {"name": "Exempt", "note": "Why", "version": "1"} | wrong
    response = send(admin, f"/settings/tax-rates/{free.id}/edit", **fields)
    assert (response.status_code, stored(session, free).name) == (422, "free")
    assert sentence in response.text


def test_words_saved_over_a_colleagues_are_shown_beside_them(
    admin: FlaskClient, session: Session, free: TaxRate
) -> None:
    url = f"/settings/tax-rates/{free.id}/edit"
    send(admin, url, name="Theirs", note="Why", version="1")
    response = send(admin, url, name="Mine", note="Why", version="1")
    assert (response.status_code, stored(session, free).name) == (422, "Theirs")
    assert "Name Theirs Mine" in words(response.text)
    assert send(admin, url, name="Mine", note="Why", version=hidden(response.text, "version")).status_code == 303
    assert stored(session, free).name == "Mine"


def test_changes_and_takes_back(admin: FlaskClient, session: Session, vat: TaxRate) -> None:
    page, url = f"/settings/tax-rates/{vat.id}", f"/settings/tax-rates/{vat.id}/change"
    assert "Existing invoices and drafts do not change." in words(admin.get(url).text)
    response = send(admin, url, valid_from=TOMORROW, percent="20", version="1")
    assert (response.status_code, changes(session, vat)) == (303, [(TOMORROW, Decimal(20))])
    shown = admin.get(page).text
    assert "vat changes on 3 Apr 2026. Issued documents do not change." in words(shown)
    assert "3 Apr 2026 20 % Future Cancel change" in words(shown)
    assert send(admin, f"{page}/take-back", valid_from=TOMORROW).status_code == 303
    assert changes(session, vat) == []


def test_what_has_begun_is_not_taken_back(admin: FlaskClient, session: Session, vat: TaxRate) -> None:
    change_tax(vat, NOW.date(), "20")
    page = f"/settings/tax-rates/{vat.id}"
    assert "Cancel change" not in admin.get(page).text
    assert send(admin, f"{page}/take-back", valid_from=TODAY).status_code == 409
    assert send(admin, f"{page}/take-back", valid_from=TOMORROW).status_code == 404
    assert changes(session, vat) == [(TODAY, Decimal(20))]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"valid_from": ""}, "Enter the first day of the new percentage"),
        ({"valid_from": "1.4.2026"}, "can mean 1 Apr 2026 or 4 Jan 2026"),
        ({"percent": ""}, "Enter the percentage, such as 19."),
        ({"percent": "200"}, "Use 0 to 100 percent."),
    ],
)
def test_refuses_a_change(
    admin: FlaskClient, session: Session, vat: TaxRate, wrong: dict[str, str], sentence: str
) -> None:
    fields = {"valid_from": TOMORROW, "percent": "20", "version": "1"} | wrong
    response = send(admin, f"/settings/tax-rates/{vat.id}/change", **fields)
    assert (response.status_code, changes(session, vat)) == (422, [])
    assert sentence in response.text


def test_a_change_over_a_colleagues_shows_both(admin: FlaskClient, session: Session, vat: TaxRate) -> None:
    change_tax(vat, NOW.date(), "16")
    url = f"/settings/tax-rates/{vat.id}/change"
    response = send(admin, url, valid_from=TODAY, percent="20", version="1")
    assert (response.status_code, changes(session, vat)) == (422, [(TODAY, Decimal(16))])
    assert "Percent 16 20" in words(response.text)


def test_a_rate_without_tax_has_no_change(admin: FlaskClient, session: Session, free: TaxRate) -> None:
    assert not has_link(admin.get(f"/settings/tax-rates/{free.id}"), "Change percentage")
    url = f"/settings/tax-rates/{free.id}/change"
    assert send(admin, url, valid_from=TOMORROW, percent="7", version="1").status_code == 422
    assert changes(session, free) == []


def test_viewer_reads_and_writes_nothing(app: Flask, session: Session, vat: TaxRate) -> None:
    viewer, page = signed_in(app, "viewer"), f"/settings/tax-rates/{vat.id}"
    shown = viewer.get(page)
    assert shown.status_code == 200
    assert not has_link(shown, "Edit")
    assert not has_link(shown, "Change percentage")
    for path in ("edit", "change", "take-back"):
        assert send(viewer, f"{page}/{path}", name="x", valid_from=TOMORROW, percent="7").status_code == 403
    assert stored(session, vat).version == 1


def test_nothing_is_there_for_an_unknown_rate(admin: FlaskClient) -> None:
    for path in ("", "/edit", "/change"):
        assert admin.get(f"/settings/tax-rates/{uuid4()}{path}").status_code == 404
