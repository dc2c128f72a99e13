"""The list of invoices and the search, by texts that few and many of the invoices match."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.harness import Row
from benchmarks.places import Place, another, fill_catalogue, fill_invoices
from tests.people import signed_in

CUSTOMERS = 50_000
MAX_SECONDS = 0.5
TEXTS = {
    "a number": "INV-2026-{tenth:05}",
    "the end of a number": "{tenth}",
    "a customer": "customer 31234",
    "an order": "PO-{tenth}",
    "an amount": "1,234.56",
    "nothing": "no such text",
    "the start of all numbers": "2026-0",
}


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield a row for each text, by the median time of the page."""
    count = 1_000_000 if full else 100_000
    with another(place, "searching") as bench:
        fill_catalogue(bench, CUSTOMERS)
        fill_invoices(bench, count, CUSTOMERS)
        bench.tidy()
        bench.analyze()
        browser = signed_in(bench.app)
        paths = {
            f"{page} by {name}": f"{path}?q={text.format(tenth=count // 10 - 1)}"
            for page, path in (("list", "/invoices"), ("search", "/search"))
            for name, text in TEXTS.items()
        }
        for name, path in ({"list": "/invoices"} | paths).items():
            times = []
            for _ in range(5):
                started = time.perf_counter()
                assert browser.get(path).status_code in {200, 303}
                times.append(time.perf_counter() - started)
            seconds = statistics.median(times)
            yield Row(
                f"{name} of {count:,} invoices",
                place.kind,
                f"{seconds * 1000:,.0f} ms",
                "",
                "",
                f"≤ {MAX_SECONDS * 1000:.0f} ms",
                seconds <= MAX_SECONDS,
            )
