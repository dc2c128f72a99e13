"""The pages that credit lines and bill them again: one confirmation for both documents."""

from datetime import timedelta
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.models import Invoice
from tests.clocks import stopped_clock
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_customer,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, link, words

clock = stopped_clock(NOW + timedelta(hours=1))


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """10 hours at 12.00 and a fee of 30.00, at 19 %: 178.50 USD, of which 100.00 are paid."""
    customer = make_customer(reference="ACME")
    rate = make_tax_rate("VAT19", "19").code
    hours = make_service(code="hours", tax_rate=rate, prices={"USD": Decimal(12)})
    post(make_spec(customer, service=hours, quantity="10"))
    post(make_spec(customer, "30", service=make_service(code="fee", tax_rate=rate, prices={})))
    bill()
    pay(make_payment_spec(customer, "100"))
    return all_invoices()[0]


def at(invoice: Invoice) -> str:
    return f"/invoices/{invoice.id}/bill-again"


def entered(browser: FlaskClient, invoice: Invoice, code: str = "hours", **values: str) -> dict[str, str]:
    """The fields of the form with a new value for one line."""
    form = browser.get(at(invoice))
    fields = {"id": field(form, "id"), "reason": "Disputed", "issue_date": "2026-04-02", "issue": "y"}
    for place, line in enumerate(invoice.lines):
        fields[f"lines-{place}-line"] = str(line.id)
        for name in ("quantity", "unit_price") if line.unit_price else ("amount",):
            fields[f"lines-{place}-{name}"] = field(form, f"lines-{place}-{name}")
        if line.service_code == code:
            fields |= {f"lines-{place}-{name}": value for name, value in values.items()}
    return fields


def test_a_disputed_charge_is_credited_and_billed_again(browser: FlaskClient, invoice: Invoice) -> None:
    form = browser.get(link(browser.get(f"/invoices/{invoice.id}"), "Credit and bill again"))
    assert "Lines to credit in full and bill again" in words(form)
    fields = entered(browser, invoice, quantity="7") | {"apply_credit": "y"}
    page = send(browser, at(invoice), **fields)
    text = words(page)
    assert "Credit 142.80 USD of INV-2026-00001 and bill 99.96 USD?" in text
    assert "Due on INV-2026-00001 now 78.50 USD Due on INV-2026-00001 afterwards 0.00 USD" in text
    assert "Becomes the customer's credit 64.30 USD" in text
    assert "Credit that pays the new invoice 64.30 USD Due on the new invoice 35.66 USD" in text
    assert len(all_invoices()) == 1
    done = send(browser, at(invoice), **fields, shown=field(page, "shown"))
    assert done.status_code == 303
    new = next(one for one in all_invoices() if one.number == "INV-2026-00002")
    assert done.location == f"/invoices/{new.id}"
    shown = words(browser.get(done.location))
    assert "CN-2026-00001 and INV-2026-00002 were issued." in shown
    assert "Bills lines of INV-2026-00001 again, which CN-2026-00001 credits Disputed" in shown
    assert "Total 99.96 USD − minus Paid 64.30 USD − minus Credited 0.00 USD = equals Due 35.66 USD" in shown
    assert "Lines billed again on a new invoice" in words(browser.get(f"/invoices/{invoice.id}"))
    repeated = send(browser, at(invoice), **fields, shown=field(page, "shown"))
    assert repeated.location == done.location
    assert len(all_invoices()) == 3


def test_credit_that_the_settings_apply_is_on_the_confirmation(browser: FlaskClient, invoice: Invoice) -> None:
    change_settings(applies_credit=True)
    form = words(browser.get(at(invoice)))
    assert "Pay the new invoice from the customer's credit" not in form
    assert "When it is issued, the customer's credit pays it, as set in Settings." in form
    page = send(browser, at(invoice), **entered(browser, invoice, quantity="7"))
    assert "Credit that pays the new invoice 64.30 USD Due on the new invoice 35.66 USD" in words(page)


def test_a_draft_is_made_without_issue(browser: FlaskClient, invoice: Invoice) -> None:
    fields = entered(browser, invoice, "fee", amount="20")
    del fields["issue"]
    page = send(browser, at(invoice), **fields)
    assert "Total of the new draft 23.80 USD" in words(page)
    done = send(browser, at(invoice), **fields, shown=field(page, "shown"))
    assert "CN-2026-00001 was issued. The new invoice is a draft" in words(browser.get(done.location))
    assert "Draft" in words(browser.get(done.location))


def test_a_line_that_was_credited_in_part_needs_its_values(browser: FlaskClient, invoice: Invoice) -> None:
    credit(invoice, lines={next(line.id for line in invoice.lines if line.service_code == "hours"): "100"})
    place = next(place for place, line in enumerate(invoice.lines) if line.service_code == "hours")
    names = [f"lines-{place}-{name}" for name in ("quantity", "unit_price")]
    form = browser.get(at(invoice))
    assert "A part was already credited: enter what to bill now." in words(form)
    assert [field(form, name) for name in names] == ["", ""]
    fields = entered(browser, invoice) | {f"lines-{place}-tick": "y"}
    refused = send(browser, at(invoice), **fields)
    assert refused.status_code == 422
    assert "Enter the quantity and the unit price to bill now." in words(refused)
    page = send(browser, at(invoice), **fields | dict(zip(names, ("2", "10"), strict=True)))
    assert "Credit 23.80 USD of INV-2026-00001 and bill 23.80 USD?" in words(page)


def test_changed_figures_are_shown_again(browser: FlaskClient, invoice: Invoice) -> None:
    fields = entered(browser, invoice, quantity="7")
    page = send(browser, at(invoice), **fields)
    pay(make_payment_spec("ACME", "10"))
    stale = send(browser, at(invoice), **fields, shown=field(page, "shown"))
    assert stale.status_code in {303, 422}
    credit(invoice, "5")
    again = send(browser, at(invoice), **(fields | {"id": field(browser.get(at(invoice)), "id")}), shown="0 0 0 0")
    assert again.status_code == 422
    assert len([one for one in all_invoices() if one.kind == "invoice"]) <= 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Choose at least one line to credit and bill again."),
        ({"lines-0-tick": "y", "reason": ""}, "Enter a reason. It is printed on the credit note."),
        ({"lines-0-tick": "y", "issue_date": "2026-04-03"}, "Use 2026-04-02 (today) or earlier"),
        ({"lines-0-tick": "y", "lines-0-line": "x"}, "Choose a line of this invoice."),
        ({"lines-1-quantity": "0"}, "The total would be zero"),
        ({"lines-1-quantity": "seven"}, "seven"),
    ],
)
def test_mistakes_are_named_and_the_input_is_kept(
    browser: FlaskClient, invoice: Invoice, changes: dict[str, str], sentence: str
) -> None:
    refused = send(browser, at(invoice), **(entered(browser, invoice) | changes))
    assert refused.status_code == 422
    assert sentence in words(refused)
    assert len(all_invoices()) == 1
    for name in ("lines-1-quantity", "reason"):
        if name in changes:
            assert field(refused, name) == changes[name]


def test_an_invoice_that_is_credited_in_full_has_nothing_left(browser: FlaskClient, invoice: Invoice) -> None:
    credit(invoice, "178.50")
    assert "Nothing is left to credit" in words(browser.get(at(invoice)))
    assert not has_link(browser.get(f"/invoices/{invoice.id}"), "Credit and bill again")


def test_a_viewer_bills_nothing_again(app: Flask, invoice: Invoice) -> None:
    assert signed_in(app, "viewer").get(at(invoice)).status_code == 403
