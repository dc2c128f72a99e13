"""The month end: steps that compute themselves, each with the figures of its list, and the lock."""

import json
import re
from datetime import date, timedelta
from html import unescape
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import Organisation
from billing_admin.operations.access import tokens
from billing_admin.operations.charges import charges, posting, recurring_charges
from billing_admin.queries import month_end as queries
from tests.clocks import stopped_clock
from tests.making import NOW, bill, make_customer, make_invoice, make_payment_spec, make_service, make_spec, pay, post
from tests.people import send, signed_in
from tests.web.pages import parse, words

STEPS = (
    "All charges have arrived",
    "Likely duplicates are reviewed",
    "Held charges are decided",
    "Recurring charges are posted",
    "Charges are billed",
    "Billing was run",
    "Drafts are issued",
    "Documents are sent",
    "Payments are allocated",
    "The journal is exported",
    "The books are locked",
)

NOT_A_SOURCE = UUID(int=7)
LATER = NOW + timedelta(minutes=20)


clock = stopped_clock(NOW)


def steps(text: str) -> dict[str, tuple[bool, str, str]]:
    """Each step of the page: whether it is done, its figures and its link."""
    found = {}
    (table,) = (table for table in parse(text).elements("table") if "1. All charges" in table.text())
    for row in table.elements("tr"):
        cells = list(row.elements("td"))
        if cells:
            label = cells[0].text().partition(". ")[2]
            (anchor,) = cells[3].elements("a")
            found[label] = (cells[1].text() == "Done", cells[2].text(), anchor.attributes["href"])
    return found


def fill() -> None:
    """Something that waits in each step."""
    first, second = make_customer(reference="A", name="Alpha"), make_customer(reference="B", currency="EUR")
    make_service()
    make_invoice(first, "20")
    make_invoice(second, "5", issue=False)
    pay(make_payment_spec(second, "50", allocate=()))
    same = make_spec(first, "3")
    post(same)
    post(same, make_spec(second, "7"), make_spec(second, "1", incurred_on=date(2026, 4, 1)))
    (held,) = post(make_spec(second, "9", description="Disputed")).ids
    transaction(charges.hold, [held], "asked for", SYSTEM, NOW)
    spec = RecurringChargeSpec("A", "GenericCompute", "monthly", date(2026, 3, 1))
    transaction(recurring_charges.create, spec, SYSTEM, NOW)


def test_charges_that_people_enter_need_no_source(app: Flask, session: Session) -> None:
    post(make_spec(make_customer(reference="A"), "2"))
    client = signed_in(app)
    page = steps(client.get("/month-end").text)
    assert page[STEPS[0]][:2] == (True, "Charges were entered by hand, so no source is expected")
    page = steps(client.get("/month-end?month=2026-02").text)
    assert page[STEPS[0]][:2] == (False, "No source has delivered charges yet")


def test_an_empty_month_is_done_but_for_sources_journal_and_lock(app: Flask) -> None:
    page = signed_in(app).get("/month-end").text
    assert "Month end: March 2026" in page
    assert tuple(steps(page)) == STEPS
    assert [label for label, (done, _, _) in steps(page).items() if not done] == [STEPS[0], *STEPS[-2:]]
    assert steps(page)[STEPS[0]][1] == "No source has delivered charges yet"
    assert "No source has delivered charges yet." in words(page)


def test_each_step_counts_what_waits(app: Flask, session: Session) -> None:
    fill()
    page = signed_in(app).get("/month-end").text
    assert {label: figures for label, (done, figures, _) in steps(page).items() if not done} == {
        "Likely duplicates are reviewed": "1 likely duplicate, 3.00 USD",
        "Held charges are decided": "1 held charge, 9.00 EUR",
        "Recurring charges are posted": "1 due charge, 2.50 USD",
        "Charges are billed": (
            "1 pending charge, 7.00 EUR 2 pending charges, 6.00 USD Preview the billing run A run would make 1 invoice, 7.00 EUR"
            " A run would make 1 invoice, 6.00 USD Left out: 1 charge (After the cut-off date)"
            " Left out: 1 charge (Held)"
        ),
        "Drafts are issued": "1 draft, 5.00 EUR",
        "Documents are sent": "1 unsent document, 20.00 USD",
        "Payments are allocated": "1 unallocated payment, 50.00 EUR",
        "The journal is exported": "Not exported since the end of the month",
        "The books are locked": "Not locked",
    }


