"""Each command as a shell meets it: results on stdout, messages on stderr, and the exit code."""

import hashlib
import json
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from billing_admin import clock, demo
from billing_admin.cli import upkeep
from billing_admin.cli.export import KINDS
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain import tokens as shape
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.formats import csv_writer
from billing_admin.formats.verify import read_meta, verify_file
from billing_admin.models import ApiToken, BillingRun, Customer, Invoice, MailPause, User
from billing_admin.operations.access import tokens
from billing_admin.operations.audit import record, seal_all_events
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.charges import recurring_charges
from billing_admin.queries.doctor import CHECKS
from billing_admin.queries.master_data.organisation import organisation
from tests.making import (
    MARCH_END,
    NOW,
    bill,
    change_settings,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    pay,
    post,
)
from tests.messages import make_message
from tests.people import person

Flask_ = Callable[..., Result]


@pytest.fixture
def flask(app: Flask) -> Flask_:
    """Run `flask …` as on the command line."""

    def run(*arguments: str, typed: str | None = None) -> Result:
        group = FlaskGroup(create_app=lambda: app)
        return app.test_cli_runner().invoke(group, list(arguments), input=typed)

    return run


def rows(session: Session, model: Any) -> list[Any]:
    session.rollback()
    session.expire_all()
    return list(session.scalars(select(model)))


@pytest.fixture
def unbilled(session: Session) -> Session:
    """Two customers with something to bill, and one with a credit alone."""
    for reference, amount in (("ACME", "12.345"), ("FOO", "7"), ("LESS", "-3")):
        post(make_spec(make_customer(reference=reference), amount))
    return session


COMMANDS = [
    "audit-head",
    "billing-run",
    "create-token",
    "create-user",
    "daily",
    "demo",
    "doctor",
    "export",
    "invite",
    "post-recurring",
    "reset-link",
    "seal-audit",
    "set-password",
    "set-up-link",
    "start",
    "db",
]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_everywhere(flask: Flask_, command: str) -> None:
    short, long = flask(command, "-h"), flask(command, "--help")
    assert short.exit_code == long.exit_code == 0
    assert short.stdout == long.stdout
    assert command in flask("--help").stdout


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_is_misspelled_is_answered_with_what_is_meant(flask: Flask_) -> None:
    result = flask("billing-rnu")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'billing-run'" in result.stderr


# --- people and tokens


def test_create_user_reads_the_password_from_stdin(flask: Flask_, session: Session) -> None:
    arguments = ("create-user", "Ada@Example.com", "--role", "viewer", "--password-stdin")
    result = flask(*arguments, typed="kayak sunshade tundra\nmore")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "ada@example.com can sign in now, as viewer." in result.stderr
    assert [(user.email, user.role) for user in rows(session, User)] == [("ada@example.com", "viewer")]
    again = flask(*arguments, typed="kayak sunshade tundra\n")
    assert again.exit_code == 5
    assert "has already been added" in again.stderr


@pytest.mark.parametrize(
    ("typed", "arguments", "exit_code", "message"),
    [
        ("short\n", ("--role", "admin", "--password-stdin"), 5, "at least 15 characters"),
        ("a" + "\u0301\u0327" * 60_000, ("--role", "admin", "--password-stdin"), 5, "at most 1,000 characters"),
        ("kayak sunshade tundra\n", ("--password-stdin",), 2, "--role"),
        ("kayak sunshade tundra\n", ("--role", "boss", "--password-stdin"), 5, "Choose one of the roles"),
        ("kayak sunshade tundra\n", ("--role", "admin"), 2, "--password-stdin"),
    ],
)
def test_create_user_refuses(
    flask: Flask_, session: Session, typed: str, arguments: tuple[str, ...], exit_code: int, message: str
) -> None:
    result = flask("create-user", "ada@example.com", *arguments, typed=typed)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert rows(session, User) == []


