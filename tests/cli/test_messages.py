"""The command `outbox`: messages by state, as table and as JSON."""

import json

from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy.orm import Session

from tests.making import make_customer, make_invoice
from tests.messages import make_message


def run(app: Flask, *arguments: str) -> tuple[int, str, str]:
    group = FlaskGroup(create_app=lambda: app)
    result = app.test_cli_runner().invoke(group, ["outbox", *arguments])
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
