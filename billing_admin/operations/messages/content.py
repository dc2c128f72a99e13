"""The bytes of messages.

They are made for each attempt, from stored files. They are the same each time, unless the sender or the reply address
was corrected meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.transactions import Transact
from billing_admin.domain.errors import NotFound
from billing_admin.domain.message_texts import MessageText
from billing_admin.domain.messages import CC, REMINDER, TO
from billing_admin.domain.translation import Phrase
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.mail import Mail, MailAddress, MailAttachment, mail_bytes
from billing_admin.models import Message, MessageFile, MessageLetter
from billing_admin.operations.invoices.e_invoices import PDF, XML, issued_e_invoice
from billing_admin.operations.invoices.letters import print_letter
from billing_admin.operations.invoices.renditions import stored_pdf
from billing_admin.operations.messages.document_messages import PDF_FORMS, text_of_today
from billing_admin.operations.messages.outbox import file_row
from billing_admin.queries.invoices.invoices import invoice
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.outbox import (
    load_files,
    load_letters,
    load_message_recipients,
    message,
    sent_document_message_ids,
)

MAX_REFERENCES: Final = 20


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of messages, and the domain of their ids; the name may be empty."""

    name: str
    address: str
    domain: str


def make_content(transact: Transact, session: Session, id: UUID, sender: Sender, glyphs: Glyphs, now: datetime) -> None:
    """Make and store the bytes of a waiting message unless they are stored.

    The files that it sends are made and stored before. Nothing is made if a document was issued no more: the message will be
    dropped. `transact` runs work in a transaction, and ends the session's snapshot.

    Raises:
        Invalid: A file cannot be made, or a header cannot be written.
    """
    row = message(session, id)
    if row.state != "waiting" or row.content is not None or not _is_current(row):
        return
    _print_letters(transact, session, row, glyphs)
    row = message(session, id)
    columns = {name: getattr(row, name) for name in ("language", "created_at")}
    about_reminder, attachments = row.purpose == REMINDER, list(row.attachments)
    files = {file.name: MailAttachment(file.name, file.media_type, file.data) for file in load_files(session, id)}
    recipients, settings = load_message_recipients(session, id), organisation(session)
    text = text_of_today(session, row, recipients)
    seller = sender.name or settings.legal_name
    reply_to = MailAddress(settings.contact_name or seller, settings.contact_email) if settings.contact_email else None
    mail = Mail(
        id=id,
        made_at=columns["created_at"],
        sender=MailAddress(seller, sender.address),
        reply_to=reply_to,
        to=[MailAddress(recipient.name, recipient.address) for recipient in recipients if recipient.kind == TO],
        cc=[MailAddress(recipient.name, recipient.address) for recipient in recipients if recipient.kind == CC],
        subject=text.subject,
        text=text.body,
        language=columns["language"],
        attachments=[
            files[attachment["file"]]
            if "file" in attachment
            else _document(transact, session, attachment, glyphs, now, sent=True)
            for attachment in attachments
        ],
        references=sent_document_message_ids(session, id, MAX_REFERENCES) if about_reminder else (),
    )
    transact(_store, id, mail_bytes(mail, sender.domain), text)


def _print_letters(transact: Transact, session: Session, row: Message, glyphs: Glyphs) -> None:
    """Print and store the letters of a message that were not printed yet."""
    id, made_at = row.id, row.created_at
    for name, contents in [(letter.name, letter.contents) for letter in load_letters(session, id)]:
        transact(_store_letter, id, name, print_letter(session, contents, glyphs, made_at))


def _store_letter(session: Session, id: UUID, name: str, data: bytes) -> None:
    """Replace a letter by its file, unless another worker was faster."""
    letter = delete(MessageLetter).where(MessageLetter.message_id == id, MessageLetter.name == name)
    if session.connection().execute(letter).rowcount:
        insert_many(session, MessageFile, [file_row(id, name, PDF, data)])


def _is_current(row: Message) -> bool:
    return all(document.invoice.status == "issued" for document in row.documents)


def _document(
    transact: Transact, session: Session, attachment: dict[str, Any], glyphs: Glyphs, now: datetime, *, sent: bool
) -> MailAttachment:
    """Return a document in a form.

    It is stored from now on; see `stored_pdf` for a PDF that is not `sent`.
    """
    document, form = invoice(session, attachment["invoice_id"]), attachment["form"]
    if form in PDF_FORMS:
        data, media_type = stored_pdf(transact, session, document, form, glyphs, now, sent=sent), PDF
    else:
        data, media_type = issued_e_invoice(transact, session, document, form, glyphs, now).content, XML
    return MailAttachment(attachment["name"], media_type, data)


def load_attachment(
    transact: Transact, session: Session, id: UUID, position: int, glyphs: Glyphs, now: datetime
) -> MailAttachment:
    """Return a file of a message, counted from 1.

    A document's is stored from now on, unless □ is printed in it or a font was left out: it will be made anew when the
    message is sent. A letter that was not printed yet is printed, and not stored.

    Raises:
        NotFound: There is no such message or file.
        Invalid: The file cannot be made.
    """
    row = message(session, id)
    if not 1 <= position <= len(row.attachments):
        raise NotFound("unknown_attachment", Phrase("The message has no such attachment."), "position")
    attachment = row.attachments[position - 1]
    if "form" in attachment:
        return _document(transact, session, attachment, glyphs, now, sent=False)
    name, made_at = attachment["file"], row.created_at
    for letter in load_letters(session, id):
        if letter.name == name:
            return MailAttachment(name, PDF, print_letter(session, letter.contents, glyphs, made_at))
    file = next(file for file in load_files(session, id) if file.name == name)
    return MailAttachment(file.name, file.media_type, file.data)


def _store(session: Session, id: UUID, content: bytes, text: MessageText) -> None:
    waiting = update(Message).where(Message.id == id, Message.state == "waiting", Message.content.is_(None))
    values = {"content": content, "subject": text.subject, "text": text.body}
    session.execute(waiting.values(**values).execution_options(synchronize_session=False))