def test_a_charge_held_after_the_month_is_later_not_held(app: Flask, session: Session) -> None:
    """The step of held charges counts those of the month, and the preview beside it those of the same days."""
    make_customer(reference="A")
    ids = post(make_spec("A", "2"), make_spec("A", "9", incurred_on=date(2026, 4, 1))).ids
    transaction(charges.hold, [ids[1]], "asked for", SYSTEM, NOW)
    page = steps(signed_in(app).get("/month-end").text)
    assert page["Held charges are decided"][:2] == (True, "None")
    assert "Left out: 1 charge (After the cut-off date)" in page["Charges are billed"][1]
    assert "(Held)" not in page["Charges are billed"][1]


def test_each_step_leads_to_a_list_with_its_figures(app: Flask, session: Session) -> None:
    fill()
    client = signed_in(app)
    for label, (_, figures, url) in steps(client.get("/month-end").text).items():
        page = client.get(unescape(url))
        assert page.status_code == 200, label
        for amount in re.findall(r"(?:charges?|duplicate|draft|document|payment), ([0-9.,]+ [A-Z]{3})", figures):
            assert amount in words(page), (label, amount)


def test_steps_are_done_when_the_work_is(app: Flask, session: Session) -> None:
    post(make_spec(make_customer(), "20"))
    client = signed_in(app)
    assert not steps(client.get("/month-end").text)["Charges are billed"][0]
    assert not steps(client.get("/month-end").text)["Billing was run"][0]
    bill()
    done, figures, _ = steps(client.get("/month-end").text)["Billing was run"]
    assert done
    assert figures == "2 Apr 2026, 09:30 UTC Done 1 document, 20.00 USD"
    assert steps(client.get("/month-end").text)["Charges are billed"][:2] == (True, "Nothing to bill")
    client.get("/journal/file.hledger?from=2026-03-01&to=2026-03-30")
    assert not steps(client.get("/month-end").text)["The journal is exported"][0]
    client.get("/journal/file.hledger?from=2026-03-01&to=2026-03-31")
    done, figures, _ = steps(client.get("/month-end").text)["The journal is exported"]
    assert done
    assert figures.startswith("2 Apr 2026, 09:30 UTC by ")


def test_sources_are_named_with_their_last_arrival(app: Flask, session: Session) -> None:
    make_customer(reference="A")
    make_service()
    for name, days in (("nightly import", 1), ("meter", 20)):
        at = NOW - timedelta(days=days)
        token, _ = transaction(tokens.create, name, ["charges:write", "read"], actor=SYSTEM, now=at)
        actor = Actor("token", token.id, name, frozenset({"charges:write"}))
        transaction(posting.post, [make_spec("A", "3", description=name)], actor, at)
        transaction(tokens.record_use, token.id, at)
    page = signed_in(app).get("/month-end")
    assert "nightly import API token 1 Apr 2026, 09:30 UTC 1 Done" in words(page)
    assert "meter API token 13 Mar 2026, 09:30 UTC 1 Late None since 13 Mar 2026" in words(page)
    assert steps(page.text)["All charges have arrived"][:2] == (False, "1 late source")


def test_an_ended_source_is_not_waited_for_until_it_delivers_again(app: Flask, session: Session) -> None:
    make_customer(reference="A")
    at = NOW - timedelta(days=20)
    token, _ = transaction(tokens.create, "meter", ["charges:write"], actor=SYSTEM, now=at)
    actor = Actor("token", token.id, "meter", frozenset({"charges:write"}))
    transaction(posting.post, [make_spec("A", "3")], actor, at)
    transaction(tokens.record_use, token.id, at)
    client = signed_in(app)
    answer = send(client, f"/month-end/sources/{token.id}/end?month=2026-03")
    assert answer.location == "/month-end?month=2026-03"
    page = client.get(answer.location)
    assert "No further charges are expected from meter." in words(page)
    assert steps(page.text)[STEPS[0]][0]
    assert "Ended Not expected any more Expect again" in words(page)
    send(client, f"/month-end/sources/{token.id}/expect")
    assert not steps(client.get("/month-end").text)[STEPS[0]][0]
    send(client, f"/month-end/sources/{token.id}/end")
    assert send(client, f"/month-end/sources/{NOT_A_SOURCE}/end").status_code == 404
    with time_machine.travel(LATER, tick=False):
        transaction(posting.post, [make_spec("A", "4")], actor, LATER)
        transaction(tokens.record_use, token.id, LATER)
        assert "meter API token 2 Apr 2026, 09:50 UTC 1 Done" in words(client.get("/month-end"))
        assert "Late" in words(client.get("/month-end?month=2026-04"))


