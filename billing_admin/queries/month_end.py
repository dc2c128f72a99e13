"""The month end: the figures of its steps, each from the query of its list."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from billing_admin.domain.month_end import Source, Step, StepName, StepSum, covers_month, runs_are_done
from billing_admin.domain.receivable_trends import Month
from billing_admin.models import ApiToken, AuditEvent, BillingRun, Charge, EndedSource, Import, RecurringCharge
from billing_admin.models.audit import is_export
from billing_admin.queries import work_queue
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.billing.runs import run_totals
from billing_admin.queries.charges import unbilled
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.charges.unbilled import UnbilledFilter
from billing_admin.queries.invoices.currency_totals import CurrencyTotal
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.organisation import day_of, organisation, start_of_day
from billing_admin.queries.work_queue import Work

PREVIEWED_CHARGES: Final = 5_000  # more pending charges take too long for a page; the billing run previews them
ARRIVAL_DAYS: Final = timedelta(2)  # before the last use of a token, in which its last charges are searched


@dataclass(frozen=True, slots=True)
class MonthRun:
    """A billing run of the month, with the sums of its documents."""

    id: UUID
    state: str
    created_at: datetime
    through: date
    totals: Sequence[CurrencyTotal]


@dataclass(frozen=True, slots=True)
class RunPreview:
    """The run that would bill the month now.

    `left_out` counts the charges that it would leave out, by reason.
    """

    totals: Sequence[CurrencyTotal]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class JournalExport:
    """The last export of the journal that holds the month."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """The steps of a month, in their order, and what their rows are.

    `preview` is None if there are too many unbilled charges to preview them on a page; then the steps of charges count those
    of any day.
    """

    month: Month
    steps: Sequence[Step]
    sources: Sequence[Source]
    preview: RunPreview | None
    runs: Sequence[MonthRun]
    journal: JournalExport | None
    locked_through: date | None

    @property
    def done(self) -> int:
        """The number of steps that are done."""
        return sum(step.done for step in self.steps)


def month_end(session: Session, month: Month, now: datetime) -> MonthEnd:
    """Return the steps of a month, computed from the data of this moment."""
    settings = organisation(session)
    zone, today = settings.time_zone, day_of(now, settings.time_zone)
    sources = charge_sources(session, zone)
    pending, held, run_preview = _unbilled(session, month)
    runs = _runs(session, month)
    journal = _journal_export(session, month)
    locked_through = settings.locked_through
    documents = sum(total.invoices for total in run_preview.totals) if run_preview else pending.count
    last_day = month.last if run_preview else None
    waiting = {
        "likely_duplicates": work_queue.charge_work(session, ChargeFilter(likely_duplicates=True, to=last_day)),
        "held": held,
        "recurring": work_queue.due_work(session, min(month.last, today)),
        "drafts": work_queue.invoice_work(session, InvoiceFilter(today, status="draft")),
        "unsent": work_queue.invoice_work(session, InvoiceFilter(today, issued_from=month.first, sent=False)),
        "unallocated": work_queue.unallocated_work(session, today),
    }
    late = sum(source.is_expected and not source.has_delivered(month) for source in sources)
    done_runs = [run for run in runs if run.state == "done"]
    steps = [
        Step("sources", not late and (bool(sources) or _has_charges(session, month)), late),
        _step("likely_duplicates", waiting["likely_duplicates"]),
        _step("held", waiting["held"]),
        _step("recurring", waiting["recurring"]),
        Step("unbilled", documents == 0, pending.count, _sums(pending)),
        Step("runs", runs_are_done([run.state for run in runs], documents), len(done_runs)),
        _step("drafts", waiting["drafts"]),
        _step("unsent", waiting["unsent"]),
        _step("unallocated", waiting["unallocated"]),
        Step("journal", journal is not None, int(journal is not None)),
        Step("lock", locked_through is not None and locked_through >= month.last, 0),
    ]
    return MonthEnd(month, steps, sources, run_preview, runs, journal, locked_through)


def _has_charges(session: Session, month: Month) -> bool:
    """Return whether there are charges of a month.

    Without a source, people entered them, and no other charges are expected.
    """
    # Those of a month are among the newest; their days have no index of their own.
    query = select(Charge.id).where(Charge.incurred_on.between(month.first, month.last))
    query = query.order_by(Charge.created_at.desc(), Charge.incurred_on.desc(), Charge.id.desc()).limit(1)
    return session.scalar(query) is not None


def _step(name: StepName, work: Work) -> Step:
    return Step(name, work.count == 0, work.count, _sums(work))


def _sums(work: Work) -> list[StepSum]:
    return [StepSum(row.currency, row.count, row.amount) for row in work.sums]


def charge_sources(session: Session, time_zone: str) -> list[Source]:
    """Return the API tokens, imports and recurring charges that deliver charges.

    Revoked tokens, and those that never delivered, are omitted.
    """
    ended = {row.id: row.ended_at for row in session.scalars(select(EndedSource))}
    sources = [*_token_sources(session, time_zone), *_import_source(session, time_zone), *_recurring_source(session)]
    return [replace(source, ended_at=ended.get(source.id)) if source.id else source for source in sources]


def _token_sources(session: Session, time_zone: str) -> list[Source]:
    """Return the tokens with their last charges.

    They are searched in the days before the last use.
    """
    sources = []
    query = select(ApiToken).where(ApiToken.revoked_at.is_(None), ApiToken.last_used_at.is_not(None))
    for token in session.scalars(query.order_by(ApiToken.name, ApiToken.id)):
        if "charges:write" not in token.scopes or token.last_used_at is None:
            continue
        around = AuditEvent.at.between(token.last_used_at - ARRIVAL_DAYS, token.last_used_at + ARRIVAL_DAYS)
        arrival = (
            select(AuditEvent.at, AuditEvent.details)
            .where(around, AuditEvent.actor_id == token.id, AuditEvent.action == "charge.posted")
            .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
            .limit(1)
        )
        row = session.execute(arrival).one_or_none()
        if row is not None:
            sources.append(_source("token", token.id, token.name, row.at, time_zone, row.details.get("charges")))
    return sources


def _import_source(session: Session, time_zone: str) -> list[Source]:
    query = (
        select(Import.id, Import.file_name, Import.finished_at, Import.done)
        .where(Import.kind == "charges", Import.state == "done")
        .order_by(Import.created_at.desc(), Import.id.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return [] if row is None else [_source("import", row.id, row.file_name, row.finished_at, time_zone, row.done)]


def _recurring_source(session: Session) -> list[Source]:
    """Return the recurring charges with the last day that was posted."""
    row = RecurringCharge
    is_active = row.paused_on.is_(None) & or_(row.ends_on.is_(None), row.posted_through.is_(None))
    posted = session.scalar(select(func.max(row.posted_through)).where(is_active))
    return [] if posted is None else [Source("recurring", "", posted)]


def _source(kind: str, id: UUID, name: str, at: datetime | None, time_zone: str, charges: int | None) -> Source:
    last = None if at is None else at.astimezone(ZoneInfo(time_zone)).date()
    return Source(kind, name, last, at, charges, id)


def _unbilled(session: Session, month: Month) -> tuple[Work, Work, RunPreview | None]:
    """Return pending and held charges up to the last day, and the preview of a run.

    Of many charges, those of any day are returned, which the accounts have stored, and no preview.
    """
    pending, held = work_queue.unbilled_work(unbilled.unbilled_totals(session))
    if pending.count + held.count > PREVIEWED_CHARGES:
        return pending, held, None
    totals = unbilled.unbilled_totals(session, UnbilledFilter(through=month.last))
    pending, held = work_queue.unbilled_work(totals)
    planned = preview(session, BillingScope(month.last))
    left_out: Counter[str] = Counter()
    for row in planned.left_out:
        left_out[row.reason] += row.charges
    return pending, held, RunPreview(planned.totals, dict(left_out))


def _runs(session: Session, month: Month) -> list[MonthRun]:
    query = (
        select(BillingRun)
        .where(BillingRun.through >= month.first, BillingRun.through <= month.last)
        .order_by(BillingRun.created_at.desc(), BillingRun.id.desc())
        .limit(20)
    )
    rows = session.scalars(query).all()
    totals = run_totals(session, {run.id for run in rows})
    return [MonthRun(run.id, run.state, run.created_at, run.through, totals.get(run.id, [])) for run in rows]


def _journal_export(session: Session, month: Month) -> JournalExport | None:
    """Return the last export of a journal that holds the whole month.

    Exports before the last day of the month do not count.
    """
    query = (
        select(AuditEvent.at, AuditEvent.actor_name, AuditEvent.details)
        .where(is_export(), AuditEvent.at >= start_of_day(session, month.last))
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    )
    for at, name, details in session.execute(query):
        filters = details.get("filters") or {}
        if details.get("kind") == "journal" and covers_month(filters.get("from"), filters.get("to"), month):
            return JournalExport(at, name)
    return None
