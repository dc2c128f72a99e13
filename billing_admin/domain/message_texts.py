"""Subjects and texts of messages, with named fields such as `{number}`.

A text is checked when it is saved, so that rendering never fails. Values of fields are inserted as they are: a brace in
a customer's name is no field.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypedDict
from uuid import UUID, uuid5

from billing_admin.domain.built_in_texts import BUILT_IN_TEXTS
from billing_admin.domain.errors import Invalid, NotFound, Problem
from billing_admin.domain.messages import MAX_MESSAGE_LENGTH, MAX_SUBJECT_LENGTH
from billing_admin.domain.parties import LANGUAGES
from billing_admin.domain.text import check_text, strip_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word

# The keys of texts, with their labels.
TEXT_KEYS: Final[Mapping[str, str]] = {
    "invoice": Phrase("Invoice"),
    "credit_note": Phrase("Credit note"),
    "reminder-1": Phrase("Payment reminder"),
    "reminder-2": Phrase("Second reminder"),
    "reminder-3": Phrase("Final reminder"),
    "statement": Phrase("Statement of account"),
}
MAX_BODY_LENGTH: Final = 5_000  # characters, before the fields are filled in

_DOCUMENTS: Final = frozenset({"invoice", "credit_note"})
_REMINDERS: Final = frozenset({"reminder-1", "reminder-2", "reminder-3"})
_ALL: Final = frozenset(TEXT_KEYS)


@dataclass(frozen=True, slots=True)
class MessageField:
    """A named field: the keys of the texts that may have it, and its value in words.

    A field of several lines may only stand in the text, not in the subject. A field that may be empty cannot be all of
    the subject.
    """

    name: str
    keys: frozenset[str]
    meaning: str
    is_list: bool = False
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class MessageText:
    """The subject and the text of a message, with fields or rendered."""

    subject: str
    body: str


class MessageTextFields(TypedDict, total=False):
    """The fields of a text that a person may change."""

    subject: str
    body: str


FIELDS: Final[tuple[MessageField, ...]] = (
    MessageField("name", _ALL, Phrase("Name of the first recipient; the customer’s name if it has none")),
    MessageField("customer", _ALL, Phrase("The customer’s name")),
    MessageField("customer_number", _ALL, Phrase("The customer’s reference")),
    MessageField("seller", _ALL, Phrase("Your legal name")),
    MessageField("number", _DOCUMENTS, Phrase("Number of the document")),
    MessageField("issued", _DOCUMENTS, Phrase("Issue date")),
    MessageField(
        "period", _DOCUMENTS | {"statement"}, Phrase("Service period of the document, or period of the statement")
    ),
    MessageField("total", _DOCUMENTS, Phrase("Total, including tax")),
    MessageField(
        "open",
        _REMINDERS | {"invoice"},
        Phrase("Amount still to pay; in reminders the sum. Empty if an invoice is paid"),
        may_be_empty=True,
    ),
    MessageField(
        "due",
        _REMINDERS | {"invoice"},
        Phrase("Due date; in reminders the earliest one. Empty if an invoice is paid"),
        may_be_empty=True,
    ),
    MessageField("order", _DOCUMENTS, Phrase("The customer’s purchase order number, or empty"), may_be_empty=True),
    MessageField("buyer_reference", _DOCUMENTS, Phrase("The customer’s buyer reference, or empty"), may_be_empty=True),
    MessageField("corrects", frozenset({"credit_note"}), Phrase("Number of the corrected invoice")),
    MessageField(
        "reason", frozenset({"credit_note"}), Phrase("Reason of the credit note, or empty"), may_be_empty=True
    ),
    MessageField("days_overdue", _REMINDERS, Phrase("Days since the earliest due date")),
    MessageField("numbers", _REMINDERS, Phrase("Numbers of the overdue documents, in one line")),
    MessageField(
        "documents", _REMINDERS, Phrase("The overdue documents, one per line; not allowed in the subject"), is_list=True
    ),
    MessageField("day", frozenset({"statement"}), Phrase("Last day of the period")),
    MessageField("balance", frozenset({"statement"}), Phrase("Balance on that day")),
    MessageField(
        "overdue", frozenset({"statement"}), Phrase("Amount overdue on that day, or empty"), may_be_empty=True
    ),
)
# The namespace of the ids by which the audit log names texts.
_NAMESPACE: Final = UUID("5d2a9c3e-7b41-5f0e-9d52-0f6f1c8e4b77")
_BY_NAME: Final = {field.name: field for field in FIELDS}
# Two braces, a field, or a brace on its own.
_PART: Final = re.compile(r"(\{\{|\}\})|\{([^{}\n\r]*)\}|([{}])")


def fields_of(key: str) -> tuple[MessageField, ...]:
    """Return the fields that the texts of a key may have."""
    return tuple(field for field in FIELDS if key in field.keys)


def text_id(key: str, language: str) -> UUID:
    """Return the id by which the audit log names a text."""
    return uuid5(_NAMESPACE, f"{key}/{language}")


def check_key(key: str, language: str) -> None:
    """Check that there is a text for a key in a language.

    Raises:
        NotFound: There is no such key, or no such language.
    """
    for field, value, options in (("key", key, TEXT_KEYS), ("language", language, LANGUAGES)):
        if value not in options:
            message = Phrase(
                "There is no {field} {value} of message texts. Use one of {options}.",
                field=word(field),
                value=value[:40],
                options=", ".join(options),
            )
            raise NotFound("unknown_message_text", message, field)


def built_in_text(key: str, language: str) -> MessageText:
    """Return the text that is used until the organisation has its own."""
    return MessageText(*BUILT_IN_TEXTS[key][language])


def check_message_text(key: str, text: MessageText) -> None:
    """Check subject and text for a key.

    Raises:
        Invalid: One is blank or too long, has a field that the key does not have, or an unpaired brace; or the subject
            has a line break. The error has every problem, at `subject` or `body`.
    """
    problems = [*_problems(key, text.subject, "subject"), *_problems(key, text.body, "body")]
    if problems:
        raise Invalid.of(problems)


def _problems(key: str, template: str, place: str) -> Iterator[Problem]:
    in_subject = place == "subject"
    try:
        check_text(template, place, longest=MAX_SUBJECT_LENGTH if in_subject else MAX_BODY_LENGTH, lines=not in_subject)
    except Invalid as error:
        yield from error.problems
        return
    if not template.strip():
        yield Problem("blank", Phrase("Enter the subject.") if in_subject else Phrase("Enter the text."), (place,))
    elif in_subject and not _PART.sub(_least_value, template).strip():
        advice = Phrase("The subject could be empty. Add a word, or a field that always has a value, such as {seller}.")
        yield Problem("may_be_blank", advice, (place,))
    for part in _PART.finditer(template):
        _, name, brace = part.groups()
        where = (
            ""
            if in_subject
            else Phrase("Line {count_value}: ", count_value=template.count(chr(10), 0, part.start()) + 1)
        )
        if brace:
            advice = (
                Phrase("Close the field, as in {number}, or write {{")
                if brace == "{"
                else Phrase("Open the field, or write }}")
            )
            yield Problem(
                "unpaired_brace", Phrase("{where}{advice} for a single brace.", where=where, advice=advice), (place,)
            )
        elif name is not None and (message := _field_problem(key, name, in_subject)):
            yield Problem("unknown_field", where + message, (place,))


def _least_value(part: re.Match[str]) -> str:
    """Return an empty text for a field that may be empty, and the part for all others."""
    field = _BY_NAME.get(part[2])
    return "" if field is not None and field.may_be_empty else part[0]


def _field_problem(key: str, name: str, in_subject: bool) -> str:
    """Return why a field is not allowed, with the correction, or an empty text."""
    allowed = [field.name for field in fields_of(key) if not (in_subject and field.is_list)]
    if name in allowed:
        return ""
    listed = ", ".join(f"{{{option}}}" for option in allowed)
    if in_subject and name in _BY_NAME and key in _BY_NAME[name].keys:
        return Phrase("{{{name}}} has several lines, so it can only be used in the text.", name=name)
    if close := get_close_matches(name.strip().casefold()[:40], allowed, 1):
        return Phrase(
            "There is no field {{{name}}}. Use {{{close}}}, or another one of {listed}.",
            name=name[:40],
            close=close[0],
            listed=listed,
        )
    return Phrase("There is no field {{{name}}} here. Use one of {listed}.", name=name[:40], listed=listed)


def render_text(text: MessageText, values: Mapping[str, str]) -> MessageText:
    """Return subject and text with the values of their fields.

    `text` was checked. A line of the text is left out if it has fields and all of them are empty. The subject is one
    line, cut to `MAX_SUBJECT_LENGTH`; the text is cut to `MAX_MESSAGE_LENGTH`. Values are stored texts, which may have
    characters that a new text must not have: they are left out. So the result is always a message that can be sent.
    """
    printable = {name: strip_unprintable(value) for name, value in values.items()}
    subject = " ".join(_fill(text.subject, printable).split())
    body = "\n".join(_lines(text.body, printable))
    return MessageText(_cut(subject, MAX_SUBJECT_LENGTH), _cut(body, MAX_MESSAGE_LENGTH))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _lines(template: str, values: Mapping[str, str]) -> list[str]:
    """Return the lines with their values.

    Of the blank lines before and after a line that is left out, one is left.
    """
    lines: list[str] = []
    left_out = False
    for line in template.splitlines():
        names = [name for _, name, _ in _PART.findall(line) if name]
        if names and not any(values[name] for name in names):
            left_out = True
        elif not (left_out and not line.strip() and (not lines or not lines[-1].strip())):
            lines.append(_fill(line, values))
            left_out = False
    return lines


def _fill(template: str, values: Mapping[str, str]) -> str:
    def value(part: re.Match[str]) -> str:
        pair, name, brace = part.groups()
        return pair[0] if pair else brace or values[name]

    return _PART.sub(value, template)
