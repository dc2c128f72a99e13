"""What always holds of charges, the lines and accounts that gather them, and the events that tell of them."""

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
_NOTHING = literal(ZERO, Charge.amount.type)


def find(session: Session) -> Iterator[tuple[str, Finding]]:
    """Everything wrong, each with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _one_state(session: Session) -> Iterator[Finding]:
    known = Charge.status.in_(CHARGE_STATUSES)
    agrees = (Charge.status == "billed") == Charge.invoice_line_id.is_not(None)
    for row in session.execute(select(Charge.id, Charge.status, Charge.invoice_line_id).where(~known | ~agrees)):
        where = f"on line {row.invoice_line_id}" if row.invoice_line_id else "on no invoice line"
        yield Finding("charges", str(row.id), f"is {row.status}, and {where}")


def _own_line(session: Session) -> Iterator[Finding]:
    faults = {
        "its line does not exist": InvoiceLine.id.is_(None),
        "its line's invoice does not exist": InvoiceLine.id.is_not(None) & Invoice.id.is_(None),
        "its invoice is void": Invoice.status == "void",
        "its line is another customer's": Charge.customer_id != InvoiceLine.customer_id,
        "its line is in another currency": Charge.currency != InvoiceLine.currency,
        "its line is of another service": Charge.service_id.is_distinct_from(InvoiceLine.service_id),
        "its line has another unit price": Charge.unit_price.is_distinct_from(InvoiceLine.unit_price),
        "its line disagrees on whether tax is included": Charge.tax_included != InvoiceLine.gross.is_not(None),
    }
    query = (
        select(Charge.id, Charge.invoice_line_id, _first_of(faults).label("wrong"))
        .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Charge.invoice_line_id.is_not(None), or_(*faults.values()))
    )
    for row in session.execute(query):
        yield Finding("charges", str(row.id), f"{row.wrong} (line {row.invoice_line_id})")


def _first_of(faults: dict[str, ColumnElement[bool]]) -> ColumnElement[str]:
    return case(*((condition, literal(words)) for words, condition in faults.items()), else_="")


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
        func.coalesce(sums.c.quantity, _NOTHING),
        func.coalesce(sums.c.amount, _NOTHING),
    )
    query = (
        select(InvoiceLine.id, *stored, *summed)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .outerjoin(sums, sums.c.line_id == InvoiceLine.id)
        .where(
            Invoice.status != "void",
            Invoice.kind == "invoice",
            or_(*(kept != counted for kept, counted in zip(stored, summed, strict=True))),
        )
    )
    for id, *values in session.execute(query):
        yield Finding("invoice_lines", str(id), _two(("charges", "quantity", "amount"), values, "its charges make"))


def _two(names: tuple[str, ...], values: list[Any], recomputed: str) -> str:
    """Say what is stored and what was recomputed, where they differ; `values` are all of the one, then all of the other."""
    pairs = zip(names, values[: len(names)], values[len(names) :], strict=True)
    return "; ".join(f"{name} is {_said(kept)}, {recomputed} {_said(now)}" for name, kept, now in pairs if kept != now)


def _said(value: Any) -> str:
    return plain_decimal(value) if isinstance(value, Decimal) else str(value)


def _unbilled_sums() -> Subquery:
    """Count and sum the charges of each account that wait or are held."""
    columns = [
        column
        for status in UNBILLED
        for column in (
            func.count(case((Charge.status == status, 1))).label(f"{status}_charges"),
            func.coalesce(exact_sum(case((Charge.status == status, Charge.amount))), _NOTHING).label(
                f"{status}_amount"
            ),
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
    summed = [func.coalesce(sums.c[name], 0 if name.endswith("charges") else _NOTHING) for name in names]
    query = (
        select(Account.customer_id, Account.currency, *stored, *summed)
        .outerjoin(sums, (sums.c.customer_id == Account.customer_id) & (sums.c.currency == Account.currency))
        .where(or_(*(kept != counted for kept, counted in zip(stored, summed, strict=True))))
    )
    for customer_id, currency, *values in session.execute(query):
        yield Finding("accounts", f"{customer_id} {currency}", _two(names, values, "its charges make"))


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


def _kept(session: Session) -> Iterator[Finding]:
    stored = select(Charge.event_id, func.count().label("charges")).group_by(Charge.event_id).subquery()
    accepted, there = AuditEvent.details["charges"].as_integer(), func.coalesce(stored.c.charges, 0)
    query = (
        select(AuditEvent.id, accepted, there)
        .outerjoin(stored, stored.c.event_id == AuditEvent.id)
        .where(AuditEvent.action == "charge.posted", accepted.is_distinct_from(there))
    )
    for id, told, found in session.execute(query):
        yield Finding("audit_events", str(id), f"tells of {told} charges accepted; {found} are there")


def _conserved(session: Session) -> Iterator[Finding]:
    """Accepted charges by what they say themselves, against what accounts and lines say they hold."""
    everything: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    elsewhere: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    query = select(Charge.currency, Charge.status, func.count(), exact_sum(Charge.amount))
    for currency, status, count, amount in session.execute(query.group_by(Charge.currency, Charge.status)):
        everything[currency].append((count, amount))
        if status == "cancelled":
            elsewhere[currency].append((count, amount))
    for held in _held_elsewhere():
        for currency, count, amount in session.execute(held):
            elsewhere[currency].append((int(count), amount))
    for currency in sorted(everything.keys() | elsewhere.keys()):
        values = [*_added(everything[currency]), *_added(elsewhere[currency])]
        if values[:2] != values[2:]:
            words = "pending, held, billed and cancelled make"
            yield Finding("charges", currency, _two(("count", "sum"), values, words))


def _held_elsewhere() -> list[Executable]:
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


def _added(parts: list[tuple[int, Decimal]]) -> tuple[int, Decimal]:
    return sum(count for count, _ in parts), sum_exactly(amount for _, amount in parts)


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "charge_state", "A charge is one of pending, held, billed, cancelled, and on a line when billed."
    ): _one_state,
    Check(
        "charge_line", "A billed charge is on a line of its own customer, currency, service and price, not void."
    ): _own_line,
    Check("line_sum", "A line's count, quantity and amount are the exact sums of its charges."): _line_sums,
    Check("account_sum", "An account's pending and held totals are the exact sums of its charges."): _accounts,
    Check("account_missing", "Every charge has its customer's account in its currency."): _accountless,
    Check("audit_event", "Every charge has the audit event of its posting."): _events,
    Check("charges_kept", "Every charge that was accepted is still there."): _kept,
    Check("conservation", "Charges accepted are those pending, held, billed and cancelled, per currency."): _conserved,
}
CHECKS = tuple(_FINDERS)
