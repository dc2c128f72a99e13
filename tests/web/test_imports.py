"""Imports in the browser: bring a file, map its columns, look at the check, take it in; everything wrong is told, never a 500."""

import gzip
import io
from decimal import Decimal

import pytest
import xlsxwriter
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.config import Settings
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.models import Charge, Customer, Import, StoredFile
from tests.making import make_customer, make_opening, make_service
from tests.people import csrf_token, send, signed_in
from tests.prepared import prepared
from tests.web.pages import action, has_action, has_link, link, links, parse, words
from tests.web.reading import fresh

CHARGES = (
    b"customer,service,quantity,day,key\nacme,GenericCompute,3,2026-03-01,a\nacme,GenericCompute,2.5,2026-03-02,b\n"
)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin, and a customer and a service to charge."""
    make_customer(reference="acme", name="ACME")
    make_service()
    return signed_in(app)


BOUNDARY = "a-boundary-of-the-tests"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def body(content: bytes, token: str, name: str = "file.csv") -> bytes:
    """What a browser sends. The test client's own way would leave a temporary file open."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n--{BOUNDARY}\r\n'
    head += f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(browser: FlaskClient, kind: str, content: bytes, name: str = "file.csv") -> TestResponse:
    sent = body(content, csrf_token(browser), name)
    return browser.post(f"/imports/{kind}/new", data=sent, content_type=MULTIPART)


def mapping(page: TestResponse) -> dict[str, str]:
    """Return the form of the columns' page as shown; missing days are those of the import."""
    values = {}
    for choice in parse(page).elements("select"):
        chosen = [option.attributes["value"] for option in choice.elements("option", selected="")]
        values[choice.attributes["name"]] = "".join(chosen[:1])
    for text in parse(page).elements("input", type="text"):
        if text.attributes.get("name", "").startswith(("value_", "skip_", "header_line")):
            values[text.attributes["name"]] = text.attributes.get("value", "")
    for day in ("incurred_on", "received_on"):
        if f"value_{day}" in values and day not in values.values():
            values[f"value_{day}"] = "today"
    for choice in parse(page).elements("input", checked=""):
        if "value" in choice.attributes:
            values[choice.attributes["name"]] = choice.attributes["value"]
    return values


def check(browser: FlaskClient, kind: str, content: bytes, **fields: str) -> TestResponse:
    """From the file to what the check says."""
    brought = upload(browser, kind, content)
    assert brought.status_code == 303, words(brought)
    page = browser.get(brought.location)
    given = mapping(page) | fields | {"csrf_token": csrf_token(browser)}  # a payment has a field “method”
    sent = browser.post(brought.location, data=given)
    assert sent.status_code == 303, words(sent)
    return browser.get(sent.location)


def test_five_clicks_from_the_list_to_the_result(browser: FlaskClient, session: Session) -> None:
    form = browser.get(link(browser.get("/charges"), "Import CSV"))
    assert "with a row of column names" in words(form)
    brought = upload(browser, "charges", CHARGES, "usage.csv")
    columns = browser.get(brought.location)
    given = mapping(columns)
    assert {name: value for name, value in given.items() if value and not name.startswith("skip_")} == {
        "encoding": "utf-8", "delimiter": "comma", "header_line": "1",
        "number_format": "1,234.56", "date_order": "year_first",
        "column_0": "customer", "column_1": "service", "column_2": "quantity", "column_3": "incurred_on",
        "column_4": "key",
    }  # fmt: skip
    assert "GenericCompute" in words(columns)
    sent = send(browser, brought.location, **mapping(columns))
    checked = browser.get(sent.location)
    assert "The file has no errors" in words(checked)
    assert "Sum of new rows, USD 13.75 USD" in words(checked)
    assert "Import 2 new charges" in words(checked)
    assert fresh(session, select(Charge)) == []
    done = browser.get(send(browser, action(checked, "/start")).location)
    assert "The totals are the same as in the check." in words(done)
    assert "New charges 2 2" in words(done)
    assert len(fresh(session, select(Charge))) == 2
    assert "usage.csv" in words(browser.get("/imports"))
    assert "usage.csv" not in words(browser.get("/imports?kind=payments"))


