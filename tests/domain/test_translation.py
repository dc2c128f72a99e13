"""Texts are English strings, which pages translate by their forms."""

import json
import pickle
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.languages import page_language
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.domain.translation import Phrase, join, phrase_data, phrase_from, plural, translated, use_catalogue

GERMAN = {
    "Use {first} or later.": "Ab {first}.",
    "Use at most {limit:,} characters.": "Höchstens {limit:,} Zeichen.",
    "Nov": "November",
    "{count} charge": ("{count} Buchung", "{count} Buchungen"),
    "Use {year} & {number}.": "{year} & {number} verwenden.",
}


class Catalogue:
    """A small German catalogue."""

    def gettext(self, message: str) -> str:
        return str(GERMAN.get(message, message))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return GERMAN.get(msgid1, (msgid1, msgid2))[n != 1]


@pytest.fixture
def _german() -> Iterator[None]:
    with use_catalogue(Catalogue()):
        yield


@pytest.mark.usefixtures("_german")
def test_texts_stay_english_where_they_are_strings() -> None:
    text = Phrase("Use {first} or later.", first=Phrase("Nov"))
    assert text == str(text) == f"{text}" == "Use Nov or later."
    assert json.dumps([text]) == '["Use Nov or later."]'
    assert hash(text) == hash("Use Nov or later.")
    assert pickle.loads(pickle.dumps(text)) == "Use Nov or later."
    assert type(pickle.loads(pickle.dumps(text))) is type(str(text)) is str


@pytest.mark.usefixtures("_german")
def test_pages_translate_form_and_values() -> None:
    assert translated(Phrase("Use {first} or later.", first=Phrase("Nov"))) == "Ab November."
    assert Phrase("Use {year} & {number}.").__html__() == "{year} &amp; {number} verwenden."


@pytest.mark.usefixtures("_german")
def test_texts_of_people_are_not_translated() -> None:
    assert translated("Nov") == "Nov"
    assert translated(Phrase("Use {first} or later.", first="Nov")) == "Ab Nov."


@pytest.mark.usefixtures("_german")
@pytest.mark.parametrize(
    ("number", "english", "german"), [(1, "1 charge", "1 Buchung"), (2000, "2,000 charges", "2,000 Buchungen")]
)
def test_texts_follow_their_number(number: int, english: str, german: str) -> None:
    text = plural("{count} charge", "{count} charges", number)
    assert (text, translated(text)) == (english, german)


@pytest.mark.usefixtures("_german")
def test_numbers_have_the_format_in_use() -> None:
    with use_number_format(NumberFormat.POINT_COMMA):
        text = Phrase("Use at most {limit:,} characters.", limit=1000)
        assert (text, translated(text)) == ("Use at most 1.000 characters.", "Höchstens 1.000 Zeichen.")


@pytest.mark.usefixtures("_german")
def test_texts_are_joined_with_their_translations() -> None:
    day = Phrase("Use {first} or later.", first=Phrase("Nov"))
    assert translated(join("; ", [day, "A", Phrase("Nov")])) == "Ab November.; A; November"
    assert translated(day + " Anna") == "Ab November. Anna"


@pytest.mark.usefixtures("_german")
def test_values_are_filled_in_afterwards() -> None:
    text = Phrase("Use {first} or later.").format(first=Phrase("Nov"))
    assert (text, translated(text)) == ("Use Nov or later.", "Ab November.")
    lacking = Phrase("Enter the {noun} of {{buyer}}.", noun="city").format(buyer="ACME")
    assert (lacking, translated(lacking)) == ("Enter the city of ACME.", "Enter the city of ACME.")


@pytest.mark.usefixtures("_german")
@pytest.mark.parametrize("name", ["{buyer}", "{", "}}", "{0}", "{unknown!r}"])
def test_braces_of_people_are_no_places(name: str) -> None:
    text = Phrase("Enter the {noun} of {{buyer}}.", noun=name).format(buyer=name)
    assert (text, translated(text)) == (f"Enter the {name} of {name}.", f"Enter the {name} of {name}.")
    later = Phrase("Use {first} or later.").format(first=name)
    assert (later, translated(later)) == (f"Use {name} or later.", f"Ab {name}.")
    charges = plural("{count} charge of {name} and {{other}}", "{count} charges of {name} and {{other}}", 2, name=name)
    assert charges.format(other="ACME") == f"2 charges of {name} and ACME"


@pytest.mark.usefixtures("_german")
def test_translations_keep_their_capitals() -> None:
    assert (Phrase("Nov").lower(), translated(Phrase("Nov").lower())) == ("nov", "November")
    count = plural("{count} charge", "{count} charges", 2)
    assert (count.capitalize(), translated(count.capitalize())) == ("2 charges", "2 Buchungen")


def test_texts_are_english_without_catalogue() -> None:
    assert translated(Phrase("Use {first} or later.", first=Phrase("Nov"))) == "Use Nov or later."


@given(st.text(), st.integers(), st.decimals(allow_nan=False))
def test_a_form_is_filled_as_a_format_string(word: str, number: int, amount: object) -> None:
    text = Phrase("“{word}”: {number} of {amount}", word=word, number=number, amount=amount)
    assert text == f"“{word}”: {number} of {amount}"


@pytest.mark.parametrize("wanted", [(), ("",), ("xx", "fr-FR")])
def test_pages_are_english_unless_another_language_is_complete(wanted: tuple[str, ...]) -> None:
    assert page_language(*wanted) == "en"


@pytest.mark.usefixtures("_german")
@pytest.mark.parametrize(
    ("text", "german"),
    [
        (Phrase("Use {first} or later.", first=Phrase("Nov")), "Ab November."),
        (Phrase("Use at most {limit:,} characters.", limit=2000), "Höchstens 2,000 Zeichen."),
        (plural("{count} charge", "{count} charges", 2), "2 Buchungen"),
        (Phrase("Nov").lower(), "November"),
        (join(": ", ["Nov", Phrase("Nov")]), "Nov: November"),
        (Phrase("{open} {{first}}", open=1).format(first="x"), "1 x"),
        ("Nov", "Nov"),
    ],
)
def test_stored_texts_are_translated_when_they_are_read(text: str, german: str) -> None:
    stored = json.loads(json.dumps([str(text), phrase_data(text)]))
    restored = phrase_from(*stored)
    assert str(restored) == str(text)
    assert translated(restored) == german
    assert phrase_data(restored) == phrase_data(text)
