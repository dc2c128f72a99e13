"""Drafts become documents: the freeze, the number, the hash. A draft may be thrown away; an issued invoice never changes."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.invoicing import COPIES, Row, Written, chained, content, document_number, due_date, may_issue
from billing_admin.models import (
    Charge,
    Customer,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    NumberSeries,
    Organisation,
)
from billing_admin.operations.audit import record
from billing_admin.operations.bulk import UpdateMany
from billing_admin.operations.charges import book, lock_accounts
from billing_admin.operations.keys import new_id
from billing_admin.queries.lookup import among_named
from billing_admin.queries.organisation import organisation, today
from billing_admin.queries.paging import Record


def issue(session: Session, invoice_id: UUID, issue_date: date | None, actor: Actor, now: datetime) -> bool:
    """Issue one draft: freeze its copies and give it the next number. Returns False when it was issued before.

    Raises NotFound, Conflict for a void invoice, and Invalid for a date before the last one of its series.
    """
    row = _locked(session, invoice_id)
    if not may_issue(row["status"], row["number"]):
        return False
    number_documents(session, [written(session, row)], issue_date or today(session, now), now)
    _issue(session, [row])
    record(session, actor, now, "invoice.issued", "invoice", invoice_id, {"number": row["number"]})
    return True


def _locked(session: Session, invoice_id: UUID) -> Row:
    """Lock one invoice and read it, or raise NotFound."""
    query = select(Invoice.__table__).where(Invoice.id == invoice_id).with_for_update()
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("unknown_invoice", f"There is no invoice {invoice_id}.", "id")
    return dict(row)


def written(session: Session, invoice: Row) -> Written:
    """Read the lines and taxes of an invoice's row."""
    lines = select(InvoiceLine.__table__).where(InvoiceLine.invoice_id == invoice["id"]).order_by(InvoiceLine.position)
    taxes = select(InvoiceTax.__table__).where(InvoiceTax.invoice_id == invoice["id"]).order_by(InvoiceTax.position)
    return Written(invoice, *([dict(row) for row in session.execute(query).mappings()] for query in (lines, taxes)))


def number_documents(session: Session, documents: Sequence[Written], issue_date: date, now: datetime) -> None:
    """Issue drafts, in their order: freeze the copies, then take the series' lock, the last of all locks, for numbers and hashes.

    Only their rows in memory change: the caller stores them. Raises Invalid for a date before the last one of the series.
    """
    house = organisation(session)
    people = buyers(session, {one.invoice["customer_id"] for one in documents})
    for one in documents:
        _freeze(one.invoice, house, people[one.invoice["customer_id"]], issue_date, now)
    series = _locked_series(session, "invoice", issue_date, now)
    for one in documents:
        row = one.invoice
        row["series_id"] = series.id
        row["sequence"] = series.next_sequence
        row["number"] = document_number(house.invoice_format, issue_date, series.next_sequence)
        row["hash"] = series.last_hash = chained(series.last_hash, row["number"], content(one))
        series.next_sequence += 1
    session.flush()


def buyers(session: Session, ids: Collection[UUID]) -> dict[UUID, Record]:
    """The rows of customers by id."""
    rows = session.connection().execute(_BUYERS, {"ids": ids})
    return {row.id: row for row in rows}


_BUYERS = select(Customer.__table__).where(among_named(Customer.id, "ids"))


def _freeze(row: Row, house: Organisation, customer: Record, issue_date: date, now: datetime) -> None:
    terms = house.payment_terms_days if customer.payment_terms_days is None else customer.payment_terms_days
    row.update(copies(house, customer))
    row["status"] = "issued"
    row["issue_date"] = issue_date
    row["due_date"] = row["due_date"] or due_date(issue_date, terms)
    row["issued_at"] = now


def copies(house: Organisation, customer: Record) -> Row:
    """What a document says of seller and buyer, as it stands today."""
    return {
        "customer_reference": customer.reference,
        "customer_name": customer.name,
        "customer_address": customer.address,
        "customer_tax_id": customer.tax_id,
        "seller_name": house.legal_name,
        "seller_address": house.address,
        "seller_tax_id": house.tax_id,
        "footer": house.invoice_footer,
    }


def _locked_series(session: Session, kind: str, issue_date: date, now: datetime) -> NumberSeries:
    query = (
        select(NumberSeries)
        .where(NumberSeries.kind == kind, NumberSeries.year == issue_date.year)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    series = session.scalars(query).one_or_none()
    if series is None:
        series = NumberSeries(
            id=new_id(now),
            kind=kind,
            year=issue_date.year,
            next_sequence=1,
            last_issue_date=None,
            last_hash="",
        )
        session.add(series)
    if series.last_issue_date is not None and issue_date < series.last_issue_date:
        raise Invalid(
            "before_last_issue",
            f"Use {series.last_issue_date.isoformat()} or later: an invoice of that day is issued already.",
            "issue_date",
        )
    series.last_issue_date = issue_date
    return series


_ISSUED = ["status", "issue_date", "due_date", "issued_at", "series_id", "sequence", "number", "hash", *COPIES]
_INVOICE = Invoice.__table__.c
_issue = UpdateMany(
    [_INVOICE[name] for name in ("id", *_ISSUED)],
    lambda given: update(Invoice).where(_INVOICE.id == given["id"]).values({name: given[name] for name in _ISSUED}),
)


def discard(session: Session, invoice_id: UUID, actor: Actor, now: datetime) -> None:
    """Throw a draft away: its charges are pending again. Raises NotFound, and Conflict unless it is a draft."""
    row = _locked(session, invoice_id)
    if row["status"] != "draft":
        raise Conflict("not_a_draft", f"{row['number']} is {row['status']}: only a draft can be discarded.", "status")
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    on_draft = Charge.invoice_line_id.in_(select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id))
    amounts = session.scalars(select(Charge.amount).where(on_draft)).all()
    session.execute(
        update(Charge)
        .where(on_draft)
        .values(status="pending", invoice_line_id=None)
        .execution_options(synchronize_session=False)
    )
    book(session, ((row["customer_id"], row["currency"], None, "pending", amount) for amount in amounts))
    for table in (InvoiceLine, InvoiceTax):
        session.execute(delete(table).where(table.invoice_id == invoice_id))
    session.execute(delete(Invoice).where(Invoice.id == invoice_id))
    details = {"customer": row["customer_reference"], "currency": row["currency"], "total": row["total"]}
    record(session, actor, now, "invoice.discarded", "invoice", invoice_id, details | {"charges": len(amounts)})
