"""Documents are sent once: the message is enqueued with the act, and a second one is refused with the way out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.messages import Recipient
from billing_admin.models import AuditEvent, Customer, Invoice, Message, MessageDocument, MessageFile, MessageRecipient
from billing_admin.operations.master_data import contacts, customers
from billing_admin.operations.messages import documents, messages
from billing_admin.operations.messages.document_messages import attachments_of
from billing_admin.operations.messages.documents import SendSpec
from billing_admin.operations.messages.outbox import NewFile, NewMessage, enqueue_messages
from billing_admin.queries.messages.documents import was_sent
from billing_admin.queries.messages.messages import MessageFilter, messages as select_messages
from tests.making import NOW, credit, make_customer, make_invoice, void
from tests.messages import ANNA, make_message

BEN = Recipient("Ben", "ben@example.com")
LATER = NOW + timedelta(days=2)


def make_payer(**fields: Any) -> Customer:
    return make_customer(**{"reference": "ACME", "email": "anna@example.com", **fields})


def send(invoice: Invoice, spec: SendSpec | None = None, mail_on: bool = True) -> Message:
    id, _ = transaction(documents.send_document, invoice.id, spec or SendSpec(), mail_on, SYSTEM, NOW)
    return db.session.get_one(Message, id, populate_existing=True)


def mark(invoice: Invoice, reason: str = "By letter post", id: UUID | None = None) -> Message:
    marked = transaction(documents.mark_document_sent, invoice.id, reason, id, SYSTEM, NOW)
    return db.session.get_one(Message, marked, populate_existing=True)


def again(message: Message, reason: str = "Not received", recipients: Any = None, id: UUID | None = None) -> Message:
    new_id, _ = transaction(messages.send_again, message.id, reason, recipients, id, True, SYSTEM, LATER)
    return db.session.get_one(Message, new_id, populate_existing=True)


def refusal(act: Callable[[], object]) -> DomainError:
    with pytest.raises(DomainError) as caught:
        act()
    return caught.value


def recipients_of(message: Message) -> list[tuple[str, str, str]]:
    return [(row.name, row.address, row.kind) for row in message.recipients]


def audit_actions() -> list[str]:
    query = select(AuditEvent.action).where(AuditEvent.object_type == "message").order_by(AuditEvent.id)
    return list(db.session.scalars(query))


@pytest.mark.both_databases
def test_a_document_goes_to_the_contacts_with_the_text_of_its_language(session: Session) -> None:
    payer = make_payer(language="de")
    cora = {"name": "Cora", "email": "cora@example.com", "invoices": "cc"}
    transaction(contacts.create, payer.id, cora, None, SYSTEM, NOW)  # type: ignore[arg-type]
    message = send(make_invoice(payer))
    assert message.state == "waiting"
    assert (message.purpose, message.language, message.currency) == ("document", "de", "USD")
    assert recipients_of(message) == [("", "anna@example.com", "to"), ("Cora", "cora@example.com", "cc")]
    assert "INV-2026-00001" in message.subject
    assert "10,00" in message.text or "10.00" in message.text
    assert [file["name"] for file in message.attachments] == ["INV-2026-00001.pdf"]
    assert audit_actions() == ["message.enqueued"]


@pytest.mark.parametrize(
    ("e_invoice", "attach_pdf", "forms"),
    [
        ("none", False, [("pdf", "INV-2026-00001.pdf")]),
        ("ubl", True, [("ubl", "INV-2026-00001.xml"), ("pdf", "INV-2026-00001.pdf")]),
        ("xrechnung-cii", False, [("xrechnung-cii", "INV-2026-00001.xml")]),
    ],
)
def test_the_file_of_the_customers_format_is_attached(
    session: Session, e_invoice: str, attach_pdf: bool, forms: Any
) -> None:
    invoice = make_invoice(make_payer())
    assert [(file.form, file.name) for file in attachments_of(invoice, e_invoice, attach_pdf)] == forms


def test_recipients_subject_and_text_can_be_chosen(session: Session) -> None:
    chosen = [BEN, Recipient("", "BEN@example.com", "cc"), Recipient("Cora", "cora@example.com", "cc")]
    message = send(make_invoice(make_payer()), SendSpec(chosen, "Your invoice", "Hello\nBen"))
    assert recipients_of(message) == [("Ben", "ben@example.com", "to"), ("Cora", "cora@example.com", "cc")]
    assert (message.subject, message.text) == ("Your invoice", "Hello\nBen")


def test_the_text_greets_the_first_recipient_and_not_a_copy(session: Session) -> None:
    message = send(make_invoice(make_payer()), SendSpec([Recipient("Cora", "cora@example.com", "cc"), BEN]))
    assert message.text.startswith("Dear Ben,")


@pytest.mark.parametrize(
    ("spec", "code", "field"),
    [
        (SendSpec([]), "no_recipient", ("recipients",)),
        (SendSpec([Recipient("Cora", "cora@example.com", "cc")]), "no_recipient", ("recipients",)),
        (SendSpec([ANNA, Recipient("", "nobody")]), "not_an_email", ("recipients", 1, "address")),
        (SendSpec([ANNA, Recipient("", "")]), "blank", ("recipients", 1, "address")),
        (SendSpec([Recipient("A\nBcc: x@example.com", "a@example.com")]), "unprintable", ("recipients", 0, "name")),
        (SendSpec([Recipient("", f"a{n}@example.com") for n in range(51)]), "too_many_recipients", ("recipients",)),
        (SendSpec(subject=" "), "blank", ("subject",)),
        (SendSpec(subject="Invoice\nBcc: x@example.com"), "unprintable", ("subject",)),
        (SendSpec(subject="x" * 201), "too_long", ("subject",)),
        (SendSpec(text="x" * 20_001), "too_long", ("text",)),
    ],
)
def test_wrong_input_is_refused_at_its_field(session: Session, spec: SendSpec, code: str, field: Any) -> None:
    invoice = make_invoice(make_payer())
    error = refusal(lambda: send(invoice, spec))
    assert isinstance(error, Invalid)
    assert (error.code, error.field) == (code, field)
    assert not session.scalar(select(func.count()).select_from(Message))


def test_nothing_is_sent_without_a_recipient_or_a_mail_server(session: Session) -> None:
    invoice = make_invoice(make_customer(reference="ACME", name="Acme"))
    error = refusal(lambda: send(invoice))
    assert error.code == "no_recipient"
    assert error.message == (
        "No contact of Acme gets invoices. Choose To for a contact on the customer's page, or enter a recipient."
    )
    assert refusal(lambda: send(invoice, SendSpec([ANNA]), mail_on=False)).code == "mail_off"


def test_drafts_void_documents_and_archived_customers_are_refused(session: Session) -> None:
    payer = make_payer()
    draft, invoice = make_invoice(payer, issue=False), make_invoice(payer)
    assert refusal(lambda: send(draft)).code == "not_issued"
    void(invoice)
    assert refusal(lambda: send(invoice)).code == "invoice_void"
    assert refusal(lambda: mark(invoice)).code == "invoice_void"
    last = make_invoice(payer)
    transaction(customers.archive, payer.id, SYSTEM, NOW)
    assert refusal(lambda: send(last)).code == "customer_archived"
    assert mark(last).by_hand  # it may have been sent before


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("waiting", "already_waiting"),
        ("sending", "already_sent"),
        ("sent", "already_sent"),
        ("failed", "sending_failed"),
        ("uncertain", "sending_uncertain"),
    ],
)
def test_a_second_message_is_refused_with_the_way_out(session: Session, state: str, code: str) -> None:
    invoice = make_invoice(make_payer())
    message = make_message(invoice, state=state)
    error = refusal(lambda: send(invoice))
    assert isinstance(error, Conflict)
    assert (error.code, error.extra["message_id"]) == (code, str(message.id))
    assert "INV-2026-00001" in error.message
    if state == "sent":
        assert error.message == "INV-2026-00001 was sent on 2 Apr 2026. Open that message, and choose “Send again”."


@pytest.mark.both_databases
def test_a_repeated_request_returns_the_message(session: Session) -> None:
    invoice, id = make_invoice(make_payer()), uuid4()
    spec = SendSpec([BEN], "Subject", "Text", id)
    assert transaction(documents.send_document, invoice.id, spec, True, SYSTEM, NOW) == (id, True)
    assert transaction(documents.send_document, invoice.id, spec, True, SYSTEM, NOW) == (id, False)
    assert transaction(documents.send_document, invoice.id, SendSpec(id=id), False, SYSTEM, NOW) == (id, False)
    error = refusal(lambda: send(invoice, SendSpec([ANNA], "Other", "Text", id)))
    assert (error.code, error.extra["differs"]) == ("id_conflict", ["recipients", "subject"])
    assert refusal(lambda: send(make_invoice(make_payer(reference="B")), spec)).extra["differs"] == ["invoice"]


@pytest.mark.both_databases
def test_two_requests_at_once_make_one_message(app: Flask, session: Session) -> None:
    first, second, id = make_invoice(make_payer()).id, make_invoice(make_payer(reference="B")).id, uuid4()
    db.session.rollback()

    def request(invoice_id: UUID, id: UUID | None) -> object:
        with app.app_context():
            try:
                return transaction(documents.send_document, invoice_id, SendSpec(id=id), True, SYSTEM, NOW)[0]
            except Conflict as error:
                return error.code

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(request, [first] * 4, [None] * 4))
        assert list(pool.map(request, [second] * 4, [id] * 4)) == [id] * 4
    assert sorted(isinstance(answer, UUID) for answer in answers) == [False, False, False, True]
    assert {answer for answer in answers if isinstance(answer, str)} == {"already_waiting"}


@pytest.mark.both_databases
def test_many_documents_are_sent_and_the_others_are_named(session: Session) -> None:
    payer = make_payer()
    first, second, third = (make_invoice(payer) for _ in range(3))
    draft, silent = make_invoice(payer, issue=False), make_invoice(make_customer(reference="SILENT"))
    send(second)
    ids = [silent.id, first.id, draft.id, second.id, third.id]
    outcome = transaction(documents.send_documents, ids, True, SYSTEM, NOW)
    assert list(outcome.messages) == [first.id, third.id]
    assert [(left.facts.number, left.problem.code) for left in outcome.left_out] == [
        (silent.number, "no_recipient"),
        (None, "not_issued"),
        (second.number, "already_waiting"),
    ]
    repeated = transaction(documents.send_documents, ids, True, SYSTEM, NOW)
    assert not repeated.messages
    assert len(repeated.left_out) == 5
    assert refusal(lambda: transaction(documents.send_documents, ids, False, SYSTEM, NOW)).code == "mail_off"


def test_the_plan_of_drafts_tells_who_gets_nothing(session: Session) -> None:
    draft = make_invoice(make_payer(), issue=False)
    silent = make_invoice(make_customer(reference="SILENT"), issue=False)
    plan = documents.plan_sending(session, [draft.id, silent.id], drafts_allowed=True)
    assert [facts.invoice_id for facts in plan.ready] == [draft.id]
    assert [left.problem.code for left in plan.left_out] == ["no_recipient"]


def test_a_credit_note_is_sent_with_its_own_text(session: Session) -> None:
    invoice = make_invoice(make_payer())
    note = credit(invoice, "4")
    message = send(note)
    assert str(note.number) in message.subject
    assert str(invoice.number) in message.text


def test_a_cancelled_message_makes_room_for_another(session: Session) -> None:
    invoice = make_invoice(make_payer())
    message = send(invoice)
    assert refusal(lambda: transaction(messages.cancel_message, message.id, " ", SYSTEM, NOW)).code == "blank"
    assert transaction(messages.cancel_message, message.id, "Wrong text", SYSTEM, LATER)
    assert not transaction(messages.cancel_message, message.id, "Again", SYSTEM, LATER)
    cancelled = db.session.get_one(Message, message.id, populate_existing=True)
    assert (cancelled.state, cancelled.reason, cancelled.finished_at) == ("cancelled", "Wrong text", LATER)
    assert send(invoice).state == "waiting"
    assert audit_actions() == ["message.enqueued", "message.enqueued", "message.cancelled"]


@pytest.mark.both_databases
@pytest.mark.parametrize("state", ["failed", "waiting"])
def test_marking_a_message_is_repeated_without_an_error(session: Session, state: str) -> None:
    invoice, id = make_invoice(make_payer()), uuid4()
    message = make_message(invoice, state=state)
    assert mark(invoice, "By post", id).id == message.id
    assert mark(invoice, "By post", id).id == message.id
    assert refusal(lambda: mark(invoice, "By fax", id)).code == "already_sent"


def test_a_failed_message_is_cancelled_and_the_document_sent_anew(session: Session) -> None:
    invoice = make_invoice(make_payer())
    failed = make_message(invoice, state="failed", reason="550 No such user")
    assert transaction(messages.cancel_message, failed.id, "Wrong customer", SYSTEM, LATER)
    assert send(invoice).state == "waiting"


@pytest.mark.parametrize("state", ["waiting", "sent"])
def test_a_failed_message_that_is_repeated_is_not_cancelled(session: Session, state: str) -> None:
    invoice = make_invoice(make_payer())
    failed = make_message(invoice, state="failed")
    repeat = make_message(invoice, state=state, again_of=failed.id, again_reason="Other address")
    error = refusal(lambda: transaction(messages.cancel_message, failed.id, "No", SYSTEM, LATER))
    assert (error.code, error.extra["message_id"]) == ("wrong_state", str(repeat.id))


@pytest.mark.parametrize("state", ["sending", "sent", "uncertain", "dropped"])
def test_only_messages_that_did_not_leave_are_cancelled(session: Session, state: str) -> None:
    message = make_message(make_invoice(), state=state)
    assert refusal(lambda: transaction(messages.cancel_message, message.id, "No", SYSTEM, NOW)).code == "wrong_state"


@pytest.mark.both_databases
@pytest.mark.parametrize("state", ["waiting", "failed", "uncertain"])
def test_a_message_is_marked_as_sent(session: Session, state: str) -> None:
    invoice = make_invoice(make_payer())
    message = make_message(invoice, state=state, content=b"x" if state == "waiting" else None)
    assert transaction(messages.mark_message_sent, message.id, "They have it", SYSTEM, LATER)
    assert not transaction(messages.mark_message_sent, message.id, "They have it", SYSTEM, LATER)
    row = db.session.get_one(Message, message.id, populate_existing=True)
    assert (row.state, row.by_hand, row.reason, row.content) == ("sent", True, "They have it", None)
    assert row.finished_at == LATER  # the day on which they have it, not the day of the failure
    assert was_sent(db.session(), invoice.id)
    assert audit_actions() == ["message.marked_sent"]


@pytest.mark.parametrize("state", ["sending", "sent", "cancelled", "dropped"])
def test_other_messages_are_not_marked(session: Session, state: str) -> None:
    message = make_message(make_invoice(), state=state)
    assert refusal(lambda: transaction(messages.mark_message_sent, message.id, "x", SYSTEM, NOW)).code == "wrong_state"


def test_a_message_of_a_void_document_is_not_marked(session: Session) -> None:
    invoice = make_invoice(make_payer())
    message = make_message(invoice, state="failed")
    void(invoice)
    error = refusal(lambda: transaction(messages.mark_message_sent, message.id, "By letter", SYSTEM, NOW))
    assert (error.code, "INV-2026-00001 is void" in error.message) == ("invoice_void", True)
    assert not was_sent(db.session(), invoice.id)


def test_a_document_sent_by_letter_counts_as_sent(session: Session) -> None:
    invoice, id = make_invoice(make_customer()), uuid4()
    assert not was_sent(session, invoice.id)
    message = mark(invoice, id=id)
    assert (message.id, message.state, message.by_hand, message.reason) == (id, "sent", True, "By letter post")
    assert was_sent(db.session(), invoice.id)
    assert mark(invoice, id=id).id == id
    assert refusal(lambda: mark(invoice, "By fax", id=id)).extra["differs"] == ["reason"]
    error = refusal(lambda: mark(invoice))
    assert (
        error.message == "INV-2026-00001 was marked as sent on 2 Apr 2026. Open that message, and choose “Send again”."
    )
    assert refusal(lambda: mark(invoice, " ")).code == "blank"


def test_marking_the_document_marks_the_message_that_did_not_arrive(session: Session) -> None:
    invoice = make_invoice(make_payer())
    failed = make_message(invoice, state="failed")
    assert mark(invoice).id == failed.id


@pytest.mark.both_databases
def test_a_message_is_sent_again_for_a_reason(session: Session) -> None:
    invoice, id = make_invoice(make_payer()), uuid4()
    first = make_message(invoice, state="sent", recipients=[BEN])
    assert refusal(lambda: again(first, " ")).code == "blank"
    second = again(first, id=id)
    assert (second.id, second.again_of, second.again_reason) == (id, first.id, "Not received")
    assert (second.subject, second.text, second.attachments) == (first.subject, first.text, first.attachments)
    assert [row[1] for row in recipients_of(second)] == ["anna@example.com"]
    assert not second.documents[0].current
    assert again(first, id=id).id == id
    assert refusal(lambda: again(first, "Other reason", [BEN], id)).extra["differs"] == ["reason", "recipients"]
    error = refusal(lambda: again(first, recipients=[BEN]))
    assert (error.code, error.extra["message_id"]) == ("already_waiting", str(id))


@pytest.mark.both_databases
def test_a_repeat_of_a_repeat_repeats_the_first(session: Session) -> None:
    invoice, id = make_invoice(make_payer()), uuid4()
    first = make_message(invoice, state="failed")
    second = make_message(invoice, state="failed", again_of=first.id, again_reason="Mailbox was full")
    third = again(second, recipients=[BEN], id=id)
    assert (third.id, third.again_of) == (id, first.id)
    assert [row[1] for row in recipients_of(third)] == ["ben@example.com"]
    assert again(second, recipients=[BEN], id=id).id == id
    assert refusal(lambda: again(first)).code == "already_waiting"


@pytest.mark.parametrize(("level", "kind"), [(0, "invoices"), (1, "reminders")])
def test_a_message_without_any_recipient_is_not_repeated(session: Session, level: int, kind: str) -> None:
    first = make_message(make_invoice(make_customer(name="Acme")), state="failed", recipients=[], level=level)
    assert refusal(lambda: again(first)).message.startswith(f"No contact of Acme gets {kind}. ")


def test_without_contacts_it_is_sent_again_only_to_given_recipients(session: Session) -> None:
    first = make_message(make_invoice(), state="failed", recipients=[BEN])
    assert refusal(lambda: again(first)).code == "no_recipient"
    assert [row[1] for row in recipients_of(again(first, recipients=[BEN]))] == ["ben@example.com"]


def test_a_document_sent_by_letter_is_sent_again_by_mail(session: Session) -> None:
    invoice = make_invoice(make_payer())
    message = again(mark(invoice))
    assert "INV-2026-00001" in message.subject
    assert message.text
    assert [file["form"] for file in message.attachments] == ["pdf"]


@pytest.mark.parametrize("state", ["waiting", "sending", "cancelled", "dropped"])
def test_other_messages_are_not_sent_again(session: Session, state: str) -> None:
    message = make_message(make_invoice(), state=state)
    assert refusal(lambda: again(message)).code == "wrong_state"


def test_void_documents_and_archived_customers_get_nothing_again(session: Session) -> None:
    payer = make_payer()
    invoice = make_invoice(payer)
    message = make_message(invoice, state="failed")
    void(invoice)
    assert refusal(lambda: again(message)).code == "invoice_void"
    other = make_message(make_invoice(payer), state="failed")
    transaction(customers.archive, payer.id, SYSTEM, NOW)
    assert refusal(lambda: again(other)).code == "customer_archived"


@pytest.mark.both_databases
def test_letters_are_kept_and_sent_again(session: Session) -> None:
    payer = make_payer()
    invoice, letter = make_invoice(payer), NewFile("Reminder.pdf", "application/pdf", b"%PDF")
    reminder = NewMessage(
        customer_id=payer.id,
        purpose="reminder",
        currency="USD",
        language="en",
        recipients=[ANNA],
        subject="Reminder",
        text="",
        documents=[(invoice.id, 2)],
        files=[letter],
    )
    (id,) = transaction(enqueue_messages, [reminder], SYSTEM, NOW)
    error = refusal(lambda: transaction(enqueue_messages, [reminder], SYSTEM, NOW))
    assert error.message == "There is a reminder message for INV-2026-00001 at level 2 already."
    transaction(messages.mark_message_sent, id, "Read aloud", SYSTEM, NOW)
    copy = again(db.session.get_one(Message, id))
    assert copy.attachments == [{"file": "Reminder.pdf"}]
    stored = db.session.get_one(MessageFile, (copy.id, "Reminder.pdf"))
    assert (stored.data, stored.media_type) == (b"%PDF", "application/pdf")
    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.object_id == id, AuditEvent.action == "message.enqueued")
    )
    assert event.details == {
        "customer": str(payer.id),
        "purpose": "reminder",
        "documents": "INV-2026-00001 (level 2)",
        "to": "anna@example.com",
    }


def test_a_statement_is_sent_once_for_a_period_and_currency(session: Session) -> None:
    payer = make_payer()
    statement = NewMessage(
        customer_id=payer.id,
        purpose="statement",
        currency="USD",
        language="en",
        recipients=[ANNA],
        subject="Statement",
        text="",
        period=(date(2026, 3, 1), date(2026, 3, 31)),
    )
    (id,) = transaction(enqueue_messages, [statement], SYSTEM, NOW)
    error = refusal(lambda: transaction(enqueue_messages, [statement], SYSTEM, NOW))
    assert (error.code, error.extra["message_id"]) == ("already_waiting", str(id))
    transaction(messages.mark_message_sent, id, "By letter", SYSTEM, NOW)
    error = refusal(lambda: transaction(enqueue_messages, [statement], SYSTEM, NOW))
    assert error.message == (
        "The statement in USD for 1 – 31 Mar 2026 was marked as sent on 2 Apr 2026. Open that message, and choose “Send"
        " again”."
    )


def test_a_statement_that_failed_was_not_sent(session: Session) -> None:
    payer, period = make_payer(), (date(2026, 3, 1), date(2026, 3, 31))
    make_message(customer=payer, purpose="statement", state="failed", period_from=period[0], period_to=period[1])
    statement = NewMessage(payer.id, "statement", "USD", "en", [ANNA], "Statement", "", period=period)
    error = refusal(lambda: transaction(enqueue_messages, [statement], SYSTEM, NOW))
    assert (error.code, error.message) == (
        "sending_failed",
        "The statement in USD for 1 – 31 Mar 2026 could not be sent on 2 Apr 2026. Open that message, and send it again.",
    )


def test_an_act_that_fails_sends_nothing(session: Session) -> None:
    invoice = make_invoice(make_payer())

    def act(session: Session) -> None:
        documents.send_document(session, invoice.id, SendSpec(), True, SYSTEM, NOW)
        raise Conflict("changed", "It was changed.")

    assert refusal(lambda: transaction(act)).code == "changed"
    for table in (Message, MessageRecipient, MessageDocument):
        assert not db.session.scalar(select(func.count()).select_from(table))


def test_reminders_count_as_sent_and_dropped_messages_do_not(session: Session) -> None:
    invoice = make_invoice(make_payer())
    make_message(invoice, state="dropped")
    make_message(invoice, state="failed")
    make_message(invoice, level=1)
    assert not was_sent(session, invoice.id)
    make_message(invoice, level=2, state="uncertain")
    assert was_sent(session, invoice.id)


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("repeats", "attention"),
    [
        (["cancelled"], ["first"]),
        (["dropped"], ["first"]),
        (["waiting"], []),
        (["sent"], []),
        (["failed"], ["repeat 1"]),
        (["failed", "sent"], []),
        (["failed", "cancelled"], ["repeat 1"]),
    ],
)
def test_a_failed_message_needs_attention_until_one_replaces_it(
    session: Session, repeats: list[str], attention: list[str]
) -> None:
    invoice = make_invoice()
    first = make_message(invoice, state="failed", subject="first")
    for number, state in enumerate(repeats, 1):
        make_message(
            invoice,
            state=state,
            subject=f"repeat {number}",
            now=NOW + timedelta(hours=number),
            again_of=first.id,
            again_reason="Other address",
        )
    rows = session.scalars(select_messages(session, MessageFilter(state="attention")))
    assert [row.subject for row in rows.unique()] == attention
