"""What is answered: frozen, with Decimal, date, datetime and UUID inside. Words such as a status are text: later ones may come.

`etag` is the version that was read, which a change is meant for; None in lists. `replayed` is true when the call had been made
before, and this is the original. The fields are read when the program runs (`values.made`), hence Optional, and no `|`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional
from uuid import UUID


@dataclass(frozen=True)
class Health:
    """All is well."""

    status: str


@dataclass(frozen=True)
class Charge:
    """A charge with everything filled in; `possible_duplicate_of` are ids, empty when there is no doubt."""

    id: UUID
    customer: str
    service: Optional[str]
    description: str
    quantity: Decimal
    unit_price: Optional[Decimal]
    amount: Decimal
    tax_included: bool
    currency: str
    incurred_on: date
    metadata: dict[str, str]
    status: str
    created_at: datetime
    created_by: str
    invoice: Optional[str]
    late: bool
    replaces: Optional[UUID]
    replaced_by: Optional[UUID]
    possible_duplicate_of: tuple[UUID, ...]
    replayed: bool = False


@dataclass(frozen=True)
class PostedBatch:
    """What became of one batch; `ids` are in the order of its charges."""

    created: int
    replayed: int
    possible_duplicates: tuple[UUID, ...]
    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class Totals:
    """What became of any number of charges: how many are new, were there before, and look like another one."""

    created: int = 0
    replayed: int = 0
    possible_duplicates: int = 0

    def plus(self, batch: PostedBatch) -> "Totals":
        """These and those of one more batch."""
        return Totals(
            self.created + batch.created,
            self.replayed + batch.replayed,
            self.possible_duplicates + len(batch.possible_duplicates),
        )


@dataclass(frozen=True)
class ComingCharge:
    """A charge to come, at today's price; both days are included."""

    period_from: date
    period_to: date
    quantity: Decimal
    unit_price: Optional[Decimal]
    amount: Optional[Decimal]


@dataclass(frozen=True)
class RecurringCharge:
    """What comes again; `unit_price` is None where the list price counts, `next` are the charges to come."""

    id: UUID
    customer: str
    service: str
    description: str
    quantity: Decimal
    unit_price: Optional[Decimal]
    currency: str
    interval: str
    anchor_on: date
    starts_on: date
    ends_on: Optional[date]
    status: str
    paused_on: Optional[date]
    posted_through: Optional[date]
    follows: Optional[UUID]
    followed_by: Optional[UUID]
    created_at: datetime
    next: tuple[ComingCharge, ...]
    replayed: bool = False


@dataclass(frozen=True)
class Customer:
    """A customer."""

    id: UUID
    reference: str
    name: str
    email: str
    address: str
    tax_id: str
    tax_treatment: str
    currency: str
    payment_terms_days: Optional[int]
    notes: str
    archived: bool
    created_at: datetime
    etag: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class Service:
    """A service; `prices` are unit prices by currency."""

    id: UUID
    code: str
    name: str
    unit: str
    tax_rate: str
    line_per_charge: bool
    prices: dict[str, Decimal]
    prices_include_tax: tuple[str, ...]
    revenue_account: str
    archived: bool
    created_at: datetime
    etag: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class TaxRateChange:
    """The percentage for charges incurred from a day on."""

    valid_from: date
    percent: Decimal


@dataclass(frozen=True)
class TaxRate:
    """A rate: a category code and a percentage, which holds before the first of its changes."""

    id: UUID
    code: str
    name: str
    category: str
    percent: Decimal
    note: str
    changes: tuple[TaxRateChange, ...]


@dataclass(frozen=True)
class PendingLine:
    """A line of what is not billed yet; `gross` is what `net` was taken out of where prices include tax."""

    position: int
    service: Optional[str]
    description: str
    quantity: Decimal
    unit_price: Optional[Decimal]
    gross: Optional[Decimal]
    net: Decimal
    tax_category: str
    tax_percent: Decimal
    charges: int


@dataclass(frozen=True)
class Line(PendingLine):
    """A line of an invoice."""

    id: UUID


@dataclass(frozen=True)
class Tax:
    """The tax at one rate; `included` in prices, or added."""

    category: str
    percent: Decimal
    included: bool
    base: Decimal
    tax: Decimal
    note: str


@dataclass(frozen=True)
class Invoice:
    """An invoice or a credit note, whole."""

    id: UUID
    number: Optional[str]
    kind: str
    status: str
    payment_status: Optional[str]
    customer: str
    currency: str
    issue_date: Optional[date]
    due_date: Optional[date]
    period_from: date
    period_to: date
    net: Decimal
    tax: Decimal
    total: Decimal
    paid: Decimal
    credited: Decimal
    balance: Decimal
    corrects: Optional[str]
    credit_notes: tuple[str, ...]
    replaces: Optional[str]
    replaced_by: Optional[UUID]
    reason: str
    voided_on: Optional[date]
    note: str
    purchase_order: str
    run: Optional[UUID]
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    etag: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class Document:
    """What pending charges would make; `left_out` says why no invoice would be made of them."""

    customer: str
    currency: str
    period_from: Optional[date]
    period_to: Optional[date]
    charges: int
    net: Decimal
    tax: Decimal
    total: Decimal
    left_out: Optional[str]
    lines: tuple[PendingLine, ...]
    taxes: tuple[Tax, ...]


@dataclass(frozen=True)
class Figure:
    """A number as it is stored, and as it comes out when it is computed anew."""

    stored: Decimal
    computed: Decimal


