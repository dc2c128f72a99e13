"""Pages are in a language that the browser or the organisation prefers, if they are translated into it completely."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from flask import Flask, flash, render_template_string, session
from flask.sessions import session_json_serializer

from billing_admin.domain import languages
from billing_admin.domain.translation import Phrase
from tests.language.messages import as_mo

PAGE = """<html lang="{{ language }}">{{ _("Sign in") }}|{{ text }}|{{ name }}"""


@pytest.fixture
def german(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Return an application whose pages exist in German, too."""
    catalog = Catalog(locale="de")
    catalog.add("Sign in", "Anmelden")
    catalog.add("The view “{name}” is deleted.", "Die Ansicht „{name}“ ist gelöscht.")
    path = tmp_path / "de" / "LC_MESSAGES" / "messages.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(as_mo(catalog))
    app.extensions["babel"].translation_directories[:] = [str(tmp_path)]
    monkeypatch.setattr(languages, "PAGE_LANGUAGES", {"en": "English", "de": "Deutsch"})
    return app


@contextmanager
def request_in(app: Flask, accepted: str) -> Iterator[None]:
    """Begin a request of a browser with these languages."""
    with app.test_request_context("/sign-in", headers={"Accept-Language": accepted}):
        assert app.preprocess_request() is None
        yield


def show() -> str:
    """Return a page with a text of a template, one of the code and one of a person."""
    text = Phrase("The view “{name}” is deleted.", name="A&B")
    return render_template_string(PAGE, text=text, name="Sign in")


def test_pages_are_in_the_language_of_the_browser(german: Flask) -> None:
    with request_in(german, "fr, de-AT;q=0.8, en;q=0.5"):
        assert show() == '<html lang="de">Anmelden|Die Ansicht „A&amp;B“ ist gelöscht.|Sign in'
    with request_in(german, "en-GB, de;q=0.5"):
        assert show() == '<html lang="en">Sign in|The view “A&amp;B” is deleted.|Sign in'


def test_other_languages_are_not_offered_before_they_are_complete(app: Flask) -> None:
    with request_in(app, "de"):
        assert show().startswith('<html lang="en">Sign in')


def test_scripts_get_translated_texts(german: Flask) -> None:
    with request_in(german, "de"):
        texts = {"none": (Phrase("Sign in"), "Sign in", 1)}
        assert render_template_string("{{ texts|tojson }}", texts=texts) == '{"none": ["Anmelden", "Sign in", 1]}'


def test_messages_for_the_next_page_are_translated(german: Flask) -> None:
    with request_in(german, "de"):
        flash(Phrase("The view “{name}” is deleted.", name="A&B"))
        stored = session_json_serializer.loads(session_json_serializer.dumps(dict(session)))
    assert str(stored["_flashes"][0][1]) == "Die Ansicht „A&amp;B“ ist gelöscht."
