"""Post charges: one, or ten thousand, by the same three steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many, insert_stream, numbered_insert
from billing_admin.db.prepared import MAX_NUMBERED, PreparedQuery, numbered_name
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import LIKELY_DUPLICATE, ChargeSpec
from billing_admin.domain.posting import Assessment, NewCharge, PostingContext, assess
from billing_admin.models import AuditEvent, Charge
from billing_admin.operations import audit
from billing_admin.operations.charges.negative_charges import refuse_above_limit
from billing_admin.operations.master_data.accounts import AccountTotals, add_totals, open_accounts
from billing_admin.operations.webhooks.outbox import enqueue_charges_held
from billing_admin.queries.charges.posting import load_context

Row = dict[str, Any]


class Posting(NamedTuple):
    """An assessment without refusals, and the actor whose audit event records it."""

    assessment: Assessment
    actor: Actor


@dataclass(frozen=True, slots=True)
class PostingResult:
    """The ids of posted charges, the rows of new charges, and likely duplicates.

    The ids are in the order of the request.
    """

    ids: list[UUID]
    context: PostingContext
    rows: list[Row] = field(default_factory=list)
    duplicates: list[UUID] = field(default_factory=list)

    @property
    def created(self) -> int:
        """Number of new charges."""
        return len(self.rows)

    @property
    def replayed(self) -> int:
        """Number of charges that were stored before."""
        return len(self.ids) - len(self.rows)


def post(
    session: Session,
    specs: Sequence[ChargeSpec],
    actor: Actor,
    now: datetime,
    *,
    webhooks: bool = True,
    scheduled: bool = False,
    may_wait: bool = False,
) -> PostingResult:
    """Store new charges and replay stored ones; all or nothing.

    A new charge whose fingerprint was seen in the last 24 hours under another id is marked as a likely duplicate, and
    held if the organisation chose that. Without `webhooks` the caller enqueues those of held charges. `scheduled`
    charges are those of a recurring charge, whose creator had the permission for negative charges. With `may_wait`, the
    request is nothing but these charges: a single one above the limit of the role waits for approval, else it is refused.

    Raises:
        Denied: The actor may not add negative charges, and one is; or one of several is above the limit of the role.
        NeedsApproval: The only charge is negative and above the limit of the role, and `may_wait`.
        Invalid, Conflict: With a problem for each refused charge; a problem's field begins with the charge's index.
    """
    context = load_context(session, specs, now)
    assessment = assess(context.candidates, context, may_credit=scheduled or actor.may_credit)
    if not scheduled:
        refuse_above_limit(session, assessment, context.candidates, context, actor, now, may_wait=may_wait)
    if refusal := assessment.refusal():
        raise refusal
    (result,) = store(session, [Posting(assessment, actor)], context, now, webhooks=webhooks)
    return result


def store(
    session: Session, postings: Sequence[Posting], context: PostingContext, now: datetime, *, webhooks: bool = True
) -> list[PostingResult]:
    """Store the new charges of accepted requests, and return a result for each.

    Each request has an audit event.
    """
    new = [charge for posting in postings for charge in posting.assessment.new.values()]
    results, events, streams = [], list[Row](), list[tuple[PostingResult, Iterator[Row]]]()
    for assessment, actor in postings:
        duplicates = [id for id, charge in assessment.new.items() if charge.duplicate_of_id is not None]
        result = PostingResult(assessment.ids, context, duplicates=duplicates)
        results.append(result)
        if assessment.new:
            only_id = next(iter(assessment.new)) if len(assessment.new) == 1 else None
            events.append(
                audit.event_row(actor, now, "charge.posted", "charge", only_id, {"charges": len(assessment.new)})
            )
            streams.append((result, _charge_rows(assessment.new, events[-1]["id"], now)))
    if events:
        _insert(session, events, new, streams, context)
    if webhooks:
        enqueue_charges_held(
            session, [row["id"] for result in results for row in result.rows if row["status"] == "held"], now
        )
    return results


def _charge_rows(new: Mapping[UUID, NewCharge], event_id: UUID, now: datetime) -> Iterator[Row]:
    created_on = now.astimezone(UTC).date()
    for charge, late, duplicate_of_id, held in new.values():
        yield {
            "id": charge.id,
            "customer_id": charge.customer_id,
            "service_id": charge.service_id,
            "invoice_line_id": None,
            "event_id": event_id,
            "duplicate_of_id": duplicate_of_id,
            "duplicate_kept_at": None,
            "replaces_id": None,
            "fingerprint": charge.fingerprint,
            "created_at": now,
            "created_on": created_on,
            "incurred_on": charge.incurred_on,
            "late": late,
            "status": "held" if held else "pending",
            "status_reason": LIKELY_DUPLICATE if held else None,
            "currency": charge.currency,
            "quantity": charge.quantity,
            "unit_price": charge.unit_price,
            "amount": charge.amount,
            "tax_included": charge.tax_included,
            "description": charge.description,
            "details": charge.details,
            "period_from": charge.period_from,
            "period_to": charge.period_to,
            "period_of_days": charge.period_of_days,
            "purchase_order": charge.purchase_order,
        }


def _insert(
    session: Session,
    events: Sequence[Row],
    new: Sequence[NewCharge],
    streams: Sequence[tuple[PostingResult, Iterator[Row]]],
    context: PostingContext,
) -> None:
    """Insert events and charges and update the accounts' totals.

    A few charges take one statement.
    """
    keys = {(charge.customer_id, charge.currency) for charge, *_ in new}
    open_accounts(session, keys - context.accounts.keys())
    totals = AccountTotals()
    rows = _counted(streams, totals)
    if len(new) <= MAX_NUMBERED:
        charges = list(rows)
        accounts = totals.rows()
        values = _parameters("event_", events) | _parameters("account_", accounts) | _parameters("charge_", charges)
        _insert_few(len(events), len(accounts), len(charges))(session, values)
    else:
        insert_many(session, AuditEvent, events)
        insert_stream(session, Charge, rows)
        add_totals(session, totals.rows())


def _counted(streams: Sequence[tuple[PostingResult, Iterator[Row]]], totals: AccountTotals) -> Iterator[Row]:
    """Yield the rows, and add each to its result and to the totals.

    The rows are computed on demand.
    """
    for result, rows in streams:
        for row in rows:
            result.rows.append(row)
            totals.add(row["customer_id"], row["currency"], None, row["status"], row["amount"])
            yield row


def _parameters(prefix: str, rows: Sequence[Row]) -> Row:
    return {_name(prefix, name, place): value for place, row in enumerate(rows) for name, value in row.items()}


@cache
def _name(prefix: str, name: str, place: int) -> str:
    return numbered_name(prefix + name, place)


@cache
def _insert_few(events: int, accounts: int, charges: int) -> PreparedQuery:
    return PreparedQuery(
        numbered_insert(AuditEvent, "event_", events),
        *(add_totals.clause("account_", place) for place in range(accounts)),
        numbered_insert(Charge, "charge_", charges),
    )
