"""What always holds of credit notes and void invoices, against what they correct. Sums are made in the database."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.formatting import format_money_or_units
from billing_admin.domain.money import plain_decimal
from billing_admin.models import Charge, Invoice, InvoiceLine, InvoiceTax, VoidedCharge
from billing_admin.models.base import exact_sum
from billing_admin.queries.doctor.findings import Check, Finding


def find(session: Session) -> Iterator[tuple[str, Finding]]:
    """Everything wrong, each with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _corrects(session: Session) -> Iterator[Finding]:
    """A credit note names an issued invoice of its own account; each of its lines names one of that invoice's lines."""
    note, corrected = aliased(Invoice), aliased(Invoice)
    faults = {
        "corrects no invoice": corrected.id.is_(None),
        "corrects another credit note": corrected.kind != "invoice",
        "corrects what is not issued": corrected.status != "issued",
        "corrects another customer's invoice": corrected.customer_id != note.customer_id,
        "corrects an invoice in another currency": corrected.currency != note.currency,
        "is older than what it corrects": corrected.issue_date > note.issue_date,
        "gives no reason": note.reason == "",
        "has a line that its invoice has not": _stray_line(note.id, note.corrects_id),
    }
    query = (
        select(note.id, note.number, _first_of(faults))
        .outerjoin(corrected, corrected.id == note.corrects_id)
        .where(note.kind == "credit_note", or_(*faults.values()))
    )
    for id, number, wrong in session.execute(query):
        yield Finding("invoices", str(id), f"{number}: {wrong}")


def _stray_line(note_id: Any, corrects_id: Any) -> ColumnElement[bool]:
    line, origin = aliased(InvoiceLine), aliased(InvoiceLine)
    joined = select(line.id).outerjoin(
        origin, and_(origin.id == line.corrects_line_id, origin.invoice_id == corrects_id)
    )
    return joined.where(line.invoice_id == note_id, origin.id.is_(None)).exists()


def _first_of(faults: dict[str, ColumnElement[bool]]) -> ColumnElement[str]:
    return case(*((condition, literal(words)) for words, condition in faults.items()), else_="")


def _credited(session: Session) -> Iterator[Finding]:
    yield from _credited_lines(session)
    yield from _credited_taxes(session)


def _beyond(taken: ColumnElement[Any], whole: Any) -> ColumnElement[bool]:
    """More than the whole, or of the other sign."""
    return or_(and_(whole >= 0, or_(taken < 0, taken > whole)), and_(whole < 0, or_(taken > 0, taken < whole)))


def _credited_lines(session: Session) -> Iterator[Finding]:
    back = aliased(InvoiceLine)
    sums = (
        select(back.corrects_line_id, func.sum(back.net).label("net"))
        .where(back.corrects_line_id.is_not(None))
        .group_by(back.corrects_line_id)
        .subquery()
    )
    query = (
        select(InvoiceLine.id, InvoiceLine.currency, InvoiceLine.net, sums.c.net)
        .join(sums, sums.c.corrects_line_id == InvoiceLine.id)
        .where(_beyond(sums.c.net, InvoiceLine.net))
    )
    for id, currency, *amounts in session.execute(query):
        net, taken = (format_money_or_units(int(minor), currency) for minor in amounts)
        yield Finding("invoice_lines", str(id), f"its net is {net}, credit notes take back {taken}")


def _credited_taxes(session: Session) -> Iterator[Finding]:
    note, back = aliased(Invoice), aliased(InvoiceTax)
    rate = (back.category, back.percent, back.included)
    sums: Any = (
        select(note.corrects_id, *rate, func.sum(back.base).label("base"), func.sum(back.tax).label("tax"))
        .join(note, note.id == back.invoice_id)
        .where(note.corrects_id.is_not(None))
        .group_by(note.corrects_id, *rate)
        .subquery()
    )
    own = and_(
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
        .outerjoin(InvoiceTax, own)
        .outerjoin(Invoice, Invoice.id == sums.c.corrects_id)
        .where(or_(_beyond(sums.c.base, base), _beyond(sums.c.tax, tax)))
    )
    for id, currency, category, percent, *amounts in session.execute(query):
        base_of, base_back, tax_of, tax_back = (format_money_or_units(int(minor), currency) for minor in amounts)
        at = f"at {category} {plain_decimal(percent)} %"
        wrong = f"{at} base and tax are {base_of} and {tax_of}, credit notes take back {base_back} and {tax_back}"
        yield Finding("invoices", str(id), wrong)


def _void(session: Session) -> Iterator[Finding]:
    faults = {
        "is paid or credited": or_(Invoice.paid != 0, Invoice.credited != 0),
        "gives no reason": Invoice.reason == "",
        "does not say since when": Invoice.voided_on.is_(None),
    }
    query = select(Invoice.id, Invoice.number, _first_of(faults)).where(Invoice.status == "void", or_(*faults.values()))
    for id, number, wrong in session.execute(query):
        yield Finding("invoices", str(id), f"{number}: is void, but {wrong}")
    yield from _voided_lines(session)


def _voided_lines(session: Session) -> Iterator[Finding]:
    """The charges that stood on a void line still make what it says."""
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
    for id, charges, found in session.execute(query):
        yield Finding("invoice_lines", str(id), f"is void with {charges} charges; {found} that stood on it are known")


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "credit_note", "A credit note corrects an issued invoice of its customer and currency, and says why."
    ): _corrects,
    Check("credited", "Credit notes take back no more of a line or of a rate than the invoice has."): _credited,
    Check("void", "A void invoice is not paid, says why, and the charges that stood on it are known."): _void,
}
CHECKS = tuple(_FINDERS)
