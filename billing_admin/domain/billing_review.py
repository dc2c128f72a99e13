"""The review of a preview: flags of documents, and changes since a preview.

Each document is compared with the last invoices of its account.
Amounts are in minor units. Flags only point a person to a document; they never stop it.
"""

import json
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import MINOR_DIGITS, plain_decimal, rounded_quotient
from billing_admin.domain.translation import Phrase

# The keys are part of the API; the order is that of the page.
NEW, CHANGED_AMOUNT, PRICE_CHANGED, DUPLICATES, INCOMPLETE, LATE = (
    "new",
    "changed_amount",
    "price_changed",
    "likely_duplicates",
    "incomplete",
    "late",
)
FLAGS: Final = (NEW, CHANGED_AMOUNT, PRICE_CHANGED, DUPLICATES, INCOMPLETE, LATE)
# The flags as people read them.
FLAG_LABELS: Final[Mapping[str, str]] = {
    NEW: Phrase("New"),
    CHANGED_AMOUNT: Phrase("Amount changed"),
    PRICE_CHANGED: Phrase("Price changed"),
    DUPLICATES: Phrase("Likely duplicates"),
    INCOMPLETE: Phrase("Incomplete"),
    LATE: Phrase("Late charges"),
}
DEFAULT_CHANGE_PERCENT: Final = 25
MAX_CHANGE_PERCENT: Final = 1_000
COMPARED_INVOICES: Final = 3  # a document is compared with the average of so many
_MINOR, _EXACT = re.compile(r"-?[0-9]{1,30}"), re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,12})?")
MAX_SNAPSHOT_ROWS: Final = 10_000  # of a preview, so that its form stays small


def average_amount(total: int, count: int) -> int:
    """Return an average in minor units, rounded half up."""
    return rounded_quotient(total, count)


class EarlierInvoice(NamedTuple):
    """An issued invoice that a document is compared with."""

    id: UUID
    number: str
    net: int


@dataclass(frozen=True, slots=True)
class AccountHistory:
    """The invoices and prices of an account before a preview.

    `invoices` are the last ones, newest first. `prices` are the unit prices of each service on the newest of them that has
    it. An account without any issued invoice has `is_new`.
    """

    invoices: Sequence[EarlierInvoice] = ()
    prices: Mapping[UUID, frozenset[Decimal]] | None = None
    is_new: bool = True

    @property
    def usual_net(self) -> int | None:
        """The average net of the invoices, None without any."""
        if not self.invoices:
            return None
        return average_amount(sum(invoice.net for invoice in self.invoices), len(self.invoices))


class PriceChange(NamedTuple):
    """A unit price of a service that is not on the last invoice with this service."""

    description: str
    before: Sequence[Decimal]
    after: Decimal


@dataclass(frozen=True, slots=True)
class ReviewedDocument:
    """A document of a preview with its flags.

    `change_percent` compares its net with `usual_net`; both are None without earlier invoices.
    """

    prepared: PreparedDocument
    flags: tuple[str, ...]
    history: AccountHistory
    usual_net: int | None
    change_percent: int | None
    prices: Sequence[PriceChange] = ()
    late_charges: int = 0
    likely_duplicates: int = 0


def check_change_percent(percent: int, field: str = "change_percent") -> int:
    """Return the share from which a change of the amount is flagged, in percent.

    Raises:
        Invalid: The share is out of range.
    """
    if not 1 <= percent <= MAX_CHANGE_PERCENT:
        raise Invalid(
            "out_of_range",
            Phrase("Use a whole percentage from 1 to {max_change_percent}.", max_change_percent=MAX_CHANGE_PERCENT),
            field,
        )
    return percent


def review_document(
    prepared: PreparedDocument,
    history: AccountHistory,
    threshold: int,
    likely_duplicates: int = 0,
    late_charges: int = 0,
) -> ReviewedDocument:
    """Compare a document with the history of its account.

    `threshold` is the share in percent from which a change of the amount is flagged.
    """
    usual, net = history.usual_net, prepared.document.net
    prices = _price_changes(prepared, history.prices or {})
    raised = {
        NEW: history.is_new,
        CHANGED_AMOUNT: usual is not None and _differs(net, usual, threshold),
        PRICE_CHANGED: bool(prices),
        DUPLICATES: likely_duplicates > 0,
        INCOMPLETE: bool(prepared.shortcomings),
        LATE: late_charges > 0,
    }
    return ReviewedDocument(
        prepared=prepared,
        flags=tuple(flag for flag in FLAGS if raised[flag]),
        history=history,
        usual_net=usual,
        change_percent=_change_percent(net, usual),
        prices=prices,
        late_charges=late_charges,
        likely_duplicates=likely_duplicates,
    )


