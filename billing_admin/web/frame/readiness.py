"""The shortcomings of documents, with links to the pages that correct them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from flask import url_for

from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.readiness import FIELDS, PAGES, REASONS, Shortcoming
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.list_params import has_permission


class ShownShortcoming(NamedTuple):
    """A shortcoming, the rule that asks for it, and the link to its page.

    `customers` is the number of customers that it concerns, on the page of the settings; None if it concerns all.
    """

    message: str
    rule: str
    stops: bool
    label: str
    url: str
    customers: int | None = None


# Endpoint, anchor and text of the link, by the page that `domain.readiness` names.
_LINKS = {
    "bank_account": ("bank_accounts.index", None, Phrase("Open the bank accounts")),
    "exchange_rate": ("exchange_rates.index", None, Phrase("Open the exchange rates")),
    "tax_rate": ("settings.index", "tax-rates", Phrase("Open the tax rates")),
}
_TAX_FIELDS = frozenset(
    {"tax_id", "tax_number"}
)  # of the organisation; its other fields are in the section Organisation


def show_shortcomings(shortcomings: Iterable[tuple[UUID, Shortcoming]]) -> list[ShownShortcoming]:
    """Return the shortcomings of customers' documents, stops first.

    A shortcoming of the organisation is the same for each of its documents, so it is shown once.
    """
    shown = dict.fromkeys(_show(shortcoming, customer_id) for customer_id, shortcoming in shortcomings)
    return sorted(shown, key=lambda row: not row.stops)


def show_organisation_shortcomings(shortcomings: Mapping[Shortcoming, int | None]) -> list[ShownShortcoming]:
    """Return the shortcomings of the organisation, stops first.

    Each has the number of customers that it concerns.
    """
    shown = (_show(item)._replace(customers=customers) for item, customers in shortcomings.items())
    return sorted(shown, key=lambda row: not row.stops)


def _show(shortcoming: Shortcoming, customer_id: UUID | None = None) -> ShownShortcoming:
    label, url = correction_link(shortcoming.code, customer_id)
    rule = ", ".join(filter(None, (shortcoming.term, shortcoming.rule)))
    return ShownShortcoming(shortcoming.message, rule, shortcoming.stops, label, url)


def correction_link(code: str, customer_id: UUID | None = None) -> tuple[str, str]:
    """Return text and URL of the link to the page that corrects a shortcoming.

    Both are empty for any other code.
    """
    page = PAGES.get(code)
    if page is None:
        return "", ""
    if page == "customer":
        return Phrase("Open the customer"), url_for("customers.show", id=customer_id)
    if page == "organisation":
        section = "tax" if FIELDS[code] in _TAX_FIELDS else "organisation"
        if has_permission("settings:write"):
            return Phrase("Open the settings"), url_for("settings.edit", section=section, _anchor=FIELDS[code])
        return Phrase("Open the settings"), url_for("settings.index", _anchor=section)
    endpoint, anchor, label = _LINKS[page]
    return label, url_for(endpoint, _anchor=anchor)


class ShortcomingGroup(NamedTuple):
    """A shortcoming of several documents, with links to pages that correct it.

    `other_links` is the number of further pages.
    """

    reason: str
    documents: int
    links: list[tuple[str, str]]
    other_links: int


def group_shortcomings(documents: Iterable[PreparedDocument], max_links: int = 5) -> list[ShortcomingGroup]:
    """Return the shortcomings of documents by their codes, the most frequent first.

    Those about the bank account or the exchange rate of a currency name it.
    """
    groups: dict[tuple[str, str], list[PreparedDocument]] = {}
    for document in documents:
        for shortcoming in document.shortcomings:
            reason = REASONS[shortcoming.code]
            if shortcoming.page in {"bank_account", "exchange_rate"}:
                reason = reason.replace("the currency", document.document.currency)
            groups.setdefault((shortcoming.code, reason), []).append(document)
    rows = [_group(code, reason, lacking, max_links) for (code, reason), lacking in groups.items()]
    return sorted(rows, key=lambda row: -row.documents)


def _group(code: str, reason: str, documents: Sequence[PreparedDocument], max_links: int) -> ShortcomingGroup:
    """Return a shortcoming of documents with its links.

    There is one for the organisation, or one for each of the first customers.
    """
    if PAGES[code] != "customer":
        return ShortcomingGroup(reason, len(documents), [correction_link(code)], 0)
    names = {document.customer_id: document.name for document in documents}
    links = [(name, url_for("customers.show", id=id)) for id, name in islice(names.items(), max_links)]
    return ShortcomingGroup(reason, len(documents), links, len(names) - len(links))
