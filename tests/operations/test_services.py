"""Services and their prices: created, repeated, changed, archived and restored."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import ServiceFields
from billing_admin.domain.money import ZERO, exact_decimal, plain_decimal
from billing_admin.domain.prices import prices_on
from billing_admin.models import AuditEvent, Service
from billing_admin.operations.master_data import services
from tests.books import contents
from tests.making import NOW, change_settings, make_service, make_tax_rate

A, B = UUID(int=0xA), UUID(int=0xB)
COMPUTE: ServiceFields = {
    "code": "compute",
    "name": "Computing",
    "unit": "h",
    "prices": {"USD": exact_decimal("2.50"), "EUR": exact_decimal("0.000000000001")},
}


def create(fields: ServiceFields, id: UUID | None = None) -> tuple[Service, bool]:
    return transaction(services.create, fields, id, SYSTEM, NOW)


def prices(service: Service) -> dict[str, str]:
    current = prices_on(NOW.date(), service.prices)
    return {currency: plain_decimal(price.unit_price or ZERO) for currency, price in current.items()}


def test_a_new_service_has_its_defaults(session: Session) -> None:
    service, created = create({"code": "compute"}, A)
    assert (created, service.id, service.name, service.unit) == (True, A, "compute", "")
    assert (service.tax_rate.code, service.line_per_charge, prices(service)) == ("none", False, {})


def test_a_unit_code_of_the_list_is_kept_and_any_other_refused(session: Session) -> None:
    service = create(COMPUTE | {"unit_code": "HUR"}, A)[0]
    assert service.unit_code == "HUR"
    assert create(COMPUTE | {"unit_code": "HUR"}, A)[1] is False
    with pytest.raises(Conflict) as differing:
        create(COMPUTE | {"unit_code": "DAY"}, A)
    assert differing.value.extra == {"differs": ["unit_code"]}
    with pytest.raises(Invalid, match=r"“HD” is not a unit code .* Use HDW or HAD, or leave this blank") as refused:
        transaction(services.update, service.id, {"unit_code": "HD"}, None, SYSTEM, NOW)
    assert (refused.value.code, refused.value.field) == ("unknown_unit_code", ("unit_code",))
    assert transaction(services.update, service.id, {"unit_code": ""}, None, SYSTEM, NOW).unit_code == ""
    details = session.scalars(
        select(AuditEvent.details).where(AuditEvent.action == "service.changed").order_by(AuditEvent.id)
    ).all()
    assert details == [{"unit_code": ["HUR", ""]}]


def test_prices_are_kept_exactly(session: Session) -> None:
    id = create(COMPUTE)[0].id
    session.rollback()
    assert prices(session.get_one(Service, id)) == {"EUR": "0.000000000001", "USD": "2.5"}


def test_the_organisations_tax_rate_is_the_default(session: Session) -> None:
    make_tax_rate("VAT19")
    change_settings(default_tax_rate="VAT19")
    assert create({"code": "compute"})[0].tax_rate.code == "VAT19"


def test_an_identical_repeat_answers_with_the_original(session: Session) -> None:
    create(COMPUTE, A)
    before = contents(session)
    again: Any = dict(COMPUTE) | {"prices": {"EUR": Decimal("1E-12"), "USD": Decimal("2.5")}}
    assert create(again, A)[1] is False
    assert create({"code": "compute"})[0].id == A
    assert contents(session) == before


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"name": "Other"}, ["name"]),
        ({"prices": {"USD": exact_decimal("2.5")}}, ["prices"]),
        ({"tax_rate": "VAT19", "line_per_charge": True}, ["tax_rate", "line_per_charge"]),
    ],
)
def test_other_values_under_the_same_id_or_code_are_refused_and_named(
    session: Session, change: Any, differs: list[str]
) -> None:
    make_tax_rate("VAT19")
    create(COMPUTE, A)
    asked: Any = dict(COMPUTE) | change
    for id in (A, None):
        with pytest.raises(Conflict) as refused:
            create(asked, id)
        assert (refused.value.code, refused.value.extra) == ("id_conflict", {"differs": differs})


def test_the_code_of_another_service_is_refused(session: Session) -> None:
    create(COMPUTE, A)
    with pytest.raises(Conflict) as refused:
        create(COMPUTE, B)
    assert (refused.value.code, refused.value.field) == ("code_taken", ("code",))
    other = make_service(code="other")
    with pytest.raises(Conflict, match="compute is already the code of Computing"):
        transaction(services.update, other.id, {"code": "compute"}, None, SYSTEM, NOW)


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"name": "x"}, "missing", ("code",)),
        ({"code": ""}, "blank", ("code",)),
        ({"code": "x", "tax_rate": "nope"}, "unknown_tax_rate", ("tax_rate",)),
        ({"code": "x", "prices": {"EUR": Decimal(-1)}}, "out_of_range", ("prices", "EUR")),
        ({"code": "x", "prices": {"EUR": Decimal("NaN")}}, "not_a_number", ("prices", "EUR")),
        ({"code": "x", "prices": {"EUR": Decimal("1E-13")}}, "out_of_range", ("prices", "EUR")),
        ({"code": "x", "prices": {"XXX": Decimal(1)}}, "unknown_currency", ("prices", "XXX")),
    ],
)
def test_a_wrong_field_is_refused_at_its_place(
    session: Session, fields: Any, code: str, place: tuple[str, ...]
) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        create(fields)
    assert (refused.value.code, refused.value.field) == (code, place)
    assert contents(session) == before


def test_a_change_of_prices_gives_all_prices_and_counts_as_a_change(session: Session) -> None:
    service, _ = create(COMPUTE)
    changed = transaction(
        services.update,
        service.id,
        {"prices": {"USD": exact_decimal("3"), "JPY": exact_decimal("400")}},
        1,
        SYSTEM,
        NOW,
    )
    assert (prices(changed), changed.version) == ({"JPY": "400", "USD": "3"}, 2)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "service.changed")).one()
    assert event.details == {"prices": [{"EUR": "0.000000000001", "USD": "2.5"}, {"USD": "3", "JPY": "400"}]}


def test_each_change_counts_once(session: Session) -> None:
    service, _ = create(COMPUTE)
    for expected, name in enumerate(("One", "Two", "Three"), 2):
        changed = transaction(services.update, service.id, {"name": name}, expected - 1, SYSTEM, NOW)
        assert (changed.name, changed.version) == (name, expected)


def test_a_change_of_nothing_writes_nothing(session: Session) -> None:
    service, _ = create(COMPUTE)
    before = contents(session)
    transaction(services.update, service.id, COMPUTE, None, SYSTEM, NOW)
    assert contents(session) == before


def test_a_change_of_what_somebody_changed_meanwhile_is_refused(session: Session) -> None:
    service, _ = create(COMPUTE)
    transaction(services.update, service.id, {"prices": {}}, 1, SYSTEM, NOW)
    with pytest.raises(Stale):
        transaction(services.update, service.id, {"prices": {"USD": exact_decimal("1")}}, 1, SYSTEM, NOW)
    session.rollback()
    assert prices(session.get_one(Service, service.id)) == {}


def test_a_service_is_archived_and_restored_once(session: Session) -> None:
    service, _ = create(COMPUTE)
    assert [transaction(services.archive, service.id, SYSTEM, NOW) for _ in range(2)] == [True, False]
    assert [transaction(services.restore, service.id, SYSTEM, NOW) for _ in range(2)] == [True, False]
    actions = session.scalars(select(AuditEvent.action)).all()
    assert sorted(actions) == ["service.archived", "service.created", "service.restored"]
