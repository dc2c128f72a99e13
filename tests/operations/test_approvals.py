"""Acts above the limit of a role: not done, waiting, approved by another person, and done once as they were asked for."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.background import imports as background_imports
from billing_admin.background.imports import check_file
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLES, SYSTEM, Actor
from billing_admin.domain.approvals import NeedsApproval, is_within
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict, Denied, Invalid
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.domain.prices import PriceSpec, prices_on
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import (
    ApprovalRequest,
    AuditEvent,
    Charge,
    Customer,
    Invoice,
    LimitedAct,
    Organisation,
    Payment,
    Refund,
    User,
)
from billing_admin.operations import approvals
from billing_admin.operations.access import tokens
from billing_admin.operations.charges import recurring_charges, recurring_posting
from billing_admin.operations.charges.corrections import correct_charge
from billing_admin.operations.charges.negative_charges import spec_as_submitted
from billing_admin.operations.charges.posting import post
from billing_admin.operations.imports import imports
from billing_admin.operations.invoices import credit_notes, voids
from billing_admin.operations.limits import set_limits
from billing_admin.operations.master_data import exchange_rates, periods, services
from billing_admin.operations.payments import payments, refunds
from billing_admin.queries.approvals import preview
from billing_admin.queries.invoices.credit_notes import CreditSpec
from billing_admin.queries.master_data import services as services_query
from tests.importing import as_it_is, bring, errors, planned
from tests.making import (
    NOW,
    change_settings,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    pay,
)
from tests.prepared import prepared

LIMITS = dict.fromkeys(("credit", "void", "write_off", "refund", "negative_charge"), Decimal(50)) | {
    "price": Decimal(10),
    "unlock": Decimal(0),
}
MAKER, OTHER = UUID(int=1), UUID(int=2)
LATER = NOW + timedelta(hours=1)
HUNDRED = Decimal(100)


def maker() -> Actor:
    return Actor("person", MAKER, "maker@example.com", ROLES["admin"])


def other(*permissions: str) -> Actor:
    return Actor("person", OTHER, "other@example.com", frozenset(permissions or ("approvals:write",)))


def add_person(id: UUID, email: str, role: str) -> None:
    user = User(id=id, email=email, role=role, password_hash="", active=True, created_at=NOW)
    transaction(lambda session: session.add(user))


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """An invoice of 100 USD, the base currency; acts of admins above 50 USD wait, and those of approvers have no limit."""
    change_settings(base_currency="USD")
    add_person(MAKER, "maker@example.com", "admin")
    add_person(OTHER, "other@example.com", "Approver")
    transaction(set_limits, "admin", LIMITS, SYSTEM, NOW)
    return make_invoice(make_customer(reference="ACME"), "100")


def ask(operation: Callable[..., Any], *args: Any, actor: Actor | None = None, **options: Any) -> UUID:
    """Try an act, and submit it as each surface does."""
    with pytest.raises(NeedsApproval) as refused:
        transaction(partial(operation, **options), *args, actor or maker(), NOW)
    return transaction(approvals.submit, refused.value.submission, actor or maker(), NOW).id


def ask_credit(invoice: Invoice, amount: Decimal = HUNDRED, **fields: Any) -> UUID:
    return ask(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", amount, **fields))


def request(session: Session, id: UUID) -> ApprovalRequest:
    session.rollback()
    return session.get_one(ApprovalRequest, id, populate_existing=True)


def approve(session: Session, id: UUID, actor: Actor | None = None, shown: str | None = None) -> None:
    fingerprint = shown or preview(session, request(session, id)).fingerprint
    transaction(approvals.approve, id, fingerprint, actor or other(), LATER)


def credited(session: Session, invoice: Invoice) -> int:
    session.rollback()
    return session.scalars(select(Invoice.credited).where(Invoice.id == invoice.id)).one()


def events_after(session: Session, first: str) -> list[tuple[str, str, str | None]]:
    session.rollback()
    query = select(AuditEvent).order_by(AuditEvent.at, AuditEvent.id)
    rows = [(row.action, row.actor_name, row.details.get("approved_by")) for row in session.scalars(query)]
    return rows[[action for action, *_ in rows].index(first) :]


def test_an_amount_up_to_the_limit_needs_no_approval() -> None:
    assert is_within(None, Decimal("1e9"))
    assert is_within(None, None)
    assert is_within(Decimal(50), Decimal(50))
    assert not is_within(Decimal(50), Decimal("50.01"))
    assert not is_within(Decimal(50), None)


def test_a_credit_note_is_issued_as_asked_once_it_is_approved(session: Session, invoice: Invoice) -> None:
    note = uuid4()
    lines = [(invoice.lines[0].id, Decimal("50.01"))]
    with pytest.raises(Invalid):  # a wrong act is refused at once, and does not wait
        transaction(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", Decimal(101)), maker(), NOW)
    id = ask(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", None, lines, date(2026, 4, 2), note))
    again = ask(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", None, lines, date(2026, 4, 2), note))
    assert (again, credited(session, invoice)) == (id, 0)
    stored = request(session, id)
    assert (stored.state, stored.amount, stored.in_base, stored.person_id) == ("waiting", 5001, Decimal("50.01"), MAKER)
    effects = [(str(effect.label), effect.before, effect.after) for effect in preview(session, stored).effects]
    assert effects[:2] == [("Open balance", "100.00 USD", "49.99 USD"), ("Credited", "0.00 USD", "50.01 USD")]
    approve(session, id)
    issued = session.get_one(Invoice, note, populate_existing=True)
    assert (issued.total, issued.reason, issued.issue_date) == (5001, "Wrong", date(2026, 4, 2))
    assert events_after(session, "approval.requested") == [
        ("approval.requested", "maker@example.com", None),
        ("credit_note.issued", "maker@example.com", "other@example.com"),
        ("approval.approved", "other@example.com", None),
    ]
    with pytest.raises(Conflict, match="already decided"):
        approve(session, id)
    assert credited(session, invoice) == 5001


def test_each_act_with_a_limit_waits_and_is_done_with_its_approval(session: Session, invoice: Invoice) -> None:
    acme = session.scalars(select(Customer)).one()
    pay(make_payment_spec(acme, "80", ()))
    second = make_invoice(acme, "60")
    transaction(periods.set_period_lock, date(2026, 1, 31), "", SYSTEM, NOW)
    refund = RefundSpec("ACME", Decimal(80), "bank_transfer")
    asked = [
        ask(voids.void_invoice, second.id, "Wrong customer", "cancelled"),
        ask(payments.write_off, invoice.id, HUNDRED, "Insolvent", None),
        ask(refunds.record, refund),
        ask(periods.set_period_lock, date(2025, 12, 31), "Late invoice"),
    ]
    session.rollback()
    assert session.scalars(select(Invoice.status)).all() == ["issued", "issued"]
    assert session.scalars(select(Refund.id)).all() == []
    for id in asked:
        approve(session, id)
    session.rollback()
    assert session.scalars(select(Invoice.status).where(Invoice.id == second.id)).one() == "void"
    assert session.scalars(select(Payment.amount).where(Payment.method == "write_off")).all() == [10000]
    assert session.scalars(select(Refund.amount)).all() == [8000]
    assert session.scalars(select(Organisation.locked_through)).one() == date(2025, 12, 31)


def test_nobody_approves_their_own_act(session: Session, invoice: Invoice) -> None:
    """Neither as a person, nor with a token, nor what their token asked for."""
    _, own = (transaction(tokens.create, "t", ["read"], user_id=MAKER, actor=SYSTEM, now=NOW) for _ in range(2))
    token = Actor("token", own[0].id, "t", ROLES["admin"])
    asked = (
        ask_credit(invoice),
        ask(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", Decimal(60)), actor=token),
    )
    for id in asked:
        for actor in (maker(), token):
            with pytest.raises(Denied):
                approve(session, id, actor)
            with pytest.raises(Denied):
                transaction(approvals.reject, id, "No", actor, LATER)
        with pytest.raises(Denied, match="approvals:write"):
            approve(session, id, other("read"))
        with pytest.raises(Denied, match="Only the person"):
            transaction(approvals.withdraw, id, other(), LATER)
        with pytest.raises(Denied, match="Only people"):
            approve(session, id, Actor("token", UUID(int=9), "foreign", ROLES["admin"]))
    assert credited(session, invoice) == 0
    transaction(approvals.withdraw, asked[1], maker(), LATER)
    assert request(session, asked[1]).state == "withdrawn"


def test_an_approver_has_a_limit_as_well(session: Session, invoice: Invoice) -> None:
    id = ask_credit(invoice)
    transaction(lambda session: session.execute(update(User).where(User.id == OTHER).values(role="admin")))
    with pytest.raises(Denied, match="above the limit of your own role"):
        approve(session, id)


def test_a_preview_that_is_out_of_date_is_shown_again(session: Session, invoice: Invoice) -> None:
    id = ask_credit(invoice)
    before = preview(session, request(session, id)).fingerprint
    pay(make_payment_spec(session.scalars(select(Customer)).one(), "30", {str(invoice.number): "30"}))
    with pytest.raises(Conflict, match="check the preview again"):
        approve(session, id, shown=before)
    assert (credited(session, invoice), request(session, id).state) == (0, "waiting")
    now = preview(session, request(session, id))
    assert [effect.after for effect in now.effects] == ["0.00 USD", "100.00 USD", "30.00 USD"]
    approve(session, id)
    assert credited(session, invoice) == 10000


def test_an_act_that_became_impossible_is_not_done(session: Session, invoice: Invoice) -> None:
    id = ask_credit(invoice)
    transaction(voids.void_invoice, invoice.id, "Wrong", "pending", SYSTEM, NOW)
    with pytest.raises(Conflict):
        approve(session, id)
    assert request(session, id).state == "waiting"
    with pytest.raises(Invalid):
        transaction(approvals.reject, id, " ", other(), LATER)
    transaction(approvals.reject, id, "It is void", other(), LATER)
    assert (request(session, id).state, request(session, id).decision_reason) == ("rejected", "It is void")


def test_a_maker_who_lost_the_permission_gets_nothing_done(session: Session, invoice: Invoice) -> None:
    id = ask_credit(invoice)
    transaction(lambda session: session.execute(update(User).where(User.id == MAKER).values(role="viewer")))
    with pytest.raises(Conflict, match="no longer has the permission"):
        approve(session, id)
    assert credited(session, invoice) == 0


def test_limits_count_in_the_base_currency(session: Session, invoice: Invoice) -> None:
    foreign = make_invoice(make_customer(reference="EURO", currency="EUR"), "100")
    spec = CreditSpec("Wrong", Decimal(40))
    unknown = ask(credit_notes.credit_invoice, foreign.id, spec)
    assert request(session, unknown).in_base is None  # without a rate, every amount waits
    rate = RateSpec("EUR", NOW.date(), Decimal("0.5"))
    transaction(exchange_rates.set_rate, rate, SYSTEM, NOW)
    known = ask(credit_notes.credit_invoice, foreign.id, CreditSpec("Wrong price", Decimal(40)))
    assert request(session, known).in_base == Decimal(80)
    assert transaction(credit_notes.credit_invoice, foreign.id, CreditSpec("Less", Decimal(25)), maker(), NOW)[1]
    ask(credit_notes.credit_invoice, foreign.id, CreditSpec("Less again", Decimal("0.01")))


def test_the_command_line_and_tokens_without_an_owner_have_no_limit(session: Session, invoice: Invoice) -> None:
    token = transaction(tokens.create, "t", ["billing:write"], actor=SYSTEM, now=NOW)[0]
    actor = Actor("token", token.id, "t", frozenset({"corrections:write"}))
    assert transaction(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", Decimal(60)), actor, NOW)[1]
    assert transaction(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", Decimal(40)), SYSTEM, NOW)[1]


@pytest.mark.both_databases
def test_limits_are_set_and_taken_away(session: Session, invoice: Invoice) -> None:
    assert not transaction(set_limits, "admin", LIMITS, SYSTEM, NOW)
    with pytest.raises(Invalid, match="from 0 to"):
        transaction(set_limits, "admin", {"credit": Decimal(-1)}, SYSTEM, NOW)
    with pytest.raises(Invalid, match="no act"):
        transaction(set_limits, "admin", {"everything": None}, SYSTEM, NOW)
    assert transaction(set_limits, "admin", dict.fromkeys(LIMITS), SYSTEM, NOW)
    assert not transaction(set_limits, "admin", dict.fromkeys(LIMITS), SYSTEM, NOW)
    assert transaction(credit_notes.credit_invoice, invoice.id, CreditSpec("Wrong", HUNDRED), maker(), NOW)[1]
    changes = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "role.limits_changed")).all()
    assert ["50", None] in [change["credit"] for change in changes if "credit" in change]


def negative(amount: str = "-100", **fields: Any) -> ChargeSpec:
    """A negative charge on the account of ACME."""
    return ChargeSpec("ACME", description="Goodwill", amount=Decimal(amount), **fields)


def pending(session: Session) -> list[tuple[str, Decimal]]:
    session.rollback()
    rows = session.execute(select(Charge.description, Charge.amount).where(Charge.status == "pending"))
    return [(row.description, row.amount) for row in rows]


@pytest.mark.both_databases
def test_a_negative_charge_is_added_as_asked_once_it_is_approved(session: Session, invoice: Invoice) -> None:
    charge, now = uuid4(), [("Goodwill", Decimal(-100))]
    spec = negative(id=charge, incurred_on=date(2026, 4, 1), metadata={"case": "7"}, purchase_order="PO 1")
    id = ask(post, [spec], may_wait=True)
    assert ask(post, [spec], may_wait=True) == id
    shown = preview(session, request(session, id))
    assert [(effect.before, effect.after) for effect in shown.effects] == [("0.00 USD", "−100.00 USD")]
    transaction(post, [make_spec("ACME", "7")], SYSTEM, NOW)  # a script goes on posting, and the request stays valid
    with pytest.raises(Denied):
        approve(session, id, maker())
    approve(session, id, shown=shown.fingerprint)
    assert (request(session, id).state, pending(session)[1:]) == ("approved", now)
    assert ("charge.posted", "maker@example.com", "other@example.com") in events_after(session, "approval.requested")
    result = transaction(post, [spec], maker(), LATER)
    assert (result.ids, result.created) == ([charge], 0)


def test_a_negative_charge_keeps_the_price_that_it_had(session: Session, invoice: Invoice) -> None:
    service = make_service(prices={"USD": Decimal(20)})
    id = ask(post, [ChargeSpec("ACME", service=service.code, quantity=Decimal(-3))], may_wait=True)
    assert (request(session, id).amount, request(session, id).reason) == (6000, service.name)
    assert request(session, id).input["unit_price"] == "20"
    transaction(post, [ChargeSpec("ACME", service=service.code, quantity=Decimal(-2))], maker(), NOW)
    approve(session, id)
    assert sorted(amount for _, amount in pending(session)) == [Decimal(-60), Decimal(-40)]


def test_negative_charges_above_the_limit_are_refused_where_they_cannot_wait(
    session: Session, invoice: Invoice
) -> None:
    with pytest.raises(Denied) as refused:
        transaction(post, [negative("-50"), negative("-50.01"), negative("9")], maker(), NOW)
    assert [(problem.code, problem.field) for problem in refused.value.problems] == [("needs_approval", (1, "amount"))]
    (charge,) = transaction(post, [negative("5")], maker(), NOW).ids
    with pytest.raises(Denied, match="Add it alone"):
        transaction(correct_charge, charge, {"amount": Decimal(-51)}, None, "Wrong", maker(), NOW)
    assert transaction(post, [negative("-50.01"), negative("-99")], SYSTEM, NOW).created == 2


def test_a_recurring_credit_above_the_limit_is_refused(session: Session, invoice: Invoice) -> None:
    service = make_service(prices={"USD": Decimal(20)})
    fields: dict[str, Any] = {
        "customer": "ACME",
        "service": service.code,
        "starts_on": date(2026, 4, 1),
        "interval": "monthly",
    }
    ended, _ = transaction(recurring_charges.create, RecurringChargeSpec(**fields, quantity=Decimal(9)), SYSTEM, NOW)
    transaction(recurring_posting.post_due_charges, [ended.id], date(2026, 4, 2), SYSTEM, NOW)
    with pytest.raises(
        Denied, match="The deduction of posted days is above"
    ):  # a request for the charge alone would leave the rest undone
        transaction(recurring_charges.end, ended.id, date(2026, 4, 1), "Left", maker(), NOW)
    with pytest.raises(Denied, match="A person with a higher limit can add it"):
        transaction(recurring_charges.create, RecurringChargeSpec(**fields, quantity=Decimal(-3)), maker(), NOW)
    assert transaction(recurring_charges.create, RecurringChargeSpec(**fields, quantity=Decimal(-2)), maker(), NOW)


@pytest.mark.both_databases
def test_the_acts_of_a_person_on_one_object_and_day_are_added_up(session: Session, invoice: Invoice) -> None:
    def credit(amount: str, target: Invoice = invoice, now: datetime = NOW, who: Actor | None = None) -> Any:
        return transaction(
            credit_notes.credit_invoice, target.id, CreditSpec("Part", Decimal(amount)), who or maker(), now
        )

    credit("30")
    id = ask_credit(invoice, Decimal("20.01"))
    assert request(session, id).in_base == Decimal("20.01")
    own, _ = transaction(tokens.create, "t", ["read"], user_id=MAKER, actor=SYSTEM, now=NOW)
    token = Actor("token", own.id, "t", ROLES["admin"])
    with pytest.raises(NeedsApproval):  # a token of the person does not help
        credit("20.01", who=token)
    credit("20", who=token)
    credit("50", make_invoice(session.scalars(select(Customer)).one(), "60"))  # another invoice is another object
    approve(session, id)  # what another person approved does not count
    tomorrow = NOW + timedelta(days=1)
    credit("9.99", now=tomorrow)
    session.rollback()
    assert session.scalars(select(LimitedAct.measure)).all() == [Decimal("9.99")]
    assert credited(session, invoice) == 8000
    with pytest.raises(Denied):
        transaction(post, [negative("-30"), negative("-20.01")], maker(), NOW)
    with pytest.raises(Denied):  # each is 0.00 when it is rounded
        transaction(post, [negative("-50"), negative("-0.004")], maker(), NOW)
    transaction(post, [negative("-30"), negative("-20")], maker(), NOW)
    ask(post, [negative("-0.01")], may_wait=True)


def test_a_price_change_above_the_limit_waits(session: Session, invoice: Invoice) -> None:
    service = make_service(prices={"USD": Decimal("0.0002"), "EUR": Decimal(3)})
    day = date(2026, 5, 1)

    def price(day: date = day) -> Decimal | None:
        session.rollback()
        return prices_on(day, services_query.service(session, service.code).prices)["USD"].unit_price

    def change(spec: PriceSpec, actor: Actor) -> None:
        transaction(services.set_price, service.id, spec, None, actor, NOW)

    change(PriceSpec("USD", Decimal("0.00021"), day), maker())
    id = ask(services.set_price, service.id, PriceSpec("USD", Decimal("0.00023"), day), None, may_wait=True)
    stored = request(session, id)
    assert (stored.object_name, stored.percent, stored.amount, stored.currency) == (
        service.code,
        Decimal("9.53"),  # rounded up; 5 % of the same day are added
        None,
        "USD",
    )
    change(PriceSpec("EUR", Decimal("3.3"), day), maker())  # another currency counts for itself
    assert [(str(effect.label), effect.before, effect.after) for effect in preview(session, stored).effects] == [
        ("Price from 1 May 2026", "0.00021 USD", "0.00023 USD")
    ]
    fingerprint = preview(session, stored).fingerprint
    change(PriceSpec("USD", Decimal("0.00022"), day), SYSTEM)
    with pytest.raises(Conflict, match="check the preview again"):
        approve(session, id, shown=fingerprint)
    approve(session, id)
    assert price() == Decimal("0.00023")
    with pytest.raises(Denied, match="Set this price alone"):
        transaction(services.update, service.id, {"name": "New", "prices": {"EUR": Decimal(3)}}, None, maker(), NOW)
    assert transaction(services.update, service.id, {"name": "New"}, None, maker(), NOW).name == "New"
    removal = ask(services.remove_price, service.id, "USD", day, may_wait=True)
    assert preview(session, request(session, removal)).effects[0].after == "0.0002 USD"
    approve(session, removal)
    assert price() == Decimal("0.0002")


def test_a_price_that_begins_again_is_compared_with_the_one_before_its_end(session: Session, invoice: Invoice) -> None:
    service = make_service(prices={"USD": Decimal(20), "EUR": Decimal(3)})
    transaction(services.update, service.id, {"prices": {}}, None, SYSTEM, NOW)
    for prices in ({"EUR": Decimal(30)}, {"USD": Decimal(1)}):
        with pytest.raises(Denied, match="Set this price alone"):
            transaction(services.update, service.id, {"prices": prices}, None, maker(), NOW)
    assert transaction(services.update, service.id, {"prices": {"EUR": Decimal(3)}}, None, maker(), NOW).version == 3


def test_a_price_change_above_the_limit_is_refused_in_a_file(session: Session, invoice: Invoice) -> None:
    make_service(code="GPU", prices={"USD": Decimal(20)})
    content = b"code,currency,unit_price,valid_from\nGPU,USD,23,2026-05-01\nGPU,USD,21,2026-06-01\n"
    id = bring("services", content)
    transaction(imports.set_plan, id, planned("services", content, update=True), maker(), NOW)
    check_file(id, maker(), lambda _count: None)
    assert [(error.line, error.column) for error in errors(as_it_is(id))] == [(2, "unit_price")]


def test_a_check_adds_up_all_rows_of_a_file(
    session: Session, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of earlier transactions, as the import does."""
    monkeypatch.setitem(background_imports.CHUNK_ROWS, "charges", 3)
    lines = [f"ACME,Goodwill {number},{amount}" for number, amount in enumerate(("-20", "7", "-20", "-20", "-10"))]
    content = "\n".join(["customer,description,amount", *lines]).encode()
    id = bring("charges", content)
    transaction(imports.set_plan, id, planned("charges", content), maker(), NOW)
    check_file(id, maker(), lambda _count: None)
    assert [(error.line, error.column) for error in errors(as_it_is(id))] == [(5, "amount")]
    session.rollback()
    assert session.scalars(select(LimitedAct.id)).all() == []


