"""The organisation, its tax rates, and its number series."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.days import DateOrder
from billing_admin.domain.number_format import NumberFormat
from billing_admin.models.base import Base, exact_checks, value_check

TAX_CATEGORIES = ("S", "Z", "E", "AE", "O", "G", "K")


class TaxRate(Base):
    """A tax rate: an EN 16931 category code, and the first percentage.

    The percentage is valid until the first change. `note` is the reason that is printed on documents without tax.
    """

    __tablename__ = "tax_rates"
    __table_args__ = (value_check("category", *TAX_CATEGORIES), *exact_checks("percent"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    category: Mapped[str]
    percent: Mapped[Decimal]
    note: Mapped[str]
    version: Mapped[int] = mapped_column()

    changes: Mapped[list["TaxRateChange"]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by="TaxRateChange.valid_from"
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TaxRateChange(Base):
    """The percentage of a rate for charges incurred from a day until the next change."""

    __tablename__ = "tax_rate_changes"
    __table_args__ = exact_checks("percent")

    tax_rate_id: Mapped[UUID] = mapped_column(ForeignKey(TaxRate.id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    percent: Mapped[Decimal]


class Organisation(Base):
    """The company that bills, as one row of settings.

    Nothing may be dated on or before `locked_through`. The number formats may contain `{year}`, `{month}`
    and `{number:5}`. The notes are printed on documents for customers whose tax treatment charges no tax.
    `number_format` and `date_order` say how typed numbers and days are read, and how numbers are shown.
    `journal_accounts` holds account names that replace the defaults of `domain.journal.ACCOUNTS`.
    """

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        value_check("number_format", *NumberFormat),
        value_check("date_order", *DateOrder),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    legal_name: Mapped[str]
    address: Mapped[str]
    tax_id: Mapped[str]
    email: Mapped[str]
    invoice_footer: Mapped[str]
    time_zone: Mapped[str]
    base_currency: Mapped[str]
    payment_terms_days: Mapped[int]
    invoice_format: Mapped[str]
    credit_note_format: Mapped[str]
    exempt_note: Mapped[str]
    reverse_charge_note: Mapped[str]
    export_note: Mapped[str]
    locked_through: Mapped[date | None]
    hold_likely_duplicates: Mapped[bool]
    number_format: Mapped[str]
    date_order: Mapped[str]
    is_demo: Mapped[bool]
    journal_accounts: Mapped[dict[str, Any]]
    default_tax_rate_id: Mapped[UUID] = mapped_column(ForeignKey(TaxRate.id))
    version: Mapped[int] = mapped_column()

    default_tax_rate: Mapped[TaxRate] = relationship(lazy="joined")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class NumberSeries(Base):
    """The source of gapless numbers of a kind and year.

    Its row stays locked until the numbered documents are committed.

    The highest `part` of a kind and year is the current series; earlier parts have ended.
    """

    __tablename__ = "number_series"
    __table_args__ = (UniqueConstraint("kind", "year", "part"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    year: Mapped[int]
    part: Mapped[int] = mapped_column(server_default="1")
    next_sequence: Mapped[int]
    last_issue_date: Mapped[date | None]
    last_hash: Mapped[str]
