"""Error pages: each states the problem, the next step and the request id to quote."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, current_app, flash, g, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from billing_admin.db.errors import RETRY_AFTER_SECONDS, Unavailable, explain_unavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.approvals import NeedsApproval
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid, NotFound, Stale
from billing_admin.domain.translation import Phrase
from billing_admin.http.body_limits import describe_limit, refusal_page
from billing_admin.http.errors import log_refusal, log_unavailable
from billing_admin.http.rate_limits import TooManyRequests
from billing_admin.http.request_ids import request_id
from billing_admin.operations.approvals import submit
from billing_admin.web.frame.list_params import CURSOR_PARAM, is_parameter
from billing_admin.web.frame.local_urls import requested_url
from billing_admin.web.frame.signed_in import actor, current_organisation, current_person, now

_STATUS: Final = {Invalid: 422, NotFound: 404, Conflict: 409, Stale: 409, Denied: 403, TooManyRequests: 429}
_PAGES: Final = {
    400: (Phrase("The request could not be read"), Phrase("Go back, reload the page and try again.")),
    403: (Phrase("You do not have permission to do this"), Phrase("Ask an admin of your organisation for access.")),
    404: (Phrase("Page not found"), Phrase("Check the address, or start from the dashboard.")),
    405: (Phrase("This action is not available"), Phrase("Go back and use the buttons on the page.")),
    409: (Phrase("This conflicts with saved data"), Phrase("Go back, reload the page and check the current values.")),
    413: (Phrase("The request is too large"), Phrase("Go back and send fewer rows, shorter texts or a smaller file.")),
    414: (Phrase("This address is too long"), Phrase("Go back and use fewer filters.")),
    422: (Phrase("This request cannot be completed"), Phrase("Go back and check what you entered.")),
    429: (Phrase("Too many requests"), Phrase("Wait a few minutes, then try again.")),
    500: (
        Phrase("Something went wrong"),
        Phrase(
            "Nothing was changed. Try again. If it happens again, give the reference below to your system "
            "administrator."
        ),
    ),
}
_EXPIRED_PAGE = (
    Phrase("This page has expired"),
    Phrase("You may have signed in or out in another tab. Go back, reload the page and send the form again."),
)
_RETRY_LATER = Phrase(
    "Wait a few seconds, then try again. If you were saving something, check first whether it was saved."
)
_STALE = Phrase("This was changed after you opened it")


def error_page(error: Exception) -> Response:
    """Return the error page for an exception of a page's view; see `http.errors`."""
    log_refusal(error)
    if isinstance(error, HTTPException):
        return _http_error_page(error)
    if isinstance(error, NeedsApproval):
        return _submit(error)
    if isinstance(error, DomainError):
        return _domain_error_page(error)
    reason = explain_unavailable(error)
    if reason is None:
        raise error
    return _unavailable_page(error, reason)


def _submit(error: NeedsApproval) -> Response:
    """Store an act above the limit of the person's role, and show its request."""
    approval = transaction(submit, error.submission, actor(), now())
    message = Phrase(
        "This is above the limit of your role, alone or with what you did here today. It waits for the approval of"
        " another person."
    )
    flash(message, "warning")
    return make_response(redirect(url_for("approvals.show", id=approval.id), 303))


def _http_error_page(error: HTTPException) -> Response:
    if isinstance(error, SecurityError):  # no URLs can be built for an unknown host, so there is no page
        return Response(Phrase("This host name is not served here.\n"), 400, mimetype="text/plain")
    if error.response is not None:
        return make_response(error.get_response())
    code = error.code or 500
    own_page = refusal_page() if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    if own_page is not None:
        return make_response(own_page(), code)
    title, message = _EXPIRED_PAGE if isinstance(error, CSRFError) else _title_and_advice(code)
    response = _render(code, title, describe_limit() if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else message)
    if code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return response


def _domain_error_page(error: DomainError) -> Response:
    code = _STATUS.get(type(error), 422)
    if request.method == "GET" and code in {404, 422} and is_parameter(error.field):
        return _filter_page(error, code)
    title = _STALE if isinstance(error, Stale) else _title_and_advice(code)[0]
    own_links: Any = error.extra.get("links", ())
    if isinstance(error, NotFound):
        links = _links_from_missing(error)
    else:
        links = [] if isinstance(error, Denied | TooManyRequests) else [*own_links, *_object_links()]
    response = _render(code, title, error.message, links)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


# Blueprint → endpoint of the page of the object that its pages change, where it is not the blueprint's own.
_OBJECT_PAGES: Final = {
    "charge_corrections": "charges.show",
    "corrections": "invoices.show",
    "drafts": "invoices.show",
    "e_invoices": "invoices.show",
}


def _object_links() -> list[tuple[str, str]]:
    """Return the link to the object of the request, if it has a page."""
    endpoint = _object_page()
    id = (request.view_args or {}).get("id")
    if id is None or endpoint not in current_app.view_functions or endpoint == request.endpoint:
        return []
    return [(_label(endpoint, _OBJECT_NOUNS), url_for(endpoint, id=id))]


def _object_page() -> str:
    return _OBJECT_PAGES.get(request.blueprint or "", f"{request.blueprint}.show")


