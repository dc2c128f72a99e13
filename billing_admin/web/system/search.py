"""The search: a redirect to the only exact match, or a list.

The list has the best matches of each kind.
"""

from flask import jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.text import strip_controls
from billing_admin.queries import search
from billing_admin.queries.master_data.customers import customers_of_references, matching_customers
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import MAX_FILTER_LENGTH, name_params
from billing_admin.web.frame.signed_in import today

MAX_HITS = 10
MAX_OPTIONS = 20  # customers to choose from
MAX_REFERENCES = 200  # in one request
ENDPOINTS = {
    "charge": "charges.show",
    "customer": "customers.show",
    "invoice": "invoices.show",
    "service": "services.show",
    "billing_run": "billing_runs.show",
    "payment": "payments.show",
    "refund": "refunds.show",
}

pages = page_blueprint("search", __name__, "/search", write="settings:write")


@pages.get("")
def results() -> ResponseReturnValue:
    """Redirect to the only exact match, or list the matches."""
    text, session = _search_text(), db.session()
    match = search.exact_match(session, text) if text else None
    if match is not None:
        kind, id = match
        return redirect(url_for(ENDPOINTS[kind], id=id), 303)
    hits = search.search_hits(session, text, MAX_HITS, today()) if text else None
    return render_template("search/list.html", search_text=text, hits=hits, max_hits=MAX_HITS, today=today())


def _search_text() -> str:
    """Return the text to search for.

    The end of a text that is longer than every name is cut off.
    """
    return strip_controls(request.args.get("q", "")).strip()[:MAX_FILTER_LENGTH]


@pages.get("/customers")
def customers() -> ResponseReturnValue:
    """Return customers to choose from as JSON.

    They are the customers of each `reference`, or else the first that match `q`.
    """
    references = name_params("reference")[:MAX_REFERENCES]
    if references:
        rows = customers_of_references(db.session(), references)
    else:
        rows = matching_customers(db.session(), _search_text(), MAX_OPTIONS)
    return jsonify([{"reference": row.reference, "name": row.name, "currency": row.currency} for row in rows])
