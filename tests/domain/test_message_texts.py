"""Texts of messages: named fields, their checks and their values."""

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.built_in_texts import BUILT_IN_TEXTS
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.message_texts import (
    FIELDS,
    MAX_BODY_LENGTH,
    TEXT_KEYS,
    MessageText,
    built_in_text,
    check_key,
    check_message_text,
    fields_of,
    render_text,
)
from billing_admin.domain.messages import MAX_MESSAGE_LENGTH, MAX_SUBJECT_LENGTH
from billing_admin.domain.parties import LANGUAGES
from billing_admin.domain.text import check_not_blank, check_text

DOCS = Path(__file__).parents[2] / "docs" / "mail.md"
ALL_TEXTS = [(key, language) for key in TEXT_KEYS for language in LANGUAGES]


def problems_of(key: str, subject: str = "Subject", body: str = "Text") -> list[tuple[str, str, str]]:
    with pytest.raises(Invalid) as refused:
        check_message_text(key, MessageText(subject, body))
    return [(str(problem.field[0]), problem.code, problem.message) for problem in refused.value.problems]


def values_of(key: str, **values: str) -> dict[str, str]:
    return {field.name: f"<{field.name}>" for field in fields_of(key)} | values


@pytest.mark.parametrize(("key", "language"), ALL_TEXTS)
def test_each_built_in_text_passes_its_own_check(key: str, language: str) -> None:
    text = built_in_text(key, language)
    check_message_text(key, text)
    rendered = render_text(text, values_of(key))
    assert "{" not in rendered.subject + rendered.body
    assert rendered.body.endswith("<seller>")


def test_the_built_in_texts_of_a_key_have_the_same_fields_in_each_language() -> None:
    for key in TEXT_KEYS:
        used = {
            language: {name for name in values_of(key) if f"{{{name}}}" in "".join(texts)} - {"name"}
            for language, texts in BUILT_IN_TEXTS[key].items()
        }
        assert set(used) == set(LANGUAGES)
        assert len(set(map(frozenset, used.values()))) == 1, used


def test_each_field_belongs_to_a_key() -> None:
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(field.keys <= TEXT_KEYS.keys() and field.keys and field.meaning for field in FIELDS)


@pytest.mark.parametrize(
    ("subject", "body", "place", "code", "words"),
    [
        ("", "Text", "subject", "blank", "Enter the subject."),
        (" \t", "Text", "subject", "blank", "Enter the subject."),
        (
            "{order} {open}",
            "Text",
            "subject",
            "may_be_blank",
            "The subject could be empty. Add a word, or a field that",
        ),
        ("Subject", "\n ", "body", "blank", "Enter the text."),
        ("Two\nlines", "Text", "subject", "unprintable", "Remove the line break U+000A at position 4."),
        ("Two\rlines", "Text", "subject", "unprintable", "Remove the line break U+000D at position 4."),
        ("Bell\x07", "Text", "subject", "unprintable", "U+0007"),
        ("Subject", "Null\x00", "body", "unprintable", "U+0000"),
        ("S" * (MAX_SUBJECT_LENGTH + 1), "Text", "subject", "too_long", "at most 200 characters"),
        ("Subject", "t" * (MAX_BODY_LENGTH + 1), "body", "too_long", "at most 5,000 characters"),
        (
            "No {numbr}",
            "Text",
            "subject",
            "unknown_field",
            "There is no field {numbr}. Use {number}, or another one of",
        ),
        ("No {Number}", "Text", "subject", "unknown_field", "There is no field {Number}. Use {number}, or another"),
        ("Subject", "a\nb {x} c", "body", "unknown_field", "Line 2: There is no field {x} here. Use one of {name}, "),
        ("Subject", "{days_overdue}", "body", "unknown_field", "There is no field {days_overdue} here."),
        ("Subject", "{}", "body", "unknown_field", "There is no field {} here."),
        ("Subject", "{number", "body", "unpaired_brace", "Line 1: Close the field, as in {number}, or write {{ for"),
        ("Subject", "{number\n}", "body", "unpaired_brace", "Line 1: Close the field"),
        ("number}", "Text", "subject", "unpaired_brace", "Open the field, or write }} for a single brace."),
        ("Subject", "{number}}", "body", "unpaired_brace", "Line 1: Open the field, or write }} for a single brace."),
    ],
)
def test_wrong_texts_are_refused_with_the_correction(
    subject: str, body: str, place: str, code: str, words: str
) -> None:
    (problem, *_) = problems_of("invoice", subject, body)
    assert problem[:2] == (place, code)
    assert words in problem[2]


def test_all_problems_are_named_at_once() -> None:
    problems = problems_of("statement", "{total}", "{balance\n{number} {overdue}\n}")
    assert [(place, code) for place, code, _ in problems] == [
        ("subject", "unknown_field"),
        ("body", "unpaired_brace"),
        ("body", "unknown_field"),
        ("body", "unpaired_brace"),
    ]