def _differs(net: int, usual: int, threshold: int) -> bool:
    """Return whether an amount differs by more than a share.

    It is computed exactly, as percentages are rounded.
    """
    return abs(net - usual) * 100 > abs(usual) * threshold


def _change_percent(net: int, usual: int | None) -> int | None:
    if not usual:
        return None
    return rounded_quotient((net - usual) * 100, abs(usual))


def _price_changes(prepared: PreparedDocument, prices: Mapping[UUID, frozenset[Decimal]]) -> list[PriceChange]:
    changes: dict[tuple[UUID, Decimal], PriceChange] = {}
    for line in prepared.document.lines:
        group = line.group
        if group.service_id is None or group.unit_price is None:
            continue
        before = prices.get(group.service_id)
        if before and group.unit_price not in before:
            change = PriceChange(group.description, sorted(before), group.unit_price)
            changes.setdefault((group.service_id, group.unit_price), change)
    return list(changes.values())


class SnapshotRow(NamedTuple):
    """A part of a preview: a document, or charges that are left out for a reason.

    `amount` is the total of a document in minor units, or the exact sum of charges, as text. `digest` changes with
    anything on a document.
    """

    reference: str
    currency: str
    reason: str
    charges: int
    amount: str
    digest: str


class LeftOutLike(Protocol):
    """Charges that a run leaves out."""

    @property
    def reference(self) -> str:
        """The customer."""
        ...

    @property
    def currency(self) -> str:
        """The currency."""
        ...

    @property
    def charges(self) -> int:
        """Their number."""
        ...

    @property
    def amount(self) -> Decimal:
        """Their exact sum."""
        ...

    @property
    def reason(self) -> str:
        """Why they are left out."""
        ...


def snapshot_rows(
    documents: Iterable[PreparedDocument], digests: Iterable[str], left_out: Iterable[LeftOutLike]
) -> list[SnapshotRow]:
    """Return the parts of a preview, to compare it with a later one.

    `digests` are those of the documents.
    """
    return [
        *(
            SnapshotRow(
                item.reference,
                item.document.currency,
                "",
                item.document.charges,
                str(item.document.total),
                digest[:8],
            )
            for item, digest in zip(documents, digests, strict=True)
        ),
        *(
            SnapshotRow(row.reference, row.currency, row.reason, row.charges, plain_decimal(row.amount), "")
            for row in left_out
        ),
    ]


def pack_snapshot(rows: Sequence[SnapshotRow]) -> str:
    """Return a snapshot as text for a form, empty if it would be too large."""
    if len(rows) > MAX_SNAPSHOT_ROWS:
        return ""
    return urlsafe_b64encode(zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 9)).decode()


def unpack_snapshot(text: str) -> list[SnapshotRow] | None:
    """Return the rows of a packed snapshot, or None if the text is not one."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(urlsafe_b64decode(text.encode()), MAX_SNAPSHOT_ROWS * 1_000)
        rows = [SnapshotRow(*row) for row in json.loads(content)]
    except (ValueError, TypeError, Base64Error, zlib.error, RecursionError):
        return None
    return rows if all(_is_valid(row) for row in rows) else None


def _is_valid(row: SnapshotRow) -> bool:
    texts = (row.reference, row.currency, row.reason, row.amount, row.digest)
    amount = _EXACT if row.reason else _MINOR
    return (
        all(isinstance(text, str) for text in texts)
        and type(row.charges) is int
        and row.currency in MINOR_DIGITS
        and amount.fullmatch(row.amount) is not None
    )


class SnapshotChange(NamedTuple):
    """A part of a preview before and after; None where it is not part of one.

    `row` is the newer state of the part.
    """

    row: SnapshotRow
    before: SnapshotRow | None
    after: SnapshotRow | None


def compare_snapshots(before: Sequence[SnapshotRow], after: Sequence[SnapshotRow]) -> list[SnapshotChange]:
    """Return the parts that differ, by customer and currency, documents first."""
    old = {(row.reference, row.currency, row.reason): row for row in before}
    new = {(row.reference, row.currency, row.reason): row for row in after}
    changes = [
        SnapshotChange((new.get(key) or old[key]), old.get(key), new.get(key)) for key in old.keys() | new.keys()
    ]
    differing = [change for change in changes if change.before != change.after]
    return sorted(differing, key=lambda change: (change.row.reference, change.row.currency, change.row.reason))
