"""Customers, and the account that a customer has in each currency."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, exact_checks, value_check

TAX_TREATMENTS = ("standard", "exempt", "reverse_charge", "export")


class Customer(Base):
    """A customer.

    `search` holds the reference, name and e-mail address, folded, for searches. Lists are sorted by `sort_key`, which
    `domain.text.sort_key` makes of the name.
    """

    __tablename__ = "customers"
    __table_args__ = (
        value_check("tax_treatment", *TAX_TREATMENTS),
        Index(None, "created_at", "id"),
        Index(None, "sort_key", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str]
    address: Mapped[str]
    tax_id: Mapped[str]
    tax_treatment: Mapped[str]
    currency: Mapped[str]
    payment_terms_days: Mapped[int | None]
    notes: Mapped[str]
    purchase_order: Mapped[str]
    search: Mapped[str]
    sort_key: Mapped[str]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Account(Base):
    """The unbilled totals of a customer in one currency.

    They are updated with every change of a charge.

    Each write to charges locks this row first, so that a billing run and a posting never overlap.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("pending_charges >= 0 AND held_charges >= 0", name="counts_not_negative"),
        *exact_checks("pending_amount", "held_amount"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    pending_charges: Mapped[int]
    pending_amount: Mapped[Decimal]
    held_charges: Mapped[int]
    held_amount: Mapped[Decimal]
    billed_through: Mapped[date | None]
    # Unused since the SQLite look-ahead was removed. It stays because migration 0009, which is released, adds it.
    version: Mapped[int] = mapped_column(server_default="0")
