"""The command `readiness`: what stops drafts and due charges, and the exit code."""

import json

import pytest
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy.orm import Session

from tests.making import change_settings, make_customer, make_invoice, make_spec, post


def run(app: Flask, *arguments: str) -> tuple[int, str, str]:
    group = FlaskGroup(create_app=lambda: app)
    result = app.test_cli_runner().invoke(group, ["readiness", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_warnings_are_named_on_request_and_do_not_change_the_exit_code(app: Flask, session: Session) -> None:
    draft = make_invoice(make_customer(reference="ACME"), issue=False)
    assert run(app) == (0, "", "Shortcomings to correct before the issue: 0.\n")
    status, output, _ = run(app, "--all")
    assert status == 0
    assert f"draft {draft.id}\tACME\twarning\tcustomer_country_missing\tChoose the country" in output


def test_stops_are_named_once_for_the_organisation_and_once_for_each_document(app: Flask, session: Session) -> None:
    vienna = make_customer(reference="VIENNA", tax_treatment="reverse_charge")
    post(make_spec(vienna, "5"))
    change_settings(address="")
    status, output, message = run(app, "--json")
    found = json.loads(output)
    assert status == 1
    assert not found["ready"]
    assert [(row["object"], row["customer"], row["code"]) for row in found["shortcomings"]] == [
        ("organisation", "", "organisation_address_missing"),
        ("due charges in USD", "VIENNA", "customer_tax_id_missing"),
    ]
    assert message == "Shortcomings to correct before the issue: 2.\n"


@pytest.mark.parametrize("option", ["--json", "--all"])
def test_an_empty_database_is_ready(app: Flask, session: Session, option: str) -> None:
    assert run(app, option)[0] == 0
