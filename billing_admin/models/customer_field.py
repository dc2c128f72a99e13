"""Customer fields: fields of customers that the organisation defines."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.customer_fields import FIELD_TYPES
from billing_admin.models.base import Base, value_check
from billing_admin.models.customer import Customer


class CustomerField(Base):
    """The definition of a customer field.

    Customers store their values by its `key`. An archived field is not offered; its values stay.
    """

    __tablename__ = "customer_fields"
    __table_args__ = (value_check("type", *FIELD_TYPES),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str]
    type: Mapped[str]
    is_required: Mapped[bool]
    is_listed: Mapped[bool]
    choices: Mapped[list[str]]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class CustomerValue(Base):
    """A value of a customer, folded, by which lists find it.

    The rows are written with `Customer.values`. They are the index that both databases have for it.
    """

    __tablename__ = "customer_values"
    __table_args__ = (Index(None, "key", "value", "customer_id"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
