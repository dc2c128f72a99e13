"""Codes of authenticator apps: the values of RFC 6238, their limits, and recovery codes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing_admin.domain.authenticator import (
    authenticator_secret,
    code_at,
    current_step,
    matching_step,
    recovery_code_hash,
    secret_text,
    set_up_uri,
)

RFC_SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 22, 12, 0, 15, tzinfo=UTC)
STEP = current_step(NOW)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert code_at(RFC_SECRET, current_step(datetime.fromtimestamp(seconds, UTC))) == code


@pytest.mark.parametrize(("steps", "accepted"), [(0, True), (1, True), (-1, True), (2, False), (-2, False)])
def test_a_code_of_the_step_before_and_after_is_accepted(steps: int, accepted: bool) -> None:
    found = matching_step(RFC_SECRET, code_at(RFC_SECRET, STEP + steps), NOW, last_step=0)
    assert found == (STEP + steps if accepted else None)


def test_check_31_a_code_and_those_before_it_are_refused_once_it_was_used() -> None:
    code, before = code_at(RFC_SECRET, STEP), code_at(RFC_SECRET, STEP - 1)
    assert matching_step(RFC_SECRET, code, NOW, last_step=STEP) is None
    assert matching_step(RFC_SECRET, before, NOW, last_step=STEP) is None
    later = NOW + timedelta(seconds=30)
    assert matching_step(RFC_SECRET, code_at(RFC_SECRET, STEP + 1), later, last_step=STEP) == STEP + 1


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "-12345", "１２３４５６", "28708²"])
def test_anything_else_is_no_code(typed: str) -> None:
    assert matching_step(RFC_SECRET, typed, NOW, last_step=0) is None


def test_a_code_may_be_typed_with_spaces() -> None:
    code = code_at(RFC_SECRET, STEP)
    assert matching_step(RFC_SECRET, f" {code[:3]} {code[3:]} ", NOW, last_step=0) == STEP


def test_the_secret_depends_on_key_person_and_salt_and_stays_the_same() -> None:
    ada, ben = UUID(int=1), UUID(int=2)
    secrets = {
        authenticator_secret(key, person, salt) for key in ("k", "l") for person in (ada, ben) for salt in ("s", "t")
    }
    assert len(secrets) == 8
    assert {len(secret) for secret in secrets} == {20}
    assert authenticator_secret("k", ada, "s").hex() == "6f57866288b8b934436caae1894094fef3c6488a"


def test_the_secret_is_typed_as_base32_and_scanned_as_a_uri() -> None:
    assert secret_text(RFC_SECRET) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
    uri = set_up_uri(RFC_SECRET, "ada@example.com", "Müller & Söhne")
    assert uri == (
        "otpauth://totp/M%C3%BCller%20%26%20S%C3%B6hne%3Aada@example.com"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=M%C3%BCller%20%26%20S%C3%B6hne"
    )


def test_a_recovery_code_may_be_typed_without_hyphens_and_in_capitals() -> None:
    assert recovery_code_hash(" ABCD efgh-jkmn ") == recovery_code_hash("abcd-efgh-jkmn")
    assert recovery_code_hash("abcd-efgh-jkmm") != recovery_code_hash("abcd-efgh-jkmn")
