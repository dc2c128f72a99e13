"""Settings › Message texts: list, change, preview, restore."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.background.mail_transport import SendOutcome, SendResult
from billing_admin.db.engine import db
from billing_admin.domain.message_texts import TEXT_KEYS, built_in_text
from billing_admin.domain.parties import LANGUAGES
from billing_admin.models import AuditEvent, StoredMessageText
from tests.making import change_settings, make_customer, make_invoice
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, hidden, textarea, words
from tests.web.reading import fresh
from tests.web.test_mailbox import configure

LIST, SHOW = "/settings/texts", "/settings/texts/invoice/de"
EDIT, RESTORE = f"{SHOW}/edit", f"{SHOW}/restore"


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def stored(session: Session) -> list[tuple[str, str, str, int]]:
    rows = fresh(session, select(StoredMessageText))
    return [(row.key, row.language, row.subject, row.version) for row in rows]


def test_the_list_has_each_text_in_each_language(admin: FlaskClient) -> None:
    text = words(admin.get(LIST))
    assert text.count("Built-in") == len(TEXT_KEYS) * len(LANGUAGES)
    assert "German : Final reminder Letzte Mahnung von {seller}" in text
    assert "None, the built-in texts are in use" in words(admin.get("/settings"))


def test_a_text_is_changed_and_the_built_in_one_restored(admin: FlaskClient, session: Session) -> None:
    assert "The built-in text is in use." in words(admin.get(SHOW))
    page = admin.get(EDIT)
    assert field(page, "subject") == "Rechnung {number} von {seller}"
    assert textarea(page, "body") == built_in_text("invoice", "de").body
    response = send(admin, EDIT, subject="Ihre Rechnung {number}", body="Hallo\r\n\r\n{seller}", version="1")
    assert (response.status_code, response.location) == (303, SHOW)
    page = admin.get(SHOW)
    assert "The text “Invoice, German” was saved." in words(page)
    assert "Your own text is in use." in words(page)
    assert stored(session) == [("invoice", "de", "Ihre Rechnung {number}", 1)]
    assert textarea(admin.get(EDIT), "body") == "Hallo\n\n{seller}"
    assert "Own texts 1" in words(admin.get("/settings"))
    assert send(admin, RESTORE).location == SHOW
    assert "The built-in text “Invoice, German” is in use again." in words(admin.get(SHOW))
    page = admin.get(EDIT)
    assert field(page, "subject") == "Rechnung {number} von {seller}"
    assert hidden(page, "version").startswith("3")
    send(admin, RESTORE)
    events = fresh(session, select(AuditEvent).where(AuditEvent.object_type == "message_text"))
    assert sorted(event.action for event in events) == ["message_text.changed", "message_text.restored"]
    assert "Message text changed" in words(admin.get("/audit?type=message_text"))


@pytest.mark.parametrize(
    ("subject", "body", "sentence"),
    [
        ("", "Text", "Enter the subject."),
        ("{numer}", "Text", "There is no field {numer}. Use {number}, or another one of {name},"),
        ("Rechnung", "Text\n{number", "Line 2: Close the field, as in {number}, or write {{ for a single brace."),
        ("Rechnung", " ", "Enter the text."),
        ("x" * 201, "Text", "Use at most 200 characters."),
        ("Two\x0blines", "Text", "Remove the control character U+000B at position 4."),
    ],
)
@pytest.mark.parametrize("action", ["save", "preview"])
def test_a_wrong_text_is_refused_and_kept(
    admin: FlaskClient, session: Session, subject: str, body: str, sentence: str, action: str
) -> None:
    page = send(admin, EDIT, subject=subject, body=body, version="1", action=action)
    assert page.status_code == 422
    assert sentence in words(page)
    assert (field(page, "subject"), textarea(page, "body").strip()) == (subject, body.strip())
    assert stored(session) == []


def test_another_persons_change_is_shown_before_it_is_replaced(admin: FlaskClient, session: Session) -> None:
    send(admin, EDIT, subject="Theirs", body="Text", version="1")
    page = send(admin, EDIT, subject="Mine", body="Text", version="1")
    assert page.status_code == 422
    assert "Other values were saved after you opened this form" in words(page)
    assert "Subject Theirs Mine" in words(page)
    send(admin, EDIT, subject="Mine", body="Text", version=hidden(page, "version"))
    assert stored(session) == [("invoice", "de", "Mine", 2)]


def test_a_preview_has_the_latest_document_of_the_language_and_stores_nothing(
    admin: FlaskClient, session: Session
) -> None:
    make_invoice(make_customer(name="{total} GmbH", reference="KUNDE", currency="EUR", language="de"))
    page = send(
        admin, EDIT, subject="Neu: {number}", body="Hallo {customer},\n{{}} {total}", version="1", action="preview"
    )
    assert page.status_code == 200
    text = words(page)
    assert "With the data of INV-2026-00001, {total} GmbH." in text
    assert "Subject Neu: INV-2026-00001" in text
    assert "Hallo {total} GmbH, {} " in text
    assert (field(page, "subject"), textarea(page, "body")) == ("Neu: {number}", "Hallo {customer},\n{{}} {total}")
    assert stored(session) == []


@pytest.mark.parametrize("key", TEXT_KEYS)
def test_without_a_document_the_preview_is_a_sample(admin: FlaskClient, session: Session, key: str) -> None:
    change_settings(language="fr")
    text = words(admin.get(f"/settings/texts/{key}/es"))
    assert "With sample data, as no recent document is in this language." in text
    assert "Atentamente, Example Ltd" in text
    assert "SAMPLE-" in text or key == "statement"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("reminder-2", "With the data of INV-2026-00001, KUNDE. "),
        ("statement", "With the data of KUNDE. "),
        ("credit_note", "With sample data"),
    ],
)
def test_letters_are_previewed_with_a_customer_of_the_language(
    admin: FlaskClient, session: Session, key: str, sentence: str
) -> None:
    make_invoice(make_customer(reference="KUNDE", currency="EUR", language="de"))
    page = admin.get(f"/settings/texts/{key}/de")
    assert sentence in words(page)
    assert "EUR" in words(page)


def test_a_viewer_reads_and_changes_nothing(app: Flask, session: Session) -> None:
    viewer = signed_in(app, role="viewer")
    page = viewer.get(SHOW)
    assert "Sehr geehrte Damen und Herren" in words(page)
    assert "Edit text" not in page.text
    assert send(viewer, EDIT, subject="x", body="y", version="1").status_code == 403
    assert send(viewer, RESTORE).status_code == 403
    assert stored(session) == []


def test_an_unknown_text_is_not_found(admin: FlaskClient) -> None:
    assert admin.get("/settings/texts/invoice/it").status_code == 404
    assert admin.get("/settings/texts/reminder-9/en").status_code == 404


def test_a_test_goes_to_the_person_and_stores_nothing(
    admin: FlaskClient, session: Session, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(app, monkeypatch, mail_url=f"maildir:{tmp_path / 'mailbox'}")
    page = send(admin, EDIT, subject="Neu {number}", body="Guten Tag {name}", version="1", action="test")
    assert page.status_code == 200
    assert "The message to admin@example.com was accepted" in words(page)
    assert textarea(page, "body") == "Guten Tag {name}"
    mailbox = words(admin.get("/mailbox"))
    assert "Neu SAMPLE-0001" in mailbox
    assert send(admin, EDIT, subject="{x}", body="y", version="1", action="test").status_code == 422
    assert words(admin.get("/mailbox")) == mailbox
    assert stored(session) == []


def test_without_mail_there_is_no_test(admin: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(app, monkeypatch, mail_url="off")
    assert "Send a test to me" not in admin.get(EDIT).text
    page = send(admin, EDIT, subject="Neu", body="Text", version="1", action="test")
    assert "The message to admin@example.com was not sent." in words(page)


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        (EDIT, {"subject": "Neu", "body": "Text", "version": "0", "action": "test"}),
        ("/settings/mail/test", {}),
    ],
)
def test_a_slow_mail_server_holds_no_connection_of_the_database(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch, url: str, fields: dict[str, str]
) -> None:
    held = []

    def send_slowly(*_: object) -> SendResult:
        held.append(db.session().in_transaction())
        return SendResult(SendOutcome.SENT, (), "250 OK")

    monkeypatch.setattr("billing_admin.background.mail_test.send_now", send_slowly)
    assert send(admin, url, **fields).status_code < 400
    assert held == [False]
