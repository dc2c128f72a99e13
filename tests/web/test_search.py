"""The search field."""

import html
import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.queries import search
from billing_admin.web.system.search import MAX_OPTIONS
from tests.clocks import stopped_clock
from tests.making import NOW, bill, make_customer, make_invoice, make_payment_spec, make_service, make_spec, pay, post
from tests.messages import make_message
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import words
from tests.web.reading import queries_of

clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def viewer(app: Flask) -> FlaskClient:
    return signed_in(app, "viewer")


def found(client: FlaskClient, q: str) -> str:
    response = client.get("/search", query_string={"q": q})
    if response.status_code == 303:
        return str(response.location)
    assert response.status_code == 200
    return words(response.text)


def test_straight_to_what_is_named_exactly(viewer: FlaskClient, session: Session) -> None:
    customer, service = make_customer(reference="ACME"), make_service(code="IPAddress")
    (charge,) = post(make_spec(customer, "3")).ids
    run = bill()
    invoice = make_invoice(customer)
    for q in ("INV-2026-00002", " inv-2026-00002 ", str(invoice.id)):
        assert found(viewer, q) == f"/invoices/{invoice.id}"
    for q in ("ACME", "acme", str(customer.id).upper()):
        assert found(viewer, q) == f"/customers/{customer.id}"
    assert found(viewer, "IPAddress") == found(viewer, str(service.id)) == f"/services/{service.id}"
    assert found(viewer, str(charge)) == f"/charges/{charge}"
    assert found(viewer, str(run)) == f"/billing-runs/{run}"


def test_a_short_number_leads_to_the_last_document_of_it(viewer: FlaskClient, session: Session) -> None:
    invoice = make_invoice(make_customer(reference="ACME"))
    for q in ("INV 1", "inv-1", "Inv #0001"):
        assert found(viewer, q) == f"/invoices/{invoice.id}"
    assert "No matches" in found(viewer, "INV 2")


def options(browser: FlaskClient, q: str) -> list[tuple[str, str]]:
    """Return the text and the address of each line of the palette."""
    page = browser.get("/search", query_string={"q": q, "palette": "1"})
    assert "<html" not in page.text
    lines = re.findall(r'<a role="option"[^>]*href="([^"]+)"[^>]*>(.*?)</a>', page.text, re.DOTALL)
    return [(words(text), html.unescape(url)) for url, text in lines]


