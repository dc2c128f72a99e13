"""The audit log as people read it, and the ways to it."""

import csv
import io
import json
import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.domain.formatting import format_day
from billing_admin.domain.master_data import CustomerFields
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import ApiToken, BillingRun, Charge, Customer, Invoice
from billing_admin.operations import audit
from billing_admin.operations.access import tokens
from billing_admin.operations.charges import charges, corrections, recurring_charges
from billing_admin.operations.invoices import credit_notes, drafts, invoices
from billing_admin.operations.master_data import customers
from billing_admin.queries.audit import chain_head
from billing_admin.queries.invoices.credit_notes import CreditSpec
from billing_admin.web.frame import tables
from billing_admin.web.frame.labels import detail_label, detail_text
from tests.making import (
    NOW,
    bill,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    pay,
    post,
    void,
)
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, links, parse, words
from tests.web.reading import queries_of


@pytest.fixture
@prepared
def acme(session: Session) -> UUID:
    """A customer, who was renamed."""
    make_customer(reference="acme", name="ACME Inc")
    id: UUID = session.scalars(select(Customer.id)).one()
    transaction(customers.update, id, CustomerFields(name="ACME & Co"), None, SYSTEM, NOW)
    return id


@pytest.fixture
@prepared
def viewer(app: Flask) -> FlaskClient:
    return signed_in(app, "viewer")


def events_in_full(viewer: FlaskClient, query: str) -> str:
    """Return the texts of the pages of all events on a page of the list."""
    urls = [url for _, url in links(viewer.get(f"/audit?{query}")) if re.fullmatch(r"/audit/[0-9a-f-]{36}", url)]
    return " ".join(words(viewer.get(url)) for url in dict.fromkeys(urls))


def test_tells_what_was_before_and_what_came_after(acme: UUID, viewer: FlaskClient) -> None:
    page = viewer.get(f"/audit?object={acme}")
    assert "command line Customer changed acme Name: ACME Inc → ACME & Co" in words(page)
    assert link(page, "acme") == f"/customers/{acme}"
    assert words(page).index("Customer changed") < words(page).index("Customer created")


def test_every_object_has_its_history(acme: UUID, session: Session, app: Flask) -> None:
    service = make_service()
    [charge] = post(make_spec("acme", service=service)).ids
    bill(issue=False)
    transaction(tokens.create, "meter", ["read"], 365, actor=SYSTEM, now=NOW)
    session.rollback()
    run, invoice = session.scalars(select(BillingRun)).one(), session.scalars(select(Invoice)).one()
    token = session.scalars(select(ApiToken)).one()
    admin = signed_in(app)
    transaction(invoices.issue, invoice.id, None, SYSTEM, NOW)
    shown = {
        f"/customers/{acme}": (acme, "acme"),
        f"/charges/{charge}": (charge, "GenericCompute"),
        f"/invoices/{invoice.id}": (invoice.id, "INV-2026-00001"),
        f"/billing-runs/{run.id}": (run.id, "Up to 31 Mar 2026"),
    }
    for address, (id, name) in shown.items():
        history = link(admin.get(address), "History")
        assert history == f"/audit?object={id}"
        assert link(admin.get(history), name) == address
    made = admin.get(f"/audit?object={invoice.id}")
    assert link(made, "Up to 31 Mar 2026") == f"/billing-runs/{run.id}"
    assert link(admin.get("/tokens"), "History of meter") == f"/audit?object={token.id}"
    assert link(admin.get(f"/audit?object={token.id}"), "meter") == "/tokens"


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("actor=COMMAND+LINE", True),
        ("actor=nobody", False),
        ("type=customer", True),
        ("type=invoice", False),
        ("action=customer.changed", True),
        ("action=customer.created", False),
        ("from=2026-01-01&to=9999-12-31", True),
        ("from=9999-12-31", False),
        ("to=2020-01-01", False),
        ("object=acme&after=x", True),
    ],
)
def test_filters_live_in_the_url(acme: UUID, viewer: FlaskClient, query: str, there: bool) -> None:
    page = viewer.get(f"/audit?{query}")
    assert page.status_code == 200
    assert has_link(page, "Customer changed") is there


