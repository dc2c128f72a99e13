"""What claims of the identity provider mean."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing_admin.domain.single_sign_on import (
    REFUSAL_SENTENCES,
    Identity,
    Refusal,
    claim_values,
    is_allowed_domain,
    mapped_role,
    read_identity,
)

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"email": "Ada@Example.com", "email_verified": True}, ("ada@example.com", True)),
        ({"email": "ada@example.com", "email_verified": "true"}, ("ada@example.com", True)),
        ({"email": "ada@example.com", "email_verified": 1}, ("ada@example.com", True)),
        ({"email": "ada@example.com", "email_verified": "false"}, ("ada@example.com", False)),
        ({"email": "ada@example.com"}, ("ada@example.com", False)),
        ({"email": "ada", "email_verified": True}, ("", True)),
        ({"email": "ada@example.com\ud800", "email_verified": True}, ("", True)),
        ({"email": "a" * 300 + "@example.com", "email_verified": True}, ("", True)),
        ({"email": ["ada@example.com"], "email_verified": True}, ("", True)),
    ],
)
def test_an_address_counts_if_it_is_one(claims: dict[str, Any], expected: tuple[str, bool]) -> None:
    identity = read_identity("https://login.example.com", {"sub": "1"} | claims, "")
    assert (identity.email, identity.email_verified) == expected


@pytest.mark.parametrize(
    ("auth_time", "expected"),
    [
        (AT.timestamp(), AT),
        (int(AT.timestamp()), AT),
        ("1", None),
        (0, None),
        (10**30, None),
        (math.inf, None),
        (math.nan, None),
        (None, None),
    ],
)
def test_the_moment_of_the_sign_in(auth_time: object, expected: datetime | None) -> None:
    assert read_identity("x", {"sub": "1", "auth_time": auth_time}, "").signed_in_at == expected


@pytest.mark.parametrize(
    ("signed_in_at", "expected"),
    [(AT, True), (AT - timedelta(minutes=1), True), (AT - timedelta(seconds=61), False), (None, False)],
)
def test_a_confirmation_is_newer_than_its_flow(signed_in_at: datetime | None, expected: bool) -> None:
    assert Identity("x", "1", "", False, (), signed_in_at).was_confirmed_since(AT) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("groups", ("finance", "staff")),
        ("role", ("finance",)),
        ("realm.roles", ("clerk",)),
        ("https://example.com/roles", ("admin",)),
        ("missing", ()),
        ("role.roles", ()),
        ("number", ()),
    ],
)
def test_values_of_a_claim(name: str, expected: tuple[str, ...]) -> None:
    claims = {
        "groups": ["finance", 1, None, "staff"],
        "role": "finance",
        "realm": {"roles": ["clerk"]},
        "https://example.com/roles": ["admin"],
        "number": 5,
    }
    assert claim_values(claims, name) == expected


def test_the_first_group_of_the_mapping_counts() -> None:
    roles = {"admins": "admin", "finance": "biller"}
    assert mapped_role(("finance", "admins"), roles) == "admin"
    assert mapped_role(("finance",), roles) == "biller"
    assert mapped_role(("Finance", "staff"), roles) is None


@pytest.mark.parametrize(
    ("email", "domains", "expected"),
    [
        ("ada@example.com", (), True),
        ("ada@example.com", ("Example.com",), True),
        ("ada@sub.example.com", ("example.com",), False),
        ("ada@notexample.com", ("example.com",), False),
    ],
)
def test_domains(email: str, domains: tuple[str, ...], expected: bool) -> None:
    assert is_allowed_domain(email, domains) is expected


def test_each_refusal_says_what_to_do() -> None:
    assert set(REFUSAL_SENTENCES) == set(Refusal)
