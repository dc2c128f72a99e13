"""Objects that the client returns, as frozen dataclasses with typed values.

Amounts are Decimal, days date, moments datetime and ids UUID. A status or kind is text, because later servers may add
values. `etag` is the version that `update` changes; it is None in lists. `replayed` is true if the call repeated an
earlier one and returned the original. `values.from_content` reads the types of the fields at run time, so that they are
written as Optional, without `|`.
"""

import base64
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional
from uuid import UUID


@dataclass(frozen=True)
class Health:
    """The state of the service."""

    status: str


@dataclass(frozen=True)
class Charge:
    """A charge, with its amount and its status.

    `possible_duplicate_of` holds the ids of similar charges, usually none.
    """

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
    period_from: Optional[date]
    period_to: Optional[date]
    period_of_days: Optional[int]
    purchase_order: str = ""
    replayed: bool = False


@dataclass(frozen=True)
class PostedBatch:
    """The result of one batch.

    `ids` has the order of its charges.
    """

    created: int
    replayed: int
    possible_duplicates: tuple[UUID, ...]
    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class StatusSum:
    """Count and exact sum of charges of one status and currency."""

    status: str
    currency: str
    charges: int
    amount: Decimal


@dataclass(frozen=True)
class ChargesChanged:
    """The charges that were held, released or cancelled, or would be by a dry run.

    `left_out` are charges whose status does not allow it, or that have the new status already.
    """

    changed: int
    totals: tuple[StatusSum, ...]
    left_out: tuple[StatusSum, ...]
    digest: str


@dataclass(frozen=True)
class Totals:
    """The numbers of new charges, repeated charges and likely duplicates of a call."""

    created: int = 0
    replayed: int = 0
    possible_duplicates: int = 0

    def plus(self, batch: PostedBatch) -> "Totals":
        """Return the totals including one more batch."""
        return Totals(
            self.created + batch.created,
            self.replayed + batch.replayed,
            self.possible_duplicates + len(batch.possible_duplicates),
        )


@dataclass(frozen=True)
class ComingCharge:
    """An upcoming charge at the price of its day, both days included.

    It is posted on `incurred_on`. `period_of_days` is the length of the whole period if only some of its days are charged.
    """

    period_from: date
    period_to: date
    quantity: Decimal
    unit_price: Optional[Decimal]
    amount: Optional[Decimal]
    incurred_on: date
    period_of_days: Optional[int]


@dataclass(frozen=True)
class RecurringCharge:
    """A recurring charge.

    `unit_price` is None if the list price applies. `next` holds the upcoming charges.
    """

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
    interval_count: int
    timing: str
    purchase_order: str
    replayed: bool = False


@dataclass(frozen=True)
class CustomLine:
    """A line that is printed on the documents of a customer."""

    label: str
    value: str


@dataclass(frozen=True)
class Contact:
    """A contact of a customer.

    `invoices`, `reminders` and `statements` say how the contact gets them: as `to`, as `cc`, or `none`.
    """

    id: UUID
    name: str
    email: str
    invoices: str
    reminders: str
    statements: str
    created_at: datetime
    etag: Optional[str] = None
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
    purchase_order: str = ""
    street: str = ""
    street2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    registration_id: str = ""
    registration_scheme: str = ""
    electronic_address: str = ""
    electronic_scheme: str = ""
    language: str = ""
    paper: str = ""
    e_invoice: str = "none"
    buyer_reference: str = ""
    contract: str = ""
    custom_lines: tuple[CustomLine, ...] = ()
    delivery_name: str = ""
    delivery_street: str = ""
    delivery_street2: str = ""
    delivery_postcode: str = ""
    delivery_city: str = ""
    delivery_region: str = ""
    delivery_country: str = ""
    monthly_statements: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    etag: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class CustomerField:
    """A field of customers that the organisation defines.

    `key` is its key in `metadata` of customers.
    """

    id: UUID
    key: str
    label: str
    type: str
    required: bool
    listed: bool
    choices: tuple[str, ...]
    archived: bool
    created_at: datetime
    etag: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class Service:
    """A service.

    `prices` are today's unit prices by currency.
    """

    id: UUID
    code: str
    name: str
    unit: str
    unit_code: str
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
class Price:
    """A price for charges incurred on or after a day.

    It is valid until the next price in the currency begins. `unit_price` is None if the service has no price from that
    day on. `status` is past, current or future.
    """

    currency: str
    valid_from: date
    unit_price: Optional[Decimal]
    includes_tax: bool
    status: str
    replayed: bool = False


