"""Arguments of the client's methods, for editors and type checkers.

The server validates the values.

A number is a Decimal, an int, or text such as "19.99". A day is a date or text such as "2026-11-22". Omit fields that you do not
set: None is sent as null, which is valid only where a comment says so.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, Optional, TypedDict, Union
from uuid import UUID

Number = Union[Decimal, int, str]
Day = Union[date, str]
Key = Union[UUID, str]
Interval = Literal["weekly", "monthly", "quarterly", "half_yearly", "yearly"]
Timing = Literal["in_advance", "in_arrears"]
Language = Literal["", "en", "de", "fr", "es"]
Paper = Literal["", "a4", "letter"]
EInvoice = Literal["none", "factur-x", "ubl", "peppol", "xrechnung-ubl", "xrechnung-cii"]
Role = Literal["to", "cc", "none"]


class _ChargeNeeds(TypedDict):
    customer: str


class NewCharge(_ChargeNeeds, total=False):
    """A new charge: a customer, and either a service, or a description with a price.

    The price is `unit_price`, or `amount` for the whole charge; by default it is the service's price. `quantity` defaults to 1,
    `currency` to the customer's currency, `incurred_on` to today. Without `id` the client makes one before the first attempt;
    `charge_id` makes one that also survives a restart of your script. The charge is for the days from `period_from` to
    `period_to`, both included, or for its day alone; `period_of_days` is the length of a longer period that these are part of.
    """

    id: Key
    service: str
    description: str
    quantity: Number
    unit_price: Number
    amount: Number
    tax_included: bool
    currency: str
    incurred_on: Day
    metadata: Mapping[str, str]
    period_from: Day
    period_to: Day
    period_of_days: int
    purchase_order: str


class ChargeChanges(TypedDict, total=False):
    """The changed fields of a charge's replacement.

    `id` is the ID of the replacement.
    """

    id: Key
    customer: str
    service: str
    description: str
    quantity: Number
    unit_price: Number
    amount: Number
    tax_included: bool
    currency: str
    incurred_on: Day
    metadata: Mapping[str, str]
    period_from: Optional[Day]  # None for both days: no period
    period_to: Optional[Day]
    period_of_days: Optional[int]
    purchase_order: str


class ChargeFilter(TypedDict, total=False):
    """Filters of charges.

    `from_` and `to` are days on which charges were incurred, both included.
    """

    customer: str
    service: str
    status: Literal["pending", "held", "billed", "cancelled"]
    currency: str
    from_: Day
    to: Day
    invoice: str
    possible_duplicate: bool
    line: Key


class _RecurringNeeds(TypedDict):
    customer: str
    service: str
    interval: Interval
    starts_on: Day


class NewRecurringCharge(_RecurringNeeds, total=False):
    """A new recurring charge.

    `unit_price` defaults to the list price on the day of each charge; `ends_on` is included. A period has
    `interval_count` intervals, by default one. Its charge is posted on its first day, or on its last one if `timing` is
    "in_arrears".
    """

    id: Key
    description: str
    quantity: Number
    unit_price: Number
    currency: str
    anchor_on: Day
    ends_on: Day
    interval_count: int
    timing: Timing
    purchase_order: str


class RecurringChanges(TypedDict, total=False):
    """The changed fields.

    `id` is the ID of the recurring charge that replaces the current one. A new `interval` sets
    `interval_count` to 1, unless you set another one.
    """

    id: Key
    reason: str
    service: str
    description: str
    quantity: Number
    unit_price: Number
    interval: Interval
    anchor_on: Day
    ends_on: Day
    interval_count: int
    timing: Timing
    purchase_order: str


class ChosenCharges(TypedDict, total=False):
    """Filters of the charges to hold, release or cancel.

    `from_` and `to` are days on which charges were incurred, both included.
    """

    customer: str
    service: str
    status: Literal["pending", "held"]
    currency: str
    from_: Day
    to: Day


class _ChargesChangeNeeds(TypedDict):
    reason: str


class ChargesChange(_ChargesChangeNeeds, total=False):
    """The charges to hold, release or cancel: their ids or a filter, and the reason.

    With `dry_run` nothing changes. A filter needs the `digest` of a dry run as `confirmed`.
    """

    charges: Sequence[Key]
    filter: ChosenCharges
    dry_run: bool
    confirmed: str


class RecurringFilter(TypedDict, total=False):
    """Filters of recurring charges."""

    customer: str
    service: str
    status: Literal["active", "paused", "ended"]
    currency: str


class CustomLine(TypedDict):
    """A line that is printed on the documents of a customer."""

    label: str
    value: str


class _PartyFields(TypedDict, total=False):
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


class _CustomerFields(_PartyFields, total=False):
    reference: str
    email: str
    address: str
    tax_id: str
    tax_treatment: str
    payment_terms_days: Optional[int]  # None: the organisation's payment terms
    notes: str
    purchase_order: str
    language: Language
    paper: Paper
    e_invoice: EInvoice
    buyer_reference: str
    contract: str
    custom_lines: Sequence[CustomLine]
    delivery_name: str
    delivery_street: str
    delivery_street2: str
    delivery_postcode: str
    delivery_city: str
    delivery_region: str
    delivery_country: str
    monthly_statements: bool
    metadata: Mapping[str, str]  # by the key of customer fields; an empty text removes a value


class CustomerChanges(_CustomerFields, total=False):
    """Changes to a customer.

    Empty `language` and `paper` mean the organisation's, or the paper of the country. `email` is the address of the first
    contact that gets invoices.
    """

    name: str
    currency: str
    archived: bool


class _CustomerNeeds(TypedDict):
    name: str
    currency: str


class NewCustomer(_CustomerNeeds, _CustomerFields, total=False):
    """A new customer.

    `reference` defaults to the next free one, such as C-0007.
    """

    id: Key


class CustomerFilter(TypedDict, total=False):
    """Filters of customers.

    `q` searches reference, name and email. `metadata` selects by customer fields, as `region=South`.
    """

    q: str
    currency: str
    archived: bool
    metadata: str


class _CustomerFieldNeeds(TypedDict):
    key: str
    label: str


class NewCustomerField(_CustomerFieldNeeds, total=False):
    """A new customer field.

    A field of the type "choice" has `choices`.
    """

    id: Key
    type: Literal["text", "number", "date", "choice"]
    required: bool
    listed: bool
    choices: Sequence[str]


class CustomerFieldChanges(TypedDict, total=False):
    """Changes to a customer field; customers keep their values."""

    label: str
    required: bool
    listed: bool
    choices: Sequence[str]
    archived: bool


class ContactChanges(TypedDict, total=False):
    """Changes to a contact of a customer."""

    name: str
    email: str
    invoices: Role
    reminders: Role
    statements: Role


class _ContactNeeds(TypedDict):
    email: str


class NewContact(_ContactNeeds, total=False):
    """A new contact of a customer.

    By default it gets invoices and reminders as To, and no statements.
    """

    id: Key
    name: str
    invoices: Role
    reminders: Role
    statements: Role


class ServiceChanges(TypedDict, total=False):
    """Changes to a service.

    `prices` replaces all prices from today on.
    """

    code: str
    name: str
    unit: str
    unit_code: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: Mapping[str, Number]
    prices_include_tax: Sequence[str]
    archived: bool


class _ServiceNeeds(TypedDict):
    code: str


class NewService(_ServiceNeeds, total=False):
    """A new service.

    `prices` are unit prices by currency.
    """

    id: Key
    name: str
    unit: str
    unit_code: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: Mapping[str, Number]
    prices_include_tax: Sequence[str]


class _PriceNeeds(TypedDict):
    currency: str
    unit_price: Number


class NewPrice(_PriceNeeds, total=False):
    """A price for charges incurred on or after a day, until the next price begins.

    `valid_from` defaults to today; the first price in a currency has no first day by default.
    """

    valid_from: Day
    includes_tax: bool


class PriceKey(TypedDict):
    """The currency and the first day of a price."""

    currency: str
    valid_from: Day


class OrganisationChanges(_PartyFields, total=False):
    """Changes to the settings of the organisation.

    Documents print `address` while `country` is empty, otherwise the parts of the address.
    """

    legal_name: str
    address: str
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
    applies_credit: bool
    requires_complete_details: bool
    attach_pdf: bool
    default_tax_rate: str
    number_format: str
    date_order: str


class _BankAccountNeeds(TypedDict):
    currency: str


class NewBankAccount(_BankAccountNeeds, total=False):
    """A new bank account, with an IBAN or an account number.

    `holder` defaults to the legal name of the organisation. The first account in a currency is its default.
    """

    id: Key
    holder: str
    iban: str
    account_number: str
    bic: str
    bank_name: str
    default: bool


class BankAccountChanges(TypedDict, total=False):
    """Changes to a bank account."""

    holder: str
    iban: str
    account_number: str
    bic: str
    bank_name: str
    default: bool
    archived: bool


class _RecipientNeeds(TypedDict):
    address: str


class NewRecipient(_RecipientNeeds, total=False):
    """A recipient of a message, as To by default."""

    name: str
    kind: Literal["to", "cc"]


class NewStatement(TypedDict, total=False):
    """A statement to send.

    By default it is from the first entry to today, and goes to the contacts that get statements.
    """

    id: Key
    currency: str
    period_from: Day
    period_to: Day
    recipients: Sequence[NewRecipient]
    subject: str
    text: str


class MessageTextChanges(TypedDict, total=False):
    """Changes to the text of a message, with fields such as `{number}`."""

    subject: str
    body: str


class _RateNeeds(TypedDict):
    currency: str
    day: Day
    rate: Number


class NewExchangeRate(_RateNeeds, total=False):
    """The price of one unit of the base currency on a day, and its publisher."""

    source: str


class ExchangeRateFilter(TypedDict, total=False):
    """Filters of exchange rates.

    `from_` and `to` are days, both included.
    """

    currency: str
    from_: Day
    to: Day


class ServiceFilter(TypedDict, total=False):
    """Filters of services.

    `q` searches code and name.
    """

    q: str
    archived: bool


class RunAccount(TypedDict):
    """A customer's account in one currency, which a run leaves out."""

    customer: str
    currency: str


