"""The progress of setting up a new installation."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from billing_admin.domain.readiness import PLACEHOLDER_NAME
from billing_admin.domain.set_up import SetUpProgress, SetUpStep
from billing_admin.models import BankAccount, ClosedSetUpStep, Customer, Service, TaxRate
from billing_admin.queries.master_data.organisation import organisation

NO_TAX = "none"  # the code of the rate that every installation has


def setup(session: Session) -> SetUpProgress:
    """Return which steps of the set-up are done, in two queries."""
    settings = organisation(session)
    tax, bank_account, service, customer = session.execute(
        select(
            exists().where(TaxRate.code != NO_TAX),
            exists().where(BankAccount.id.is_not(None)),
            exists().where(Service.id.is_not(None)),
            exists().where(Customer.id.is_not(None)),
        )
    ).one()
    data = {
        SetUpStep.ORGANISATION: settings.legal_name != PLACEHOLDER_NAME and bool(settings.country or settings.address),
        SetUpStep.TAX: tax,
        SetUpStep.BANK_ACCOUNT: bank_account,
        SetUpStep.LOOK: settings.logo is not None,
        SetUpStep.SERVICE: service,
        SetUpStep.CUSTOMER: customer,
    }
    closed = session.scalars(select(ClosedSetUpStep.step)).all()
    return SetUpProgress({step for step, exists in data.items() if exists}, set(map(SetUpStep, closed)))
