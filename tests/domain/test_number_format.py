"""The number format of documents."""

import pytest

from billing_admin.domain.number_format import OF_LANGUAGE, NumberFormat, format_on_documents
from billing_admin.domain.parties import LANGUAGES


@pytest.mark.parametrize(
    ("language", "expected"), [("en", "1'234.56"), ("de", "1.234,56"), ("fr", "1 234,56"), ("es", "1.234,56")]
)
def test_a_document_in_another_language_has_its_usual_format(language: str, expected: str) -> None:
    assert format_on_documents(language, "en", NumberFormat.APOSTROPHE_POINT) == expected


def test_each_language_has_a_format() -> None:
    assert OF_LANGUAGE.keys() == LANGUAGES.keys()
