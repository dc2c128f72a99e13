"""Drafts become documents: the freeze, the number, the hash. A draft may be thrown away; an issued invoice never changes."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany
from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of_named
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.document_hash import (
    COPIED_COLUMNS,
    DocumentRows,
    Row,
    canonical_content,
    chained_hash,
    document_number,
)
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.lifecycle import check_editable, due_date, needs_issue
from billing_admin.domain.readiness import IssueFacts, Party, Shortcoming, find_shortcomings, not_ready_error
from billing_admin.models import Charge, Customer, Invoice, InvoiceLine, InvoiceTax, NumberSeries, Organisation
from billing_admin.operations.audit import record
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.master_data.periods import check_issue_date, require_open_day
from billing_admin.operations.webhooks.outbox import enqueue_invoices_issued
from billing_admin.queries.invoices.document_rows import load_document_rows
from billing_admin.queries.invoices.numbers import current_series
from billing_admin.queries.master_data.organisation import number_format, today


def issue(session: Session, invoice_id: UUID, issue_date: date | None, actor: Actor, now: datetime) -> bool:
    """Issue one draft: freeze its copies and give it the next number. Returns False when it was issued before.

    Raises NotFound, Conflict for a void invoice, and Invalid for a date after today, before the last one of its series or in a
    locked period, and when `domain.readiness` finds something missing.
    """
    row = lock_invoice(session, invoice_id)
    if not needs_issue(row["status"], row["number"]):
        return False
    documents = load_document_rows(session, [row])
    number_documents(session, documents, issue_date or today(session, now), now)
    _issue(session, [row])
    enqueue_invoices_issued(session, documents, now)
    record(session, actor, now, "invoice.issued", "invoice", invoice_id, {"number": row["number"]})
    return True


def issue_many(session: Session, ids: Collection[UUID], issue_date: date, actor: Actor, now: datetime) -> int:
    """Issue drafts by their customers' references, all or none. Returns how many; those issued before are left as they are.

    Raises as `issue` does.
    """
    query = select(Invoice.__table__).where(is_any_of_named(Invoice.id, "ids")).order_by(Invoice.id).with_for_update()
    rows = [dict(row) for row in session.execute(query, {"ids": ids}).mappings()]
    drafts = [row for row in rows if needs_issue(row["status"], row["number"])]
    if not drafts:
        return 0
    drafts.sort(key=lambda row: (row["customer_reference"], row["id"]))
    documents = load_document_rows(session, drafts)
    number_documents(session, documents, issue_date, now)
    _issue(session, drafts)
    enqueue_invoices_issued(session, documents, now)
    details = {
        "first": drafts[0]["number"],
        "last": drafts[-1]["number"],
        "invoices": [str(row["id"]) for row in drafts],
    }
    record(session, actor, now, "invoice.issued", "invoice", None, details)
    return len(drafts)


def lock_invoice(session: Session, invoice_id: UUID) -> Row:
    """Lock one invoice and read it, or raise NotFound."""
    query = select(Invoice.__table__).where(Invoice.id == invoice_id).with_for_update()
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("unknown_invoice", f"There is no invoice {invoice_id}.", "id")
    return dict(row)


def number_documents(session: Session, documents: Sequence[DocumentRows], issue_date: date, now: datetime) -> None:
    """Issue documents of one kind in their order: freeze them, lock their series, then number and hash them.

    The lock of the series is the last of all locks, so that it is held as briefly as possible.
    Only their rows in memory change: the caller stores them. Raises Invalid for a date after today, before the last one of the
    series or in a locked period, and when `domain.readiness` finds something missing; and Conflict when the format makes a
    number that another document has.
    """
    house = require_open_day(session, check_calendar_day(issue_date, "issue_date"), now, "issue_date")
    contents = _freeze_all(session, house, documents, issue_date, now)
    kind = documents[0].invoice["kind"]
    series = _locked_series(session, kind, issue_date, now)
    check_issue_date(session, house, kind, issue_date, now)
    series.last_issue_date = issue_date
    format, last_hash = number_format(house, kind), series.last_hash
    for sequence, (one, said) in enumerate(zip(documents, contents, strict=True), series.next_sequence):
        number = document_number(format, issue_date, sequence)
        last_hash = chained_hash(last_hash, number, said)
        one.invoice.update(series_id=series.id, sequence=sequence, number=number, hash=last_hash)
    series.next_sequence, series.last_hash = series.next_sequence + len(documents), last_hash
    _refuse_taken(session, [one.invoice["number"] for one in documents])
    session.flush()


def _refuse_taken(session: Session, numbers: Sequence[str]) -> None:
    """A format that was changed may make numbers that another one made before."""
    taken = session.connection().scalar(_TAKEN, {"numbers": numbers})
    if taken is not None:
        said = f"Document number {taken} is already in use. Change the number format in the settings."
        raise Conflict("number_taken", said, "issue_date")


_TAKEN = select(Invoice.number).where(is_any_of_named(Invoice.number, "numbers")).limit(1)


def load_customers(session: Session, ids: Collection[UUID]) -> dict[UUID, Record]:
    """The rows of customers by id."""
    rows = session.connection().execute(_BUYERS, {"ids": ids})
    return {row.id: row for row in rows}


_BUYERS = select(Customer.__table__).where(is_any_of_named(Customer.id, "ids"))


def _freeze_all(
    session: Session, house: Organisation, documents: Sequence[DocumentRows], issue_date: date, now: datetime
) -> list[str]:
    """Make drafts what they will be once numbered, their rows in memory; return the contents that their hashes will cover.

    Raises Invalid when one would be due before its day, and for an invoice on which something is missing. A credit note is not
    stopped: it corrects an invoice that was issued.
    """
    people = load_customers(session, {one.invoice["customer_id"] for one in documents})
    own = seller_fields(house)
    for one in documents:
        customer = people[one.invoice["customer_id"]]
        one.invoice.update(own | customer_fields(customer))
        terms = house.payment_terms_days if customer.payment_terms_days is None else customer.payment_terms_days
        _freeze(one.invoice, terms, issue_date, now)
    missing = [
        problem for document in documents for problem in _missing(document, people[document.invoice["customer_id"]])
    ]
    if missing:
        raise not_ready_error(missing)
    return [canonical_content(one) for one in documents]


def _missing(document: DocumentRows, customer: Record) -> Sequence[Shortcoming]:
    """Name what stops an invoice from being issued, of the copies that are frozen on it."""
    row = document.invoice
    if row["kind"] == "credit_note":
        return ()
    seller_party, buyer_party = (
        Party(*(row[f"{role}_{name}"] for name in ("name", "address", "tax_id"))) for role in ("seller", "customer")
    )
    categories = {line["tax_category"] for line in document.lines}
    return find_shortcomings(IssueFacts(seller_party, buyer_party, customer.tax_treatment, categories))


def _freeze(row: Row, terms: int, issue_date: date, now: datetime) -> None:
    row["status"] = "issued"
    row["issue_date"] = issue_date
    row["due_date"] = row["due_date"] or due_date(issue_date, terms)
    if row["due_date"] < issue_date:
        said = f"The draft is due on {row['due_date'].isoformat()}, before this day. Use an earlier day, or change its due date."
        raise Invalid("due_before_issue", said, "issue_date")
    row["issued_at"] = now


def seller_fields(house: Organisation) -> Row:
    """What a document says of the seller, as it stands today."""
    return {
        "seller_name": house.legal_name,
        "seller_address": house.address,
        "seller_tax_id": house.tax_id,
        "footer": house.invoice_footer,
    }


def customer_fields(customer: Record) -> Row:
    """What a document says of the customer, as it stands today."""
    return {
        "customer_reference": customer.reference,
        "customer_name": customer.name,
        "customer_address": customer.address,
        "customer_tax_id": customer.tax_id,
    }


def _locked_series(session: Session, kind: str, issue_date: date, now: datetime) -> NumberSeries:
    query = current_series(kind, issue_date.year).with_for_update().execution_options(populate_existing=True)
    series = session.scalars(query).one_or_none()
    if series is None:
        series = NumberSeries(
            id=new_id(now),
            kind=kind,
            year=issue_date.year,
            part=1,
            next_sequence=1,
            last_issue_date=None,
            last_hash="",
        )
        session.add(series)
        session.flush()  # if somebody else is beginning this series, we are refused here, and begin again
    return series


_ISSUED = ["status", "issue_date", "due_date", "issued_at", "series_id", "sequence", "number", "hash", *COPIED_COLUMNS]
_INVOICE = Invoice.__table__.c
_issue = UpdateMany(
    [_INVOICE[name] for name in ("id", *_ISSUED)],
    lambda given: update(Invoice).where(_INVOICE.id == given["id"]).values({name: given[name] for name in _ISSUED}),
)


def discard(session: Session, invoice_id: UUID, actor: Actor, now: datetime) -> None:
    """Throw a draft away: its charges are pending again. Raises NotFound, and Conflict unless it is a draft."""
    row = lock_invoice(session, invoice_id)
    check_editable(row["status"], row["number"], "discarded")
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    on_draft = Charge.invoice_line_id.in_(select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id))
    amounts = session.scalars(select(Charge.amount).where(on_draft)).all()
    session.execute(
        update(Charge)
        .where(on_draft)
        .values(status="pending", invoice_line_id=None)
        .execution_options(synchronize_session=False)
    )
    update_totals(
        session, (StatusChange(row["customer_id"], row["currency"], None, "pending", amount) for amount in amounts)
    )
    for table in (InvoiceLine, InvoiceTax):
        session.execute(delete(table).where(table.invoice_id == invoice_id))
    session.execute(delete(Invoice).where(Invoice.id == invoice_id))
    details = {"customer": row["customer_reference"], "currency": row["currency"], "total": row["total"]}
    record(session, actor, now, "invoice.discarded", "invoice", invoice_id, details | {"charges": len(amounts)})
