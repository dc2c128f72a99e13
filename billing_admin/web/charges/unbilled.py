"""Unbilled charges of all customers, in two lists, and those of one account.

All three pages have the same filter. Charges, or whole accounts, can be selected and held, released, cancelled, billed or
exported.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.lookup import parse_uuid
from billing_admin.db.transactions import Session
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.errors import NotFound
from billing_admin.domain.formatting import format_day, format_number, format_whole
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.readiness import find_stops
from billing_admin.domain.selections import MAX_SELECTED
from billing_admin.domain.translation import Phrase
from billing_admin.queries.charges import unbilled as queries
from billing_admin.queries.charges.unbilled import UnbilledFilter
from billing_admin.queries.invoices.readiness import load_party_data
from billing_admin.queries.master_data import customers, services
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.charges.selected import CHARGE_ACTS, start_act, too_many_to_select
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import (
    amount_param,
    build_chips,
    choice_param,
    currency_param,
    current_url,
    filtered_url,
    flag_param,
    has_permission,
    id_param,
    selected_ids,
    strict_day_param,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import ACCOUNT_CHARGES, UNBILLED, UNBILLED_CHARGES
from billing_admin.web.frame.signed_in import today
from billing_admin.web.frame.tables import Total, load_table

WRITE = "charges:write"
AGE_LABELS: Final = {
    "0_30": Phrase("Up to 30 days"),
    "31_60": Phrase("31 to 60 days"),
    "61_90": Phrase("61 to 90 days"),
    "over_90": Phrase("Over 90 days"),
}
STATUS_LABELS: Final = {"pending": Phrase("Pending"), "held": Phrase("Held")}

pages = page_blueprint("unbilled", __name__, "/unbilled", write=WRITE)


def read_filters(customer_id: UUID | None = None, currency: str = "") -> UnbilledFilter:
    """Return the filter in the URL, for one account if there is one."""
    through = strict_day_param("through")
    return UnbilledFilter(
        q=text_param("q") if customer_id is None else "",
        currency=currency or currency_param(),
        through=through,
        customer_id=customer_id,
        service=text_param("service"),
        status=choice_param("status", STATUS_LABELS),
        age=choice_param("age", AGE_LABELS),
        aged_on=through or today(),
        min_amount=amount_param("min"),
        max_amount=amount_param("max"),
        likely_duplicates=flag_param("likely_duplicates"),
        selection=id_param("selection"),
    )


def filter_chips(filters: UnbilledFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter."""
    bounds = filters.min_amount, filters.max_amount
    least, most = ("" if bound is None else format_number(bound) for bound in bounds)
    return build_chips(
        ("q", Phrase("Customer"), filters.q),
        ("currency", Phrase("Currency"), filters.currency if filters.customer_id is None else ""),
        ("through", Phrase("Up to"), format_day(filters.through) if filters.through else ""),
        ("service", Phrase("Service"), filters.service),
        ("status", Phrase("Status"), STATUS_LABELS.get(filters.status, "")),
        ("age", Phrase("Age"), AGE_LABELS.get(filters.age, "")),
        ("min", Phrase("Amount at least"), least),
        ("max", Phrase("Amount at most"), most),
        ("likely_duplicates", Phrase("Only"), Phrase("likely duplicates") if filters.likely_duplicates else ""),
        ("selection", Phrase("Only"), Phrase("selected charges") if filters.selection else ""),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the accounts with unbilled charges, by customer."""
    filters = read_filters()
    table = UNBILLED
    if filters.selects_charges:  # the accounts store the sums of all charges, not of those that match
        table = replace(UNBILLED, sorts={"customer": UNBILLED.sorts["customer"]})
    page = load_table(queries.unbilled_accounts(filters), table)
    keys = [(row.customer_id, row.currency) for row in page.rows]
    figures = queries.account_figures(db.session(), filters, {customer_id for customer_id, _ in keys})
    return render_template(
        "unbilled/list.html",
        page=page,
        figures=defaultdict(queries.AccountFigures, figures),
        incomplete=_incomplete_accounts(keys),
        **_list_parts(filters, "accounts"),
    )


@pages.get("/charges")
def charges() -> ResponseReturnValue:
    """List the unbilled charges of all customers, by customer and day."""
    filters = read_filters()
    page = load_table(queries.unbilled_charges(filters), UNBILLED_CHARGES, is_short=True)
    customer_ids = {row.customer_id for row in page.rows}
    figures = queries.account_figures(db.session(), filters, customer_ids)
    return render_template(
        "unbilled/charges.html",
        page=page,
        figures=_by_customer(figures),
        incomplete={customer_id for customer_id, _ in _incomplete_accounts(figures)},
        **_list_parts(filters, "charges"),
    )


def _list_parts(filters: UnbilledFilter, rows: str) -> dict[str, Any]:
    """Return what the lists of accounts and of charges have in common."""
    session = db.session()
    totals = None if queries.is_large(session, filters) else queries.unbilled_totals(session, filters)
    views = (
        ("accounts", Phrase("By customer"), "unbilled.index"),
        ("charges", Phrase("All charges"), "unbilled.charges"),
    )
    return {
        "filters": filters,
        "chips": filter_chips(filters),
        "clear_url": unfiltered_url(),
        "tabs": [{"label": label, "url": filtered_url(page), "active": name == rows} for name, label, page in views],
        "totals": totals or [],
        "is_large": totals is None,
        **_whole_filter([] if totals is None else [(row.currency, row.charges, row.amount) for row in totals]),
        "currencies": [(code, code) for code in customers.account_currencies(session)],
        **_choices(),
        "account_url": partial(_account_url, list_currency=filters.currency or None),
        "act_urls": {act: filtered_url("unbilled.select", act=act, list=rows) for act in CHARGE_ACTS},
        "aged_on": filters.aged_on,
        "may_write": has_permission(WRITE),
        "may_bill": has_permission("billing:write"),
    }


def _choices() -> dict[str, Any]:
    """Return the choices of the filter."""
    return {
        "services": [(service.code, service.code) for service in services.service_choices(db.session())],
        "ages": list(AGE_LABELS.items()),
        "statuses": list(STATUS_LABELS.items()),
    }


def _whole_filter(sums: Collection[tuple[str, int, Decimal]]) -> dict[str, Any]:
    """Return count and exact sums of all charges that match.

    If they are too many to be selected at once, return a sentence that says so.
    """
    count = sum(charges for _, charges, _ in sums)
    too_many = count > MAX_SELECTED
    return {
        "count": 0 if too_many else count,
        "sums": [] if too_many else [(currency, amount) for currency, _, amount in sums],
        "too_many": too_many_to_select() if too_many or not sums else None,
    }


def _account_url(customer_id: UUID, currency: str, **values: Any) -> str:
    """Return the page of an account, with the filters of this page."""
    return filtered_url("unbilled.show", customer_id=customer_id, currency=currency, **values)


def _by_customer(figures: dict[AccountKey, queries.AccountFigures]) -> dict[UUID, list[tuple[str, Any]]]:
    """Return the figures of customers, each with its currency, by customer."""
    by_customer: dict[UUID, list[tuple[str, Any]]] = {}
    for (customer_id, currency), account in sorted(figures.items(), key=lambda item: item[0][1]):
        by_customer.setdefault(customer_id, []).append((currency, account))
    return by_customer


def _incomplete_accounts(keys: Collection[AccountKey]) -> set[AccountKey]:
    """Return the accounts that a billing run would leave out for missing details."""
    session = db.session()
    facts = load_party_data(session, organisation(session), list(keys)).facts if keys else {}
    return {key for key, account_facts in facts.items() if find_stops(account_facts)}


@pages.get("/<uuid:customer_id>/<currency>")
def show(customer_id: UUID, currency: str) -> ResponseReturnValue:
    """List the unbilled charges of one account, oldest first."""
    session, filters = db.session(), _account_filters(customer_id, currency)
    customer = customers.customer(session, str(customer_id))
    figures = queries.account_figures(session, filters, [customer_id])
    account = figures.get((customer_id, currency), queries.AccountFigures())
    list_currency = choice_param("list_currency", MINOR_DIGITS)
    previous, following = queries.neighbours(
        session, replace(read_filters(), currency=list_currency), customer, currency
    )
    tabs = (("", Phrase("Pending and held")), *STATUS_LABELS.items())
    return render_template(
        "unbilled/show.html",
        customer=customer,
        filters=filters,
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        list_url=filtered_url("unbilled.index", list_currency=None, currency=list_currency),
        kept={"status": filters.status, "q": text_param("q"), "list_currency": list_currency},
        page=load_table(queries.charges_of_account(filters), ACCOUNT_CHARGES),
        figures=account,
        list_totals=_account_totals(currency, account),
        previous=previous,
        following=following,
        account_url=_account_url,
        tabs=[
            {"label": label, "url": current_url(status=name), "active": filters.status == name} for name, label in tabs
        ],
        incomplete=bool(_incomplete_accounts([(customer_id, currency)])),
        **_whole_filter([(currency, account.charges, account.amount)]),
        **_choices(),
        act_urls={
            act: filtered_url("unbilled.change_status", customer_id=customer_id, currency=currency, act=act)
            for act in CHARGE_ACTS
        },
        today=today(),
        may_write=has_permission(WRITE),
        may_bill=has_permission("billing:write"),
    )


def _account_totals(currency: str, account: queries.AccountFigures) -> list[Total]:
    """Return the totals below the charges of an account: of pending and of held ones."""
    pending = Phrase("{count} pending", count=format_whole(account.pending_charges))
    held = Phrase("{count} held", count=format_whole(account.held_charges))
    totals = (
        (account.pending_charges, Total(pending, {"amount": account.pending_amount}, currency)),
        (account.held_charges, Total(held, {"amount": account.held_amount}, currency)),
    )
    return [total for charges, total in totals if charges]


def _account_filters(customer_id: UUID, currency: str) -> UnbilledFilter:
    if currency not in MINOR_DIGITS:
        raise NotFound("unknown_account", Phrase("This currency does not exist."), "currency")
    return read_filters(customer_id, currency)


@pages.post("/<any(hold, release, cancel, bill, export):act>")
def select(act: str) -> ResponseReturnValue:
    """Continue with an act on the selected charges and accounts of the list."""
    filters, is_by_customer = read_filters(), choice_param("list", ("accounts", "charges")) == "accounts"
    return start_act(
        act,
        lambda session: _selected_charge_ids(session, filters),
        filtered_url("unbilled.index" if is_by_customer else "unbilled.charges", list=None),
        filters.through,
    )


@pages.post("/<uuid:customer_id>/<currency>/<any(hold, release, cancel, bill, export):act>")
def change_status(customer_id: UUID, currency: str, act: str) -> ResponseReturnValue:
    """Continue with an act on the selected charges of one account."""
    filters = _account_filters(customer_id, currency)
    back = filtered_url("unbilled.show", customer_id=customer_id, currency=currency)
    return start_act(act, lambda session: _selected_charge_ids(session, filters), back, filters.through)


def _selected_charge_ids(session: Session, filters: UnbilledFilter) -> list[UUID]:
    """Return the selected charges.

    They are all that match the filter, or ticked charges and those of ticked accounts.
    """
    limit = MAX_SELECTED + 1
    if request.form.get("all") == "1":
        return queries.unbilled_charge_ids(session, filters, limit=limit)
    ids = queries.ticked_ids(session, filters, selected_ids())
    if accounts := _selected_accounts():
        ids += queries.unbilled_charge_ids(session, filters, accounts, limit)
    return ids


def _selected_accounts() -> list[tuple[UUID, str]]:
    """Return the ticked accounts, by customer and currency.

    Without a currency, all accounts of the customer are ticked.
    """
    pairs = (text.partition(":") for text in request.form.getlist("account"))
    accounts = [(parse_uuid(id), currency) for id, _, currency in pairs]
    return [(id, currency) for id, currency in accounts if id is not None and currency in {"", *MINOR_DIGITS}]