def test_the_palette_has_the_groups_of_the_page(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", name="Café Ångström")
    invoice = make_invoice(customer)
    lines = options(viewer, "angstrom")
    assert lines[:2] == [
        ("Café Ångström ACME", f"/customers/{customer.id}"),
        ("INV-2026-00001 Café Ångström", f"/invoices/{invoice.id}"),
    ]
    assert ("Charges of Café Ångström", "/charges?customer=ACME") in lines
    assert lines[-1] == ("All results for “angstrom”", "/search?q=angstrom")
    assert options(viewer, "inv 1")[0] == ("INV-2026-00001 invoice", f"/invoices/{invoice.id}")
    assert options(viewer, "ACME")[0] == ("Café Ångström customer", f"/customers/{customer.id}")
    assert ("Bank accounts", "/settings/bank-accounts") in options(viewer, "bank")
    assert "Bank accounts" in found(viewer, "bank acc")
    assert options(viewer, "") == []


def test_acts_are_offered_to_those_who_may_do_them(app: Flask, viewer: FlaskClient, session: Session) -> None:
    make_invoice(make_customer(reference="ACME", name="ACME Inc"))
    admin = signed_in(app)
    payment = ("Record payment: INV-2026-00001 ACME", "/payments/new?customer=ACME&currency=USD")
    expected = {
        "new charge acme": ("New charge: ACME Inc ACME", "/charges/new?customer=ACME"),
        "run billing acme": ("Run billing: ACME Inc ACME", "/billing-runs/new?customer=ACME"),
        "pay INV-2026-00001": payment,
        "pay inv 1": payment,
        "new cust": ("New customer", "/customers/new"),
    }
    for q, line in expected.items():
        assert options(admin, q)[0] == line
        assert line[0] in found(admin, q)
        assert line not in options(viewer, q)
    assert admin.get(payment[1]).status_code == 200


def test_charges_and_messages_are_found_by_their_texts(
    viewer: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = make_customer(reference="ACME", name="ACME Inc")
    old, new = (
        post(make_spec(customer, "3", description=name)).ids[0] for name in ("Ärger 100% gelöst", "Rack move PO")
    )
    line = ("Rack move PO ACME Inc, 15 Mar 2026, 3.00 USD", f"/charges/{new}")
    for q in ("rack MOVE", "ck mo", str(new)[:8], str(new)[:13], str(new)[:30]):
        assert line in options(viewer, q), q
    assert [url for _, url in options(viewer, "100% g")][:1] == [f"/charges/{old}"]
    assert not any("charges" in url for _, url in options(viewer, "rack_move"))
    assert "Found in the latest 10,000 charges." in found(viewer, "rack move")
    monkeypatch.setattr(search, "SEARCHED_CHARGES", 1)
    assert not any(str(old) in url for _, url in options(viewer, "gelöst"))


def test_messages_are_found_by_subject_and_recipient(viewer: FlaskClient, session: Session) -> None:
    message = make_message(customer=make_customer(name="ACME Inc"), subject="Your statement of March")
    for q in ("anna@exam", "statement OF"):
        assert ("Your statement of March ACME Inc", f"/messages/{message.id}") in options(viewer, q)
    assert "Found in the latest 5,000 messages." in found(viewer, "anna@exam")


def test_what_several_things_are_called_is_a_choice(viewer: FlaskClient, session: Session) -> None:
    make_customer(reference="SAME", name="Customer One")
    make_service(code="SAME", name="Service One")
    text = found(viewer, "SAME")
    assert "Customer One" in text
    assert "Service One" in text


def test_hits_are_grouped(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="C", name="Café Ångström", email="money@cafe.example")
    make_customer(reference="D", name="Somebody else")
    make_service(code="S", name="Café visit")
    make_invoice(customer, "1234.50")
    for q in ("cafe", "CAFÉ"):
        text = found(viewer, q)
        assert text.startswith(f"Results for “{q}” Customers")
        assert "Services Code Name S Café visit" in text
        assert "Somebody else" not in text
    assert "Customers Customer Reference E-mail Café Ångström C money@cafe.example" in found(viewer, "money@")
    for q in ("2026-0000", "Ångström", "1,234.50", "1234.50 USD"):
        assert "Invoices Number Customer Issued Due Status Total Balance INV-2026-00001" in found(viewer, q)
    for q in ("1234.51", "1234.50 EUR", "12.345"):
        assert "No matches for" in found(viewer, q)


def test_a_total_is_found_by_each_reading_and_by_the_currencies_of_its_sign(
    viewer: FlaskClient, session: Session
) -> None:
    for reference, currency, amount in (
        ("usd", "USD", "1125"),
        ("cad", "CAD", "1125"),
        ("jpy", "JPY", "1125"),
        ("bhd", "BHD", "1.125"),
    ):
        make_invoice(make_customer(reference=reference, name=f"Total in {currency}", currency=currency), amount)
    for typed, currencies in (
        ("1,125", "USD CAD JPY BHD"),
        ("1125", "USD CAD JPY"),
        ("1.125", "USD CAD JPY BHD"),
        ("1.1250", "BHD"),
        ("$1,125.00", "USD CAD"),
        ("C$1125", "CAD"),
        ("¥1,125", "JPY"),
        ("1,125 BHD", "BHD"),
    ):
        text = found(viewer, typed)
        assert {one for one in ("USD", "CAD", "JPY", "BHD") if f"Total in {one}" in text} == set(currencies.split()), (
            typed
        )


def test_many_hits_lead_to_the_whole_list(viewer: FlaskClient, session: Session) -> None:
    for number in range(11):
        make_customer(reference=f"R{number}", name=f"Common {number}")
    response = viewer.get("/search?q=common")
    assert "/customers?q=common&amp;show=all" in response.text
    assert "Common 8" in response.text
    assert "Common 9" not in response.text


@pytest.mark.parametrize("q", ["", "   ", "\x00"])
def test_without_a_text_says_what_can_be_found(viewer: FlaskClient, q: str) -> None:
    assert "Enter a search text" in found(viewer, q)


@pytest.mark.parametrize(
    "q", ["nothing", "%", "_", "'; DROP TABLE", "3135f216-5533-4c18-882a-f96c09cfc73c", "<b>", "9" * 300, "qé\u0301"]
)
def test_without_a_hit_says_so_and_keeps_the_text(viewer: FlaskClient, session: Session, q: str) -> None:
    make_customer(reference="C", name="Name")
    response = viewer.get("/search", query_string={"q": q})
    assert "No matches for" in response.text
    assert "<b>" not in response.text


def test_takes_the_same_queries_for_few_and_many(app: Flask, viewer: FlaskClient, session: Session) -> None:
    counts = []
    for number in range(8):
        make_invoice(make_customer(reference=f"R{number}", name=f"Common {number}"))
        make_service(code=f"S{number}", name=f"Common {number}")
        if number in {1, 7}:
            counts.append(queries_of(app, viewer, "/search?q=common"))
    assert counts[0] == counts[1]


def test_customers_to_choose_from_are_found_beyond_the_first(viewer: FlaskClient, session: Session) -> None:
    for number in range(30):
        make_customer(reference=f"c{number:02}", name=f"Café {number:02}", currency="EUR")
    make_customer(reference="zoo", name="Zürich Zoo", currency="CHF")
    zoo = {"reference": "zoo", "name": "Zürich Zoo", "currency": "CHF"}
    assert viewer.get("/search/customers?q=zurich").json == [zoo]
    assert len(viewer.get("/search/customers?q=").json or ()) == MAX_OPTIONS
    named = viewer.get("/search/customers?reference=zoo&reference=c29&reference=nobody").json or []
    assert sorted(customer["reference"] for customer in named) == ["c29", "zoo"]


def test_nobody_finds_customers_signed_out(app: Flask) -> None:
    response = app.test_client().get("/search/customers?q=a")
    assert (response.status_code, response.is_json) == (303, False)


@pytest.mark.both_databases
def test_search_and_lists_find_amounts_orders_tax_ids_cities_and_payments(
    viewer: FlaskClient, session: Session
) -> None:
    acme = make_customer(
        reference="ACME",
        name="ACME",
        currency="EUR",
        email="pay@acme.example",
        tax_id="ATU13585627",
        address="1 Street\nGraz",
    )
    make_customer(reference="OTHER", name="Other", currency="EUR")
    invoice = make_invoice(acme, "1234.50")
    pay(make_payment_spec(acme, "987.65", {}, reference="Wire 4711"))
    for q in ("atu13585627", "graz", "PAY@acme"):
        text = found(viewer, q)
        assert ("ACME" in text, "Other" in text, str(invoice.number) in text) == (True, False, True), q
    for q in ("1,234.50", "1.234,50", "1 234,50", "1234.5", "EUR 1234.50"):
        assert str(invoice.number) in found(viewer, q), q
        assert str(invoice.number) in words(viewer.get("/invoices", query_string={"q": q}).text), q
    assert str(invoice.number) in words(viewer.get("/invoices?q=pay@acme.example").text)
    for q in ("wire 4711", "987,65", "987.65"):
        assert "Wire 4711" in found(viewer, q), q
        assert "Wire 4711" in words(viewer.get("/payments", query_string={"q": q}).text), q
    assert "No matches" in found(viewer, "55.55")


@pytest.mark.both_databases
def test_search_ignores_the_case_of_every_letter(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="C", name="Company", address="1 Ölweg\nÅNGSTRÖM", purchase_order="Auftrag-Ä7")
    number = str(make_invoice(customer).number)
    pay(make_payment_spec("C", "5", {}, reference="Über 4711"))
    for q in ("ölweg", "ÖLWEG", "ångström", "auftrag-ä7", "AUFTRAG-Ä7"):
        text = found(viewer, q)
        assert ("Company" in text, number in text) == (True, True), q
    assert "Über 4711" in found(viewer, "über 4711")


@pytest.mark.both_databases
def test_invoices_are_found_by_the_purchase_order_of_a_charge(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="C", name="Company")
    post(*(replace(make_spec(customer, "3"), purchase_order=order) for order in ("PO-4711", "PO-4712")))
    bill()
    other = str(make_invoice(customer).number)
    text = found(viewer, "po-4711")
    assert ("INV-2026-00001" in text, other in text) == (True, False)
    assert "INV-2026-00001" in words(viewer.get("/invoices?q=4711").text)