class _RunNeeds(TypedDict):
    through: Day


class RunScope(_RunNeeds, total=False):
    """The charges to bill: by last day, customers and currency.

    They were incurred on or before `through`. The accounts in `exclude` are left out.
    They were incurred on or before `through`. `charges` are the only ones to bill.
    """

    customers: Sequence[str]
    currency: str
    issue: bool
    issue_date: Day
    purchase_order: str
    exclude: Sequence[RunAccount]


class RunPreview(RunScope, total=False):
    """A preview of a billing run.

    It flags documents whose amount differs by more than `change_percent` from the last invoices.
    """

    change_percent: int
    charges: Sequence[Key]


class NewRun(RunScope, total=False):
    """A new billing run.

    `confirmed` is the `digest` of a preview: the run is refused if the preview has changed since.
    """

    id: Key
    confirmed: str
    background: bool


class ReminderLevelIn(TypedDict):
    """A level of reminders."""

    days_after_due: int
    least_days: int
    attaches_documents: bool
    attaches_statement: bool


class ReminderSettingsChanges(TypedDict, total=False):
    """Changes to the settings of reminders; `levels` are all three in order."""

    daily: bool
    levels: Sequence[ReminderLevelIn]


class _PauseNeeds(TypedDict):
    through: Day
    reason: str