def test_what_matches_nothing_says_so(viewer: FlaskClient) -> None:
    page = viewer.get("/audit?actor=nobody")
    assert "No events match" in words(page)
    assert link(page, "Clear filters") == "/audit"


def test_pages_by_key(acme: UUID, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.load_table, "__defaults__", (2,))
    for number in range(3):
        transaction(audit.record, SYSTEM, NOW + timedelta(days=9000 + number), f"customer.tried_{number}", "customer")
    first = viewer.get("/audit?type=customer")
    assert "Customer tried 2" in words(first)
    second = viewer.get(link(first, "Next page"))
    assert "Customer tried 0" in words(second)
    assert "Customer tried 1" not in words(second)


def test_says_how_far_it_is_sealed(acme: UUID, viewer: FlaskClient, session: Session) -> None:
    assert "Sealed 0 events Not sealed yet 4 events" in words(viewer.get("/audit"))
    audit.seal_all_events(transaction, NOW, whole=True)
    assert f"Not sealed yet 0 events Head {chain_head(session).hash[:12]}…" in words(viewer.get("/audit"))


def test_takes_no_more_statements_for_more_events(acme: UUID, viewer: FlaskClient, app: Flask) -> None:
    before = queries_of(app, viewer, "/audit")
    for number in range(9):
        make_customer(reference=f"c{number}")
    assert queries_of(app, viewer, "/audit") == before


def test_markup_in_the_log_is_text(session: Session, viewer: FlaskClient) -> None:
    make_customer(reference="evil", name="<script>alert(1)</script>")
    page = viewer.get("/audit")
    assert "<script>alert" not in page.text
    assert "<script>alert(1)</script>" in words(page)


def test_the_number_of_many_charges_is_shown(session: Session, viewer: FlaskClient) -> None:
    customer = make_customer()
    ids = post(make_spec(customer, "1"), make_spec(customer, "2")).ids
    transaction(charges.hold, ids, "asked", SYSTEM, NOW)
    assert "Charge held Charge Reason: asked Charges: 2" in words(viewer.get("/audit"))


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("a_b",), None, "none"),
        (("a_b",), True, "yes"),
        (("a_b",), False, "no"),
        (("a_b",), 0, "0"),
        (("d",), {"EUR": "1.5", "USD": []}, "EUR: 1.5, USD: none"),
        (("e",), ["x", ["y"]], "x, y"),
        (("interval",), "half_yearly", "Half-year"),
        (("starts_on",), "2026-12-01", "1 Dec 2026"),
        (("starts_on",), "soon", "soon"),
        (("reference",), "2026-12-01", "2026-12-01"),
    ],
)
def test_values_in_words(path: tuple[str, ...], value: object, text: str) -> None:
    assert detail_text(path, value) == text


def test_labels_keep_numbers_and_codes() -> None:
    assert detail_label(("prices", "EUR")) == "Prices › EUR"
    assert detail_label(("allocated", "INV-2026-00001")) == "Allocated › INV-2026-00001"
    assert detail_label(("rates", "2")) == "Rates › 2"


def test_a_charge_has_the_moves_of_many_in_its_history(session: Session, viewer: FlaskClient) -> None:
    customer = make_customer()
    first, second, other = post(make_spec(customer, "1"), make_spec(customer, "2"), make_spec(customer, "3")).ids
    transaction(charges.hold, [first, second], "asked", SYSTEM, NOW)
    transaction(charges.cancel, [other], "never", SYSTEM, NOW)
    history = words(viewer.get(f"/audit?object={second}"))
    assert ("Charge held" in history, "Charge posted" in history, "Charge cancelled" in history) == (True, True, False)
    assert "Charge held" not in words(viewer.get(f"/audit?object={other}"))


