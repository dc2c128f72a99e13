"""Change the texts of messages to customers, and restore the built-in ones."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import check_version
from billing_admin.domain.message_texts import MessageText, MessageTextFields, check_message_text
from billing_admin.domain.translation import Phrase
from billing_admin.models import StoredMessageText
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.messages.texts import TextInUse, text_in_use


def update(
    session: Session,
    key: str,
    language: str,
    fields: MessageTextFields,
    version: int | None,
    actor: Actor,
    now: datetime,
) -> TextInUse:
    """Change the given fields of a text; messages in the outbox do not change.

    Raises:
        NotFound: There is no such key or language.
        Stale: The text has changed since `version`.
        Invalid: The text does not pass `check_message_text`.
    """
    before = _lock(session, key, language)
    check_version(version, before.version, Phrase("This text"))
    text = MessageText(**{**_values(before), **fields})
    check_message_text(key, text)
    changed = changed_fields(_values(before), {"subject": text.subject, "body": text.body})
    if changed:
        _store(session, key, language, text)
        details = {"key": key, "language": language, **changed}
        record(session, actor, now, "message_text.changed", "message_text", before.id, details)
    return text_in_use(session, key, language)


def restore(session: Session, key: str, language: str, actor: Actor, now: datetime) -> bool:
    """Use the built-in text again, and return whether there was an own one.

    Raises NotFound when there is no such key or language.
    """
    before = _lock(session, key, language)
    if not before.is_own:
        return False
    _store(session, key, language, MessageText("", ""))
    details = {"key": key, "language": language, **_values(before)}
    record(session, actor, now, "message_text.restored", "message_text", before.id, details)
    return True


def _lock(session: Session, key: str, language: str) -> TextInUse:
    session.get(StoredMessageText, (key, language), with_for_update=True)
    return text_in_use(session, key, language)


def _store(session: Session, key: str, language: str, text: MessageText) -> None:
    row = session.get(StoredMessageText, (key, language))
    if row is None:
        row = StoredMessageText(key=key, language=language)
        session.add(row)
    row.subject, row.body = text.subject, text.body
    session.flush()


def _values(text: TextInUse) -> dict[str, Any]:
    return {"subject": text.text.subject, "body": text.text.body}
