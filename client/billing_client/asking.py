"""What may be asked: the fields of each thing, for the editor and the type checker. The server judges the values.

A number is a Decimal, an int, or text such as "19.99"; a day is a date or text such as "2026-11-22". Leave out what you have
nothing to say of: None is sent as null, and only where a comment says so does that mean something.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, Optional, TypedDict, Union
from uuid import UUID

Number = Union[Decimal, int, str]
Day = Union[date, str]
Key = Union[UUID, str]


class _ChargeNeeds(TypedDict):
    customer: str


class NewCharge(_ChargeNeeds, total=False):
    """A customer, and either a service, or a description with a price.

    The price is `unit_price`, or `amount` for the whole charge, else the service's. `quantity` defaults to 1, `currency` to the
    customer's, `incurred_on` to today. Without `id` the client makes one before the first try; see `charge_id` for a better one.
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


class ChargeChanges(TypedDict, total=False):
    """What a charge's replacement says otherwise; `id` is the replacement's."""

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


class ChargeFilter(TypedDict, total=False):
    """Which charges; `from_` and `to` are days of incurring, both included."""

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
    interval: Literal["monthly", "quarterly", "yearly"]
    starts_on: Day


class NewRecurringCharge(_RecurringNeeds, total=False):
    """What comes again. Without `unit_price` the list price of the day of posting counts; `ends_on` is included."""

    id: Key
    description: str
    quantity: Number
    unit_price: Number
    currency: str
    anchor_on: Day
    ends_on: Day


class RecurringChanges(TypedDict, total=False):
    """What is otherwise from a day on; `id` is that of the recurring charge which follows."""

    id: Key
    reason: str
    service: str
    description: str
    quantity: Number
    unit_price: Number
    interval: Literal["monthly", "quarterly", "yearly"]
    anchor_on: Day
    ends_on: Day


class RecurringFilter(TypedDict, total=False):
    """Which recurring charges."""

    customer: str
    service: str
    status: Literal["active", "paused", "ended"]
    currency: str


class CustomerChanges(TypedDict, total=False):
    """What may be changed of a customer."""

    reference: str
    name: str
    email: str
    address: str
    tax_id: str
    tax_treatment: str
    currency: str
    payment_terms_days: Optional[int]  # None: the organisation's
    notes: str
    archived: bool


class _CustomerNeeds(TypedDict):
    name: str
    currency: str


class NewCustomer(_CustomerNeeds, total=False):
    """A new customer. Without a reference the next free one, such as C-0007, is taken."""

    id: Key
    reference: str
    email: str
    address: str
    tax_id: str
    tax_treatment: str
    payment_terms_days: Optional[int]  # None: the organisation's
    notes: str


class CustomerFilter(TypedDict, total=False):
    """Which customers; `q` is looked for in reference, name and e-mail."""

    q: str
    currency: str
    archived: bool


class ServiceChanges(TypedDict, total=False):
    """What may be changed of a service; `prices`, when given, are all the prices there are."""

    code: str
    name: str
    unit: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: Mapping[str, Number]
    prices_include_tax: Sequence[str]
    archived: bool


class _ServiceNeeds(TypedDict):
    code: str


class NewService(_ServiceNeeds, total=False):
    """A new service; `prices` are unit prices by currency."""

    id: Key
    name: str
    unit: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: Mapping[str, Number]
    prices_include_tax: Sequence[str]


class ServiceFilter(TypedDict, total=False):
    """Which services; `q` is looked for in code and name."""

    q: str
    archived: bool


class _RunNeeds(TypedDict):
    through: Day


class RunScope(_RunNeeds, total=False):
    """What to bill: charges incurred on or before `through`, of these customers, in this currency."""

    customers: Sequence[str]
    currency: str
    issue: bool
    issue_date: Day


class NewRun(RunScope, total=False):
    """A billing run. `confirmed` is the `digest` of a preview: the run is refused when that would come out otherwise by now."""

    id: Key
    confirmed: str
    background: bool


class InvoiceFilter(TypedDict, total=False):
    """Which invoices; all days are included."""

    customer: str
    status: Literal["draft", "issued", "void", "open", "overdue", "paid"]
    kind: Literal["invoice", "credit_note"]
    currency: str
    issued_from: Day
    issued_to: Day
    due_from: Day
    due_to: Day
    overdue: bool
    run: Key


class DraftChanges(TypedDict, total=False):
    """What may be changed of a draft."""

    note: str
    purchase_order: str
    due_date: Optional[Day]  # None: the customer's terms count


class CreditLine(TypedDict):
    """A line by its id, and the net amount to take back; its tax follows."""

    line: Key
    amount: Number


class Credit(TypedDict, total=False):
    """Either an `amount` with the tax in it, or `lines`."""

    id: Key
    amount: Number
    lines: Sequence[CreditLine]
    issue_date: Day


class AllocationTo(TypedDict):
    """So much for one invoice, named by id or number."""

    invoice: str
    amount: Number


Allocate = Union[Literal["oldest"], Sequence[AllocationTo]]


class _PaymentNeeds(TypedDict):
    customer: str
    amount: Number
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "other"]
    allocate: Allocate


class NewPayment(_PaymentNeeds, total=False):
    """A payment; `allocate` says where the money goes: to the oldest invoices, to these, or, when empty, to none."""

    id: Key
    currency: str
    received_on: Day
    reference: str


class PaymentFilter(TypedDict, total=False):
    """Which payments; `from_` and `to` are days of receipt, both included."""

    customer: str
    currency: str
    status: Literal["recorded", "reversed", "unallocated"]
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "other", "write_off"]
    from_: Day
    to: Day
    reference: str


class AuditFilter(TypedDict, total=False):
    """Which events; `object` is an id, `actor` a name or an id, `from_` and `to` are days, both included."""

    object: Key
    actor: str
    from_: Day
    to: Day
