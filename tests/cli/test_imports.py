"""`flask import`: the same check and import as in the browser; exit codes for scripts."""

import gzip
import json
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import uuid5

import pytest
import time_machine
import xlsxwriter
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.imports.rows import IMPORT_NAMESPACE
from billing_admin.formats.export import ControlTotals, ExportRequest, describe_export, meta_json
from billing_admin.formats.meta_filters import no_filters
from billing_admin.models import Charge, Customer, FilePart, Import, StoredFile
from tests.earlier import OLD, REFUSED, earlier_version
from tests.importing import bring
from tests.making import NOW, change_settings, make_customer, make_service
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
def test_a_wrong_option_is_refused_with_a_message(
    app: Flask, usage: Path, arguments: list[str], code: int, said: str
) -> None:
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
def test_malformed_csv_is_reported_as_an_error(app: Flask, session: Session, usage: Path, dry_run: list[str]) -> None:
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


REPORT = "Usage report;;;\n\nKunde;Leistung;Menge;Betrag\n;Work;1;1.234,50\n;Work;1;(2,00)\n;Refund;;2,5-\nTotal;;;1.230,00\n"
CHOICES = (
    *("--decimal-comma", "--accounting", "--skip", "Kunde=total", "--value", "customer=acme"),
    *("--value", "incurred_on=31.12.2025", "--column", "service=", "--column", "description=Leistung"),
)


@pytest.mark.parametrize("kind", ["csv", "gz", "xlsx"])
def test_every_choice_of_the_page_is_an_option(app: Flask, session: Session, tmp_path: Path, kind: str) -> None:
    """Title rows, negatives by brackets, a rule, values for all rows; plain, compressed and as a workbook."""
    make_customer(reference="acme")
    path = tmp_path / f"report.{kind}"
    if kind == "xlsx":
        with xlsxwriter.Workbook(path) as workbook:
            workbook.add_worksheet("Notes").write("A1", "Nothing here")
            sheet = workbook.add_worksheet("Usage")
            for number, line in enumerate(REPORT.splitlines()):
                sheet.write_row(number, 0, line.split(";"))
    else:
        content = REPORT.encode()
        path.write_bytes(gzip.compress(content) if kind == "gz" else content)
    run = partial(app.test_cli_runner().invoke)
    done = run(args=["import", "charges", str(path), *CHOICES, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["rows"], result["new"], result["skipped"]) == (4, 3, 1)
    assert result["sums"] == {"USD": "1230"}
    assert "Column names: Kunde, Leistung, Menge, Betrag." in done.stderr
    assert {row.incurred_on.isoformat() for row in fresh(session, select(Charge))} == {"2025-12-31"}
    again = run(args=["import", "charges", str(path), *CHOICES, "--json", "--header-line", "3"])
    assert json.loads(again.stdout)["unchanged"] == 3
    if kind == "xlsx":
        other = run(args=["import", "charges", str(path), *CHOICES, "--sheet", "Secret"])
        assert (other.exit_code, "There is no sheet “Secret”. Use one of Notes, Usage." in other.stderr) == (5, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            [],
            5,
            "Choose the column for day, usually “incurred_on”, or enter it for all rows. “today” is the day of the import.",
        ),
        (["--value", "incurred_on=soon"], 5, "Enter a date such as 2026-11-22."),
        (["--value", "key=1"], 2, "“key” cannot have one value for all rows."),
        (["--value", "currency"], 2, "Enter a value for “currency”"),
        ([*TODAY, "--skip", "quantity"], 2, "Write “quantity” as COLUMN=TEXT"),
        ([*TODAY, "--skip", "nothing=1"], 2, "The file has no column “nothing”"),
        ([*TODAY, "--skip", "quantity~"], 5, "Enter the text that “quantity” contains"),
        ([*TODAY, "--header-line", "9"], 5, "There is no row with column names"),
    ],
)
def test_a_wrong_choice_is_refused_with_a_message(
    app: Flask, usage: Path, arguments: list[str], code: int, said: str
) -> None:
    done = app.test_cli_runner().invoke(args=["import", "charges", str(usage), *arguments])
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_numbers_and_days_are_read_in_the_organisations_formats(app: Flask, session: Session, tmp_path: Path) -> None:
    make_customer(reference="acme")
    change_settings(number_format="1.234,56", date_order="month_first")
    path = tmp_path / "x.csv"
    path.write_text("customer;text;value;day\nacme;Work;1.234,5;12/31/2025\n")
    run = partial(app.test_cli_runner().invoke)
    chosen = run(args=["import", "charges", str(path), "--number-format", "1,234.56"])
    assert "“1.234,5” is not in the number format 1,234.56" in chosen.stdout
    chosen = run(args=["import", "charges", str(path), "--date-order", "day_first"])
    assert "“12/31/2025” does not fit the date order" in chosen.stdout
    done = run(args=["import", "charges", str(path)])
    assert done.exit_code == 0, done.output
    exported = tmp_path / "charges.csv"
    exported.write_text(
        "customer,description,quantity,unit_price,amount,currency,incurred_on\nacme,x,1,1.125,1.125,USD,2026-03-01\n"
    )
    own = run(args=["import", "charges", str(exported)])
    assert own.exit_code == 0, own.output
    assert sorted(row.amount for row in fresh(session, select(Charge))) == [Decimal("1.125"), Decimal("1234.5")]


def test_the_formula_rule_of_the_meta_file_is_used(app: Flask, session: Session, tmp_path: Path) -> None:
    """Version 1 wrote `'＝1` for the text `'＝1`; version 2 writes it for `＝1`."""
    for rule, reference, options in ((None, "new", ()), (1, "stated", ()), (None, "chosen", ("--formula-rule", "1"))):
        file = tmp_path / f"{reference}.csv"
        file.write_text(f"reference,name,currency\n{reference},'＝1,EUR\n", encoding="utf-8")
        if rule:
            request = ExportRequest("customers", no_filters("customers", NOW.date()), formula_rule=rule)
            about = describe_export(request, file.name, ControlTotals(1, {}, "0" * 64), NOW, "me")
            del about["formula_rule"]
            file.with_name(file.name + ".meta.json").write_bytes(meta_json(about))
        result = app.test_cli_runner().invoke(args=["import", "customers", str(file), *options])
        assert result.exit_code == 0, result.output
    session.rollback()
    names = {customer.reference: customer.name for customer in session.scalars(select(Customer))}
    assert names == {"new": "＝1", "stated": "'＝1", "chosen": "'＝1"}
