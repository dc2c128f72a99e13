"""Checks of credit notes and void invoices against the corrected documents."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.formatting import format_money_or_units
from billing_admin.domain.money import plain_decimal
from billing_admin.models import Charge, Invoice, InvoiceLine, InvoiceTax, VoidedCharge
from billing_admin.models.base import exact_sum
from billing_admin.queries.doctor.findings import Check, Finding


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _corrects(session: Session) -> Iterator[Finding]:
    """Check that credit notes and their lines name an invoice and its lines.

    The invoice is issued and has the same account.
    """
    note, corrected = aliased(Invoice), aliased(Invoice)
    faults = {
        "corrects no invoice": corrected.id.is_(None),
        "corrects another credit note, or an opening invoice": corrected.kind != "invoice",
        "corrects an invoice that is not issued": corrected.status != "issued",
        "corrects another customer's invoice": corrected.customer_id != note.customer_id,
        "corrects an invoice in another currency": corrected.currency != note.currency,
        "is dated before the invoice that it corrects": corrected.issue_date > note.issue_date,
        "gives no reason": note.reason == "",
        "has a line that its invoice does not have": _stray_line(note.id, note.corrects_id),
    }
    query = (
        select(note.id, note.number, _first_of(faults))
        .outerjoin(corrected, corrected.id == note.corrects_id)
        .where(note.kind == "credit_note", or_(*faults.values()))
    )
    for id, number, problem in session.execute(query):
        yield Finding("invoices", str(id), f"{number}: {problem}")


def _stray_line(note_id: Any, corrects_id: Any) -> ColumnElement[bool]:
    line, origin = aliased(InvoiceLine), aliased(InvoiceLine)
    joined = select(line.id).outerjoin(
        origin, and_(origin.id == line.corrects_line_id, origin.invoice_id == corrects_id)
    )
    return joined.where(line.invoice_id == note_id, origin.id.is_(None)).exists()


def _first_of(faults: dict[str, ColumnElement[bool]]) -> ColumnElement[str]:
    return case(*((condition, literal(problem)) for problem, condition in faults.items()), else_="")


def _credited(session: Session) -> Iterator[Finding]:
    yield from _credited_lines(session)
    yield from _credited_taxes(session)


def _exceeds(credited: ColumnElement[Any], whole: Any) -> ColumnElement[bool]:
    """Return the condition that a credited amount exceeds the whole.

    An amount with the other sign exceeds it as well.
    """
    return or_(
        and_(whole >= 0, or_(credited < 0, credited > whole)), and_(whole < 0, or_(credited > 0, credited < whole))
    )


def _credited_lines(session: Session) -> Iterator[Finding]:
    credit_line = aliased(InvoiceLine)
    sums = (
        select(credit_line.corrects_line_id, func.sum(credit_line.net).label("net"))
        .where(credit_line.corrects_line_id.is_not(None))
        .group_by(credit_line.corrects_line_id)
        .subquery()
    )
    query = (
        select(InvoiceLine.id, InvoiceLine.currency, InvoiceLine.net, sums.c.net)
        .join(sums, sums.c.corrects_line_id == InvoiceLine.id)
        .where(_exceeds(sums.c.net, InvoiceLine.net))
    )
    for id, currency, *amounts in session.execute(query):
        net, credited = (format_money_or_units(int(minor), currency) for minor in amounts)
        yield Finding("invoice_lines", str(id), f"its net is {net}, but {credited} is credited")


def _credited_taxes(session: Session) -> Iterator[Finding]:
    note, credit_tax = aliased(Invoice), aliased(InvoiceTax)
    rate = (credit_tax.category, credit_tax.percent, credit_tax.included)
    sums: Any = (
        select(note.corrects_id, *rate, func.sum(credit_tax.base).label("base"), func.sum(credit_tax.tax).label("tax"))
        .join(note, note.id == credit_tax.invoice_id)
        .where(note.corrects_id.is_not(None))
        .group_by(note.corrects_id, *rate)
        .subquery()
    )
    same_rate = and_(
        InvoiceTax.invoice_id == sums.c.corrects_id,
        InvoiceTax.category == sums.c.category,
        InvoiceTax.percent == sums.c.percent,
        InvoiceTax.included == sums.c.included,
    )
    base, tax = func.coalesce(InvoiceTax.base, 0), func.coalesce(InvoiceTax.tax, 0)
    query: Select[Any] = (
        select(
            *(sums.c.corrects_id, Invoice.currency, sums.c.category, sums.c.percent),
            *(base, sums.c.base, tax, sums.c.tax),
        )
        .outerjoin(InvoiceTax, same_rate)
        .outerjoin(Invoice, Invoice.id == sums.c.corrects_id)
        .where(or_(_exceeds(sums.c.base, base), _exceeds(sums.c.tax, tax)))
    )
    for id, currency, category, percent, *amounts in session.execute(query):
        # The amounts: base, credited base, tax, credited tax.
        base_text, credited_base, tax_text, credited_tax = (
            format_money_or_units(int(minor), currency) for minor in amounts
        )
        problem = (
            f"at {category} {plain_decimal(percent)} %, base and tax are {base_text} and {tax_text},"
            f" but {credited_base} and {credited_tax} are credited"
        )
        yield Finding("invoices", str(id), problem)


def _void(session: Session) -> Iterator[Finding]:
    faults = {
        "is paid or credited": or_(Invoice.paid != 0, Invoice.credited != 0),
        "gives no reason": Invoice.reason == "",
        "has no void date": Invoice.voided_on.is_(None),
    }
    query = select(Invoice.id, Invoice.number, _first_of(faults)).where(Invoice.status == "void", or_(*faults.values()))
    for id, number, problem in session.execute(query):
        yield Finding("invoices", str(id), f"{number}: is void, but {problem}")
    yield from _voided_lines(session)


def _voided_lines(session: Session) -> Iterator[Finding]:
    """Check that the recorded charges of void lines add up to the lines."""
    sums = (
        select(VoidedCharge.invoice_line_id, func.count().label("charges"), exact_sum(Charge.amount).label("amount"))
        .join(Charge, Charge.id == VoidedCharge.charge_id)
        .group_by(VoidedCharge.invoice_line_id)
        .subquery()
    )
    query = (
        select(InvoiceLine.id, InvoiceLine.charges, func.coalesce(sums.c.charges, 0))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .outerjoin(sums, sums.c.invoice_line_id == InvoiceLine.id)
        .where(
            Invoice.status == "void",
            or_(
                sums.c.charges.is_distinct_from(InvoiceLine.charges), sums.c.amount.is_distinct_from(InvoiceLine.amount)
            ),
        )
    )
    for id, charges, recorded in session.execute(query):
        problem = f"is void and had {charges} charges, but {recorded} are recorded, or their sum differs"
        yield Finding("invoice_lines", str(id), problem)


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "credit_note", "A credit note corrects an issued invoice of its customer and currency, and gives a reason."
    ): _corrects,
    Check("credited", "Credit notes credit no more of a line or tax rate than the invoice has."): _credited,
    Check("void", "A void invoice is not paid, gives a reason, and its former charges are recorded."): _void,
}
CHECKS = tuple(_FINDERS)