@pytest.mark.parametrize(
    ("options", "production", "expected"),
    [((), False, False), ((), True, True), (("--temporary",), False, True), (("--permanent",), True, False)],
)
def test_a_password_set_on_the_command_line_is_temporary_in_production(
    app: Flask,
    flask: Flask_,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    production: bool,
    expected: bool,
) -> None:
    """Otherwise the person at the server would keep knowing somebody's password."""
    monkeypatch.setattr(app.extensions["billing_settings"], "env", "production" if production else "development")
    for arguments in (("create-user", "ada@example.com", "--role", "viewer"), ("set-password", "ada@example.com")):
        result = flask(*arguments, "--password-stdin", *options, typed="kayak sunshade tundra\n")
        assert (result.exit_code, "must choose their own password" in result.stderr) == (0, expected)
        assert [user.password_temporary for user in rows(session, User)] == [expected]


def test_set_password_lets_in_a_person_who_lost_theirs(flask: Flask_, session: Session) -> None:
    """Without the command, the only admin has no way to sign in again."""
    flask("create-user", "ada@example.com", "--role", "admin", "--password-stdin", typed="kayak sunshade tundra\n")
    before, id = rows(session, User)[0].password_hash, rows(session, User)[0].id
    token, _ = transaction(tokens.create, "meter", ["read"], user_id=id, actor=SYSTEM, now=clock.now())
    result = flask("set-password", "ADA@example.com", "--password-stdin", typed="granite teapot wander\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"This API token still works: meter ({token.prefix}…)" in result.stderr
    assert rows(session, User)[0].password_hash != before
    refused = flask("set-password", "ada@example.com", "--password-stdin", typed="short\n")
    assert (refused.exit_code, "at least 15 characters" in refused.stderr) == (5, True)
    unknown = flask("set-password", "bob@example.com", "--password-stdin", typed="granite teapot wander\n")
    assert (unknown.exit_code, "There is no person with the address bob@example.com." in unknown.stderr) == (4, True)


def test_invite_and_reset_link_print_a_link_alone(flask: Flask_, session: Session) -> None:
    invited = flask("invite", "Ada@example.com", "--role", "viewer")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/choose-password\?token=[\w-]{43}\n", invited.stdout)
    assert "It works once, for 72 hours:" in invited.stderr
    assert [(user.email, user.role, user.password_hash) for user in rows(session, User)] == [
        ("ada@example.com", "viewer", "")
    ]
    again = flask("reset-link", "ada@example.com")
    assert (again.exit_code, "for 72 hours" in again.stderr, again.stdout != invited.stdout) == (0, True, True)
    flask("set-password", "ada@example.com", "--password-stdin", "--permanent", typed="granite teapot wander\n")
    before = rows(session, User)[0].password_hash
    reset = flask("reset-link", "ada@example.com")
    assert (reset.exit_code, "for 1 hour:" in reset.stderr) == (0, True)
    assert rows(session, User)[0].password_hash != before
    sent = flask("reset-link", "ada@example.com", "--send")
    assert (sent.exit_code, sent.stdout, "on its way" in sent.stderr) == (0, "", True)
    assert flask("reset-link", "bob@example.com").exit_code == 4


def test_create_token_prints_the_token_alone(flask: Flask_, session: Session) -> None:
    result = flask("create-token", "meter", "--scope", "read", "--scope", "charges:write", "--days", "7")
    secret = result.stdout.removesuffix("\n")
    assert result.exit_code == 0
    assert shape.is_well_formed(secret)
    assert secret not in result.stderr
    (token,) = rows(session, ApiToken)
    assert (token.token_hash, token.scopes, token.user_id) == (shape.digest(secret), ["read", "charges:write"], None)
    assert (token.expires_at - token.created_at).days == 7


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("meter",), 2),
        (("meter", "--scope", "all"), 2),
        ((" ", "--scope", "read"), 5),
        (("m", "--scope", "read", "--days", "4000"), 5),
    ],
)
def test_create_token_refuses(flask: Flask_, session: Session, arguments: tuple[str, ...], exit_code: int) -> None:
    result = flask("create-token", *arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr
    assert rows(session, ApiToken) == []


# --- billing


def test_a_rehearsal_stores_nothing(flask: Flask_, unbilled: Session) -> None:
    result = flask("billing-run", "--through", "2026-03-31", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "currency\tinvoices\tnet\ttax\ttotal",
        "USD\t2\t19.35\t0.00\t19.35",
        "customer\tcurrency\tcharges\tamount\twhy",
        "LESS\tUSD\t1\t-3\tThe total is negative",
        "customer\tcurrency\tflags\tnet\tusual_net\tchange_percent",
        "ACME\tUSD\tNew, Incomplete\t12.35\t\t",
        "FOO\tUSD\tNew, Incomplete\t7.00\t\t",
    ]
    assert "Nothing was stored" in result.stderr
    assert rows(unbilled, BillingRun) == rows(unbilled, Invoice) == []


def test_a_run_has_a_purchase_order(flask: Flask_, unbilled: Session) -> None:
    assert flask("billing-run", "--through", "2026-03-31", "--issue", "--purchase-order", "PO-R").exit_code == 0
    assert {invoice.purchase_order for invoice in rows(unbilled, Invoice)} == {"PO-R"}


def test_a_dry_run_names_likely_duplicates(flask: Flask_, unbilled: Session) -> None:
    twice = make_spec("ACME", "0.5", description="Sent twice")
    post(twice, twice)
    result = flask("billing-run", "--through", "2026-03-31", "--dry-run")
    assert "Likely duplicates that will be billed." in result.stderr
    assert "customer\tcurrency\tcharges\tamount\nACME\tUSD\t1\t0.5\n" in result.stdout
    as_json = json.loads(flask("billing-run", "--through", "2026-03-31", "--json", "--dry-run").stdout)
    assert as_json["possible_duplicates"] == [{"customer": "ACME", "currency": "USD", "charges": 1, "amount": "0.5"}]


def test_a_dry_run_names_flags_missing_accounts_and_credit(flask: Flask_, session: Session) -> None:
    change_settings(applies_credit=True)
    for place, day in enumerate((date(2026, 2, 1), date(2026, 3, 1))):
        for reference in ("ACME", "QUIET"):
            customer = reference if place else make_customer(reference=reference)
            post(make_spec(customer, "10", incurred_on=day))
        bill(through=day, issue_date=day, now=NOW)
    pay(make_payment_spec("ACME", "12", ()))
    post(make_spec("ACME", "15"))
    arguments = ("billing-run", "--through", "2026-03-31", "--issue", "--dry-run")
    result = flask(*arguments)
    assert "Invoices to check before you run billing, with the reasons:" in result.stderr
    assert "ACME\tUSD\tAmount changed, Incomplete\t15.00\t10.00\t50" in result.stdout
    assert "QUIET\tUSD\t2\t2026-03-01\t10.00" in result.stdout
    assert "currency\tamount\nUSD\t12.00" in result.stdout
    as_json = json.loads(flask(*arguments, "--json", "--change-percent", "60").stdout)
    assert as_json["reviews"][0]["flags"] == ["incomplete"]
    assert as_json["usually_billed"][0]["customer"] == "QUIET"
    assert as_json["credit_to_apply"] == [{"currency": "USD", "amount": "12.00"}]
    drafts = json.loads(flask("billing-run", "--through", "2026-03-31", "--dry-run", "--json").stdout)
    assert drafts["credit_to_apply"] == []


@pytest.mark.parametrize(
    ("order", "day", "expected"),
    [
        ("day_first", "31.03.2026", "2026-03-31"),
        ("month_first", "3/31/2026", "2026-03-31"),
        ("year_first", "31 Mar 2026", "2026-03-31"),
        ("day_first", "2026-03-31", "2026-03-31"),
    ],
)
def test_days_are_read_in_the_organisations_order(
    flask: Flask_, session: Session, order: str, day: str, expected: str
) -> None:
    change_settings(date_order=order)
    result = flask("billing-run", "--through", day, "--dry-run", "--json")
    assert (result.exit_code, json.loads(result.stdout)["through"]) == (0, expected)


def test_a_day_with_two_readings_is_refused_with_both(flask: Flask_, session: Session) -> None:
    result = flask("billing-run", "--through", "3/4/2026", "--dry-run")
    assert result.exit_code == 2
    assert "3 Apr 2026" in result.stderr
    assert "4 Mar 2026" in result.stderr
    assert (
        "cannot be read as a date. Enter a date such as 2026-11-22."
        in flask("export", "charges", "x.csv", "--from", "soon").stderr
    )


def test_due_recurring_charges_are_named_by_a_dry_run_and_billed_by_the_run(flask: Flask_, unbilled: Session) -> None:
    make_service(code="Hosting", prices={"USD": Decimal(31)})
    spec = RecurringChargeSpec("ACME", "Hosting", "monthly", date(2026, 3, 1), description="Plan")
    transaction(recurring_charges.create, spec, SYSTEM, NOW)
    asked = ("billing-run", "--through", "2026-03-31")
    result = flask(*asked, "--dry-run")
    assert "Recurring charges that are due and not posted yet." in result.stderr
    line = next(line for line in result.stdout.splitlines() if "Hosting" in line)
    assert line.split("\t")[:3] + line.split("\t")[4:] == ["ACME", "Hosting", "2026-03-01", "31", "USD"]
    preview = json.loads(flask(*asked, "--dry-run", "--json").stdout)
    assert [(row["customer"], row["amount"]) for row in preview["due_recurring_charges"]] == [("ACME", "31")]
    run = json.loads(flask(*asked, "--json").stdout)
    assert (run["invoices"], run["charges"], run["totals"]) == tuple(
        preview[name] for name in ("invoices", "charges", "totals")
    )


def test_a_run_issues_and_answers_in_json(flask: Flask_, unbilled: Session) -> None:
    id = str(uuid4())
    asked = ("billing-run", "--through", "2026-03-31", "--issue", "--id", id, "--json", "--issue-date", "2026-04-01")
    result = flask(*asked)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "id": id,
        "state": "done",
        "through": "2026-03-31",
        "issue_date": "2026-04-01",
        "invoices": 2,
        "charges": 2,
        "totals": [{"currency": "USD", "invoices": 2, "net": "19.35", "tax": "0.00", "total": "19.35"}],
        "left_out": [{"customer": "LESS", "currency": "USD", "charges": 1, "amount": "-3", "reason": "negative_total"}],
    }
    assert sorted(invoice.number for invoice in rows(unbilled, Invoice)) == ["INV-2026-00001", "INV-2026-00002"]
    assert flask(*asked).stdout == result.stdout
    assert len(rows(unbilled, Invoice)) == 2


