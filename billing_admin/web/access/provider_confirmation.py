"""The confirmation of an identity at the identity provider.

It opens in a window of its own, so that the form that needs it stays open in the other one.
"""

from http import HTTPStatus

import structlog
from flask import abort, redirect, render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict
from billing_admin.domain.single_sign_on import Flow, Identity
from billing_admin.domain.translation import Phrase
from billing_admin.http.callers import describe_request
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import single_sign_on as operations
from billing_admin.queries.access.provider_accounts import has_provider_account
from billing_admin.web.access.identity_provider import ProviderUnavailable, identity_provider, provider_name
from billing_admin.web.access.provider_flows import begin_flow
from billing_admin.web.access.sign_in import client_network
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import current_person, now, renew_session, signed_in_person

WRITE = "password:write"
SERVICE_UNAVAILABLE = Phrase("The sign-in service does not answer. Try again.")
NOT_CONFIRMED = Phrase(
    "{name} did not say that you entered your password there just now, with the account that belongs to this person. Try again."
)

pages = page_blueprint("provider_confirmation", __name__, "/account/confirm-identity", write=WRITE, read=WRITE)
_log = structlog.get_logger(__name__)


@pages.get("")
def begin() -> ResponseReturnValue:
    """Redirect to the identity provider, which asks for the credentials again."""
    provider = identity_provider()
    if provider is None:
        abort(HTTPStatus.NOT_FOUND)
    try:
        return redirect(
            provider.authorization_url(begin_flow(now(), is_confirmation=True), now()), HTTPStatus.SEE_OTHER
        )
    except ProviderUnavailable as error:
        _log.error("identity_provider_unavailable", reason=str(error), **describe_request())
        return result_page(SERVICE_UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)


def confirm(flow: Flow, identity: Identity) -> ResponseReturnValue:
    """Confirm the signed-in person by their sign-in at the identity provider."""
    person, token = current_person(), None
    if person is not None:
        try:
            token = transaction(
                operations.confirm_identity,
                *(person.token, identity, flow, client_network(), person.actor(request_id()), now()),
            )
        except Conflict as error:
            return result_page(error.message, HTTPStatus.CONFLICT)
    if token is None:
        return result_page(NOT_CONFIRMED.format(name=provider_name()), HTTPStatus.UNAUTHORIZED)
    renew_session(token)
    return result_page(None, HTTPStatus.OK)


def result_page(problem: str | None, status: HTTPStatus) -> ResponseReturnValue:
    """Return the page of the window of a confirmation; `problem` says why it failed."""
    return render_template("account/identity_confirmed.html", problem=problem), status


def confirming_provider() -> str | None:
    """Return the name of the identity provider, if the person can confirm there."""
    name = provider_name()
    return name if name and has_provider_account(db.session(), signed_in_person().id) else None
