"""The legal document: its lines and its taxes. Money is in minor units of the document's one currency."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.models.base import Base, exact_checks, one_of
from billing_admin.models.customer import Customer
from billing_admin.models.organisation import NumberSeries
from billing_admin.models.service import Service

INVOICE_STATUSES = ("draft", "issued", "void")
_OPEN = text("status = 'issued' AND total <> paid + credited")


class Invoice(Base):
    """A draft has no number; from issue on, names, addresses, lines and rates are copies that never change."""

    __tablename__ = "invoices"
    __table_args__ = (
        one_of("status", *INVOICE_STATUSES),
        one_of("kind", "invoice", "credit_note"),
        CheckConstraint("total = net + tax", name="adds_up"),
        CheckConstraint(
            "(status = 'draft') = (number IS NULL) AND (number IS NULL) = (sequence IS NULL)"
            " AND (number IS NULL) = (series_id IS NULL) AND (number IS NULL) = (hash IS NULL)"
            " AND (status = 'draft' OR (issue_date IS NOT NULL AND due_date IS NOT NULL))",
            name="numbered_when_issued",
        ),
        CheckConstraint("paid >= 0 AND credited >= 0 AND paid + credited <= total", name="not_overpaid"),
        UniqueConstraint("series_id", "sequence"),
        UniqueConstraint("id", "customer_id", "currency"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "created_at", "id"),
        Index(None, "run_id"),
        Index("ix_invoices_open", "due_date", postgresql_where=_OPEN, sqlite_where=_OPEN),
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
    hash: Mapped[str | None]
    created_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]

    lines: Mapped[list["InvoiceLine"]] = relationship(order_by="InvoiceLine.position", viewonly=True)
    taxes: Mapped[list["InvoiceTax"]] = relationship(
        order_by="[InvoiceTax.category, InvoiceTax.position]", viewonly=True
    )


class InvoiceLine(Base):
    """One or many charges of one service and unit price, summed exactly and rounded once. `charges` counts them."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["invoice_id", "customer_id", "currency"], ["invoices.id", "invoices.customer_id", "invoices.currency"]
        ),
        UniqueConstraint("invoice_id", "position"),
        UniqueConstraint("id", "customer_id", "currency"),
        *exact_checks("quantity", "unit_price", "amount", "tax_percent"),
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
    net: Mapped[int]
    tax_category: Mapped[str]
    tax_percent: Mapped[Decimal]
    charges: Mapped[int]


class InvoiceTax(Base):
    """The tax of an invoice at one rate, rounded once."""

    __tablename__ = "invoice_taxes"
    __table_args__ = exact_checks("percent")

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str]
    percent: Mapped[Decimal]
    base: Mapped[int]
    tax: Mapped[int]