class NewReminderPause(_PauseNeeds, total=False):
    """A pause of the reminders of a customer, or of an invoice."""

    id: Key
    customer: str
    invoice: str


class ReminderScope(TypedDict, total=False):
    """The customers to remind, and customers and invoices to leave out."""

    customers: Sequence[str]
    currency: str
    without_customers: Sequence[str]
    without_invoices: Sequence[str]


class NewReminderRun(ReminderScope, total=False):
    """A new reminder run.

    `confirmed` is the `digest` of a preview: the run is refused if the preview has changed since.
    """

    id: Key
    confirmed: str


class NewSendingRun(TypedDict, total=False):
    """The documents of a sending run.

    They are `invoices`, by number or id, or the unsent ones of the filters. With `background`, a worker does the work.
    """

    id: Key
    invoices: Sequence[str]
    customer: str
    kind: Literal["invoice", "credit_note"]
    currency: str
    status: Literal["open", "overdue", "paid"]
    issued_from: Day
    issued_to: Day
    run: Key
    background: bool


class InvoiceFilter(TypedDict, total=False):
    """Filters of invoices.

    All days are included. `sent` selects issued documents that were sent to the customer, or were not.
    """

    customer: str
    status: Literal["draft", "issued", "void", "open", "overdue", "paid"]
    kind: Literal["invoice", "credit_note", "opening_invoice"]
    currency: str
    issued_from: Day
    issued_to: Day
    due_from: Day
    due_to: Day
    overdue: bool
    run: Key
    sent: bool


