"""Tax rates: added with the words of their category, reworded, and changed from a day on."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound, Stale
from billing_admin.domain.money import plain_decimal
from billing_admin.models import AuditEvent, TaxRate
from billing_admin.operations.master_data import tax_rates
from tests.books import contents
from tests.making import NOW, change_tax, make_tax_rate

TODAY = NOW.date()
TOMORROW = TODAY + timedelta(days=1)


def stored(session: Session, code: str = "VAT19") -> TaxRate:
    session.rollback()
    query = select(TaxRate).where(TaxRate.code == code).execution_options(populate_existing=True)
    return session.scalars(query).one()


def told(session: Session) -> Any:
    return session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()


@pytest.mark.parametrize(
    ("category", "note"),
    [
        ("S", ""),
        ("Z", ""),
        ("E", "Exempt from tax"),
        ("AE", "Reverse charge: the customer accounts for the tax"),
        ("O", "Not subject to tax"),
        ("G", "Export: no tax is charged"),
        ("K", "Intra-community supply: no tax is charged"),
    ],
)
def test_a_rate_without_tax_says_why_in_the_usual_words(session: Session, category: str, note: str) -> None:
    assert make_tax_rate("rate", "19" if category == "S" else "0", category).note == note


def test_or_in_words_of_its_own(session: Session) -> None:
    fields: Any = {"code": "small", "name": "Small", "category": "E", "percent": Decimal(0), "note": "§ 19 UStG"}
    assert transaction(tax_rates.create, fields, SYSTEM, NOW).note == "§ 19 UStG"


@pytest.mark.parametrize("category", ["Z", "E", "AE", "O", "G", "K"])
def test_only_category_s_charges_tax(session: Session, category: str) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        make_tax_rate("rate", "7", category)
    assert (refused.value.code, refused.value.field) == ("charges_no_tax", ("percent",))
    assert contents(session) == before


def test_is_reworded(session: Session) -> None:
    rate = make_tax_rate("free", "0", "E")
    transaction(tax_rates.update, rate.id, {"name": "Exempt", "note": "Article 132"}, 1, SYSTEM, NOW)
    assert (stored(session, "free").name, stored(session, "free").note) == ("Exempt", "Article 132")
    assert told(session).details == {"name": ["free", "Exempt"], "note": ["Exempt from tax", "Article 132"]}
    before = contents(session)
    transaction(tax_rates.update, rate.id, {"name": "Exempt", "note": "Article 132"}, 2, SYSTEM, NOW)
    assert contents(session) == before


@pytest.mark.parametrize(
    ("category", "name", "note", "version", "code"),
    [
        ("E", "Exempt", "", 1, "blank"),
        ("E", "Exempt", " ", 1, "blank"),
        ("E", "", "Why", 1, "blank"),
        ("E", "Exempt", "Why\0", 1, "unprintable"),
        ("S", "VAT", "Why", 1, "not_printed"),
        ("E", "Exempt", "Why", 7, "stale"),
    ],
)
def test_what_is_wrong_leaves_it_as_it_was(
    session: Session, category: str, name: str, note: str, version: int, code: str
) -> None:
    rate = make_tax_rate("rate", "19" if category == "S" else "0", category)
    before = contents(session)
    with pytest.raises(DomainError) as refused:
        transaction(tax_rates.update, rate.id, {"name": name, "note": note}, version, SYSTEM, NOW)
    assert refused.value.code == code
    assert contents(session) == before


def test_who_is_not_subject_to_tax_need_not_say_so(session: Session) -> None:
    rate = make_tax_rate("outside", "0", "O")
    transaction(tax_rates.update, rate.id, {"note": ""}, None, SYSTEM, NOW)
    assert stored(session, "outside").note == ""


def test_a_new_installation_begins_with_an_exempt_rate(session: Session) -> None:
    rate = stored(session, "none")
    assert (rate.name, rate.category, rate.percent, rate.note, rate.vatex) == (
        "No tax",
        "E",
        Decimal(0),
        "Exempt from tax",
        "",
    )


@pytest.mark.parametrize(
    ("category", "vatex"),
    [
        *(("S", ""), ("Z", ""), ("E", ""), ("AE", "VATEX-EU-AE"), ("O", "VATEX-EU-O")),
        *(("G", "VATEX-EU-G"), ("K", "VATEX-EU-IC")),
    ],
)
def test_a_rate_has_the_vatex_code_of_its_category(session: Session, category: str, vatex: str) -> None:
    assert make_tax_rate("rate", "19" if category == "S" else "0", category).vatex == vatex


def test_the_vatex_code_of_an_exempt_rate_is_chosen(session: Session) -> None:
    rate = make_tax_rate("free", "0", "E")
    transaction(tax_rates.update, rate.id, {"vatex": "VATEX-EU-132-1I"}, None, SYSTEM, NOW)
    assert stored(session, "free").vatex == "VATEX-EU-132-1I"
    assert told(session).details == {"vatex": ["", "VATEX-EU-132-1I"]}
    transaction(tax_rates.update, rate.id, {"note": "Education"}, None, SYSTEM, NOW)
    assert stored(session, "free").vatex == "VATEX-EU-132-1I"
    transaction(tax_rates.update, rate.id, {"vatex": ""}, None, SYSTEM, NOW)
    assert stored(session, "free").vatex == ""


@pytest.mark.parametrize(
    ("category", "vatex", "code"),
    [
        ("S", "VATEX-EU-132", "other_vatex"),
        ("AE", "VATEX-EU-G", "other_vatex"),
        ("E", "VATEX-EU-AE", "other_vatex"),
        ("E", "VATEX-EU-133", "unknown_vatex"),
    ],
)
def test_a_vatex_code_of_another_category_is_refused(session: Session, category: str, vatex: str, code: str) -> None:
    rate = make_tax_rate("rate", "19" if category == "S" else "0", category)
    with pytest.raises(Invalid) as refused:
        transaction(tax_rates.update, rate.id, {"vatex": vatex}, None, SYSTEM, NOW)
    assert (refused.value.code, refused.value.field) == (code, ("vatex",))
    fields: Any = {"code": "new", "name": "New", "category": category, "percent": rate.percent, "vatex": vatex}
    with pytest.raises(Invalid) as refused:
        transaction(tax_rates.create, fields, SYSTEM, NOW)
    assert (refused.value.code, refused.value.field) == (code, ("vatex",))


def test_a_taxed_rate_needs_more_than_zero_percent(session: Session) -> None:
    with pytest.raises(Invalid, match=r"more than 0 percent. Use category Z \(zero rated\) or E") as refused:
        make_tax_rate("zero", "0")
    assert (refused.value.code, refused.value.field) == ("zero_percent", ("percent",))
    rate = make_tax_rate()
    with pytest.raises(Invalid, match="add a rate of category Z or E") as refused:
        change_tax(rate, TOMORROW, "0")
    assert (refused.value.code, refused.value.field) == ("zero_percent", ("percent",))
    change_tax(rate, TOMORROW, "0.01")


def test_changes_from_a_day_on(session: Session) -> None:
    rate = make_tax_rate()
    change_tax(rate, date(2027, 1, 1), "20")
    change_tax(rate, date(2026, 7, 1), "16")
    assert [(one.valid_from.isoformat(), plain_decimal(one.percent)) for one in stored(session).changes] == [
        ("2026-07-01", "16"),
        ("2027-01-01", "20"),
    ]
    assert (told(session).action, told(session).object_id) == ("tax_rate.percent_changed", rate.id)
    assert told(session).details == {"valid_from": "2026-07-01", "percent": [None, "16"]}


def test_another_percentage_of_the_same_day_replaces_the_first(session: Session) -> None:
    rate = make_tax_rate()
    change_tax(rate, TODAY, "16")
    change_tax(rate, TODAY, "17")
    assert [one.percent for one in stored(session).changes] == [Decimal(17)]
    assert told(session).details["percent"] == ["16", "17"]
    before = contents(session)
    change_tax(rate, TODAY, "17.0")
    assert contents(session) == before


@pytest.mark.parametrize(
    ("valid_from", "percent", "code"),
    [
        (TOMORROW, "101", "out_of_range"),
        (TOMORROW, "-1", "out_of_range"),
        (TOMORROW, "NaN", "not_a_number"),
        (date(1969, 12, 31), "7", "out_of_range"),
        (date(2200, 1, 1), "7", "out_of_range"),
    ],
)
def test_refuses_a_change_that_makes_no_sense(session: Session, valid_from: date, percent: str, code: str) -> None:
    rate = make_tax_rate()
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        change_tax(rate, valid_from, percent)
    assert refused.value.code == code
    assert contents(session) == before


def test_a_rate_without_tax_never_changes(session: Session) -> None:
    with pytest.raises(Conflict, match="charges no tax"):
        change_tax(make_tax_rate("free", "0", "E"), TOMORROW, "7")


def test_a_change_over_a_colleagues_is_refused(session: Session) -> None:
    rate = make_tax_rate()
    change_tax(rate, TOMORROW, "16")
    with pytest.raises(Stale):
        transaction(tax_rates.change_percent, rate.id, TOMORROW, Decimal(17), 1, SYSTEM, NOW)
    assert [one.percent for one in stored(session).changes] == [Decimal(16)]


def test_a_change_to_come_is_taken_back(session: Session) -> None:
    rate = make_tax_rate()
    change_tax(rate, TOMORROW, "16")
    transaction(tax_rates.remove_change, rate.id, TOMORROW, SYSTEM, NOW)
    assert list(stored(session).changes) == []
    assert told(session).details == {"valid_from": TOMORROW.isoformat(), "percent": ["16", None]}


def test_a_change_that_has_begun_stays(session: Session) -> None:
    rate = make_tax_rate()
    change_tax(rate, TODAY, "16")
    before = contents(session)
    with pytest.raises(Conflict) as begun:
        transaction(tax_rates.remove_change, rate.id, TODAY, SYSTEM, NOW)
    with pytest.raises(NotFound):
        transaction(tax_rates.remove_change, rate.id, TOMORROW, SYSTEM, NOW)
    assert begun.value.code == "begun"
    assert contents(session) == before
