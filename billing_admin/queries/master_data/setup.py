"""The progress of setting up a new installation."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Charge, Customer, Service
from billing_admin.queries.master_data.organisation import organisation


@dataclass(frozen=True, slots=True)
class Setup:
    """The objects that exist.

    `organisation` is true once its settings were saved.
    """

    organisation: bool
    service: bool
    customer: bool
    charge: bool

    @property
    def done(self) -> bool:
        """Whether the setup is complete; a service is optional."""
        return self.organisation and self.charge


def setup(session: Session) -> Setup:
    """Return which kinds of object exist."""
    return Setup(
        organisation=organisation(session).version > 1,
        service=session.scalar(select(Service.id).limit(1)) is not None,
        customer=session.scalar(select(Customer.id).limit(1)) is not None,
        charge=session.scalar(select(Charge.id).limit(1)) is not None,
    )