@dataclass(frozen=True)
class TaxRateChange:
    """A percentage for charges incurred on or after a day."""

    valid_from: date
    percent: Decimal


@dataclass(frozen=True)
class TaxRate:
    """A tax rate: a category code, and a percentage until the first of its changes."""

    id: UUID
    code: str
    name: str
    category: str
    percent: Decimal
    note: str
    vatex: str
    changes: tuple[TaxRateChange, ...]


@dataclass(frozen=True)
class Organisation:
    """The settings of the organisation.

    `logo` is the SHA-256 of the logo. `locked_through` is the last day on which nothing may be dated.
    """

    legal_name: str
    address: str
    street: str
    street2: str
    postcode: str
    city: str
    region: str
    country: str
    registration_id: str
    registration_scheme: str
    electronic_address: str
    electronic_scheme: str
    tax_id: str
    tax_number: str
    legal_info: str
    contact_name: str
    contact_phone: str
    contact_email: str
    language: str
    paper: str
    accent: str
    terms: str
    logo: Optional[str]
    email: str
    invoice_footer: str
    time_zone: str
    base_currency: str
    payment_terms_days: int
    invoice_format: str
    credit_note_format: str
    exempt_note: str
    exempt_vatex: str
    reverse_charge_note: str
    export_note: str
    intra_community_note: str
    hold_likely_duplicates: bool
    requires_complete_details: bool
    attach_pdf: bool
    default_tax_rate: str
    number_format: str
    date_order: str
    locked_through: Optional[date]
    applies_credit: bool = False
    etag: Optional[str] = None


@dataclass(frozen=True)
class Logo:
    """The logo: a PNG or SVG as Base64, with its size in pixels."""

    sha256: str
    media_type: str
    width: int
    height: int
    file: str

    @property
    def content(self) -> bytes:
        """The bytes of the file."""
        return base64.b64decode(self.file)


@dataclass(frozen=True)
class BankAccount:
    """A bank account of the organisation.

    Documents in its currency show it if it is the `default`.
    """

    id: UUID
    currency: str
    holder: str
    iban: str
    account_number: str
    bic: str
    bank_name: str
    default: bool
    archived: bool
    created_at: datetime
    etag: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class ExchangeRate:
    """A rate: one unit of `base_currency` costs `rate` units of `currency`."""

    currency: str
    day: date
    rate: Decimal
    source: str
    base_currency: str
    replayed: bool = False


@dataclass(frozen=True)
class MessageText:
    """The subject and text of the e-mails of a key, such as `invoice`, in a language.

    `built_in` is false if the organisation has its own text. `fields` are the names that may be in braces.
    """

    key: str
    language: str
    subject: str
    body: str
    built_in: bool
    fields: tuple[str, ...]
    etag: Optional[str] = None


@dataclass(frozen=True)
class PendingLine:
    """A line of a document that is not billed yet.

    `gross` includes tax if the price does, else it is None.
    """

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
    period_from: Optional[date]
    period_to: Optional[date]
    period_of_days: Optional[int]
    unit: Optional[str]
    purchase_order: str
    unit_code: Optional[str]


@dataclass(frozen=True)
class Line(PendingLine):
    """A line of an invoice."""

    id: UUID


