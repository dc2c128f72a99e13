"""Signing in at the identity provider."""

from dataclasses import replace
from http import HTTPStatus

import structlog
from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.sign_in import PendingSignIn
from billing_admin.domain.single_sign_on import CALLBACK_PATH, REFUSAL_SENTENCES, Flow, Identity, Refusal
from billing_admin.domain.translation import Phrase
from billing_admin.formats.id_tokens import RefusedToken
from billing_admin.http.body_limits import body_limit
from billing_admin.http.callers import describe_request
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import single_sign_on as operations
from billing_admin.operations.access.users import record_provider_failure
from billing_admin.queries.access.users import is_network_familiar, is_network_throttled
from billing_admin.web.access import sign_in
from billing_admin.web.access.ceremonies import passkey_options
from billing_admin.web.access.forms import TOO_MANY_ATTEMPTS, CodeForm, ContinuingForm, refuse_throttled
from billing_admin.web.access.identity_provider import IdentityProvider, ProviderUnavailable, identity_provider
from billing_admin.web.access.pending import keep_pending
from billing_admin.web.access.provider_confirmation import confirm, result_page
from billing_admin.web.access.provider_flows import begin_flow, end_flow
from billing_admin.web.frame.local_urls import safe_local_url
from billing_admin.web.frame.signed_in import begin_session, now

UNAVAILABLE = Phrase("The sign-in service does not answer. Try again, or sign in with your password.")
FLOW_IS_OVER = Phrase("This sign-in has expired, or was begun in another browser. Try again.")
NOT_COMPLETED = Phrase("You did not sign in with {name}. Try again, or sign in with your password.")
NOT_ACCEPTED = Phrase("The answer of {name} was not accepted. Try again. If that does not help, ask an admin.")
MAX_CODE_LENGTH = 4_000  # characters

pages = Blueprint("single_sign_on", __name__)
_log = structlog.get_logger(__name__)


@pages.post("/sign-in/single-sign-on")
@body_limit(sign_in.BODY)
def begin() -> ResponseReturnValue:
    """Lead to the identity provider.

    A page does so, in place of a redirect: browsers follow no redirect of a form to another site.
    """
    provider, form = _provider(), ContinuingForm()
    next_url, saved_form = safe_local_url(form.next.data), form.saved_form.data or ""
    flow = begin_flow(now(), next_url=next_url, saved_form=saved_form)
    try:
        url = provider.authorization_url(flow, now())
    except ProviderUnavailable as error:
        return _unavailable(error, replace(flow, saved_form=saved_form))
    is_too_long = bool(saved_form) and not flow.saved_form
    return render_template(
        "sign_in/provider.html",
        url=url,
        refresh=None if is_too_long else f"0; url={url}",
        name=provider.settings.name,
    )


@pages.get(CALLBACK_PATH)
def callback() -> ResponseReturnValue:
    """Complete a sign-in at the identity provider, then open the requested page."""
    provider, flow = _provider(), end_flow(request.args.get("state", ""), now())
    if flow is None:
        return sign_in.ask_to_begin_again(None, None, FLOW_IS_OVER)
    if _is_throttled():
        return refuse_throttled(_refuse(flow, TOO_MANY_ATTEMPTS))
    if not (code := request.args.get("code", "")) or len(code) > MAX_CODE_LENGTH:
        _log.warning("single_sign_on_not_completed", **describe_request())
        return _refuse(flow, NOT_COMPLETED.format(name=provider.settings.name))
    try:
        identity = provider.identify(code, request.args.get("iss"), flow, now())
    except ProviderUnavailable as error:
        return _unavailable(error, flow)
    except RefusedToken as error:
        _log.warning("single_sign_on_failed", reason=error.reason, **describe_request())
        transaction(record_provider_failure, None, error.reason, sign_in.client_network(), request_id(), now())
        return _refuse(flow, NOT_ACCEPTED.format(name=provider.settings.name))
    return confirm(flow, identity) if flow.is_confirmation else _open_session(flow, identity, provider)


def _open_session(flow: Flow, identity: Identity, provider: IdentityProvider) -> ResponseReturnValue:
    """Sign in the person of an identity, or ask for their second factor."""
    outcome = transaction(
        operations.sign_in,
        *(identity, provider.settings, sign_in.client_network(), request_id(), now()),
        user_agent=sign_in.user_agent(),
    )
    if isinstance(outcome, Refusal):
        _log.warning("single_sign_on_failed", reason=outcome.value, **describe_request())
        return _refuse(flow, REFUSAL_SENTENCES[outcome].format(name=provider.settings.name))
    if isinstance(outcome, PendingSignIn):
        keep_pending(outcome, now())
        form = CodeForm(formdata=None, next=flow.next_url, saved_form=flow.saved_form)
        return render_template("sign_in/code.html", form=form, passkey_options=passkey_options())
    begin_session(outcome)
    return ContinuingForm(formdata=None, next=flow.next_url, saved_form=flow.saved_form).continue_to_request()


def _is_throttled() -> bool:
    """Return whether attempts from the network of this request are refused.

    They are not where somebody signed in lately, so that no attacker can lock people out.
    """
    network = sign_in.client_network()
    return is_network_throttled(db.session(), network, now()) and not is_network_familiar(db.session(), network, now())


def _provider() -> IdentityProvider:
    """Return the identity provider; without one, the page does not exist."""
    provider = identity_provider()
    if provider is None:
        abort(HTTPStatus.NOT_FOUND)
    return provider


def _refuse(flow: Flow, reason: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED) -> ResponseReturnValue:
    if flow.is_confirmation:
        return result_page(reason, status)
    return sign_in.ask_to_begin_again(flow.next_url, flow.saved_form, reason, status)


def _unavailable(error: ProviderUnavailable, flow: Flow) -> ResponseReturnValue:
    _log.error("identity_provider_unavailable", reason=str(error), **describe_request())
    return _refuse(flow, UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)