@pytest.mark.parametrize("how", [("--issue",), ("--issue", "--dry-run"), ("--dry-run",), ()])
def test_a_run_dated_in_the_future_is_refused(flask: Flask_, unbilled: Session, how: tuple[str, ...]) -> None:
    result = flask("billing-run", "--through", "2026-03-31", "--issue-date", "2199-12-29", *how)
    assert (result.exit_code, result.stdout) == (5, "")
    assert "(today) or earlier" in result.stderr
    assert rows(unbilled, BillingRun) == rows(unbilled, Invoice) == []


@pytest.mark.parametrize("how", [("--issue",), ("--dry-run",), ()])
def test_a_run_names_who_is_left_out_for_a_missing_tax_id(
    flask: Flask_, unbilled: Session, how: tuple[str, ...]
) -> None:
    post(make_spec(make_customer(reference="VIENNA", tax_treatment="reverse_charge"), "9"))
    result = flask("billing-run", "--through", "2026-03-31", *how)
    assert result.exit_code == 0
    why = "Reverse charge, and the customer's tax ID is missing"
    assert f"VIENNA\tUSD\t1\t9\t{why}" in result.stdout.splitlines()
    as_json = json.loads(flask("billing-run", "--through", "2026-03-31", "--json", "--dry-run").stdout)
    assert "customer_tax_id_missing" in [row["reason"] for row in as_json["left_out"]]