class OpenItemFilter(TypedDict, total=False):
    """Filters of open items.

    `as_of` is the day, today by default.
    """

    as_of: Day
    customer: str
    currency: str
    bucket: Literal["not_due", "1_30", "31_60", "61_90", "over_90"]


class DraftChanges(TypedDict, total=False):
    """Changes to a draft."""

    note: str
    purchase_order: str
    due_date: Optional[Day]  # None: the customer's payment terms


class _LineNeeds(TypedDict):
    line: Key


class CreditLine(_LineNeeds, total=False):
    """A line by its ID, and either the net amount or the quantity to credit.

    The tax is added.
    """

    amount: Number
    quantity: Number


class Credit(TypedDict, total=False):
    """A credit note: either an `amount` that includes tax, or `lines`."""

    id: Key
    amount: Number
    lines: Sequence[CreditLine]
    issue_date: Day


class CorrectedLine(_LineNeeds, total=False):
    """A line by its ID, and its corrected values; omitted ones stay.

    A line without a unit price has an `amount` instead.
    """

    quantity: Number
    unit_price: Number
    amount: Number


class BillAgain(TypedDict, total=False):
    """Options of billing again.

    `issue` issues the new invoice, `apply_credit` pays it from the customer's credit. The ID is that of the credit note.
    """

    id: Key
    issue: bool
    apply_credit: bool
    issue_date: Day


class AllocationTo(TypedDict):
    """An amount for one invoice, named by ID or number."""

    invoice: str
    amount: Number


Allocate = Union[Literal["oldest"], Sequence[AllocationTo]]


class _PaymentNeeds(TypedDict):
    customer: str
    amount: Number
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "other"]
    allocate: Allocate


class NewPayment(_PaymentNeeds, total=False):
    """A new payment.

    `allocate` is “oldest” for the oldest invoices, a list of invoices and amounts, or an empty list.
    """

    id: Key
    currency: str
    received_on: Day
    reference: str


class _OpeningBalanceNeeds(TypedDict):
    customer: str
    number: str
    original_date: Day
    open_amount: Number


class NewOpeningBalance(_OpeningBalanceNeeds, total=False):
    """An open invoice or a credit of an earlier system.

    The `open_amount` of a credit is below zero. `opened_on` is the cut-over day, by default that of the other opening balances.
    """

    id: Key
    due_date: Day
    currency: str
    opened_on: Day
    original_total: Number
    original_tax: Number
    purchase_order: str


class PaymentFilter(TypedDict, total=False):
    """Filters of payments.

    `from_` and `to` are days of receipt, both included.
    """

    customer: str
    currency: str
    status: Literal["recorded", "reversed", "unallocated"]
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "other", "write_off", "opening_credit"]
    from_: Day
    to: Day
    reference: str


class _RefundNeeds(TypedDict):
    customer: str
    amount: Number
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "other"]


class NewRefund(_RefundNeeds, total=False):
    """A new refund of a customer's credit, by default paid today."""

    id: Key
    currency: str
    paid_on: Day
    reference: str


class RefundFilter(TypedDict, total=False):
    """Filters of refunds.

    `from_` and `to` are the days of payment, both included.
    """

    customer: str
    currency: str
    status: Literal["recorded", "reversed"]
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "other"]
    from_: Day
    to: Day
    reference: str


class NewMessage(TypedDict, total=False):
    """A message with a document.

    Without `recipients`, it goes to the contacts that get invoices.
    """

    id: Key
    recipients: Sequence[NewRecipient]
    subject: str
    text: str


class MessageFilter(TypedDict, total=False):
    """Filters of messages.

    The state `attention` is failed or uncertain, and not sent again. `undelivered` messages have a recipient that was
    refused or bounced. `from_` and `to` are days on which messages were made, both included.
    """

    customer: str
    state: Literal["attention", "waiting", "sending", "sent", "failed", "uncertain", "cancelled", "dropped"]
    purpose: Literal["document", "reminder", "statement"]
    document: str
    from_: Day
    to: Day
    undelivered: bool


class ApprovalFilter(TypedDict, total=False):
    """Filters of acts that wait for approval, or were decided."""

    state: Literal["waiting", "approved", "rejected", "withdrawn"]


class AuditFilter(TypedDict, total=False):
    """Filters of audit events.

    `object` is an id, number, reference, code or name, `actor` a name or id; `from_` and `to` are days, both
    included.
    """

    object: Key
    actor: str
    from_: Day
    to: Day
