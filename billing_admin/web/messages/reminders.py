"""Pages of reminders: those that are due, preview, confirmation and result."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.background import wake_worker
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.formatting import format_money
from billing_admin.domain.messages import COUNTS_AS_SENT, UNFINISHED
from billing_admin.domain.reminders import (
    COVERED,
    CUSTOMER_PAUSED,
    FAILED,
    INVOICE_PAUSED,
    NO_RECIPIENT,
    REASONS,
    WAITING,
    LeftOutInvoice,
    PlannedReminder,
    ReminderPlan,
    count_by_level,
    describe_reason,
)
from billing_admin.domain.translation import Phrase, phrase_from, plural
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import unrecorded_attachment
from billing_admin.operations.invoices.e_invoices import PDF
from billing_admin.operations.invoices.letters import print_letter
from billing_admin.operations.messages import reminder_runs as operations
from billing_admin.operations.messages.outbox import NewMessage
from billing_admin.operations.messages.reminder_messages import ReminderMessages, count_attached
from billing_admin.operations.messages.reminder_runs import ReminderPreview, ReminderRunSpec
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages import reminders as queries
from billing_admin.queries.work_queue import invoice_work
from billing_admin.web.frame.forms import Form, NewIdField, add_errors, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import REMINDER_NAMES
from billing_admin.web.frame.list_params import currency_param, has_permission, name_params
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.system_lists import REMINDER_RUNS
from billing_admin.web.frame.tables import load_table
from billing_admin.web.messages.sending_plans import mail_on, may_send

WRITE = "reminders:write"
MAX_ROWS = 500  # of invoices left out that a page shows
MAX_PLANNED = 1_000  # overdue invoices whose reminders the first page counts; more of them take too long for it

pages = page_blueprint("reminders", __name__, "/reminders", write=WRITE)


class ConfirmForm(Form):
    """Confirmation of a preview.

    `id` is that of the new run; `digest` identifies the preview that was shown, and `shown` its reminders.
    """

    id = NewIdField()
    digest = HiddenField()
    shown = HiddenField()


@dataclass(frozen=True, slots=True)
class ShownExclusion:
    """An invoice that gets no reminder, with the reason and a link to change that."""

    customer_id: UUID
    customer_name: str
    invoice_id: UUID
    invoice_number: str
    currency: str
    level: int
    open_amount: int
    reason: str
    link: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Changes:
    """The customers whose reminders differ from a preview that was shown."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


@pages.get("")
def index() -> ResponseReturnValue:
    """Show the reminders that are due by level, and the runs so far.

    With very many overdue invoices, these are counted instead; the preview has the reminders.
    """
    session = db.session()
    overdue = invoice_work(session, InvoiceFilter(today(), status="overdue"))
    is_planned = overdue.count <= MAX_PLANNED
    plan = operations.preview_reminders(session, ReminderRunSpec(), now()).plan if is_planned else ReminderPlan(today())
    return render_template(
        "reminders/list.html",
        counts=count_by_level(plan),
        overdue=[] if is_planned else overdue.sums,
        names=REMINDER_NAMES,
        reminders=len(plan.reminders),
        exclusions=[(REASONS[reason], count) for reason, count in Counter(row.reason for row in plan.left_out).items()],
        is_daily=organisation(session).daily_reminders,
        page=load_table(queries.reminder_runs(), REMINDER_RUNS),
        mail_on=mail_on(),
        may_write=has_permission(WRITE),
        may_set=has_permission("settings:write"),
    )


@pages.get("/preview")
def preview() -> ResponseReturnValue:
    """Show the reminders that a run would send, and the invoices it would leave out.

    Writes nothing.
    """
    try:
        shown = operations.preview_reminders(db.session(), _spec_from_url(), now())
    except Invalid as error:
        flash(error.message, "danger")
        return redirect(url_for("reminders.index"), 303)
    return _render_preview(shown, ConfirmForm(formdata=None))


@pages.get("/preview/<uuid:customer_id>")
def preview_message(customer_id: UUID) -> ResponseReturnValue:
    """Show the message of a reminder that is due, as it would be sent now."""
    currency, message = currency_param(), _planned_message(customer_id)
    names = [letter.name for letter in message.letters]
    urls = [
        url_for("reminders.preview_file", customer_id=customer_id, currency=currency, position=position)
        for position in range(1, len(names) + 1)
    ]
    urls += [url_for("invoices.download_pdf", id=attachment.invoice_id) for attachment in message.attachments]
    names += [attachment.name for attachment in message.attachments]
    return render_template(
        "reminders/message.html",
        message=message,
        customer=load_customers(db.session(), [customer_id])[customer_id],
        attachments=list(zip(names, urls, strict=True)),
    )


