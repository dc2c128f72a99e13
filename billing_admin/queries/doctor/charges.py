"""Checks of charges, of sums of charges, and of their audit events.

Lines and accounts store the sums.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Executable, Subquery, case, func, literal, or_, select
from sqlalchemy.orm import Session

from billing_admin.domain.money import ZERO, exact_sum as sum_exactly, plain_decimal
from billing_admin.models import Account, AuditEvent, Charge, Invoice, InvoiceLine
from billing_admin.models.base import exact_sum
from billing_admin.models.charge import CHARGE_STATUSES
from billing_admin.queries.doctor.findings import Check, Finding

UNBILLED = ("pending", "held")
_ZERO = literal(ZERO, Charge.amount.type)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _one_state(session: Session) -> Iterator[Finding]:
    is_known = Charge.status.in_(CHARGE_STATUSES)
    matches_line = (Charge.status == "billed") == Charge.invoice_line_id.is_not(None)
    for row in session.execute(
        select(Charge.id, Charge.status, Charge.invoice_line_id).where(~is_known | ~matches_line)
    ):
        where = f"on line {row.invoice_line_id}" if row.invoice_line_id else "on no invoice line"
        yield Finding("charges", str(row.id), f"has status {row.status}, but is {where}")


def _own_line(session: Session) -> Iterator[Finding]:
    faults = {
        "its invoice line does not exist": InvoiceLine.id.is_(None),
        "its line's invoice does not exist": InvoiceLine.id.is_not(None) & Invoice.id.is_(None),
        "its invoice is void": Invoice.status == "void",
        "its line belongs to another customer": Charge.customer_id != InvoiceLine.customer_id,
        "its line is in another currency": Charge.currency != InvoiceLine.currency,
        "its line is for another service": Charge.service_id.is_distinct_from(InvoiceLine.service_id),
        "its line has another unit price": Charge.unit_price.is_distinct_from(InvoiceLine.unit_price),
        "its line differs in whether the price includes tax": Charge.tax_included != InvoiceLine.gross.is_not(None),
        "its line has another period": or_(
            Charge.period_of_days.is_distinct_from(InvoiceLine.period_of_days),
            Charge.period_from.is_not(None) & InvoiceLine.period_from.is_(None),
            func.coalesce(Charge.period_from, Charge.incurred_on) < InvoiceLine.period_from,
            func.coalesce(Charge.period_to, Charge.incurred_on) > InvoiceLine.period_to,
        ),
    }
    query = (
        select(Charge.id, Charge.invoice_line_id, _first_of(faults).label("problem"))
        .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Charge.invoice_line_id.is_not(None), or_(*faults.values()))
    )
    for row in session.execute(query):
        yield Finding("charges", str(row.id), f"{row.problem} (line {row.invoice_line_id})")


def _first_of(faults: dict[str, ColumnElement[bool]]) -> ColumnElement[str]:
    return case(*((condition, literal(problem)) for problem, condition in faults.items()), else_="")


def _line_sums(session: Session) -> Iterator[Finding]:
    sums = (
        select(
            Charge.invoice_line_id.label("line_id"),
            func.count().label("charges"),
            exact_sum(Charge.quantity).label("quantity"),
            exact_sum(Charge.amount).label("amount"),
        )
        .where(Charge.invoice_line_id.is_not(None))
        .group_by(Charge.invoice_line_id)
        .subquery()
    )
    stored = (InvoiceLine.charges, InvoiceLine.quantity, InvoiceLine.amount)
    summed = (
        func.coalesce(sums.c.charges, 0),
        func.coalesce(sums.c.quantity, _ZERO),
        func.coalesce(sums.c.amount, _ZERO),
    )
    query = (
        select(InvoiceLine.id, *stored, *summed)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .outerjoin(sums, sums.c.line_id == InvoiceLine.id)
        .where(
            Invoice.status != "void",
            Invoice.kind == "invoice",
            or_(*(value != computed for value, computed in zip(stored, summed, strict=True))),
        )
    )
    for id, *values in session.execute(query):
        yield Finding(
            "invoice_lines", str(id), _differences(("charges", "quantity", "amount"), values, "its charges add up to")
        )


def _differences(names: tuple[str, ...], values: list[Any], source: str) -> str:
    """Describe where stored and computed values differ.

    `values` are all stored values, then all computed ones, in the order of `names`; `source` says what
    the computed ones come from.
    """
    pairs = zip(names, values[: len(names)], values[len(names) :], strict=True)
    return "; ".join(
        f"{name} is {_as_text(stored)}, but {source} {_as_text(computed)}"
        for name, stored, computed in pairs
        if stored != computed
    )


def _as_text(value: Any) -> str:
    return plain_decimal(value) if isinstance(value, Decimal) else str(value)


def _unbilled_sums() -> Subquery:
    """Select count and sum of each account's pending and of its held charges."""
    columns = [
        column
        for status in UNBILLED
        for column in (
            func.count(case((Charge.status == status, 1))).label(f"{status}_charges"),
            func.coalesce(exact_sum(case((Charge.status == status, Charge.amount))), _ZERO).label(f"{status}_amount"),
        )
    ]
    return (
        select(Charge.customer_id, Charge.currency, *columns)
        .where(Charge.status.in_(UNBILLED))
        .group_by(Charge.customer_id, Charge.currency)
        .subquery()
    )


