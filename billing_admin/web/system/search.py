"""The search: a redirect to the only exact match, or a list.

The list has acts, pages and the best matches of each kind. The palette of the search field shows a part of the same page.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from flask import jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.formatting import format_day, format_exact
from billing_admin.domain.search_acts import SearchAct, find_acts
from billing_admin.domain.text import fold_for_search, strip_controls
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, Invoice
from billing_admin.queries import search
from billing_admin.queries.master_data.customers import customers_of_references, matching_customers
from billing_admin.queries.search import SearchHits
from billing_admin.web.frame.event_labels import object_label
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import MAX_FILTER_LENGTH, has_permission, name_params
from billing_admin.web.frame.navigation import build_menu, may_open
from billing_admin.web.frame.signed_in import actor, today

MAX_HITS = 10
MAX_PALETTE_HITS = 5
MAX_ACT_OBJECTS = 3
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
ACT_ENDPOINTS = {
    "new_charge": "charges.new",
    "record_payment": "payments.new",
    "run_billing": "billing_runs.new",
    "new_customer": "customers.new",
    "new_service": "services.new",
}
ACT_LABELS = {
    "new_charge": Phrase("New charge"),
    "record_payment": Phrase("Record payment"),
    "run_billing": Phrase("Run billing"),
    "new_customer": Phrase("New customer"),
    "new_service": Phrase("New service"),
}
# Pages below the settings, which the menu does not name.
SETTINGS_PAGES = (
    (Phrase("Bank accounts"), "bank_accounts.index"),
    (Phrase("Customer fields"), "customer_fields.index"),
    (Phrase("Exchange rates"), "exchange_rates.index"),
    (Phrase("Message texts"), "message_texts.index"),
    (Phrase("Month end"), "month_end.show"),
    (Phrase("Opening balances"), "opening_balances.index"),
    (Phrase("Saved views"), "saved_views.index"),
    (Phrase("Unallocated payments"), "receivables.unallocated"),
)

pages = page_blueprint("search", __name__, "/search", write="settings:write")


class Hit(NamedTuple):
    """A line of the palette: a name, a detail and the page that it opens."""

    label: str
    detail: str
    url: str


class HitGroup(NamedTuple):
    """The lines of one kind."""

    title: str
    hits: Sequence[Hit]


@pages.get("")
def results() -> ResponseReturnValue:
    """Redirect to the only exact match, or list the matches.

    With `palette` the page is a part that the palette shows, and an exact match is its first line.
    """
    text, session = _search_text(), db.session()
    in_palette = request.args.get("palette") == "1"
    match = search.exact_match(session, text) if text else None
    if match is not None and not in_palette:
        kind, id = match
        return redirect(url_for(ENDPOINTS[kind], id=id), 303)
    hits = search.search_hits(session, text, MAX_PALETTE_HITS if in_palette else MAX_HITS, today()) if text else None
    acts, links = (list(_act_hits(text)), list(_page_hits(text))) if text else ([], [])
    if in_palette:
        groups = [
            *_exact_group(match),
            HitGroup(Phrase("Actions"), acts),
            *_groups(hits),
            HitGroup(Phrase("Pages"), links),
        ]
        return render_template(
            "search/palette.html", groups=[group for group in groups if group.hits], search_text=text
        )
    return render_template(
        "search/list.html",
        search_text=text,
        hits=hits,
        links=[HitGroup(Phrase("Actions"), acts), HitGroup(Phrase("Pages"), links)],
        max_hits=MAX_HITS,
        searched_charges=search.SEARCHED_CHARGES,
        searched_messages=search.SEARCHED_MESSAGES,
        today=today(),
    )


def _exact_group(match: tuple[str, UUID] | None) -> Iterator[HitGroup]:
    if match is not None:
        kind, id = match
        label = search.object_name(db.session(), kind, id)
        yield HitGroup(Phrase("Exact match"), [Hit(label, object_label(kind).lower(), url_for(ENDPOINTS[kind], id=id))])


def _groups(hits: SearchHits | None) -> Iterator[HitGroup]:
    """Yield the matches of each kind as lines."""
    if hits is None:
        return
    yield HitGroup(
        Phrase("Customers"), [Hit(row.name, row.reference, _url("customer", row.id)) for row in hits.customers]
    )
    yield HitGroup(
        Phrase("Invoices"),
        [Hit(row.number or Phrase("Draft"), row.customer_name, _url("invoice", row.id)) for row in hits.invoices],
    )
    yield HitGroup(
        Phrase("Payments"),
        [Hit(row.reference or Phrase("Payment"), row.customer_name, _url("payment", row.id)) for row in hits.payments],
    )
    yield HitGroup(Phrase("Services"), [Hit(row.name, row.code, _url("service", row.id)) for row in hits.services])
    yield HitGroup(
        Phrase("Charges"),
        [
            Hit(
                row.description,
                f"{row.customer_name}, {format_day(row.incurred_on)}, {format_exact(row.amount, row.currency)}",
                _url("charge", row.id),
            )
            for row in hits.charges
        ],
    )
    yield HitGroup(
        Phrase("Messages"),
        [Hit(row.subject, row.customer.name, url_for("messages.show", id=row.id)) for row in hits.messages],
    )
    yield HitGroup(
        Phrase("Lists of the customer"),
        [
            Hit(label, "", url_for(endpoint, customer=row.reference))
            for row in hits.customers[:1]
            for label, endpoint in (
                (Phrase("Charges of {name}", name=row.name), "charges.index"),
                (Phrase("Messages of {name}", name=row.name), "messages.index"),
            )
        ],
    )


def _url(kind: str, id: UUID) -> str:
    return url_for(ENDPOINTS[kind], id=id)


def _act_hits(text: str) -> Iterator[Hit]:
    """Yield the permitted acts that a text names, each with its object filled in."""
    for act, name in find_acts(text):
        if not has_permission(act.permission):
            continue
        label, endpoint = ACT_LABELS[act.name], ACT_ENDPOINTS[act.name]
        if not name:
            yield Hit(label, "", url_for(endpoint))
            continue
        for detail, reference, currency in _objects(act, name):
            yield Hit(f"{label}: {detail}", reference, url_for(endpoint, customer=reference, currency=currency))


def _objects(act: SearchAct, name: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield the objects of an act that a name finds.

    They are a text, the reference of the customer, and the currency.
    """
    session = db.session()
    if "invoice" in act.objects:
        match = search.exact_match(session, name)
        invoice = session.get(Invoice, match[1]) if match and match[0] == "invoice" else None
        owner = session.get(Customer, invoice.customer_id) if invoice else None
        if invoice and owner:
            yield invoice.number or Phrase("Draft"), owner.reference, invoice.currency
            return
    for customer in matching_customers(session, name, MAX_ACT_OBJECTS):
        yield customer.name, customer.reference, None


def _page_hits(text: str) -> Iterator[Hit]:
    """Yield the pages whose name has the text."""
    folded = fold_for_search(text)
    items = [(item.label, item.url) for item in build_menu(actor())]
    items += [(label, url_for(endpoint)) for label, endpoint in SETTINGS_PAGES if may_open(endpoint, actor())]
    for label, url in dict(items).items():
        if folded in fold_for_search(label):
            yield Hit(label, "", url)


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
