"""Voiding and crediting on pages: what they mean is said first, and confirmed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.models import Charge, Invoice
from tests.clocks import stopped_clock
from tests.making import (
    NOW,
    all_invoices,
    bill,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
    void,
)
from tests.messages import make_message
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import action, field, fields, has_link, link, parse, words

clock = stopped_clock(NOW + timedelta(hours=1))


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """100.00 at 19 % and 50.00 at 7 %: 172.50 USD, of ACME Inc."""
    customer = make_customer(reference="acme", name="ACME Inc")
    for code, percent, amount in (("VAT19", "19", "100"), ("VAT7", "7", "50")):
        service = make_service(code=f"at-{code}", tax_rate=make_tax_rate(code, percent).code)
        post(make_spec(customer, amount, service=service))
    bill()
    return all_invoices()[0]


def statuses(session: Session) -> set[str]:
    session.rollback()
    return set(session.scalars(select(Charge.status)))


# --- void ------------------------------------------------------------------------------------------------------------


def test_voids_after_a_confirmation(browser: FlaskClient, invoice: Invoice, session: Session) -> None:
    at = f"/invoices/{invoice.id}"
    page = browser.get(link(browser.get(at), "Void"))
    text = words(page)
    assert "Void INV-2026-00001?" in text
    assert "Customer ACME Inc (acme)" in text
    assert "Total 172.50 USD" in text
    assert "Charges 2 charges" in text
    assert "This cannot be undone" in text
    assert "Void invoice INV-2026-00001" in text
    refused = send(browser, f"{at}/void", charges="pending", reason="")
    assert refused.status_code == 422
    assert "Enter a reason for voiding the invoice." in words(refused)
    assert statuses(session) == {"billed"}
    done = send(browser, f"{at}/void", charges="pending", reason="Wrong customer")
    assert (done.status_code, done.location) == (303, at)
    shown = words(browser.get(at))
    assert "INV-2026-00001 was voided." in shown
    assert "This invoice is void Voided on 2 Apr 2026: Wrong customer." in shown
    assert 'data-mark="VOID"' in browser.get(at).text
    assert "Balance due" not in shown
    assert statuses(session) == {"pending"}
    again = send(browser, f"{at}/void", charges="cancelled", reason="Again")
    assert "INV-2026-00001 was already void." in words(browser.get(again.location))
    assert statuses(session) == {"pending"}


def test_void_and_bill_again_lead_to_each_other(browser: FlaskClient, invoice: Invoice) -> None:
    at = f"/invoices/{invoice.id}"
    done = send(browser, f"{at}/void", charges="billed_again", reason="Wrong address")
    draft = browser.get(done.location)
    assert "It bills the charges of the void invoice INV-2026-00001 again." in words(draft)
    assert link(draft, "INV-2026-00001") == at
    assert "Its charges are billed again on Draft." in words(browser.get(at))
    assert link(browser.get(at), "Draft") == done.location
    line = browser.get(f"{at}/lines/{invoice.lines[0].id}")
    assert "100.00 USD" in words(line)


def test_a_charge_names_the_void_invoice_and_the_draft_it_is_on(
    browser: FlaskClient, invoice: Invoice, session: Session
) -> None:
    at, charge = f"/invoices/{invoice.id}", session.scalars(select(Charge.id)).first()
    assert "Void invoices" not in words(browser.get(f"/charges/{charge}"))
    draft = send(browser, f"{at}/void", charges="billed_again", reason="Wrong address").location
    page = browser.get(f"/charges/{charge}")
    assert "Void invoices INV-2026-00001" in words(page)
    assert link(page, "INV-2026-00001") == at
    assert link(page, "remove it from the draft") == f"{draft}/charges"


def test_what_is_credited_in_part_is_not_called_paid(browser: FlaskClient, invoice: Invoice) -> None:
    credit(invoice, "10")
    assert words(browser.get(f"/invoices/{invoice.id}")).count("Part credited") == 1
    pay(make_payment_spec("acme", "1"))
    assert words(browser.get(f"/invoices/{invoice.id}")).count("Part paid") == 1


def test_what_is_paid_offers_no_void(browser: FlaskClient, invoice: Invoice) -> None:
    pay(make_payment_spec("acme", "1"))
    at = f"/invoices/{invoice.id}"
    assert not has_link(browser.get(at), "Void")
    assert "This document cannot be voided" in words(browser.get(f"{at}/void"))
    refused = send(browser, f"{at}/void", charges="pending", reason="Wrong")
    assert refused.status_code == 422
    assert "is paid in part or in full and cannot be voided. Credit the remaining amount." in words(refused)


def test_what_was_sent_is_credited_in_full_in_one_step(
    browser: FlaskClient, invoice: Invoice, session: Session
) -> None:
    make_message(invoice, state="sent")
    page = browser.get(link(browser.get(f"/invoices/{invoice.id}"), "Void"))
    assert "This invoice was sent, so it cannot be voided" in words(page)
    at = action(page, "/credit-in-full")
    empty = send(browser, at, id=field(page, "id"), reason="")
    assert (empty.status_code, field(empty, "id")) == (422, field(page, "id"))
    assert "Enter a reason." in words(empty)
    done = send(browser, at, id=field(page, "id"), reason="Wrong address")
    assert done.status_code == 303
    text = words(browser.get(done.location))
    assert f"CN-2026-00001 was issued and credits {invoice.number}." in text
    assert "Wrong address" in text
    again = send(browser, at, id=field(page, "id"), reason="Wrong address")
    assert again.location == done.location
    assert len(all_invoices()) == 2


def test_what_was_sent_meanwhile_keeps_the_reason(browser: FlaskClient, invoice: Invoice) -> None:
    page = browser.get(f"/invoices/{invoice.id}/void")
    assert "Charges after voiding" in words(page)
    make_message(invoice, state="sending")
    refused = send(browser, f"/invoices/{invoice.id}/void", reason="Wrong address", charges="pending")
    assert field(refused, "reason") == "Wrong address"
    assert "Credit in full" in words(refused)
    assert [document.status for document in all_invoices()] == ["issued"]


def test_a_draft_is_neither_voided_nor_credited(browser: FlaskClient) -> None:
    draft = make_invoice(issue=False)
    for act in ("void", "credit"):
        page = browser.get(f"/invoices/{draft.id}/{act}", follow_redirects=True)
        assert "This invoice is a draft. Edit or discard it instead." in words(page)


# --- credit ----------------------------------------------------------------------------------------------------------


def confirm(browser: FlaskClient, page: TestResponse, at: str, **changes: str) -> TestResponse:
    """Send what the confirmation page holds."""
    names = ("id", "reason", "way", "amount", "issue_date", "shown")
    return send(browser, at, **{name: field(page, name) for name in names} | changes)


def test_credits_an_amount_after_a_confirmation(browser: FlaskClient, invoice: Invoice, session: Session) -> None:
    pay(make_payment_spec("acme", "150"))
    at = link(browser.get(f"/invoices/{invoice.id}"), "Credit")
    form = browser.get(at)
    assert "Left to credit 172.50 USD" in words(form)
    assert field(form, "amount") == ""
    assert [field(form, f"lines-{place}-amount") for place in (0, 1)] == ["", ""]
    page = send(
        browser,
        at,
        id=field(form, "id"),
        way="amount",
        amount="86.25",
        reason="Half was not delivered",
        issue_date="2026-04-02",
    )
    text = words(page)
    assert page.status_code == 200
    assert "Credit 86.25 USD of INV-2026-00001?" in text
    assert "Number CN-2026-00001" in text
    assert "Net 75.00 USD" in text
    assert "Tax 19 % (S) on 50.00 USD 9.50 USD" in text
    assert "Reduces the balance by 22.50 USD" in text
    assert "New balance 0.00 USD" in text
    assert "Becomes the customer’s credit 63.75 USD" in text
    assert len(all_invoices()) == 1
    done = confirm(browser, page, at)
    note = next(one for one in all_invoices() if one.kind == "credit_note")
    assert (done.status_code, done.location) == (303, f"/invoices/{note.id}")
    assert confirm(browser, page, at).location == done.location
    assert len(all_invoices()) == 2
    shown = browser.get(done.location)
    assert "CN-2026-00001 was issued and credits INV-2026-00001." in words(shown)
    assert "Corrects INV-2026-00001 of 2 Apr 2026" in words(shown)
    assert "Total credited 86.25 USD" in words(shown)
    assert "Reason: Half was not delivered" in words(shown)
    assert link(shown, "INV-2026-00001") == f"/invoices/{invoice.id}"
    assert not has_link(shown, "Credit")
    corrected = browser.get(f"/invoices/{invoice.id}")
    assert link(corrected, "CN-2026-00001") == f"/invoices/{note.id}"
    assert "Credited 86.25 USD Balance due 0.00 USD" in words(corrected)


def test_credits_lines(browser: FlaskClient, invoice: Invoice) -> None:
    at = f"/invoices/{invoice.id}/credit"
    entered = {
        "id": field(browser.get(at), "id"),
        "way": "lines",
        "amount": "172.50",
        "lines-0-line": str(invoice.lines[0].id),
        "lines-0-amount": "",
        "lines-1-line": str(invoice.lines[1].id),
        "lines-1-amount": "20",
        "reason": "Returned",
        "issue_date": "2026-04-02",
    }
    page = send(browser, at, **entered)
    assert "Credit 21.40 USD of INV-2026-00001?" in words(page)
    changed = send(browser, at, **entered, change="1")
    assert (changed.status_code, field(changed, "lines-1-amount")) == (200, "20")
    done = send(browser, at, **entered, shown=field(page, "shown"))
    assert "Total credited 21.40 USD" in words(browser.get(done.location))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"amount": "172.51"},
            "Enter at most 172.50 USD: this is the amount of INV-2026-00001 that is not credited yet.",
        ),
        ({"amount": ""}, "Enter either an amount, or lines with their net amounts."),
        ({"amount": "1.234,5"}, "1234.5"),
        ({"reason": ""}, "Enter a reason. It is printed on the credit note."),
        ({"issue_date": "2026-04-01"}, "Use 2026-04-02 or later: that is the date of INV-2026-00001."),
        ({"way": "lines", "lines-0-line": "x", "lines-0-amount": "1"}, "Choose a line of INV-2026-00001."),
        ({"way": "lines"}, "Enter either an amount, or lines with their net amounts."),
    ],
)
def test_says_how_to_mend_a_credit(
    browser: FlaskClient, invoice: Invoice, changes: dict[str, str], sentence: str
) -> None:
    at = f"/invoices/{invoice.id}/credit"
    entered = {"id": field(browser.get(at), "id"), "way": "amount", "amount": "1", "reason": "Why"}
    entered |= {"issue_date": "2026-04-02"} | changes
    page = send(browser, at, **entered)
    if page.status_code == 200:
        page = send(browser, at, **entered, shown=field(page, "shown"))
    assert page.status_code == 422
    assert sentence in words(page)
    assert len(all_invoices()) == 1


def entered(browser: FlaskClient, invoice: Invoice, **values: str) -> dict[str, str]:
    """The fields of the credit form, with all lines."""
    lines = {f"lines-{place}-line": str(line.id) for place, line in enumerate(invoice.lines)}
    id = field(browser.get(f"/invoices/{invoice.id}/credit"), "id")
    return {"id": id, "way": "lines", "reason": "Why", "issue_date": "2026-04-02"} | lines | values


@pytest.mark.parametrize(
    ("values", "total", "net_hints"),
    [
        ({"lines-0-tick": "y"}, "119.00 USD", ["= 100.00 USD", ""]),
        ({"lines-0-quantity": "0.5"}, "59.50 USD", ["= 50.00 USD", ""]),
        ({"lines-0-quantity": "0.3333", "lines-1-tick": "y"}, "93.16 USD", ["= 33.33 USD", "= 50.00 USD"]),
        ({"lines-0-tick": "y", "lines-0-amount": "1"}, "1.19 USD", ["", ""]),
        ({"way": "all"}, "172.50 USD", ["= 100.00 USD", "= 50.00 USD"]),
        ({"way": "amount", "amount": "1", "lines-0-tick": "y"}, "1.00 USD", ["= 0.58 USD", "= 0.29 USD"]),
    ],
)
def test_lines_are_credited_by_tick_quantity_or_amount(
    browser: FlaskClient, session: Session, values: dict[str, str], total: str, net_hints: list[str]
) -> None:
    customer = make_customer(reference="acme", name="ACME Inc")
    for code, percent, amount in (("VAT19", "19", "100"), ("VAT7", "7", "50")):
        service = make_service(
            code=f"at-{code}", tax_rate=make_tax_rate(code, percent).code, prices={"USD": Decimal(amount)}
        )
        post(make_spec(customer, service=service, quantity="1"))
    bill()
    invoice = all_invoices()[0]
    at, form = f"/invoices/{invoice.id}/credit", entered(browser, invoice, **values)
    shown = send(browser, at, **form, then="totals")
    assert f"equals Credit note {total}" in words(shown)
    nets = [hint.text() for hint in parse(shown).elements("small", **{"data-line-net": ""})]
    assert nets == net_hints
    page = send(browser, at, **form)
    assert f"Credit {total} of INV-2026-00001?" in words(page)
    assert len(all_invoices()) == 1
    done = send(browser, at, **form, shown=field(page, "shown"))
    assert f"Total credited {total}" in words(browser.get(done.location))


def test_a_quantity_that_is_not_left_names_the_net_that_is(browser: FlaskClient) -> None:
    customer = make_customer(reference="acme", name="ACME Inc")
    service = make_service(code="pair", tax_rate=make_tax_rate().code, prices={"USD": Decimal("0.335")})
    post(make_spec(customer, service=service, quantity="2"))
    bill()
    invoice = all_invoices()[0]
    at = f"/invoices/{invoice.id}/credit"
    form = entered(browser, invoice, **{"lines-0-quantity": "1"})
    send(browser, at, **form, shown=field(send(browser, at, **form), "shown"))
    for quantity, net in (("1", "0.34"), ("0", "0.00")):
        refused = send(browser, at, **entered(browser, invoice, **{"lines-0-quantity": quantity}))
        message = (
            f"Enter another quantity, or a net amount of at most 0.33 USD for line 1: this quantity is {net} USD net."
        )
        assert message in words(refused)
        assert link(refused, message) == "#lines-0-quantity"
    rest = entered(browser, invoice, **{"lines-0-tick": "y"})
    done = send(browser, at, **rest, shown=field(send(browser, at, **rest), "shown"))
    assert done.status_code == 303


def test_nothing_is_credited_by_default(browser: FlaskClient, invoice: Invoice) -> None:
    refused = send(browser, f"/invoices/{invoice.id}/credit", **entered(browser, invoice))
    assert refused.status_code == 422
    totals = send(browser, f"/invoices/{invoice.id}/credit", **entered(browser, invoice), then="totals")
    assert "equals Credit note – none" in words(totals)


def test_the_maximum_of_a_line_is_named_at_the_line(browser: FlaskClient, invoice: Invoice) -> None:
    at = f"/invoices/{invoice.id}/credit"
    form = entered(browser, invoice, **{"lines-1-amount": "50.01"})
    for refused in (send(browser, at, **form), send(browser, at, **form, then="totals")):
        assert "Enter at most 50.00 USD net for line 2." in words(refused)
        assert 'aria-invalid="true"' in refused.text
        assert field(refused, "lines-1-amount") == "50.01"
    both = send(browser, at, **entered(browser, invoice, **{"lines-0-amount": "1", "lines-0-quantity": "1"}))
    assert "Enter a quantity or a net amount, not both." in words(both)


def test_totals_need_no_reason_and_keep_the_input(browser: FlaskClient, invoice: Invoice) -> None:
    pay(make_payment_spec("acme", "150"))
    form = entered(browser, invoice, **{"lines-0-tick": "y"}) | {"reason": ""}
    page = send(browser, f"/invoices/{invoice.id}/credit", **form, then="totals")
    assert page.status_code == 200
    text = words(page)
    assert "Net to credit 100.00 USD + plus Tax 19.00 USD = equals Credit note 119.00 USD" in text
    assert "Reduces the balance by 22.50 USD New balance 0.00 USD Becomes the customer's credit 96.50 USD" in text
    assert "There is a problem" not in text


def test_what_was_credited_meanwhile_is_shown_again(browser: FlaskClient, invoice: Invoice) -> None:
    at = f"/invoices/{invoice.id}/credit"
    entered = {"id": field(browser.get(at), "id"), "way": "lines", "reason": "Why", "issue_date": "2026-04-02"}
    entered |= {"lines-0-line": str(invoice.lines[1].id), "lines-0-amount": "0.05"}
    page = send(browser, at, **entered)
    for _ in range(3):
        credit(invoice, lines={invoice.lines[1].id: "0.05"})
    stale = send(browser, at, **entered, shown=field(page, "shown"))
    assert stale.status_code in {303, 422}
    if stale.status_code == 422:
        assert "Another credit note for this invoice was issued first." in words(stale)


def test_a_viewer_corrects_nothing(app: Flask, invoice: Invoice) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get(f"/invoices/{invoice.id}")
    assert not has_link(page, "Void")
    assert not has_link(page, "Credit")
    for act in ("void", "credit"):
        assert viewer.get(f"/invoices/{invoice.id}/{act}").status_code == 403
        assert send(viewer, f"/invoices/{invoice.id}/{act}", reason="x").status_code == 403


def test_lists_count_void_as_zero_and_credit_notes_apart(browser: FlaskClient, invoice: Invoice) -> None:
    credit(invoice, "72.50")
    void(make_invoice(make_customer(reference="other"), "9"))
    text = words(browser.get("/invoices"))
    assert "2 invoices in USD Net 150.00 USD Tax 22.50 USD 172.50 USD 100.00 USD" in text
    assert "1 credit note in USD Net 63.05 USD Tax 9.45 USD 72.50 USD 0.00 USD" in text
    notes = browser.get("/invoices?kind=credit_note")
    assert "All 1" in words(notes)
    assert fields(notes, "issued_from") == [""]