@pages.get("/preview/<uuid:customer_id>/<int:position>.pdf")
def preview_file(customer_id: UUID, position: int) -> ResponseReturnValue:
    """Send a letter of a reminder that is due, as it would be sent now."""
    letters = _planned_message(customer_id).letters
    if not 1 <= position <= len(letters):
        raise NotFound(
            "unknown_attachment", Phrase("The reminder has no letter {position}.", position=position), "position"
        )
    letter = letters[position - 1]
    pdf = print_letter(db.session(), letter.contents, load_glyphs(_settings().fonts), now())
    return unrecorded_attachment(pdf, letter.name, PDF)


def _planned_message(customer_id: UUID) -> NewMessage:
    """Return the message of the reminder that is due for a customer.

    Its currency is that in the URL.

    Raises:
        NotFound: No reminder is due.
    """
    spec = ReminderRunSpec(customers=(str(customer_id),), currency=currency_param() or None)
    reminders = operations.preview_reminders(db.session(), spec, now()).plan.reminders
    if not reminders:
        raise NotFound(
            "not_due",
            Phrase("No reminder is due for this customer. It may have changed since the preview."),
            "customer",
        )
    return ReminderMessages(db.session(), reminders, now()).make(reminders[0])


@pages.post("/preview", provide_automatic_options=False)  # `preview` answers OPTIONS at this URL
def confirm() -> ResponseReturnValue:
    """Send the reminders if the preview is still the one that was shown.

    Otherwise show the new preview, with the differences.
    """
    session, form, spec = db.session(), ConfirmForm(), _spec_from_url()
    shown = operations.preview_reminders(session, spec, now())
    if not form.validate():
        return _render_preview(shown, form)
    without = tuple(sorted(str(id) for id in _left_out_ids(shown)))
    confirmed = replace(spec, id=form.id.data, confirmed=form.digest.data or "", without_invoices=without)
    try:
        run_id, is_new = operations.run_reminders(transaction, session, confirmed, may_send(), actor(), now())
    except DomainError as error:
        return _show_refusal(spec, form, error)
    wake_worker()
    if is_new:
        flash(_describe_result(run_id), "success")
    return redirect(url_for("reminders.show", id=run_id), 303)


def _show_refusal(spec: ReminderRunSpec, form: ConfirmForm, error: DomainError) -> ResponseReturnValue:
    """Show the preview of now after an error, with what has changed."""
    if isinstance(error, Conflict) and error.code == "id_conflict":
        form.id.data = uuid4()
    add_errors(form, error)
    preview = operations.preview_reminders(db.session(), spec, now())
    return _render_preview(preview, form, _find_changes(form.shown.data or "", preview.plan.reminders))


def _render_preview(preview: ReminderPreview, form: ConfirmForm, changes: Changes | None = None) -> ResponseReturnValue:
    reminders = preview.plan.reminders
    form.digest.data, form.shown.data = preview.digest, _shown_text(reminders)
    return render_form(
        "reminders/preview.html",
        form,
        day=preview.plan.day,
        reminders=reminders,
        names=REMINDER_NAMES,
        sums=_sums((reminder.account.currency, reminder.open_amount) for reminder in reminders),
        exclusions=[_shown_exclusion(row) for row in preview.plan.left_out[:MAX_ROWS]],
        left_out=len(preview.plan.left_out),
        ticked=set(request.form.getlist("leave_out")),
        ticked_accounts=set(request.form.getlist("leave_out_account")),
        changes=changes,
        attached=count_attached(db.session(), reminders),
        confirm_url=url_for("reminders.confirm", **_url_params()),
        mail_on=mail_on(),
        may_write=has_permission(WRITE),
    )


def _spec_from_url() -> ReminderRunSpec:
    return ReminderRunSpec(customers=tuple(name_params("customer")) or None, currency=currency_param() or None)


def _url_params() -> dict[str, Any]:
    return {"customer": name_params("customer") or None, "currency": currency_param() or None}


def _left_out_ids(preview: ReminderPreview) -> set[UUID]:
    """Return the invoices that the person left out, alone or with all of a customer."""
    ticked, accounts = set(request.form.getlist("leave_out")), set(request.form.getlist("leave_out_account"))
    return {
        item.invoice.id
        for reminder in preview.plan.reminders
        for item in reminder.items
        if str(item.invoice.id) in ticked or _account_text(reminder) in accounts
    }


def _account_text(reminder: PlannedReminder) -> str:
    return f"{reminder.account.customer_id}:{reminder.account.currency}"


def _shown_text(reminders: Iterable[PlannedReminder]) -> str:
    """Return the accounts with the starts of their digests.

    A later preview is compared with them.
    """
    return " ".join(f"{_account_text(reminder)}:{reminder.digest()[:8]}" for reminder in reminders)


def _find_changes(shown: str, reminders: Sequence[PlannedReminder]) -> Changes:
    before = dict(part.rsplit(":", 1) for part in shown.split() if part.count(":") == 2)
    current = {_account_text(reminder): reminder for reminder in reminders}
    ids = [UUID(account.partition(":")[0]) for account in before.keys() - current.keys() if _is_account(account)]
    return Changes(
        added=[reminder.account.name for account, reminder in current.items() if account not in before],
        changed=[
            reminder.account.name
            for account, reminder in current.items()
            if account in before and before[account] != reminder.digest()[:8]
        ],
        removed=sorted(row.name for row in load_customers(db.session(), ids).values()),
    )


