"""How the numbers of an invoice came about."""

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
    """A number as it is stored, and as it comes out when it is computed anew."""

    stored: str
    computed: str


class LineStepOut(ResponseModel):
    """How a line came about: its charges' `exact_sum`, `rounded` once, and `net` of the tax where prices include it.

    `GET /charges?line={id}` lists its charges.
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
    """How the tax at one rate came about: of `amount`, the nets of its lines, or their grosses where prices include it."""

    category: str
    percent: Exact
    included: bool
    lines: list[int]
    amount: str
    base: FigureOut
    tax: FigureOut
    adds_up: bool


class ExplanationOut(ResponseModel):
    """How the numbers of an invoice came about, each computed anew from the charges up."""

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
    """Tell how each number of an invoice came about."""
    row = invoice(db.session(), number)
    return Reply(_explained(row, load_explanation(db.session(), row)))


def _explained(row: Invoice, told: Explanation) -> ExplanationOut:
    def money(minor: int) -> str:
        return str(Money(minor, row.currency))

    def figure(one: Figure) -> FigureOut:
        return FigureOut(stored=money(one.stored), computed=money(one.computed))

    return ExplanationOut(
        number=row.number,
        currency=row.currency,
        adds_up=told.holds,
        net=figure(told.net),
        tax=figure(told.tax),
        total=figure(told.total),
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
            for line, step in zip(row.lines, told.lines, strict=True)
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
            for step in told.taxes
        ],
    )
