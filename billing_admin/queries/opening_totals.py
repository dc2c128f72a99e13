"""The control totals of opening balances, compared with the journal.

Money is in minor units.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.orm import Session

from billing_admin.models import Customer, Invoice, Payment
from billing_admin.queries.journal import opening_balances
from billing_admin.queries.payments.opening_balances import is_opening_credit, is_opening_invoice

Rows: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class OpeningTotal:
    """The opening balances of an account, void and reversed ones left out.

    `invoiced` and `credited` are their sums, `journal` what the journal has on the account of the opening balances.
    """

    reference: str
    currency: str
    name: str
    invoices: int
    invoiced: int
    credits: int
    credited: int
    journal: int

    @property
    def balance(self) -> int:
        """The amount that the customer owed on the cut-over day."""
        return self.invoiced - self.credited

    @property
    def difference(self) -> int:
        """The part of the balance that the journal lacks: zero, unless a figure is wrong."""
        return self.balance - self.journal


def _sums() -> Rows:
    """Select number and sum of opening invoices and credits per account."""
    zero = literal(0)
    entries = union_all(
        select(
            Invoice.customer_id,
            Invoice.currency,
            literal(1).label("invoices"),
            Invoice.total.label("invoiced"),
            zero.label("credits"),
            zero.label("credited"),
        ).where(is_opening_invoice(), Invoice.status == "issued"),
        select(Payment.customer_id, Payment.currency, zero, zero, literal(1), Payment.amount).where(
            is_opening_credit(), Payment.status == "recorded"
        ),
    ).subquery()
    entry = entries.c
    sums = (entry.invoices, entry.invoiced, entry.credits, entry.credited)
    account = (Customer.reference, entry.currency, Customer.name)
    query: Rows = select(*account, *(func.sum(column).label(column.name) for column in sums)).group_by(*account)
    return query.join(Customer, Customer.id == entry.customer_id)


def opening_totals(session: Session) -> list[OpeningTotal]:
    """Return the control totals of the opening balances, by currency and customer.

    Accounts are included if they have opening balances or the journal says so.
    """
    entered = {(row.reference, row.currency): row for row in session.execute(_sums())}
    journal = opening_balances(session)
    totals = [
        OpeningTotal(
            *key,
            name=row.name,
            invoices=int(row.invoices),
            invoiced=int(row.invoiced),
            credits=int(row.credits),
            credited=int(row.credited),
            journal=journal.pop(key, 0),
        )
        for key, row in entered.items()
    ]
    totals += [OpeningTotal(*key, "", 0, 0, 0, 0, minor) for key, minor in journal.items() if minor]
    return sorted(totals, key=lambda total: (total.currency, total.reference))


@dataclass(frozen=True, slots=True)
class CurrencySum:
    """The sums of control totals in a currency."""

    currency: str
    invoices: int
    invoiced: int
    credits: int
    credited: int
    balance: int
    journal: int


def sum_by_currency(totals: Iterable[OpeningTotal]) -> list[CurrencySum]:
    """Return the sums of control totals per currency."""
    rows = list(totals)
    return [
        CurrencySum(
            currency,
            *(
                sum(getattr(row, name) for row in rows if row.currency == currency)
                for name in ("invoices", "invoiced", "credits", "credited", "balance", "journal")
            ),
        )
        for currency in sorted({row.currency for row in rows})
    ]
