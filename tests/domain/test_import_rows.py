"""Rows of imported files: requests with stable ids, and errors with line, column and value."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest

from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.imports.cells import CellFormat, NumberCell
from billing_admin.domain.imports.headers import guess_columns
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.domain.imports.rows import IMPORT_NAMESPACE, ReadResult, Record, RowReader
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.payments import AllocationSpec, PaymentSpec

ID = "019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c"


def read(kind: str, header: str, *rows: str, sha256: str = "f" * 64, **options: Any) -> ReadResult:
    columns = tuple(header.split(","))
    options = {"constants": {"incurred_on": "today", "received_on": "today"}} | options
    reader = RowReader(kind, ImportPlan(columns, guess_columns(kind, columns), **options), sha256)
    return reader.read([Record(number + 2, number, row.split(",")) for number, row in enumerate(rows)])


def errors(result: ReadResult) -> list[tuple[int, str, str]]:
    assert result.request is None
    return [(error.line, error.column, error.value) for error in result.errors]


def test_a_charge_becomes_the_spec_of_forms_and_scripts() -> None:
    request = read("charges", "customer,service,quantity,incurred_on,id", f"ACME,Compute,3.50,2026-11-01,{ID}").request
    assert request is not None
    assert request.spec == ChargeSpec(
        "ACME", "Compute", quantity=Decimal("3.5"), incurred_on=date(2026, 11, 1), id=UUID(ID)
    )
    assert (request.key, request.extra, request.rows) == (ID, None, 1)


def test_a_charge_has_the_period_of_its_row() -> None:
    header = "customer,description,amount,Period start,period_to,period_of_days"
    request = read("charges", header, "ACME,Work,1,2026-11-10,2026-11-19,30").request
    assert request is not None
    period = (request.spec.period_from, request.spec.period_to, request.spec.period_of_days)
    assert period == (date(2026, 11, 10), date(2026, 11, 19), 30)
    assert errors(read("charges", header, "ACME,Work,1,2026-11-10,2026-11-09,")) == [(2, "period_to", "2026-11-09")]
    assert errors(read("charges", header, "ACME,Work,1,,,30")) == [(2, "Period start", "")]
    assert errors(read("charges", header, "ACME,Work,1,2026-11-10,x,")) == [(2, "period_to", "x")]
    half = read("charges", "customer,description,amount,period_from", "ACME,Work,1,2026-11-10")
    assert errors(half) == [(2, "period_from", "2026-11-10")]


def test_ids_are_those_of_the_key_or_of_file_and_row() -> None:
    by_key = read("charges", "customer,description,amount,key", "ACME,Work,1,k-1").request
    assert by_key is not None
    assert (by_key.spec.id, by_key.key) == (uuid5(IMPORT_NAMESPACE, "charges/key/k-1"), "k-1")
    by_row = read("charges", "customer,description,amount", "ACME,Work,1", sha256="ab").request
    assert by_row is not None
    assert (by_row.spec.id, by_row.key) == (uuid5(IMPORT_NAMESPACE, "charges/file/ab/0"), "")
    of_sheet = read("charges", "customer,description,amount", "ACME,Work,1", sha256="ab", sheet="May").request
    assert of_sheet is not None
    assert of_sheet.spec.id == uuid5(IMPORT_NAMESPACE, "charges/file/ab/May/0")  # another sheet has other rows
    assert errors(read("charges", "customer,description,amount,key", "ACME,Work,1,")) == [(2, "key", "")]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("ACME,Work,1,2", (2, "", "2")),
        (",Work,1", (2, "customer", "")),
        ("ACME,Work,one", (2, "amount", "one")),
        ("ACME,,1", (2, "description", "")),
    ],
)
def test_an_error_has_line_column_and_value(row: str, error: tuple[int, str, str]) -> None:
    assert errors(read("charges", "customer,description,amount", row)) == [error]


@pytest.mark.parametrize(
    ("status", "settled", "is_read"),
    [
        ("pending", False, True),
        ("", False, True),
        ("cancelled", False, False),
        ("billed", False, False),
        ("billed", True, True),
    ],
)
def test_the_status_decides_whether_a_charge_is_left_out(status: str, settled: bool, is_read: bool) -> None:
    result = read("charges", "customer,description,amount,status", f"ACME,Work,1,{status}", settled=settled)
    assert (result.request is not None, result.errors) == (is_read, ())


def test_a_held_charge_has_its_reason() -> None:
    header = "customer,description,amount,status,status_reason"
    with_reason, without = (read("charges", header, f"ACME,Work,1,held,{reason}").request for reason in ("Dispute", ""))
    assert with_reason is not None
    assert without is not None
    assert (with_reason.extra, without.extra) == ("Dispute", "Held in the file")


def test_an_amount_must_be_quantity_times_unit_price() -> None:
    header = "customer,description,quantity,unit_price,amount"
    request = read("charges", header, "ACME,Work,3,2.50,7.50").request
    assert request is not None
    assert (request.spec.unit_price, request.spec.amount) == (Decimal("2.5"), None)
    result = read("charges", header, "ACME,Work,3,2.50,7.51")
    assert errors(result) == [(2, "amount", "7.51")]
    assert "7.5." in result.errors[0].message


@pytest.mark.parametrize(
    ("cell", "allocate"),
    [
        ("", ()),
        ("oldest", "oldest"),
        ("None", ()),
        ("INV-1", (AllocationSpec("INV-1", Decimal(20)),)),
        ("INV-1 = 12; INV-2=8", (AllocationSpec("INV-1", Decimal(12)), AllocationSpec("INV-2", Decimal(8)))),
    ],
)
def test_a_payment_names_its_invoices(cell: str, allocate: object) -> None:
    request = read("payments", "customer,amount,allocate", f"ACME,20,{cell}").request
    assert request is not None
    spec: PaymentSpec = request.spec
    assert (spec.allocate, spec.method) == (allocate, "bank_transfer")


def test_several_invoices_need_amounts() -> None:
    assert errors(read("payments", "customer,amount,allocate", "ACME,20,INV-1; INV-2")) == [
        (2, "allocate", "INV-1; INV-2")
    ]


@pytest.mark.parametrize("row", ["ACME,20,reversed,card", "ACME,20,,write_off"])
def test_reversed_payments_and_write_offs_are_left_out(row: str) -> None:
    result = read("payments", "customer,amount,status,method", row)
    assert (result.request, result.errors) == (None, ())


def test_blank_cells_clear_only_clearable_fields() -> None:
    header = "reference,name,currency,email,payment_terms_days,tax_treatment,archived"
    request = read("customers", header, "ACME,ACME Inc,EUR,,,,yes").request
    assert request is not None
    assert request.spec == {
        "reference": "ACME",
        "name": "ACME Inc",
        "currency": "EUR",
        "email": "",
        "payment_terms_days": None,
    }
    assert (request.key, request.extra) == ("ACME", (None, True))


def test_rows_of_one_service_are_its_prices() -> None:
    header = "code,name,currency,unit_price,includes_tax"
    request = read("services", header, "Book,Book,EUR,34.90,yes", "Book,Book,USD,37.50,no").request
    assert request is not None
    assert (request.rows, request.key) == (2, "Book")
    assert request.spec == {
        "code": "Book",
        "name": "Book",
        "prices": {"EUR": Decimal("34.9"), "USD": Decimal("37.5")},
        "prices_include_tax": ["EUR"],
    }


@pytest.mark.parametrize(
    ("second", "error"),
    [
        ("Book,Books,USD,1,no", (3, "name", "Books")),
        ("Book,Book,EUR,1,no", (3, "currency", "EUR")),
        ("Book,Book,USD,,no", (3, "unit_price", "")),
        ("Book,Book,,1,no", (3, "currency", "")),
    ],
)
def test_rows_of_one_service_must_agree(second: str, error: tuple[int, str, str]) -> None:
    header = "code,name,currency,unit_price,includes_tax"
    assert errors(read("services", header, "Book,Book,EUR,34.90,yes", second)) == [error]


@pytest.mark.parametrize("row", ["ACME,Work,1", "ACME,Work,1,,", "ACME,Work,1,,,,"])
def test_blank_cells_at_the_end_of_a_row_may_be_missing_or_surplus(row: str) -> None:
    request = read("charges", "customer,description,amount,service,currency", row).request
    assert request is not None
    assert (request.spec.amount, request.spec.service, request.spec.currency) == (Decimal(1), None, None)


def test_all_errors_of_a_charge_are_reported_together() -> None:
    header = "customer,description,quantity,amount,currency,incurred_on,status,key"
    result = read("charges", header, f",{'x' * 1001},one,1,EUX,1969-12-31,done,")
    assert errors(result) == [
        (2, "customer", ""),
        (2, "quantity", "one"),
        (2, "status", "done"),
        (2, "key", ""),
        (2, "description", "x" * 40 + "…"),
        (2, "currency", "EUX"),
        (2, "incurred_on", "1969-12-31"),
    ]


def test_a_row_with_errors_can_be_checked_further() -> None:
    result = read("charges", "customer,service,quantity,unit_price,amount", "ACME,Nope,x,2,4")
    assert errors(result) == [(2, "quantity", "x")]
    assert result.partial is not None
    spec: ChargeSpec = result.partial.spec
    assert (spec.customer, spec.service, spec.unit_price, spec.amount) == ("ACME", "Nope", Decimal(2), None)
    assert result.partial.failed == {"quantity"}


def test_a_charge_without_service_and_description_can_be_checked_further() -> None:
    header = "customer,service,description,amount"
    result = read("charges", header, "NOPE,,,1")
    assert errors(result) == [(2, "service", "")]
    assert result.partial is not None
    assert (result.partial.spec.customer, result.partial.failed) == ("NOPE", frozenset({"service"}))
    assert errors(read("charges", header, "NOPE,#N/A,,1")) == [(2, "service", "#N/A")]


def test_a_charge_with_a_wrong_price_and_amount_can_be_checked_further() -> None:
    result = read("charges", "customer,description,unit_price,amount", "NOPE,Work,x,y")
    assert errors(result) == [(2, "unit_price", "x"), (2, "amount", "y")]
    assert result.partial is not None
    assert result.partial.spec.customer == "NOPE"


def test_all_errors_of_a_payment_are_reported_together() -> None:
    result = read("payments", "customer,amount,method,allocate,status", ",-1,gold,INV-1; INV-2,gone")
    assert errors(result) == [
        (2, "customer", ""),
        (2, "status", "gone"),
        (2, "allocate", "INV-1; INV-2"),
        (2, "amount", "-1"),
        (2, "method", "gold"),
    ]


def test_all_errors_of_the_rows_of_a_service_are_reported_together() -> None:
    header = "code,name,currency,unit_price,line_per_charge"
    result = read("services", header, "Book,Book,EUR,x,maybe", "Book,Books,,2,yes")
    assert errors(result) == [
        (2, "line_per_charge", "maybe"),
        (2, "unit_price", "x"),
        (3, "name", "Books"),
        (3, "currency", ""),
    ]


@pytest.mark.parametrize(
    ("header", "row", "address"),
    [
        (
            "Street,Street 2,City,State,ZIP",
            "1 Main St,Floor 2,Springfield,IL,62701",
            "1 Main St\nFloor 2\nSpringfield IL 62701",
        ),
        ("Rue,Code postal,Ville", " 1 rue A , 75001 , Paris ", "1 rue A\n75001 Paris"),
        ("Address,City,Postcode", "1 High St,London,", "1 High St\nLondon"),
        ("Straße,PLZ,Ort,Land", "Hauptstr. 1,10115,Berlin,", "Hauptstr. 1\n10115 Berlin"),
    ],
)
def test_parts_of_an_address_without_a_country_are_joined(header: str, row: str, address: str) -> None:
    request = read("customers", f"reference,name,currency,{header}", f"ACME,ACME Inc,EUR,{row}").request
    assert request is not None
    assert request.spec["address"] == address
    assert request.spec.keys() == {"reference", "name", "currency", "address"}


@pytest.mark.parametrize(
    ("header", "row", "parts"),
    [
        (
            "Straße,PLZ,Ort,Land",
            "Hauptstr. 1,10115,Berlin,Germany",
            {"street": "Hauptstr. 1", "postcode": "10115", "city": "Berlin", "country": "Germany"},
        ),
        (
            "Address,City,Postcode,Country",
            "1 High St\nFloor 2,London,N1,GB",
            {
                "address": "",
                "street": "1 High St",
                "street2": "Floor 2",
                "city": "London",
                "postcode": "N1",
                "country": "GB",
            },
        ),
        ("Address,Country", "1 High St,GB", {"address": "", "street": "1 High St", "street2": "", "country": "GB"}),
        ("Address,Country", "1 High St\nA\nB,GB", {"address": "1 High St\nA\nB\nGB", "country": "GB"}),
        (
            "address,street,country",
            "1 High St\nA\nB,,GB",
            {"address": "1 High St\nA\nB", "street": "", "country": "GB"},
        ),
        ("City,Postcode", ",", {"city": "", "postcode": ""}),
    ],
)
def test_an_address_with_a_country_has_parts(header: str, row: str, parts: dict[str, str]) -> None:
    request = read("customers", f"reference,name,currency,{header}", f"ACME,ACME Inc,EUR,{row}").request
    assert request is not None
    assert {
        name: value for name, value in request.spec.items() if name not in {"reference", "name", "currency"}
    } == parts


def test_schemes_get_back_the_zeros_that_a_spreadsheet_dropped() -> None:
    request = read(
        "customers", "reference,name,currency,electronic_scheme,registration_scheme", "A,A,EUR,88,em"
    ).request
    assert request is not None
    assert (request.spec["electronic_scheme"], request.spec["registration_scheme"]) == ("0088", "EM")


def test_a_number_of_a_workbook_is_not_that_of_an_equal_text() -> None:
    """Values of cells are kept by their texts, and only texts are read by the number format."""
    columns = ("customer", "description", "amount")
    written = CellFormat(NumberFormat.POINT_COMMA)
    reader = RowReader("charges", ImportPlan(columns, guess_columns("charges", columns), written=written), "f" * 64)
    cells = (NumberCell("1.234"), "1.234", NumberCell("1.234"), "1,5", "1,5")
    rows = [reader._read_row(Record(2, 0, ["ACME", "Work", cell])) for cell in cells]
    number, half = Decimal("1.234"), Decimal("1.5")
    assert [row.values["amount"] for row in rows] == [number, None, number, half, half]
    assert [len(row.problems) for row in rows] == [0, 1, 0, 0, 0]


def test_metadata_of_equal_cells_is_not_shared() -> None:
    columns = ("customer", "description", "amount", "incurred_on", "metadata")
    reader = RowReader("charges", ImportPlan(columns, guess_columns("charges", columns)), "f" * 64)
    rows = [reader.read([Record(2, 0, ["ACME", "Work", "1", "2026-11-01", '{"a": "b"}'])]).request for _ in range(2)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].spec.metadata == rows[1].spec.metadata == {"a": "b"}
    assert rows[0].spec.metadata is not rows[1].spec.metadata
