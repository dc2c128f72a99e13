"""Texts of messages: the list, and the preview and the form of each."""

from typing import Any, NamedTuple

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.background.mail_test import describe_result, send_preview
from billing_admin.background.mail_transport import SendOutcome
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Invalid
from billing_admin.domain.message_texts import (
    MAX_BODY_LENGTH,
    TEXT_KEYS,
    MessageText,
    MessageTextFields,
    check_message_text,
    fields_of,
)
from billing_admin.domain.messages import MAX_SUBJECT_LENGTH
from billing_admin.domain.parties import LANGUAGES
from billing_admin.domain.translation import Phrase, join
from billing_admin.operations.messages import texts as operations
from billing_admin.operations.messages.previews import TextPreview, preview_text
from billing_admin.queries.messages.texts import TextInUse, text_in_use, texts_in_use
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import MultilineField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, current_organisation, now

WRITE = "settings:write"

_BODY_HINT = Phrase(
    "Fields in braces are replaced by their values. A line whose fields are all empty is left out. "
    "Write {{ and }} for braces."
)

pages = page_blueprint("message_texts", __name__, "/settings/texts", write=WRITE)


class TestResult(NamedTuple):
    """The result of a test message, with the kind of its callout."""

    kind: str
    sentence: str


class MessageTextForm(EditForm):
    """The subject and text of a message."""

    subject = TextField(Phrase("Subject"), max_length=MAX_SUBJECT_LENGTH, blank_message=Phrase("Enter the subject."))
    body = MultilineField(
        Phrase("Text"),
        max_length=MAX_BODY_LENGTH,
        blank_message=Phrase("Enter the text."),
        description=_BODY_HINT,
        render_kw={"rows": 18},
    )

    def fields(self) -> MessageTextFields:
        """Return the values entered."""
        return {"subject": self.subject.data, "body": self.body.data}


@pages.get("")
def index() -> ResponseReturnValue:
    """List the texts by key, in each language."""
    texts = texts_in_use(db.session())
    return render_template(
        "message_texts/list.html",
        texts={key: [text for text in texts if text.key == key] for key in TEXT_KEYS},
        keys=TEXT_KEYS,
        languages=LANGUAGES,
        may_write=has_permission(WRITE),
    )


@pages.get("/<key>/<language>")
def show(key: str, language: str) -> ResponseReturnValue:
    """Show the preview of a text."""
    text = _load_text(key, language)
    return render_template(
        "message_texts/show.html",
        text=text,
        name=_name(text),
        fields=fields_of(key),
        preview=preview_text(db.session(), key, language, text.text, now()),
        may_write=has_permission(WRITE),
    )


@pages.route("/<key>/<language>/edit", methods=["GET", "POST"])
def edit(key: str, language: str) -> ResponseReturnValue:
    """Save the entered text, or preview it for the actions `preview` and `test`.

    A preview keeps the entered text in the form, and stores nothing. A test sends it to the person.
    """
    action, result = request.form.get("action"), None
    form, preview = MessageTextForm(data=_stored_values(key, language)), None
    if form.validate_on_submit():
        with errors_on(form):
            if action in {"preview", "test"}:
                preview = _preview(key, language, form)
                result = _send_test(preview, language) if action == "test" else None
            else:
                text = save(form, lambda: _stored_form(key, language), operations.update, key, language, form.fields())
                flash(Phrase("The text “{name}” was saved.", name=_name(text)), "success")
                return redirect(url_for("message_texts.show", key=key, language=language), 303)
    text = _load_text(key, language)
    return render_form(
        "message_texts/form.html",
        form,
        text=text,
        name=_name(text),
        fields=fields_of(key),
        preview=preview,
        result=result,
        mail_on=_settings().mail_transport is not None,
    )


def _stored_form(key: str, language: str) -> MessageTextForm:
    return MessageTextForm(formdata=None, data=_stored_values(key, language))


def _stored_values(key: str, language: str) -> dict[str, Any]:
    text = _load_text(key, language)
    return {"subject": text.text.subject, "body": text.text.body, "version": text.version}


def _preview(key: str, language: str, form: MessageTextForm) -> TextPreview:
    """Return the preview of the entered text.

    Raises:
        Invalid: It does not pass the check of a text.
    """
    entered = MessageText(form.subject.data, form.body.data)
    check_message_text(key, entered)
    return preview_text(db.session(), key, language, entered, now())


@pages.post("/<key>/<language>/restore")
def restore(key: str, language: str) -> ResponseReturnValue:
    """Use the built-in text again."""
    text = _load_text(key, language)
    transaction(operations.restore, key, language, actor(), now())
    flash(Phrase("The built-in text “{name}” is in use again.", name=_name(text)), "success")
    return redirect(url_for("message_texts.show", key=key, language=language), 303)


def _load_text(key: str, language: str) -> TextInUse:
    return text_in_use(db.session(), key, language)


def _send_test(preview: TextPreview, language: str) -> TestResult:
    """Send a preview to the person, and return the result in words."""
    address, organisation, message = actor().name, current_organisation().name, preview.text
    db.session.close()  # no snapshot and no connection while the server is slow
    try:
        result = send_preview(_settings(), organisation, address, message.subject, message.body, language, now())
    except Invalid as error:
        return TestResult("danger", Phrase("The message was not sent. {message}", message=error.message))
    kind = {SendOutcome.SENT: "success", SendOutcome.UNCERTAIN: "warning"}.get(result.outcome, "danger")
    return TestResult(kind, describe_result(result, address))


def _settings() -> Settings:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings


def _name(text: TextInUse) -> str:
    return join(", ", [TEXT_KEYS[text.key], LANGUAGES[text.language]])
