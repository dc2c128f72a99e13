"""The currencies in use."""

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from billing_admin.models import Account, BankAccount, Customer, Organisation, ServicePrice


def currencies_in_use(session: Session) -> list[str]:
    """Return the currencies that the organisation, customers or prices have, sorted."""
    columns = (
        Organisation.base_currency,
        Customer.currency,
        Account.currency,
        BankAccount.currency,
        ServicePrice.currency,
    )
    return sorted(session.scalars(union(*map(select, columns))))
