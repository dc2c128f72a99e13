"""Webhook payloads: invoices, charges, refunds and messages as the API shows them.

The payloads are made of the rows that are being stored. Frozen: receivers depend on these members, and the
API's answers have the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.lifecycle import balance, payment_due, payment_status
from billing_admin.domain.messages import last_state
from billing_admin.domain.money import Money, plain_decimal, plain_decimal_or_none
from billing_admin.domain.webhooks import format_moment


@dataclass(frozen=True, slots=True)
class RelatedDocuments:
    """The documents related to a document: their numbers, and the id of a draft.

    A draft has no number. `message_states` are those of the messages that send the document, oldest first; `sent` counts
    reminders as well.
    """

    corrects: str | None = None
    credit_notes: Sequence[str] = ()
    replaces: str | None = None
    replaced_by: UUID | None = None
    sent: bool = False
    message_states: Sequence[str] = ()


NO_RELATED_DOCUMENTS = RelatedDocuments()


def invoice_payload(document: DocumentRows, related: RelatedDocuments, today: date) -> dict[str, Any]:
    """Return an invoice as `GET /invoices/{number}` shows it on a day."""
    row = document.invoice
    invoice: Any = SimpleNamespace(**row)
    return {
        "id": str(row["id"]),
        **{name: row[name] for name in ("number", "kind", "status")},
        "payment_status": payment_status(invoice, today),
        "customer": row["customer_reference"],
        "currency": row["currency"],
        "issue_date": _day(row["issue_date"]),
        "due_date": _day(payment_due(invoice)),
        **{name: _day(row[name]) for name in ("period_from", "period_to")},
        **{name: _money(row[name], row) for name in ("net", "tax", "total", "paid", "credited")},
        "balance": _money(balance(invoice), row),
        "corrects": related.corrects,
        "credit_notes": list(related.credit_notes),
        "replaces": related.replaces,
        "replaced_by": _id_text(related.replaced_by),
        "reason": row["reason"],
        "voided_on": _day(row["voided_on"]),
        **{name: row[name] for name in ("note", "purchase_order")},
        "run": _id_text(row["run_id"]),
        "lines": [_line(line, row) for line in document.lines],
        "taxes": [_tax(tax, row) for tax in sorted(document.taxes, key=lambda tax: (tax["category"], tax["position"]))],
        **base_currency_members(row["details"], row["tax_in_base"]),
        "original_date": _day(row["original_date"]),
        **{name: _money_or_none(row[name], row) for name in ("original_total", "original_tax")},
        "sent": related.sent,
        "message_state": last_state(related.message_states),
    }


def base_currency_members(details: Mapping[str, Any] | None, tax_in_base: int | None) -> dict[str, Any]:
    """Return the tax of a document in the base currency, and its rate.

    Both are None without a rate.
    """
    rate = details_from_json(details).base_rate
    if rate is None or tax_in_base is None:
        return {"tax_in_base": None, "base_rate": None}
    return {"tax_in_base": str(Money(tax_in_base, rate.currency)), "base_rate": asdict(rate)}


def _line(line: Row, invoice: Row) -> dict[str, Any]:
    return {
        "position": line["position"],
        "service": line["service_code"] or None,
        "description": line["description"],
        "quantity": plain_decimal(line["quantity"]),
        "unit_price": plain_decimal_or_none(line["unit_price"]),
        "gross": None if line["gross"] is None else _money(line["gross"], invoice),
        "net": _money(line["net"], invoice),
        "tax_category": line["tax_category"],
        "tax_percent": plain_decimal(line["tax_percent"]),
        "charges": line["charges"],
        "period_from": _day(line["period_from"]),
        "period_to": _day(line["period_to"]),
        "period_of_days": line["period_of_days"],
        "unit": line["unit"],
        "purchase_order": line["purchase_order"],
        "unit_code": line["unit_code"],
        "id": str(line["id"]),
    }


def _tax(tax: Row, invoice: Row) -> dict[str, Any]:
    return {
        "category": tax["category"],
        "percent": plain_decimal(tax["percent"]),
        "included": tax["included"],
        "base": _money(tax["base"], invoice),
        "tax": _money(tax["tax"], invoice),
        "note": tax["note"],
        "vatex": tax["vatex"],
    }


def charge_payload(row: Any) -> dict[str, Any]:
    """Return a charge as `GET /charges/{id}` shows it.

    `row` includes the names of the objects that the charge refers to.
    """
    return {
        "id": str(row.id),
        "customer": row.customer_reference,
        "service": row.service_code,
        "description": row.description,
        "quantity": plain_decimal(row.quantity),
        "unit_price": plain_decimal_or_none(row.unit_price),
        "amount": plain_decimal(row.amount),
        "tax_included": row.tax_included,
        "currency": row.currency,
        "incurred_on": _day(row.incurred_on),
        "metadata": row.details or {},
        "status": row.status,
        "created_at": format_moment(row.created_at),
        "created_by": row.created_by,
        "invoice": row.invoice_number,
        "late": row.late,
        "replaces": _id_text(row.replaces_id),
        "replaced_by": _id_text(row.replaced_by_id),
        "possible_duplicate_of": [str(row.duplicate_of_id)] if row.is_likely_duplicate else [],
        "period_from": _day(row.period_from),
        "period_to": _day(row.period_to),
        "period_of_days": row.period_of_days,
        "purchase_order": row.purchase_order,
    }


def message_payload(row: Any, customer: str, numbers: Mapping[UUID, str]) -> dict[str, Any]:
    """Return a message as `GET /messages/{id}` shows it.

    `row` is the message with its recipients and documents, `customer` the reference, and `numbers` those of the
    documents by id.
    """
    return {
        "id": str(row.id),
        "purpose": row.purpose,
        "state": row.state,
        "reason": row.reason,
        "marked_as_sent": row.by_hand,
        "customer": customer,
        "currency": row.currency,
        "language": row.language,
        "period_from": _day(row.period_from),
        "period_to": _day(row.period_to),
        "documents": [
            {"id": str(document.invoice_id), "number": numbers[document.invoice_id], "level": document.level}
            for document in sorted(row.documents, key=lambda document: numbers[document.invoice_id])
        ],
        "subject": row.subject,
        "text": row.text,
        "attachments": [attachment.get("name") or attachment["file"] for attachment in row.attachments],
        "recipients": [_recipient(recipient) for recipient in row.recipients],
        "again_of": _id_text(row.again_of),
        "again_reason": row.again_reason,
        "attempts": row.tries,
        "response": row.response,
        "next_attempt_at": _moment(row.next_attempt_at),
        "created_at": format_moment(row.created_at),
        "created_by": row.created_by,
        "finished_at": _moment(row.finished_at),
    }


def refund_payload(row: Any, parts: Sequence[Any]) -> dict[str, Any]:
    """Return a refund as `GET /refunds/{id}` shows it.

    `row` has the names of its customer and of the actor, `parts` the payments that it pays back.
    """
    return {
        "id": str(row.id),
        "customer": row.customer_reference,
        "amount": str(Money(row.amount, row.currency)),
        "currency": row.currency,
        "paid_on": _day(row.paid_on),
        "method": row.method,
        "reference": row.reference,
        "status": row.status,
        "reversed_on": _day(row.reversed_on),
        "reversal_reason": row.reversal_reason,
        "payments": [
            {"payment": str(part.payment_id), "amount": str(Money(part.amount, row.currency))} for part in parts
        ],
        "created_at": format_moment(row.created_at),
        "created_by": row.created_by,
    }


def _recipient(recipient: Any) -> dict[str, Any]:
    return {
        **{name: getattr(recipient, name) for name in ("name", "address", "kind", "result", "code", "response")},
        "at": _moment(recipient.at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else format_moment(at)


def _money(minor: int, invoice: Row) -> str:
    return str(Money(minor, invoice["currency"]))


def _money_or_none(minor: int | None, invoice: Row) -> str | None:
    return None if minor is None else _money(minor, invoice)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _id_text(id: UUID | None) -> str | None:
    return None if id is None else str(id)
