"""The language of a page, and the translation of its texts by Flask-Babel."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from flask import Flask, g, request
from flask_babel import Babel, get_translations, refresh

from billing_admin.domain import languages
from billing_admin.domain.translation import Phrase, translated, use_catalogue
from billing_admin.web.frame.signed_in import current_organisation, current_person


def init_languages(app: Flask) -> None:
    """Translate texts into the language of the page while it is made."""
    Babel(app, locale_selector=language_in_use)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    dumps = app.jinja_env.policies["json.dumps_function"]
    app.jinja_env.policies["json.dumps_function"] = lambda value, **options: dumps(_for_script(value), **options)
    app.before_request(_use_language)
    app.teardown_request(_leave_language)


def language_in_use() -> str:
    """Return the language of the page that is made."""
    language: str = g.get("language", languages.ENGLISH)
    return language


def _for_script(value: Any) -> Any:
    """Return a value for a script of the page, with its texts translated."""
    if language_in_use() == languages.ENGLISH:
        return value
    match value:
        case Phrase():
            return translated(value)
        case dict():
            return {key: _for_script(item) for key, item in value.items()}
        case list() | tuple():
            return [_for_script(item) for item in value]
        case _:
            return value


def preferred_language(chosen: str) -> str:
    """Return the language of pages for a person.

    `chosen` is the one that they chose, or ''; then browser and organisation decide.
    """
    return languages.page_language(chosen, *_languages_of_browser(), current_organisation().language)


def _languages_of_browser() -> Iterator[str]:
    return (language.partition("-")[0] for language in request.accept_languages.values())


def use_language(language: str) -> None:
    """Make the rest of the page in this language."""
    _leave_language()
    g.language = language
    refresh()
    if language != languages.ENGLISH:
        g.catalogue = ExitStack()
        g.catalogue.enter_context(use_catalogue(get_translations()))


def _use_language() -> None:
    endpoint = request.endpoint or ""
    if len(languages.PAGE_LANGUAGES) == 1 or endpoint == "static" or endpoint.startswith("api."):
        return
    if not endpoint:  # no page is at this address, which is said without the database as well
        use_language(languages.page_language(*_languages_of_browser()))
        return
    person = current_person()
    use_language(preferred_language(person.language if person else ""))


def _leave_language(_error: BaseException | None = None) -> None:
    if (stack := g.pop("catalogue", None)) is not None:
        stack.close()
