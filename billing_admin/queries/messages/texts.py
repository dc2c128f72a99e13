"""The organisation's own texts of messages to customers, or the built-in ones."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.message_texts import TEXT_KEYS, MessageText, built_in_text, check_key, text_id
from billing_admin.domain.parties import LANGUAGES
from billing_admin.models import StoredMessageText


@dataclass(frozen=True, slots=True)
class TextInUse:
    """The subject and text of a key in a language, with their fields not filled in.

    `is_own` tells the organisation's own text from the built-in one. `version` is 1 until the text was first changed.
    """

    key: str
    language: str
    text: MessageText
    is_own: bool
    version: int

    @property
    def id(self) -> UUID:
        """The id by which the audit log names the text."""
        return text_id(self.key, self.language)


def load_template(session: Session, key: str, language: str) -> MessageText:
    """Return the subject and text of a key in a language, with their fields.

    Raises:
        NotFound: There is no such key or language.
    """
    return text_in_use(session, key, language).text


def text_in_use(session: Session, key: str, language: str) -> TextInUse:
    """Return the text of a key in a language.

    Raises:
        NotFound: There is no such key or language.
    """
    check_key(key, language)
    return _text(key, language, session.get(StoredMessageText, (key, language)))


def texts_in_use(session: Session) -> list[TextInUse]:
    """Return the text of each key in each language."""
    stored = {(row.key, row.language): row for row in session.scalars(select(StoredMessageText))}
    return [_text(key, language, stored.get((key, language))) for key in TEXT_KEYS for language in LANGUAGES]


def _text(key: str, language: str, stored: StoredMessageText | None) -> TextInUse:
    version = 1 if stored is None else stored.version + 1
    if stored is not None and stored.subject:
        return TextInUse(key, language, MessageText(stored.subject, stored.body), is_own=True, version=version)
    return TextInUse(key, language, built_in_text(key, language), is_own=False, version=version)
