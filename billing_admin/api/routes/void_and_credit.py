"""Voids and credit notes of invoices."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from billing_admin.api.frame.fields import OMITTED, Body, Day, Key, Number, ReasonText, ResponseModel
from billing_admin.api.frame.routing import REPLAYED, Reply, created_reply, route
from billing_admin.api.routes.invoices import InvoiceOut, invoice_out, invoice_reply
from billing_admin.clock import now
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.credit_notes import net_to_credit
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.invoices import credit_notes, rebilling, voids
from billing_admin.operations.invoices.rebilling import CorrectedLine, RebillSpec
from billing_admin.queries.invoices.credit_notes import CreditSpec, creditable
from billing_admin.queries.invoices.invoices import invoice
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.object_ids import invoice_id


class VoidIn(Body):
    """The reason, and the new state of the charges.

    `billed_again` adds them to a draft, named in `replaced_by`.
    """

    reason: ReasonText
    charges: Literal["pending", "cancelled", "billed_again"] = "pending"


class CreditLineIn(Body):
    """A line by its ID, and the net amount or the quantity to credit.

    The net of a quantity is its share of the line's, rounded to the currency. The tax is added. Rounded parts need not add
    up to the line: credit what is left of it by its amount.
    """

    line: Key
    amount: Number = OMITTED
    quantity: Number = OMITTED


class CreditIn(Body):
    """The reason, and either an `amount` that includes tax, or `lines`.

    The issue date defaults to today.
    """

    id: Key = OMITTED
    reason: ReasonText
    amount: Number = OMITTED
    lines: list[CreditLineIn] = OMITTED
    issue_date: Day = OMITTED

    def spec(self, session: Session, id: UUID) -> CreditSpec:
        """Return the request as a spec; a quantity needs the invoice of this id."""
        sent = self.lines or []
        quantities: list[Decimal | None] = [line.quantity for line in sent]
        by_quantity = {place for place, quantity in enumerate(quantities) if quantity is not None}
        invoice = creditable(session, id) if by_quantity else None
        lines = [
            (line.line, net_to_credit(invoice, line.line, line.quantity, line.amount, place))
            for place, line in enumerate(sent)
        ]
        return CreditSpec(self.reason, self.amount, lines, self.issue_date, self.id, by_quantity)


class CorrectedLineIn(Body):
    """A line by its ID, and its corrected values; omitted ones stay.

    A line without a unit price has an `amount` instead. A line that was credited in part needs all of its values.
    """

    line: Key
    quantity: Number = OMITTED
    unit_price: Number = OMITTED
    amount: Number = OMITTED


class BillAgainIn(Body):
    """The reason, and the lines that are credited and billed again.

    `issue` issues the new invoice, and `apply_credit` pays it from the customer's credit. The ID is that of the credit
    note.
    """

    id: Key = OMITTED
    reason: ReasonText
    lines: list[CorrectedLineIn]
    issue: bool = False
    apply_credit: bool = False
    issue_date: Day = OMITTED

    def spec(self) -> RebillSpec:
        """Return the request as a spec."""
        lines = [CorrectedLine(line.line, line.quantity, line.unit_price, line.amount) for line in self.lines]
        return RebillSpec(self.reason, lines, self.issue, self.apply_credit, self.issue_date, self.id)


class BilledAgainOut(ResponseModel):
    """The credit note, and the new invoice or draft."""

    credit_note: InvoiceOut
    invoice: InvoiceOut


@route("POST", "/invoices/{number}/void", scope="corrections:write", body=VoidIn, response=InvoiceOut, versioned=True)
def void_invoice(actor: Actor, number: str, body: VoidIn) -> Reply:
    """Void an invoice without payments or credit notes.

    It keeps its number.
    """
    return bounded_transaction(_void, number, body, actor, now())


def _void(session: Session, name: str, body: VoidIn, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    voids.void_invoice(session, id, body.reason, body.charges, actor, at)
    return invoice_reply(session, str(id), at)


@route(
    "POST",
    "/invoices/{number}/credit",
    scope="corrections:write",
    body=CreditIn,
    response=InvoiceOut,
    statuses=(201, 200),
    versioned=True,
)
def credit_invoice(actor: Actor, number: str, body: CreditIn) -> Reply:
    """Issue a credit note for an invoice, and return the credit note."""
    return bounded_transaction(_credit, number, body, actor, now())


def _credit(session: Session, name: str, body: CreditIn, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    note_id, is_new = credit_notes.credit_invoice(session, id, body.spec(session, id), actor, at)
    reply = invoice_reply(session, str(note_id), at)
    return Reply(reply.content, 201 if is_new else 200, {**reply.headers, **({} if is_new else REPLAYED)})


@route(
    "POST",
    "/invoices/{number}/bill-again",
    scope="corrections:write",
    body=BillAgainIn,
    response=BilledAgainOut,
    statuses=(201, 200),
)
def bill_again(actor: Actor, number: str, body: BillAgainIn) -> Reply:
    """Credit lines of an invoice and bill them again, in one act.

    This needs the scope `charges:write` as well, and `payments:write` with `apply_credit`.
    """
    return created_reply(*bounded_transaction(_bill_again, number, body.spec(), actor, now()))


def _bill_again(
    session: Session, name: str, spec: RebillSpec, actor: Actor, at: datetime
) -> tuple[BilledAgainOut, bool]:
    rebilled = rebilling.bill_again(session, invoice_id(session, name), spec, actor, at)
    day = today(session, at)
    note, new_invoice = (invoice_out(invoice(session, str(id)), day) for id in (rebilled.credit_note, rebilled.invoice))
    return BilledAgainOut(credit_note=note, invoice=new_invoice), rebilled.created
