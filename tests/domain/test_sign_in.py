"""Sign-in: addresses, passwords, how attempts are counted, and how long sessions last."""

import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.common_passwords import common_passwords, is_guessable
from billing_admin.domain.errors import Invalid
from billing_admin.domain.sign_in import (
    LONGEST_EMAIL,
    LONGEST_PASSWORD,
    LONGEST_TYPED_PASSWORD,
    RecentFailures,
    SessionLifetime,
    attempt_network,
    check_email,
    check_password,
    fold_email,
    normalise_password,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:" + "x" * 100, "unix:" + "x" * 59),
    ],
)
def test_attempts_are_counted_by_subscriber(address: str, network: str) -> None:
    assert attempt_network(address) == network


@pytest.mark.parametrize(
    ("age", "idle", "lives"),
    [
        (timedelta(0), timedelta(0), True),
        (timedelta(hours=8, seconds=-1), timedelta(0), True),
        (timedelta(hours=8), timedelta(0), False),
        (timedelta(hours=1), timedelta(minutes=60), False),
        (timedelta(minutes=-4), timedelta(minutes=-4), True),
        (timedelta(minutes=-6), timedelta(minutes=-6), False),
    ],
)
def test_lifetime(age: timedelta, idle: timedelta, lives: bool) -> None:
    assert SessionLifetime(hours=8, idle_minutes=60).covers(NOW - age, NOW - idle, NOW) is lives


@pytest.mark.parametrize(
    "work",
    [
        normalise_password,
        lambda marks: check_password(marks, "a@example.com"),
        fold_email,
        check_email,
    ],
)
def test_no_long_password_or_address_is_normalised(work: Callable[[str], Any]) -> None:
    """120,000 combining marks took more than ten seconds, in which no other request was answered."""
    for marks in ("a" + "\u0301\u0327" * 60_000, "x" * (LONGEST_TYPED_PASSWORD + 1)):
        with patch.object(unicodedata, "normalize") as normalize, pytest.raises(Invalid) as refused:
            work(marks)
        assert refused.value.code == "too_long"
        normalize.assert_not_called()


@given(st.text(max_size=LONGEST_PASSWORD))
def test_every_password_that_can_be_stored_can_be_typed_in_each_form(password: str) -> None:
    spelled = normalise_password(password)
    for form in ("NFC", "NFD"):
        assert normalise_password(unicodedata.normalize(form, password)) == spelled


def test_four_characters_may_compose_into_one() -> None:
    composed = "\u1f82" * LONGEST_PASSWORD
    typed = unicodedata.normalize("NFD", composed)
    assert len(typed) == LONGEST_TYPED_PASSWORD
    assert normalise_password(typed) == composed


