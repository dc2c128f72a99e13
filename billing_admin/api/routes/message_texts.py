"""The texts of messages to customers, by key and language."""

from datetime import datetime
from typing import Annotated, cast

from billing_admin.api.frame.fields import OMITTED, Body, Listing, ResponseModel, enumeration, many_lines, one_line
from billing_admin.api.frame.routing import Reply, list_reply, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import Page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.message_texts import MAX_BODY_LENGTH, TEXT_KEYS, MessageTextFields, fields_of
from billing_admin.domain.messages import MAX_SUBJECT_LENGTH
from billing_admin.domain.parties import LANGUAGES
from billing_admin.operations.messages import texts as operations
from billing_admin.queries.messages.texts import TextInUse, text_in_use, texts_in_use

SCOPE = "settings:write"


class MessageTextChanges(Body):
    """Changes to a text, with fields such as `{number}`; `{{` and `}}` are braces."""

    subject: Annotated[str, one_line(MAX_SUBJECT_LENGTH, named=True)] = OMITTED
    body: Annotated[str, many_lines(MAX_BODY_LENGTH)] = OMITTED


class MessageTextRestoration(Body):
    """The restoration of a built-in text, which has no fields."""


class MessageTextOut(ResponseModel):
    """The text in use; `built_in` is false if the organisation has its own.

    `fields` are the names that may be in braces.
    """

    key: Annotated[str, enumeration(*TEXT_KEYS)]
    language: Annotated[str, enumeration(*LANGUAGES)]
    subject: str
    body: str
    built_in: bool
    fields: list[str]


def _out(text: TextInUse) -> MessageTextOut:
    return MessageTextOut(
        key=text.key,
        language=text.language,
        subject=text.text.subject,
        body=text.text.body,
        built_in=not text.is_own,
        fields=[field.name for field in fields_of(text.key)],
    )


def _reply(text: TextInUse) -> Reply:
    return Reply(_out(text), headers={"ETag": etag(text.version)})


@route("GET", "/message-texts", scope="read", response=Listing[MessageTextOut])
def list_message_texts() -> Reply:
    """List the texts of messages, by key and language."""
    return list_reply(Page(texts_in_use(db.session()), None, None), _out)


@route("GET", "/message-texts/{key}/{language}", scope="read", response=MessageTextOut, versioned=True)
def get_message_text(key: str, language: str) -> Reply:
    """Read the text of a key in a language."""
    return _reply(text_in_use(db.session(), key, language))


@route(
    "PATCH",
    "/message-texts/{key}/{language}",
    scope=SCOPE,
    body=MessageTextChanges,
    response=MessageTextOut,
    versioned=True,
)
def patch_message_text(actor: Actor, key: str, language: str, body: MessageTextChanges) -> Reply:
    """Change the subject or body that is sent; messages in the outbox do not change."""
    return _reply(transaction(_change, key, language, body, actor, now()))


def _change(
    session: Session, key: str, language: str, body: MessageTextChanges, actor: Actor, at: datetime
) -> TextInUse:
    version = text_in_use(session, key, language).version
    check_if_match(version)
    return operations.update(session, key, language, cast("MessageTextFields", body.provided()), version, actor, at)


@route(
    "POST",
    "/message-texts/{key}/{language}/restore",
    scope=SCOPE,
    body=MessageTextRestoration,
    body_optional=True,
    response=MessageTextOut,
    versioned=True,
)
def restore_message_text(actor: Actor, key: str, language: str, body: MessageTextRestoration) -> Reply:  # noqa: ARG001 - it has no fields
    """Use the built-in text again."""
    return _reply(transaction(_restore, key, language, actor, now()))


def _restore(session: Session, key: str, language: str, actor: Actor, at: datetime) -> TextInUse:
    operations.restore(session, key, language, actor, at)
    return text_in_use(session, key, language)
