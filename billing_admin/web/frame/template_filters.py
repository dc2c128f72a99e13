"""Template filters: one for each kind of value."""

import json
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from zoneinfo import ZoneInfo

from flask import Flask

from billing_admin.domain.formatting import (
    format_day,
    format_day_of_month,
    format_exact,
    format_grouped,
    format_long_month,
    format_money,
    format_month,
    format_number,
    format_padded,
    format_percent,
    format_rounded,
    format_share,
    format_tax,
    format_whole,
    month_name,
    tax_note,
)
from billing_admin.domain.lifecycle import balance, payment_due
from billing_admin.domain.money import MINOR_DIGITS, Money, plain_decimal
from billing_admin.domain.translation import Phrase, translated
from billing_admin.domain.words import word
from billing_admin.queries.invoices.currency_totals import CurrencyTotal
from billing_admin.web.frame.field_labels import field_label
from billing_admin.web.frame.labels import (
    SETTINGS_GROUPS,
    RateLike,
    invoice_state,
    left_out_reason,
    number_ranges,
    payment_method,
    pluralise,
    quoted,
    recipient_kind,
    status_label,
    status_reason,
    tax_in_base,
    tax_rate as tax_rate_on,
)
from billing_admin.web.frame.list_params import day_presets, display_params, other_params
from billing_admin.web.frame.lists import AGEING_COLUMNS, plain_list
from billing_admin.web.frame.readiness import correction_link
from billing_admin.web.frame.selection_texts import selection_texts
from billing_admin.web.frame.signed_in import current_organisation, today

_SIX_PLACES = Decimal("1E-6")


def init_filters(app: Flask) -> None:
    """Register the template filters."""
    filters: dict[str, Callable[..., object]] = {
        "amounts": amounts,
        "day": format_day,
        "field_label": field_label,
        "day_of_month": format_day_of_month,
        "exact": format_exact,
        "exact_sums": exact_sums,
        "signed_total": signed_total,
        "status_label": status_label,
        "invoice_balance": balance,
        "payment_due": payment_due,
        "invoice_state": invoice_state,
        "left_out_reason": left_out_reason,
        "status_reason": status_reason,
        "correction_link": correction_link,
        "major": major,
        "moment": moment,
        "long_month": format_long_month,
        "money": format_money,
        "month": format_month,
        "month_name": month_name,
        "number": format_number,
        "number_ranges": number_ranges,
        "payment_method": payment_method,
        "percent": format_percent,
        "plain_decimal": plain_decimal,
        "pluralise": pluralise,
        "quoted": quoted,
        "recipient_kind": recipient_kind,
        "reason_for_no_tax": tax_note,
        "rounded": format_rounded,
        "signed_percent": signed_percent,
        "share_of_period": format_share,
        "tax_in_base": tax_in_base,
        "tax_rate": tax_rate,
        "tax_words": format_tax,
        "translated": translated,
        "unrounded": unrounded,
        "whole": format_whole,
        "word": word,
    }
    for name, template_filter in filters.items():
        app.add_template_filter(template_filter, name)
    for template_global in (display_params, day_presets, other_params, plain_list, selection_texts, other_digits):
        app.add_template_global(template_global)
    app.jinja_env.globals |= {"ageing_columns": AGEING_COLUMNS, "settings_groups": SETTINGS_GROUPS}


def amounts(totals: Collection[CurrencyTotal]) -> str:
    """Return the totals per currency in words: `12,340.00 EUR and 5.00 USD`."""
    *first_parts, last = [format_money(total.total, total.currency) for total in totals] or [Phrase("nothing")]
    return Phrase("{sums} and {last}", sums=", ".join(first_parts), last=last) if first_parts else last


def signed_total(kind: str, minor: int, currency: str) -> Decimal:
    """Return the total of a document as a decimal, negative for a credit note."""
    total = Money(minor, currency).decimal
    return total.copy_negate() if kind == "credit_note" else total


def other_digits() -> dict[str, int]:
    """Return the decimals of currencies that do not have two, for a script."""
    return {currency: digits for currency, digits in MINOR_DIGITS.items() if digits != 2}


def exact_sums(sums: Iterable[tuple[str, Decimal]]) -> str:
    """Return exact sums by currency as JSON, for a script that adds them."""
    return json.dumps({currency: plain_decimal(amount) for currency, amount in sums}, separators=(",", ":"))


def unrounded(minor: Decimal, currency: str) -> str:
    """Return an amount in unrounded minor units, as in `1.4269 USD`.

    It is cut off after six places, with an ellipsis.
    """
    shown = minor.quantize(_SIX_PLACES, ROUND_DOWN)
    amount = Decimal(format_padded(shown.scaleb(-MINOR_DIGITS[currency]), MINOR_DIGITS[currency]))
    return f"{format_grouped(amount)}{'' if shown == minor else '…'} {currency}"


def major(minor: int, currency: str) -> str:
    """Return an amount in major units as a plain decimal, for attributes."""
    return plain_decimal(Money(minor, currency).decimal)


def signed_percent(percent: int) -> str:
    """Return a change in percent with its sign, `+34 %`."""
    sign = "+" if percent > 0 else "−" if percent < 0 else ""
    return f"{sign}{format_whole(abs(percent))} %"


def tax_rate(rate: RateLike) -> str:
    """Return the rate's name, followed by today's percentage.

    The percentage is left out if the name contains it.
    """
    return tax_rate_on(rate, today())


def moment(value: datetime) -> str:
    """Return a time in the organisation's time zone: `22 Nov 2026, 14:05 CET`."""
    local = value.astimezone(ZoneInfo(current_organisation().time_zone))
    time = f"{local:%H:%M %Z}"
    return Phrase("{day}, {time}", day=format_day(local), time=time)
