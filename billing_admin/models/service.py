"""Services, and their prices in each currency."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.models.base import Base, exact_checks
from billing_admin.models.organisation import TaxRate


class ServicePrice(Base):
    """The price of one unit in one currency from a day on, with or without tax.

    It is valid until the next price of the service in the currency begins. Often smaller than a cent. None means that
    the service has no price from that day on.
    """

    __tablename__ = "service_prices"
    __table_args__ = exact_checks("unit_price")

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    unit_price: Mapped[Decimal | None]
    includes_tax: Mapped[bool]


class Service(Base):
    """A catalogue entry.

    It is archived, never deleted. With `line_per_charge` each of its charges has an invoice line of its own.
    `unit_code` is the code of its unit in e-invoices, or empty. `revenue_account` is its account in the journal; an
    empty text means the default account. Lists are sorted by `sort_key`, which `domain.text.sort_key` makes of the
    code.
    """

    __tablename__ = "services"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    unit: Mapped[str]
    unit_code: Mapped[str]
    tax_rate_id: Mapped[UUID] = mapped_column(ForeignKey(TaxRate.id))
    line_per_charge: Mapped[bool]
    revenue_account: Mapped[str]
    search: Mapped[str]
    sort_key: Mapped[str]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    tax_rate: Mapped[TaxRate] = relationship(lazy="joined")
    prices: Mapped[list[ServicePrice]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by=(ServicePrice.currency, ServicePrice.valid_from)
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