def _is_account(text: str) -> bool:
    try:
        UUID(text.partition(":")[0])
    except ValueError:
        return False
    return True


def _sums(amounts: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    """Return the sums of amounts per currency."""
    sums: Counter[str] = Counter()
    for currency, amount in amounts:
        sums[currency] += amount
    return dict(sorted(sums.items()))


def _shown_exclusion(row: LeftOutInvoice) -> ShownExclusion:
    account = row.account
    return ShownExclusion(
        customer_id=account.customer_id,
        customer_name=account.name,
        invoice_id=row.invoice.id,
        invoice_number=row.invoice.number,
        currency=account.currency,
        level=row.level,
        open_amount=row.invoice.open_amount,
        reason=describe_reason(row.reason, row.day, row.note),
        link=_link(row.reason, account.customer_id, account.reference, row.invoice.id),
    )


def _stored_exclusion(row: Any) -> ShownExclusion:
    return ShownExclusion(
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        invoice_id=row.invoice_id,
        invoice_number=row.invoice_number,
        currency=row.currency,
        level=row.level,
        open_amount=row.open_amount,
        reason=describe_reason(row.reason, row.day, row.note),
        link=_link(row.reason, row.customer_id, row.customer_reference, row.invoice_id),
    )


def _link(reason: str, customer_id: UUID, reference: str, invoice_id: UUID) -> tuple[str, str] | None:
    """Return the label and the URL of the page on which a person changes the reason."""
    pages_by_reason: Mapping[str, tuple[str, str, dict[str, Any]]] = {
        NO_RECIPIENT: (Phrase("Add contact"), "contacts.new", {"customer_id": customer_id}),
        CUSTOMER_PAUSED: (Phrase("Change pause"), "reminder_pauses.pause_customer", {"id": customer_id}),
        INVOICE_PAUSED: (Phrase("Change pause"), "reminder_pauses.pause_invoice", {"id": invoice_id}),
        COVERED: (Phrase("Allocate credit"), "payments.index", {"customer": reference, "status": "unallocated"}),
        WAITING: (Phrase("Show messages"), "messages.index", {"customer": reference}),
        FAILED: (Phrase("Show messages"), "messages.index", {"customer": reference}),
    }
    if reason not in pages_by_reason:
        return None
    label, endpoint, values = pages_by_reason[reason]
    return label, url_for(endpoint, **values)


def _describe_result(run_id: UUID) -> str:
    items = queries.run_items(db.session(), run_id)
    sums = _sums((row.currency, row.open_amount) for row in items if row.message_id)
    count = len({row.message_id for row in items if row.message_id})
    if not count:
        return Phrase("No reminders were sent: all were left out.")
    amounts = ", ".join(format_money(amount, currency) for currency, amount in sums.items())
    return plural(
        "{count} reminder of {amounts} will be sent.",
        "{count} reminders of {amounts} will be sent.",
        count,
        amounts=amounts,
    )


@dataclass(frozen=True, slots=True)
class SentReminder:
    """A message of a run, with its invoices; `reason` says why it was not sent."""

    message_id: UUID
    state: str
    reason: str
    customer_id: UUID
    customer_name: str
    currency: str
    items: Sequence[Any]

    @property
    def open_amount(self) -> int:
        """The sum that was due, in minor units."""
        return sum(item.open_amount for item in self.items)

    @property
    def is_sent(self) -> bool:
        """Whether it was sent, may have been, or will be."""
        return self.state in UNFINISHED | COUNTS_AS_SENT


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show a run: its messages with their states now, and what it left out."""
    session = db.session()
    run, items = queries.reminder_run(session, id), queries.run_items(session, id)
    reminded = [row for row in items if row.message_id]
    left_out = [row for row in items if row.reason]
    reminders = [_sent_reminder(list(rows)) for _, rows in groupby(reminded, attrgetter("message_id"))]
    sent = [reminder for reminder in reminders if reminder.is_sent]
    return render_template(
        "reminders/show.html",
        run=run,
        names=REMINDER_NAMES,
        reminders=reminders,
        sent=len(sent),
        sums=_sums((reminder.currency, reminder.open_amount) for reminder in sent),
        exclusions=[_stored_exclusion(row) for row in left_out[:MAX_ROWS]],
        left_out=len(left_out),
    )


def _sent_reminder(items: Sequence[Any]) -> SentReminder:
    first = items[0]
    return SentReminder(
        message_id=first.message_id,
        state=first.message_state,
        reason=phrase_from(first.message_reason, first.message_reason_phrase),
        customer_id=first.customer_id,
        customer_name=first.customer_name,
        currency=first.currency,
        items=items,
    )


def _settings() -> Settings:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings
