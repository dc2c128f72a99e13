"""Collect the texts that pages translate, and keep the catalogues of translations: `make messages`.

`messages.pot` has every marked text of templates and code. The catalogue of each language, `messages.po`, gets new texts
without a translation, and loses those that are gone. `messages.mo` is the same for the program.
"""

import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.language.texts import ROOT

TRANSLATIONS = ROOT / "billing_admin" / "translations"
TEMPLATE = TRANSLATIONS / "messages.pot"
# Folder, pattern of its files, method, marks.
SOURCES = (
    ("billing_admin", "**.py", "python", {"Phrase": None, "plural": (1, 2)}),
    ("templates", "**.html", "jinja2", DEFAULT_KEYWORDS),
)
HEADER = "# Texts of the pages of billing-admin: see docs/development.md."
# Lines of the header that change each time, or say nothing.
LEFT_OUT = (b'"POT-', b'"PO-', b'"Project-', b'"Report-', b'"Last-', b'"Language-Team', b'"Generated-')
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = {"**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}


def _catalog(language: str | None = None) -> Catalog:
    return Catalog(locale=language, header_comment=HEADER, fuzzy=False)


def collect() -> Catalog:
    """Return a catalogue of all marked texts, with the files that they are in."""
    catalog = _catalog()
    for folder, pattern, method, marks in SOURCES:
        marked = extract_from_dir(ROOT / folder, [(pattern, method)], OPTIONS, marks)
        for name, line, message, _comments, context in sorted(marked, key=lambda text: text[:2]):
            catalog.add(message, locations=[(f"{folder}/{name}", line)], context=context)
    return catalog


def read_catalogue(language: str) -> Catalog:
    """Return the stored catalogue of a language."""
    path = po_path(language)
    return read_po(BytesIO(path.read_bytes()), locale=language) if path.exists() else _catalog(language)


def update(catalog: Catalog, template: Catalog) -> None:
    """Put the texts of a template into a catalogue: new ones without a translation, and none that are gone."""
    catalog.update(template, no_fuzzy_matching=True, update_header_comment=True)
    catalog.obsolete.clear()


def as_po(catalog: Catalog) -> bytes:
    """Return a catalogue as a file."""
    file = BytesIO()
    write_po(file, catalog, width=100, include_lineno=False)
    return b"".join(line for line in file.getvalue().splitlines(keepends=True) if not line.startswith(LEFT_OUT))


def as_mo(catalog: Catalog) -> bytes:
    """Return a catalogue as the program reads it."""
    catalog.creation_date = catalog.revision_date = EPOCH  # or the file would change each time
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def languages() -> list[str]:
    """Return the languages that have a catalogue, complete or not."""
    return sorted(path.parts[-3] for path in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"))


def po_path(language: str) -> Path:
    """Return where the catalogue of a language is."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def main() -> None:
    """Write the template, and update and compile the catalogue of each language, or of those that are named."""
    template = collect()
    TEMPLATE.write_bytes(as_po(template))
    for language in sys.argv[1:] or languages():
        catalog = read_catalogue(language)
        update(catalog, template)
        path = po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_po(catalog))
        path.with_suffix(".mo").write_bytes(as_mo(catalog))


if __name__ == "__main__":
    main()
