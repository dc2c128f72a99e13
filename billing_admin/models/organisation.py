"""The company that bills, its tax rates, and the series that hand out its numbers."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.models.base import Base, exact_checks, value_check

TAX_CATEGORIES = ("S", "Z", "E", "AE", "O", "G", "K")


class TaxRate(Base):
    """A rate as EN 16931 names it: a category code and a percentage, until its first change.

    `note` is the reason that is printed on documents which charge no tax.
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
    """The percentage of a rate for charges incurred from a day on, until the next change."""

    __tablename__ = "tax_rate_changes"
    __table_args__ = exact_checks("percent")

    tax_rate_id: Mapped[UUID] = mapped_column(ForeignKey(TaxRate.id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    percent: Mapped[Decimal]


class Organisation(Base):
    """The one row that says who bills, where, and on what terms.

    Nothing may be dated on or before `locked_through`. The formats of numbers have `{year}`, `{month}` and `{number:5}` in
    them. The notes are printed where a customer's treatment charges no tax.
    `journal_accounts` names accounts of the journal that are not called as usual (`domain.journal.ACCOUNTS`).
    """

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

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
    is_demo: Mapped[bool]
    journal_accounts: Mapped[dict[str, Any]]
    default_tax_rate_id: Mapped[UUID] = mapped_column(ForeignKey(TaxRate.id))
    version: Mapped[int] = mapped_column()

    default_tax_rate: Mapped[TaxRate] = relationship(lazy="joined")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class NumberSeries(Base):
    """Hands out gapless numbers: its row is locked until the documents that took them are committed.

    The highest `part` of a kind and year is the current series; the parts before it have ended.
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
