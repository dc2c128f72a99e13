"""The routes of charges and of batches of charges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import current_app
from pydantic import Field, GetCoreSchemaHandler, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import CoreSchema
from pydantic_core.core_schema import ValidatorFunctionWrapHandler, no_info_wrap_validator_function

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    CurrencyCode,
    Day,
    Exact,
    Flag,
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
    many_lines,
    one_line,
)
from billing_admin.api.frame.problems import MAX_PROBLEMS, combine_problems, validation_problems
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.routes.charge_poster import ChargePoster, ChargeRequest
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import (
    MAX_DESCRIPTION_LENGTH,
    MAX_METADATA_ENTRIES,
    MAX_METADATA_KEY_LENGTH,
    MAX_METADATA_VALUE_LENGTH,
    MAX_PERIOD_DAYS,
    ChargeSpec,
)
from billing_admin.domain.errors import Denied, DomainError, Invalid, Problem
from billing_admin.domain.posting import PostingContext
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank, check_text
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges as operations, corrections, duplicates
from billing_admin.operations.charges.posting import PostingResult, post
from billing_admin.queries.charges.charges import ChargeFilter, charge, listed_charges

MAX_CHARGES = 10_000
Description = Annotated[str, one_line(MAX_DESCRIPTION_LENGTH, named=True)]
_ENTRIES = {
    "maxProperties": MAX_METADATA_ENTRIES,
    "propertyNames": {"maxLength": MAX_METADATA_KEY_LENGTH},
    "additionalProperties": many_lines(MAX_METADATA_VALUE_LENGTH).json_schema,
}
PeriodDays = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 2, "maximum": MAX_PERIOD_DAYS})]
Metadata = Annotated[dict[str, str], WithJsonSchema({"type": "object"} | _ENTRIES)]


class ChargeIn(Body):
    """A charge to post: a customer, and a service or a description with a price.

    `tax_included` applies only to a price that you send, which is net by default. List prices already define this.
    The charge is for the days from `period_from` to `period_to`, both included, or for its day alone. If these are some
    days of a longer period, `period_of_days` is the length of that period. `purchase_order` is the customer's order number,
    by default the standing one of the customer.
    """

    # A field that is left out is None, and null is refused: `__dict__` holds the arguments of a ChargeSpec.

    customer: Name
    service: Name = OMITTED
    description: Description = OMITTED
    quantity: Number = OMITTED
    unit_price: Number = OMITTED
    amount: Number = OMITTED
    currency: CurrencyCode = OMITTED
    incurred_on: Day = OMITTED
    metadata: Metadata = OMITTED
    tax_included: bool = OMITTED
    period_from: Day = OMITTED
    period_to: Day = OMITTED
    period_of_days: PeriodDays = OMITTED
    purchase_order: ShortText = OMITTED
    id: Key = OMITTED


_CHARGE_IN = TypeAdapter(ChargeIn)


@dataclass(slots=True)
class ChargeRows:
    """The valid rows of a batch, the index of each, and the problems of other rows."""

    specs: list[ChargeSpec]
    indexes: list[int]
    problems: list[Problem]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        rows = handler(Annotated[list[ChargeIn], Field(min_length=1, max_length=MAX_CHARGES)])
        return no_info_wrap_validator_function(cls._read, rows)

    @classmethod
    def _read(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> "ChargeRows":
        """Return the rows of a batch, validated at once.

        If that fails, each row is validated by itself, which names the problems of every row.
        """
        rows = cls([], [], [])
        try:
            for index, charge_in in enumerate(handler(value)):
                rows._add(index, charge_in)
        except ValidationError:
            if not isinstance(value, list) or not 1 <= len(value) <= MAX_CHARGES:
                raise
            rows = cls([], [], [])
            for index, row in enumerate(value):
                rows._validate(index, row)
        return rows

    def _validate(self, index: int, row: Any) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            try:
                self._add(index, _CHARGE_IN.validate_python(row))
            except ValidationError as error:
                self.problems.extend(validation_problems(error, "charges", index))

    def _add(self, index: int, charge_in: ChargeIn) -> None:
        try:
            self.specs.append(ChargeSpec(**charge_in.__dict__))
            self.indexes.append(index)
        except DomainError as error:
            self.problems.extend(
                replace(problem, field=("charges", index, *problem.field)) for problem in error.problems
            )


class ChargeBatch(Body):
    """1 to 10,000 charges.

    Either all are stored or none.
    """

    charges: ChargeRows


class ChargeOut(ResponseModel):
    """A charge with all defaults filled in."""

    id: UUID
    customer: str
    service: str | None
    description: str
    quantity: Exact
    unit_price: Exact | None
    amount: Exact
    tax_included: bool
    currency: str
    incurred_on: date
    metadata: dict[str, str]
    status: Annotated[str, enumeration("pending", "held", "billed", "cancelled")]
    created_at: datetime
    created_by: str
    invoice: str | None
    late: bool
    replaces: UUID | None
    replaced_by: UUID | None
    possible_duplicate_of: list[UUID]
    period_from: date | None
    period_to: date | None
    period_of_days: int | None
    purchase_order: str


class BatchOut(ResponseModel):
    """The result of a batch.

    `ids` are in the order of its charges.
    """

    created: int
    replayed: int
    possible_duplicates: list[UUID]
    ids: list[UUID]


class Reason(Body):
    """A reason."""

    reason: ReasonText


class OptionalReason(Body):
    """A reason, if any."""

    reason: OptionalReasonText = ""


class Correction(Body):
    """The fields that change, and the reason.

    Other fields are copied. `id` is that of the replacement. Send null for both days of the period to remove it.
    """

    reason: ReasonText
    id: Key = OMITTED
    customer: Name = OMITTED
    service: Name = OMITTED
    description: Description = OMITTED
    quantity: Number = OMITTED
    unit_price: Number = OMITTED
    amount: Number = OMITTED
    tax_included: bool = OMITTED
    currency: CurrencyCode = OMITTED
    incurred_on: Day = OMITTED
    metadata: Metadata = OMITTED
    period_from: Day | None = OMITTED
    period_to: Day | None = OMITTED
    period_of_days: PeriodDays | None = OMITTED
    purchase_order: ShortText = OMITTED


class ChargeFilters(Parameters):
    """Filters of charges.

    `from` and `to` are days on which charges were incurred, both included.

    `possible_duplicate=true` selects likely duplicates that are not kept or cancelled yet, `false` all other charges.
    """

    customer: str = ""
    service: str = ""
    status: Literal["", "pending", "held", "billed", "cancelled"] = ""
    currency: Currency = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    invoice: str = ""
    likely_duplicates: Flag | None = Field(None, alias="possible_duplicate")
    line: Key | None = None

    def to_filter(self) -> ChargeFilter:
        """Return the filter for the queries."""
        return ChargeFilter(**self.filters())


class ChargeQuery(ChargeFilters, Paging):
    """A page of charges."""


def charge_out(row: Any) -> ChargeOut:
    """Return a charge with its names as the API shows it."""
    return ChargeOut.unchecked(
        id=row.id,
        customer=row.customer_reference,
        service=row.service_code,
        description=row.description,
        quantity=row.quantity,
        unit_price=row.unit_price,
        amount=row.amount,
        tax_included=row.tax_included,
        currency=row.currency,
        incurred_on=row.incurred_on,
        metadata=row.details or {},
        status=row.status,
        created_at=row.created_at,
        created_by=row.created_by,
        invoice=row.invoice_number,
        late=row.late,
        replaces=row.replaces_id,
        replaced_by=row.replaced_by_id,
        possible_duplicate_of=[row.duplicate_of_id] if row.is_likely_duplicate else [],
        period_from=row.period_from,
        period_to=row.period_to,
        period_of_days=row.period_of_days,
        purchase_order=row.purchase_order,
    )


@route(
    "POST",
    "/charges",
    scope="charges:write",
    body=ChargeIn,
    response=ChargeOut,
    statuses=(201, 200),
)
def post_charge(actor: Actor, body: ChargeIn) -> Reply:
    """Post one charge.

    A negative charge needs the scope `credits:write` as well.
    """
    result = _post_one(ChargeSpec(**body.__dict__), actor)
    if result.rows:
        return created_reply(_new_charge(result.rows[0], result.context, actor), True)
    return created_reply(charge_out(charge(db.session(), result.ids[0])), False)


def _post_one(spec: ChargeSpec, actor: Actor) -> PostingResult:
    post_one: ChargePoster = current_app.extensions["billing_charge_poster"]
    try:
        return post_one(ChargeRequest(spec, actor))
    except DomainError as error:
        error.problems = tuple(replace(problem, field=problem.field[1:]) for problem in error.problems)
        raise


def _new_charge(row: dict[str, Any], context: PostingContext, actor: Actor) -> ChargeOut:
    """Return a charge that was stored just now, without reading it back."""
    service_id = row["service_id"]
    names = {
        "customer_reference": context.customers[str(row["customer_id"])].reference,
        "service_code": context.services[str(service_id)].code if service_id else None,
        "created_by": actor.name,
        "invoice_number": None,
        "replaced_by_id": None,
        "is_likely_duplicate": row["duplicate_of_id"] is not None,
    }
    return charge_out(SimpleNamespace(**row, **names))


@route("POST", "/charges/batch", scope="charges:write", body=ChargeBatch, response=BatchOut, statuses=(201, 200))
def post_charge_batch(actor: Actor, body: ChargeBatch) -> Reply:
    """Post 1 to 10,000 charges, all or nothing.

    A negative charge needs the scope `credits:write` as well.
    """
    result = bounded_transaction(_post_rows, body.charges, actor, now())
    content = BatchOut(
        created=result.created, replayed=result.replayed, possible_duplicates=result.duplicates, ids=result.ids
    )
    return created_reply(content, result.created > 0)


def _post_rows(session: Session, rows: ChargeRows, actor: Actor, at: datetime) -> PostingResult:
    """Post the rows.

    Raises Invalid, Conflict or Denied with the problems of all rows. If some rows of the body have errors, the others are
    posted to find their problems as well, and rolled back.
    """
    try:
        result = post(session, rows.specs, actor, at, may_wait=not rows.problems)
    except DomainError as error:
        error.problems = tuple(_at_body_index(problem, rows.indexes) for problem in error.problems)
        if not rows.problems:
            raise
        combined = combine_problems([*rows.problems, *error.problems], Denied if isinstance(error, Denied) else Invalid)
        combined.extra = error.extra if isinstance(error, Denied) else {}
        raise combined from error
    if rows.problems:
        raise combine_problems(rows.problems)
    return result


def _at_body_index(problem: Problem, indexes: Sequence[int]) -> Problem:
    """Return a problem of the operation's n-th charge with its index in the body."""
    number, *path = problem.field
    return replace(problem, field=("charges", indexes[int(number)], *path))


