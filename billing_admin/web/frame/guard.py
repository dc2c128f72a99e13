"""Access to pages, denied by default.

A page is public, or needs sign-in and the permission of its blueprint.
"""

from collections.abc import Callable

from flask import Blueprint, Flask, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.routing import Rule

from billing_admin.domain.errors import Denied
from billing_admin.domain.translation import Phrase
from billing_admin.http.body_limits import open_body, refuse_long_body
from billing_admin.http.security import csrf
from billing_admin.web.access import sign_in
from billing_admin.web.frame.local_urls import requested_url
from billing_admin.web.frame.signed_in import SignedInPerson, actor, current_person

PUBLIC_ENDPOINTS = frozenset(
    {
        "static",
        "sign_in.sign_in",
        "sign_in.sign_out",
        "second_step.code",
        "second_step.passkey",
        "single_sign_on.begin",
        "single_sign_on.callback",
        "set_up_link.show",
        "forgotten_passwords.forgot",
        "forgotten_passwords.choose",
    }
)
OWN_PASSWORD_PAGE = "account.password"  # noqa: S105 - the only page of a person who must change their password first
# The only pages of a person who lacks the second factor that the organisation requires.
SECOND_FACTOR_PAGES = ("security.authenticator", "passkeys.new", "provider_confirmation.begin")
WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


View = Callable[..., ResponseReturnValue]


class PageBlueprint(Blueprint):
    """A blueprint that states the permissions for reading and for writing its pages."""

    read_permission: str
    write_permission: str


def page_blueprint(
    name: str, import_name: str, url_prefix: str | None, write: str, read: str = "read"
) -> PageBlueprint:
    """Return the blueprint of one subject.

    A rule that accepts a writing method needs the permission `write` for every method; any other rule needs `read`.
    """
    blueprint = PageBlueprint(name, import_name, url_prefix=url_prefix)
    blueprint.read_permission, blueprint.write_permission = read, write
    return blueprint


def needs(permission: str) -> Callable[[View], View]:
    """State the permission of one view, in place of those of its blueprint."""

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def init_guard(app: Flask) -> None:
    """Check access before each view."""
    app.before_request(_check_access)


def is_public(endpoint: str) -> bool:
    """Return whether the page needs no sign-in.

    The API authenticates requests by token itself.
    """
    return endpoint in PUBLIC_ENDPOINTS or is_api(endpoint)


def is_api(endpoint: str) -> bool:
    """Return whether the endpoint belongs to the API or a nested blueprint of it."""
    return endpoint.partition(".")[0] == "api"


def permission_for(app: Flask, rule: Rule) -> str:
    """Return the permission that a rule needs.

    Raises:
        Denied: the rule's blueprint states no permission.
    """
    blueprint = app.blueprints.get(rule.endpoint.rpartition(".")[0])
    if not isinstance(blueprint, PageBlueprint):
        raise Denied("unguarded_page", Phrase("This page cannot be opened: it states no permission."))
    of_view: str | None = getattr(app.view_functions[rule.endpoint], "permission", None)
    if of_view is not None:
        return of_view
    writes = WRITING_METHODS & (rule.methods or set())
    return blueprint.write_permission if writes else blueprint.read_permission


def _check_access() -> ResponseReturnValue | None:
    """Check sign-in and permission, and then the CSRF token.

    The token is in the body, which may be read only after the first two checks.
    """
    rule = request.url_rule
    if rule is None or is_api(rule.endpoint):
        return None
    if rule.endpoint not in PUBLIC_ENDPOINTS:
        person = current_person()
        if person is None:
            return _ask_to_sign_in()
        only_pages = _only_pages(person)
        if only_pages and rule.endpoint not in only_pages:
            return redirect(url_for(only_pages[0], next=requested_url() if request.method == "GET" else None), 303)
        actor().require(permission_for(current_app, rule))
    open_body()
    try:
        csrf.protect()
    except CSRFError:
        refuse_long_body()
        raise
    return None


def _only_pages(person: SignedInPerson) -> tuple[str, ...]:
    """Return the endpoints of the only pages that a person may see now.

    None for a person who may see all.
    """
    if person.password_temporary:
        return (OWN_PASSWORD_PAGE,)
    return SECOND_FACTOR_PAGES if person.must_set_up_second_factor else ()


def _ask_to_sign_in() -> ResponseReturnValue:
    """Redirect to sign-in and back; a submitted form is kept until then."""
    if request.method in WRITING_METHODS:
        return sign_in.ask_to_sign_in()
    return redirect(sign_in.sign_in_url(requested_url()), 303)