def test_the_file_has_what_the_page_shows_and_no_formulas(session: Session, viewer: FlaskClient) -> None:
    make_customer(reference="evil", name="=cmd()")
    actor = Actor("person", None, "=1+1", frozenset(), "@request")
    transaction(audit.record, actor, NOW, "customer.changed", "customer", UUID(int=1), {"name": ["a", '"b"']})
    audit.seal_all_events(transaction, NOW, whole=True)
    page = viewer.get("/audit?action=customer.changed")
    response = viewer.get(link(viewer.get(link(page, "Export CSV")), "Download CSV"))
    assert (response.mimetype, response.status_code) == ("text/csv", 200)
    [row] = csv.DictReader(io.StringIO(response.text, newline=""))
    details = json.loads(row.pop("details"))
    assert details == {"name": ["a", '"b"']}
    assert row.items() >= {
        "at": "2026-04-02T09:30:00Z", "actor_kind": "person", "actor_id": "", "actor": "'=1+1",
        "request_id": "'@request", "action": "customer.changed", "object_type": "customer",
        "object_id": str(UUID(int=1)),
    }.items()  # fmt: skip
    assert int(row["seal"]) > 0
    audit.seal_all_events(transaction, NOW, whole=True)  # the download of the first file
    everything = viewer.get("/exports/audit-events.csv?excel=1")
    assert everything.data.startswith(b"\xef\xbb\xbfid,at,actor_kind")
    assert everything.text.count("\r\n") == 1 + chain_head(session).sequence


def test_the_file_of_one_charge_has_its_history(session: Session, viewer: FlaskClient) -> None:
    ids = post(*(make_spec(make_customer(), str(amount)) for amount in (1, 2))).ids
    transaction(charges.hold, ids, "100 %", SYSTEM, NOW)
    rows = viewer.get(f"/exports/audit-events.csv?object={ids[0]}&from=2026-01-01").text.splitlines()
    assert [row.split(",")[6] for row in rows] == ["action", "charge.held", "charge.posted"]


@pytest.fixture
@prepared
def money_moves(session: Session) -> dict[str, UUID]:
    """Invoices that were voided, credited and discarded, in EUR and JPY; the last one after charges were taken off it."""
    euro, yen = make_customer(reference="euro", currency="EUR"), make_customer(reference="yen", currency="JPY")
    voided = make_invoice(euro, "13113.80")
    ids = {"voided": voided.id}
    void(voided, "cancelled")
    credited = make_invoice(yen, "1311380")
    ids["credited"] = credited.id
    transaction(credit_notes.credit_invoice, ids["credited"], CreditSpec("Too much", exact_decimal("500")), SYSTEM, NOW)
    post(make_spec(euro, "1000"))
    draft = make_invoice(euro, "250", issue=False)
    ids["discarded"] = draft.id
    off = session.scalars(select(Charge.id).where(Charge.amount == exact_decimal("250"))).one()
    transaction(drafts.move_charges, ids["discarded"], [], [off], None, SYSTEM, NOW)
    transaction(invoices.discard, ids["discarded"], SYSTEM, NOW)
    return ids


def test_totals_are_shown_with_their_currency(money_moves: dict[str, UUID], viewer: FlaskClient) -> None:
    page = words(viewer.get("/audit"))
    assert "Total: 13,113.80 EUR" in page
    assert "Total: 500 JPY" in page
    assert "Total: 1,250.00 EUR → 1,000.00 EUR" in page
    assert "Total: 1,000.00 EUR" in words(viewer.get("/audit?action=invoice.discarded"))
    for minor in ("1311380", "125000", "100000", "25000"):
        assert minor not in page
    history = words(viewer.get(f"/audit?object={money_moves['voided']}"))
    assert "Total: 13,113.80 EUR" in history


def test_the_file_has_totals_as_money_and_the_details_as_they_were_sealed(
    money_moves: dict[str, UUID], viewer: FlaskClient
) -> None:
    file = viewer.get("/exports/audit-events.csv")
    header = file.text.splitlines()[0]
    assert header.endswith(",object_id,details,seal,currency,total_before,total,became_credit")
    rows = {row["action"]: row for row in csv.DictReader(io.StringIO(file.text, newline=""))}
    money = {
        action: tuple(rows[action][name] for name in ("currency", "total_before", "total", "became_credit"))
        for action in ("invoice.voided", "credit_note.issued", "invoice.charges_moved", "invoice.discarded")
    }
    assert money == {
        "invoice.voided": ("EUR", "", "13113.80", ""),
        "credit_note.issued": ("JPY", "", "500", ""),
        "invoice.charges_moved": ("EUR", "1250.00", "1000.00", ""),
        "invoice.discarded": ("EUR", "", "1000.00", ""),
    }
    assert json.loads(rows["invoice.voided"]["details"])["total"] == 1311380
    assert rows["customer.created"]["currency"] == ""
    workbook = viewer.get("/exports/audit-events.xlsx")
    assert workbook.status_code == 200


