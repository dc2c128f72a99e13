"""The organisation, its accounts and logos, its tax rates and its number series."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.days import DateOrder
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.parties import LANGUAGES, PAPERS
from billing_admin.models.base import Base, exact_checks, value_check

TAX_CATEGORIES = ("S", "Z", "E", "AE", "O", "G", "K")


class TaxRate(Base):
    """A tax rate: an EN 16931 category code, and the first percentage.

    The percentage is valid until the first change. `note` is the reason that is printed on documents without tax, and
    `vatex` its code in e-invoices.
    """

    __tablename__ = "tax_rates"
    __table_args__ = (value_check("category", *TAX_CATEGORIES), *exact_checks("percent"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    category: Mapped[str]
    percent: Mapped[Decimal]
    note: Mapped[str]
    vatex: Mapped[str]
    version: Mapped[int] = mapped_column()

    changes: Mapped[list["TaxRateChange"]] = relationship(
        cascade="all, delete-orphan", order_by="TaxRateChange.valid_from"
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TaxRateChange(Base):
    """The percentage of a rate for charges incurred from a day until the next change."""

    __tablename__ = "tax_rate_changes"
    __table_args__ = exact_checks("percent")

    tax_rate_id: Mapped[UUID] = mapped_column(ForeignKey(TaxRate.id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    percent: Mapped[Decimal]


class Logo(Base):
    """A logo, a PNG or SVG file, by its SHA-256.

    Logos are never deleted or changed: issued documents name theirs by the hash.
    """

    __tablename__ = "logos"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    data: Mapped[bytes]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class BankAccount(Base):
    """An account of the organisation for payments in one currency.

    It has an IBAN without spaces, or an account number. Documents copy the default account of their currency; the
    default is in use, and there is at most one in each currency.
    """

    __tablename__ = "bank_accounts"
    __table_args__ = (
        CheckConstraint("(iban = '') <> (account_number = '')", name="one_number"),
        CheckConstraint("NOT is_default OR archived_at IS NULL", name="default_in_use"),
        Index(
            "uq_bank_accounts_default_currency",
            "currency",
            unique=True,
            postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str]
    holder: Mapped[str]
    iban: Mapped[str]
    account_number: Mapped[str]
    bic: Mapped[str]
    bank_name: Mapped[str]
    is_default: Mapped[bool]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Organisation(Base):
    """The company that bills, as one row of settings.

    Nothing may be dated on or before `locked_through`. The number formats may contain `{year}`, `{month}`
    and `{number:5}`. The notes are printed on documents for customers whose tax treatment charges no tax.
    `number_format` and `date_order` say how typed numbers and days are read, and how numbers are shown.
    `journal_accounts` holds account names that replace the defaults of `domain.journal.ACCOUNTS`.
    `address` is printed while `country` is empty, the parts of the address otherwise. `tax_id` is a VAT number or another tax ID,
    `tax_number` the number that the local tax office gave. `language` and `paper` are those of documents whose
    customer has none. `accent` is a colour such as `#0b57d0`, or empty. `reminder_levels` holds those of
    `domain.reminders`; with `daily_reminders` they are sent every day, from `daily_reminders_from` on.
    """

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        value_check("number_format", *NumberFormat),
        value_check("date_order", *DateOrder),
        value_check("language", *LANGUAGES),
        value_check("paper", *PAPERS),
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
    exempt_vatex: Mapped[str]
    reverse_charge_note: Mapped[str]
    export_note: Mapped[str]
    intra_community_note: Mapped[str]
    locked_through: Mapped[date | None]
    hold_likely_duplicates: Mapped[bool]
    applies_credit: Mapped[bool]
    requires_complete_details: Mapped[bool]
    requires_second_factor: Mapped[bool]
    attach_pdf: Mapped[bool]
    number_format: Mapped[str]
    date_order: Mapped[str]
    is_demo: Mapped[bool]
    journal_accounts: Mapped[dict[str, Any]]
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
    tax_number: Mapped[str]
    legal_info: Mapped[str]
    contact_name: Mapped[str]
    contact_phone: Mapped[str]
    contact_email: Mapped[str]
    terms: Mapped[str]
    language: Mapped[str]
    paper: Mapped[str]
    accent: Mapped[str]
    reminder_levels: Mapped[list[dict[str, Any]]]
    daily_reminders: Mapped[bool]
    daily_reminders_from: Mapped[date | None]
    logo: Mapped[str | None] = mapped_column(ForeignKey(Logo.sha256))
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


class ExchangeRate(Base):
    """The price of one unit of the base currency in another currency on a day.

    `source` names who published it. Documents copy the rate that they use.
    """

    __tablename__ = "exchange_rates"
    __table_args__ = (
        CheckConstraint("base_currency <> currency", name="between_two_currencies"),
        *exact_checks("rate"),
    )

    base_currency: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[Decimal]
    source: Mapped[str]
