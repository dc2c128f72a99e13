"""Payments: recorded, listed, allocated, withdrawn and reversed; and write-offs."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, GetPydanticSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler, no_info_wrap_validator_function

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    Day,
    Key,
    Listing,
    Name,
    Number,
    OptionalReasonText,
    Paging,
    Parameters,
    ReasonText,
    ResponseModel,
    ShortText,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.money import Money
from billing_admin.domain.opening_balances import OPENING_CREDIT
from billing_admin.domain.payments import METHODS, OLDEST, WRITE_OFF, AllocationRequest, AllocationSpec, PaymentSpec
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.payments import payments as operations
from billing_admin.operations.payments.payments import RecordedPayment
from billing_admin.queries.object_ids import invoice_id
from billing_admin.queries.payments.payments import (
    PaymentFilter,
    allocations,
    payment,
    payments,
    payments_with_same_reference,
)

MAX_ALLOCATIONS = 1000


class AllocationIn(Body):
    """An amount for one invoice, named by ID or number."""

    invoice: Name
    amount: Number


def _read_allocations(value: Any, read_rows: ValidatorFunctionWrapHandler) -> Any:
    """Return OLDEST or the validated rows.

    A union of pydantic would add its name to the location of errors.
    """
    if value == OLDEST:
        return value
    if isinstance(value, str):
        raise PydanticCustomError("not_a_choice", "Use “oldest”, or a list of invoices and amounts.")
    return read_rows(value)


def _allocations_schema(_source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    rows = handler.generate_schema(Annotated[list[AllocationIn], Field(max_length=MAX_ALLOCATIONS)])
    return no_info_wrap_validator_function(_read_allocations, rows)


def _allocations_json_schema(core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    return {"anyOf": [{"type": "string", "const": OLDEST}, handler(core)]}


Allocations = Annotated[
    Literal["oldest"] | list[AllocationIn], GetPydanticSchema(_allocations_schema, _allocations_json_schema)
]


class PaymentIn(Body):
    """A new payment.

    `allocate` is “oldest” for the oldest invoices, a list of invoices and amounts, or an empty list.
    """

    id: Key = OMITTED
    customer: Name
    amount: Number
    currency: Currency = OMITTED
    received_on: Day = OMITTED
    method: Annotated[str, enumeration(*METHODS)]
    reference: ShortText = OMITTED
    allocate: Allocations

    def spec(self) -> PaymentSpec:
        """Return the request as a spec."""
        return PaymentSpec(**self.__dict__ | {"allocate": _allocate(self.allocate)})


class AllocateIn(Body):
    """The invoices to which the unallocated amount of a payment is allocated."""

    allocate: Allocations


class ReverseIn(Body):
    """The reason and the day of a reversal, by default today."""

    reason: ReasonText
    reversed_on: Day = OMITTED


class WithdrawIn(Body):
    """The reason for withdrawing an allocation, if any."""

    reason: OptionalReasonText = ""


class WriteOffIn(Body):
    """A write-off.

    `amount` must equal the open balance of the invoice, or be below it if `part` is true.
    """

    id: Key = OMITTED
    amount: Number
    reason: ReasonText
    part: bool = False


class AllocationOut(ResponseModel):
    """An amount that is allocated to one invoice, and the day of the allocation."""

    id: UUID
    invoice: str
    amount: str
    made_on: date


class PaymentOut(ResponseModel):
    """A payment.

    `allocations` excludes those that were withdrawn. `original_date` is the date of an opening credit in the earlier
    system, and null for payments.
    """

    id: UUID
    customer: str
    amount: str
    currency: str
    received_on: date
    method: Annotated[str, enumeration(*METHODS, WRITE_OFF, OPENING_CREDIT)]
    reference: str
    status: Annotated[str, enumeration("recorded", "reversed")]
    reason: str
    reversed_on: date | None
    reversal_reason: str
    allocations: list[AllocationOut]
    unallocated: str
    created_at: datetime
    created_by: str
    possible_duplicate_of: list[UUID]
    original_date: date | None


class PaymentFilters(Parameters):
    """Filters of payments.

    `from` and `to` are days of receipt, both included. `unallocated` payments are not fully allocated.
    """

    customer: str = ""
    currency: Currency = ""
    status: Literal["", "recorded", "reversed", "unallocated"] = ""
    method: Literal[
        "", "bank_transfer", "direct_debit", "card", "cash", "cheque", "other", "write_off", "opening_credit"
    ] = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    reference: str = ""

    def to_filter(self) -> PaymentFilter:
        """Return the filter for the queries."""
        return PaymentFilter(**self.filters())


class PaymentQuery(PaymentFilters, Paging):
    """A page of payments."""


def _allocate(allocate: Literal["oldest"] | list[AllocationIn]) -> AllocationRequest:
    if isinstance(allocate, str):
        return allocate
    return tuple(AllocationSpec(row.invoice, row.amount) for row in allocate)


def _out(row: Any, allocated: Sequence[Any], duplicates: list[UUID]) -> PaymentOut:
    def money(minor: int) -> str:
        return str(Money(minor, row.currency))

    return PaymentOut(
        id=row.id,
        customer=row.customer_reference,
        amount=money(row.amount),
        currency=row.currency,
        received_on=row.received_on,
        method=row.method,
        reference=row.reference,
        status=row.status,
        reason=row.reason,
        reversed_on=row.reversed_on,
        reversal_reason=row.reversal_reason,
        allocations=[
            AllocationOut(id=part.id, invoice=part.number, amount=money(part.amount), made_on=part.made_on)
            for part in allocated
            if part.withdrawn_on is None
        ],
        unallocated=money(row.left),
        created_at=row.created_at,
        created_by=row.created_by,
        possible_duplicate_of=duplicates,
        original_date=row.original_date,
    )


def _read(session: Session, id: UUID) -> PaymentOut:
    return _out(payment(session, id), allocations(session, [id])[id], payments_with_same_reference(session, [id])[id])


@route("POST", "/payments", scope="payments:write", body=PaymentIn, response=PaymentOut, statuses=(201, 200))
def post_payment(actor: Actor, body: PaymentIn) -> Reply:
    """Record a payment and allocate it.

    A repeated reference is reported in `possible_duplicate_of`, not refused.
    """
    stored, is_new = bounded_transaction(_record, body.spec(), actor, now())
    return created_reply(stored, is_new)


def _record(session: Session, spec: PaymentSpec, actor: Actor, at: datetime) -> tuple[PaymentOut, bool]:
    return _recorded_out(session, operations.record(session, spec, actor, at))


def _recorded_out(session: Session, recorded: RecordedPayment) -> tuple[PaymentOut, bool]:
    return _read(session, recorded.id), recorded.created


@route("GET", "/payments", scope="read", query=PaymentQuery, response=Listing[PaymentOut])
def list_payments(query: PaymentQuery) -> Reply:
    """List payments, newest first."""
    session = db.session()
    rows = page(session, payments(session, query.to_filter()), query.limit, query.after)
    ids = [row.id for row in rows.rows]
    allocated, duplicates = allocations(session, ids), payments_with_same_reference(session, ids)
    return list_reply(rows, lambda row: _out(row, allocated[row.id], duplicates[row.id]))


@route("GET", "/payments/{id}", scope="read", response=PaymentOut)
def get_payment(id: str) -> Reply:
    """Read one payment."""
    return Reply(_read(db.session(), parse_id(id)))


@route("POST", "/payments/{id}/allocations", scope="payments:write", body=AllocateIn, response=PaymentOut)
def allocate_payment(actor: Actor, id: str, body: AllocateIn) -> Reply:
    """Allocate all or part of a payment's unallocated amount as of today."""
    return Reply(bounded_transaction(_act, operations.allocate, parse_id(id), _allocate(body.allocate), actor, now()))