def _accounts(session: Session) -> Iterator[Finding]:
    sums = _unbilled_sums()
    names = ("pending_charges", "pending_amount", "held_charges", "held_amount")
    stored = [Account.__table__.c[name] for name in names]
    summed = [func.coalesce(sums.c[name], 0 if name.endswith("charges") else _ZERO) for name in names]
    query = (
        select(Account.customer_id, Account.currency, *stored, *summed)
        .outerjoin(sums, (sums.c.customer_id == Account.customer_id) & (sums.c.currency == Account.currency))
        .where(or_(*(value != computed for value, computed in zip(stored, summed, strict=True))))
    )
    for customer_id, currency, *values in session.execute(query):
        yield Finding("accounts", f"{customer_id} {currency}", _differences(names, values, "its charges add up to"))


def _accountless(session: Session) -> Iterator[Finding]:
    query = (
        select(Charge.id, Charge.currency)
        .outerjoin(Account, (Account.customer_id == Charge.customer_id) & (Account.currency == Charge.currency))
        .where(Account.customer_id.is_(None))
    )
    for row in session.execute(query):
        yield Finding("charges", str(row.id), f"its customer has no account in {row.currency}")


def _events(session: Session) -> Iterator[Finding]:
    query = (
        select(Charge.id, Charge.event_id)
        .outerjoin(AuditEvent, AuditEvent.id == Charge.event_id)
        .where(AuditEvent.id.is_(None))
    )
    for row in session.execute(query):
        yield Finding("charges", str(row.id), f"its audit event {row.event_id} does not exist")


def _all_stored(session: Session) -> Iterator[Finding]:
    stored = select(Charge.event_id, func.count().label("charges")).group_by(Charge.event_id).subquery()
    recorded, count = AuditEvent.details["charges"].as_integer(), func.coalesce(stored.c.charges, 0)
    query = (
        select(AuditEvent.id, recorded, count)
        .outerjoin(stored, stored.c.event_id == AuditEvent.id)
        .where(AuditEvent.action == "charge.posted", recorded.is_distinct_from(count))
    )
    for id, posted, existing in session.execute(query):
        yield Finding("audit_events", str(id), f"records {posted} posted charges, but {existing} exist")


def _conserved(session: Session) -> Iterator[Finding]:
    """Compare all charges with the stored sums, per currency.

    Accounts and invoice lines store the sums.
    """
    charges: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    stored: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    query = select(Charge.currency, Charge.status, func.count(), exact_sum(Charge.amount))
    for currency, status, count, amount in session.execute(query.group_by(Charge.currency, Charge.status)):
        charges[currency].append((count, amount))
        if status == "cancelled":
            stored[currency].append((count, amount))
    for stored_sums in _stored_sums():
        for currency, count, amount in session.execute(stored_sums):
            stored[currency].append((int(count), amount))
    for currency in sorted(charges.keys() | stored.keys()):
        values = [*_total(charges[currency]), *_total(stored[currency])]
        if values[:2] != values[2:]:
            source = "pending, held, billed and cancelled charges add up to"
            yield Finding("charges", currency, _differences(("count", "sum"), values, source))


def _stored_sums() -> list[Executable]:
    billed = (
        select(InvoiceLine.currency, func.sum(InvoiceLine.charges), exact_sum(InvoiceLine.amount))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Invoice.status != "void", Invoice.kind == "invoice")
        .group_by(InvoiceLine.currency)
    )
    unbilled: list[Executable] = [
        select(Account.currency, func.sum(count), exact_sum(amount)).group_by(Account.currency)
        for count, amount in (
            (Account.pending_charges, Account.pending_amount),
            (Account.held_charges, Account.held_amount),
        )
    ]
    return [billed, *unbilled]


def _total(parts: list[tuple[int, Decimal]]) -> tuple[int, Decimal]:
    return sum(count for count, _ in parts), sum_exactly(amount for _, amount in parts)


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "charge_state", "A charge is pending, held, billed or cancelled, and on an invoice line only if billed."
    ): _one_state,
    Check(
        "charge_line",
        "A billed charge is on a line of an invoice that is not void, with its customer, currency, service, price and"
        " period.",
    ): _own_line,
    Check("line_sum", "A line's count, quantity and amount are the exact sums of its charges."): _line_sums,
    Check("account_sum", "An account's pending and held totals are the exact sums of its charges."): _accounts,
    Check("account_missing", "Every charge has its customer's account in its currency."): _accountless,
    Check("audit_event", "Every charge has the audit event of its posting."): _events,
    Check("charges_kept", "Every charge that was posted still exists."): _all_stored,
    Check("conservation", "Per currency, all posted charges are pending, held, billed or cancelled."): _conserved,
}
CHECKS = tuple(_FINDERS)
