"""The counts that limits are kept by: exact, sliding, and shared by whoever opens the file."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import time_machine
from limits.errors import StorageError

from billing_admin.http import rate_limit_storage
from billing_admin.http.rate_limit_storage import SQLiteRateLimitStorage

START = 1_790_000_000.0
MINUTE = 60


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until it is moved."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def counts(tmp_path: Path) -> SQLiteRateLimitStorage:
    """Counts in a folder that is not there yet."""
    return SQLiteRateLimitStorage(tmp_path / "new" / "counts")


def hits(counts: SQLiteRateLimitStorage, times: int, limit: int = 10, key: str = "one") -> int:
    """How many of so many get through."""
    return sum(counts.acquire_sliding_window_entry(key, limit, MINUTE) for _ in range(times))


def test_so_many_and_no_more(counts: SQLiteRateLimitStorage, clock: time_machine.Traveller) -> None:
    assert (hits(counts, 20), hits(counts, 1), hits(counts, 20, key="other")) == (10, 0, 10)


@pytest.mark.parametrize(
    ("seconds", "room"),
    [(0, 0), (59.9, 0), (60, 0), (65.9, 0), (66, 1), (90, 5), (114, 9), (119.9, 9), (120, 10), (10**9, 10), (-59, 0)],
)
def test_the_earlier_window_weighs_by_what_is_left_of_it(
    counts: SQLiteRateLimitStorage, clock: time_machine.Traveller, seconds: float, room: int
) -> None:
    hits(counts, 10)
    clock.move_to(START + seconds)
    assert hits(counts, 20) == room


def test_a_clock_that_was_set_back_locks_nobody_out(
    counts: SQLiteRateLimitStorage, clock: time_machine.Traveller
) -> None:
    hits(counts, 10)
    clock.move_to(START - 3 * 24 * 3600)
    assert hits(counts, 20) == 10


def test_what_is_told_of_a_window(counts: SQLiteRateLimitStorage, clock: time_machine.Traveller) -> None:
    assert counts.get_sliding_window("one", MINUTE) == (0, 0, 0, 0)
    hits(counts, 7)
    clock.move_to(START + 15)
    assert counts.get_sliding_window("one", MINUTE) == (0, 45, 7, 45)
    clock.move_to(START + 75)
    assert counts.get_sliding_window("one", MINUTE) == (7, 45, 0, 45)
    hits(counts, 2)
    assert counts.get_sliding_window("one", MINUTE) == (7, 45, 2, 45)
    clock.move_to(START + 1000)
    assert counts.get_sliding_window("one", MINUTE) == (0, 0, 0, 0)


def test_more_than_the_limit_at_once_is_refused_whole(
    counts: SQLiteRateLimitStorage, clock: time_machine.Traveller
) -> None:
    assert not counts.acquire_sliding_window_entry("one", 10, MINUTE, 11)
    assert counts.acquire_sliding_window_entry("one", 10, MINUTE, 10)


def test_clearing_forgets(counts: SQLiteRateLimitStorage, clock: time_machine.Traveller) -> None:
    hits(counts, 10)
    counts.clear_sliding_window("one", MINUTE)
    assert hits(counts, 20) == 10


def test_what_is_over_is_tidied_away(
    counts: SQLiteRateLimitStorage, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits(counts, 1, key="old")
    clock.move_to(START + 121)
    monkeypatch.setattr(rate_limit_storage, "CLEANUP_EVERY", 2)
    hits(counts, 1, key="new")
    assert [key for (key,) in counts._open().execute("SELECT key FROM windows")] == ["new"]


def test_a_file_that_cannot_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        hits(SQLiteRateLimitStorage(tmp_path / "file" / "counts"), 1)
    (tmp_path / "text").write_text("This is no database." * 100)
    with pytest.raises(StorageError):
        hits(SQLiteRateLimitStorage(tmp_path / "text"), 1)


def _rush(path: Path) -> int:
    return hits(SQLiteRateLimitStorage(path), 500, limit=1000)


def test_four_processes_share_the_last_place(tmp_path: Path) -> None:
    """2,000 calls, all at once, from the moment a process has started."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert sum(pool.map(_rush, [tmp_path / "counts"] * 4)) == 1000