def test_the_doctor_names_documents_dated_in_the_future(flask: Flask_, unbilled: Session) -> None:
    bill(issue_date=date(2199, 12, 29), now=datetime(2199, 12, 29, 9, tzinfo=UTC))
    result = flask("doctor")
    assert result.exit_code == 1
    assert "INV-2199-00001: is dated 2199-12-29, after today" in result.stdout


def test_a_run_of_some_customers_makes_drafts(flask: Flask_, unbilled: Session) -> None:
    result = flask(
        "billing-run", "--through", "2026-03-31", "--customer", "ACME", "--customer", "LESS", "--currency", "USD"
    )
    assert result.exit_code == 0
    assert "The invoices are drafts" in result.stderr
    assert [(invoice.customer_reference, invoice.status) for invoice in rows(unbilled, Invoice)] == [("ACME", "draft")]


def test_an_interrupted_run_goes_on_by_its_id(flask: Flask_, unbilled: Session) -> None:
    spec = runs.RunSpec(MARCH_END, customers=("ACME",), issue=True)
    id, _ = transaction(runs.start, spec, SYSTEM, NOW)
    result = flask("billing-run", "--id", str(id))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "USD\t1\t12.35\t0.00\t12.35")
    assert [(invoice.customer_reference, invoice.status) for invoice in rows(unbilled, Invoice)] == [("ACME", "issued")]