def test_a_submission_keeps_all_that_was_asked_for(session: Session, invoice: Invoice) -> None:
    lines, day, id = [(invoice.lines[0].id, HUNDRED)], date(2026, 4, 2), uuid4()
    credit = CreditSpec("Wrong", None, lines, day, id, frozenset({0}))
    refund = RefundSpec("ACME", Decimal(80), "cash", "USD", day, "R 1", id)
    charge = replace(
        negative(currency="USD", incurred_on=day, tax_included=True, id=id, metadata={"case": "7"}),
        purchase_order="PO 1",
        period_from=day,
        period_to=date(2026, 4, 9),
        period_of_days=30,
    )
    pay(make_payment_spec(session.scalars(select(Customer)).one(), "80", ()))
    asked = [ask(credit_notes.credit_invoice, invoice.id, credit), ask(refunds.record, refund)]
    asked.append(ask(post, [charge], may_wait=True))
    credit_input, refund_input, charge_input = (request(session, id).input for id in asked)
    assert credit_notes.spec_as_submitted(credit_input) == replace(credit, lines=lines)
    kept = refunds.spec_as_submitted(invoice.customer_id, refund_input)
    assert kept == replace(refund, customer=str(invoice.customer_id))
    posted = spec_as_submitted(charge_input)
    given = {field.name for field in fields(charge) if getattr(charge, field.name) is not None}
    left_out = given - {"customer", "stored_texts"}
    assert {name: getattr(posted, name) for name in left_out} == {name: getattr(charge, name) for name in left_out}
    assert "by_quantity" in credit_input
    assert credit_notes.spec_as_submitted({**credit_input, "by_quantity": []}).by_quantity == frozenset()
    del credit_input["by_quantity"]  # as earlier versions stored it
    assert credit_notes.spec_as_submitted(credit_input).by_quantity == frozenset()
