"""A hand that looks ahead, as all but a lone one do on SQLite: what it saw is billed if it still holds, else what is there."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Unpack
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.database import db, glance, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.fields import CustomerFields
from billing_admin.models import Account, BillingRunItem, Charge, Customer, Service, TaxRate
from billing_admin.operations import billing_chunks, billing_runs, charges, customers, invoices, services
from billing_admin.operations.billing_chunks import WHOLE, Chunk, Part, bill_chunk, look_ahead
from billing_admin.operations.billing_runs import RunSpec
from tests.books import assert_books_balance, contents
from tests.making import (
    MARCH,
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    change_tax,
    make_customer,
    make_service,
    make_spec,
    make_tax_rate,
    post,
    void,
)

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def begin(*, issue: bool = True) -> UUID:
    """A run that is listed, and not yet worked on."""
    return transaction(billing_runs.start, RunSpec(MARCH_END, issue=issue), SYSTEM, NOW)[0]


def see(run_id: UUID, part: Part = WHOLE) -> Chunk:
    """What comes next in a part of the run."""
    return glance(look_ahead, run_id, NOW, part)


def lines() -> dict[str, list[tuple[str, int, int]]]:
    """What is billed to each customer: the services, how many charges, and the net."""
    return {
        one.customer_reference: [(line.service_code, line.charges, line.net) for line in one.lines]
        for one in all_invoices()
    }


@pytest.fixture
def two(session: Session) -> list[UUID]:
    """The charges of a customer: 10.00 for one service, 5.00 for the other."""
    for code, price in (("One", "10"), ("Other", "5")):
        make_service(code=code, prices={"USD": Decimal(price)})
    make_customer(reference="P-1")
    return list(post(make_spec("P-1", service="One"), make_spec("P-1", service="Other")).ids)


@on_sqlite
@pytest.mark.parametrize("issue", [True, False])
def test_what_was_seen_is_what_is_stored(session: Session, two: list[UUID], issue: bool) -> None:
    run_id = begin(issue=issue)
    ahead = see(run_id)
    before = contents(session)
    assert bool(ahead.contents) is issue
    assert contents(session) == before, "a look writes nothing"
    assert transaction(bill_chunk, run_id, SYSTEM, NOW, ahead) == 1
    (invoice,) = all_invoices()
    assert invoice.id == ahead.drafts[0].invoice["id"]
    assert (invoice.status, invoice.total, invoice.number is not None) == ("issued" if issue else "draft", 1500, issue)
    assert transaction(bill_chunk, run_id, SYSTEM, NOW, see(run_id)) == 0
    assert_books_balance(session)


def _another(_: list[UUID]) -> None:
    post(make_spec("P-1", service="Other", description="Meanwhile"))


def _one_for_the_other(two: list[UUID]) -> None:
    """The account's totals are the same afterwards, and how many charges there are."""
    transaction(charges.cancel, two[:1], "Wrong service", SYSTEM, NOW)
    post(make_spec("P-1", service="Other", quantity="2", description="Instead"))


def _held(two: list[UUID]) -> None:
    transaction(charges.hold, two[1:], "Asked", SYSTEM, NOW)


def _held_and_released(two: list[UUID]) -> None:
    _held(two)
    transaction(charges.release, two[1:], "Answered", SYSTEM, NOW)


def _all_cancelled(two: list[UUID]) -> None:
    transaction(charges.cancel, two, "Wrong", SYSTEM, NOW)


def _billed(_: list[UUID]) -> None:
    bill()


def _taxed_otherwise() -> None:
    change_tax(db.session.scalars(select(TaxRate).where(TaxRate.code == "VAT19")).one(), MARCH, "10")


def _exported_or_renamed(**fields: Unpack[CustomerFields]) -> None:
    transaction(customers.update, db.session.scalars(select(Customer.id)).one(), fields, None, SYSTEM, NOW)


def _service_renamed() -> None:
    one = db.session.scalars(select(Service.id).where(Service.code == "One")).one()
    transaction(services.update, one, {"code": "Again"}, None, SYSTEM, NOW)


