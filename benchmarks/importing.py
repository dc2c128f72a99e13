"""Import of a CSV file of charges with `flask import`: storing, checking, importing, and its memory."""

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
MAX_MEMORY = 256 * 2**20
MIN_RATE = 5_000  # rows/s


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the command: seconds, CPU seconds, peak memory in bytes, and new charges."""

    seconds: float
    cpu_seconds: float
    memory: int
    new: int


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield a row for the speed and one for the memory."""
    charges = 1_000_000 if full else 20_000
    with another(place, "importing") as bench, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        fill_catalogue(bench, CUSTOMERS)
        path = Path(folder) / "usage.csv"
        write(path, charges)
        run = run_import(bench, path)
    if run.new != charges:
        raise RuntimeError(f"{run.new} of {charges} rows were imported")
    rate = charges / run.seconds
    yield Row(
        f"import of {charges:,} charges, with its check",
        place.kind,
        f"{run.seconds:,.0f} s ({run.cpu_seconds:,.0f} of CPU), {rate:,.0f} rows/s",
        "",
        "",
        f"≥ {MIN_RATE:,} rows/s",
        rate >= MIN_RATE,
    )
    yield Row(
        "memory of the whole process",
        place.kind,
        f"{run.memory / 2**20:.0f} MB",
        "",
        "",
        f"< {MAX_MEMORY // 2**20} MB",
        run.memory < MAX_MEMORY,
    )


def write(path: Path, charges: int) -> None:
    """Write a file of charges, each with a key of its own."""
    with path.open("w") as file:
        file.write("customer,service,quantity,incurred_on,description,key\r\n")
        for n in range(charges):
            service = SERVICES[n % len(SERVICES)][0]
            day = f"2026-01-{n % 28 + 1:02d}"
            file.write(f"C{n % CUSTOMERS + 1:06d},{service},{n % 97 + 1}.25,{day},Usage of {n},event-{n}\r\n")


def run_import(place: Place, path: Path) -> Run:
    """Run the import command and measure it."""
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