def test_a_negative_remainder_is_named_beside_a_done_step(app: Flask, session: Session) -> None:
    post(make_spec(make_customer(reference="A"), "-7"))
    done, figures, _ = steps(signed_in(app).get("/month-end").text)["Charges are billed"]
    assert done
    assert figures.startswith("Nothing to bill. Remains for later: 1 pending charge, −7.00 USD")


def test_too_many_charges_are_left_to_the_billing_run(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PREVIEWED_CHARGES", 1)
    post(*(make_spec(make_customer(reference=name), "2") for name in "AB"))
    figures = steps(signed_in(app).get("/month-end").text)["Charges are billed"][1]
    assert figures == (
        "2 pending charges, 4.00 USD Preview the billing run Charges of any day, as there are many."
        " The billing run previews those of the month."
    )


def test_the_books_are_locked_from_the_page(app: Flask, session: Session) -> None:
    client = signed_in(app)
    page = client.get("/month-end")
    assert "Lock the books through 31 Mar 2026" in words(page)
    response = send(client, "/settings/period-lock?month=2026-03", through="2026-03-31")
    assert (response.status_code, response.location) == (303, "/month-end?month=2026-03")
    assert session.scalar(select(Organisation.locked_through)) == date(2026, 3, 31)
    page = client.get(response.location)
    assert "The books are locked through 31 Mar 2026." in words(page)
    assert steps(page.text)["The books are locked"][:2] == (True, "Locked through 31 Mar 2026")
    assert "Lock the books through" not in words(page)


def test_a_lock_over_unbilled_charges_is_confirmed_first(app: Flask, session: Session) -> None:
    post(make_spec(make_customer(), "20"))
    client = signed_in(app)
    page = send(client, "/settings/period-lock?month=2026-03", through="2026-03-31")
    assert "Lock anyway" in page.text
    assert session.scalar(select(Organisation.locked_through)) is None


def test_a_viewer_locks_nothing(app: Flask) -> None:
    page = signed_in(app, "viewer").get("/month-end")
    assert page.status_code == 200
    assert "Lock the books" not in words(page)


@pytest.mark.parametrize("month", ["2026-05", "2026-13", "x"])
def test_a_month_that_is_none_is_refused(app: Flask, month: str) -> None:
    assert signed_in(app).get(f"/month-end?month={month}").status_code == 422


def test_months_lead_to_each_other(app: Flask) -> None:
    client = signed_in(app)
    assert "/month-end?month=2026-02" in client.get("/month-end").text
    assert "/month-end?month=2026-05" not in client.get("/month-end?month=2026-04").text


def run(app: Flask, *arguments: str) -> tuple[int, str, str]:
    group = FlaskGroup(create_app=lambda: app)
    result = app.test_cli_runner().invoke(group, ["month-end", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_shows_the_steps_of_the_page(app: Flask, session: Session) -> None:
    fill()
    status, output, message = run(app, "2026-03", "--json")
    report = json.loads(output)
    assert (status, report["month"], report["done"]) == (1, "2026-03", False)
    assert len(report["steps"]) == len(STEPS)
    assert {
        "step": "held",
        "done": False,
        "count": 1,
        "sums": [{"currency": "EUR", "count": 1, "amount": "9"}],
    } in report["steps"]
    assert message == "Steps done in 2026-03: 2 of 11.\n"
    assert "held\tno\t1\t9 EUR" in run(app)[1]
    assert run(app, "2026-13")[0] != 0
