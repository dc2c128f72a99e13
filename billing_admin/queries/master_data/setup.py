"""How far a new installation is set up."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Charge, Customer, Service
from billing_admin.queries.master_data.organisation import organisation


@dataclass(frozen=True, slots=True)
class Setup:
    """What is there already. `organisation` is there once its settings were ever saved."""

    organisation: bool
    service: bool
    customer: bool
    charge: bool

    @property
    def done(self) -> bool:
        """Whether there is nothing left to explain; a service is a convenience, not a need."""
        return self.organisation and self.charge


def setup(session: Session) -> Setup:
    """Look for the first of each."""
    return Setup(
        organisation=organisation(session).version > 1,
        service=session.scalar(select(Service.id).limit(1)) is not None,
        customer=session.scalar(select(Customer.id).limit(1)) is not None,
        charge=session.scalar(select(Charge.id).limit(1)) is not None,
    )