@route("GET", "/charges", scope="read", query=ChargeQuery, response=Listing[ChargeOut])
def list_charges(query: ChargeQuery) -> Reply:
    """List charges, newest first."""
    session = db.session()
    return list_reply(page(session, listed_charges(session, query.to_filter()), query.limit, query.after), charge_out)


@route("GET", "/charges/{id}", scope="read", response=ChargeOut)
def get_charge(id: str) -> Reply:
    """Read one charge."""
    return Reply(charge_out(charge(db.session(), parse_id(id))))


@route("POST", "/charges/{id}/cancel", scope="charges:write", body=Reason, response=ChargeOut)
def cancel_charge(actor: Actor, id: str, body: Reason) -> Reply:
    """Cancel a charge that is not billed."""
    return Reply(bounded_transaction(_move, operations.cancel, parse_id(id), body.reason, actor, now()))


@route("POST", "/charges/{id}/hold", scope="charges:write", body=Reason, response=ChargeOut)
def hold_charge(actor: Actor, id: str, body: Reason) -> Reply:
    """Hold a pending charge: it stays off every invoice until it is released."""
    return Reply(bounded_transaction(_move, operations.hold, parse_id(id), body.reason, actor, now()))


@route("POST", "/charges/{id}/release", scope="charges:write", body=Reason, response=ChargeOut)
def release_charge(actor: Actor, id: str, body: Reason) -> Reply:
    """Release a held charge: it is pending again."""
    return Reply(bounded_transaction(_move, operations.release, parse_id(id), body.reason, actor, now()))


