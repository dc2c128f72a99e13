"""Invoices and credit notes, with lines and taxes.

Money is in minor units of the document's currency.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.messages import DOCUMENT, last_state, was_sent
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.models.base import Base, exact_checks, period_check, value_check
from billing_admin.models.customer import Customer
from billing_admin.models.organisation import NumberSeries
from billing_admin.models.service import Service

if TYPE_CHECKING:
    from billing_admin.models.message import MessageDocument

INVOICE_STATUSES = ("draft", "issued", "void")
DOCUMENT_KINDS = ("invoice", "credit_note", OPENING_INVOICE)
_DRAFT = text("status = 'draft'")
_OPEN = text("status = 'issued' AND kind <> 'credit_note' AND total <> paid + credited")


_CORRECTS = text("corrects_id IS NOT NULL")
_REPLACES = text("replaces_id IS NOT NULL")
_OF_RUN = text("run_id IS NOT NULL")
_CORRECTS_LINE = text("corrects_line_id IS NOT NULL")
_HAS_ORDER = text("purchase_order <> ''")
_VOIDED = text("voided_on IS NOT NULL")
_IS_OPENING = text("kind = 'opening_invoice'")


class Invoice(Base):
    """A document.

    A draft has no number; from issue on, names, addresses, lines and rates never change.

    A credit note has kind `credit_note`: `corrects_id` names its invoice, and its positive amounts reduce
    the customer's balance. `paid` is the sum of the allocations that are not withdrawn, `credited` the
    sum of the credit notes. `replaces_id` names the void or credited invoice that this one bills again; a void one has
    one replacement.
    `details` holds `domain.document_details`, frozen at issue; it is None on drafts, and on documents that were issued
    before details were stored. `tax_in_base` is the tax in minor units of the organisation's base currency, at the rate
    in the details.

    An opening invoice has kind `opening_invoice`: it was issued by an earlier system, under `number` and on `original_date`.
    It has neither series, hash, lines nor taxes, and counts from its issue date, the cut-over day; `total` is the amount
    that was open on that day. `original_total` and `original_tax` are those of the earlier document, if they were given.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        value_check("status", *INVOICE_STATUSES),
        value_check("kind", *DOCUMENT_KINDS),
        CheckConstraint("total = net + tax", name="adds_up"),
        CheckConstraint(
            "(status = 'draft') = (number IS NULL) AND (number IS NULL OR kind = 'opening_invoice') = (sequence IS NULL)"
            " AND (sequence IS NULL) = (series_id IS NULL) AND (sequence IS NULL) = (hash IS NULL)"
            " AND (status = 'draft' OR (issue_date IS NOT NULL AND due_date IS NOT NULL))",
            name="numbered_when_issued",
        ),
        CheckConstraint("paid >= 0 AND credited >= 0 AND paid + credited <= total", name="not_overpaid"),
        CheckConstraint("(kind = 'credit_note') = (corrects_id IS NOT NULL)", name="credit_note_corrects"),
        CheckConstraint("kind <> 'credit_note' OR (paid = 0 AND credited = 0)", name="credit_note_is_not_paid"),
        CheckConstraint(
            "(kind = 'opening_invoice') = (original_date IS NOT NULL) AND (kind <> 'opening_invoice' OR status <> 'draft')",
            name="opening_has_date",
        ),
        CheckConstraint("(status = 'void') = (voided_on IS NOT NULL)", name="void_has_day"),
        CheckConstraint("status <> 'void' OR (paid = 0 AND credited = 0)", name="void_is_not_paid"),
        ForeignKeyConstraint(
            ["corrects_id", "customer_id", "currency"], ["invoices.id", "invoices.customer_id", "invoices.currency"]
        ),
        ForeignKeyConstraint(
            ["replaces_id", "customer_id", "currency"], ["invoices.id", "invoices.customer_id", "invoices.currency"]
        ),
        UniqueConstraint("series_id", "sequence"),
        UniqueConstraint("id", "customer_id", "currency"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "created_at", "id"),
        # Sums of runs read this index alone.
        Index(
            "ix_invoices_by_run",
            *("run_id", "currency", "net", "tax", "total"),
            postgresql_where=_OF_RUN,
            sqlite_where=_OF_RUN,
        ),
        Index("ix_invoices_drafts", "id", postgresql_where=_DRAFT, sqlite_where=_DRAFT),
        Index("ix_invoices_open", "due_date", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_invoices_corrects", "corrects_id", postgresql_where=_CORRECTS, sqlite_where=_CORRECTS),
        Index("ix_invoices_replaces", "replaces_id", postgresql_where=_REPLACES, sqlite_where=_REPLACES),
        # Sums by day read this index alone.
        Index("ix_invoices_by_day", "issue_date", "currency", "kind", "status", "total"),
        Index(None, "total"),
        Index(
            "ix_invoices_purchase_order", "purchase_order", "id", postgresql_where=_HAS_ORDER, sqlite_where=_HAS_ORDER
        ),
        Index(None, "voided_on", postgresql_where=_VOIDED, sqlite_where=_VOIDED),
        Index("ix_invoices_opening", "number", postgresql_where=_IS_OPENING, sqlite_where=_IS_OPENING),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    currency: Mapped[str]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_runs.id"))
    series_id: Mapped[UUID | None] = mapped_column(ForeignKey(NumberSeries.id))
    sequence: Mapped[int | None]
    number: Mapped[str | None] = mapped_column(unique=True)
    issue_date: Mapped[date | None]
    due_date: Mapped[date | None]
    period_from: Mapped[date]
    period_to: Mapped[date]
    net: Mapped[int]
    tax: Mapped[int]
    total: Mapped[int]
    paid: Mapped[int]
    credited: Mapped[int]
    customer_reference: Mapped[str]
    customer_name: Mapped[str]
    customer_address: Mapped[str]
    customer_tax_id: Mapped[str]
    seller_name: Mapped[str]
    seller_address: Mapped[str]
    seller_tax_id: Mapped[str]
    footer: Mapped[str]
    note: Mapped[str]
    purchase_order: Mapped[str]
    corrects_id: Mapped[UUID | None]
    replaces_id: Mapped[UUID | None]
    reason: Mapped[str]
    voided_on: Mapped[date | None]
    hash: Mapped[str | None]
    created_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    version: Mapped[int]
    # Programs of the release before did not know it, hence the default.
    number_format: Mapped[str] = mapped_column(server_default=NumberFormat.COMMA_POINT.value)
    details: Mapped[dict[str, Any] | None]
    tax_in_base: Mapped[int | None]
    original_date: Mapped[date | None]
    original_total: Mapped[int | None]
    original_tax: Mapped[int | None]

    lines: Mapped[list["InvoiceLine"]] = relationship(order_by="InvoiceLine.position", viewonly=True)
    taxes: Mapped[list["InvoiceTax"]] = relationship(
        order_by="[InvoiceTax.category, InvoiceTax.position]", viewonly=True
    )
    corrected: Mapped["Invoice | None"] = relationship(
        primaryjoin="remote(Invoice.id) == foreign(Invoice.corrects_id)", viewonly=True
    )
    credit_notes: Mapped[list["Invoice"]] = relationship(
        primaryjoin="Invoice.id == foreign(remote(Invoice.corrects_id))",
        order_by="[Invoice.issue_date, Invoice.sequence]",
        viewonly=True,
    )
    replaced: Mapped["Invoice | None"] = relationship(
        primaryjoin="remote(Invoice.id) == foreign(Invoice.replaces_id)", viewonly=True
    )
    replacement: Mapped["Invoice | None"] = relationship(
        primaryjoin="and_(Invoice.id == foreign(remote(Invoice.replaces_id)), Invoice.status == 'void')",
        uselist=False,
        viewonly=True,
    )
    message_documents: Mapped[list["MessageDocument"]] = relationship(viewonly=True)

    @property
    def was_sent(self) -> bool:
        """Whether the customer has the document, or may have it.

        A reminder of it counts as well.
        """
        return was_sent(part.message.state for part in self.message_documents)

    @property
    def message_states(self) -> list[str]:
        """The states of the messages that send the document, oldest first.

        Reminders of it are not among them.
        """
        messages = [part.message for part in self.message_documents if part.purpose == DOCUMENT]
        return [message.state for message in sorted(messages, key=lambda message: (message.created_at, message.id))]

    @property
    def message_state(self) -> str | None:
        """The state of the last message that sends the document; see `last_state`."""
        return last_state(self.message_states)


class InvoiceLine(Base):
    """The sum of charges of one service, unit price and period, rounded once.

    `charges` is their number. If prices include tax, `gross` is the rounded sum, and `net` is `gross`
    without tax at `included_percent`, which equals `tax_percent` unless the customer is charged no tax.
    Otherwise `gross` and `included_percent` are None.
    `corrects_line_id` of a credit note's line names the invoice line that it credits.
    The period is that of each of its charges; it is None if they have none. A charge with
    `period_of_days` has a line of its own. `unit` is that of the service; it is None if the service has
    none, and on lines that were made before units were copied. So is `unit_code`, a code of UN/ECE Recommendation 20
    or 21.
    """

    __tablename__ = "invoice_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["invoice_id", "customer_id", "currency"],
            ["invoices.id", "invoices.customer_id", "invoices.currency"],
            deferrable=True,
            initially="IMMEDIATE",
        ),
        UniqueConstraint("invoice_id", "position"),
        UniqueConstraint("id", "customer_id", "currency"),
        CheckConstraint("(gross IS NULL) = (included_percent IS NULL)", name="includes_tax_by_percent"),
        *exact_checks("quantity", "unit_price", "amount", "tax_percent", "included_percent"),
        Index(
            "ix_invoice_lines_corrects",
            "corrects_line_id",
            postgresql_where=_CORRECTS_LINE,
            sqlite_where=_CORRECTS_LINE,
        ),
        Index(
            "ix_invoice_lines_purchase_order",
            "purchase_order",
            "invoice_id",
            postgresql_where=_HAS_ORDER,
            sqlite_where=_HAS_ORDER,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    position: Mapped[int]
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey(Service.id))
    service_code: Mapped[str]
    description: Mapped[str]
    quantity: Mapped[Decimal]
    unit_price: Mapped[Decimal | None]
    amount: Mapped[Decimal]
    gross: Mapped[int | None]
    included_percent: Mapped[Decimal | None]
    net: Mapped[int]
    tax_category: Mapped[str]
    tax_percent: Mapped[Decimal]
    charges: Mapped[int]
    corrects_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice_lines.id"))
    period_from: Mapped[date | None]
    period_to: Mapped[date | None]
    period_of_days: Mapped[int | None] = mapped_column(period_check())
    unit: Mapped[str | None]
    purchase_order: Mapped[str] = mapped_column(server_default="")
    unit_code: Mapped[str | None]


