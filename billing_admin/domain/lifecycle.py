"""The life of a document: what it owes, what state that is, and what may follow."""

from datetime import date, timedelta
from typing import Protocol

from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Conflict, Invalid


class Receivable(Protocol):
    """What the state of a document is read off; money in minor units."""

    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def total(self) -> int: ...
    @property
    def paid(self) -> int: ...
    @property
    def credited(self) -> int: ...
    @property
    def due_date(self) -> date | None: ...


def balance(invoice: Receivable) -> int:
    """What is still owed, in minor units: nothing before issue and nothing after void, and never anything on a credit note."""
    owes = invoice.status == "issued" and invoice.kind == "invoice"
    return invoice.total - invoice.paid - invoice.credited if owes else 0


def payment_status(invoice: Receivable, today: date) -> str | None:
    """Read paid, credited, overdue, part_paid or unpaid off the balance and the due date; None unless issued.

    A credit note is not paid, it reduces what is.
    """
    if invoice.status != "issued" or invoice.kind != "invoice":
        return None
    if balance(invoice) <= 0:
        return "credited" if invoice.credited and not invoice.paid else "paid"
    if invoice.due_date is not None and invoice.due_date < today:
        return "overdue"
    return "part_paid" if invoice.paid or invoice.credited else "unpaid"


def due_date(issue_date: date, payment_terms_days: int) -> date:
    """The day by which to pay."""
    return issue_date + timedelta(days=payment_terms_days)


def void_date(today: date, issue_date: date) -> date:
    """Return the day from which a void counts: today, or the issue date of an invoice that is dated in the future."""
    return max(today, issue_date)


def refuse_before_issue_date(number: str, issue_date: date, today: date, *field: str | int) -> None:
    """Raise Invalid for an invoice dated after today: a credit note or a write-off of it would be dated in the future, too."""
    if issue_date > today:
        message = (
            f"{number} is dated {issue_date.isoformat()}, after today ({today.isoformat()})."
            " Void it instead; if something is paid on it, take that back first."
        )
        raise Invalid("before_invoice", message, *field)


def default_cut_off(today: date) -> date:
    """The month's end that is billed on this day: of this month in its last three days, else of the month before."""
    soon = today + timedelta(days=3)
    first_of_month = (soon if soon.month != today.month else today).replace(day=1)
    return first_of_month - timedelta(days=1)


def needs_issue(status: str, number: str | None) -> bool:
    """Whether there is something to do: True for a draft, False when it is issued already. Raises Conflict otherwise."""
    if status == "void":
        raise Conflict("already_void", f"{number} is void and cannot be issued.")
    return status == "draft"


def check_editable(status: str, number: str | None, what: str) -> None:
    """Raise Conflict unless it is a draft; `what` is the deed, such as `changed`."""
    if status != "draft":
        said = f"{number} is {status}: only a draft can be {what}."
        raise Conflict("not_a_draft", f"{said} Credit it, or void it." if status == "issued" else said, "status")


def needs_void(invoice: Row) -> bool:
    """Whether there is something to do: True for an issued invoice, False when it is void already.

    Raises Conflict for a draft, for a credit note, and for what is paid or credited even in part.
    """
    if invoice["status"] == "void":
        return False
    if invoice["kind"] == "credit_note":
        raise Conflict(
            "is_credit_note",
            f"{invoice['number']} is a credit note and stands: to take it back, bill its amount again.",
        )
    if invoice["status"] == "draft":
        raise Conflict("is_draft", "A draft has no number that must stay: discard it.", "status")
    if invoice["paid"] or invoice["credited"]:
        what = "paid" if invoice["paid"] else "credited"
        said = f"{invoice['number']} is {what} in part or in full: it cannot be voided. Credit what is left of it."
        raise Conflict("has_payments_or_credits", said, "status")
    return True


def check_creditable(invoice: Row) -> None:
    """Raise Conflict unless it is an issued invoice."""
    if invoice["kind"] == "credit_note":
        raise Conflict("is_credit_note", f"{invoice['number']} is a credit note itself: it cannot be credited.")
    if invoice["status"] == "void":
        raise Conflict("already_void", f"{invoice['number']} is void: nothing is left to credit.", "status")
    if invoice["status"] == "draft":
        raise Conflict("is_draft", "A draft is not owed yet: change or discard it.", "status")
