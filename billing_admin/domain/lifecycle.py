"""The states of a document, its open balance, and the acts that each state allows."""

from datetime import date, timedelta
from typing import Protocol

from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.formatting import format_money
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.translation import Phrase, join
from billing_admin.domain.words import word


class Receivable(Protocol):
    """The columns that determine the state of a document; money in minor units."""

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


def payment_due(invoice: Receivable) -> date | None:
    """Return the day until which an invoice must be paid.

    It is None for credit notes, whose stored due date is their issue date, and for drafts without a due date.
    """
    return None if invoice.kind == "credit_note" else invoice.due_date


def balance(invoice: Receivable) -> int:
    """Return the open amount of an invoice in minor units.

    The amount is 0 for drafts, void invoices and credit notes.
    """
    is_owed = invoice.status == "issued" and invoice.kind != "credit_note"
    return invoice.total - invoice.paid - invoice.credited if is_owed else 0


def payment_status(invoice: Receivable, today: date) -> str | None:
    """Return the payment status of an invoice on a day.

    The status is `paid`, `credited`, `overdue`, `part_paid` or `unpaid`, by balance and due date. Returns
    None for documents that nobody pays: drafts, void invoices and credit notes.
    """
    if invoice.status != "issued" or invoice.kind == "credit_note":
        return None
    if balance(invoice) <= 0:
        return "credited" if invoice.credited and not invoice.paid else "paid"
    if invoice.due_date is not None and invoice.due_date < today:
        return "overdue"
    return "part_paid" if invoice.paid or invoice.credited else "unpaid"


def due_date(issue_date: date, payment_terms_days: int) -> date:
    """Return the day by which an invoice is to be paid."""
    return issue_date + timedelta(days=payment_terms_days)


def void_date(today: date, issue_date: date) -> date:
    """Return the day of a void.

    The day is today, or the issue date if the invoice is dated after today.
    """
    return max(today, issue_date)


def refuse_before_issue_date(number: str, issue_date: date, today: date, *field: str | int) -> None:
    """Raise Invalid for an invoice dated after today.

    A credit note or write-off of it would have to be dated in the future, which is not allowed.
    """
    if issue_date > today:
        message = Phrase(
            "{number} is dated {issue_date}, after today ({today}). Void it instead; if it has payments, "
            "reverse them first.",
            number=number,
            issue_date=issue_date.isoformat(),
            today=today.isoformat(),
        )
        raise Invalid("before_invoice", message, *field)


def default_cut_off(today: date) -> date:
    """Return the suggested cut-off date of a billing run.

    It is the end of this month during its last three days, otherwise the end of the last month.
    """
    in_three_days = today + timedelta(days=3)
    first_of_month = (in_three_days if in_three_days.month != today.month else today).replace(day=1)
    return first_of_month - timedelta(days=1)


def default_lock_day(today: date, locked_through: date | None) -> date:
    """Return the suggested last locked day: the end of the last month.

    If the books are locked through a later day, it is that day.
    """
    end_of_last_month = today.replace(day=1) - timedelta(days=1)
    return max(end_of_last_month, locked_through or end_of_last_month)


def check_due_date(due_date: date, today: date) -> None:
    """Raise Invalid for a due date of a draft that has passed.

    Its issue would be refused.
    """
    if due_date < today:
        message = Phrase(
            "Use {today} (today) or a later day: an invoice cannot be due before it is issued.", today=today.isoformat()
        )
        raise Invalid("due_before_issue", message, "due_date")


def needs_issue(status: str, number: str | None) -> bool:
    """Return True for a draft and False for an issued document.

    Raises:
        Conflict: The document is void.
    """
    if status == "void":
        raise Conflict("already_void", Phrase("{number} is void and cannot be issued.", number=number))
    return status == "draft"


def check_editable(status: str, number: str | None, action: str) -> None:
    """Check that a document is a draft.

    `action` is a participle such as `changed`.

    Raises:
        Conflict: The document is issued or void.
    """
    if status != "draft":
        message = Phrase(
            "{number} is {status}: only a draft can be {action}.",
            number=number,
            status=word(status),
            action=word(action),
        )
        raise Conflict(
            "not_a_draft",
            Phrase("{message} To correct it, credit or void it.", message=message) if status == "issued" else message,
            "status",
        )


def needs_void(invoice: Row, *, sent: bool = False) -> bool:
    """Return True for an issued invoice and False for a void one.

    `sent` says whether the customer has it, or may have it: then it is a tax document that only a credit note corrects.

    Raises:
        Conflict: It is a draft or a credit note, has payments or credits, or was sent.
    """
    if invoice["status"] == "void":
        return False
    if invoice["kind"] == "credit_note":
        raise Conflict(
            "is_credit_note",
            Phrase(
                "{number} is a credit note and cannot be voided. To undo it, bill its amount again.",
                number=invoice["number"],
            ),
        )
    if invoice["status"] == "draft":
        raise Conflict("is_draft", Phrase("A draft cannot be voided. Discard it instead."), "status")
    if invoice["paid"] or invoice["credited"]:
        remedy = (
            Phrase("Withdraw its payments first.")
            if invoice["kind"] == OPENING_INVOICE
            else Phrase("Credit the remaining amount.")
        )
        number = invoice["number"]
        message = (
            Phrase("{number} is paid in part or in full and cannot be voided.", number=number)
            if invoice["paid"]
            else Phrase("{number} is credited in part or in full and cannot be voided.", number=number)
        )
        message = join(" ", [message, remedy])
        raise Conflict("has_payments_or_credits", message, "status")
    if sent and invoice["kind"] != OPENING_INVOICE:  # only reminders of it were sent
        total = format_money(invoice["total"], invoice["currency"])
        message = Phrase(
            "{number} was sent to the customer and cannot be voided. Credit it in full instead: {total}.",
            number=invoice["number"],
            total=total,
        )
        raise Conflict("was_sent", message, "status")
    return True


def check_creditable(invoice: Row) -> None:
    """Raise Conflict unless the document is an invoice that was issued here."""
    if invoice["kind"] == OPENING_INVOICE:
        message = Phrase(
            "{number} was issued by an earlier system and is credited there. Record that credit as an "
            "opening balance and allocate it, or write the amount off.",
            number=invoice["number"],
        )
        raise Conflict("is_opening", message)
    if invoice["kind"] == "credit_note":
        raise Conflict(
            "is_credit_note", Phrase("{number} is a credit note and cannot be credited.", number=invoice["number"])
        )
    if invoice["status"] == "void":
        raise Conflict(
            "already_void", Phrase("{number} is void and cannot be credited.", number=invoice["number"]), "status"
        )
    if invoice["status"] == "draft":
        raise Conflict("is_draft", Phrase("A draft cannot be credited. Change or discard it instead."), "status")
