"""The pages that correct a charge, and those on which likely duplicates are kept or cancelled."""

from dataclasses import replace
from datetime import date
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.models import Charge
from tests.making import bill, change_settings, make_customer, make_service, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, fields, has_link, link, statements, words

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin; ACME in USD, and a service of 2.50 USD."""
    make_customer(reference="acme", name="ACME Inc")
    make_service()
    return signed_in(app)


def stored(session: Session, id: UUID) -> Charge:
    session.rollback()
    return session.get_one(Charge, id, populate_existing=True)


NAMES = ("id", "customer", "description", "quantity", "unit_price", "amount", "day")


def correct(browser: FlaskClient, charge_id: UUID, **changes: str) -> TestResponse:
    """Fill in the form as it is shown."""
    page = browser.get(f"/charges/{charge_id}/correct")
    given = {name: field(page, name) for name in NAMES}
    return send(browser, f"/charges/{charge_id}/correct", **(given | {"reason": "Misread"} | changes))


# --- correcting ------------------------------------------------------------------------------------------------------


def test_the_form_holds_what_the_charge_says(browser: FlaskClient) -> None:
    post(make_spec("acme", "12.5", description="Two days", id=A))
    page = browser.get(link(browser.get(f"/charges/{A}"), "Correct"))
    assert [field(page, name) for name in NAMES[1:]] == ["acme", "Two days", "1", "", "12.50", "15 Mar 2026"]


def test_it_is_replaced_and_both_pages_lead_to_the_other(browser: FlaskClient, session: Session) -> None:
    post(make_spec("acme", service="GenericCompute", quantity="3", id=A))
    response = correct(browser, A, service="GenericCompute", quantity="4")
    page = browser.get(response.location)
    assert "Charge corrected." in words(page)
    assert "Exact amount 10.00 USD" in words(page)
    old = browser.get(link(page, "a cancelled charge"))
    assert "Cancelled: Misread" in words(old)
    assert link(old, "another charge") == response.location
    assert not has_link(old, "Correct")
    assert stored(session, A).status == "cancelled"


def test_the_period_is_in_the_form_and_changes_with_it(browser: FlaskClient, session: Session) -> None:
    post(replace(make_spec("acme", "12.5", id=A), period_from=date(2026, 3, 1), period_to=date(2026, 3, 31)))
    page = browser.get(f"/charges/{A}/correct")
    assert [field(page, name) for name in ("period_from", "period_to")] == ["1 Mar 2026", "31 Mar 2026"]
    response = correct(browser, A, period_from="2026-03-01", period_to="2026-03-30")
    assert "Period 1 – 30 Mar 2026" in words(browser.get(response.location))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Change at least one field"),
        ({"reason": " ", "amount": "7"}, "Enter a reason."),
        ({"amount": "7", "unit_price": "7"}, "Enter a unit price or an amount, not both."),
        ({"amount": "EUR 7"}, "Enter the amount in USD: “EUR 7” is in EUR. If you mean 7 USD, enter 7."),
        ({"quantity": ""}, "Enter a quantity"),
        ({"customer": "nobody"}, "No customer matches “nobody”."),
        ({"day": "1969-01-01"}, "Use a day between 1970 and 2199."),
    ],
)
def test_it_says_how_to_mend_it_and_keeps_the_input(
    browser: FlaskClient, session: Session, changes: dict[str, str], sentence: str
) -> None:
    post(make_spec("acme", "5", id=A))
    response = correct(browser, A, **changes)
    assert response.status_code == 422
    assert sentence in words(response)
    assert field(response, "description") == "Work"
    assert stored(session, A).status == "pending"


def test_sent_twice_it_is_corrected_once(browser: FlaskClient, session: Session) -> None:
    post(make_spec("acme", "5", id=A))
    given = {"id": str(B), "amount": "6"}
    first = correct(browser, A, **given)
    names = {"customer": "acme", "description": "Work", "quantity": "1", "day": "2026-03-15", "reason": "Misread"}
    second = send(browser, f"/charges/{A}/correct", **names, **given)
    assert first.location == second.location == f"/charges/{B}"
    assert "This charge was already corrected." in words(browser.get(second.location))


def test_what_cannot_be_corrected_says_what_to_do_instead(browser: FlaskClient) -> None:
    post(
        make_spec("acme", "5", id=A),
        make_spec(
            "acme",
            "6",
            id=B,
        ),
    )
    correct(browser, B, amount="7")
    bill()
    billed = browser.get(f"/charges/{A}")
    assert "credit INV-2026-00001, or void the invoice if it has no payments" in words(billed)
    assert has_link(browser.get(f"/charges/{A}/correct"), "INV-2026-00001")
    assert has_link(browser.get(f"/charges/{B}/correct"), "its replacement")
    assert send(browser, f"/charges/{A}/correct", **filled()).status_code == 422
    assert browser.get(f"/charges/{uuid4()}/correct").status_code == 404


def filled() -> dict[str, str]:
    return {
        "id": str(C), "customer": "acme", "description": "x", "quantity": "1", "day": "2026-03-15", "reason": "x"
    }  # fmt: skip


# --- likely duplicates -----------------------------------------------------------------------------------------------


def alike(*ids: UUID) -> None:
    for id in ids:
        post(make_spec("acme", "5", id=id))


def test_each_stands_beside_the_earlier_one(browser: FlaskClient) -> None:
    assert "No likely duplicates" in words(browser.get("/charges/duplicates"))
    alike(A, B, C)
    page = browser.get("/charges/duplicates")
    assert "2 charges in USD 10.00 USD" in words(page)
    assert fields(page, "id") == [str(C), str(B)]
    one = browser.get(f"/charges/duplicates/{B}")
    assert words(one).count("Posted by command line") == 2
    assert "Same in both charges Customer ACME Inc (acme)" in words(one)
    assert field(one, "id") == str(B)
    assert link(browser.get(f"/charges/{B}"), "Compare the charges") == f"/charges/duplicates/{B}"


def test_they_are_kept_after_a_look_at_their_number_and_sum(browser: FlaskClient, session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    alike(A, B, C)
    assert "All 2 charges of this filter" in words(browser.get("/charges/duplicates"))
    asked = send(browser, "/charges/duplicates/keep", all="1")
    assert "Keep 2 charges?" in words(asked)
    assert "Exact sum of 2 charges 10.00 USD" in words(asked)
    assert stored(session, B).status == "held"
    done = send(browser, "/charges/duplicates/keep", id=fields(asked, "id"), reason="Two servers")
    assert "2 charges kept." in words(browser.get(done.location))
    assert (stored(session, B).status, stored(session, C).status) == ("pending", "pending")
    assert "kept on" in words(browser.get(f"/charges/{B}"))
    assert "This charge was kept." in words(browser.get(f"/charges/duplicates/{B}"))
    again = send(browser, "/charges/duplicates/keep", id=str(B), reason="")
    assert "Nothing changed." in words(browser.get(again.location))


def test_cancelling_needs_a_reason(browser: FlaskClient, session: Session) -> None:
    alike(A, B)
    refused = send(browser, "/charges/duplicates/cancel", id=str(B), reason=" ")
    assert (refused.status_code, "Enter a reason." in words(refused)) == (422, True)
    send(browser, "/charges/duplicates/cancel", id=str(B), reason="Sent twice")
    assert (stored(session, B).status, stored(session, B).status_reason) == ("cancelled", "Sent twice")
    late = send(browser, "/charges/duplicates/keep", id=str(B), reason="")
    assert (late.status_code, "add it again" in words(late)) == (422, True)


def test_a_billed_likely_duplicate_is_named_with_its_invoice_before_a_reason_is_asked_for(browser: FlaskClient) -> None:
    alike(A, B, C)
    queue = browser.get("/charges/duplicates")
    bill()
    page = send(browser, "/charges/duplicates/cancel", id=fields(queue, "id"))
    assert "2 charges cannot be cancelled" in words(page)
    assert has_link(page, "INV-2026-00001")
    assert "Reason" not in words(page)
    assert str(B) not in words(page)
    late = send(browser, "/charges/duplicates/cancel", id=str(B), reason="Sent twice")
    assert late.status_code == 422
    assert "“Work” of 15 Mar 2026 is on INV-2026-00001. Credit that invoice instead." in words(late)
    one = browser.get(f"/charges/duplicates/{B}")
    assert "Cancel charge" not in words(one)
    assert "credit INV-2026-00001" in words(one)
    assert "No likely duplicates" in words(browser.get("/charges/duplicates"))


def test_pending_charges_are_cancelled_although_others_are_billed(browser: FlaskClient, session: Session) -> None:
    alike(A, B)
    bill()
    alike(C)
    page = send(browser, "/charges/duplicates/cancel", id=[str(B), str(C)])
    assert "Cancel 1 charge?" in words(page)
    assert fields(page, "id") == [str(C)]
    assert "1 charge cannot be cancelled" in words(page)
    send(browser, "/charges/duplicates/cancel", id=fields(page, "id"), reason="Sent twice")
    assert (stored(session, B).status, stored(session, C).status) == ("billed", "cancelled")


@pytest.mark.parametrize("action", ["hold", "release", "cancel"])
def test_no_page_offers_an_act_on_a_billed_charge(browser: FlaskClient, action: str) -> None:
    alike(A)
    bill()
    page = browser.get(f"/charges/{A}/{action}")
    assert "credit INV-2026-00001" in words(page)
    assert "Reason" not in words(page)
    refused = send(browser, f"/charges/{A}/{action}", reason="x")
    assert refused.status_code == 422
    assert "“Work” of 15 Mar 2026 is on INV-2026-00001." in words(refused)


def test_a_charge_on_a_draft_is_removed_from_the_draft_first(browser: FlaskClient) -> None:
    alike(A)
    bill(issue=False)
    for url in (f"/charges/{A}/correct", f"/charges/{A}/cancel"):
        assert has_link(browser.get(url), "remove it from the draft")


def test_nothing_ticked_nothing_done(browser: FlaskClient) -> None:
    response = send(browser, "/charges/duplicates/keep", id="x")
    assert "Select at least one charge." in words(browser.get(response.location))
    alike(A)
    assert browser.get(f"/charges/duplicates/{A}").status_code == 409


def test_takes_as_many_statements_for_many_as_for_few(app: Flask, browser: FlaskClient) -> None:
    alike(A, B)
    with statements(app) as few:
        browser.get("/charges/duplicates")
    alike(*(UUID(int=number) for number in range(100, 110)))
    with statements(app) as many:
        browser.get("/charges/duplicates")
    assert len(many) == len(few) <= 12


def test_a_viewer_looks_and_decides_nothing(app: Flask, browser: FlaskClient, session: Session) -> None:
    alike(A, B)
    viewer = signed_in(app, "viewer")
    page = viewer.get("/charges/duplicates")
    assert (page.status_code, fields(page, "id")) == (200, [])
    assert "Keep charge" not in words(viewer.get(f"/charges/duplicates/{B}"))
    assert not has_link(viewer.get(f"/charges/{A}"), "Correct")
    for url in ("/charges/duplicates/keep", f"/charges/{A}/correct"):
        assert send(viewer, url, id=str(B), reason="x").status_code == 403
    assert stored(session, B).duplicate_kept_at is None
