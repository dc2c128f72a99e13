"""Signatures and waits of webhooks; the receiver's lines of docs/webhooks.md are run as they stand there."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.webhooks import (
    JITTER_PERCENT,
    MAX_ATTEMPTS,
    MAX_PAUSE,
    RETRY_DELAYS,
    endpoint_secret,
    event_body,
    pause_after_failures,
    retry_delay,
    secret_fingerprint,
    signature_header,
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
    is_ours, mine = docs_check(), endpoint_secret(KEY, "salt")
    header = signature_header([mine], BODY, AT)
    assert is_ours(mine, header, BODY, AT + 299)
    assert not is_ours(mine, header, BODY, AT + 301)
    assert not is_ours(mine, header, BODY + b" ", AT)
    assert not is_ours(endpoint_secret(KEY, "other"), header, BODY, AT)
    assert not is_ours(mine, header.replace(f"t={AT}", f"t={AT + 60}"), BODY, AT)


def test_both_secrets_sign_while_one_is_rotated() -> None:
    is_ours, new, old = docs_check(), endpoint_secret(KEY, "new"), endpoint_secret(KEY, "old")
    header = signature_header([new, old], BODY, AT)
    assert re.fullmatch(rf"t={AT},v1=[0-9a-f]{{64}},v1=[0-9a-f]{{64}}", header)
    assert is_ours(new, header, BODY, AT)
    assert is_ours(old, header, BODY, AT)


def test_a_known_signature() -> None:
    """By another tool: printf '1775122200.{}' | openssl dgst -sha256 -hmac whsec_x"""
    expected = "d11fc5417fdd69494c0db65103fc5c57b1140c0da15ac23a18f3723d44a462ce"
    assert signature_header(["whsec_x"], b"{}", AT) == f"t={AT},v1={expected}"


def test_a_secret_follows_from_key_and_salt() -> None:
    made = endpoint_secret(KEY, "salt")
    assert re.fullmatch(r"whsec_[A-Za-z0-9_-]{43}", made)
    assert made == endpoint_secret(KEY, "salt")
    assert len({made, endpoint_secret(KEY, "salt2"), endpoint_secret(KEY + "x", "salt"), secret_fingerprint(made)}) == 4


def test_waits_grow_to_two_days_and_end() -> None:
    assert [retry_delay(tries, 0) for tries in range(1, MAX_ATTEMPTS)] == list(RETRY_DELAYS)
    assert retry_delay(MAX_ATTEMPTS, 0) is None
    assert timedelta(hours=44) < sum(RETRY_DELAYS, timedelta()) < timedelta(hours=45)


@pytest.mark.parametrize("jitter", [-JITTER_PERCENT, -1, 7, JITTER_PERCENT])
def test_jitter_is_a_fifth_at_most(jitter: int) -> None:
    assert abs((retry_delay(3, jitter) or timedelta()) - RETRY_DELAYS[2]) <= RETRY_DELAYS[2] / 5
    assert retry_delay(3, jitter) != RETRY_DELAYS[2]


def test_a_receiver_is_looked_for_each_hour() -> None:
    assert [pause_after_failures(failures, 0) for failures in (1, 2, 5, 9, 10_000)] == [
        RETRY_DELAYS[0],
        RETRY_DELAYS[1],
        *[MAX_PAUSE] * 3,
    ]


def test_the_body_of_an_event() -> None:
    at = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)
    assert event_body(UUID(int=1), "invoice.issued", at, {"name": "Zoë", "lines": []}) == (
        '{"id":"00000000-0000-0000-0000-000000000001","type":"invoice.issued",'
        '"created_at":"2026-04-02T09:30:00Z","data":{"name":"Zoë","lines":[]}}'
    )
