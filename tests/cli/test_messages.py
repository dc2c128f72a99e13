"""The commands `send`, `mark-sent` and `outbox`."""

import json
from datetime import timedelta

from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.models import Message
from tests.making import make_customer, make_invoice
from tests.messages import make_message


def run(app: Flask, *arguments: str, command: str = "outbox") -> tuple[int, str, str]:
    group = FlaskGroup(create_app=lambda: app)
    result = app.test_cli_runner().invoke(group, [command, *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_outbox_lists_and_counts_messages(app: Flask, session: Session) -> None:
    document = make_invoice(make_customer(reference="ACME"))
    sent, failed = (make_message(document, level=level, state=state) for level, state in ((0, "sent"), (1, "failed")))
    status, output, message = run(app)
    assert status == 0
    assert {line.split("\t")[0] for line in output.splitlines()[1:]} == {str(sent.id), str(failed.id)}
    assert message == (
        "Messages: 2 (attention 1, waiting 0, sending 0, sent 1, failed 1, uncertain 0, cancelled 0, dropped 0).\n"
    )
    _, output, _ = run(app, "--state", "attention", "--json")
    content = json.loads(output)
    [row] = content["messages"]
    assert (row["id"], row["customer"], row["documents"]) == (str(failed.id), "ACME", document.number)
    assert (row["recipients"], content["counts"]["sent"]) == ("anna@example.com", 1)


def test_outbox_refuses_an_unknown_customer(app: Flask, session: Session) -> None:
    assert run(app, "--customer", "nobody")[0] == 4
    assert run(app)[:2] == (0, "")


def test_waiting_messages_are_sent_now(app: Flask, session: Session) -> None:
    later = clock.now() + timedelta(hours=6)
    make_message(make_invoice(make_customer(reference="ACME")), next_attempt_at=later)
    status, _, message = run(app, command="resume-outbox")
    assert (status, message) == (0, "Messages that will be sent shortly, if the mail server accepts them: 1.\n")
    session.rollback()
    due = session.scalars(select(Message.next_attempt_at)).one()
    assert due is not None
    assert due < later


def test_send_enqueues_a_message(app: Flask, session: Session) -> None:
    document = make_invoice(make_customer(reference="ACME", email="pay@acme.example"))
    number = str(document.number)
    status, output, message = run(app, number, command="send")
    assert (status, message) == (
        0,
        f"{number} is in the outbox. Show its state: outbox --document {number}\n",
    )
    _, listed, _ = run(app, "--document", number)
    assert listed.splitlines()[1].split("\t")[0] == output.strip()
    assert "pay@acme.example" in listed
    assert run(app, number, command="send")[0] == 5
    assert run(app, "INV-0", command="send")[0] == 4


def test_send_takes_other_recipients(app: Flask, session: Session) -> None:
    number = str(make_invoice().number)
    assert run(app, number, "--cc", "ben@example.com", command="send")[0] == 2
    assert run(app, number, command="send")[0] == 5
    assert run(app, number, "--to", "anna@example.com", "--cc", "ben@example.com", command="send")[0] == 0
    assert "anna@example.com ben@example.com" in run(app)[1]


def test_documents_are_marked_as_sent(app: Flask, session: Session) -> None:
    acme = make_customer(reference="ACME")
    first, second = (str(make_invoice(acme).number) for _ in range(2))
    by_letter = ("--reason", "By letter")
    assert run(app, *by_letter, command="mark-sent")[0] == 2
    assert run(app, "--to", "2026-12-31", first, *by_letter, command="mark-sent")[0] == 2
    status, _, message = run(app, "--to", "2026-12-31", *by_letter, "--dry-run", command="mark-sent")
    assert (status, message) == (0, "Documents: 2. Nothing was changed.\n")
    _, _, message = run(app, first, *by_letter, command="mark-sent")
    assert message == "Documents marked as sent: 1. Left out: 0.\n"
    status, output, message = run(app, first, second, *by_letter, command="mark-sent")
    assert (status, message) == (0, "Documents marked as sent: 1. Left out: 1.\n")
    assert f"{first}\tSent before" in output
