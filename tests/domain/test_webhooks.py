"""Signatures and waits of webhooks; the receiver's lines of docs/webhooks.md are run as they stand there."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing_admin.domain.webhooks import (
    JITTER,
    LONGEST_REST,
    MOST_TRIES,
    WAITS,
    fingerprint,
    rest,
    secret,
    signature,
    wait,
)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
KEY, BODY = "k" * 40, '{"id":"1","data":{"name":"Zoë"}}'.encode()
AT = 1_775_122_200


def docs_check() -> Callable[..., bool]:
    """`is_ours` of the docs."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(code, "docs/webhooks.md", "exec"), scope)
    check: Callable[..., bool] = scope["is_ours"]
    return check


def test_the_lines_of_the_docs_accept_what_we_sign_and_nothing_else() -> None:
    is_ours, mine = docs_check(), secret(KEY, "salt")
    header = signature([mine], BODY, AT)
    assert is_ours(mine, header, BODY, AT + 299)
    assert not is_ours(mine, header, BODY, AT + 301)
    assert not is_ours(mine, header, BODY + b" ", AT)
    assert not is_ours(secret(KEY, "other"), header, BODY, AT)
    assert not is_ours(mine, header.replace(f"t={AT}", f"t={AT + 60}"), BODY, AT)


def test_both_secrets_sign_while_one_is_rotated() -> None:
    is_ours, new, old = docs_check(), secret(KEY, "new"), secret(KEY, "old")
    header = signature([new, old], BODY, AT)
    assert re.fullmatch(rf"t={AT},v1=[0-9a-f]{{64}},v1=[0-9a-f]{{64}}", header)
    assert is_ours(new, header, BODY, AT)
    assert is_ours(old, header, BODY, AT)


def test_a_known_signature() -> None:
    """By another tool: printf '1775122200.{}' | openssl dgst -sha256 -hmac whsec_x"""
    expected = "d11fc5417fdd69494c0db65103fc5c57b1140c0da15ac23a18f3723d44a462ce"
    assert signature(["whsec_x"], b"{}", AT) == f"t={AT},v1={expected}"


def test_a_secret_follows_from_key_and_salt() -> None:
    made = secret(KEY, "salt")
    assert re.fullmatch(r"whsec_[A-Za-z0-9_-]{43}", made)
    assert made == secret(KEY, "salt")
    assert len({made, secret(KEY, "salt2"), secret(KEY + "x", "salt"), fingerprint(made)}) == 4


def test_waits_grow_to_two_days_and_end() -> None:
    assert [wait(tries, 0) for tries in range(1, MOST_TRIES)] == list(WAITS)
    assert wait(MOST_TRIES, 0) is None
    assert timedelta(hours=44) < sum(WAITS, timedelta()) < timedelta(hours=45)


@pytest.mark.parametrize("jitter", [-JITTER, -1, 7, JITTER])
def test_jitter_is_a_fifth_at_most(jitter: int) -> None:
    assert abs((wait(3, jitter) or timedelta()) - WAITS[2]) <= WAITS[2] / 5
    assert wait(3, jitter) != WAITS[2]


def test_a_receiver_is_looked_for_each_hour() -> None:
    assert [rest(failures, 0) for failures in (1, 2, 5, 9, 10_000)] == [WAITS[0], WAITS[1], *[LONGEST_REST] * 3]
