"""Charges: post, list, hold, release, cancel, correct, keep and export them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Callable, cast

from billing_client import calls
from billing_client.answers import Charge, ChargesChanged, Download, FileTotals, PostedBatch, Totals
from billing_client.asking import ChargeChanges, ChargeFilter, ChargesChange, Key, NewCharge
from billing_client.errors import BillingError, Conflict, FailedBatch, Invalid, Refused
from billing_client.ids import new_id
from billing_client.resources.base import Resource
from billing_client.transport import Request
from billing_client.values import from_content, to_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

MAX_BATCH_SIZE = 10_000
MAX_BATCH_BYTES = 4 * 1024 * 1024  # a quarter of the server's default limit


class Charges(Resource):
    """The calls of `client.charges`."""

    def create(self, **charge: Unpack[NewCharge]) -> Charge:
        """Post one charge.

        Without `id` a new one is made; a repeat with the same id returns the original.
        """
        return self.ask(Charge, calls.CHARGE_CREATE, body=charge)

    def create_many(
        self,
        charges: Iterable[NewCharge],
        batch_size: int = 1000,
        *,
        on_batch: Callable[[PostedBatch], None] | None = None,
        on_refused: Callable[[Refused], None] | None = None,
    ) -> Totals:
        """Post any number of charges in batches, and return the totals.

        Each batch is stored as a whole or not at all. `charges` is read on demand, one batch at a time. A charge
        without an id gets one before the first attempt of its batch. If you set all ids (`charge_id`), you can repeat
        the whole call at any time. The first error stops the call, and its `batch` holds the charges that were not
        posted. With `on_refused`, a batch that the server refuses (Invalid, Conflict) is passed to that function, and
        the call continues with the next batch.
        """
        if not 1 <= batch_size <= MAX_BATCH_SIZE:
            raise ValueError(f"Set batch_size to a number from 1 to {MAX_BATCH_SIZE:,}, not {batch_size}.")
        posted, first = Totals(), 0
        for batch in _batches(charges, batch_size):
            try:
                result = self._post(batch)
                posted = posted.plus(result)
                if on_batch is not None:
                    on_batch(result)
            except (Invalid, Conflict) as error:
                error.batch = FailedBatch(first, batch.charges, posted)
                if on_refused is None:
                    raise
                on_refused(error)
            except BillingError as error:
                error.batch = FailedBatch(first, batch.charges, posted)
                raise
            first += len(batch.charges)
        return posted

    def list(self, **filters: Unpack[ChargeFilter]) -> Iterator[Charge]:
        """Yield all charges, newest first."""
        return self.each(Charge, calls.CHARGE_LIST, filters)

    def get(self, id: Key) -> Charge:
        """Return one charge."""
        return self.ask(Charge, calls.CHARGE_GET, id)

    def cancel(self, id: Key, reason: str) -> Charge:
        """Cancel a charge that is not billed."""
        return self.ask(Charge, calls.CHARGE_CANCEL, id, body={"reason": reason})

    def hold(self, id: Key, reason: str) -> Charge:
        """Hold a charge: it is not billed until you release it."""
        return self.ask(Charge, calls.CHARGE_HOLD, id, body={"reason": reason})

    def release(self, id: Key, reason: str) -> Charge:
        """Release a held charge: it is pending again."""
        return self.ask(Charge, calls.CHARGE_RELEASE, id, body={"reason": reason})

    def cancel_many(self, **change: Unpack[ChargesChange]) -> ChargesChanged:
        """Cancel up to 10,000 charges that are not billed, all or nothing."""
        return self._change(calls.CHARGES_CANCEL, change)

    def hold_many(self, **change: Unpack[ChargesChange]) -> ChargesChanged:
        """Hold up to 10,000 pending charges, all or nothing."""
        return self._change(calls.CHARGES_HOLD, change)

    def release_many(self, **change: Unpack[ChargesChange]) -> ChargesChanged:
        """Release up to 10,000 held charges, all or nothing."""
        return self._change(calls.CHARGES_RELEASE, change)

    def _change(self, call: calls.Call, change: ChargesChange) -> ChargesChanged:
        body = dict(change)
        if "filter" in change:
            body["filter"] = {name.rstrip("_"): value for name, value in change["filter"].items()}
        return self.ask(ChargesChanged, call, body=body)

    def keep(self, id: Key, reason: str = "") -> Charge:
        """Keep a likely duplicate as a separate charge."""
        return self.ask(Charge, calls.CHARGE_KEEP, id, body={"reason": reason})

    def correct(self, charge: Key, reason: str, **changes: Unpack[ChargeChanges]) -> Charge:
        """Cancel a charge that is not billed and post its replacement in one step.

        Return the replacement.
        """
        return self.ask(Charge, calls.CHARGE_CORRECT, charge, body={"reason": reason, **changes})

    def download(self, path: str | Path, **filters: Unpack[ChargeFilter]) -> Download:
        """Write all matching charges to a CSV file; `totals` returns its control totals."""
        return self.file(calls.CHARGE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[ChargeFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.CHARGE_FILE, query={**filters, "totals": 1})

    def _post(self, batch: _Batch) -> PostedBatch:
        url = self._transport.base + calls.CHARGE_BATCH.path
        body = b'{"charges":[' + b",".join(batch.encoded) + b"]}"
        return from_content(PostedBatch, self._transport.ask(Request(calls.CHARGE_BATCH, url, body)).content)


class _Batch:
    """The charges of one batch, each with its id, and their JSON."""

    def __init__(self) -> None:
        self.charges: list[NewCharge] = []
        self.encoded: list[bytes] = []
        self.size = 0

    def add(self, charge: NewCharge, encoded: bytes) -> None:
        self.charges.append(charge)
        self.encoded.append(encoded)
        self.size += len(encoded)


def _batches(charges: Iterable[NewCharge], batch_size: int) -> Iterator[_Batch]:
    batch = _Batch()
    for charge in charges:
        with_id = charge if "id" in charge else cast("NewCharge", {"id": new_id(), **charge})
        encoded = to_json(with_id)
        if len(batch.charges) == batch_size or (batch.charges and batch.size + len(encoded) > MAX_BATCH_BYTES):
            yield batch
            batch = _Batch()
        batch.add(with_id, encoded)
    if batch.charges:
        yield batch