# Blueprint → the word for an object of its page `show`.
_OBJECT_NOUNS: Final[Mapping[str, str]] = {
    "approvals": Phrase("approval request"),
    "audit": Phrase("audit event"),
    "billing_runs": Phrase("billing run"),
    "charges": Phrase("charge"),
    "customers": Phrase("customer"),
    "duplicates": Phrase("likely duplicate"),
    "imports": Phrase("import"),
    "invoices": Phrase("invoice"),
    "jobs": Phrase("job"),
    "mailbox": Phrase("message"),
    "message_texts": Phrase("message text"),
    "messages": Phrase("message"),
    "numbers": Phrase("number series"),
    "payments": Phrase("payment"),
    "recurring_charges": Phrase("recurring charge"),
    "refunds": Phrase("refund"),
    "reminders": Phrase("reminder run"),
    "sending_runs": Phrase("sending run"),
    "services": Phrase("service"),
    "tax_rates": Phrase("tax rate"),
    "unbilled": Phrase("unbilled account"),
    "webhooks": Phrase("webhook"),
}
# Blueprint → the words for its page `index`.
_LIST_NOUNS: Final[Mapping[str, str]] = {
    "api_docs": Phrase("API reference"),
    "approvals": Phrase("approval requests"),
    "audit": Phrase("audit log"),
    "bank_accounts": Phrase("bank accounts"),
    "billing_runs": Phrase("billing runs"),
    "charges": Phrase("charges"),
    "customer_fields": Phrase("customer fields"),
    "customers": Phrase("customers"),
    "duplicates": Phrase("likely duplicates"),
    "e_invoices": Phrase("e-invoices"),
    "exchange_rates": Phrase("exchange rates"),
    "imports": Phrase("imports"),
    "invoices": Phrase("invoices"),
    "jobs": Phrase("jobs"),
    "journal": Phrase("journal"),
    "mailbox": Phrase("mailbox"),
    "message_texts": Phrase("message texts"),
    "messages": Phrase("outbox"),
    "numbers": Phrase("number register"),
    "opening_balances": Phrase("opening balances"),
    "payments": Phrase("payments"),
    "recurring_charges": Phrase("recurring charges"),
    "refunds": Phrase("refunds"),
    "reminders": Phrase("reminders"),
    "roles": Phrase("roles"),
    "saved_views": Phrase("saved views"),
    "security": Phrase("security settings"),
    "services": Phrase("services"),
    "settings": Phrase("settings"),
    "tokens": Phrase("API tokens"),
    "unbilled": Phrase("unbilled charges"),
    "users": Phrase("people"),
    "webhooks": Phrase("webhooks"),
}


def _label(endpoint: str, nouns: Mapping[str, str]) -> str:
    noun = nouns.get(endpoint.partition(".")[0])
    return Phrase("Go to the {noun}", noun=noun) if noun else Phrase("Go to its page")


# Blueprint → endpoint of the list that has its objects, where it is not the blueprint's own.
_LIST_PAGES: Final = {
    "charge_corrections": "charges.index",
    "contacts": "customers.index",
    "corrections": "invoices.index",
    "drafts": "invoices.index",
    "e_invoices": "invoices.index",
    "tax_rates": "settings.index",
}


def _links_from_missing(error: NotFound) -> list[tuple[str, str]]:
    """Return a link from the error page of an object that is missing.

    Another person may have removed it. The link leads to the object that it belonged to, or else to the list.
    """
    customer_id = (request.view_args or {}).get("customer_id")
    if customer_id is not None and error.code == "unknown_contact":
        return [(Phrase("Go to the customer"), url_for("customers.show", id=customer_id))]
    endpoint = _LIST_PAGES.get(request.blueprint or "", f"{request.blueprint}.index")
    is_object_missing = error.code == f"unknown_{_object_page().partition('.')[0].removesuffix('s')}"
    links = [] if is_object_missing else _object_links()
    if not links and endpoint in current_app.view_functions and endpoint != request.endpoint:
        links = [(_label(endpoint, _LIST_NOUNS), url_for(endpoint))]
    return links


def _filter_page(error: DomainError, code: int) -> Response:
    """Return the page that shows a filter that cannot be used, with its message."""
    wrong, options = str(error.field[0]), error.extra.get("options", ())
    parameters = [(name, value) for name, value in request.args.items(multi=True) if name != CURSOR_PARAM]
    page = render_template(
        "errors/filter.html",
        message=error.message,
        wrong=wrong,
        options=options,
        parameters=parameters,
        action=request.path,
        remove_url=f"{request.path}?{urlencode([pair for pair in parameters if pair[0] != wrong])}",
    )
    return make_response(page, code)


def _unavailable_page(error: Exception, reason: Unavailable) -> Response:
    log_unavailable(error, reason)
    response = _render(503, reason.title, f"{reason.detail} {_RETRY_LATER}")
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _title_and_advice(code: int) -> tuple[str, str]:
    return _PAGES.get(code) or _PAGES[400 if code < 500 else 500]


def _can_show_navigation() -> bool:
    """Return whether a person is signed in and the database answers."""
    try:
        return current_person() is not None and bool(current_organisation())
    except Exception as error:
        if explain_unavailable(error):
            return False
        raise


def _render(code: int, title: str, message: str, links: Sequence[tuple[str, str]] = ()) -> Response:
    shows_navigation = code < HTTPStatus.INTERNAL_SERVER_ERROR and _can_show_navigation()
    g.failing = not shows_navigation
    offers_retry = code == HTTPStatus.SERVICE_UNAVAILABLE and request.method == "GET"
    page = render_template(
        "errors/error.html",
        code=code,
        title=title,
        message=message,
        links=links if shows_navigation else (),
        next_url=requested_url() if offers_retry else "/",
        next_label=Phrase("Try again") if offers_retry else Phrase("Go to the dashboard"),
        request_id=request_id(),
        in_shell=shows_navigation,
    )
    return make_response(page, code)
