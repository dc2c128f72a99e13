"""Create and change tax rates, whose percentages change from a day on.

Issued documents never change.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.master_data import (
    TAX_RATE_RULES,
    TaxRateChanges,
    TaxRateFields,
    check_fields,
    check_new_texts,
    check_version,
)
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.tax import CATEGORIES_WITHOUT_NOTE, DEFAULT_TAX_NOTES
from billing_admin.domain.translation import Phrase
from billing_admin.domain.vatex import vatex_of
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.models import TaxRate, TaxRateChange
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.organisation import tax_rate, today

TAXED = "S"


def create(session: Session, fields: TaxRateFields, actor: Actor, now: datetime) -> TaxRate:
    """Create a tax rate.

    A rate that charges no tax without a note gets the default note of its category, and the VATEX code if its category
    has one of its own. Raises Conflict when its code is taken, and Invalid for a percentage in a category that charges no
    tax, for 0 percent in the category that charges tax, and for a VATEX code that does not belong to the category.
    """
    values = check_fields(TAX_RATE_RULES, fields)
    check_new_texts(values)
    if session.scalar(select(TaxRate.id).where(TaxRate.code == values["code"])) is not None:
        raise Conflict("code_taken", Phrase("Tax rate “{code}” already exists.", code=values["code"]), "code")
    if values["category"] != TAXED and values["percent"]:
        raise Invalid(
            "charges_no_tax",
            Phrase("Category {category} charges no tax: use 0 percent.", category=values["category"]),
            "percent",
        )
    if values["category"] == TAXED:
        _check_taxed(values["percent"], Phrase("Use category Z (zero rated) or E (exempt) to charge no tax."))
    values["note"] = values.get("note", "") or DEFAULT_TAX_NOTES.get(values["category"], "")
    _check_note(values["category"], values["note"])
    values["vatex"] = vatex_of(values["category"], values.get("vatex", ""), codes(CodeList.VATEX), "vatex")
    rate = TaxRate(id=new_id(now), **values)
    session.add(rate)
    session.flush()
    record(
        session, actor, now, "tax_rate.created", "tax_rate", rate.id, values | {"percent": plain_decimal(rate.percent)}
    )
    return rate


def _check_taxed(percent: Decimal, advice: str) -> None:
    """Raise Invalid for 0 percent, which category S may not have (BR-S-05)."""
    if not percent:
        raise Invalid(
            "zero_percent",
            Phrase("A tax rate of category S needs more than 0 percent. {advice}", advice=advice),
            "percent",
        )


def _check_note(category: str, note: str) -> None:
    if not note.strip() and category not in CATEGORIES_WITHOUT_NOTE:
        raise Invalid("blank", Phrase("Enter the reason to print on invoices for not charging tax."), "note")
    if note and category not in DEFAULT_TAX_NOTES:
        raise Invalid(
            "not_printed",
            Phrase("Leave this blank: a tax rate of category {category} needs no reason.", category=category),
            "note",
        )


def update(
    session: Session, rate_id: UUID, fields: TaxRateChanges, version: int | None, actor: Actor, now: datetime
) -> TaxRate:
    """Change the given fields; note and VATEX code apply to future documents.

    Raises Stale when it has changed since `version`, and Invalid for a note or a code that does not belong to the category.
    """
    rate = _lock_rate(session, rate_id, version)
    before = {name: getattr(rate, name) for name in ("name", "note", "vatex")}
    values = before | check_fields(TAX_RATE_RULES, fields)
    _check_note(rate.category, values["note"])
    values["vatex"] = vatex_of(rate.category, values["vatex"], codes(CodeList.VATEX), "vatex")
    check_new_texts(values, before)
    rate.name, rate.note, rate.vatex = values["name"], values["note"], values["vatex"]
    changed = changed_fields(before, values)
    if changed:
        session.flush()
        record(session, actor, now, "tax_rate.changed", "tax_rate", rate.id, changed)
    return rate


def change_percent(
    session: Session,
    rate_id: UUID,
    valid_from: date,
    percent: Decimal,
    version: int | None,
    actor: Actor,
    now: datetime,
) -> TaxRate:
    """Set the percentage that applies from a day on.

    It replaces a change on the same day. It applies to unbilled charges incurred on or after that day. Raises Stale,
    Invalid, also for 0 percent, and Conflict for a rate without tax.
    """
    rate = _lock_rate(session, rate_id, version)
    if rate.category != TAXED:
        raise Conflict(
            "charges_no_tax",
            Phrase("{rate_name} charges no tax: its percentage stays 0.", rate_name=rate.name),
            "percent",
        )
    check_fields(TAX_RATE_RULES, {"percent": percent})
    _check_taxed(percent, Phrase("To charge no tax, add a rate of category Z or E and use it for the services."))
    check_calendar_day(valid_from, "valid_from")
    changes_by_day = {change.valid_from: change for change in rate.changes}
    before = changes_by_day[valid_from].percent if valid_from in changes_by_day else None
    if before != percent:
        if before is None:
            rate.changes.append(TaxRateChange(valid_from=valid_from, percent=percent))
        else:
            changes_by_day[valid_from].percent = percent
        _record_percent_change(session, rate, valid_from, [before, percent], actor, now)
    return rate


def remove_change(session: Session, rate_id: UUID, valid_from: date, actor: Actor, now: datetime) -> TaxRate:
    """Remove a future change of the percentage.

    Raises NotFound for a day without one, Conflict once it is in effect.
    """
    rate = _lock_rate(session, rate_id, None)
    change = next((change for change in rate.changes if change.valid_from == valid_from), None)
    if change is None:
        raise NotFound(
            "unknown_change",
            Phrase(
                "{rate_name} does not change on {valid_from}.", rate_name=rate.name, valid_from=valid_from.isoformat()
            ),
            "valid_from",
        )
    if valid_from <= today(session, now):
        raise Conflict(
            "begun",
            Phrase(
                "The change of {rate_name} on {valid_from} has already taken effect. Enter a new percentage instead.",
                rate_name=rate.name,
                valid_from=valid_from.isoformat(),
            ),
        )
    rate.changes.remove(change)
    _record_percent_change(session, rate, valid_from, [change.percent, None], actor, now)
    return rate


def _record_percent_change(
    session: Session, rate: TaxRate, valid_from: date, percents: list[Decimal | None], actor: Actor, now: datetime
) -> None:
    rate.version += 1  # changes are rows of their own, which do not count up the version
    session.flush()
    session.refresh(rate, ["changes"])
    before, after = (None if percent is None else plain_decimal(percent) for percent in percents)
    details: dict[str, Any] = {"valid_from": valid_from.isoformat(), "percent": [before, after]}
    record(session, actor, now, "tax_rate.percent_changed", "tax_rate", rate.id, details)


def _lock_rate(session: Session, rate_id: UUID, version: int | None) -> TaxRate:
    rate = tax_rate(session, rate_id)
    session.refresh(rate, with_for_update=True)
    check_version(version, rate.version, rate.name)
    return rate