def test_errors_are_shown_and_downloaded(browser: FlaskClient, session: Session) -> None:
    rows = b"".join(b"=who,GenericCompute,1,%d\n" % n for n in range(150))
    page = check(browser, "charges", b"customer,service,quantity,key\n" + rows)
    text = words(page)
    assert "150 errors" in text
    assert "The first 100 errors" in text
    assert "2 customer =who There is no customer “=who”." in text
    assert not has_action(page, "/start")
    german = words(browser.get(page.request.path, headers={"Accept-Language": "de"}))
    assert "2 customer =who Es gibt keinen Kunden „=who“." in german
    file = browser.get(link_to_errors(page))
    assert len(file.text.splitlines()) == 151
    assert "2,customer,'=who,There is no customer “=who”." in file.text
    assert fresh(session, select(Charge)) == []
    again = send(browser, action(page, "/check"))
    assert "150 errors" in words(browser.get(again.location))


def link_to_errors(page: TestResponse) -> str:
    return next(address for _, address in links(page) if address.endswith("errors.csv"))


def test_the_same_file_is_noticed(browser: FlaskClient) -> None:
    page = check(browser, "charges", CHARGES)
    send(browser, action(page, "/start"))
    brought = upload(browser, "charges", CHARGES)
    assert "This file was already imported" in words(browser.get(brought.location))
    assert "Already stored, unchanged 2" in words(check(browser, "charges", CHARGES))


def test_the_mapping_of_a_header_is_remembered(browser: FlaskClient) -> None:
    content = b"Who;What;Price\nacme;Work;1,50\n"
    brought = upload(browser, "charges", content)
    page = browser.get(brought.location)
    given = mapping(page) | {
        "column_0": "customer",
        "column_1": "description",
        "column_2": "amount",
        "number_format": "1.234,56",
        "value_customer": "acme",
        "value_currency": "USD",
        "accounting": "y",
        "skip_0_column": "1",
        "skip_0_test": "contains",
        "skip_0_text": "Total",
    }
    assert "The file has no errors" in words(browser.get(send(browser, brought.location, **given).location))
    again = browser.get(upload(browser, "charges", content + b"acme;Work;2\n").location)
    assert mapping(again) == given


def test_the_cut_over_day_is_asked_for_once(browser: FlaskClient, session: Session) -> None:
    content = b"customer,number,date,open\nacme,4711,2026-03-10,5\n"
    brought = upload(browser, "opening-balances", content)
    page = browser.get(brought.location)
    assert "Needed for the first import only, unless the file has a column for it" in words(page)
    refused = send(browser, brought.location, **mapping(page))
    assert refused.status_code == 422
    assert "Enter the cut-over day" in words(refused)
    make_opening(session.scalars(select(Customer)).one(), "1", "5")
    later = browser.get(brought.location)
    assert "Leave it blank for 31 Mar 2026, the cut-over day of the other opening balances." in words(later)
    assert send(browser, brought.location, **mapping(later)).status_code == 303


def test_a_missing_column_is_named_at_its_field(browser: FlaskClient) -> None:
    brought = upload(browser, "charges", b"a,b\nacme,Work\n")
    page = send(browser, brought.location, **mapping(browser.get(brought.location)))
    assert page.status_code == 422
    assert "Choose the column for customer, usually “customer”, or enter it for all rows." in words(page)
    twice = mapping(browser.get(brought.location)) | {"column_0": "customer", "column_1": "customer"}
    page = send(browser, brought.location, **twice)
    assert page.status_code == 422
    assert "“a” is already mapped to this field. Choose one of the two columns." in words(page)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "There is no row with column names"),
        (b"PK\x03\x04xxxx", "The workbook is damaged"),
        (b'a\n"' + b"x" * 10_000_000, None),
        (b'"' + b"x" * 2_000_000, "longer than"),
    ],
)
def test_what_is_no_table_is_refused_at_once(browser: FlaskClient, content: bytes, said: str | None) -> None:
    page = upload(browser, "charges", content)
    if said is None:
        page = browser.get(page.location)
        said = "line 2 is longer than"
    assert said in words(page)
    assert page.status_code in {200, 422}
    assert not has_action(page, "/start")


def test_a_file_must_be_chosen(browser: FlaskClient) -> None:
    page = send(browser, "/imports/charges/new")
    assert (page.status_code, "Choose a file." in words(page)) == (422, True)


