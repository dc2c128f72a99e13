"""`flask import`: the same check and import as in the browser; exit codes for scripts."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid5

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.imports.rows import IMPORT_NAMESPACE
from billing_admin.models import Charge, Customer, FilePart, Import, StoredFile
from tests.earlier import OLD, REFUSED, earlier_version
from tests.importing import bring
from tests.making import NOW, make_customer, make_service
from tests.web.reading import fresh

CHARGES = "customer,service,quantity\nacme,GenericCompute,3\nacme,GenericCompute,2.5\n"
TODAY = ("--value", "incurred_on=today")


@pytest.fixture
def usage(session: Session, tmp_path: Path) -> Path:
    """A file of two charges whose customer and service are there."""
    make_customer(reference="acme")
    make_service()
    path = tmp_path / "usage.csv"
    path.write_text(CHARGES)
    return path


def test_a_rehearsal_stores_nothing_at_all(app: Flask, session: Session, usage: Path) -> None:
    done = app.test_cli_runner().invoke(args=["import", "charges", str(usage), *TODAY, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "rows 2; new 2, unchanged 0" in done.stderr
    assert "Total: 13.75 USD, of which new 13.75." in done.stderr
    for model in (Charge, Import, StoredFile):
        assert fresh(session, select(model)) == []


def test_it_imports_and_again_changes_nothing(app: Flask, session: Session, usage: Path) -> None:
    runner = app.test_cli_runner()
    first = runner.invoke(args=["import", "charges", str(usage), *TODAY, "--json"])
    assert (first.exit_code, json.loads(first.stdout)["new"]) == (0, 2)
    again = runner.invoke(args=["import", "charges", str(usage), *TODAY, "--json"])
    assert (json.loads(again.stdout)["new"], json.loads(again.stdout)["unchanged"]) == (0, 2)
    assert "This file was already imported" in again.stderr
    assert len(fresh(session, select(Charge))) == 2


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
def test_wrong_rows_go_to_stdout(app: Flask, session: Session, usage: Path, dry_run: list[str]) -> None:
    usage.write_text(CHARGES + "nobody,GenericCompute,1\n=x,Nope,y\n")
    done = app.test_cli_runner().invoke(args=["import", "charges", str(usage), *TODAY, *dry_run])
    assert done.exit_code == 5
    assert done.stdout.splitlines() == [
        "line,column,value,what to do",
        "4,customer,nobody,There is no customer “nobody”.",
        "5,customer,'=x,There is no customer “=x”.",
        "5,service,Nope,There is no service “Nope”.",
        '5,quantity,y,"“y” is not a number such as 1,234.50."',
    ]
    assert "Errors: 4. Nothing was stored." in done.stderr
    assert fresh(session, select(Charge)) == []


def test_columns_are_named_and_numbers_read_as_chosen(app: Flask, session: Session, tmp_path: Path) -> None:
    make_customer(reference="acme")
    path = tmp_path / "x.csv"
    path.write_bytes("Wer;Was;Preis;Tag\nacme;Café;1234,50;31.12.2025\n".encode("cp1252"))
    named = [
        "--column",
        "customer=Wer",
        "--column",
        "description=Was",
        "--column",
        "amount=Preis",
        "--column",
        "incurred_on=Tag",
    ]
    chosen = ["--encoding", "windows-1252", "--decimal-comma", "--day-first"]
    done = app.test_cli_runner().invoke(args=["import", "charges", str(path), *named, *chosen])
    assert done.exit_code == 0, done.output
    [row] = fresh(session, select(Charge))
    assert (row.description, str(row.amount.normalize()), row.incurred_on.isoformat()) == (
        "Café",
        "1234.5",
        "2025-12-31",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--column", "who=customer"], 2, "“who” is not a field of charges"),
        (["--column", "customer=Who"], 2, "The file has no column “Who”"),
        (["--encoding", "utf-16"], 5, "is not UTF-16"),
        (["--delimiter", "tab"], 5, "Choose the column for customer"),
    ],
)
def test_what_is_asked_wrongly_is_told(app: Flask, usage: Path, arguments: list[str], code: int, said: str) -> None:
    done = app.test_cli_runner().invoke(args=["import", "charges", str(usage), *TODAY, *arguments])
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_customers_are_updated_by_choice(app: Flask, session: Session, tmp_path: Path) -> None:
    make_customer(reference="acme", name="ACME")
    path = tmp_path / "customers.csv"
    path.write_text("reference,name,currency\nacme,ACME Inc,USD\n")
    runner = app.test_cli_runner()
    assert runner.invoke(args=["import", "customers", str(path)]).exit_code == 5
    assert runner.invoke(args=["import", "customers", str(path), "--update"]).exit_code == 0
    assert [one.name for one in fresh(session, select(Customer))] == ["ACME Inc"]


def test_a_file_that_breaks_off_is_refused(app: Flask, session: Session, usage: Path) -> None:
    usage.write_bytes(CHARGES.encode() + b"acme,caf\xe9,1\n")
    for dry_run in (["--dry-run"], []):
        done = app.test_cli_runner().invoke(
            args=["import", "charges", str(usage), *TODAY, "--encoding", "utf-8", *dry_run]
        )
        assert (done.exit_code, "Line 4 is not UTF-8" in done.stderr) == (5, True)
    assert fresh(session, select(Charge)) == []


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
def test_malformed_csv_is_not_told_as_no_errors(app: Flask, session: Session, usage: Path, dry_run: list[str]) -> None:
    usage.write_text(CHARGES + "acme,GenericCompute,1\n" * 3 + 'acme,"GenericCompute,1\n')
    done = app.test_cli_runner().invoke(args=["import", "charges", str(usage), *TODAY, "--json", *dry_run])
    assert done.exit_code == 5
    assert done.stderr.splitlines()[-2:] == ["Line 7: A closing quote is missing.", "Nothing was stored."]
    assert "Errors: 0" not in done.stderr
    result = json.loads(done.stdout)
    assert (result["stored"], result["failure"]) == (False, "Line 7: A closing quote is missing.")


def test_an_option_for_a_column_wins_over_a_guess(app: Flask, session: Session, tmp_path: Path) -> None:
    make_customer(reference="acme")
    path = tmp_path / "x.csv"
    path.write_text("id,customer,description,Amount,Amount\n7,acme,Work,5,x\n")
    run = partial(app.test_cli_runner().invoke, args=["import", "charges", str(path), *TODAY, "--column", "key=id"])
    ambiguous = run(args=[*run.keywords["args"], "--column", "amount=Amount"])
    assert ambiguous.exit_code == 2
    assert "Several columns are named “Amount”. Use Amount (column 4) or Amount (column 5)." in ambiguous.stderr
    done = run(args=[*run.keywords["args"], "--column", "amount=Amount (column 4)"])
    assert done.exit_code == 0, done.output
    [row] = fresh(session, select(Charge))
    assert row.id == uuid5(IMPORT_NAMESPACE, "charges/key/7")
    left_out = run(
        args=["import", "charges", str(path), *TODAY, "--column", "key=", "--column", "amount=Amount (column 5)"]
    )
    assert left_out.stdout.splitlines()[1:] == ['2,Amount (column 5),x,"“x” is not a number such as 1,234.50."']


def test_daily_forgets_old_files_and_keeps_what_became_of_them(app: Flask, session: Session) -> None:
    with time_machine.travel(NOW, tick=False):
        bring("charges", b"customer\nacme\n")
    for days, kept in ((30, 1), (31, 0)):
        with time_machine.travel(NOW + timedelta(days=days), tick=False):
            assert app.test_cli_runner().invoke(args=["daily"]).exit_code == 0
        session.rollback()
        assert session.scalar(select(func.count()).select_from(FilePart)) == kept
    [one] = fresh(session, select(Import))
    assert (one.file_id, one.file_name) == (None, "file.csv")


def test_a_file_with_stored_text_again_changes_nothing_and_new_text_is_named_by_line(
    app: Flask, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_customer(reference="acme", name="ACME")
    path = tmp_path / "charges.csv"
    path.write_text(f"customer,description,amount,day,key\nacme,{OLD},5,2026-03-01,a\n")
    people = tmp_path / "customers.csv"
    people.write_text(f"reference,name,currency\nold,{OLD},USD\n")
    runner = app.test_cli_runner()
    for kind, file in (("charges", path), ("customers", people)):
        refused = runner.invoke(args=["import", kind, str(file)])
        assert (refused.exit_code, REFUSED in refused.output) == (5, True), refused.output
        with earlier_version(monkeypatch):
            assert runner.invoke(args=["import", kind, str(file)]).exit_code == 0
        again = runner.invoke(args=["import", kind, str(file)])
        assert again.exit_code == 0, again.output
    assert len(fresh(session, select(Charge))) == 1


def test_the_reason_of_a_charge_that_is_to_be_held_is_checked_as_well(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    make_customer(reference="acme", name="ACME")
    path = tmp_path / "charges.csv"
    path.write_text(f"customer,description,amount,day,key,status,status_reason\nacme,x,5,2026-03-01,a,held,{OLD}\n")
    for dry_run in (["--dry-run"], []):
        refused = app.test_cli_runner().invoke(args=["import", "charges", str(path), *dry_run])
        assert (refused.exit_code, REFUSED in refused.output) == (5, True), refused.output
    assert fresh(session, select(Charge)) == []
