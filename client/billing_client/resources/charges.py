"""Charges: posted alone or by any number, read, moved, corrected, exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Callable, cast

from billing_client import calls
from billing_client.answers import Charge, Download, FileTotals, PostedBatch, Totals
from billing_client.asking import ChargeChanges, ChargeFilter, Key, NewCharge
from billing_client.errors import BillingError, Conflict, FailedBatch, Invalid, Refused
from billing_client.ids import new_id
from billing_client.resources.base import Resource
from billing_client.transport import Request
from billing_client.values import made, to_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

MOST_IN_BATCH = 10_000
MOST_BYTES = 4 * 1024 * 1024  # a quarter of what a server takes, if nobody told it otherwise


class Charges(Resource):
    """`client.charges`."""

    def create(self, **charge: Unpack[NewCharge]) -> Charge:
        """Post one charge, under its `id` or one made now; a repeat under the same id answers with the original."""
        return self.ask(Charge, calls.CHARGE_CREATE, body=charge)

    def create_many(
        self,
        charges: Iterable[NewCharge],
        batch_size: int = 1000,
        *,
        on_batch: Callable[[PostedBatch], None] | None = None,
        on_refused: Callable[[Refused], None] | None = None,
    ) -> Totals:
        """Post any number of charges, in batches that are stored whole or not at all, and return what became of them.

        It reads `charges` as it goes and holds one batch of them. Those without an id get one before the first try of
        their batch; give each its own (`charge_id`), and the whole can be done again at any time. The first error ends it,
        and says as its `batch` what was not posted; `on_refused`, where given, is told of a batch that was refused (Invalid,
        Conflict) instead, and the others go on.
        """
        if not 1 <= batch_size <= MOST_IN_BATCH:
            raise ValueError(f"batch_size is 1 to {MOST_IN_BATCH:,}, not {batch_size}.")
        posted, first = Totals(), 0
        for rows in _batches(charges, batch_size):
            try:
                batch = self._post(rows)
                posted = posted.plus(batch)
                if on_batch is not None:
                    on_batch(batch)
            except (Invalid, Conflict) as error:
                error.batch = FailedBatch(first, rows.charges, posted)
                if on_refused is None:
                    raise
                on_refused(error)
            except BillingError as error:
                error.batch = FailedBatch(first, rows.charges, posted)
                raise
            first += len(rows.charges)
        return posted

    def list(self, **filters: Unpack[ChargeFilter]) -> Iterator[Charge]:
        """Charges, newest first, all of them."""
        return self.each(Charge, calls.CHARGE_LIST, filters)

    def get(self, id: Key) -> Charge:
        """One charge."""
        return self.ask(Charge, calls.CHARGE_GET, id)

    def cancel(self, id: Key, reason: str) -> Charge:
        """Cancel a charge that is not billed."""
        return self.ask(Charge, calls.CHARGE_CANCEL, id, body={"reason": reason})

    def hold(self, id: Key, reason: str) -> Charge:
        """Keep a charge off the next invoice."""
        return self.ask(Charge, calls.CHARGE_HOLD, id, body={"reason": reason})

    def release(self, id: Key, reason: str) -> Charge:
        """Let a held charge be billed again."""
        return self.ask(Charge, calls.CHARGE_RELEASE, id, body={"reason": reason})

    def keep(self, id: Key, reason: str = "") -> Charge:
        """Decide that a likely duplicate is a charge of its own."""
        return self.ask(Charge, calls.CHARGE_KEEP, id, body={"reason": reason})

    def correct(self, charge: Key, reason: str, **changes: Unpack[ChargeChanges]) -> Charge:
        """Cancel a charge that is not billed and post its replacement, in one step; returns the replacement."""
        return self.ask(Charge, calls.CHARGE_CORRECT, charge, body={"reason": reason, **changes})

    def download(self, path: str | Path, **filters: Unpack[ChargeFilter]) -> Download:
        """Write charges to a CSV file, all of them; `totals` says what it must add up to."""
        return self.file(calls.CHARGE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[ChargeFilter]) -> FileTotals:
        """What the file that `download` would write must add up to."""
        return self.ask(FileTotals, calls.CHARGE_FILE, query={**filters, "totals": 1})

    def _post(self, rows: _Rows) -> PostedBatch:
        url = self._transport.base + calls.CHARGE_BATCH.path
        body = b'{"charges":[' + b",".join(rows.written) + b"]}"
        return made(PostedBatch, self._transport.ask(Request(calls.CHARGE_BATCH, url, body)).content)


class _Rows:
    """The charges of one batch, each with its id, and as they are written."""

    def __init__(self) -> None:
        self.charges: list[NewCharge] = []
        self.written: list[bytes] = []
        self.size = 0

    def add(self, charge: NewCharge, written: bytes) -> None:
        self.charges.append(charge)
        self.written.append(written)
        self.size += len(written)


def _batches(charges: Iterable[NewCharge], batch_size: int) -> Iterator[_Rows]:
    rows = _Rows()
    for charge in charges:
        named = charge if "id" in charge else cast("NewCharge", {"id": new_id(), **charge})
        written = to_json(named)
        if len(rows.charges) == batch_size or (rows.charges and rows.size + len(written) > MOST_BYTES):
            yield rows
            rows = _Rows()
        rows.add(named, written)
    if rows.charges:
        yield rows
