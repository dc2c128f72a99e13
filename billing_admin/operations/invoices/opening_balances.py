"""Record opening balances: open invoices and credits of an earlier system.

An open invoice is a document of the kind `opening_invoice`; a credit is a payment of the method `opening_credit`. So both
age, are allocated and appear in every figure like those of this application. A mistake is taken back by voiding the one and
reversing the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.lifecycle import due_date
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.domain.opening_balances import (
    CUT_OVER_MISSING,
    OPENING_CREDIT,
    OPENING_INVOICE,
    OpeningSpec,
    check_original_date,
    read_own_number,
    without_void_suffix,
)
from billing_admin.domain.payments import allocation_text
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, Invoice, NumberSeries, Organisation, Payment
from billing_admin.operations.audit import record as record_event
from billing_admin.operations.invoices.invoices import copied_fields
from billing_admin.operations.master_data.accounts import AccountKey
from billing_admin.operations.master_data.periods import require_open_day
from billing_admin.operations.payments.allocations import lock_account_and_invoices
from billing_admin.queries.invoices.numbers import DOCUMENT_KINDS
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import document_number_format
from billing_admin.queries.payments.opening_balances import cut_over_day, has_credit, has_invoice


@dataclass(frozen=True, slots=True)
class RecordedOpening:
    """The id of the document, or of the payment for a credit; and whether it is new."""

    id: UUID
    is_credit: bool
    created: bool


@dataclass(frozen=True, slots=True)
class _Amounts:
    """The amounts of a request in minor units, above zero."""

    open: int
    total: int | None
    tax: int | None


def record(session: Session, spec: OpeningSpec, actor: Actor, now: datetime) -> RecordedOpening:
    """Record an opening balance.

    A repeated request with the same id returns the original. Raises Invalid for wrong values, Conflict for a number that
    the customer or another document has already, and when the id belongs to other values.
    """
    customer_row = _find_customer(session, spec.customer)
    currency = spec.currency or customer_row.currency
    amounts = _minor_units(spec, currency)
    stored = _find_stored(session, spec)
    if stored is not None:
        return _check_same(spec, stored, (customer_row.id, currency), amounts)
    opened_on = spec.opened_on or cut_over_day(session)
    if opened_on is None:
        raise Invalid("cut_over_missing", CUT_OVER_MISSING, "opened_on")
    organisation = require_open_day(session, opened_on, now, "opened_on")
    check_original_date(spec.original_date, opened_on)
    key = customer_row.id, currency
    lock_account_and_invoices(session, key, [])
    _refuse_number_in_use(session, spec, customer_row, organisation)
    id = spec.id or new_id(now)
    details = _audit_details(spec, customer_row, currency, amounts, opened_on)
    type = "payment" if spec.is_credit else "invoice"
    event_id = record_event(session, actor, now, "opening_balance.recorded", type, id, details)
    if spec.is_credit:
        insert_many(session, Payment, [_credit_row(id, key, spec, amounts, opened_on, event_id, now)])
    else:
        insert_many(
            session, Invoice, [_invoice_row(id, customer_row, currency, spec, amounts, opened_on, organisation, now)]
        )
    return RecordedOpening(id, spec.is_credit, True)


def _find_customer(session: Session, name: str) -> Customer:
    # An unknown customer in the body is an error of the request (422), not a missing resource (404).
    try:
        return customer(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from None


def _minor_units(spec: OpeningSpec, currency: str) -> _Amounts:
    def minor(amount: Decimal | None, field: str) -> int | None:
        return None if amount is None else abs(Money.exactly(exact_decimal(amount, field), currency, field).minor)

    amount = minor(spec.open_amount, "open_amount")
    assert amount is not None  # noqa: S101 - a spec has an open amount
    return _Amounts(amount, minor(spec.original_total, "original_total"), minor(spec.original_tax, "original_tax"))


def _find_stored(session: Session, spec: OpeningSpec) -> Record | None:
    """Return the document or payment of the request's id, of any kind."""
    if spec.id is None:
        return None
    for model in (Invoice, Payment):
        row = session.execute(select(model.__table__).where(model.id == spec.id)).one_or_none()
        if row is not None:
            return row
    return None


def _check_same(spec: OpeningSpec, stored: Record, key: AccountKey, amounts: _Amounts) -> RecordedOpening:
    """Return the stored opening balance; a value that differs is a conflict."""
    values = stored._mapping
    if values.get("kind") != OPENING_INVOICE and values.get("method") != OPENING_CREDIT:
        raise Conflict(
            "id_conflict",
            Phrase("The ID {stored_id} belongs to another document or payment.", stored_id=stored.id),
            "id",
        )
    is_credit = "method" in values
    before: dict[str, object] = {
        "customer": stored.customer_id,
        "currency": stored.currency,
        "number": stored.reference if is_credit else without_void_suffix(stored.number),
        "original_date": stored.original_date,
        "open_amount": -stored.amount if is_credit else stored.total,
        "opened_on": stored.received_on if is_credit else stored.issue_date,
    }
    after: dict[str, object] = {
        "customer": key[0],
        "currency": key[1] if spec.currency else None,
        "number": spec.number,
        "original_date": spec.original_date,
        "open_amount": -amounts.open if spec.is_credit else amounts.open,
        "opened_on": spec.opened_on,
    }
    if not is_credit:
        names = ("due_date", "original_total", "original_tax", "purchase_order")
        before |= {name: values[name] for name in names}
        after |= dict(zip(names, (spec.due_date, amounts.total, amounts.tax, spec.purchase_order), strict=True))
    differs = [name for name, value in after.items() if value is not None and before[name] != value]
    refuse_differences(Phrase("Opening balance {number}", number=before["number"]), differs, "id")
    return RecordedOpening(stored.id, is_credit, False)


