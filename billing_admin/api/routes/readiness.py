"""Readiness: the shortcomings of a document before its issue."""

from typing import Annotated

from billing_admin.api.frame.fields import ResponseModel, enumeration
from billing_admin.api.frame.problems import json_pointer
from billing_admin.api.frame.routing import Reply, route
from billing_admin.db.engine import db
from billing_admin.domain.readiness import STOP, WARNING, Shortcoming
from billing_admin.queries.invoices.invoices import invoice
from billing_admin.queries.invoices.readiness import shortcomings_of


class ShortcomingOut(ResponseModel):
    """A fact that is missing or wrong.

    `pointer` names the object and its field, and `detail` says how to correct it. `term` is the business term of EN
    16931, `rule` the rule that asks for it; both are empty without one.
    """

    severity: Annotated[str, enumeration(STOP, WARNING)]
    code: str
    pointer: str
    detail: str
    term: str
    rule: str


class ReadinessOut(ResponseModel):
    """Whether a document may be issued, and everything that it lacks.

    A document is ready if it has no shortcoming of the severity `stop`. An issued document is checked by the facts that
    were frozen on it.
    """

    ready: bool
    e_invoice: str
    shortcomings: list[ShortcomingOut]


@route("GET", "/invoices/{number}/readiness", scope="read", response=ReadinessOut)
def get_readiness(number: str) -> Reply:
    """Show whether a draft may be issued, and everything that it lacks."""
    format, shortcomings = shortcomings_of(db.session(), invoice(db.session(), number))
    return Reply(
        ReadinessOut(
            ready=not any(item.stops for item in shortcomings),
            e_invoice=format,
            shortcomings=[_shortcoming_out(item) for item in shortcomings],
        )
    )


def _shortcoming_out(item: Shortcoming) -> ShortcomingOut:
    return ShortcomingOut(
        severity=item.severity,
        code=item.code,
        pointer=json_pointer(item.field),
        detail=item.message,
        term=item.term,
        rule=item.rule,
    )
