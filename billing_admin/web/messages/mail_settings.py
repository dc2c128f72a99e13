"""The settings of mail, which are environment variables, and a test message."""

from flask import current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.background.mail_test import describe_result, send_test_message
from billing_admin.background.mail_transport import SendOutcome
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.domain.mail_servers import Encryption, MailServer
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, current_organisation, now

WRITE = "settings:write"
ENCRYPTION = {
    Encryption.STARTTLS: Phrase("TLS (STARTTLS required)"),
    Encryption.TLS: "TLS",
    Encryption.OFF: Phrase("None"),
}

pages = page_blueprint("mail", __name__, "/settings/mail", write=WRITE)


@pages.get("")
def show() -> ResponseReturnValue:
    """Show the settings of mail, without secrets."""
    settings = _settings()
    server = settings.mail_transport
    name, address = settings.mail_sender
    return render_template(
        "mail_settings/show.html",
        server=server if isinstance(server, MailServer) else None,
        encryption=ENCRYPTION[server.encryption] if isinstance(server, MailServer) else None,
        is_off=server is None,
        sender=f"{name or current_organisation().name} <{address}>",
        bounces=settings.mail_bounces,
        per_minute=settings.mail_per_minute,
        recipient=actor().name,
        may_write=has_permission(WRITE),
    )


@pages.post("/test")
def send_test() -> ResponseReturnValue:
    """Send a test message to the person who asks for it."""
    address, organisation = actor().name, current_organisation().name
    db.session.close()  # no snapshot and no connection while the server is slow
    try:
        result = send_test_message(_settings(), organisation, address, now())
    except Invalid as error:
        flash(Phrase("The message was not sent. {message}", message=error.message), "error")
    else:
        category = {SendOutcome.SENT: "success", SendOutcome.UNCERTAIN: "warning"}.get(result.outcome, "error")
        flash(describe_result(result, address), category)
    return redirect(url_for("mail.show"), 303)


def mail_summary(settings: Settings) -> str:
    """Return the destination of messages in a few words."""
    server = settings.mail_transport
    if server is None:
        return Phrase("Off")
    return server.host if isinstance(server, MailServer) else Phrase("Mailbox of this program")


def _settings() -> Settings:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings
