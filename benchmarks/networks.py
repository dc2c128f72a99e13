"""`python -m benchmarks.networks [--rounds N]`: a billing run by one worker and by two, as on machines of their own.

Each worker is a process in a network namespace of its own (`unshare --net`, as root) and shares nothing with the other but
PostgreSQL, which it reaches over its Unix socket. Runs of one and of two workers alternate.
"""

import argparse
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.billing import PER_INVOICE
from benchmarks.places import SECRET, Place, another, fill_catalogue, fill_charges, places
from billing_admin import clock, create_app, tune_gc
from billing_admin.config import Settings
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.billing import chunks, runs

INVOICES = 5_000  # ten chunks, so that two workers can halve them


class Worker:
    """A process that bills chunks of a run when it is told its id."""

    def __init__(self, address: str) -> None:
        command = ["unshare", "--net", sys.executable, "-m", "benchmarks.networks", "--work", address]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait()  # until it is connected

    def bill(self, run_id: UUID) -> None:
        """Tell it to begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{run_id}\n")
        self._process.stdin.flush()

    def wait(self) -> int:
        """Wait until it has finished, and return the number of accounts that it billed."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def work(address: str) -> None:
    """Bill the runs whose ids come from standard input."""
    app = create_app(Settings(database_url=address, secret_key=SECRET))
    tune_gc()
    with app.app_context():
        print(0, flush=True)
        for line in sys.stdin:
            accounts = 0

            def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                nonlocal accounts
                result = transaction(work, *args, **kwargs)
                accounts += result if work is chunks.bill_chunk else 0
                return result

            runs.bill_chunks(transact, UUID(line.strip()), SYSTEM, clock.now())
            print(accounts, flush=True)


def measure(place: Place, rounds: int) -> None:
    """Print the seconds of each run, and the median of the ratios."""
    with another(place, "networks") as bench:
        fill_catalogue(bench, INVOICES)
        numbers = count()
        workers = [Worker(bench.address) for _ in range(2)]

        def run(sharing: list[Worker]) -> float:
            first = 1 + next(numbers) * INVOICES * PER_INVOICE
            fill_charges(bench, first, first + INVOICES * PER_INVOICE - 1, INVOICES)
            bench.tidy()
            with bench.app.app_context():
                spec = runs.RunSpec(through=clock.now().date().replace(month=1, day=31), issue=True)
                run_id, _ = transaction(runs.start, spec, SYSTEM, clock.now())
            started = time.perf_counter()
            for worker in sharing:
                worker.bill(run_id)
            accounts = [worker.wait() for worker in sharing]
            seconds = time.perf_counter() - started
            print(f"{len(sharing)} worker(s): {seconds:.2f} s, accounts {accounts}", flush=True)
            assert sum(accounts) == INVOICES
            return seconds

        try:
            run(workers)  # not counted
            ratios = [run(workers[:1]) / run(workers) for _ in range(rounds)]
        finally:
            for worker in workers:
                worker.stop()
        with bench.writing() as connection:
            facts = connection.execute(text(_FACTS)).one()
        print(f"two workers are {statistics.median(ratios):.2f} times as fast as one (median of {rounds})")
        print(f"invoices {facts.invoices}, last number {facts.last}, pending charges {facts.pending}")
        assert (facts.invoices, facts.pending) == (facts.last, 0)


_FACTS = """
SELECT (SELECT count(*) FROM invoices) AS invoices, (SELECT max(sequence) FROM invoices) AS last,
       (SELECT count(*) FROM charges WHERE status = 'pending') AS pending
"""


def main() -> None:
    """Measure on PostgreSQL, or be one of the workers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if options.work:
        work(options.work)
        return
    with places() as both:
        for place in both:
            if place.kind == "PostgreSQL":
                measure(place, options.rounds)


if __name__ == "__main__":
    main()