@on_sqlite
@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (_taxed_otherwise, ("S", 1650, "P-1", "", "One")),
        (partial(_exported_or_renamed, tax_treatment="export"), ("G", 1500, "P-1", "", "One")),
        (partial(_exported_or_renamed, name="New Ltd"), ("S", 1785, "New Ltd", "", "One")),
        (partial(change_settings, address="New Street 1"), ("S", 1785, "P-1", "New Street 1", "One")),
        (_service_renamed, ("S", 1785, "P-1", "", "Again")),
    ],
)
def test_what_else_documents_rest_on_is_seen_again(
    session: Session, meddle: Callable[[], object], said: tuple[Any, ...]
) -> None:
    rate = make_tax_rate()
    change_settings(default_tax_rate=rate.code, address="")
    for code, price in (("One", "10"), ("Two", "5")):
        make_service(code=code, tax_rate=rate.code, prices={"USD": Decimal(price)})
    make_customer(reference="P-1")
    post(make_spec("P-1", service="One"), make_spec("P-1", service="Two"))
    run_id = begin()
    ahead = see(run_id)
    assert ahead.drafts[0].invoice["total"] == 1785
    meddle()
    assert transaction(bill_chunk, run_id, SYSTEM, NOW, ahead) == 1
    (invoice,) = all_invoices()
    (tax,), line = invoice.taxes, invoice.lines[0]
    assert (tax.category, invoice.total, invoice.customer_name, invoice.seller_address, line.service_code) == said
    assert_books_balance(session)


@on_sqlite
@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (_another, [("One", 1, 1000), ("Other", 2, 1000)]),
        (_one_for_the_other, [("Other", 2, 1500)]),
        (_held, [("One", 1, 1000)]),
        (_held_and_released, [("One", 1, 1000), ("Other", 1, 500)]),
        (_all_cancelled, None),
        (_billed, [("One", 1, 1000), ("Other", 1, 500)]),
    ],
)
def test_what_no_longer_holds_is_seen_again(
    session: Session,
    two: list[UUID],
    meddle: Callable[[list[UUID]], None],
    said: list[tuple[str, int, int]] | None,
) -> None:
    run_id = begin()
    ahead = see(run_id)
    meddle(two)
    transaction(bill_chunk, run_id, SYSTEM, NOW, ahead)
    assert lines() == ({} if said is None else {"P-1": said})
    assert transaction(bill_chunk, run_id, SYSTEM, NOW) == 0, "nothing waits any more"
    assert_books_balance(session)


@on_sqlite
def test_each_hand_sees_its_own_part(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing_chunks, "CHUNK", 2)
    post(*(make_spec(make_customer(reference=f"P-{n}"), "10") for n in range(7)))
    run_id = begin()
    seen = [list(see(run_id, (number, 2)).places.values()) for number in (0, 1)]
    # Places count from 1: the first chunk of the list has one account less.
    assert seen == [[1, 4], [2, 3]]
    while transaction(bill_chunk, run_id, SYSTEM, NOW, see(run_id, (1, 2))):
        pass
    waiting = session.scalars(select(BillingRunItem.position).where(BillingRunItem.state == "waiting")).all()
    assert sorted(waiting) == [1, 4, 5]
    while transaction(bill_chunk, run_id, SYSTEM, NOW):
        pass
    assert len(all_invoices()) == 7
    assert_books_balance(session)


def test_every_change_of_what_is_unbilled_counts(session: Session, two: list[UUID]) -> None:
    versions = [-1]

    def counts() -> bool:
        db.session.rollback()
        versions.append(db.session.scalars(select(Account.version)).one())
        return versions[-1] > versions[-2]

    assert counts()
    for move, reason in ((charges.hold, "Asked"), (charges.release, "Answered")):
        transaction(move, two, reason, SYSTEM, NOW)
        assert counts(), move
    bill()
    assert counts(), "billed"
    void(all_invoices()[0])
    assert counts(), "voided"
    bill(issue=False)
    assert counts(), "drafted"
    transaction(invoices.discard, next(one.id for one in all_invoices() if one.status == "draft"), SYSTEM, NOW)
    assert counts(), "discarded"
    transaction(charges.cancel, two, "Wrong", SYSTEM, NOW)
    assert counts(), "cancelled"
    post(make_spec("P-1", "0"))
    assert counts(), "posted"


def test_a_billed_charge_is_looked_alike_for_as_long_as_that_may_be(session: Session) -> None:
    """What is too old leaves the index of fingerprints when it is billed."""
    person = make_customer()
    make_service()
    spec = make_spec(person, service="GenericCompute")
    early, late = NOW - timedelta(hours=40), NOW - timedelta(hours=23)
    old, fresh = post(spec, now=early).ids[0], post(spec, now=late).ids[0]
    bill()
    session.rollback()
    kept = dict(session.execute(select(Charge.id, Charge.fingerprint)).all())
    assert kept[fresh] is not None
    assert kept[old] is None
    again = post(spec)
    session.rollback()
    assert session.get_one(Charge, again.ids[0]).duplicate_of_id == fresh
