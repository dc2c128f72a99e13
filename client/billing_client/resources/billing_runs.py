"""Billing runs: rehearsed, made, waited for."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import BillingRun, Preview
from billing_client.asking import Key, NewRun, RunScope
from billing_client.errors import RunFailed, WaitExpired
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

OVER = {"done", "failed"}
FIRST_LOOK = 0.2  # seconds


class BillingRuns(Resource):
    """`client.billing_runs`."""

    def create(self, **run: Unpack[NewRun]) -> BillingRun:
        """Bill the charges up to a day, and return when that is done; with `background`, return at once: see `wait`."""
        return self.ask(BillingRun, calls.RUN_CREATE, body=run)

    def preview(self, **scope: Unpack[RunScope]) -> Preview:
        """What a run would make, as its `documents`; nothing is stored. Its `digest` can be given as `confirmed`."""
        return self.ask(Preview, calls.RUN_PREVIEW, body={**scope, "dry_run": True})

    def wait(self, run: Key, *, seconds: float = 3600.0, every: float = 5.0) -> BillingRun:
        """Look until the run is over, more and more rarely, and return it.

        Raises RunFailed, or WaitExpired after that many seconds; a run that stands still goes on when it is created again
        under its id.
        """
        end, pause = monotonic() + seconds, min(FIRST_LOOK, every)
        while True:
            found = self.get(run)
            if found.state in OVER:
                return _done(found)
            if monotonic() + pause > end:
                expired = WaitExpired(f"Billing run {run} is not over after {seconds:g} seconds.", code=found.state)
                expired.run, expired.id = found, str(run)
                raise expired
            sleep(pause)
            pause = min(pause * 1.5, every)

    def list(self) -> Iterator[BillingRun]:
        """Billing runs, newest first, all of them."""
        return self.each(BillingRun, calls.RUN_LIST)

    def get(self, id: Key) -> BillingRun:
        """One billing run: how far it is, what it made, what it left out and why."""
        return self.ask(BillingRun, calls.RUN_GET, id)


def _done(run: BillingRun) -> BillingRun:
    if run.state == "failed":
        failed = RunFailed(f"Billing run {run.id} failed: {run.failure}", code=run.state)
        failed.run, failed.id = run, str(run.id)
        raise failed
    return run