@dataclass(frozen=True)
class LineStep:
    """How a line came about: its charges' exact sum, rounded once, and net of the tax where prices include it."""

    id: UUID
    position: int
    charges: int
    exact_sum: Decimal
    rounded: Figure
    included_percent: Optional[Decimal]
    net: Figure
    adds_up: bool


@dataclass(frozen=True)
class TaxStep:
    """How the tax at one rate came about."""

    category: str
    percent: Decimal
    included: bool
    lines: tuple[int, ...]
    amount: Decimal
    base: Figure
    tax: Figure
    adds_up: bool


@dataclass(frozen=True)
class Explanation:
    """How the numbers of an invoice came about, each computed anew from the charges up."""

    number: Optional[str]
    currency: str
    adds_up: bool
    net: Figure
    tax: Figure
    total: Figure
    lines: tuple[LineStep, ...]
    taxes: tuple[TaxStep, ...]


@dataclass(frozen=True)
class RunTotal:
    """The sum of a run's documents in one currency."""

    currency: str
    invoices: int
    net: Decimal
    tax: Decimal
    total: Decimal


@dataclass(frozen=True)
class LeftOut:
    """Charges that got on no invoice, their exact sum, and why."""

    customer: str
    currency: str
    charges: int
    amount: Decimal
    reason: str


@dataclass(frozen=True)
class Progress:
    """How many of a run's accounts are settled."""

    done: int
    of: int


@dataclass(frozen=True)
class RunFigures:
    """What a billing run made, or a preview would make."""

    state: str
    through: date
    issue: bool
    issue_date: date
    invoices: int
    charges: int
    totals: tuple[RunTotal, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Preview(RunFigures):
    """What a run would make, of which nothing is stored; `digest` changes with anything in it."""

    documents: tuple[Document, ...]
    digest: str


@dataclass(frozen=True)
class BillingRun(RunFigures):
    """A billing run: running, done, or failed for the reason `failure`."""

    id: UUID
    progress: Progress
    created_at: datetime
    created_by: str
    failure: Optional[str] = None
    finished_at: Optional[datetime] = None
    replayed: bool = False


@dataclass(frozen=True)
class Allocation:
    """What stands allocated to one invoice, since which day."""

    id: UUID
    invoice: str
    amount: Decimal
    made_on: date


@dataclass(frozen=True)
class Payment:
    """A payment; `allocations` are those that stand."""

    id: UUID
    customer: str
    amount: Decimal
    currency: str
    received_on: date
    method: str
    reference: str
    status: str
    reason: str
    reversed_on: Optional[date]
    reversal_reason: str
    allocations: tuple[Allocation, ...]
    unallocated: Decimal
    created_at: datetime
    created_by: str
    possible_duplicate_of: tuple[UUID, ...]
    replayed: bool = False


@dataclass(frozen=True)
class Balance:
    """One currency: invoiced − credited − paid − unallocated = balance; `ageing` is what is open by days overdue."""

    currency: str
    invoiced: Decimal
    credited: Decimal
    paid: Decimal
    unallocated: Decimal
    balance: Decimal
    overdue: Decimal
    unbilled: Decimal
    ageing: dict[str, Decimal]


@dataclass(frozen=True)
class Balances:
    """A customer's balances, per currency."""

    customer: str
    as_of: Optional[date]
    balances: tuple[Balance, ...]


@dataclass(frozen=True)
class Entry:
    """One dated change of what is owed, and the balance after it."""

    date: date
    kind: str
    id: UUID
    number: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True)
class Statement:
    """A statement in one currency."""

    currency: str
    opening: Decimal
    entries: tuple[Entry, ...]
    closing: Decimal


@dataclass(frozen=True)
class Statements:
    """A customer's statements, one per currency."""

    customer: str
    from_: Optional[date]
    to: Optional[date]
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Actor:
    """Who acted, by the name they had then."""

    kind: str
    name: str


@dataclass(frozen=True)
class Acted:
    """What was acted on; a batch of charges has no id of its own."""

    type: str
    id: Optional[UUID]


@dataclass(frozen=True)
class AuditEvent:
    """One write. `details` holds before and after of what changed, or the facts of what was made."""

    id: UUID
    at: datetime
    actor: Actor
    action: str
    object: Acted
    request_id: Optional[str]
    details: dict[str, Any]


@dataclass(frozen=True)
class Gap:
    """Numbers of a series that no document has, by their order in it."""

    first: int
    last: int


@dataclass(frozen=True)
class Series:
    """A kind of document in a year: the numbers given out, and the next one; `part` 2 is a second series in a year."""

    kind: str
    year: int
    given: int
    void: int
    last_issue_date: Optional[date]
    next_number: str
    gaps: tuple[Gap, ...]
    part: int = 1


@dataclass(frozen=True)
class Register:
    """Every number series, the latest year first."""

    data: tuple[Series, ...]


@dataclass(frozen=True)
class PeriodLock:
    """Nothing may be dated on or before this day; None while the books are open."""

    locked_through: Optional[date]


@dataclass(frozen=True)
class FileTotals:
    """What a whole file must add up to: rows, sums per currency, and the SHA-256 of its bytes."""

    rows: int
    sums: dict[str, Decimal]
    sha256: str


@dataclass(frozen=True)
class Download:
    """A file that came whole: where it stands, how long it is, and the SHA-256 of its bytes."""

    path: Path
    size: int
    sha256: str
