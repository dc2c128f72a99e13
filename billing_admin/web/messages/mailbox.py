"""The mailbox of development: messages that would have been sent."""

from dataclasses import dataclass
from io import BytesIO

from flask import Response, current_app, render_template, send_file
from flask.typing import ResponseReturnValue

from billing_admin.config import Settings
from billing_admin.domain.errors import NotFound
from billing_admin.domain.mail_servers import Maildir
from billing_admin.domain.translation import Phrase
from billing_admin.formats.mail_reader import ReceivedMail, read_mail
from billing_admin.formats.maildir import maildir_message, maildir_messages
from billing_admin.http.security import SANDBOX
from billing_admin.web.frame.guard import page_blueprint

MAX_ROWS = 100

# `init_web` registers these pages only if messages go to a folder, which production refuses.
pages = page_blueprint("mailbox", __name__, "/mailbox", write="settings:write")


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """A message with the name of its file."""

    name: str
    mail: ReceivedMail


@pages.get("")
def index() -> ResponseReturnValue:
    """List the newest messages."""
    messages = maildir_messages(_folder().folder)
    rows = [MailboxRow(message.name, read_mail(message.read())) for message in messages[:MAX_ROWS]]
    return render_template("mailbox/list.html", rows=rows, count=len(messages), folder=_folder().folder)


@pages.get("/<name>")
def show(name: str) -> ResponseReturnValue:
    """Show a message with its headers, its text and its attachments."""
    return render_template("mailbox/show.html", name=name, mail=_mail(name))


@pages.get("/<name>/html")
def html(name: str) -> ResponseReturnValue:
    """Send the HTML of a message, which can neither run nor load anything."""
    return Response(_mail(name).html, content_type="text/html; charset=utf-8", headers=SANDBOX)


@pages.get("/<name>/attachments/<int:position>")
def attachment(name: str, position: int) -> ResponseReturnValue:
    """Send an attachment of a message."""
    attachments = _mail(name).attachments
    if not 1 <= position <= len(attachments):
        raise NotFound("unknown_attachment", Phrase("The message has no such attachment."))
    file = attachments[position - 1]
    response = send_file(BytesIO(file.content), file.media_type, as_attachment=True, download_name=file.name)
    response.headers.update(SANDBOX)
    return response


def _mail(name: str) -> ReceivedMail:
    return read_mail(maildir_message(_folder().folder, name).read())


def _folder() -> Maildir:
    settings: Settings = current_app.extensions["billing_settings"]
    assert isinstance(settings.mail_transport, Maildir)  # noqa: S101 - otherwise the pages are not registered
    return settings.mail_transport
