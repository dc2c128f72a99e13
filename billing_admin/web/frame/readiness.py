"""The shortcomings of documents, with links to the pages that correct them."""

from collections.abc import Iterable, Mapping
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
    """A shortcoming of several documents, with the links to the pages that correct it."""

    reason: str
    documents: int
    links: list[tuple[str, str]]


def group_shortcomings(documents: Iterable[PreparedDocument]) -> list[ShortcomingGroup]:
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
    rows = [ShortcomingGroup(reason, len(lacking), _links(code, lacking)) for (code, reason), lacking in groups.items()]
    return sorted(rows, key=lambda row: -row.documents)


def _links(code: str, documents: Iterable[PreparedDocument]) -> list[tuple[str, str]]:
    """Return one link for the organisation, or one for each customer."""
    if PAGES[code] != "customer":
        return [correction_link(code)]
    names = {document.customer_id: document.name for document in documents}
    return [(name, url_for("customers.show", id=id)) for id, name in names.items()]