def _refuse_number_in_use(
    session: Session, spec: OpeningSpec, customer_row: Customer, organisation: Organisation
) -> None:
    """Raise Conflict for a number that is in use, or that a document will get."""
    number = spec.number
    if has_invoice(session, customer_row.id, number) or has_credit(session, customer_row.id, number):
        message = Phrase(
            "{number} of {customer_row_reference} has been recorded already. Leave it out.",
            number=number,
            customer_row_reference=customer_row.reference,
        )
        raise Conflict("opening_recorded", message, "number")
    if spec.is_credit:
        return
    owner = session.scalar(select(Invoice.customer_reference).where(Invoice.number == number))
    if owner is not None:
        message = Phrase(
            "{number} is the number of a document of {owner}. Check the number, or add the year to it.",
            number=number,
            owner=owner,
        )
        raise Conflict("number_taken", message, "number")
    for kind in DOCUMENT_KINDS:
        _refuse_coming_number(session, number, kind, organisation)


def _refuse_coming_number(session: Session, number: str, kind: str, organisation: Organisation) -> None:
    """Raise Conflict for a number that a document of this application will get."""
    parts = read_own_number(document_number_format(organisation, kind), number)
    if parts is None:
        return
    year, sequence = parts
    series = select(NumberSeries.next_sequence).where(NumberSeries.kind == kind, NumberSeries.year == year)
    next_sequence = session.scalar(series.order_by(NumberSeries.part.desc()).limit(1)) or 1
    if sequence >= next_sequence:
        message = Phrase(
            "{number} has the format of the numbers here, so a document here would get the same number. "
            "Change the number format in the settings first.",
            number=number,
        )
        raise Conflict("number_reserved", message, "number")


def _invoice_row(
    id: UUID,
    customer_row: Customer,
    currency: str,
    spec: OpeningSpec,
    amounts: _Amounts,
    opened_on: date,
    organisation: Organisation,
    now: datetime,
) -> Row:
    terms = customer_row.payment_terms_days
    days = organisation.payment_terms_days if terms is None else terms
    copied = copied_fields(organisation, customer_row)
    return {
        "id": id,
        "kind": OPENING_INVOICE,
        "status": "issued",
        "customer_id": customer_row.id,
        "currency": currency,
        "run_id": None,
        "series_id": None,
        "sequence": None,
        "number": spec.number,
        "issue_date": opened_on,
        "due_date": spec.due_date or due_date(spec.original_date, days),
        "period_from": spec.original_date,
        "period_to": spec.original_date,
        "net": amounts.open,
        "tax": 0,
        "total": amounts.open,
        "paid": 0,
        "credited": 0,
        **copied,
        "note": "",
        "purchase_order": spec.purchase_order or "",
        "corrects_id": None,
        "replaces_id": None,
        "reason": "",
        "voided_on": None,
        "hash": None,
        "created_at": now,
        "issued_at": now,
        "version": 1,
        "details": None,
        "tax_in_base": None,
        "original_date": spec.original_date,
        "original_total": amounts.total,
        "original_tax": amounts.tax,
    }


def _credit_row(
    id: UUID, key: AccountKey, spec: OpeningSpec, amounts: _Amounts, opened_on: date, event_id: UUID, now: datetime
) -> Row:
    return {
        "id": id,
        "customer_id": key[0],
        "currency": key[1],
        "amount": amounts.open,
        "allocated": 0,
        "received_on": opened_on,
        "method": OPENING_CREDIT,
        "reference": spec.number,
        "asked": allocation_text(()),
        "status": "recorded",
        "reason": "",
        "reversed_on": None,
        "reversal_reason": "",
        "created_at": now,
        "event_id": event_id,
        "original_date": spec.original_date,
    }


def _audit_details(
    spec: OpeningSpec, customer_row: Customer, currency: str, amounts: _Amounts, opened_on: date
) -> Mapping[str, Any]:
    """Return what was recorded; a credit has no columns for some of it."""

    def text(minor: int | None) -> str | None:
        sign = -1 if spec.is_credit else 1
        return None if minor is None else f"{Money(sign * minor, currency)} {currency}"

    details = {
        "customer": customer_row.reference,
        "number": spec.number,
        "original_date": spec.original_date.isoformat(),
        "due_date": spec.due_date and spec.due_date.isoformat(),
        "open_amount": text(amounts.open),
        "opened_on": opened_on.isoformat(),
        "original_total": text(amounts.total),
        "original_tax": text(amounts.tax),
        "purchase_order": spec.purchase_order,
    }
    return {name: value for name, value in details.items() if value}
