"""Settings: the organisation and the tax rates."""

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, Organisation, TaxRate
from tests.books import contents
from tests.clocks import stopped_clock
from tests.logos import make_png
from tests.making import NOW, change_settings, make_bank_account, make_invoice
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, link, parse, words
from tests.web.reading import fresh

COMPANY, TAX, DOCUMENTS, NUMBERS, CHARGES = (
    f"/settings/{section}" for section in ("organisation", "tax", "documents", "numbers", "charges")
)
GOOD = {
    COMPANY: {"legal_name": "Nimbus", "address": "1\r\n2", "version": "1"},
    TAX: {
        "default_tax_rate": "none",
        "exempt_note": "Exempt",
        "reverse_charge_note": "Reverse charge",
        "export_note": "Export",
        "intra_community_note": "Supply within the EU",
        "version": "1",
    },
    DOCUMENTS: {"payment_terms_days": "14", "language": "de", "paper": "letter", "accent": "#0B57D0", "version": "1"},
    NUMBERS: {
        "time_zone": "Europe/Berlin",
        "base_currency": "USD",
        "invoice_format": "NB-{year}-{number:4}",
        "credit_note_format": "NC-{year}-{number:4}",
        "number_format": "1.234,56",
        "date_order": "day_first",
        "version": "1",
    },
    CHARGES: {"hold_likely_duplicates": "y", "version": "1"},
}
SELLER = {
    "country": "DE",
    "street": "Wolkenallee 12",
    "postcode": "10999",
    "city": "Berlin",
    "contact_name": "Anna Beck",
    "contact_phone": "+49 30 123456",
    "contact_email": "anna@nimbus.example",
    "registration_id": "4012345000009",
    "registration_scheme": "0088",
    "electronic_address": "billing@nimbus.example",
    "electronic_scheme": "EM",
    "legal_info": "Amtsgericht Berlin HRB 1\r\nDirector: Anna Beck",
}
RATE = {"code": "vat", "name": "VAT", "category": "S", "percent": "19"}


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def house(session: Session) -> Organisation:
    return fresh(session, select(Organisation))[0]


def test_shows_the_next_number(admin: FlaskClient, session: Session) -> None:
    assert "Next invoice number INV-2026-00001" in words(admin.get("/settings").text)
    make_invoice()
    text = words(admin.get("/settings").text)
    assert "Next invoice number INV-2026-00002" in text
    assert "Changes apply to future invoices." in text
    assert "Next number: INV-2026-00002" in words(admin.get(NUMBERS).text)


def test_each_section_is_saved_on_its_own(admin: FlaskClient, session: Session) -> None:
    admin.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"  # the organisation becomes German
    for version, (path, values) in enumerate(GOOD.items(), 1):
        response = send(admin, path, **values | {"version": str(version)})
        assert (response.status_code, response.location) == (303, f"/settings#{path.rpartition('/')[2]}"), response.text
    now = house(session)
    assert (now.legal_name, now.address, now.time_zone, now.base_currency) == ("Nimbus", "1\n2", "Europe/Berlin", "USD")
    assert (now.payment_terms_days, now.invoice_format, now.hold_likely_duplicates) == (
        14,
        "NB-{year}-{number:4}",
        True,
    )
    assert (now.language, now.paper, now.accent, now.exempt_note) == ("de", "letter", "#0b57d0", "Exempt")
    text = words(admin.get("/settings").text)
    assert "The settings were saved. They apply to future invoices." in text
    assert "Next invoice number NB-2026-0001" in text
    assert "Likely duplicates Held for review" in text
    assert "Language German Paper US Letter Accent colour #0b57d0" in text


def test_the_details_of_the_seller_are_saved_and_shown(admin: FlaskClient, session: Session) -> None:
    assert send(admin, COMPANY, **GOOD[COMPANY] | SELLER).status_code == 303
    assert (
        send(admin, TAX, **GOOD[TAX] | {"version": "2", "tax_id": "DE136695976", "tax_number": "12/345"}).status_code
        == 303
    )
    text = words(admin.get("/settings").text)
    assert "Address Wolkenallee 12 10999 Berlin Germany E-mail" in text
    assert "Contact Anna Beck, +49 30 123456, anna@nimbus.example" in text
    assert "Registration number 4012345000009 (0088, GLN)" in text
    assert "Electronic address billing@nimbus.example (EM, E-mail)" in text
    assert "Tax ID DE136695976 Tax number 12/345" in text
    page = admin.get(COMPANY).text
    assert '<option selected value="DE">Germany</option>' in page
    assert 'value="Wolkenallee 12"' in page


