"""How attempts are counted, and how long sessions live."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_admin.domain.signing_in import Lifetime, network_of

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
    assert network_of(address) == network


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
    assert Lifetime(hours=8, idle_minutes=60).covers(NOW - age, NOW - idle, NOW) is lives