def test_exact_amounts_are_shown_with_the_currency_of_their_charge(session: Session, viewer: FlaskClient) -> None:
    make_service(code="Hosting", prices={"EUR": exact_decimal("1234.5")})
    euro = make_customer(reference="euro", currency="EUR")
    [charge] = post(make_spec(euro, "5")).ids
    transaction(corrections.correct_charge, charge, {"amount": exact_decimal("6.5")}, None, "Misread", SYSTEM, NOW)
    spec = RecurringChargeSpec("euro", "Hosting", "monthly", NOW.date(), unit_price=exact_decimal("31"))
    agreed = transaction(recurring_charges.create, spec, SYSTEM, NOW)[0]
    change = {"unit_price": exact_decimal("32")}
    transaction(recurring_charges.change, agreed.id, NOW.date() + timedelta(days=1), change, None, "", SYSTEM, NOW)
    page = words(viewer.get("/audit"))
    assert "Amount: 5.00 EUR → 6.50 EUR" in page
    assert "Unit price: 31.00 EUR → 32.00 EUR" in page
    assert "Prices › EUR – none 1,234.50 EUR" in events_in_full(viewer, "action=service.created")


def test_a_recurring_charge_has_names_and_the_words_of_its_form_in_its_history(
    session: Session, viewer: FlaskClient
) -> None:
    customer = make_customer(reference="euro", currency="EUR")
    hosting, backup = (make_service(code=code, prices={"EUR": exact_decimal("1")}) for code in ("Hosting", "Backup"))
    spec = RecurringChargeSpec("euro", "Hosting", "half_yearly", NOW.date())
    agreed = transaction(recurring_charges.create, spec, SYSTEM, NOW)[0]
    change = {"service": "Backup", "timing": "in_arrears"}
    transaction(recurring_charges.change, agreed.id, NOW.date() + timedelta(days=1), change, None, "", SYSTEM, NOW)
    history = words(viewer.get(f"/audit?object={agreed.id}"))
    assert "Service: Hosting → Backup" in history
    page = events_in_full(viewer, f"object={agreed.id}")
    for line in (
        "Customer – none euro ",
        "Service – none Hosting ",
        "Service Hosting Backup",
        "Repeat every – none 1",
        "Interval – none Half-year",
        "When to charge – none In advance, on the first day of each period",
        "first day of each period In arrears, on the last day of each period",
        f"First day – none {format_day(NOW.date())}",
    ):
        assert line in page
    assert not any(str(row.id) in history + page for row in (customer, hosting, backup))


def test_more_amounts_take_no_more_statements(money_moves: dict[str, UUID], viewer: FlaskClient, app: Flask) -> None:
    before = queries_of(app, viewer, "/audit")
    for _ in range(3):
        void(make_invoice(make_customer(currency="EUR"), "7"))
    assert queries_of(app, viewer, "/audit") == before


def test_the_history_of_an_invoice_shows_everything_that_happened_to_it(session: Session, app: Flask) -> None:
    invoice = make_invoice(make_customer(reference="ACME"), "100")
    paid = pay(make_payment_spec("ACME", "60", {str(invoice.id): "60"}, reference="R-1"))
    credit(invoice, "10")
    admin = signed_in(app)
    page = admin.get(link(admin.get(f"/invoices/{invoice.id}"), "History"))
    history = words(page)
    for action in (
        "Billing run started",
        "Invoices made by billing run",
        "Invoice issued",
        "Payment recorded",
        "Credit note issued",
    ):
        assert action in history
    assert link(page, "R-1") == f"/payments/{paid}"
    file = admin.get(f"/exports/audit-events.csv?object={invoice.id}").text
    assert [file.count(action) for action in ("invoice.issued", "payment.recorded", "credit_note.issued")] == [1, 1, 1]


