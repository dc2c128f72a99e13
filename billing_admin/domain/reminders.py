"""Reminders of overdue invoices: levels, pauses, and the plan of a reminder run.

A customer gets one message for each currency, with all its invoices that are due for their next level.
`docs/mail.md` has the rules.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from billing_admin.domain.charges import AccountKey
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.formatting import format_day
from billing_admin.domain.messages import Recipient
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.domain.translation import Phrase

LEVELS: Final = (1, 2, 3)
LAST_LEVEL: Final = LEVELS[-1]
MAX_LEVEL_DAYS: Final = 365
DAILY_HOUR: Final = 9  # of the organisation: people have looked at the payments of the day before by then
_DAILY_RUNS: Final = UUID("6f1f8f0e-9b1e-5a53-9a43-3f0a6c2f7d11")  # never changes: the ids of daily runs derive from it

# Why an invoice that is due for a reminder gets none. The keys are part of the API.
ARCHIVED: Final = "archived"
CUSTOMER_PAUSED: Final = "customer_paused"
INVOICE_PAUSED: Final = "invoice_paused"
COVERED: Final = "covered_by_credit"
WAITING: Final = "message_waiting"
FAILED: Final = "message_failed"
UNCERTAIN: Final = "message_uncertain"
BOUNCED: Final = "message_bounced"
REMINDED: Final = "reminded_recently"
NO_RECIPIENT: Final = "no_recipient"
SKIPPED: Final = "skipped"
NEXT_RUN: Final = "next_run"
CHANGED: Final = "changed"
NOT_MADE: Final = "not_made"
REASONS: Final[Mapping[str, str]] = {
    ARCHIVED: Phrase("The customer is archived"),
    CUSTOMER_PAUSED: Phrase("Reminders of the customer are paused"),
    INVOICE_PAUSED: Phrase("Reminders of the invoice are paused"),
    COVERED: Phrase("Unallocated credit covers it"),
    WAITING: Phrase("A reminder is waiting in the outbox"),
    FAILED: Phrase("The last reminder failed"),
    UNCERTAIN: Phrase("It is uncertain whether the last reminder was sent"),
    BOUNCED: Phrase("The last reminder bounced"),
    REMINDED: Phrase("The customer was reminded a few days ago"),
    NO_RECIPIENT: Phrase("No contact gets reminders"),
    SKIPPED: Phrase("Left out by hand"),
    NEXT_RUN: Phrase("Left for the next run, as this one is full"),
    CHANGED: Phrase("Left for the next run, as the reminder changed during this one"),
    NOT_MADE: Phrase("The letter or the text could not be made"),
}


@dataclass(frozen=True, slots=True)
class ReminderLevel:
    """The days after which a level is due, and its attachments.

    It is due `days_after_due` days after the due date, and at least `least_days` days after the customer was last reminded.
    """

    days_after_due: int
    least_days: int = 7
    attaches_documents: bool = True
    attaches_statement: bool = False


DEFAULT_LEVELS: Final = (ReminderLevel(3), ReminderLevel(14), ReminderLevel(28, attaches_statement=True))


def check_levels(levels: Sequence[ReminderLevel], name: str = "levels") -> tuple[ReminderLevel, ...]:
    """Return the three levels.

    Raises:
        Invalid: A number of days is out of range, or a level is due before the one below it.
    """
    if len(levels) != len(LEVELS):
        raise Invalid("wrong_number", Phrase("Give {levels_count} levels.", levels_count=len(LEVELS)), name)
    problems: list[Problem] = []
    for index, level in enumerate(levels):
        for column in ("days_after_due", "least_days"):
            if not 1 <= getattr(level, column) <= MAX_LEVEL_DAYS:
                message = Phrase("Use 1 to {max_level_days} days.", max_level_days=MAX_LEVEL_DAYS)
                problems.append(Problem("out_of_range", message, (name, index, column)))
        if index and level.days_after_due <= levels[index - 1].days_after_due:
            message = Phrase(
                "Use more days than level {index} has, which are {days_after_due}.",
                index=index,
                days_after_due=levels[index - 1].days_after_due,
            )
            problems.append(Problem("out_of_order", message, (name, index, "days_after_due")))
    if problems:
        raise Invalid.of(problems)
    return tuple(levels)


def levels_to_json(levels: Iterable[ReminderLevel]) -> list[dict[str, Any]]:
    """Return levels as they are stored."""
    return [asdict(level) for level in levels]


def levels_from_json(rows: Iterable[Mapping[str, Any]]) -> tuple[ReminderLevel, ...]:
    """Return stored levels."""
    names = [column.name for column in fields(ReminderLevel)]
    return tuple(ReminderLevel(**{name: row[name] for name in names}) for row in rows)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of reminders: there are none up to and including the day `through`."""

    through: date
    reason: str


