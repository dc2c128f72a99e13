"""The organisation's settings are changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import OrganisationFields, check_fields, check_new_texts
from billing_admin.domain.text import never_collide
from billing_admin.models import Invoice, Organisation, TaxRate
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.master_data.number_series import start_new_series
from billing_admin.queries.master_data.organisation import day_of

FIELDS = [
    "legal_name",
    "address",
    "tax_id",
    "email",
    "invoice_footer",
    "time_zone",
    "base_currency",
    "payment_terms_days",
    "invoice_format",
    "credit_note_format",
    "exempt_note",
    "reverse_charge_note",
    "export_note",
    "hold_likely_duplicates",
]


def update(
    session: Session, fields: OrganisationFields, version: int | None, actor: Actor, now: datetime
) -> Organisation:
    """Change the settings given; they apply to future documents only. Raises Stale when somebody changed them since,
    Conflict for another base currency once an invoice exists, and Invalid for formats whose numbers could be the same.
    Another number format begins a new number series where a document dated in the future blocks the current one.
    """
    house = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    if version is not None and version != house.version:
        raise Stale("stale", "The settings have been changed by someone else. Review the change, then try again.")
    given = check_fields(fields)
    before = _facts(house)
    check_new_texts(given, before)
    for field in FIELDS:
        if field in given:
            setattr(house, field, given[field])
    _check_formats(house)
    if "default_tax_rate" in given:
        house.default_tax_rate = _rate(session, given["default_tax_rate"])
    changed = changed_fields(before, _facts(house))
    if "base_currency" in changed and session.scalar(select(Invoice.id).limit(1)) is not None:
        raise Conflict(
            "currency_locked", "The base currency cannot be changed once an invoice exists.", "base_currency"
        )
    if changed:
        session.flush()
        new_series = start_new_series(session, changed, day_of(now, house.time_zone), now)
        record(session, actor, now, "organisation.changed", "organisation", None, changed | new_series)
    return house


def _check_formats(house: Organisation) -> None:
    if not never_collide(house.invoice_format, house.credit_note_format):
        said = (
            "Credit note numbers must differ from invoice numbers."
            " Start them with other letters, such as CN-{year}-{number:5}."
        )
        raise Invalid("formats_collide", said, "credit_note_format")


def _rate(session: Session, code: str) -> TaxRate:
    rate = session.scalar(select(TaxRate).where(TaxRate.code == code))
    if rate is None:
        raise Invalid("unknown_tax_rate", f"There is no tax rate “{code[:80]}”.", "default_tax_rate")
    return rate


def _facts(house: Organisation) -> dict[str, Any]:
    return {field: getattr(house, field) for field in FIELDS} | {"default_tax_rate": house.default_tax_rate.code}