def test_the_page_of_an_event_marks_the_difference_and_links_both_ways(acme: UUID, viewer: FlaskClient) -> None:
    changed = dict(links(viewer.get("/audit?action=customer.changed")))
    page = viewer.get(next(url for url in changed.values() if re.fullmatch(r"/audit/[0-9a-f-]{36}", url)))
    assert "Name ACME Inc ACME & Co" in words(page)
    assert [element.text() for element in parse(page).elements("del", "ins")] == ["Inc", "& Co"]
    assert link(page, "acme") == f"/customers/{acme}"
    assert link(page, "History of this object") == f"/audit?object={acme}"
    assert link(page, "Events of command line") == "/audit?actor=command+line"
    assert "Place in the hash chain Not sealed yet" in words(page)
    audit.seal_all_events(transaction, NOW, whole=True)
    assert "Not sealed yet" not in words(viewer.get(action_url(page)))


def action_url(page: TestResponse) -> str:
    return page.request.path


def test_objects_in_the_details_have_names_and_links(session: Session, viewer: FlaskClient) -> None:
    customer = make_customer(reference="euro", currency="EUR")
    first, second = post(make_spec(customer, "1"), make_spec(customer, "2")).ids
    transaction(charges.hold, [first, second], "asked", SYSTEM, NOW)
    page = viewer.get(_only_event(viewer, "action=charge.held"))
    assert words(page).count("Work") == 2
    targets = {url for _, url in links(page)}
    assert {f"/charges/{first}", f"/charges/{second}"} <= targets
    invoice = make_invoice(customer, "100")
    paid = pay(make_payment_spec("euro", "60", {str(invoice.id): "60"}, reference="R-1"))
    page = viewer.get(_only_event(viewer, "action=payment.recorded"))
    assert "Allocated › INV-2026-00001 – none 60.00 EUR" in words(page)
    assert link(page, "Allocated › INV-2026-00001") == f"/invoices/{invoice.id}"
    assert link(page, "euro") == f"/customers/{customer.id}"
    assert link(page, "R-1") == f"/payments/{paid}"


def _only_event(viewer: FlaskClient, query: str) -> str:
    (url,) = {url for _, url in links(viewer.get(f"/audit?{query}")) if re.fullmatch(r"/audit/[0-9a-f-]{36}", url)}
    return url


def test_a_deleted_object_keeps_the_name_that_its_events_state(session: Session, viewer: FlaskClient) -> None:
    id = UUID(int=7)
    transaction(audit.record, SYSTEM, NOW, "saved_view.saved", "saved_view", id, {"name": "Old debtors"})
    transaction(audit.record, SYSTEM, NOW, "saved_view.deleted", "saved_view", id)
    page = viewer.get("/audit?type=saved_view")
    assert words(page).count("Old debtors") >= 2
    assert not has_link(page, "Old debtors")


def test_an_archived_customer_is_still_named(acme: UUID, viewer: FlaskClient) -> None:
    transaction(customers.archive, acme, SYSTEM, NOW)
    assert link(viewer.get("/audit?action=customer.archived"), "acme") == f"/customers/{acme}"


def test_an_event_of_an_unknown_shape_is_shown_plainly(session: Session, viewer: FlaskClient) -> None:
    details = {"strange": {"deep": [1, {"x": None}]}, "customer": "gone", "pair": [1, [2]], "id": str(UUID(int=9))}
    transaction(audit.record, SYSTEM, NOW, "dragon.seen", "dragon", UUID(int=8), details)
    page = words(viewer.get(_only_event(viewer, "action=dragon.seen")))
    for line in (
        "Strange › Deep › 1 – none 1",
        "Strange › Deep › 2 › X – none none",
        "Customer – none gone",
        "Pair 1 2",
    ):
        assert line in page


def test_an_unknown_event_is_not_found(viewer: FlaskClient) -> None:
    assert viewer.get(f"/audit/{UUID(int=1)}").status_code == 404


def test_a_list_shows_the_first_values_and_counts_the_others(session: Session, viewer: FlaskClient) -> None:
    details = {f"value_{number}": number for number in range(9)}
    transaction(audit.record, SYSTEM, NOW, "many.values", "customer", None, details)
    page = viewer.get("/audit?action=many.values")
    assert "Value 5: 5 3 more values" in words(page)
    assert link(page, "3 more values") == _only_event(viewer, "action=many.values")
