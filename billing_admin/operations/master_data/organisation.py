"""Change the settings of the organisation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.colours import check_accent
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.master_data import (
    ORGANISATION_RULES,
    OrganisationFields,
    check_fields,
    check_new_texts,
    check_version,
)
from billing_admin.domain.text import never_collide
from billing_admin.domain.translation import Phrase
from billing_admin.domain.vatex import check_exempt_code
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.models import Invoice, Organisation, TaxRate
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.master_data.number_series import start_new_series
from billing_admin.operations.master_data.party_checks import compact_identifiers, find_party_problems
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
    "exempt_vatex",
    "reverse_charge_note",
    "export_note",
    "intra_community_note",
    "hold_likely_duplicates",
    "applies_credit",
    "requires_complete_details",
    "attach_pdf",
    "number_format",
    "date_order",
    "street",
    "street2",
    "postcode",
    "city",
    "region",
    "country",
    "registration_id",
    "registration_scheme",
    "electronic_address",
    "electronic_scheme",
    "tax_number",
    "legal_info",
    "contact_name",
    "contact_phone",
    "contact_email",
    "terms",
    "language",
    "paper",
    "accent",
]


def update(
    session: Session, fields: OrganisationFields, version: int | None, actor: Actor, now: datetime
) -> Organisation:
    """Change the given settings, which apply to future documents only.

    Where a document dated in the future blocks a number series, a changed number format starts a new series. Raises Stale when
    `version` is set and the settings have been changed since, Conflict for another base currency once an invoice exists, and
    Invalid for number formats that could produce the same number, and for details that `party_checks` refuses.
    """
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    check_version(version, organisation.version, Phrase("The settings"), are_several=True)
    before = _stored_fields(organisation)
    values = _check_values(fields, before)
    for field in FIELDS:
        if field in values:
            setattr(organisation, field, values[field])
    _check_number_formats(organisation)
    if "default_tax_rate" in values:
        organisation.default_tax_rate = _tax_rate(session, values["default_tax_rate"])
    changed = changed_fields(before, _stored_fields(organisation))
    if "base_currency" in changed and session.scalar(select(Invoice.id).limit(1)) is not None:
        raise Conflict(
            "currency_locked", Phrase("The base currency cannot be changed once an invoice exists."), "base_currency"
        )
    if changed:
        session.flush()
        new_series = start_new_series(session, changed, day_of(now, organisation.time_zone), now)
        record(session, actor, now, "organisation.changed", "organisation", None, changed | new_series)
    return organisation


def _check_values(fields: OrganisationFields, stored: Mapping[str, Any]) -> dict[str, Any]:
    values = check_fields(ORGANISATION_RULES, fields)
    check_new_texts(values, stored)
    check_exempt_code(values.get("exempt_vatex", ""), codes(CodeList.VATEX), "exempt_vatex")
    if "accent" in values:
        values["accent"] = check_accent(values["accent"], "accent")
    problems = find_party_problems({**stored, **values}, stored)
    if problems:
        raise Invalid.of(problems)
    return compact_identifiers(values, stored)


def _check_number_formats(organisation: Organisation) -> None:
    if not never_collide(organisation.invoice_format, organisation.credit_note_format):
        message = Phrase(
            "Credit note numbers must differ from invoice numbers. Start them with other letters, such as "
            "CN-{year}-{number:5}."
        )
        raise Invalid("formats_collide", message, "credit_note_format")


def _tax_rate(session: Session, code: str) -> TaxRate:
    rate = session.scalar(select(TaxRate).where(TaxRate.code == code))
    if rate is None:
        raise Invalid("unknown_tax_rate", Phrase("There is no tax rate “{code}”.", code=code[:80]), "default_tax_rate")
    return rate


def _stored_fields(organisation: Organisation) -> dict[str, Any]:
    return {field: getattr(organisation, field) for field in FIELDS} | {
        "default_tax_rate": organisation.default_tax_rate.code
    }
