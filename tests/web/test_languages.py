"""Pages are in the language of the person, or one that the browser or the organisation prefers.

Only languages are offered into which all pages are translated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from flask import Flask, flash, render_template_string, session
from flask.sessions import session_json_serializer
from flask.testing import FlaskClient
from sqlalchemy import select

from billing_admin.db.engine import db
from billing_admin.domain import languages
from billing_admin.domain.translation import Phrase
from billing_admin.models import AuditEvent
from tests.language.messages import as_mo
from tests.people import send, signed_in
from tests.web.pages import parse, words

PAGE = """<html lang="{{ language }}">{{ _("Sign in") }}|{{ text }}|{{ name }}"""


@pytest.fixture
def german(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Return an application whose pages exist in German, too."""
    catalog = Catalog(locale="de")
    catalog.add("Sign in", "Anmelden")
    catalog.add("Your settings were saved.", "Ihre Einstellungen wurden gespeichert.")
    catalog.add("The view “{name}” is deleted.", "Die Ansicht „{name}“ ist gelöscht.")
    path = tmp_path / "de" / "LC_MESSAGES" / "messages.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(as_mo(catalog))
    babel = app.extensions["babel"]
    monkeypatch.setattr(babel, "translation_directories", [str(tmp_path)])
    with app.app_context():
        domain = babel.instance.domain_instance
    monkeypatch.setattr(domain, "cache", {})  # of catalogues that other tests have read
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


def test_other_languages_are_not_offered_before_they_are_complete(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "PAGE_LANGUAGES", {"en": "English"})
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


LOOK = {"theme": "system", "density": "dense"}


def language_of(browser: FlaskClient, accepted: str = "en") -> str | None:
    """Return the language of a page for a browser that asks for these languages."""
    page = parse(browser.get("/account/settings", headers={"Accept-Language": accepted}))
    return next(page.elements("html")).attributes["lang"]


def test_a_person_chooses_the_language_of_their_pages(german: Flask) -> None:
    person, other = signed_in(german, "viewer", "ada@example.com"), signed_in(german, "viewer", "bo@example.com")
    assert (language_of(person, "de"), language_of(person, "en")) == ("de", "en")
    assert send(person, "/account/settings", **LOOK, language="de").status_code == 303
    page = person.get("/account/settings", headers={"Accept-Language": "en"})
    assert "Ihre Einstellungen wurden gespeichert." in words(page)
    chosen = [radio.attributes["value"] for radio in parse(page).elements("input", name="language", checked="")]
    assert (language_of(person, "en"), language_of(other, "en"), chosen) == ("de", "en", ["de"])
    with german.app_context():
        details = db.session.scalars(
            select(AuditEvent.details).where(AuditEvent.action == "user.appearance_changed")
        ).all()
    assert details == [{"language": ["", "de"]}]
    assert send(person, "/account/settings", **LOOK, language="").status_code == 303
    assert language_of(person, "en") == "en"


def test_only_languages_that_are_offered_are_kept(german: Flask) -> None:
    person = signed_in(german)
    assert send(person, "/account/settings", **LOOK, language="fr").status_code == 422
    send(person, "/account/settings", **LOOK, language="de")
    send(person, "/account/theme", theme="dark")
    assert language_of(person) == "de"


def test_a_language_that_is_no_longer_offered_is_that_of_the_browser(
    german: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = signed_in(german)
    send(person, "/account/settings", **LOOK, language="de")
    monkeypatch.setattr(languages, "PAGE_LANGUAGES", {"en": "English", "nl": "Nederlands"})
    assert language_of(person, "nl") == "nl"
    assert send(person, "/account/settings", **LOOK, language="").status_code == 303


def test_the_language_is_no_choice_while_there_is_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "PAGE_LANGUAGES", {"en": "English"})
    person = signed_in(app)
    assert list(parse(person.get("/account/settings")).elements("input", name="language")) == []
    assert send(person, "/account/settings", **LOOK, language="de").status_code == 303
    assert language_of(person, "de") == "en"
