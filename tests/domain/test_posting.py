"""The decision about a posted charge: new, replayed, late, likely duplicate, held or refused."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.charges import ChargeSpec, CustomerTerms, PricedCharge, ServiceTerms
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.posting import MOST_PROBLEMS, Assessment, PostingContext, assess
from billing_admin.domain.prices import PRICES_START, ListPrice

TODAY = date(2026, 3, 31)
ACME = CustomerTerms(UUID(int=0xACE), "ACME", "EUR")
GONE = CustomerTerms(UUID(int=2), "GONE", "EUR", archived=True)
COMPUTE = ServiceTerms(UUID(int=0xC0DE), "Compute", "Compute", {"EUR": [ListPrice(PRICES_START, Decimal("2.5"))]})
RETIRED = ServiceTerms(UUID(int=4), "Retired", "Retired", {"EUR": [ListPrice(PRICES_START, Decimal(1))]}, archived=True)
A, B, EARLIER = UUID(int=0xA), UUID(int=0xB), UUID(int=0xE)
AMOUNT = Decimal("2.50")


def make_context(**changes: Any) -> PostingContext:
    """Return a context with two customers and two services, one of each archived."""
    customers = {name: terms for terms in (ACME, GONE) for name in (terms.reference, terms.key)}
    services = {name: terms for terms in (COMPUTE, RETIRED) for name in (terms.code, terms.key)}
    return replace(PostingContext(today=TODAY, customers=customers, services=services), **changes)


def new_ids() -> Iterator[UUID]:
    """Yield ids for charges without one."""
    return map(UUID, (f"{number:032x}" for number in count(0x1000)))


def spec(amount: str | None = "2.50", **fields: Any) -> ChargeSpec:
    """Return a request for a plain amount of ACME."""
    values = {"customer": "ACME", "description": "Setup", "amount": None if amount is None else Decimal(amount)}
    return ChargeSpec(**{**values, **fields})


def assessed(*specs: ChargeSpec, context: PostingContext | None = None) -> Assessment:
    """Assess requests in a context."""
    context = context or make_context()
    context.add_candidates(specs, new_ids())
    return assess(context.candidates, context, may_credit=True)


def codes(assessment: Assessment) -> list[tuple[int, str]]:
    """Return the index and the code of each refused charge."""
    return [(index, error.code) for index, error in assessment.refusals]


def stored(request: ChargeSpec, id: UUID = A) -> PricedCharge:
    """Return a charge as it was stored earlier."""
    return assessed(replace(request, id=id)).new[id].charge


# --- new charges ------------------------------------------------------------------------------------------------------


def test_a_charge_under_an_unknown_id_is_new() -> None:
    assessment = assessed(spec(id=A))
    (new,) = assessment.new.values()
    assert (assessment.ids, assessment.refusals, assessment.refusal()) == ([A], [], None)
    assert (new.late, new.duplicate_of_id, new.held) == (False, None, False)
    assert (new.charge.id, new.charge.customer_id, new.charge.amount) == (A, ACME.id, AMOUNT)


def test_charges_without_an_id_get_new_ones_in_their_order() -> None:
    assessment = assessed(spec("1"), spec("2", id=A), spec("3"))
    assert assessment.ids == [UUID(int=0x1000), A, UUID(int=0x1001)]
    assert list(assessment.new) == assessment.ids


def test_a_day_left_out_is_today() -> None:
    assert assessed(spec(id=A)).new[A].charge.incurred_on == TODAY


def test_customer_and_service_may_be_named_by_id_in_any_spelling() -> None:
    request = spec(None, customer=str(ACME.id).upper(), service=str(COMPUTE.id).upper(), id=A)
    charge = assessed(request).new[A].charge
    assert (charge.customer_id, charge.service_id, charge.amount) == (ACME.id, COMPUTE.id, Decimal("2.5"))


def test_no_charges_make_an_empty_assessment() -> None:
    assert assessed() == Assessment([], {}, [])


@pytest.mark.parametrize(
    ("billed_through", "late"),
    [(None, False), (date(2026, 3, 30), False), (TODAY, True), (date(2026, 4, 1), True)],
)
def test_a_charge_is_late_if_its_day_was_billed(billed_through: date | None, late: bool) -> None:
    context = make_context(accounts={(ACME.id, "EUR"): billed_through})
    assert assessed(spec(id=A), context=context).new[A].late is late


def test_only_the_account_in_the_charges_currency_decides_whether_it_is_late() -> None:
    context = make_context(accounts={(ACME.id, "USD"): TODAY})
    assert assessed(spec(id=A), context=context).new[A].late is False


# --- repeats ----------------------------------------------------------------------------------------------------------


def test_a_repeat_of_a_stored_charge_is_replayed() -> None:
    assessment = assessed(spec("2.5", id=A), context=make_context(stored={A: stored(spec())}))
    assert (assessment.ids, assessment.new, assessment.refusals) == ([A], {}, [])


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({"amount": Decimal(3)}, ["amount"]),
        ({"amount": Decimal(3), "currency": "USD"}, ["amount", "currency"]),
        ({"customer": "GONE"}, ["customer"]),
        ({"service": "Compute"}, ["service"]),
    ],
)
def test_another_value_under_a_stored_id_is_a_conflict(fields: dict[str, Any], differs: list[str]) -> None:
    context = make_context(stored={A: stored(spec())})
    (refusal,) = assessed(spec(id=A, **fields), context=context).refusals
    index, error = refusal
    assert (index, type(error), error.code, error.field) == (0, Conflict, "id_conflict", ("id",))
    assert error.extra == {"differs": differs}


def test_a_repeat_is_replayed_although_customer_and_service_are_archived_now() -> None:
    """What was accepted stays accepted."""
    charge = stored(spec(None, service="Compute"))
    context = make_context(stored={A: charge})
    context.customers = {"ACME": replace(ACME, archived=True)}
    context.services = {"Compute": replace(COMPUTE, archived=True)}
    assert assessed(spec(None, service="Compute", id=A), context=context).refusals == []


def test_a_repeat_may_have_characters_that_no_new_charge_may_have() -> None:
    request = spec(description="Line\uf0b7break")
    charge = stored(spec())._replace(description="Line\uf0b7break")
    assert assessed(replace(request, id=A), context=make_context(stored={A: charge})).refusals == []
    assert codes(assessed(replace(request, id=B))) == [(0, "unprintable")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"customer": "nobody"}, "unknown_customer"), ({"service": "nothing"}, "unknown_service")],
)
def test_a_repeat_that_names_something_unknown_is_refused(fields: dict[str, Any], code: str) -> None:
    assert codes(assessed(spec(id=A, **fields), context=make_context(stored={A: stored(spec())}))) == [(0, code)]


def test_an_id_twice_in_one_request_is_one_charge() -> None:
    assessment = assessed(spec("1", id=A), spec("2", id=B), spec("1.0", id=A))
    assert (assessment.ids, list(assessment.new), assessment.refusals) == ([A, B, A], [A, B], [])


def test_an_id_twice_with_different_values_is_a_conflict_at_the_second() -> None:
    assert codes(assessed(spec("1", id=A), spec("2", id=A))) == [(1, "id_conflict")]


def test_an_id_whose_first_charge_is_refused_is_free_for_the_second() -> None:
    assessment = assessed(spec("1", id=A, customer="nobody"), spec("2", id=A))
    assert codes(assessment) == [(0, "unknown_customer")]
    assert list(assessment.new) == [A]


# --- likely duplicates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [False, True])
def test_a_recent_fingerprint_makes_a_likely_duplicate(hold: bool) -> None:
    context = make_context(recent={stored(spec()).fingerprint: EARLIER}, hold_likely_duplicates=hold)
    new = assessed(spec(id=B), context=context).new[B]
    assert (new.duplicate_of_id, new.held) == (EARLIER, hold)


def test_a_charge_with_an_unseen_fingerprint_is_not_held() -> None:
    assert assessed(spec(id=A), context=make_context(hold_likely_duplicates=True)).new[A].held is False


def test_equal_charges_of_one_request_name_the_first() -> None:
    assessment = assessed(spec(), spec(), spec("3"), spec())
    first, second, other, third = assessment.ids
    named = {id: new.duplicate_of_id for id, new in assessment.new.items()}
    assert named == {first: None, second: first, other: None, third: first}


def test_equal_charges_of_one_request_name_a_recent_one_before_each_other() -> None:
    context = make_context(recent={stored(spec()).fingerprint: EARLIER})
    assessment = assessed(spec(), spec(), context=context)
    assert [new.duplicate_of_id for new in assessment.new.values()] == [EARLIER, EARLIER]


def test_a_replayed_charge_is_no_likely_duplicate() -> None:
    charge = stored(spec())
    context = make_context(stored={A: charge}, recent={charge.fingerprint: EARLIER}, hold_likely_duplicates=True)
    assert assessed(spec(id=A), context=context).new == {}


def test_a_refused_charge_makes_no_later_one_a_likely_duplicate() -> None:
    assessment = assessed(spec("1", id=A), spec("2", id=A), spec("2", id=B))
    assert codes(assessment) == [(1, "id_conflict")]
    assert assessment.new[B].duplicate_of_id is None


def test_fingerprints_are_those_of_charges_with_a_price() -> None:
    context = make_context(stored={A: stored(spec())})
    context.add_candidates([spec(id=A), spec("3", id=B), spec(customer="nobody")], new_ids())
    assert context.fingerprints() == {stored(spec("3")).fingerprint}


# --- requests that share a transaction --------------------------------------------------------------------------------


def test_a_request_replays_a_charge_of_an_earlier_request_of_the_transaction() -> None:
    context = make_context()
    context.add_candidates([spec(id=A), spec(id=A), spec("3", id=A), spec(id=B)], new_ids())
    first, repeat, conflict, duplicate = context.candidates
    context.add_stored(assess([first], context, may_credit=True).new)
    assert assess([repeat], context, may_credit=True) == Assessment([A], {}, [])
    assert codes(assess([conflict], context, may_credit=True)) == [(0, "id_conflict")]
    assert assess([duplicate], context, may_credit=True).new[B].duplicate_of_id == A


def test_assess_changes_nothing_in_its_context() -> None:
    context = make_context()
    context.add_candidates([spec(id=A)], new_ids())
    before = replace(context, stored=dict(context.stored), recent=dict(context.recent))
    assert assess(context.candidates, context, may_credit=True) == assess(context.candidates, context, may_credit=True)
    assert context == before


@pytest.mark.parametrize("name", ["ACME", str(ACME.id), str(ACME.id).upper()])
def test_a_locked_account_is_found_by_either_name_of_its_customer(name: str) -> None:
    context = make_context(locked_by_others={ACME.reference, ACME.key})
    assert context.is_locked(spec(customer=name))
    assert not context.is_locked(spec(customer="GONE"))
    assert not make_context().is_locked(spec(customer=name))


# --- refusals, and the order of precedence ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"customer": "nobody"}, "unknown_customer", "customer"),
        ({"customer": "GONE"}, "archived_customer", "customer"),
        ({"service": "nothing"}, "unknown_service", "service"),
        ({"service": "Retired"}, "archived_service", "service"),
        ({"service": "Compute", "amount": None, "currency": "USD"}, "no_price", "unit_price"),
        ({"description": "Line\uf0b7break"}, "unprintable", "description"),
        # The customer goes before the service, the service before the price.
        ({"customer": "nobody", "service": "nothing"}, "unknown_customer", "customer"),
        ({"customer": "GONE", "service": "nothing"}, "archived_customer", "customer"),
        ({"customer": "GONE", "service": "Retired"}, "archived_customer", "customer"),
        ({"service": "Retired", "amount": None, "currency": "USD"}, "archived_service", "service"),
        ({"service": "nothing", "description": "Line\uf0b7break"}, "unknown_service", "service"),
    ],
)
def test_a_new_charge_is_refused(fields: dict[str, Any], code: str, field: str) -> None:
    assessment = assessed(spec(id=A, **fields))
    assert (codes(assessment), assessment.new) == ([(0, code)], {})
    refusal = assessment.refusal()
    assert isinstance(refusal, Invalid)
    assert (refusal.code, refusal.field) == (code, (0, field))


def test_a_conflict_goes_before_an_archived_customer() -> None:
    context = make_context(stored={A: stored(spec())}, customers={"ACME": replace(ACME, archived=True)})
    assert codes(assessed(spec("9", id=A), context=context)) == [(0, "id_conflict")]


def refusal_of(*specs: ChargeSpec) -> DomainError:
    """Return the refusal of requests, of which the id A is stored."""
    refusal = assessed(*specs, context=make_context(stored={A: stored(spec())})).refusal()
    assert refusal is not None
    return refusal


def test_one_refusal_names_the_index_and_the_differing_fields() -> None:
    refusal = refusal_of(spec(), spec("9", id=A))
    assert isinstance(refusal, Conflict)
    assert (refusal.field, refusal.extra) == ((1, "id"), {"differs": ["amount"]})


def test_several_refusals_are_one_error_with_a_problem_for_each() -> None:
    refusal = refusal_of(spec(customer="nobody"), spec("9", id=A), spec(customer="nobody"))
    assert isinstance(refusal, Invalid)
    assert (refusal.code, refusal.extra) == ("several_problems", {})
    assert [problem.field for problem in refusal.problems] == [(0, "customer"), (1, "id"), (2, "customer")]


def test_only_conflicts_make_a_conflict() -> None:
    assert isinstance(refusal_of(spec("8", id=A), spec("9", id=A)), Conflict)
    assert isinstance(refusal_of(spec("8", id=A), spec(customer="nobody")), Invalid)


def test_a_refusal_carries_the_first_thousand_problems_and_counts_all() -> None:
    refusal = refusal_of(*[spec(customer="nobody")] * (MOST_PROBLEMS + 1))
    assert len(refusal.problems) == MOST_PROBLEMS
    assert "1001" in str(refusal)