@dataclass(frozen=True)
class Tax:
    """The tax at one rate, `included` in prices or added to them."""

    category: str
    percent: Decimal
    included: bool
    base: Decimal
    tax: Decimal
    note: str
    vatex: str


@dataclass(frozen=True)
class BaseRate:
    """The exchange rate of a document.

    One unit of `currency`, the base currency, costs `rate` units of the document's currency.
    """

    currency: str
    rate: Decimal
    day: date
    source: str


@dataclass(frozen=True)
class Invoice:
    """An invoice, a credit note or an opening invoice, with its lines and taxes.

    `tax_in_base` is the tax in the base currency by `base_rate`; both are None for a document in that currency or
    without tax.
    """

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
    sent: bool
    message_state: Optional[str]
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    tax_in_base: Optional[Decimal] = None
    base_rate: Optional[BaseRate] = None
    etag: Optional[str] = None
    replayed: bool = False
    original_date: Optional[date] = None
    original_total: Optional[Decimal] = None
    original_tax: Optional[Decimal] = None


@dataclass(frozen=True)
class BilledAgain:
    """The credit note, and the new invoice or draft."""

    credit_note: Invoice
    invoice: Invoice
    replayed: bool = False


@dataclass(frozen=True)
class Document:
    """The document that pending charges would make.

    `left_out` is the reason if no invoice would be made.
    """

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
    purchase_order: str = ""


@dataclass(frozen=True)
class Figure:
    """An amount as stored, and as recomputed now."""

    stored: Decimal
    computed: Decimal


@dataclass(frozen=True)
class LineStep:
    """The calculation of a line: exact sum of its charges, rounded sum, net amount.

    The exact sum is rounded once.
    """

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
    """The calculation of the tax at one rate."""

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
    """The calculation of an invoice, recomputed from its charges."""

    number: Optional[str]
    currency: str
    adds_up: bool
    net: Figure
    tax: Figure
    total: Figure
    lines: tuple[LineStep, ...]
    taxes: tuple[TaxStep, ...]


@dataclass(frozen=True)
class Shortcoming:
    """A fact that a document lacks, or that is wrong; `detail` says how to correct it."""

    severity: str
    code: str
    pointer: str
    detail: str
    term: str
    rule: str


@dataclass(frozen=True)
class Readiness:
    """Whether a document may be issued, and everything that it lacks.

    Warnings do not stop it.
    """

    ready: bool
    e_invoice: str
    shortcomings: tuple[Shortcoming, ...]


@dataclass(frozen=True)
class RunTotal:
    """The totals of a run's documents in one currency."""

    currency: str
    invoices: int
    net: Decimal
    tax: Decimal
    total: Decimal


@dataclass(frozen=True)
class LeftOut:
    """The charges of one account that were not billed, their exact sum and the reason."""

    customer: str
    currency: str
    charges: int
    amount: Decimal
    reason: str


@dataclass(frozen=True)
class Progress:
    """The progress of a run: `done` of its accounts are processed."""

    done: int
    of: int


