"""Checks of `docs/security.md` about pages, people and passwords that belong to no page of their own."""

import hashlib
from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.common_passwords import common_passwords
from billing_admin.domain.sign_in import check_password
from billing_admin.models import User
from billing_admin.models.base import Base
from billing_admin.operations.access import users
from billing_admin.queries.access.users import Credentials
from tests.guards.test_routes import address
from tests.making import make_customer, make_invoice, make_service, make_spec, post
from tests.people import PRODUCTION_HASHER, signed_in
from tests.web.pages import Element, parse

HOSTILE = (
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "</td></tr></table><h1>x",
    "<!-- {{ 7 * 7 }} {% raw %} -->",
    "&lt;b&gt; &amp;#39;",
    "javascript:alert(1)//` ${x}",
    "\u202eolleh\u202c Ω≈ç√ 田中さん 👩\u200d👩\u200d👧 I\u0317\u0318n\u0347\u0359v",
)


def content(session: Session) -> str:
    """Return a hash of all rows; those of sessions hold their last use."""
    session.rollback()
    tables = [table for table in Base.metadata.sorted_tables if table.name != "user_sessions"]
    rows = (repr(row) for table in tables for row in session.execute(table.select().order_by(*table.primary_key)))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@pytest.mark.deep
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_check_10_reading_changes_nothing(app: Flask, session: Session) -> None:
    """A downloaded file is an act, and has an audit event."""
    client = signed_in(app)
    customer = make_customer(reference="ACME")
    post(make_spec(customer, "7", service=make_service()))
    make_invoice(customer)
    before = content(session)
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.endpoint.startswith(("api.", "exports.", "static")):
            answers = [client.open(address(app, rule), method=method) for method in ("GET", "HEAD")]
            if any("attachment" in answer.headers.get("Content-Disposition", "") for answer in answers):
                before = content(session)
            assert content(session) == before, rule


def skeleton(element: Element) -> Iterator[tuple[str, ...]]:
    """Yield the tags and the names of attributes of a page."""
    for part in element.elements():
        yield part.tag, *sorted(part.attributes)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_check_14_hostile_texts_keep_the_structure_of_pages(app: Flask, session: Session) -> None:
    client = signed_in(app)
    pages = {}
    for number, text in enumerate(("Plain", *HOSTILE)):
        customer = make_customer(reference=f"C{number}", name=text, notes=text)
        post(make_spec(customer, "7", description=text))
        urls = (f"/customers/{customer.id}", f"/customers?q=C{number}", f"/charges?customer=C{number}")
        pages[text] = [list(skeleton(parse(client.get(url)))) for url in urls]
    for text in HOSTILE:
        assert pages[text] == pages["Plain"], text


@pytest.mark.parametrize(
    "password", ["a" * 5 + "bcdefghijk mnop", "violet anchor meadow", "x7" + "q w" * 30, "ß" * 9 + "äöü123"]
)
def test_check_27_long_passwords_need_no_kind_of_character(password: str) -> None:
    check_password(password, "ada@example.com", "password")


def test_check_27_no_character_is_left_out() -> None:
    long = "violet anchor meadow " * 40
    verified = users.verify_password(Credentials(UUID(int=1), users._hash_password(long)), long[:-1] + "x")
    assert verified is None


def test_check_28_the_list_has_many_common_passwords() -> None:
    assert len(common_passwords()) >= 3_000
    assert {"password", "iloveyou", "qwerty"} <= common_passwords()


def test_check_29_passwords_are_hashed_with_argon2id() -> None:
    hashed = PRODUCTION_HASHER.hash("violet anchor meadow")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PRODUCTION_HASHER.memory_cost >= 19 * 1024


def test_check_32_a_new_installation_has_no_account(session: Session) -> None:
    assert session.scalars(select(User)).all() == []
