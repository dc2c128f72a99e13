"""How the rows of each kind of import are taken in: by the operations that forms and scripts use."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, DomainError, Invalid, Problem
from billing_admin.domain.imports.fields import ImportPlan
from billing_admin.domain.imports.rows import RowRequest
from billing_admin.domain.imports.tally import AcceptedRow, Outcome
from billing_admin.domain.posting import Assessment, PostingContext, assess
from billing_admin.domain.text import refuse_unprintable
from billing_admin.models import Customer, Payment, Service
from billing_admin.operations.charges import charges
from billing_admin.operations.charges.posting import Posting, store
from billing_admin.operations.master_data import customers, services
from billing_admin.operations.payments import payments
from billing_admin.queries.charges.posting import load_context

UPDATE = "To change it, choose “Update what exists”."


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """Why a row cannot be taken in."""

    problems: Sequence[Problem]


RowResult = AcceptedRow | RefusedRow


def import_rows(
    session: Session, kind: str, plan: ImportPlan, asked: Sequence[RowRequest], actor: Actor, now: datetime
) -> Sequence[RowResult]:
    """Take rows in, and tell of each what became of it. With any refused, the caller takes the transaction back."""
    if kind == "charges":
        return _take_charges(session, asked, actor, now)
    return [_take_one(session, _ONE[kind], plan, one, actor, now) for one in asked]


def check_rows(
    session: Session, kind: str, plan: ImportPlan, asked: Sequence[RowRequest], actor: Actor, now: datetime
) -> Sequence[RowResult]:
    """What `import_rows` would tell. The caller takes the transaction back; of charges nothing is even written in it."""
    if kind == "charges":
        return _of_charges(*_assess(session, asked, now))
    return import_rows(session, kind, plan, asked, actor, now)


def _take_charges(session: Session, asked: Sequence[RowRequest], actor: Actor, now: datetime) -> Sequence[RowResult]:
    context, assessment = _assess(session, asked, now)
    if not assessment.refusals:
        store(session, [Posting(assessment, actor)], context, now)
        _hold(session, asked, assessment, actor, now)
    return _of_charges(context, assessment)


def _assess(session: Session, asked: Sequence[RowRequest], now: datetime) -> tuple[PostingContext, Assessment]:
    """Assess charges, and the reasons for which new ones are to be held."""
    context = load_context(session, [row.spec for row in asked], now)
    assessment = assess(context.candidates, context)
    for index, row in enumerate(asked):
        if row.beside is not None and row.spec.id in assessment.new:
            try:
                refuse_unprintable(row.beside, "status_reason")
            except Invalid as error:
                assessment.refusals.append((index, error))
    return context, assessment


def _of_charges(context: PostingContext, assessment: Assessment) -> Sequence[RowResult]:
    refusals = {index: RefusedRow(error.problems) for index, error in assessment.refusals}
    return [refusals.get(index) or _charge(context, assessment, id) for index, id in enumerate(assessment.ids)]


def _charge(context: PostingContext, assessment: Assessment, id: UUID) -> AcceptedRow:
    new = assessment.new.get(id)
    if new is not None:
        return AcceptedRow(Outcome.NEW, new.charge.currency, new.charge.amount)
    stored = context.stored[id]
    return AcceptedRow(Outcome.UNCHANGED, stored.currency, stored.amount)


def _hold(session: Session, asked: Sequence[RowRequest], assessment: Assessment, actor: Actor, now: datetime) -> None:
    """Hold new charges that the file calls held, by reason; stored charges stay as they are."""
    held: dict[str, list[UUID]] = defaultdict(list)
    for row in asked:
        if row.beside is not None and row.spec.id in assessment.new:
            held[row.beside].append(row.spec.id)
    for reason, ids in held.items():
        charges.hold(session, ids, reason, actor, now)


RowImporter = Callable[[Session, RowRequest, ImportPlan, Actor, datetime], RowResult]


def _take_one(
    session: Session, work: RowImporter, plan: ImportPlan, asked: RowRequest, actor: Actor, now: datetime
) -> RowResult:
    try:
        return work(session, asked, plan, actor, now)
    except DomainError as refusal:
        return RefusedRow([_remedied(problem) for problem in refusal.problems])


def _remedied(problem: Problem) -> Problem:
    updatable = problem.code == "id_conflict" and "exists already" in problem.message
    return replace(problem, message=f"{problem.message} {UPDATE}") if updatable else problem


def _named(operations: Any, model: Any, own: Any) -> RowImporter:
    """Customers and services are created the same way, and changed, where that was chosen, when they exist and differ."""

    def work(session: Session, asked: RowRequest, plan: ImportPlan, actor: Actor, now: datetime) -> RowResult:
        id, archived = asked.beside
        try:
            row, created = operations.create(session, asked.spec, id, actor, now)
        except Conflict as refusal:
            if not plan.update or refusal.code != "id_conflict":
                raise
            row = session.scalars(select(model).where(own == asked.key if id is None else model.id == id)).one()
            before, created = row.version, False
            row = operations.update(session, row.id, asked.spec, None, actor, now)
            changed = row.version != before
        else:
            changed = False
        outcome = Outcome.NEW if created else Outcome.CHANGED if changed else Outcome.UNCHANGED
        moved = _move(session, operations, row, archived, created or plan.update, actor, now)
        return AcceptedRow(Outcome.CHANGED if moved and not created else outcome)

    return work


def _move(
    session: Session, operations: Any, row: Any, wanted: bool | None, allowed: bool, actor: Actor, now: datetime
) -> bool:
    """Take it out of use, or bring it back, where the file says so."""
    if wanted is None or wanted == (row.archived_at is not None):
        return False
    if not allowed:
        said = (
            "is archived here, and not in the file" if row.archived_at else "is in use here, and archived in the file"
        )
        raise Conflict("id_conflict", f"This exists already, and {said}.", "archived")
    move = operations.archive if wanted else operations.restore
    moved: bool = move(session, row.id, actor, now)
    return moved


def _payment(session: Session, asked: RowRequest, _plan: ImportPlan, actor: Actor, now: datetime) -> RowResult:
    recorded = payments.record(session, asked.spec, actor, now)
    currency = session.scalars(select(Payment.currency).where(Payment.id == recorded.id)).one()
    return AcceptedRow(Outcome.NEW if recorded.created else Outcome.UNCHANGED, currency, asked.spec.amount)


_ONE: Final[Mapping[str, RowImporter]] = {
    "customers": _named(customers, Customer, Customer.reference),
    "services": _named(services, Service, Service.code),
    "payments": _payment,
}