@route("POST", "/charges/{id}/correct", scope="charges:write", body=Correction, response=ChargeOut, statuses=(201, 200))
def correct_charge(actor: Actor, id: str, body: Correction) -> Reply:
    """Cancel an unbilled charge and post its replacement in one step.

    Returns the replacement.
    """
    replacement, is_new = bounded_transaction(_correct, parse_id(id), body, actor, now())
    return created_reply(replacement, is_new)


def _correct(session: Session, id: UUID, body: Correction, actor: Actor, at: datetime) -> tuple[ChargeOut, bool]:
    fields = body.provided("id", "reason")
    new_id, is_new = corrections.correct_charge(session, id, fields, body.id, body.reason, actor, at)
    return charge_out(charge(session, new_id)), is_new


@route(
    "POST",
    "/charges/{id}/keep",
    scope="charges:write",
    body=OptionalReason,
    body_optional=True,
    response=ChargeOut,
)
def keep_charge(actor: Actor, id: str, body: OptionalReason) -> Reply:
    """Keep a likely duplicate as a separate charge.

    If it was held as a duplicate, it is pending again.
    """
    return Reply(bounded_transaction(_keep, parse_id(id), body.reason, actor, now()))


def _keep(session: Session, id: UUID, reason: str, actor: Actor, at: datetime) -> ChargeOut:
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    duplicates.keep_duplicates(session, [id], reason, actor, at)
    return charge_out(charge(session, id))


Move = Callable[[Session, Sequence[UUID], str, Actor, datetime], int]


def _move(session: Session, move: Move, id: UUID, reason: str, actor: Actor, at: datetime) -> ChargeOut:
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    move(session, [id], reason, actor, at)
    return charge_out(charge(session, id))
