"""Deny by default: every page is on the short public list, or behind sign-in and the permission that its subject states."""

from flask import Blueprint, Flask, current_app, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.routing import Rule

from billing_admin.domain.errors import Denied
from billing_admin.http.body_limits import open_body
from billing_admin.http.security import csrf
from billing_admin.web.access import sign_in
from billing_admin.web.frame.local_urls import requested_url
from billing_admin.web.frame.signed_in import actor, current_person

PUBLIC_ENDPOINTS = frozenset({"static", "sign_in.sign_in", "sign_in.sign_out"})
WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class PageBlueprint(Blueprint):
    """A blueprint that says what its pages need."""

    read_permission: str
    write_permission: str


def page_blueprint(
    name: str, import_name: str, url_prefix: str | None, write: str, read: str = "read"
) -> PageBlueprint:
    """Make a subject's blueprint: a rule that takes POST needs `write` whatever the method, any other rule needs `read`."""
    made = PageBlueprint(name, import_name, url_prefix=url_prefix)
    made.read_permission, made.write_permission = read, write
    return made


def init_guard(app: Flask) -> None:
    """Ask before each page."""
    app.before_request(_check_access)


def is_public(endpoint: str) -> bool:
    """Whether no one needs to sign in for it. The API asks for a token itself, at its own blueprint."""
    return endpoint in PUBLIC_ENDPOINTS or is_api(endpoint)


def is_api(endpoint: str) -> bool:
    """Whether the endpoint belongs to the API, or to a blueprint within it."""
    return endpoint.partition(".")[0] == "api"


def permission_for(app: Flask, rule: Rule) -> str:
    """The permission that a rule needs; raises Denied when its blueprint states none."""
    blueprint = app.blueprints.get(rule.endpoint.rpartition(".")[0])
    if not isinstance(blueprint, PageBlueprint):
        raise Denied("unguarded_page", "This page does not say who may see it, so nobody may.")
    writes = WRITING_METHODS & (rule.methods or set())
    return blueprint.write_permission if writes else blueprint.read_permission


def _check_access() -> ResponseReturnValue | None:
    """Check sign-in and permission before the body is read; the CSRF token stands in the body."""
    rule = request.url_rule
    if rule is None or is_api(rule.endpoint):
        return None
    if rule.endpoint not in PUBLIC_ENDPOINTS:
        if current_person() is None:
            return _ask_to_sign_in()
        actor().require(permission_for(current_app, rule))
    open_body()
    csrf.protect()
    return None


def _ask_to_sign_in() -> ResponseReturnValue:
    """Come back afterwards; what a form had sent comes back as well."""
    if request.method in WRITING_METHODS:
        return sign_in.ask_to_sign_in()
    return redirect(sign_in.sign_in_url(requested_url()), 303)