@route(
    "POST",
    "/payments/{id}/allocations/{allocation}/withdraw",
    scope="payments:write",
    body=WithdrawIn,
    body_optional=True,
    response=PaymentOut,
)
def withdraw_allocation(actor: Actor, id: str, allocation: str, body: WithdrawIn) -> Reply:
    """Withdraw an allocation as of today: its amount is unallocated again."""
    return Reply(
        bounded_transaction(
            _act, operations.withdraw_allocation, parse_id(id), parse_id(allocation), body.reason, actor, now()
        )
    )


@route("POST", "/payments/{id}/reverse", scope="payments:write", body=ReverseIn, response=PaymentOut)
def reverse_payment(actor: Actor, id: str, body: ReverseIn) -> Reply:
    """Reverse a payment and withdraw all its allocations."""
    return Reply(
        bounded_transaction(_act, operations.reverse, parse_id(id), body.reason, body.reversed_on, actor, now())
    )


def _act(session: Session, operation: Any, id: UUID, *args: Any) -> PaymentOut:
    operation(session, id, *args)
    return _read(session, id)


@route(
    "POST",
    "/invoices/{number}/write-off",
    scope="write-offs:write",
    body=WriteOffIn,
    response=PaymentOut,
    statuses=(201, 200),
)
def write_off_invoice(actor: Actor, number: str, body: WriteOffIn) -> Reply:
    """Write off the open balance of an invoice, or a part of it, as a payment."""
    stored, is_new = bounded_transaction(_write_off, number, body, actor, now())
    return created_reply(stored, is_new)


def _write_off(session: Session, name: str, body: WriteOffIn, actor: Actor, at: datetime) -> tuple[PaymentOut, bool]:
    id = invoice_id(session, name)
    recorded = operations.write_off(session, id, body.amount, body.reason, body.id, actor, at, part=body.part)
    return _recorded_out(session, recorded)