@dataclass(frozen=True)
class RunFigures:
    """The figures of a billing run or a preview."""

    state: str
    through: date
    issue: bool
    issue_date: date
    invoices: int
    charges: int
    totals: tuple[RunTotal, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class PossibleDuplicates:
    """The likely duplicates of one account that a run would bill, and their exact sum."""

    customer: str
    currency: str
    charges: int
    amount: Decimal
    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class DueCharge:
    """A due charge of a recurring charge, which a run posts first."""

    recurring_charge: UUID
    customer: str
    service: Optional[str]
    description: str
    incurred_on: date
    period_from: Optional[date]
    period_to: Optional[date]
    quantity: Decimal
    unit_price: Optional[Decimal]
    amount: Decimal
    currency: str
    status: str


@dataclass(frozen=True)
class RefusedRecurringCharge:
    """A due recurring charge that cannot be posted, and the reason."""

    recurring_charge: UUID
    customer: str
    service: str
    reason: str


@dataclass(frozen=True)
class RunAccount:
    """A customer's account in one currency."""

    customer: str
    currency: str


@dataclass(frozen=True)
class PriceChange:
    """A unit price that is not on the account's last invoice with this service."""

    description: str
    before: tuple[Decimal, ...]
    after: Decimal


@dataclass(frozen=True)
class Review:
    """The flags of a document in a preview.

    It is compared with the account's last `invoices`.
    """

    customer: str
    currency: str
    flags: tuple[str, ...]
    net: Decimal
    usual_net: Optional[Decimal]
    change_percent: Optional[int]
    invoices: tuple[str, ...]
    price_changes: tuple[PriceChange, ...]


@dataclass(frozen=True)
class UsuallyBilled:
    """An account that is usually billed and has no document in a preview."""

    customer: str
    currency: str
    invoices: int
    last_issued: date
    average_net: Decimal


@dataclass(frozen=True)
class CreditToApply:
    """The credit that pays invoices of a run when they are issued, in one currency."""

    currency: str
    amount: Decimal


@dataclass(frozen=True)
class Preview(RunFigures):
    """The documents that a run would make; nothing is stored.

    `digest` changes with any of them. Hold or cancel `possible_duplicates` if they are duplicates. The run posts
    `due_recurring_charges` first; they are among the documents. `credit_to_apply` is empty unless the organisation pays
    new invoices from the customers' credit.
    """

    documents: tuple[Document, ...]
    digest: str
    possible_duplicates: tuple[PossibleDuplicates, ...] = ()
    due_recurring_charges: tuple[DueCharge, ...] = ()
    refused_recurring_charges: tuple[RefusedRecurringCharge, ...] = ()
    purchase_order: str = ""
    excluded: tuple[RunAccount, ...] = ()
    reviews: tuple[Review, ...] = ()
    usually_billed: tuple[UsuallyBilled, ...] = ()
    selected_charges: Optional[int] = None
    credit_to_apply: tuple[CreditToApply, ...] = ()


@dataclass(frozen=True)
class BillingRun(RunFigures):
    """A billing run.

    Its `state` is running, done or failed; `failure` is the reason.
    """

    id: UUID
    progress: Progress
    created_at: datetime
    created_by: str
    failure: Optional[str] = None
    finished_at: Optional[datetime] = None
    purchase_order: str = ""
    excluded: tuple[RunAccount, ...] = ()
    selected_charges: Optional[int] = None
    replayed: bool = False


@dataclass(frozen=True)
class ReminderLevel:
    """A level of reminders, with the days after the due date and since the last."""

    level: int
    days_after_due: int
    least_days: int
    attaches_documents: bool
    attaches_statement: bool


@dataclass(frozen=True)
class ReminderSettings:
    """The levels of reminders; with `daily`, they are sent every day."""

    daily: bool
    levels: tuple[ReminderLevel, ...]
    etag: Optional[str] = None


@dataclass(frozen=True)
class ReminderPause:
    """A pause of the reminders of a customer, or of one `invoice`.

    It lasts up to and including the day `through`, unless it ended earlier.
    """

    id: UUID
    customer: str
    invoice: Optional[str]
    through: date
    reason: str
    created_at: datetime
    created_by: str
    ended_at: Optional[datetime]
    replayed: bool = False


@dataclass(frozen=True)
class RemindedInvoice:
    """An invoice of a reminder, with the level and the amount to pay."""

    invoice: str
    level: int
    open_amount: Decimal


@dataclass(frozen=True)
class Reminder:
    """One message to a customer about its overdue invoices in one currency.

    `message` and `state` are None in a preview.
    """

    customer: str
    currency: str
    level: int
    open_amount: Decimal
    recipients: tuple[str, ...]
    invoices: tuple[RemindedInvoice, ...]
    message: Optional[UUID] = None
    state: Optional[str] = None


@dataclass(frozen=True)
class LeftOutInvoice:
    """An invoice that was due for a level and gets no reminder, with the reason."""

    customer: str
    currency: str
    invoice: str
    level: int
    open_amount: Decimal
    reason: str
    day: Optional[date]
    note: str


@dataclass(frozen=True)
class RemindedTotal:
    """The open amount of the reminders of a run in one currency."""

    currency: str
    open_amount: Decimal


@dataclass(frozen=True)
class ListedReminderRun:
    """A reminder run in a list; `client.reminders.get_run` returns its reminders."""

    id: UUID
    day: date
    reminder_count: int
    totals: tuple[RemindedTotal, ...]
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class ReminderRun:
    """A reminder run, or the preview of one, which has a `digest`."""

    id: Optional[UUID]
    state: str
    day: date
    reminders: tuple[Reminder, ...]
    left_out: tuple[LeftOutInvoice, ...]
    digest: Optional[str] = None
    created_at: Optional[datetime] = None
    created_by: Optional[str] = None
    replayed: bool = False


@dataclass(frozen=True)
class ResumedOutbox:
    """The number of waiting messages that are sent now."""

    messages: int


@dataclass(frozen=True)
class NotSent:
    """A document that a sending run left out, and the reason."""

    id: UUID
    number: Optional[str]
    reason: str


@dataclass(frozen=True)
class ListedSendingRun:
    """A sending run in a list; `client.messages.get_run` returns what it left out."""

    id: UUID
    act: str
    reason: str
    documents: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class SendingRun:
    """Documents that were sent, or marked as sent, in one act.

    `sent` is the number of those with a message, `waiting` of those that a worker has still to look at.
    """

    id: UUID
    act: str
    reason: str
    documents: int
    sent: int
    waiting: int
    left_out: tuple[NotSent, ...]
    created_at: datetime
    created_by: str
    replayed: bool = False


@dataclass(frozen=True)
class Allocation:
    """An amount that is allocated to one invoice, and the day of the allocation."""

    id: UUID
    invoice: str
    amount: Decimal
    made_on: date


@dataclass(frozen=True)
class Payment:
    """A payment.

    `allocations` excludes those that were withdrawn.
    """

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
    original_date: Optional[date] = None


@dataclass(frozen=True)
class OpeningBalance:
    """An open invoice of an earlier system, or a credit, as `type` says.

    `balance` is the part of `open_amount` that is still open, or not allocated.
    """

    id: UUID
    type: str
    customer: str
    number: str
    original_date: date
    due_date: Optional[date]
    opened_on: date
    currency: str
    open_amount: Decimal
    balance: Decimal
    status: str
    created_at: datetime
    replayed: bool = False


@dataclass(frozen=True)
class OpeningTotal:
    """The control totals of a customer's opening balances in a currency.

    `balance` equals `journal`.
    """

    customer: str
    currency: str
    invoices: int
    invoiced: Decimal
    credits: int
    credited: Decimal
    balance: Decimal
    journal: Decimal


@dataclass(frozen=True)
class RefundedPayment:
    """The part of a payment that a refund pays back."""

    payment: UUID
    amount: Decimal


@dataclass(frozen=True)
class Refund:
    """A refund.

    `payments` are the payments whose unallocated amounts it pays back.
    """

    id: UUID
    customer: str
    amount: Decimal
    currency: str
    paid_on: date
    method: str
    reference: str
    status: str
    reversed_on: Optional[date]
    reversal_reason: str
    payments: tuple[RefundedPayment, ...]
    created_at: datetime
    created_by: str
    replayed: bool = False


@dataclass(frozen=True)
class Recipient:
    """A recipient of a message, with the outcome for it.

    `result` is empty until the mail server has answered. `code` and `response` are its answer, or that of a bounce.
    """

    name: str
    address: str
    kind: str
    result: str
    code: Optional[int]
    response: str
    at: Optional[datetime]


@dataclass(frozen=True)
class MessageDocument:
    """A document that a message sends, or reminds of.

    `level` is that of the reminder; it is 0 if the document is sent.
    """

    id: UUID
    number: str
    level: int


@dataclass(frozen=True)
class Message:
    """A message to a customer.

    `reason` says why it is in its state. A person or script marked it as sent if `marked_as_sent`. `again_of` is the
    message that this one repeats.
    """

    id: UUID
    customer: str
    purpose: str
    state: str
    reason: str
    marked_as_sent: bool
    documents: tuple[MessageDocument, ...]
    period_from: Optional[date]
    period_to: Optional[date]
    currency: str
    language: str
    subject: str
    text: str
    attachments: tuple[str, ...]
    recipients: tuple[Recipient, ...]
    attempts: int
    next_attempt_at: Optional[datetime]
    response: str
    again_of: Optional[UUID]
    again_reason: str
    created_at: datetime
    created_by: str
    finished_at: Optional[datetime]
    replayed: bool = False


@dataclass(frozen=True)
class Balance:
    """The balance in one currency: invoiced − credited − paid − unallocated.

    `ageing` is the open amount by days overdue.
    """

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
    """The balances of a customer by currency."""

    customer: str
    as_of: Optional[date]
    balances: tuple[Balance, ...]


@dataclass(frozen=True)
class OpenItem:
    """An invoice with an open amount on the day `as_of`."""

    id: UUID
    number: str
    customer: str
    customer_name: str
    currency: str
    issue_date: date
    due_date: date
    days_overdue: int
    bucket: str
    total: Decimal
    open_amount: Decimal
    as_of: date


@dataclass(frozen=True)
class Entry:
    """A change of the balance, and the balance after it."""

    date: date
    kind: str
    id: UUID
    number: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True)