def test_an_address_that_is_too_long_once_it_is_folded_is_refused() -> None:
    ligature = "\ufdfa"  # eighteen characters in their plain form
    assert len(fold_email(ligature * (LONGEST_EMAIL // 18))) <= LONGEST_EMAIL
    with pytest.raises(Invalid) as refused:
        fold_email(ligature * LONGEST_EMAIL, "email")
    assert (refused.value.code, refused.value.field) == ("too_long", ("email",))


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Pay@Example.COM", "pay@example.com"),
        (" pay@example.com\t", "pay@example.com"),
        ("ｐａｙ@example.com", "pay@example.com"),
        ("straße@example.com", "strasse@example.com"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_all_forms_of_an_address_are_one_account(typed: str, stored: str) -> None:
    assert check_email(typed) == stored


@pytest.mark.parametrize("typed", ["", "pay", "@example.com", "pay@", "a@b@c", "a b@example.com", "a@b..com", "a@.com"])
def test_other_texts_are_no_addresses(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_email(typed, "email")
    assert (refused.value.code, refused.value.field) == ("not_an_email", ("email",))


@pytest.mark.parametrize("password", ["gravel tundra o", "øåæ ñandú žluťoučký", "x1y2z3w4v5u6t7s"])
def test_unrelated_words_are_a_password(password: str) -> None:
    check_password(password, "clerk@acme.example")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("gravel tundra ", "short_password"),
        ("x" * 1001, "too_long"),
        ("gravel\x00tundra ox", "unprintable"),
        ("aaaaaaaaaaaaaaaaaaaa", "common_password"),
        ("abababababababababab", "common_password"),
        ("correct horse battery staple", "common_password"),
        ("Password-2026-Welcome!", "common_password"),
        ("clerk.acme.example.2026", "common_password"),
        ("CLERK@acme.example 1", "common_password"),
    ],
)
def test_short_and_guessable_passwords_are_refused(password: str, code: str) -> None:
    """Common words, digits and parts of the address do not make a password."""
    with pytest.raises(Invalid) as refused:
        check_password(password, "clerk@acme.example", "password")
    assert (refused.value.code, refused.value.field) == (code, ("password",))


def test_common_passwords_are_refused_however_they_are_made_longer() -> None:
    assert len(common_passwords()) >= 3_000
    for number, common in enumerate(sorted(common_passwords())[::3]):
        password = f"{common}-{common}-{common}-{common}" if number % 2 else f"{common.upper()}2026!2026!2026!"
        assert is_guessable(password), password


@pytest.mark.parametrize(
    "password",
    [
        "iloveyouiloveyou",
        "LiverpoolChelsea2026",
        "dragon dragon dragon",
        "P@ssw0rd2026P@ssw0rd",
        "qwertyuiop123456",
        "zyxwvutsrqponmlk",
        "q1w2e3r4t5y6u7i8",
        "1q2w3e4r5t6y7u8i",
        "zaq1-xsw2-cde3-vfr4",
        "Accounts-Payable-1",
        "Rechnung2026Rechnung",
        "contraseñacontraseña",
        "billing-admin-2026",
        "Invoices-2026-2027",
        "Meridian Cloud 2026",
        "meridiancloudag1234",
        "meridian.welcome.2026",
    ],
)
def test_words_of_the_product_and_of_the_organisation_are_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_password(password, "clerk@acme.example", "password", organisation="Meridian Cloud AG")
    assert (refused.value.code, refused.value.field) == ("common_password", ("password",))


@pytest.mark.parametrize("password", ["liverpool-chelsea-arsenal", "meridian kayak sunshade", "meridian cloud tuba"])
def test_a_passphrase_may_contain_common_words(password: str) -> None:
    """Three different words are a passphrase, and one unusual word is enough beside others."""
    check_password(password, "clerk@acme.example", "password", organisation="Meridian Cloud AG")


def test_the_longest_password_is_checked_at_once() -> None:
    """A text that can be split in many ways took two minutes."""
    splits = [common for common in sorted(common_passwords())[::9] if is_guessable(f"{common}aeiou", ("aeiou",))]
    text = "".join(splits * (1 + LONGEST_PASSWORD // len("".join(splits))))[: LONGEST_PASSWORD - 1] + "ж"
    begin = time.perf_counter()
    assert not is_guessable(text)
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    ("failures", "blocks_a_stranger", "blocks_a_familiar_network"),
    [
        (RecentFailures(9, 49, 499, 1_999), False, False),
        (RecentFailures(10, 10, 10, 10), True, True),
        (RecentFailures(0, 50, 0, 50), True, False),
        (RecentFailures(0, 0, 500, 500), True, False),
        (RecentFailures(0, 0, 0, 2_000), True, False),
    ],
)
def test_guesses_of_others_do_not_lock_a_person_out(
    failures: RecentFailures, blocks_a_stranger: bool, blocks_a_familiar_network: bool
) -> None:
    assert failures.block(is_familiar=False) is blocks_a_stranger
    assert failures.block(is_familiar=True) is blocks_a_familiar_network
