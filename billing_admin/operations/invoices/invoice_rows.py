"""Build and store the rows of documents, and claim charges for their lines."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, null, text, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany, hash_joins_only, insert_many
from billing_admin.db.ids import new_ids
from billing_admin.db.lookup import is_any_of
from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.models import Charge, Invoice, InvoiceLine, InvoiceTax
from billing_admin.queries.billing.preview import BillingScope
from billing_admin.queries.master_data.tax_rates import matches_line_tax


def build_draft(
    run_id: UUID | None, prepared: PreparedDocument, copied: Row, now: datetime, keys: Iterator[UUID] | None = None
) -> DocumentRows:
    """Return the rows of a document as a draft.

    `copied` holds the columns copied from the seller and the customer. Callers that build many documents pass one `keys`.
    """
    keys = keys or new_ids(now)
    document, invoice_id = prepared.document, next(keys)
    invoice = {
        "id": invoice_id,
        "kind": "invoice",
        "status": "draft",
        "customer_id": prepared.customer_id,
        "currency": document.currency,
        "run_id": run_id,
        "series_id": None,
        "sequence": None,
        "number": None,
        "issue_date": None,
        "due_date": None,
        "period_from": document.period_from,
        "period_to": document.period_to,
        "net": document.net,
        "tax": document.tax,
        "total": document.total,
        "paid": 0,
        "credited": 0,
        **copied,
        "note": "",
        "purchase_order": prepared.purchase_order,
        "corrects_id": None,
        "replaces_id": None,
        "reason": "",
        "voided_on": None,
        "hash": None,
        "created_at": now,
        "issued_at": None,
        "version": 1,
        "details": None,
        "tax_in_base": None,
        "original_date": None,
        "original_total": None,
        "original_tax": None,
    }
    lines = [
        {
            "id": next(keys),
            "invoice_id": invoice_id,
            "customer_id": prepared.customer_id,
            "currency": document.currency,
            "position": line.position,
            "service_id": line.group.service_id,
            "service_code": line.group.service_code,
            "description": line.group.description,
            "quantity": line.group.quantity,
            "unit_price": line.group.unit_price,
            "amount": line.group.amount,
            "gross": line.gross,
            "included_percent": line.group.included_percent,
            "net": line.net,
            "tax_category": line.group.tax.category,
            "tax_percent": line.group.tax.percent,
            "charges": line.group.charges,
            "corrects_line_id": None,
            **dict(zip(("period_from", "period_to"), line.group.service_period, strict=True)),
            "period_of_days": line.group.period_of_days,
            "unit": line.group.unit or None,
            "purchase_order": line.group.purchase_order,
            "unit_code": line.group.unit_code or None,
        }
        for line in document.lines
    ]
    taxes = [
        {
            "invoice_id": invoice_id,
            "position": position,
            "category": total.rate.category,
            "percent": total.rate.percent,
            "included": total.included,
            "base": total.base,
            "tax": total.tax,
            "note": total.note,
            "vatex": total.vatex,
        }
        for position, total in enumerate(document.taxes, 1)
    ]
    return DocumentRows(invoice, lines, taxes)


def store_documents(session: Session, documents: Sequence[DocumentRows]) -> None:
    """Insert the rows of documents.

    Number issued documents before: a later update would write every invoice twice.
    """
    store_invoices(session, documents)
    store_lines_and_taxes(session, documents)


def store_invoices(session: Session, documents: Sequence[DocumentRows]) -> None:
    """Insert the documents without their lines and taxes."""
    insert_many(session, Invoice, [document.invoice for document in documents])


def store_lines_and_taxes(session: Session, documents: Sequence[DocumentRows]) -> None:
    """Insert the lines and taxes of documents."""
    insert_many(session, InvoiceLine, [line for document in documents for line in document.lines])
    insert_many(session, InvoiceTax, [tax for document in documents for tax in document.taxes])


def defer_invoice_checks(session: Session) -> bool:
    """Defer the foreign keys of lines and taxes to the commit.

    Invoices can then be inserted last. Returns False on SQLite, which cannot defer them.
    """
    if session.get_bind().dialect.name != "postgresql":
        return False
    lines, taxes = "fk_invoice_lines_invoice_id_customer_id_currency", "fk_invoice_taxes_invoice_id"
    session.execute(text(f"SET CONSTRAINTS {lines}, {taxes} DEFERRED"))
    return True


_CHARGE = Charge.__table__.c
_claim_by_id = UpdateMany(
    [_CHARGE[name] for name in ("id", "invoice_line_id")],
    lambda parameters: (
        update(Charge)
        .where(_CHARGE.id == parameters["id"], _CHARGE.status == "pending")
        .values(status="billed", invoice_line_id=parameters["invoice_line_id"])
    ),
)


def claim_charges(
    session: Session,
    scope: BillingScope,
    billed: Sequence[PreparedDocument],
    drafts: Sequence[DocumentRows],
    alike_since: datetime,
) -> None:
    """Mark the scope's pending charges as billed on their lines.

    Raises RuntimeError if their number differs from the documents. A charge with a line of its own is updated by its
    id, all others in one set-based update. Charges stored before the day of `alike_since` are too old to be likely
    duplicates (`domain.charges.duplicate_window_start`).
    """
    single_charges = [
        {"id": line.group.charge_id, "invoice_line_id": row["id"]}
        for prepared, draft in zip(billed, drafts, strict=True)
        for line, row in zip(prepared.document.lines, draft.lines, strict=True)
        if line.group.charge_id is not None
    ]
    # PostgreSQL adds a new version of a row to every index. Old charges leave the index of fingerprints instead.
    old = Charge.created_on < alike_since.date()
    pending = update(Charge).where(Charge.status == "pending")
    claimed = _claim_by_id(session, single_charges)
    claim_grouped = (
        pending.where(
            # Without these conditions each chunk would read all unbilled charges.
            *scope.charge_conditions(),
            is_any_of(InvoiceLine.invoice_id, [draft.invoice["id"] for draft in drafts]),
            Charge.customer_id == InvoiceLine.customer_id,
            Charge.currency == InvoiceLine.currency,
            Charge.service_id == InvoiceLine.service_id,
            Charge.unit_price.is_not_distinct_from(InvoiceLine.unit_price),
            Charge.period_from.is_not_distinct_from(InvoiceLine.period_from),
            Charge.period_to.is_not_distinct_from(InvoiceLine.period_to),
            # The line of a charge for some days of a period has no other charges.
            InvoiceLine.period_of_days.is_(None),
            Charge.purchase_order == InvoiceLine.purchase_order,
            *matches_line_tax(session),
            Charge.incurred_on <= scope.through,
        )
        .values(
            status="billed", invoice_line_id=InvoiceLine.id, fingerprint=case((old, null()), else_=Charge.fingerprint)
        )
        .execution_options(synchronize_session=False)
    )
    with hash_joins_only(session):
        claimed += session.connection().execute(claim_grouped).rowcount
    expected = sum(prepared.document.charges for prepared in billed)
    if claimed != expected:
        raise RuntimeError(f"claimed {claimed} charges where {expected} were summed")
