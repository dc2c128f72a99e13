"""Explanation: how each amount of an invoice is calculated."""

from uuid import UUID

from billing_admin.api.frame.fields import Exact, ResponseModel
from billing_admin.api.frame.routing import Reply, route
from billing_admin.db.engine import db
from billing_admin.domain.explanation import Explanation, Figure
from billing_admin.domain.money import Money
from billing_admin.models import Invoice
from billing_admin.queries.invoices.explanation import load_explanation
from billing_admin.queries.invoices.invoices import invoice


class FigureOut(ResponseModel):
    """An amount as stored, and as recomputed now."""

    stored: str
    computed: str


class LineStepOut(ResponseModel):
    """The calculation of a line: exact sum of its charges, rounded sum, net amount.

    The exact sum is rounded once. `net` is `rounded` without the tax that prices include. `GET /charges?line={id}`
    lists the charges.
    """

    id: UUID
    position: int
    charges: int
    exact_sum: Exact
    rounded: FigureOut
    included_percent: Exact | None
    net: FigureOut
    adds_up: bool


class TaxStepOut(ResponseModel):
    """The calculation of the tax at one rate.

    `amount` is the sum of the net amounts of its lines, or gross if it is included.
    """

    category: str
    percent: Exact
    included: bool
    lines: list[int]
    amount: str
    base: FigureOut
    tax: FigureOut
    adds_up: bool


class ExplanationOut(ResponseModel):
    """The calculation of an invoice, recomputed from its charges."""

    number: str | None
    currency: str
    adds_up: bool
    net: FigureOut
    tax: FigureOut
    total: FigureOut
    lines: list[LineStepOut]
    taxes: list[TaxStepOut]


@route("GET", "/invoices/{number}/explain", scope="read", response=ExplanationOut)
def explain_invoice(number: str) -> Reply:
    """Explain how each amount of an invoice is calculated."""
    row = invoice(db.session(), number)
    return Reply(_explanation_out(row, load_explanation(db.session(), row)))


def _explanation_out(row: Invoice, calculation: Explanation) -> ExplanationOut:
    def money(minor: int) -> str:
        return str(Money(minor, row.currency))

    def figure(amount: Figure) -> FigureOut:
        return FigureOut(stored=money(amount.stored), computed=money(amount.computed))

    return ExplanationOut(
        number=row.number,
        currency=row.currency,
        adds_up=calculation.holds,
        net=figure(calculation.net),
        tax=figure(calculation.tax),
        total=figure(calculation.total),
        lines=[
            LineStepOut(
                id=line.id,
                position=line.position,
                charges=line.charges,
                exact_sum=step.line.group.amount,
                rounded=figure(step.rounded),
                included_percent=line.included_percent,
                net=figure(step.net),
                adds_up=step.holds,
            )
            for line, step in zip(row.lines, calculation.lines, strict=True)
        ],
        taxes=[
            TaxStepOut(
                category=step.rate.category,
                percent=step.rate.percent,
                included=step.included,
                lines=list(step.lines),
                amount=money(step.amount),
                base=figure(step.base),
                tax=figure(step.tax),
                adds_up=step.holds,
            )
            for step in calculation.taxes
        ],
    )
