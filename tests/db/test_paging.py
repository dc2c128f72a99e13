"""Cursors: those of a list lead through it, and nothing else reaches the database."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlakeyset import serialize_bookmark
from sqlalchemy import Select
from sqlalchemy.orm import Session

from billing_admin.db.paging import page
from billing_admin.domain.errors import Invalid
from billing_admin.queries.charges import unbilled
from billing_admin.queries.charges.charges import ChargeFilter, charges
from billing_admin.queries.invoices.numbers import SeriesFilter, number_register
from billing_admin.queries.master_data import customers, services
from billing_admin.queries.master_data.customers import CustomerFilter
from tests.hostile import CURSOR_PARTS, cursors
from tests.making import make_customer, make_invoice, make_service, make_spec, post
from tests.prepared import prepared

AWKWARD = ("a~b", 'a"b', "a\\nb", "a\\b", "\\", "~", "x:y", "ﷺ" * 60, "Ünïcode", "'", ",", "<>", "é" * 200)
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def queries(session: Session) -> dict[str, Select[Any]]:
    """Return lists with the different kinds of order."""
    return {
        "text": services.services_by_code(services.ServiceFilter()),
        "text made by the database": customers.customers_by_name(CustomerFilter()),
        "texts": unbilled.unbilled_accounts(),
        "moment": charges(session, ChargeFilter()),
        "number": number_register(SeriesFilter("invoice", 2026)),
    }


def key_of(row: Any) -> str:
    """Return the key of a row."""
    return str(row.id if hasattr(row, "id") else (row.customer_id, row.currency))


@pytest.fixture
@prepared
def filled(session: Session) -> Session:
    """Three rows at least in each list, with names that a cursor must carry as they are."""
    for number, name in enumerate(AWKWARD):
        customer = make_customer(reference=f"{number}", name=name, currency="USD")
        make_service(code=f"{name[:100]} {number}")
        post(make_spec(customer, "1"))
    for number in range(3):
        make_invoice(make_customer(reference=f"billed {number}"))
    session.rollback()
    return session


def test_cursors_lead_through_every_list_and_back(filled: Session) -> None:
    for name, query in queries(filled).items():
        keys: list[str] = []
        after, before = None, []
        while True:
            result = page(filled, query, 1, after)
            keys += map(key_of, result.rows)
            before.append(result.previous)
            if (after := result.next) is None:
                break
        assert len(keys) == len(set(keys)) == len(page(filled, query, 100).rows) > 2, name
        for place in range(len(keys) - 1, 0, -1):
            (row,) = page(filled, query, 1, before[place]).rows
            assert key_of(row) == keys[place - 1], name


def test_a_spoilt_cursor_is_refused_before_the_database_sees_it(filled: Session) -> None:
    """Numbers beyond 64 bits, years 1 and 9999, NUL, other types, places too many and too few."""
    for name, query in queries(filled).items():
        real = page(filled, query, 1).next
        assert real
        for cursor in [*cursors(real), *(">" + part for part in CURSOR_PARTS)]:
            if cursor == ">":  # the first page, as the library writes it
                continue
            _try(filled, query, cursor, name)


@FUZZ
@given(data=st.data())
def test_any_cursor_gives_a_page_or_is_refused(filled: Session, data: st.DataObject) -> None:
    values = st.one_of(
        st.integers(),
        st.text(),
        st.none(),
        st.booleans(),
        st.dates(),
        st.datetimes(),
        st.uuids(),
        st.decimals(),
        st.binary(),
    )
    text = data.draw(
        st.one_of(st.text(), st.lists(values, max_size=4).map(lambda cells: serialize_bookmark((tuple(cells), False))))
    )
    for name, query in queries(filled).items():
        _try(filled, query, text, name)


def _try(session: Session, query: Select[Any], cursor: str, name: str) -> None:
    """Ask for a page; a refusal is one of ours."""
    refusal: Invalid | None = None
    try:
        page(session, query, 1, cursor)
    except Invalid as error:
        refusal = error
    assert refusal is None or (refusal.code, refusal.problems[0].field) == ("bad_cursor", ("after",)), (name, cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        ">s:a~i:99999999999999999999999",
        ">x",
        ">dt:0001-01-01 00:00:00+14:00~uuid:00000000-0000-0000-0000-000000000000",
        ">dt:2026-11-22 10:00:00~uuid:00000000-0000-0000-0000-000000000000",
        ">i:9223372036854775808~uuid:00000000-0000-0000-0000-000000000000",
        ">s:a\0~s:b\0~s:EUR",
        "nonsense",
    ],
)
def test_this_cursor_is_refused_by_every_list(filled: Session, cursor: str) -> None:
    for query in queries(filled).values():
        with pytest.raises(Invalid, match="cursor is not valid"):
            page(filled, query, 1, cursor)


def test_a_cursor_of_an_earlier_version_still_leads_on(filled: Session) -> None:
    """As `sqlakeyset` wrote them before they were checked: bookmarks and stored links stay good."""
    query = charges(filled, ChargeFilter())
    first = page(filled, query, 1).rows[0]
    assert isinstance(first.id, UUID)
    following = page(filled, query, 1, serialize_bookmark(((first.created_at, first.id), False)))
    assert following.rows[0].id != first.id