def has_order(model: type[Invoice] | type[InvoiceLine]) -> ColumnElement[bool]:
    """Return the condition of the index of rows with an order, in its words.

    Documents and lines have such an index each.
    """
    return model.purchase_order != literal_column("''")


class VoidedCharge(Base):
    """A charge that was on a line of an invoice before the invoice became void."""

    __tablename__ = "voided_charges"
    __table_args__ = (Index(None, "charge_id"),)

    invoice_line_id: Mapped[UUID] = mapped_column(ForeignKey(InvoiceLine.id), primary_key=True)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), primary_key=True)


class InvoiceTax(Base):
    """The tax of a document at one rate, rounded once.

    Lines whose prices include tax are summed in a row of their own (`included`). `note` is the reason
    that must be printed if no tax is charged, and `vatex` its code in e-invoices.
    """

    __tablename__ = "invoice_taxes"
    __table_args__ = exact_checks("percent")

    invoice_id: Mapped[UUID] = mapped_column(
        ForeignKey(Invoice.id, deferrable=True, initially="IMMEDIATE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str]
    percent: Mapped[Decimal]
    included: Mapped[bool]
    base: Mapped[int]
    tax: Mapped[int]
    note: Mapped[str]
    vatex: Mapped[str] = mapped_column(server_default="")
