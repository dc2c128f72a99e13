"""The messages of planned reminders, with their texts, letters and attachments."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.charges import AccountKey
from billing_admin.domain.message_texts import MessageText, render_text
from billing_admin.domain.messages import REMINDER, greeted_name
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.reminders import PlannedReminder
from billing_admin.domain.text import file_stem
from billing_admin.formats.letter_contents import OverdueDocument, reminder_contents
from billing_admin.formats.message_fields import reminder_fields
from billing_admin.models import Customer, Invoice
from billing_admin.operations.invoices.letters import contents_of_statement, load_letters, load_statement
from billing_admin.operations.invoices.renditions import FACTUR_X, pdf_form
from billing_admin.operations.messages.outbox import Attachment, NewLetter, NewMessage
from billing_admin.queries.messages.reminders import invoices_of_reminders
from billing_admin.queries.messages.texts import load_template

MAX_ATTACHED: Final = 20  # documents; a letter about more lists them, and attaches none


class ReminderMessages:
    """Makes the messages of reminders.

    Parties, documents and texts are loaded once for all of them.
    """

    def __init__(self, session: Session, reminders: Sequence[PlannedReminder], now: datetime) -> None:
        self._session, self._now = session, now
        self._letters = load_letters(session, [reminder.account.key for reminder in reminders], now)
        self._invoices = invoices_of_reminders(session, reminders)
        self._templates: dict[tuple[str, str], MessageText] = {}

    def make(self, reminder: PlannedReminder) -> NewMessage:
        """Return the message of a reminder, with its letters and attachments."""
        account, level = reminder.account, reminder.level
        letter = self._letters[account.key]
        documents = [
            OverdueDocument(
                number=item.invoice.number,
                issue_date=item.invoice.issue_date,
                due_date=item.invoice.due_date,
                days_overdue=item.days_overdue,
                open_amount=item.invoice.open_amount,
                level=item.level,
            )
            for item in reminder.items
        ]
        template = self._template(f"reminder-{level}", letter.details.language)
        text = render_text(template, reminder_fields(letter, documents, greeted_name(account.recipients)))
        name = f"reminder-{file_stem(account.reference)}-{account.currency}-{letter.day.isoformat()}.pdf"
        letters = [NewLetter(name, reminder_contents(letter, level, documents))]
        if reminder.settings.attaches_statement:
            letters.append(self._statement(reminder))
        return NewMessage(
            customer_id=account.customer_id,
            purpose=REMINDER,
            currency=account.currency,
            language=letter.details.language,
            recipients=account.recipients,
            subject=text.subject,
            text=text.body,
            documents=[(item.invoice.id, item.level) for item in reminder.items],
            attachments=list(_attachments(reminder, self._invoices)),
            letters=letters,
        )

    def _template(self, key: str, language: str) -> MessageText:
        if (key, language) not in self._templates:
            self._templates[key, language] = load_template(self._session, key, language)
        return self._templates[key, language]

    def _statement(self, reminder: PlannedReminder) -> NewLetter:
        """Return the statement of account from the oldest of the documents on."""
        customer = self._session.get_one(Customer, reminder.account.customer_id)
        first = min(item.invoice.issue_date for item in reminder.items)
        statement = load_statement(self._session, customer, reminder.account.currency, first, None, self._now)
        return NewLetter(statement.file_name, contents_of_statement(statement))


def count_attached(session: Session, reminders: Sequence[PlannedReminder]) -> dict[AccountKey, int]:
    """Return the numbers of documents that reminders attach, by account."""
    invoices = invoices_of_reminders(session, reminders)
    return {reminder.account.key: len(list(_attachments(reminder, invoices))) for reminder in reminders}


def _attachments(reminder: PlannedReminder, invoices: Mapping[UUID, Invoice]) -> Iterator[Attachment]:
    """Yield the PDFs of the documents; opening invoices have none.

    An e-invoice is not attached again: programs would book it twice. So a document whose PDF contains one, as Factur-X,
    is only listed in the letter.
    """
    if reminder.settings.attaches_documents and len(reminder.items) <= MAX_ATTACHED:
        for item in reminder.items:
            invoice = invoices[item.invoice.id]
            if invoice.kind != OPENING_INVOICE and (form := pdf_form(invoice)) != FACTUR_X:
                yield Attachment(item.invoice.id, form, f"{file_stem(item.invoice.number)}.pdf")