def test_a_run_that_stops_says_why_and_how_to_go_on(
    flask: Flask_, unbilled: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Invalid("before_last_issue", "An invoice of a later day is issued already.")

    monkeypatch.setattr(chunks, "number_documents", refuse)
    result = flask("billing-run", "--through", "2026-03-31", "--issue")
    assert result.exit_code == 5
    (run,) = rows(unbilled, BillingRun)
    assert "The run stopped: An invoice of a later day is issued already." in result.stderr
    assert f"Continue it with: flask --app wsgi billing-run --id {run.id}" in result.stderr
    monkeypatch.undo()
    assert flask("billing-run", "--id", str(run.id)).exit_code == 0
    assert len(rows(unbilled, Invoice)) == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ((), 2, "--through"),
        (("--dry-run", "--id", str(uuid4())), 2, "--through"),
        (("--through", "3.4.2026"), 2, "3 Apr 2026"),
        (("--id", str(uuid4())), 4, "There is no billing run"),
        (("--through", "2026-03-31", "--customer", "NOBODY"), 5, "There is no customer “NOBODY”."),
        (("--through", "2026-03-31", "--currency", "XYZ"), 5, "ISO 4217"),
    ],
)
def test_billing_run_refuses(
    flask: Flask_, unbilled: Session, arguments: tuple[str, ...], exit_code: int, message: str
) -> None:
    result = flask("billing-run", *arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert rows(unbilled, BillingRun) == []


# --- upkeep


def test_doctor_finds_nothing_in_sound_data(flask: Flask_, unbilled: Session) -> None:
    seal_all_events(transaction, NOW)
    result = flask("doctor")
    assert (result.exit_code, result.stderr) == (0, "All checks passed.\n")
    assert {line.split("\t")[1] for line in result.stdout.splitlines()} == {"ok"}
    assert json.loads(flask("doctor", "--json").stdout)["ok"] is True


def test_doctor_names_messages_that_wait_and_a_paused_outbox(flask: Flask_, session: Session) -> None:
    now = clock.now()
    make_message(make_invoice(), now=now - timedelta(hours=2), tries=1, attempted_at=now, reason="554 5.7.1 Denied")
    pause = {"refusals": 5, "reason": "554 5.7.1 Denied", "until": now + timedelta(minutes=10)}
    transaction(lambda session: session.execute(update(MailPause).values(**pause)))
    result = flask("doctor")
    assert result.exit_code == 0
    assert "The outbox is paused: the mail server refused 5 messages in a row. 554 5.7.1 Denied" in result.stderr
    waiting = "Messages that have waited for more than an hour: 1. The latest reason: 554 5.7.1 Denied"
    assert waiting in result.stderr
    content = json.loads(flask("doctor", "--json").stdout)
    assert content["messages_waiting"] == {"count": 1, "reason": "554 5.7.1 Denied"}
    assert content["outbox_paused"] == "554 5.7.1 Denied"


def test_doctor_names_documents_that_cannot_be_printed_whole_and_does_not_fail(flask: Flask_, session: Session) -> None:
    change_settings(invoice_footer="Pay soon 🚀")
    post(make_spec(make_customer(reference="ACME", name="한국", address="국 1"), "5", description="Work"))
    post(make_spec(make_customer(reference="FOO"), "7", description="中"))
    post(make_spec(make_customer(reference="LATER"), "7", description="ไทย"), make_spec("LATER", "1", currency="EUR"))
    bill()
    seal_all_events(transaction, NOW)
    result = flask("doctor")
    assert result.exit_code == 0
    assert (
        "INV-2026-00001: the PDF cannot print 한, 국, 🚀.\nINV-2026-00002: the PDF cannot print 🚀, 中."
        in result.stderr
    )
    assert "Documents with characters that cannot be printed: 4. Install fonts" in result.stderr
    assert result.stderr.endswith("All checks passed.\n")
    told = json.loads(flask("doctor", "--json").stdout)
    assert told["ok"] is True
    assert told["unprintable"][0] == {"document": "INV-2026-00001", "characters": ["한", "국", "🚀"]}


def test_the_audit_log_is_sealed_and_its_head_proves_it_later(flask: Flask_, unbilled: Session, tmp_path: Path) -> None:
    assert flask("audit-head").stdout == f"0\t{'0' * 64}\n"
    assert "Audit events without a seal: 6." in flask("doctor").stderr
    assert json.loads(flask("doctor", "--json").stdout)["unsealed_events"] == 6
    assert flask("seal-audit").stderr == "Audit events sealed: 6.\n"
    assert flask("seal-audit").stderr == "Audit events sealed: 0.\n"
    head = flask("audit-head").stdout
    kept = tmp_path / "heads"
    kept.write_text(f"0\t{'0' * 64}\n\n{head}")
    assert flask("create-token", "meter", "--scope", "read").exit_code == 0
    assert flask("audit-head").stdout.startswith("7\t")  # a command that writes seals at its end
    result = flask("doctor", "--anchor", str(kept))
    assert (result.exit_code, result.stderr) == (0, "All checks passed.\n")
    assert "audit_anchor\tok\t" in result.stdout
    cut = flask("doctor", "--anchor", "-", typed=head.replace("6\t", "8\t"))
    assert cut.exit_code == 1
    assert "audit_seals 8: does not exist: the chain was truncated" in cut.stdout


@pytest.mark.parametrize("typed", ["", "6", "6\tabc", f"-1\t{'0' * 64}", f"x\t{'0' * 64}"])
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_anchor_must_be_a_head(flask: Flask_, app: Flask, typed: str) -> None:
    result = flask("doctor", "--anchor", "-", typed=typed)
    assert result.exit_code == 2
    assert "a file with lines from audit-head" in result.stderr


def _spoil(session: Session) -> None:
    session.execute(text("UPDATE accounts SET pending_charges = 7 WHERE pending_charges = 1"))


def test_doctor_names_what_is_broken(flask: Flask_, unbilled: Session) -> None:
    transaction(_spoil)
    result = flask("doctor")
    assert result.exit_code == 1
    assert "account_sum\t3 WRONG\t" in result.stdout
    assert "pending_charges is 7, but its charges add up to 1" in result.stdout
    assert f"2 of {len(CHECKS)} checks found problems." in result.stderr
    answer = flask("doctor", "--json")
    assert answer.exit_code == 1
    found = {check["name"]: check for check in json.loads(answer.stdout)["checks"]}
    assert (found["account_sum"]["found"], found["account_sum"]["rows"][0]["table"]) == (3, "accounts")


def test_demo_fills_an_empty_database_only(flask: Flask_, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "fill", lambda *_: demo.Counts(36, 2863, 439))
    result = flask("demo")
    assert (result.exit_code, result.stderr) == (0, "Created 36 customers, 2,863 charges and 439 invoices.\n")
    monkeypatch.undo()
    make_customer(reference="REAL")
    result = flask("demo")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "empty database" in result.stderr


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_empty_start_leaves_data_that_are_not_the_demo_alone(flask: Flask_, app: Flask, session: Session) -> None:
    make_customer(reference="REAL")
    result = flask("start", "--empty", "--port", "18999")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "it was left as it is. Start without EMPTY=1 (--empty)" in result.stderr
    file = app.extensions["billing_settings"].sqlite_file.with_name("empty.sqlite3")
    assert f"BILLING_DATABASE_URL=sqlite:///{file} make run EMPTY=1" in result.stderr
    assert [row.reference for row in rows(session, Customer)] == ["REAL"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_empty_start_leaves_a_database_that_another_program_uses(
    flask: Flask_, app: Flask, session: Session
) -> None:
    """The other program would go on writing to a file without a name."""
    make_customer(reference="REAL")
    transaction(_pretend_to_be_demo_data)
    with closing(sqlite3.connect(app.extensions["billing_settings"].sqlite_file)) as other:
        assert other.execute("SELECT reference FROM customers").fetchall() == [("REAL",)]
        result = flask("start", "--empty", "--port", "18999")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "Another program uses this database, so it was left as it is. Stop that program first." in result.stderr
    # The command has removed the session of the test.
    assert [row.reference for row in rows(db.session(), Customer)] == ["REAL"]


def _pretend_to_be_demo_data(session: Session) -> None:
    organisation(session).is_demo = True
    record(session, SYSTEM, NOW + timedelta(hours=1), "user.set_up_link_created", "user")


def test_set_up_link_is_printed_alone_until_a_person_exists(flask: Flask_, app: Flask) -> None:
    result = flask("set-up-link", "--port", "8010")
    assert re.fullmatch(r"http://127\.0\.0\.1:8010/set-up\?token=[\w-]{43}\n", result.stdout)
    assert "It works once, for 24 hours" in result.stderr
    person(app)
    result = flask("set-up-link")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "flask --app wsgi create-user EMAIL --role admin" in result.stderr


def test_a_database_that_is_away_is_exit_code_6(
    flask: Flask_, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("connection refused\nmore of it"))

    monkeypatch.setattr(upkeep, "run_checks", away)
    result = flask("doctor")
    assert (result.exit_code, result.stdout) == (6, "")
    assert result.stderr == "The database cannot be used: connection refused\n"


def _drop(session: Session) -> None:
    session.execute(text("ALTER TABLE charges RENAME TO moved"))


def _put_back(session: Session) -> None:
    session.execute(text("ALTER TABLE moved RENAME TO charges"))


def test_a_database_without_tables_names_the_command_that_creates_them(flask: Flask_, session: Session) -> None:
    transaction(_drop)
    try:
        result = flask("doctor")
    finally:
        db.session.rollback()
        transaction(_put_back)
    assert result.exit_code == 6
    assert "flask --app wsgi db upgrade" in result.stderr


# --- files


def test_export_writes_a_file_when_it_is_whole(flask: Flask_, unbilled: Session, tmp_path: Path) -> None:
    file = tmp_path / "charges.csv"
    result = flask("export", "charges", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert file.read_bytes() == flask("export", "charges", "-").stdout_bytes
    assert file.read_text().startswith(
        "id,customer,service,description,quantity,unit_price,amount,currency,incurred_on"
    )
    assert len(file.read_text().splitlines()) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["charges.csv", "charges.csv.meta.json"]
    meta = read_meta((tmp_path / "charges.csv.meta.json").read_bytes())
    assert (meta.rows, dict(meta.sums), meta.made_by) == (3, {"USD": Decimal("16.345")}, "command line")
    assert meta.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_export_of_every_kind(flask: Flask_, unbilled: Session, tmp_path: Path, kind: str, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    assert flask("export", kind, str(file)).exit_code == 0
    with file.open("rb") as content:
        found = verify_file(unbilled, content, read_meta(Path(f"{file}.meta.json").read_bytes()), clock.now().date())
    # The log has one more event now: that of this export.
    assert (found.same_bytes, found.same_now) == (True, kind != "audit-events")


def test_export_of_a_journal(flask: Flask_, unbilled: Session, tmp_path: Path) -> None:
    bill(issue_date=MARCH_END)
    file = tmp_path / "march.journal"
    days = ("--from", "2026-03-01", "--to", "2026-03-31")
    assert flask("export", "journal", str(file), *days, "--opening").exit_code == 0
    assert "Assets:Receivable:ACME" in file.read_text()
    meta = json.loads((tmp_path / "march.journal.meta.json").read_text())
    assert meta["filters"] == {"from": "2026-03-01", "to": "2026-03-31", "opening": True}
    assert meta["debits"] == meta["credits"] == {"USD": "19.35"}
    assert flask("export", "journal", "-", "--format", "csv").stdout.count("\n") == 1 + meta["rows"]
    for wrong in (
        ("journal", "-", "--format", "xlsx"),
        ("charges", "-", "--format", "hledger"),
        ("charges", "-", *days),
    ):
        assert flask("export", *wrong).exit_code == 2
    assert flask("export", "journal", "-", "--from", "2026-04-01", "--to", "2026-03-01").exit_code == 5


@pytest.mark.parametrize("kind", KINDS)
def test_export_of_nothing_is_a_header(flask: Flask_, session: Session, kind: str) -> None:
    result = flask("export", kind, "-")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr == ""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_export_keeps_the_permissions_of_the_file_that_it_replaces(flask: Flask_, tmp_path: Path) -> None:
    """An export that replaced a private file made it readable for everybody."""
    file = tmp_path / "customers.csv"
    file.touch(0o600)
    assert flask("export", "customers", str(file)).exit_code == 0
    assert (file.stat().st_size > 0, stat.S_IMODE(file.stat().st_mode)) == (True, 0o600)


def test_an_export_that_breaks_off_leaves_what_was_there(
    flask: Flask_, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "charges.csv"
    file.write_text("before")

    def broken(*_: object) -> Iterator[bytes]:
        yield b"id,"
        raise OperationalError("SELECT 1", {}, Exception("connection lost"))

    monkeypatch.setattr(csv_writer, "export_csv", broken)
    assert flask("export", "charges", str(file)).exit_code == 6
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("charges.csv", "before")]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_export_refuses_what_cannot_be_written(flask: Flask_, tmp_path: Path) -> None:
    assert flask("export", "charges", str(tmp_path)).exit_code == 2
    result = flask("export", "charges", str(tmp_path / "nowhere" / "charges.csv"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
    assert flask("export", "payslips", "-").exit_code == 2


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_out_of_range_is_wrong_usage(flask: Flask_, day: str) -> None:
    for arguments in (
        ("billing-run", "--dry-run", "--through", day),
        ("post-recurring", "--dry-run", "--through", day),
        ("export", "journal", "-", "--from", day, "--to", "2026-12-31"),
    ):
        ran = flask(*arguments)
        assert (ran.exit_code, "Use a day between 1970 and 2199." in ran.stderr) == (2, True), arguments