def check_pause(pause: Pause, today: date) -> Pause:
    """Return a pause.

    Raises:
        Invalid: The last day is before today, or there is no reason.
    """
    check_calendar_day(pause.through, "through")
    if pause.through < today:
        raise Invalid(
            "out_of_range", Phrase("Use today or a later day. To end the pause, resume reminders."), "through"
        )
    check_not_blank(pause.reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    return pause


def is_paused(pause: Pause | None, day: date) -> bool:
    """Return whether a pause includes a day."""
    return pause is not None and day <= pause.through


@dataclass(frozen=True, slots=True)
class OverdueInvoice:
    """An open invoice after its due date.

    `level` is that of its last reminder that was sent and did not bounce, or 0. `held` is the reason for which a message
    for the next level holds it: it failed, bounced or is uncertain, and nobody has decided about it. `open_amount` is in
    minor units.
    """

    id: UUID
    number: str
    issue_date: date
    due_date: date
    open_amount: int
    level: int = 0
    held: str = ""
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class RemindedAccount:
    """A customer with overdue invoices in one currency.

    `credit` is the customer's unallocated money in minor units. `reminded_on` is the day of the last reminder, by a
    message that was sent or may have been. `has_unfinished` means that a reminder waits in the outbox.
    """

    customer_id: UUID
    reference: str
    name: str
    currency: str
    invoices: Sequence[OverdueInvoice]
    recipients: Sequence[Recipient] = ()
    credit: int = 0
    reminded_on: date | None = None
    has_unfinished: bool = False
    is_archived: bool = False
    pause: Pause | None = None

    @property
    def key(self) -> AccountKey:
        """The account's customer and currency."""
        return self.customer_id, self.currency


@dataclass(frozen=True, slots=True)
class NextReminder:
    """The next level of an invoice, and the first day on which it is due."""

    level: int
    day: date


def next_reminder(
    invoice: OverdueInvoice, reminded_on: date | None, levels: Sequence[ReminderLevel]
) -> NextReminder | None:
    """Return the next reminder of an invoice, or None after the last level.

    A level is never skipped. `reminded_on` is the day of the customer's last reminder.
    """
    if invoice.level >= LAST_LEVEL:
        return None
    level = levels[invoice.level]
    day = invoice.due_date + timedelta(level.days_after_due)
    if reminded_on is not None:
        day = max(day, reminded_on + timedelta(level.least_days))
    return NextReminder(invoice.level + 1, day)


@dataclass(frozen=True, slots=True)
class ReminderItem:
    """An invoice with the level at which it is reminded of."""

    invoice: OverdueInvoice
    level: int
    days_overdue: int


@dataclass(frozen=True, slots=True)
class PlannedReminder:
    """One message to a customer about its invoices in one currency."""

    account: RemindedAccount
    items: Sequence[ReminderItem]
    levels: Sequence[ReminderLevel]

    @property
    def level(self) -> int:
        """The level of the letter: the highest of its invoices."""
        return max(item.level for item in self.items)

    @property
    def settings(self) -> ReminderLevel:
        """The settings of the letter's level."""
        return self.levels[self.level - 1]

    @property
    def open_amount(self) -> int:
        """The sum that is due, in minor units."""
        return sum(item.invoice.open_amount for item in self.items)

    @property
    def days_overdue(self) -> int:
        """The days since the oldest due date."""
        return max(item.days_overdue for item in self.items)

    def digest(self) -> str:
        """Return a hash that changes with all that a person confirms."""
        recipients = [[recipient.kind, recipient.address] for recipient in self.account.recipients]
        items = [[str(item.invoice.id), item.level, item.invoice.open_amount] for item in self.items]
        attachments = [self.settings.attaches_documents, self.settings.attaches_statement]
        return hash_data([str(self.account.customer_id), self.account.currency, items, recipients, attachments])


@dataclass(frozen=True, slots=True)
class LeftOutInvoice:
    """An invoice that is due for a level and gets no reminder.

    `day` belongs to the reason: the last day of a pause, or the day of the last reminder. `note` is the reason of a pause.
    """

    account: RemindedAccount
    invoice: OverdueInvoice
    level: int
    reason: str
    day: date | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReminderPlan:
    """The reminders of a day, and the invoices that are left out with the reasons."""

    day: date
    reminders: Sequence[PlannedReminder] = ()
    left_out: Sequence[LeftOutInvoice] = ()

    def digest(self) -> str:
        """Return a hash that changes with any of the reminders."""
        return hash_data([reminder.digest() for reminder in self.reminders])


def describe_reason(reason: str, day: date | None, note: str) -> str:
    """Return the reason for which an invoice is left out, as a text."""
    if day is None:
        return REASONS[reason]
    if reason == REMINDED:
        return Phrase("The customer was reminded on {day}", day=format_day(day))
    text = f"{REASONS[reason]} through {format_day(day)}"
    return f"{text}: {note}" if note else text


@dataclass(frozen=True, slots=True)
class InvoiceReminder:
    """A reminder of an invoice, by a message.

    `is_first` is false for a message that repeats another one, and for a first one whose repeat was dropped: a new
    reminder of the level is then due.
    """

    message_id: UUID
    level: int
    state: str
    at: datetime
    is_first: bool = True
    bounced: bool = False


def reached_level(reminders: Sequence[InvoiceReminder]) -> tuple[int, str]:
    """Return the reached level of an invoice, and why a message holds the next one.

    A level is reached when the customer has its reminder. `reminders` are in their order.
    """
    level = max((row.level for row in reminders if row.state == "sent" and not row.bounced), default=0)
    reasons = {"failed": FAILED, "uncertain": UNCERTAIN, "sent": BOUNCED}
    undelivered = [row for row in reminders if row.level > level and row.state in reasons]
    if not any(row.is_first for row in undelivered):
        return level, ""
    return level, reasons[undelivered[-1].state]


@dataclass(frozen=True, slots=True)
class ReminderDocument:
    """An invoice of a reminder directly before it is sent.

    Amounts are in minor units; `reminded_amount` is the one in the letter, or None if it is not known. `is_covered` means
    that unallocated credit covers the invoice.
    """

    number: str
    open_amount: int
    reminded_amount: int | None
    pause: Pause | None
    is_covered: bool = False


def stop_reason(documents: Iterable[ReminderDocument], customer_pause: Pause | None, day: date) -> str | None:
    """Return why a waiting reminder is not sent after all, or None if it is.

    If one of its amounts has changed, the letter and its sum are wrong, and the next run makes a correct one.
    """
    if customer_pause is not None and is_paused(customer_pause, day):
        return Phrase(
            "Reminders of the customer were paused through {through}.", through=format_day(customer_pause.through)
        )
    for document in documents:
        if document.pause is not None and is_paused(document.pause, day):
            return Phrase(
                "Reminders of {document_number} were paused through {through}.",
                document_number=document.number,
                through=format_day(document.pause.through),
            )
        if document.reminded_amount not in {None, document.open_amount}:
            return Phrase("The open amount of {document_number} has changed.", document_number=document.number)
        if document.is_covered:
            return Phrase("Unallocated credit covers {document_number}.", document_number=document.number)
    return None


@dataclass(slots=True)
class _Decisions:
    """The decisions on the invoices of an account."""

    items: list[ReminderItem] = field(default_factory=list)
    left_out: list[LeftOutInvoice] = field(default_factory=list)


def plan_reminders(
    accounts: Iterable[RemindedAccount], levels: Sequence[ReminderLevel], day: date, most: int | None = None
) -> ReminderPlan:
    """Return the reminders of a day, by customer reference and currency.

    Invoices that are not due for their next level are in neither list. After `most` reminders, the others are left for
    the next run.
    """
    reminders: list[PlannedReminder] = []
    left_out: list[LeftOutInvoice] = []
    for account in sorted(accounts, key=lambda account: (account.reference, account.currency)):
        decisions = _decide(account, levels, day)
        left_out += decisions.left_out
        if not decisions.items:
            continue
        if most is not None and len(reminders) >= most:
            left_out += [LeftOutInvoice(account, item.invoice, item.level, NEXT_RUN) for item in decisions.items]
        else:
            reminders.append(PlannedReminder(account, tuple(decisions.items), levels))
    return ReminderPlan(day, tuple(reminders), tuple(left_out))


def _decide(account: RemindedAccount, levels: Sequence[ReminderLevel], day: date) -> _Decisions:
    decisions = _Decisions()
    for invoice, is_covered in _with_coverage(account):
        if invoice.level >= LAST_LEVEL:
            continue
        level, days_overdue = levels[invoice.level], (day - invoice.due_date).days
        if days_overdue < level.days_after_due:
            continue
        reason = _reason(account, invoice, level, day, is_covered=is_covered)
        if reason is None:
            decisions.items.append(ReminderItem(invoice, invoice.level + 1, days_overdue))
        else:
            decisions.left_out.append(LeftOutInvoice(account, invoice, invoice.level + 1, *reason))
    return decisions


def _with_coverage(account: RemindedAccount) -> Iterator[tuple[OverdueInvoice, bool]]:
    """Yield each invoice, oldest due date first, and whether credit covers it."""
    credit = account.credit
    for invoice in sorted(account.invoices, key=lambda invoice: (invoice.due_date, invoice.number)):
        yield invoice, invoice.open_amount <= credit
        credit = max(0, credit - invoice.open_amount)


def covered_invoices(account: RemindedAccount) -> set[UUID]:
    """Return the invoices of an account that its unallocated credit covers."""
    return {invoice.id for invoice, is_covered in _with_coverage(account) if is_covered}


def _reason(
    account: RemindedAccount, invoice: OverdueInvoice, level: ReminderLevel, day: date, *, is_covered: bool
) -> tuple[str, date | None, str] | None:
    """Return the reason to leave an invoice out, with its day and note."""
    if account.is_archived:
        return ARCHIVED, None, ""
    for reason, pause in ((CUSTOMER_PAUSED, account.pause), (INVOICE_PAUSED, invoice.pause)):
        if pause is not None and is_paused(pause, day):
            return reason, pause.through, pause.reason
    reminded_on = account.reminded_on
    reasons = (
        (is_covered, COVERED, None),
        (account.has_unfinished, WAITING, None),
        (bool(invoice.held), invoice.held, None),
        (reminded_on is not None and (day - reminded_on).days < level.least_days, REMINDED, reminded_on),
        (not account.recipients, NO_RECIPIENT, None),
    )
    return next(((reason, reason_day, "") for applies, reason, reason_day in reasons if applies), None)


def skip_invoices(plan: ReminderPlan, skipped: Collection[UUID]) -> ReminderPlan:
    """Return a plan without the invoices that a person left out; they are named."""
    reminders: list[PlannedReminder] = []
    left_out = list(plan.left_out)
    for reminder in plan.reminders:
        items = tuple(item for item in reminder.items if item.invoice.id not in skipped)
        if items:
            reminders.append(replace(reminder, items=items))
        left_out += [
            LeftOutInvoice(reminder.account, item.invoice, item.level, SKIPPED)
            for item in reminder.items
            if item.invoice.id in skipped
        ]
    return replace(plan, reminders=tuple(reminders), left_out=tuple(left_out))


def leave_out(plan: ReminderPlan, reasons: Mapping[str, str]) -> ReminderPlan:
    """Return a plan without the reminders of some digests, each with the reason."""
    left_out = [
        LeftOutInvoice(reminder.account, item.invoice, item.level, reasons[digest])
        for reminder in plan.reminders
        if (digest := reminder.digest()) in reasons
        for item in reminder.items
    ]
    reminders = tuple(reminder for reminder in plan.reminders if reminder.digest() not in reasons)
    return replace(plan, reminders=reminders, left_out=(*plan.left_out, *left_out))


def is_daily_due(from_day: date | None, local: datetime) -> bool:
    """Return whether daily reminders are due at a local time.

    `from_day` is the first day on which they may be, if there is one.
    """
    return local.hour >= DAILY_HOUR and (from_day is None or local.date() >= from_day)


def daily_run_id(day: date, part: int) -> UUID:
    """Return the id of the daily run of a day; a full run is followed by another part."""
    return uuid5(_DAILY_RUNS, f"{day.isoformat()}:{part}")


def count_by_level(plan: ReminderPlan) -> dict[tuple[str, int], tuple[int, int]]:
    """Return number and sum of the invoices to remind of, by currency and level."""
    counts: dict[tuple[str, int], tuple[int, int]] = {}
    for reminder in plan.reminders:
        for item in reminder.items:
            key = reminder.account.currency, item.level
            count, amount = counts.get(key, (0, 0))
            counts[key] = count + 1, amount + item.invoice.open_amount
    return dict(sorted(counts.items()))
