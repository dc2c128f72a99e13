"""The wording of printed documents is complete in each language, with days, periods and units of its own."""

import string
from datetime import date
from decimal import Decimal

import pytest

from billing_admin.domain.master_data import TAX_CATEGORIES
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.domain.parties import LANGUAGES
from billing_admin.formats.document_labels import LABELS
from billing_admin.formats.document_locale import DocumentLocale
from billing_admin.formats.glyphs import load_glyphs

MARCH = date(2026, 3, 1), date(2026, 3, 31)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_each_label_is_there_in_each_language_with_the_same_fields_and_can_be_printed() -> None:
    glyphs = load_glyphs()
    for key, english in LABELS["en"].items():
        for language in LANGUAGES:
            text = LABELS[language][key]
            assert text == text.strip() != ""
            assert fields(text) == fields(english)
            assert glyphs.missing([text]) == []
    assert all(LABELS[language].keys() == LABELS["en"].keys() for language in LANGUAGES)
    assert set(TAX_CATEGORIES) <= LABELS["en"].keys()


def test_few_labels_are_the_same_in_two_languages() -> None:
    """A label that was not translated would be equal to the English one."""
    for language in LANGUAGES.keys() - {"en"}:
        same = {key for key, text in LABELS[language].items() if text == LABELS["en"][key]}
        assert same <= {"test", "net", "total", "bank", "cheque", "description", "date", "contract", "page"}


@pytest.mark.parametrize(
    ("language", "day", "days", "share"),
    [
        ("en", "3 Mar 2026", "1 – 31 Mar 2026", "1 – 31 Mar 2026 (31 of 59 days)"),
        ("de", "3. März 2026", "1.–31. März 2026", "1.–31. März 2026 (31 von 59 Tagen)"),
        ("fr", "3 mars 2026", "1–31 mars 2026", "1–31 mars 2026 (31 jours sur 59)"),
        ("es", "3 mar 2026", "1–31 mar 2026", "1–31 mar 2026 (31 de 59 días)"),
        ("xx", "3 Mar 2026", "1 – 31 Mar 2026", "1 – 31 Mar 2026 (31 of 59 days)"),
    ],
)
def test_days_are_written_as_in_the_language(language: str, day: str, days: str, share: str) -> None:
    locale = DocumentLocale(language)
    assert locale.day(date(2026, 3, 3)) == day
    assert locale.period(*MARCH) == days
    assert locale.period(*MARCH, 59) == share
    assert locale.period(MARCH[0], MARCH[0]) == locale.day(MARCH[0])


@pytest.mark.parametrize(
    ("quantity", "unit", "code", "texts"),
    [
        ("1", "hour", "HUR", ["1 hour", "1 Stunde", "1 heure", "1 hora"]),
        ("2.5", "hour", "HUR", ["2.5 hours", "2.5 Stunden", "2.5 heures", "2.5 horas"]),
        ("1.5", "Std.", "HUR", ["1.5 hours", "1.5 Stunden", "1.5 heure", "1.5 horas"]),
        ("-3", None, "DAY", ["−3 days", "−3 Tage", "−3 jours", "−3 días"]),
        ("20", "", "E34", ["20 gigabytes", "20 Gigabyte", "20 gigaoctets", "20 gigabytes"]),
        ("3", "vCPU hour", "HUR", ["3 vCPU hour"] * 4),
        ("3", "seat", "C62", ["3 seat"] * 4),
        ("3", "seat", None, ["3 seat"] * 4),
        ("3", None, "C62", ["3"] * 4),
        ("3", "hour", None, ["3 hour"] * 4),
    ],
)
def test_a_unit_is_translated_if_it_has_a_common_name(
    quantity: str, unit: str | None, code: str | None, texts: list[str]
) -> None:
    printed = [DocumentLocale(language).quantity(Decimal(quantity), unit, code) for language in LANGUAGES]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in printed] == texts


def test_numbers_are_in_the_format_of_the_document_whatever_the_language() -> None:
    with use_number_format(NumberFormat.POINT_COMMA):
        assert DocumentLocale("en").quantity(Decimal("1234.5"), "hour", "HUR") == "1.234,5 hours"
