"""Issue drafts (freeze, number and hash them), or discard them.

An issued invoice never changes.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany
from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of_named
from billing_admin.db.rows import NamedRow
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.document_details import details_to_json
from billing_admin.domain.document_hash import (
    COPIED_COLUMNS,
    DocumentRows,
    Row,
    canonical_content,
    chained_hash,
    document_number,
)
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.exchange_rates import convert_to_base
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.lifecycle import check_editable, due_date, needs_issue
from billing_admin.domain.number_format import format_on_documents
from billing_admin.domain.readiness import Shortcoming, find_stops, not_ready_error
from billing_admin.domain.translation import Phrase
from billing_admin.formats.addresses import print_address
from billing_admin.models import Charge, Invoice, InvoiceLine, InvoiceTax, NumberSeries, Organisation
from billing_admin.operations.audit import record
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.master_data.periods import check_issue_date, require_open_day
from billing_admin.operations.payments.credit import apply_credit_to_issued
from billing_admin.operations.webhooks.outbox import enqueue_invoices_issued
from billing_admin.queries.invoices.document_rows import load_document_rows
from billing_admin.queries.invoices.numbers import current_series
from billing_admin.queries.invoices.readiness import PartyData, load_party_data
from billing_admin.queries.master_data.organisation import document_number_format, today


def issue(session: Session, invoice_id: UUID, issue_date: date | None, actor: Actor, now: datetime) -> bool:
    """Issue a draft: freeze it and give it the next number.

    Returns False when it was already issued. Raises NotFound, Conflict for a void invoice, and Invalid for a date
    after today, before the last date of its series or in a locked period, and when `domain.readiness` finds
    shortcomings.
    """
    row = lock_invoice(session, invoice_id)
    if not needs_issue(row["status"], row["number"]):
        return False
    _issue_drafts(session, [row], issue_date or today(session, now), actor, now)
    record(session, actor, now, "invoice.issued", "invoice", invoice_id, {"number": row["number"]})
    return True


def issue_many(session: Session, ids: Collection[UUID], issue_date: date, actor: Actor, now: datetime) -> int:
    """Issue drafts in the order of their customers' references, all or none.

    Returns the number of issued drafts. Invoices that were already issued stay as they are. Raises as `issue` does.
    """
    query = select(Invoice.__table__).where(is_any_of_named(Invoice.id, "ids")).order_by(Invoice.id).with_for_update()
    rows = [dict(row) for row in session.execute(query, {"ids": ids}).mappings()]
    drafts = [row for row in rows if needs_issue(row["status"], row["number"])]
    if not drafts:
        return 0
    drafts.sort(key=lambda row: (row["customer_reference"], row["id"]))
    documents = _issue_drafts(session, drafts, issue_date, actor, now)
    record(session, actor, now, "invoice.issued", "invoice", None, issue_details(documents))
    return len(drafts)


def _issue_drafts(
    session: Session, drafts: Sequence[Row], issue_date: date, actor: Actor, now: datetime
) -> Sequence[DocumentRows]:
    documents = load_document_rows(session, drafts)
    organisation = require_open_day(session, check_calendar_day(issue_date, "issue_date"), now, "issue_date")
    parties = load_party_data(session, organisation, accounts_of(documents), issue_date)
    _refuse_shortcomings(documents, parties)
    if organisation.applies_credit:
        lock_accounts(session, sorted(accounts_of(documents)))  # before the series, as credit notes do
    number_documents(session, documents, parties, issue_date, now)
    _update_issued(session, drafts)
    enqueue_invoices_issued(session, documents, now)
    if organisation.applies_credit:
        apply_credit_to_issued(session, documents, actor, now)
    return documents


def accounts_of(documents: Iterable[DocumentRows]) -> set[AccountKey]:
    """Return the accounts that documents bill."""
    return {(document.invoice["customer_id"], document.invoice["currency"]) for document in documents}


def _refuse_shortcomings(documents: Sequence[DocumentRows], parties: PartyData) -> None:
    """Raise Invalid for all that stops invoices from being issued."""
    stops: list[Shortcoming] = []
    for document in documents:
        row = document.invoice
        facts = parties.facts[row["customer_id"], row["currency"]]
        taxes = [(TaxRate(tax["category"], tax["percent"]), tax["base"], tax["tax"]) for tax in document.taxes]
        stops += find_stops(facts.with_document(taxes, row["purchase_order"]))
    if stops:
        raise not_ready_error(stops)


def issue_details(documents: Sequence[DocumentRows]) -> Row:
    """Return the audit details of documents that are issued together."""
    rows = [document.invoice for document in documents]
    return {"first": rows[0]["number"], "last": rows[-1]["number"], "invoices": [str(row["id"]) for row in rows]}


def lock_invoice(session: Session, invoice_id: UUID) -> Row:
    """Lock an invoice and return its row.

    Raises NotFound.
    """
    query = select(Invoice.__table__).where(Invoice.id == invoice_id).with_for_update()
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("unknown_invoice", Phrase("There is no invoice {invoice_id}.", invoice_id=invoice_id), "id")
    return dict(row)


def number_documents(
    session: Session, documents: Sequence[DocumentRows], parties: PartyData, issue_date: date, now: datetime
) -> None:
    """Issue documents of one kind in their order.

    They are frozen, their series is locked, then they are numbered and hashed. Only the rows in memory change: the
    caller stores them. The series is locked after everything else, so that it is locked as briefly as possible.
    The caller has locked the organisation, and checked what invoices lack: `parties` are the data that it checked.
    Raises Invalid for a date after today, before the last date of the series or in a locked period; and Conflict when
    the format produces a number that another document has.
    """
    organisation = parties.organisation
    contents = _freeze_all(documents, parties, issue_date, now)
    kind = documents[0].invoice["kind"]
    series = _lock_series(session, kind, issue_date, now)
    check_issue_date(session, organisation, kind, issue_date, now)
    series.last_issue_date = issue_date
    format, last_hash = document_number_format(organisation, kind), series.last_hash
    for sequence, (document, hashed_content) in enumerate(zip(documents, contents, strict=True), series.next_sequence):
        number = document_number(format, issue_date, sequence)
        last_hash = chained_hash(last_hash, number, hashed_content)
        document.invoice.update(series_id=series.id, sequence=sequence, number=number, hash=last_hash)
    series.next_sequence, series.last_hash = series.next_sequence + len(documents), last_hash
    _refuse_numbers_in_use(session, [document.invoice["number"] for document in documents])
    session.flush()


def _refuse_numbers_in_use(session: Session, numbers: Sequence[str]) -> None:
    """Raise Conflict for a number that is in use.

    A changed format may repeat numbers of an earlier format.
    """
    number = session.connection().scalar(_NUMBERS_IN_USE, {"numbers": numbers})
    if number is not None:
        message = Phrase(
            "Document number {number} is already in use. Change the number format in the settings.", number=number
        )
        raise Conflict("number_taken", message, "issue_date")


_NUMBERS_IN_USE = select(Invoice.number).where(is_any_of_named(Invoice.number, "numbers")).limit(1)


def _freeze_all(documents: Sequence[DocumentRows], parties: PartyData, issue_date: date, now: datetime) -> list[str]:
    """Set the columns of issued documents except numbers and hashes, in memory.

    Returns the contents to be hashed. Raises Invalid for a document due before its date. A credit note names the same
    parties as the invoice that it corrects, if the details of that invoice were stored.
    """
    organisation = parties.organisation
    for document in documents:
        row = document.invoice
        customer = parties.customers[row["customer_id"]]
        if row["details"] is None:
            details = parties.facts[row["customer_id"], row["currency"]].details
            base_rate = parties.base_rates.get(row["currency"]) if row["tax"] else None
            row.update(copied_fields(organisation, customer))
            row["details"] = details_to_json(details if base_rate is None else replace(details, base_rate=base_rate))
            row["tax_in_base"] = base_rate and convert_to_base(row["tax"], row["currency"], base_rate)
        _freeze(row, payment_terms(organisation, customer), issue_date, now)
    return [canonical_content(document) for document in documents]


def payment_terms(organisation: Organisation, customer: NamedRow) -> int:
    """Return the days in which a customer pays: its own, or those of the organisation."""
    days: int | None = customer.payment_terms_days
    return organisation.payment_terms_days if days is None else days


def _freeze(row: Row, terms: int, issue_date: date, now: datetime) -> None:
    row["status"] = "issued"
    row["issue_date"] = issue_date
    row["due_date"] = row["due_date"] or due_date(issue_date, terms)
    if row["due_date"] < issue_date:
        due = row["due_date"].isoformat()
        message = Phrase(
            "The draft for {customer_name} is due on {due}, before this day. Use an earlier day, or change "
            "its due date.",
            customer_name=row["customer_name"],
            due=due,
        )
        raise Invalid("due_before_issue", message, "issue_date")
    row["issued_at"] = now


def copied_fields(organisation: Organisation, customer: NamedRow) -> Row:
    """Return the columns that a document copies from the seller and the customer.

    The countries are named in the language of the document.
    """
    language = customer.language or organisation.language
    return {
        **seller_fields(organisation, language),
        "customer_reference": customer.reference,
        "customer_name": customer.name,
        "customer_address": print_address(customer, language),
        "customer_tax_id": customer.tax_id,
    }


def seller_fields(organisation: Organisation, language: str = "") -> Row:
    """Return the columns that a document copies from the seller.

    `language` is that of the document, by default the organisation's.
    """
    language = language or organisation.language
    return {
        "seller_name": organisation.legal_name,
        "seller_address": print_address(organisation, language),
        "seller_tax_id": organisation.tax_id,
        "footer": organisation.invoice_footer,
        "number_format": format_on_documents(language, organisation.language, organisation.number_format),
    }


def _lock_series(session: Session, kind: str, issue_date: date, now: datetime) -> NumberSeries:
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
        session.flush()  # a concurrent insert of the same series fails here, and the transaction is retried
    return series


_ISSUED_COLUMNS = [
    "status",
    "issue_date",
    "due_date",
    "issued_at",
    "series_id",
    "sequence",
    "number",
    "hash",
    "details",
    "tax_in_base",
    "number_format",
    *COPIED_COLUMNS,
]
_INVOICE = Invoice.__table__.c
_update_issued = UpdateMany(
    [_INVOICE[name] for name in ("id", *_ISSUED_COLUMNS)],
    lambda parameters: (
        update(Invoice)
        .where(_INVOICE.id == parameters["id"])
        .values({name: parameters[name] for name in _ISSUED_COLUMNS})
    ),
)


def discard(session: Session, invoice_id: UUID, actor: Actor, now: datetime) -> None:
    """Delete a draft; its charges become pending.

    Raises NotFound, and Conflict unless it is a draft.
    """
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