def test_the_encoding_is_guessed_shown_and_can_be_changed(browser: FlaskClient) -> None:
    brought = upload(browser, "customers", "reference;name;currency\ncafé;Café;EUR\n".encode("cp1252"))
    page = browser.get(brought.location)
    assert (mapping(page)["encoding"], mapping(page)["delimiter"]) == ("windows-1252", "semicolon")
    assert "café" in words(page)
    again = send(browser, brought.location, encoding="utf-8", delimiter="semicolon", read_again="1")
    page = browser.get(again.location)
    assert "Line 2 is not UTF-8: it has the bytes E9 3B." in words(page)
    assert page.status_code == 422
    again = send(browser, brought.location, encoding="windows-1252", delimiter="comma", read_again="1")
    page = browser.get(again.location)
    assert "reference;name;currency" in words(page)
    page = browser.get(
        send(browser, again.location, encoding="windows-1252", delimiter="semicolon", read_again="1").location
    )
    assert (mapping(page)["column_1"], "Café" in words(page)) == ("name", True)
    checked = browser.get(send(browser, page.request.url, **mapping(page)).location)
    assert "The file has no errors" in words(checked)


def test_columns_of_one_name_can_be_told_apart_or_left_out(browser: FlaskClient) -> None:
    content = b"customer,description,amount,note,note\nacme,Work,1,x,y\n"
    page = browser.get(upload(browser, "charges", content).location)
    assert "note (column 4) x" in words(page)
    assert "note (column 5) y" in words(page)
    assert "The file has no errors" in words(check(browser, "charges", content))


def test_malformed_csv_says_what_to_do(browser: FlaskClient) -> None:
    text = words(check(browser, "charges", b"customer,description,amount\n" + 5 * b"acme,a,1\n" + b'acme,"b,1\n'))
    assert "The file cannot be read completely Line 7: A closing quote is missing." in text
    assert "Correct the file and upload it again" in text
    assert "errors below" not in text


def test_changing_the_delimiter_reads_the_file_anew(browser: FlaskClient) -> None:
    brought = upload(browser, "customers", b"reference;name;currency,x\na;b;EUR,1\n")
    given = mapping(browser.get(brought.location))
    assert given["delimiter"] == "semicolon"
    sent = send(browser, brought.location, **given | {"delimiter": "comma"})
    assert "delimiter=comma" in sent.location
    assert mapping(browser.get(sent.location))["delimiter"] == "comma"


@pytest.mark.parametrize("kind", IMPORT_KINDS)
def test_the_example_file_of_each_kind_is_read(browser: FlaskClient, kind: str) -> None:
    make_customer(reference="ACME", currency="EUR")
    page = browser.get(link(browser.get(f"/imports/{kind}/new"), "Example file"))
    assert page.headers["Content-Disposition"] == f'attachment; filename="{kind}-example.csv"'
    text = words(check(browser, kind, page.data))
    assert "The file has no errors" in text or "already exists" in text


def test_existing_customers_are_changed_by_choice(browser: FlaskClient, session: Session) -> None:
    content = b"reference,name,currency\nacme,ACME Inc,USD\n"
    assert "choose to update existing records" in words(check(browser, "customers", content))
    page = check(browser, "customers", content, existing="update")
    assert "Already stored, changed by the file 1" in words(page)
    fresh_page = browser.get(upload(browser, "customers", content + b"x,X,EUR\n").location)
    assert mapping(fresh_page)["existing"] == "refuse"  # to change things is chosen anew for each file
    send(browser, action(page, "/start"))
    assert [one.name for one in fresh(session, select(Customer))] == ["ACME Inc"]


