"""Lost responses, cut connections, killed scripts: each charge is stored once, and the sum is exact."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Context, Decimal
from functools import reduce
from pathlib import Path
from random import Random
from typing import Any

import pytest
from billing_client import Client, NewCharge, charge_id
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.models import Charge
from billing_admin.queries.doctor import run_checks
from tests.books import assert_books_balance
from tests.client.proxy import FATES, Proxy
from tests.conftest import ROOT

pytestmark = pytest.mark.fault

EXAMPLE = ROOT / "client" / "examples" / "post_charges.py"
EXACT = Context(prec=100)
SECONDS = 60
CHARGES = 10_000
THREADS = 16
ROWS = 6_000  # ten processes on a busy machine store about 3,000 charges before they are killed
KILLS = 10


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between attempts."""
    monkeypatch.setattr("billing_client.transport.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("billing_client.transport.LONGEST_PAUSE", 0.2)


def amounts(count: int, seed: int) -> list[Decimal]:
    """Return random amounts of either sign with up to twelve decimals."""
    chance = Random(seed)
    return [Decimal(chance.randrange(-(10**9), 10**15) or 1).scaleb(-chance.randrange(13)) for _ in range(count)]


def exact_sum(values: Any) -> Decimal:
    return reduce(EXACT.add, values, Decimal(0))


def assert_stored(session: Session, expected: list[Decimal]) -> None:
    """Check that exactly these charges are stored, each once, and that doctor finds no errors."""
    session.rollback()
    stored = session.scalars(select(Charge.amount)).all()
    assert len(stored) == len(expected)
    assert exact_sum(stored) == exact_sum(expected)
    assert sorted(stored) == sorted(expected)
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []


@pytest.mark.deep
@pytest.mark.parametrize("seed", [7])
def test_ten_thousand_charges_arrive_once(gunicorn: str, token: str, session: Session, seed: int) -> None:
    values = amounts(CHARGES, seed)
    rows: Iterator[NewCharge] = (
        {"customer": "ACME", "description": f"Part {n}", "amount": value} for n, value in enumerate(values)
    )
    with Proxy(gunicorn, seed) as proxy, Client(proxy.address, token) as client:
        posted = client.charges.create_many(rows, batch_size=100)
    assert posted.created + posted.replayed == CHARGES
    assert posted.replayed > 0, "no answer was lost after its charges were stored"
    assert set(proxy.met) == set(FATES)
    assert_stored(session, values)


def test_sixteen_threads_share_one_client(gunicorn: str, token: str, session: Session) -> None:
    """Each thread posts singly and in batches, and repeats half of its neighbour's charges."""
    values = amounts(THREADS * 20, 8)
    events = [values[n * 20 : n * 20 + 20] for n in range(THREADS)]

    def charges(thread: int) -> list[NewCharge]:
        return [
            {"id": charge_id(thread, n), "customer": "ACME", "description": f"{thread}/{n}", "amount": value}
            for n, value in enumerate(events[thread])
        ]

    def work(thread: int) -> int:
        own_charges, neighbours = charges(thread), charges((thread + 1) % THREADS)
        one_by_one = [client.charges.create(**charge) for charge in own_charges[:5]]
        assert [charge.amount for charge in one_by_one] == events[thread][:5]
        posted = [client.charges.create_many(rows, batch_size=7) for rows in (own_charges, neighbours[:10])]
        return sum(totals.created for totals in posted) + sum(not charge.replayed for charge in one_by_one)

    with Proxy(gunicorn, 8) as proxy, Client(proxy.address, token) as client, ThreadPoolExecutor(THREADS) as threads:
        outcome = sum(threads.map(work, range(THREADS)))
    assert outcome <= len(values)  # the charges of a lost response are counted by no thread
    assert_stored(session, values)


@pytest.fixture
def usage(tmp_path: Path) -> tuple[Path, list[Decimal]]:
    """A file of usage, and the sum of its rows."""
    file, values = tmp_path / "usage.csv", amounts(ROWS, 9)
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["event", "customer", "description", "amount", "metadata.meter"])
        writer.writerows([f"e-{n}", "ACME", f"Part {n}", format(value, "f"), n % 7] for n, value in enumerate(values))
    return file, values


def start(file: Path, home: str, token: str) -> "subprocess.Popen[str]":
    """Start the example as a process."""
    environment = os.environ | {"BILLING_URL": home, "BILLING_TOKEN": token, "PYTHONPATH": str(ROOT / "client")}
    command = [sys.executable, str(EXAMPLE), str(file), "--batch-size", "50"]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: "subprocess.Popen[str]") -> dict[str, int]:
    """Return the totals that the process printed, by name."""
    output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    return {name: int(count) for count, name in re.findall(r"(\d+) (rows|created|posted before|refused)", output)}


@pytest.mark.deep
def test_two_processes_post_the_same_file(gunicorn: str, token: str, session: Session, usage: Any) -> None:
    file, values = usage
    first, second = [ended(process) for process in [start(file, gunicorn, token), start(file, gunicorn, token)]]
    assert first["rows"] == second["rows"] == ROWS
    assert first["created"] + second["created"] == ROWS
    assert first["posted before"] + second["posted before"] == ROWS
    assert_stored(session, values)


def stored(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Charge)) or 0


def kill_at_work(process: "subprocess.Popen[str]", session: Session, chance: Random) -> None:
    """Kill the process after it has stored some charges, or, one time in five, at once."""
    target = stored(session) + chance.randrange(20, 200) if chance.random() < 0.8 else 0
    while stored(session) < target and process.poll() is None:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.03))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=SECONDS)


@pytest.mark.deep
def test_the_example_is_killed_ten_times_and_run_again(gunicorn: str, token: str, session: Session, usage: Any) -> None:
    file, values = usage
    chance = Random(10)
    for _ in range(KILLS):
        process = start(file, gunicorn, token)
        kill_at_work(process, session, chance)
        assert process.returncode == -signal.SIGKILL, "the example was over too soon to be killed"
    before = stored(session)
    assert 0 < before < ROWS
    outcome = ended(start(file, gunicorn, token))
    assert (outcome["rows"], outcome["created"] + outcome["posted before"], outcome["refused"]) == (ROWS, ROWS, 0)
    assert (
        outcome["posted before"] >= before
    )  # the last batch of the killed process may have been stored after the count
    assert_stored(session, values)
    assert ended(start(file, gunicorn, token))["created"] == 0
    assert_stored(session, values)
