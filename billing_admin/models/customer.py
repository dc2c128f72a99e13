"""Customers, their contacts, and the account that a customer has in each currency."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from billing_admin.domain.parties import E_INVOICE_FORMATS, LANGUAGES, PAPERS, RECIPIENT_ROLES
from billing_admin.models.base import Base, exact_checks, value_check

TAX_TREATMENTS = ("standard", "exempt", "reverse_charge", "export", "intra_community")


class CustomerContact(Base):
    """A person or mailbox of a customer.

    `invoices`, `reminders` and `statements` say how the contact gets them: as `to` or `cc`, or `none`. The contacts of a
    customer are in the order in which they were added.
    """

    __tablename__ = "customer_contacts"
    __table_args__ = (
        *(value_check(document, *RECIPIENT_ROLES) for document in ("invoices", "reminders", "statements")),
        Index(None, "customer_id", "created_at", "id"),
        UniqueConstraint("customer_id", "email"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    name: Mapped[str]
    email: Mapped[str]
    invoices: Mapped[str]
    reminders: Mapped[str]
    statements: Mapped[str]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Customer(Base):
    """A customer.

    `search` holds the reference, name and e-mail address, folded, for searches. Lists are sorted by `sort_key`, which
    `domain.text.sort_key` makes of the name. `address` is printed while the parts of the address are empty. Without
    `language` or `paper` the organisation's apply. `custom_lines` are printed on documents, each with a `label` and a
    `value`. `email` is read from the contacts. With `monthly_statements`, the contacts that get statements are sent one
    after each month. `own_values` are the values of customer fields by key; `CustomerValue` indexes them.
    """

    __tablename__ = "customers"
    __table_args__ = (
        value_check("tax_treatment", *TAX_TREATMENTS),
        value_check("language", "", *LANGUAGES),
        value_check("paper", "", *PAPERS),
        value_check("e_invoice", *E_INVOICE_FORMATS),
        Index(None, "created_at", "id"),
        Index(None, "sort_key", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
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
    street: Mapped[str]
    street2: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    region: Mapped[str]
    country: Mapped[str]
    registration_id: Mapped[str]
    registration_scheme: Mapped[str]
    electronic_address: Mapped[str]
    electronic_scheme: Mapped[str]
    language: Mapped[str]
    paper: Mapped[str]
    e_invoice: Mapped[str]
    buyer_reference: Mapped[str]
    contract: Mapped[str]
    custom_lines: Mapped[list[dict[str, Any]]]
    delivery_name: Mapped[str]
    delivery_street: Mapped[str]
    delivery_street2: Mapped[str]
    delivery_postcode: Mapped[str]
    delivery_city: Mapped[str]
    delivery_region: Mapped[str]
    delivery_country: Mapped[str]
    monthly_statements: Mapped[bool]
    # Each model has an attribute `metadata` of SQLAlchemy.
    own_values: Mapped[dict[str, Any]] = mapped_column("metadata")
    # The address of the first contact that gets invoices as To, empty without one.
    email: Mapped[str] = column_property(
        func.coalesce(
            select(CustomerContact.email)
            .where(CustomerContact.customer_id == id, CustomerContact.invoices == "to")
            .order_by(CustomerContact.created_at, CustomerContact.id)
            .limit(1)
            .correlate_except(CustomerContact)
            .scalar_subquery(),
            "",
        )
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class CustomerText(Base):
    """All that documents print of a customer, at some time, as one folded text.

    Each change of such a text adds a row. A search for documents reads these rows instead of each document, and finds a
    document by the customer's earlier name as well.
    """

    __tablename__ = "customer_texts"
    __table_args__ = (Index(None, "customer_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    text: Mapped[str]


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


class UnbilledDay(Base):
    """The unbilled charges in a currency at the start of a day.

    They are the sums of the accounts, as a worker recorded them.
    A day without unbilled charges, or on which no worker ran, has no rows.
    """

    __tablename__ = "unbilled_days"
    __table_args__ = exact_checks("pending_amount", "held_amount")

    day: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    pending_charges: Mapped[int]
    pending_amount: Mapped[Decimal]
    held_charges: Mapped[int]
    held_amount: Mapped[Decimal]
