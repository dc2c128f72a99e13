"""Values that no caller should send, and a watch over the responses: never a 500, and within a second."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, quote_from_bytes

import pytest
from werkzeug.test import TestResponse

from tests.levels import FULL

T = TypeVar("T")

# The most seconds for a response: of this process's processor, which a busy machine does not change, and by the clock.
PROCESSOR_SECONDS = 1.0
CLOCK_SECONDS = 10.0
# Every place gets each so many of the values: all of them with `FULL=1`.
QUICK_STEP, DEEP_STEP = 96, 1 if FULL else 16
shares = pytest.mark.parametrize(
    "step", [pytest.param(QUICK_STEP, id="few"), pytest.param(DEEP_STEP, id="many", marks=pytest.mark.deep)]
)

# Text is written as bytes, which need not be UTF-8: addresses and forms have them percent-encoded.
_ANYWHERE: Final = ("", "\0", "9" * 30, b"\xff\xfe", "ZZZ")
_VALUES: Final[Mapping[str, Sequence[str | bytes]]] = {
    "day": (
        "0001-01-01",
        "1969-12-31",
        "2200-01-01",
        "9999-12-31",
        "0000-00-00",
        "2026-02-30",
        "2026-W10-1",
        "99999-01-01",
        "\u0662\u0660\u0662\u0666-01-01",
    ),
    "number": (
        "-1",
        "0",
        "2147483648",
        "9223372036854775808",
        "-9223372036854775809",
        "1e999999999",
        "0." + "1" * 40,
        "1" * 5_000,
        "NaN",
        "-Infinity",
        "\u0663",
    ),
    "id": (
        "00000000-0000-0000-0000-000000000000",
        "{3135f216-5533-4c18-882a-f96c09cfc73c}",
        "urn:uuid:3135f216-5533-4c18-882a-f96c09c",
        "3135F21655334C18882AF96C09CFC73C",
    ),
    "word": ("null", "Europe/../UTC", "eur"),
    "text": (
        "a\0b",
        b"\xed\xa0\x80",  # half of a surrogate pair
        "\ufffe\U0010ffff",
        "\u202eevil\u2066",
        "e" + "\u0301" * 200,
        "'\"`;--",
        "<script>%s{0}${x}",
        "\\",
        "a\r\nb: c",
        "x" * 20_000,
        "INV-9999999999-1",
        "00000000-0000-0000-0000-000000000000",
        "9223372036854775808",
    ),
}


def values(kind: str) -> list[bytes]:
    """Return the values for a place that takes a `day`, a `number`, an `id`, one `word` of a few, or `text`."""
    return [value if isinstance(value, bytes) else value.encode() for value in (*_VALUES[kind], *_ANYWHERE)]


def has_turn(turn: int, step: int) -> bool:
    """Return whether a place is tried: every third in `make test`, each in `make test-deep`."""
    return step != QUICK_STEP or turn % 3 == 0


def share(items: Iterable[T], turn: int, step: int) -> list[T]:
    """Return every `step`-th item, at least one: as many turns have all of them.

    Places of one kind are read by the same code, so that each value is tried on it either way.
    """
    chosen = list(items)
    step = min(step, len(chosen))
    return chosen[turn % step :: step] if chosen else []


def rows(kinds: Mapping[str, str], turn: int, step: int) -> Iterator[dict[str, bytes]]:
    """Yield values for all places at once, until each place, of its kind, has had its share."""
    columns = {name: share(values(kind), turn + at, step) for at, (name, kind) in enumerate(kinds.items())}
    for at in range(max(map(len, columns.values()), default=0)):
        yield {name: column[at % len(column)] for name, column in columns.items()}


# Values in one place of a cursor, as `sqlakeyset` writes them.
CURSOR_PARTS = (
    "x",
    "true",
    "i:1",
    "i:-9223372036854775809",
    "i:99999999999999999999999",
    "i:" + "9" * 5_000,
    "n:1e999999",
    "n:NaN",
    "f:nan",
    "s:",
    "s:a",
    "s:a\0",
    "s:\ufffe",
    "b:AA==",
    "d:0001-01-01",
    "d:9999-12-31",
    "dt:0001-01-01 00:00:00+00:00",
    "dt:0001-01-01 00:00:00+14:00",
    "dt:9999-12-31 23:59:59.999999-14:00",
    "dt:2026-11-22 10:00:00",
    "dt:2026-11-22 10:00:00+99:99",
    "t:10:00",
    "uuid:00000000-0000-0000-0000-000000000000",
    "uuid:junk",
    "q:1",
    "",
)


def cursors(real: str) -> list[str]:
    """Return a cursor of a list with each place spoilt in each way, and with places too many and too few."""
    places = real[1:].split("~")
    spoilt = [[*places[:at], part, *places[at + 1 :]] for at in range(len(places)) for part in CURSOR_PARTS]
    spoilt += [places[:-1], [*places, places[-1]], [], [""]]
    return [*(">" + "~".join(parts) for parts in spoilt), "<", "=" + real[1:], real * 1_000, "\0", '"', "\n", ">\n"]


def in_query(values: dict[str, bytes]) -> str:
    """Return a query string of these parameters."""
    return "&".join(f"{quote(name)}={quote_from_bytes(value, safe='')}" for name, value in values.items())


class Watch:
    """Sends requests, and notes exceptions, responses of 500 and above, and responses that take too long."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.sent = 0

    def __call__(self, about: str, send: Callable[[], TestResponse]) -> TestResponse | None:
        """Return the response, or None after an exception, which the test client raises where a server would answer 500."""
        self.sent += 1
        processor, clock = time.process_time(), time.perf_counter()
        try:
            response = send()
        except Exception as error:  # noqa: BLE001 - every exception is a fault
            self.faults.append(f"{about}: {type(error).__name__}: {str(error)[:200]}")
            return None
        processor, clock = time.process_time() - processor, time.perf_counter() - clock
        self.check(
            processor <= PROCESSOR_SECONDS and clock <= CLOCK_SECONDS, f"{about}: {processor:.1f} s, {clock:.1f} s"
        )
        self.check(response.status_code < 500, f"{about}: {response.status_code}")
        return response

    def check(self, right: bool, about: str) -> None:
        """Note a fault unless all is right."""
        if not right:
            self.faults.append(about)

    def report(self) -> None:
        """Fail with the faults, if there are any."""
        assert not self.faults, f"{len(self.faults)} faults in {self.sent} requests:\n" + "\n".join(self.faults[:50])
