"""Values that no caller should send, and a watch over the answers: never a 500, and within a second."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, quote_from_bytes

from werkzeug.test import TestResponse

T = TypeVar("T")

# Seconds that an answer may take. A slower one is asked for again, as the machine may have been busy.
LONGEST = 1.0
TRIES = 3
# `HYPOTHESIS_PROFILE=search` sends every value to every place.
STEP = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "search" else 8

# What is sent as text is bytes here, which need not be UTF-8: in an address and in a form it is percent-encoded.
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
    """The values for a place that takes a `day`, a `number`, an `id`, one `word` of a few, or `text`."""
    return [value if isinstance(value, bytes) else value.encode() for value in (*_VALUES[kind], *_ANYWHERE)]


def share(given: Iterable[T], turn: int) -> list[T]:
    """Every eighth of some values; eight places one after another have all of them. All for each place in a deep run.

    Places of one kind are read by the same code, so that each value is tried on it either way.
    """
    return list(given)[turn % STEP :: STEP]


def rows(kinds: Mapping[str, str], turn: int) -> Iterator[dict[str, bytes]]:
    """Values for all places at once, until each place, of its kind, has had its share."""
    columns = {name: share(values(kind), turn + at) for at, (name, kind) in enumerate(kinds.items())}
    for at in range(max(map(len, columns.values()), default=0)):
        yield {name: column[at % len(column)] for name, column in columns.items()}


# What may stand in one place of a cursor, as `sqlakeyset` writes it.
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
    """A cursor of a list with each place spoilt in each way, and with places too many and too few."""
    places = real[1:].split("~")
    spoilt = [[*places[:at], part, *places[at + 1 :]] for at in range(len(places)) for part in CURSOR_PARTS]
    spoilt += [places[:-1], [*places, places[-1]], [], [""]]
    return [*(">" + "~".join(parts) for parts in spoilt), "<", "=" + real[1:], real * 1_000, "\0", '"', "\n", ">\n"]


def in_query(values: dict[str, bytes]) -> str:
    """A query string of these parameters."""
    return "&".join(f"{quote(name)}={quote_from_bytes(value, safe='')}" for name, value in values.items())


def _timed(send: Callable[[], TestResponse]) -> tuple[TestResponse, float]:
    """Send a request and return the answer with the seconds that it took."""
    begun = time.perf_counter()
    return send(), time.perf_counter() - begun


class Watch:
    """Sends requests, and keeps what must not be: answers of 500, exceptions, and answers that take too long."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.sent = 0

    def __call__(self, about: str, send: Callable[[], TestResponse]) -> TestResponse | None:
        """The answer, or None when there was none."""
        self.sent += 1
        try:
            response, seconds = _timed(send)
            for _ in range(TRIES - 1):
                if seconds <= LONGEST:
                    break
                response, seconds = _timed(send)
            if seconds > LONGEST:
                self.wrong.append(f"{about}: {seconds:.1f} s")
        except Exception as error:  # noqa: BLE001 - the test client raises what would become a 500
            self.wrong.append(f"{about}: {type(error).__name__}: {str(error)[:200]}")
            return None
        if response.status_code >= 500:
            self.wrong.append(f"{about}: {response.status_code}")
        return response

    def check(self, right: bool, about: str) -> None:
        """Note what is not right."""
        if not right:
            self.wrong.append(about)

    def report(self) -> None:
        """Fail with all that was wrong."""
        assert not self.wrong, f"{len(self.wrong)} of {self.sent}:\n" + "\n".join(self.wrong[:50])
