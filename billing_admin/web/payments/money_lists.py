"""Filters, chips and tabs of the lists of payments and of refunds."""

from collections.abc import Mapping
from typing import Any, TypeVar

from billing_admin.domain.formatting import format_day
from billing_admin.domain.translation import Phrase
from billing_admin.queries.payments.payments import PaymentFilter
from billing_admin.queries.payments.refunds import RefundFilter
from billing_admin.web.frame.labels import status_label
from billing_admin.web.frame.list_params import (
    FilterChip,
    build_chips,
    choice_param,
    currency_param,
    current_url,
    day_range_params,
    text_param,
)

MoneyFilter = TypeVar("MoneyFilter", PaymentFilter, RefundFilter)


def read_money_filters(
    kind: type[MoneyFilter], states: tuple[str, ...], methods: Mapping[str, str], **values: Any
) -> MoneyFilter:
    """Return the list filter in the URL."""
    first, last = day_range_params("from", "to")
    return kind(
        q=text_param("q"),
        customer=text_param("customer"),
        currency=currency_param(),
        status=choice_param("status", states),
        method=choice_param("method", methods),
        from_=first,
        to=last,
        reference=text_param("reference"),
        **values,
    )


def money_chips(
    filters: PaymentFilter | RefundFilter, methods: Mapping[str, str], *chips: tuple[str, str, str]
) -> list[FilterChip]:
    """Return a removable chip for each condition of the filter, except status.

    Status has tabs.
    """
    return build_chips(
        ("q", Phrase("Search"), filters.q),
        ("customer", Phrase("Customer"), filters.customer),
        ("currency", Phrase("Currency"), filters.currency),
        ("method", Phrase("Method"), methods.get(filters.method, "")),
        ("from", Phrase("From day"), format_day(filters.from_) if filters.from_ else ""),
        ("to", Phrase("To day"), format_day(filters.to) if filters.to else ""),
        ("reference", Phrase("Reference"), filters.reference),
        *chips,
    )


def status_tabs(counts: Mapping[str, int], status: str) -> list[dict[str, Any]]:
    """Return a tab for each status, with the number of its rows."""
    return [
        {
            "label": status_label(name) if name else Phrase("All"),
            "url": current_url(status=name),
            "count": count,
            "active": name == status,
        }
        for name, count in counts.items()
    ]
