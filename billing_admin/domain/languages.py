"""The languages of pages.

Documents and e-mails have languages of their own: see `domain.built_in_texts`.
"""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final = "en"
# Each language that a person can choose, by its own name. Add a language when its catalogue is complete, so that no page
# is a mixture: tests/guards/test_translations.py checks it.
PAGE_LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch"}


def page_language(*preferred: str) -> str:
    """Return the first preferred language that pages are offered in, or English."""
    return next((language for language in preferred if language in PAGE_LANGUAGES), ENGLISH)