def test_the_list_of_documents_is_not_allowed_in_a_subject() -> None:
    check_message_text("reminder-1", MessageText("{numbers}", "{documents}"))
    (problem,) = problems_of("reminder-1", "{documents}")
    assert problem[2] == "{documents} has several lines, so it can only be used in the text."


def test_only_known_keys_and_languages_have_texts() -> None:
    for key, language in ALL_TEXTS:
        check_key(key, language)
    for key, language, field in (("reminder-4", "en", "key"), ("invoice", "it", "language")):
        with pytest.raises(NotFound) as refused:
            check_key(key, language)
        assert refused.value.field == (field,)


def test_two_braces_are_one() -> None:
    text = MessageText("{{number}} {{{number}}}", "}}{{")
    check_message_text("invoice", text)
    assert render_text(text, values_of("invoice", number="7")) == MessageText("{number} {7}", "}{")


def test_a_line_without_values_is_left_out() -> None:
    text = MessageText("S", "Hello\n\nPay {open} by {due}.\n\n\nYour order: {order}\nEnd {seller}")
    paid = values_of("invoice", open="", due="", order="", seller="")
    assert render_text(text, paid).body == "Hello\n"
    partly = values_of("invoice", open="", order="", seller="S")
    assert render_text(text, partly).body == "Hello\n\nPay  by <due>.\n\n\nEnd S"
    block = MessageText("S", "Hello\n\nOrder: {order}\n\nBye")
    assert render_text(block, values_of("invoice", order="")).body == "Hello\n\nBye"
    assert render_text(block, values_of("invoice", order="7")).body == "Hello\n\nOrder: 7\n\nBye"


def test_a_subject_stays_one_line_of_limited_length() -> None:
    long = render_text(MessageText("{name} {seller}", "x"), values_of("invoice", name="n" * 200, seller="s" * 200))
    assert len(long.subject) == MAX_SUBJECT_LENGTH
    assert long.subject.endswith("…")
    split = render_text(MessageText("To {name}", "x"), values_of("invoice", name="a\r\nBcc: b\x00\x0b c\u2028d"))
    assert split.subject == "To a Bcc: b c d"


pieces = st.sampled_from(["{", "}", "{{", "}}", "{number}", "{total}", "{x}", "a", " ", "\n", "{open}"])


@given(st.lists(pieces, min_size=1, max_size=12).map("".join), st.text(max_size=20), st.text(max_size=20))
def test_every_text_that_is_accepted_can_be_rendered(template: str, number: str, total: str) -> None:
    text = MessageText("Subject", template)
    try:
        check_message_text("invoice", text)
    except Invalid:
        return
    rendered = render_text(text, values_of("invoice", number=number, total=total))
    expected = (
        template.replace("{{", "\0").replace("}}", "\1") if "{{{" not in template and "}}}" not in template else ""
    )
    if expected and "\n" not in template and number and total:
        for name, value in (("open", "<open>"), ("number", "\2"), ("total", "\3")):
            expected = expected.replace(f"{{{name}}}", value)
        expected = expected.replace("\0", "{").replace("\1", "}").replace("\2", number).replace("\3", total)
        assert rendered.body == expected


@given(st.text(max_size=8), st.lists(pieces, min_size=1, max_size=8).map("".join), st.data())
def test_every_rendered_text_can_be_sent(subject: str, body: str, data: st.DataObject) -> None:
    text = MessageText(subject + data.draw(st.sampled_from(["", "{number}", "{order}", "{name} {due}"])), body * 3)
    try:
        check_message_text("invoice", text)
    except Invalid:
        return
    values = {
        field.name: data.draw(st.text(max_size=10)) + ("" if field.may_be_empty else data.draw(st.sampled_from("7ß字")))
        for field in fields_of("invoice")
    } | {"total": "t" * data.draw(st.sampled_from([1, 500, 5_000]))}
    rendered = render_text(text, values)
    check_not_blank(rendered.subject, longest=MAX_SUBJECT_LENGTH)
    check_text(rendered.body, longest=MAX_MESSAGE_LENGTH, lines=True)


@given(st.text(st.characters(exclude_categories=["Cc", "Co", "Cs", "Cn"]), min_size=1, max_size=40))
def test_values_never_become_fields(name: str) -> None:
    text = MessageText("For {name}", "Dear {name}, {number}")
    for value in (name, "{number}", "{{", "}", "{unknown}"):
        rendered = render_text(text, values_of("invoice", name=value, number="7"))
        assert rendered.body == f"Dear {value}, 7"


def test_the_docs_have_each_field_with_its_keys_and_its_value() -> None:
    rows = re.findall(r"^\| `\{(\w+)\}` \| (.+?) \| (.+?) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(field.name, words_for(field.keys), field.meaning) for field in FIELDS]


def words_for(keys: frozenset[str]) -> str:
    """Return keys as the docs name them."""
    if keys == TEXT_KEYS.keys():
        return "all"
    names = ["reminders" if key == "reminder-1" else key.replace("_", " ") for key in TEXT_KEYS if key in keys]
    return ", ".join(name for name in names if name not in {"reminder-2", "reminder-3"})
