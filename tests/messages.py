"""Messages in any state, for tests of pages, queries and the worker that need no more than the rows.

Ask for the fixture `session` (or `app`): the message is committed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from billing_admin.db.bulk import insert_many
from billing_admin.db.engine import db
from billing_admin.db.ids import new_id
from billing_admin.db.transactions import transaction
from billing_admin.domain.messages import DOCUMENT, REMINDER, UNFINISHED, WITHDRAWN, Recipient
from billing_admin.models import Customer, Invoice, Message, MessageDocument, MessageRecipient
from tests.making import NOW

ANNA = Recipient("Anna", "anna@example.com")


def make_message(
    *invoices: Invoice,
    customer: Customer | None = None,
    state: str = "waiting",
    recipients: Sequence[Recipient] = (ANNA,),
    result: str | None = None,
    level: int = 0,
    now: datetime = NOW,
    **columns: Any,
) -> Message:
    """A message about documents, or to a customer without one.

    `level` makes it a reminder. `result` is that of every recipient; a sent message's were accepted. `columns` are further
    columns of `messages`, such as `reason` or `period_from`.
    """
    row = _columns(invoices, customer, state, level, now) | columns
    outcome = result if result is not None else "accepted" if state == "sent" and not row["by_hand"] else ""
    rows = [
        {
            "message_id": row["id"],
            "position": position,
            "name": recipient.name,
            "address": recipient.address,
            "kind": recipient.kind,
            "result": outcome,
            "code": {"accepted": 250, "refused": 550}.get(outcome),
            "response": {"accepted": "OK", "refused": "No such user"}.get(outcome, ""),
            "at": now if outcome else None,
        }
        for position, recipient in enumerate(recipients, 1)
    ]
    documents = [
        {
            "message_id": row["id"],
            "invoice_id": invoice.id,
            "purpose": row["purpose"],
            "level": level,
            "current": state not in WITHDRAWN and row["again_of"] is None,
        }
        for invoice in invoices
    ]

    def store(session: Any) -> None:
        insert_many(session, Message, [row])
        insert_many(session, MessageRecipient, rows)
        insert_many(session, MessageDocument, documents)

    transaction(store)
    return db.session.get_one(Message, row["id"])


def _columns(
    invoices: Sequence[Invoice], customer: Customer | None, state: str, level: int, now: datetime
) -> dict[str, Any]:
    about = invoices[0] if invoices else None
    sending = state == "sending"
    return {
        "id": new_id(now),
        "customer_id": about.customer_id if about else customer.id if customer else None,
        "purpose": REMINDER if level else DOCUMENT,
        "currency": about.currency if about else customer.currency if customer else None,
        "language": "en",
        "period_from": None,
        "period_to": None,
        "subject": f"Invoice {about.number}" if about else "Your statement",
        "text": "Please find attached …",
        "state": state,
        "reason": "",
        "reason_phrase": None,
        "by_hand": False,
        "again_of": None,
        "again_reason": "",
        "attachments": [
            {"invoice_id": str(invoice.id), "form": "pdf", "name": f"{invoice.number}.pdf"} for invoice in invoices
        ],
        "content": None,
        "tries": 0,
        "next_attempt_at": now if state == "waiting" else None,
        "attempted_at": None if state in {"waiting", *WITHDRAWN} else now,
        "handed_over_at": None,
        "response": "",
        "worker": "worker" if sending else None,
        "held_until": now + timedelta(minutes=5) if sending else None,
        "created_at": now,
        "created_by": "command line",
        "finished_at": None if state in UNFINISHED else now,
    }
