"""The totals of a document are equal wherever it is printed, shown, exported or handed to a program.

`test_e_invoices.py` compares them for one document in every run.
"""

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, event, given, settings, strategies as st
from lxml import etree
from sqlalchemy.orm import Session

from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import Money
from billing_admin.formats.einvoice import render_xml
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Invoice
from billing_admin.queries.invoices.invoices import invoice
from tests.api.conftest import Script, make_token  # noqa: F401 - a fixture
from tests.formats.printing import read_pages
from tests.making import all_invoices, bill, change_settings, credit, make_customer, make_spec, make_tax_rate, post
from tests.people import signed_in
from tests.web.pages import parse

Totals = dict[str, Decimal]
NAMES = ("net", "tax", "total")
PATHS = {
    "ubl": ("{*}LegalMonetaryTotal/{*}TaxExclusiveAmount", "{*}TaxTotal/{*}TaxAmount", ".//{*}PayableAmount"),
    "cii": (".//{*}TaxBasisTotalAmount", ".//{*}TaxTotalAmount", ".//{*}DuePayableAmount"),
}
amounts = st.fixed_dictionaries({"amount": st.decimals("0.01", 9_999_999, places=2).map(str)})
prices = st.fixed_dictionaries(
    {
        "quantity": st.decimals("0.001", 9_999, places=3).map(str),
        "unit_price": st.decimals("0.000001", 999, places=6).map(str),
        "tax_included": st.booleans(),
    }
)


def printed_totals(document: Invoice) -> Totals:
    text = " ".join(read_pages(render_pdf(document, load_glyphs())))
    amount = rf"([\d,.]+) {document.currency}"
    [values] = re.findall(rf"Net {amount} Tax {amount} Total(?: credited)? {amount}", text)
    return {name: Decimal(value.replace(",", "")) for name, value in zip(NAMES, values, strict=True)}


def e_invoice_totals(document: Invoice, syntax: str) -> Totals:
    tree = etree.fromstring(render_xml(document, syntax))
    return {name: Decimal(tree.findtext(path)) for name, path in zip(NAMES, PATHS[syntax], strict=True)}


def page_totals(browser: FlaskClient, document: Invoice) -> Totals:
    """Return the totals of the document's page; its tax has a row for each rate, and for prices with tax."""
    (sheet,) = parse(browser.get(f"/invoices/{document.id}")).elements("dl", **{"class": "sheet-totals"})
    values = [Decimal(value.text().split()[0].replace(",", "")) for value in sheet.elements("dd")]
    count = len(document.taxes)
    return {"net": values[0], "tax": sum(values[1 : 1 + count], Decimal()), "total": values[1 + count]}


def program_totals(values: dict[str, Any]) -> Totals:
    return {name: Decimal(values[name]) for name in NAMES}


def check(session: Session, browser: FlaskClient, script: Script, id: Any) -> None:
    """Compare the totals of a document in all places."""
    session.rollback()
    document = invoice(session, str(id))
    expected = {name: Money(getattr(document, name), document.currency).decimal for name in NAMES}
    assert expected["net"] + expected["tax"] == expected["total"]
    exported = csv.DictReader(io.StringIO(script.get(f"/invoices.csv?customer={document.customer_reference}").text))
    totals = {
        "PDF": printed_totals(document),
        "UBL": e_invoice_totals(document, "ubl"),
        "CII": e_invoice_totals(document, "cii"),
        "page": page_totals(browser, document),
        "API": program_totals(script.get(f"/invoices/{document.number}").json or {}),
        "CSV": program_totals(next(row for row in exported if row["number"] == document.number)),
    }
    assert totals == dict.fromkeys(totals, expected)


@pytest.mark.deep
def test_totals_are_equal_in_all_places(app: Flask, session: Session, make_token: Any) -> None:  # noqa: F811
    make_tax_rate()
    change_settings(default_tax_rate="VAT19", legal_name="Seller GmbH", address="Road 1")
    browser, script = signed_in(app), Script(app.test_client(), make_token())

    @settings(
        max_examples=40,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        st.sampled_from(["EUR", "JPY", "USD"]), st.lists(amounts | prices, min_size=1, max_size=5), st.integers(1, 99)
    )
    def compare(currency: str, charges: list[dict[str, Any]], percent: int) -> None:
        customer = make_customer(currency=currency, address="Main Street 5")
        post(*(make_spec(customer, description=f"Part {n}", **charge) for n, charge in enumerate(charges)))
        bill(customers=[customer])
        issued = [document for document in all_invoices() if document.customer_id == customer.id]
        if not issued:  # the total is zero
            event("no invoice")
            return
        check(session, browser, script, issued[0].id)
        part = Money(max(1, issued[0].total * percent // 100), currency).decimal
        try:
            note = credit(issued[0], str(part))
        except Invalid:  # no such amount can be split into net and tax
            event("no credit note")
            return
        check(session, browser, script, note.id)

    compare()
