"""Billing runs: previewed, started, awaited."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import BillingRun, Preview
from billing_client.asking import Key, NewRun, RunPreview
from billing_client.errors import RunFailed, WaitExpired
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

FINAL_STATES = {"done", "failed"}
FIRST_PAUSE = 0.2  # seconds


class BillingRuns(Resource):
    """The calls of `client.billing_runs`."""

    def create(self, **run: Unpack[NewRun]) -> BillingRun:
        """Run billing for the pending charges up to a day.

        With `background`, return before it is done; see `wait`.
        """
        return self.ask(BillingRun, calls.RUN_CREATE, body=run)

    def preview(self, **scope: Unpack[RunPreview]) -> Preview:
        """Return the `documents` that a run would make; nothing is stored.

        Pass the `digest` to `create` as `confirmed`.
        """
        return self.ask(Preview, calls.RUN_PREVIEW, body={**scope, "dry_run": True})

    def wait(self, run: Key, *, seconds: float = 3600.0, every: float = 5.0) -> BillingRun:
        """Poll the run until it is over, and return it.

        The pauses grow to at most `every` seconds. Raises RunFailed if it fails, and WaitExpired after `seconds`. To
        continue a run that stopped, create it again with the same id.
        """
        end, pause = monotonic() + seconds, min(FIRST_PAUSE, every)
        while True:
            current = self.get(run)
            if current.state in FINAL_STATES:
                return _done(current)
            if monotonic() + pause > end:
                expired = WaitExpired(f"Billing run {run} is not over after {seconds:g} seconds.", code=current.state)
                expired.run, expired.id = current, str(run)
                raise expired
            sleep(pause)
            pause = min(pause * 1.5, every)

    def list(self) -> Iterator[BillingRun]:
        """Yield all billing runs, newest first."""
        return self.each(BillingRun, calls.RUN_LIST)

    def get(self, id: Key) -> BillingRun:
        """Return one billing run: progress, totals, and reasons for charges left out."""
        return self.ask(BillingRun, calls.RUN_GET, id)


def _done(run: BillingRun) -> BillingRun:
    if run.state == "failed":
        failed = RunFailed(f"Billing run {run.id} failed: {run.failure}", code=run.state)
        failed.run, failed.id = run, str(run.id)
        raise failed
    return run