class Statement:
    """The statement of a customer in one currency."""

    currency: str
    opening: Decimal
    entries: tuple[Entry, ...]
    closing: Decimal


@dataclass(frozen=True)
class Statements:
    """The statements of a customer, one for each currency."""

    customer: str
    from_: Optional[date]
    to: Optional[date]
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Actor:
    """The actor of an audit event, with its name at that time."""

    kind: str
    name: str


@dataclass(frozen=True)
class Acted:
    """The object of an audit event.

    `id` is None for a batch of charges.
    """

    type: str
    id: Optional[UUID]


@dataclass(frozen=True)
class ApprovalRequest:
    """An act above the limit of a role.

    `object` is the id of the invoice, customer or service that it changes, and `percent` by how much it changes a price.
    `decided_by` is empty while it waits.
    """

    id: UUID
    act: str
    object_type: str
    object: Optional[UUID]
    amount: Optional[Decimal]
    percent: Optional[Decimal]
    currency: str
    reason: str
    state: str
    asked_by: str
    created_at: datetime
    decided_by: str
    decided_at: Optional[datetime]
    decision_reason: str


@dataclass(frozen=True)
class AuditEvent:
    """A record of one act.

    `details` holds the values before and after a change, or the values of a new object.
    """

    id: UUID
    at: datetime
    actor: Actor
    action: str
    object: Acted
    request_id: Optional[str]
    details: dict[str, Any]


@dataclass(frozen=True)
class Gap:
    """A range of numbers of a series that no document has."""

    first: int
    last: int


@dataclass(frozen=True)
class Series:
    """The number series of a kind of document in a year.

    `part` is 2 for a second series within the year.
    """

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
    """All number series, the latest year first."""

    data: tuple[Series, ...]


@dataclass(frozen=True)
class PeriodLock:
    """The day through which nothing may be dated.

    It is None while the books are not locked.
    """

    locked_through: Optional[date]


@dataclass(frozen=True)
class FileTotals:
    """The control totals of a file: rows, sums by currency, SHA-256 of its bytes."""

    rows: int
    sums: dict[str, Decimal]
    sha256: str


@dataclass(frozen=True)
class Download:
    """A complete download: its path, its size in bytes, and the SHA-256 of its bytes."""

    path: Path
    size: int
    sha256: str
