"""The values of the fields in texts of messages.

They are in the language and the number format of the document or letter.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.formatting import format_money, format_whole
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.domain.receivables import Position, Statement
from billing_admin.formats.document_locale import DocumentLocale
from billing_admin.formats.letter_contents import Letter, OverdueDocument, first_day
from billing_admin.models import Invoice

MAX_LISTED: Final = 40  # documents in the text of a reminder; its letter has all

FieldValues = dict[str, str]


def document_fields(invoice: Invoice, name: str = "", *, as_unpaid: bool = False) -> FieldValues:
    """Return the values for an issued invoice or credit note.

    `name` is that of the first recipient; without one it is the customer's. `as_unpaid` gives the values before any
    payment or credit note.
    """
    details = details_from_json(invoice.details)
    locale = DocumentLocale(details.language)
    with use_number_format(NumberFormat(invoice.number_format)):
        values = {
            **_party_fields(name, invoice.customer_name, invoice.customer_reference, invoice.seller_name),
            "number": invoice.number or locale.label("draft"),
            "issued": _day(locale, invoice.issue_date),
            "period": locale.period(invoice.period_from, invoice.period_to),
            "total": format_money(invoice.total, invoice.currency),
            "order": invoice.purchase_order,
            "buyer_reference": details.buyer_reference,
        }
        if invoice.kind == "credit_note":
            corrected = invoice.corrected
            return values | {"corrects": (corrected and corrected.number) or "", "reason": invoice.reason}
        open_amount = invoice.total - (0 if as_unpaid else invoice.paid + invoice.credited)
        return values | {
            "open": format_money(open_amount, invoice.currency) if open_amount else "",
            "due": _day(locale, invoice.due_date) if open_amount else "",
        }


def reminder_fields(letter: Letter, documents: Sequence[OverdueDocument], name: str = "") -> FieldValues:
    """Return the values for a reminder about a customer's overdue documents.

    `name` is that of the first recipient.
    """
    locale = DocumentLocale(letter.details.language)
    with use_number_format(NumberFormat(letter.number_format)):
        lines = [
            locale.label(
                "overdue_document",
                number=document.number,
                issued=locale.day(document.issue_date),
                due=locale.day(document.due_date),
                amount=format_money(document.open_amount, letter.currency),
            )
            for document in documents[:MAX_LISTED]
        ]
        if len(documents) > MAX_LISTED:
            lines.append(locale.label("more_documents", count=format_whole(len(documents) - MAX_LISTED)))
        return _letter_fields(letter, name) | {
            "open": format_money(sum(document.open_amount for document in documents), letter.currency),
            "due": locale.long_day(min(document.due_date for document in documents)),
            "days_overdue": format_whole(max(document.days_overdue for document in documents)),
            "numbers": ", ".join(document.number for document in documents),
            "documents": "\n".join(f"- {line}" for line in lines),
        }


def statement_fields(
    letter: Letter, statement: Statement, position: Position, first: date | None, last: date, name: str = ""
) -> FieldValues:
    """Return the values for a statement.

    The arguments are those of `statement_contents`; `name` is that of the first recipient.
    """
    locale = DocumentLocale(letter.details.language)
    with use_number_format(NumberFormat(letter.number_format)):
        return _letter_fields(letter, name) | {
            "period": locale.period(first_day(statement, first, last), last),
            "day": locale.long_day(last),
            "balance": format_money(statement.closing, letter.currency),
            "overdue": format_money(position.overdue, letter.currency) if position.overdue else "",
        }


def _letter_fields(letter: Letter, name: str) -> FieldValues:
    return _party_fields(name, letter.customer_name, letter.customer_reference, letter.seller_name)


def _party_fields(name: str, customer: str, customer_number: str, seller: str) -> FieldValues:
    return {
        "name": name.strip() or customer,
        "customer": customer,
        "customer_number": customer_number,
        "seller": seller,
    }


def _day(locale: DocumentLocale, day: date | None) -> str:
    return locale.long_day(day) if day else ""