def test_large_files_may_come_here_and_nowhere_else(app: Flask, browser: FlaskClient, session: Session) -> None:
    limit = app.config["MAX_CONTENT_LENGTH"]
    content = b"customer,description,amount\n" + b"acme,Work,1\n" * (limit // 12 + 1)
    assert upload(browser, "charges", content).status_code == 303
    sent = body(content, csrf_token(browser))
    assert browser.post("/charges/new", data=sent, content_type=MULTIPART).status_code == 413
    assert app.test_client().post("/imports/charges/new", data=sent, content_type=MULTIPART).status_code == 401
    session.rollback()
    assert session.scalar(select(func.count()).select_from(StoredFile)) == 1
    assert Settings(secret_key="x" * 40).max_upload_mb == 512


def test_another_kinds_address_finds_nothing(browser: FlaskClient, session: Session) -> None:
    brought = upload(browser, "charges", CHARGES)
    [one] = fresh(session, select(Import))
    assert browser.get(brought.location.replace("charges", "payments")).status_code == 404
    assert send(browser, f"/imports/payments/{one.id}/start").status_code == 404
    assert send(browser, f"/imports/charges/{one.id}/start").status_code == 409
    assert browser.get(f"/imports/{one.id}/errors.csv").status_code == 404


def test_whoever_only_reads_sees_and_starts_nothing(app: Flask, browser: FlaskClient) -> None:
    page = check(browser, "charges", CHARGES)
    viewer = signed_in(app, "viewer")
    seen = viewer.get(page.request.path)
    assert "The file has no errors" in words(seen)
    assert "/start" not in seen.text
    assert not has_link(viewer.get("/charges"), "Import CSV")
    assert "Import charges" not in viewer.get("/imports").text


def report() -> bytes:
    """A workbook with title rows, a row of totals, and neither customer, currency nor day."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as workbook:
        workbook.add_worksheet("Notes").write("A1", "Nothing here")
        sheet = workbook.add_worksheet("Usage")
        for number, row in enumerate(
            (["Report"], [], ["Text", "Betrag"], ["Work", 5], ["Back", "(2.00)"], ["Total", 3])
        ):
            sheet.write_row(number, 0, row)
    return file.getvalue()


def test_a_workbook_is_imported_with_values_for_all_rows_and_without_totals(
    browser: FlaskClient, session: Session
) -> None:
    brought = upload(browser, "charges", report(), "report.xlsx")
    page = browser.get(brought.location)
    given = mapping(page)
    assert (given["sheet"], given["header_line"], given["column_0"], given["column_1"]) == (
        "Usage",
        "3",
        "description",
        "amount",
    )
    given |= {"value_incurred_on": "", "skip_0_column": "0", "skip_0_test": "is", "skip_0_text": "total"}
    asked = send(browser, brought.location, **given)
    assert asked.status_code == 422
    assert "Choose the column for customer, usually “customer”, or enter it for all rows." in words(asked)
    assert (
        "Choose the column for day, usually “incurred_on”, or enter it for all rows. “today” is the day of the import."
        in words(asked)
    )
    given |= {"value_customer": "acme", "value_incurred_on": "31 Dec 2025", "value_currency": "USD"}
    refused = browser.get(send(browser, brought.location, **given).location)
    assert "“(2.00)” may mean -2. If it does, choose to read (1.00) and 1.00- as negative numbers." in words(refused)
    checked = browser.get(send(browser, brought.location, **given, accounting="y").location)
    assert "Rows left out by your rules 1" in words(checked)
    assert (
        "Read as sheet “Usage”, column names from line 3, numbers as 1,234.56, dates as 2026-12-31 (year first),"
        " (1.00) is negative Values for all rows Customer acme, Currency USD, Day 31 Dec 2025"
        " Rows to leave out Text is “total”"
    ) in words(checked)
    assert "Sum of new rows, USD 3.00 USD" in words(checked)
    send(browser, action(checked, "/start"))
    charges = fresh(session, select(Charge).order_by(Charge.amount))
    assert [(charge.amount, charge.incurred_on.isoformat()) for charge in charges] == [
        (Decimal(-2), "2025-12-31"),
        (Decimal(5), "2025-12-31"),
    ]
    again = mapping(browser.get(upload(browser, "charges", report() + b" ", "report.xlsx").location))
    remembered = given | {"accounting": "y", "value_incurred_on": "today"}  # a day is entered for each file anew
    assert again == remembered


def test_another_sheet_or_line_is_read_when_it_is_chosen(browser: FlaskClient) -> None:
    brought = upload(browser, "charges", report())
    given = mapping(browser.get(brought.location))
    sent = send(browser, brought.location, **given | {"header_line": "4"})
    page = browser.get(sent.location)
    assert (mapping(page)["header_line"], mapping(page)["sheet"]) == ("4", "Usage")
    assert "Back · Total" in words(page)
    for line in ("0", "1001", "-4"):
        refused = send(browser, brought.location, **given | {"header_line": line})
        assert (refused.status_code, "Enter a line from 1 to 1,000." in words(refused)) == (422, True), line
        assert mapping(refused)["header_line"] == line
        sent = send(browser, brought.location, read_again="1", header_line=line)
        assert "Enter a line from 1 to 1,000." in words(browser.get(sent.location)), line
    sent = send(browser, brought.location, read_again="1", sheet="Notes", header_line="1")
    page = browser.get(sent.location)
    assert page.status_code == 422
    assert "The file has a header row but no data rows." in words(page)
    assert "Usage" in words(page)


def test_a_compressed_file_with_title_rows_is_read(browser: FlaskClient) -> None:
    content = gzip.compress(b"Report;\n\nKunde;Leistung;Menge;Datum\nacme;GenericCompute;3;1 Mar 2026\n")
    text = words(check(browser, "charges", content))
    assert "The file has no errors" in text
    assert "Sum of new rows, USD 7.50 USD" in text