@pytest.mark.parametrize(
    ("path", "wrong", "sentence"),
    [
        (COMPANY, {"legal_name": ""}, "Enter the legal name of your organisation."),
        (COMPANY, {"email": "nobody"}, "Enter an e-mail address such as billing@example.com."),
        (COMPANY, {"contact_email": "nobody"}, "Enter an e-mail address such as billing@example.com."),
        (COMPANY, {"street": "Wolkenallee 12"}, "Choose the country"),
        (COMPANY, {"country": "QQ"}, "Choose one from the list."),
        (COMPANY, {"postcode": "x" * 21}, "Use at most 20 characters."),
        (COMPANY, {"registration_id": "1"}, "Choose the scheme"),
        (COMPANY, {"electronic_address": "x", "electronic_scheme": "EM"}, "Enter an e-mail address"),
        (TAX, {"tax_id": "DE123456789"}, "check digits of this VAT number are wrong"),
        (TAX, {"exempt_note": ""}, "Enter the reason to print on invoices."),
        (TAX, {"export_note": "x" * 201}, "Use at most 200 characters."),
        (TAX, {"default_tax_rate": "x"}, "Choose one from the list."),
        (DOCUMENTS, {"payment_terms_days": ""}, "Enter the days that customers have to pay, such as 30."),
        (DOCUMENTS, {"payment_terms_days": "999"}, "Use 0 to 365 days."),
        (DOCUMENTS, {"accent": "#ffff00"}, "Use a darker colour: #ffff00 on white has a contrast of 1.0"),
        (DOCUMENTS, {"accent": "blue"}, "Enter # and six digits"),
        (DOCUMENTS, {"language": "it"}, "Choose one from the list."),
        (DOCUMENTS, {"version": "x"}, "Enter a whole number such as 30."),
        (NUMBERS, {"time_zone": "Mars/Base"}, "Choose one from the list."),
        (NUMBERS, {"invoice_format": "A-{number}"}, "Use letters, digits and - . / _ with {year} and {number:5}"),
        (NUMBERS, {"credit_note_format": "{year}{number}"}, "Put a character, such as a hyphen, between"),
        (NUMBERS, {"number_format": "1234"}, "Choose one from the list."),
    ],
)
def test_refuses(admin: FlaskClient, session: Session, path: str, wrong: dict[str, Any], sentence: str) -> None:
    kept = {COMPANY: "contact_name", TAX: "tax_number", DOCUMENTS: "terms", NUMBERS: "invoice_format"}[path]
    response = send(admin, path, **GOOD[path] | {kept: "KEPT-{year}-{number}"} | wrong)
    assert response.status_code == 422
    assert sentence in response.text.replace("&#39;", "'")
    assert "KEPT-{year}-{number}" in response.text or kept in wrong
    assert house(session).version == 1


def test_stale_shows_both_values(admin: FlaskClient, session: Session) -> None:
    change_settings(legal_name="Theirs")
    response = send(admin, COMPANY, **GOOD[COMPANY])
    assert response.status_code == 422
    text = words(response.text)
    assert "The settings have been changed since you opened the form. Review the change, then try again." in text
    assert "Legal name Theirs Nimbus" in text
    assert send(admin, COMPANY, **GOOD[COMPANY] | {"version": hidden(response.text, "version")}).status_code == 303
    assert house(session).legal_name == "Nimbus"
    assert "Hold likely duplicates for review no yes" in words(send(admin, CHARGES, **GOOD[CHARGES]).text)


def test_currency_is_locked_once_an_invoice_exists(admin: FlaskClient, session: Session) -> None:
    assert 'name="base_currency"' in admin.get(NUMBERS).text
    make_invoice()
    page = admin.get(NUMBERS).text
    assert 'name="base_currency"' not in page
    assert "EUR (cannot be changed because invoices exist)" in words(page)
    assert send(admin, NUMBERS, **GOOD[NUMBERS]).status_code == 303
    assert (house(session).invoice_format, house(session).base_currency) == ("NB-{year}-{number:4}", "EUR")


def test_adds_a_tax_rate_once(admin: FlaskClient, session: Session) -> None:
    assert send(admin, "/settings/tax-rates/new", **RATE).location == "/settings"
    again = send(admin, "/settings/tax-rates/new", **RATE)
    assert again.status_code == 422
    assert "Tax rate “vat” already exists." in again.text
    rates = fresh(session, select(TaxRate).order_by(TaxRate.code))
    assert [(rate.code, rate.category, rate.percent) for rate in rates] == [
        ("none", "E", Decimal(0)),
        ("vat", "S", Decimal(19)),
    ]
    assert "vat VAT Taxed (S) 19 %" in words(admin.get("/settings").text)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"code": ""}, "Enter a code, such as vat-19."),
        ({"name": ""}, "Enter a name, such as VAT 19%."),
        ({"percent": "101"}, "Use 0 to 100 percent."),
        ({"percent": "lots"}, "is not a number such as"),
        ({"category": "Q"}, "Choose one from the list."),
    ],
)
def test_refuses_a_tax_rate(admin: FlaskClient, session: Session, wrong: dict[str, str], sentence: str) -> None:
    response = send(admin, "/settings/tax-rates/new", **RATE | wrong)
    assert response.status_code == 422
    assert sentence in response.text
    assert len(fresh(session, select(TaxRate))) == 1


