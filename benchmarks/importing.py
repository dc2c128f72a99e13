"""A CSV file of many charges in: `flask import` as a whole, which stores the file, checks it and imports it, and its memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Row
from benchmarks.places import ROOT, SECRET, SERVICES, Place, another, fill_catalogue

CUSTOMERS = 500
MOST_MEMORY = 256 * 2**20
SLOWEST = 5_000  # rows/s


@dataclass(frozen=True, slots=True)
class Run:
    """A whole command: how long it took, how much of that it computed, and the most memory that it had."""

    seconds: float
    computed: float
    memory: int
    new: int


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Two rows."""
    charges = 1_000_000 if full else 20_000
    with another(place, "importing") as bench, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        fill_catalogue(bench, CUSTOMERS)
        path = Path(folder) / "usage.csv"
        write(path, charges)
        done = imported(bench, path)
    if done.new != charges:
        raise RuntimeError(f"{done.new} of {charges} rows came in")
    rate = charges / done.seconds
    yield Row(
        f"import of {charges:,} charges, check and all",
        place.kind,
        f"{done.seconds:,.0f} s ({done.computed:,.0f} of CPU), {rate:,.0f} rows/s",
        "",
        "",
        f"≥ {SLOWEST:,} rows/s",
        rate >= SLOWEST,
    )
    yield Row(
        "memory of the whole process",
        place.kind,
        f"{done.memory / 2**20:.0f} MB",
        "",
        "",
        f"< {MOST_MEMORY // 2**20} MB",
        done.memory < MOST_MEMORY,
    )


def write(path: Path, charges: int) -> None:
    """A file of so many charges, each with a key of its own."""
    with path.open("w") as file:
        file.write("customer,service,quantity,incurred_on,description,key\r\n")
        for n in range(charges):
            service = SERVICES[n % len(SERVICES)][0]
            day = f"2026-01-{n % 28 + 1:02d}"
            file.write(f"C{n % CUSTOMERS + 1:06d},{service},{n % 97 + 1}.25,{day},Usage of {n},event-{n}\r\n")


def imported(place: Place, path: Path) -> Run:
    """Run the command to its end."""
    environment = os.environ | {"BILLING_DATABASE_URL": place.address, "BILLING_SECRET_KEY": SECRET}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "import", "charges", str(path), "--json"]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        answer = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}")
    seconds = time.perf_counter() - started
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, int(json.loads(answer)["new"]))