def test_viewer_reads_and_writes_nothing(app: Flask, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get("/settings").text
    for path in (*GOOD, "/settings/tax-rates/new", "/settings/logo"):
        assert f'"{path}"' not in page
        for response in (viewer.get(path), send(viewer, path, **GOOD.get(path, {}))):
            assert response.status_code == 403
            assert "settings:write" in response.text
    assert house(session).version == 1


def test_number_format_and_date_order_are_saved_shown_and_recorded(admin: FlaskClient, session: Session) -> None:
    assert (house(session).number_format, house(session).date_order) == ("1,234.56", "year_first")
    assert send(admin, NUMBERS, **GOOD[NUMBERS]).status_code == 303
    assert (house(session).number_format, house(session).date_order) == ("1.234,56", "day_first")
    text = words(admin.get("/settings").text)
    assert "Number format 1.234,56" in text
    assert "Date order 31/12/2026 (day first)" in text
    details = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "organisation.changed")).one()
    assert details["number_format"] == ["1,234.56", "1.234,56"]
    assert details["date_order"] == ["year_first", "day_first"]


def upload(client: FlaskClient, data: bytes) -> Any:
    """Send the form of the logo with a file."""
    token = hidden(client.get("/settings/logo").text, "csrf_token")
    return client.post("/settings/logo", data={"csrf_token": token, "file": (BytesIO(data), "logo.png")})


def test_a_file_that_is_too_large_to_be_read_is_refused_at_its_field(admin: FlaskClient) -> None:
    kind = "multipart/form-data; boundary=x"
    refused = admin.post("/settings/logo", data=b"x" * (2 << 20), content_type=kind)
    assert refused.status_code == 413
    assert "There is a problem Use a file of at most 512 KB." in words(refused)
    assert 'id="file-error"' in refused.text


def test_a_logo_is_uploaded_shown_and_removed(admin: FlaskClient, session: Session) -> None:
    assert "Documents show no logo." in admin.get("/settings").text
    data = make_png(30, 10)
    response = upload(admin, data)
    assert (response.status_code, response.location) == (303, "/settings/logo")
    page = admin.get("/settings/logo").text
    assert "The logo was saved." in page
    assert "PNG Size 30 × 10 pixels" in words(page)
    sha256 = house(session).logo
    assert f'src="/settings/logos/{sha256}"' in page
    assert f'src="/settings/logos/{sha256}"' in admin.get("/settings").text
    sent = admin.get(f"/settings/logos/{sha256}")
    assert (sent.data, sent.content_type) == (data, "image/png")
    assert sent.headers["Content-Security-Policy"] == "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    asked = admin.get(link(admin.get("/settings/logo"), "Remove logo"))
    assert "Documents that you issue from now on show no logo." in words(asked)
    assert house(session).logo == sha256
    assert send(admin, "/settings/logo/remove").location == "/settings/logo"
    assert house(session).logo is None
    assert admin.get(f"/settings/logos/{sha256}").data == data
    assert admin.get("/settings/logos/0").status_code == 404


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty. Choose a PNG or SVG file."),
        (b"GIF89a", "The file is neither a PNG nor an SVG."),
        (
            b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script/></svg>',
            "remove the element &lt;script&gt;.",
        ),
    ],
)
def test_a_wrong_logo_is_refused_at_its_field(admin: FlaskClient, session: Session, data: bytes, sentence: str) -> None:
    response = upload(admin, data)
    assert response.status_code == 422
    assert sentence in response.text
    assert 'id="file-error"' in response.text
    assert house(session).logo is None


def test_the_sample_shows_the_settings_and_stores_nothing(admin: FlaskClient, session: Session) -> None:
    change_settings(legal_name="Nimbus Clouds", language="de", accent="#0b57d0", terms="Pay soon.")
    make_bank_account()
    upload(admin, make_png(30, 10))
    assert "/settings/sample.pdf" in admin.get("/settings").text
    before = contents(session)
    sent = admin.get("/settings/sample.pdf")
    assert (sent.status_code, sent.content_type) == (200, "application/pdf")
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(sent.data)).pages)
    for part in (
        "Nimbus Clouds",
        "SAMPLE-0001",
        "Rechnung",
        "Pay soon.",
        "DE89 3704 0044 0532 0130 00",
        "1.210,00",
        "TEST",
    ):
        assert part in text.replace("1,210.00", "1.210,00"), part
    assert contents(session) == before


def test_groups_have_sentences_states_and_links_from_each_form(admin: FlaskClient, app: Flask) -> None:
    page = admin.get("/settings")
    groups = list(parse(page).elements("section", **{"class": "settings-group"}))
    assert [section.attributes["id"].removeprefix("group-") for section in groups] == [
        "organisation",
        "tax",
        "documents",
        "billing",
        "e-mail",
        "books",
        "access",
    ]
    assert "How documents look and how they are numbered. Issued documents do not change." in words(page.text)
    assert "API tokens Open : API tokens 0 active tokens" in words(page.text)
    for path, title in ((TAX, "Tax"), (NUMBERS, "Documents and numbers"), ("/settings/period-lock", "Books")):
        tabs = next(parse(admin.get(path)).elements("nav", **{"aria-label": "Groups of settings"}))
        (current,) = tabs.elements("a", **{"aria-current": "true"})
        assert current.text() == title
    assert "active tokens" not in words(signed_in(app, "viewer").get("/settings").text)
