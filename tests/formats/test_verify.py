"""Files that come back: unchanged, saved by a spreadsheet, changed, cut off; and data that went on meanwhile."""

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.formats import export, journal, meta_filters
from billing_admin.formats.export import META_SUFFIX, ExportRequest
from billing_admin.formats.exported_csv import read_content
from billing_admin.formats.journal import JournalRequest
from billing_admin.formats.verify import Meta, Verification, read_meta, verify_file
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.exports import FILE_KINDS, Filters
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.journal import Period
from tests.making import NOW, bill, make_customer, make_payment_spec, make_service, make_spec, pay, post
from tests.prepared import prepared

TODAY = date(2026, 6, 1)
USD = ExportRequest("charges", ChargeFilter(currency="USD"))


@pytest.fixture
@prepared
def month(session: Session) -> Session:
    """Charges in two currencies, billed and paid."""
    acme = make_customer(reference="acme", name="=Acme; Inc")
    service = make_service()
    post(
        make_spec(acme, service=service, quantity="3"),
        make_spec(acme, "0.005", description="über; two"),
        make_spec(acme, "7", currency="EUR", metadata={"a": "1"}),
    )
    bill()
    pay(make_payment_spec(acme, "5", reference="+1"))
    session.rollback()
    return session


def exported(session: Session, wanted: ExportRequest = USD) -> tuple[bytes, Meta]:
    """A file and its `.meta.json`."""
    session.rollback()
    sink = io.BytesIO()
    made = export.write_export(session, wanted, sink)
    about = export.describe_export(wanted, "a.csv", made, NOW, "me")
    return sink.getvalue(), read_meta(export.meta_json(about))


def brought(session: Session, content: bytes, meta: Meta | None) -> Verification:
    session.rollback()
    return verify_file(session, io.BytesIO(content), meta, TODAY)


@pytest.mark.parametrize("kind", [kind for kind in FILE_KINDS if kind != "numbers"])
@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_unchanged(month: Session, kind: str, format: str) -> None:
    content, meta = exported(month, ExportRequest(kind, meta_filters.no_filters(kind, TODAY), format))
    found = brought(month, content, meta)
    assert (found.same_bytes, found.same_now, found.same_totals_now, found.kind) == (True, True, True, kind)
    assert not any(line.differs for line in found.lines)
    if format == "csv":
        assert found.content is not None
        assert (found.content.kind, found.content.written, found.content.problems) == (kind, (), ())
        assert found.content.rows == meta.rows
        assert found.content.sums == dict(meta.sums)
        alone = brought(month, content, None)
        assert (alone.same_bytes, alone.same_now, alone.kind) == (None, True, kind)


def test_a_file_of_the_earlier_formula_rule_is_verified_by_it(month: Session) -> None:
    make_customer(reference="full-width", name="＝1+1")
    customers = ExportRequest("customers", meta_filters.no_filters("customers", TODAY), formula_rule=1)
    content, stated = exported(month, customers)
    assert "＝1+1" in content.decode()
    assert "'＝1+1" not in content.decode()
    assert "'＝1+1" in exported(month, replace(customers, formula_rule=2))[0].decode()
    sink = io.BytesIO()
    made = export.write_export(month, customers, sink)
    about = export.describe_export(customers, "a.csv", made, NOW, "me")
    assert about.pop("formula_rule") == 1  # releases before it did not state it
    meta = read_meta(export.meta_json(about))
    assert meta == stated
    found = brought(month, content, meta)
    assert (found.same_bytes, found.same_now) == (True, True)


def as_excel(content: bytes) -> bytes:
    """As a German Excel saves it: semicolons, decimal commas, a byte order mark."""
    file = io.StringIO(newline="")
    rows = csv.reader(io.StringIO(content.decode(), newline=""))
    csv.writer(file, delimiter=";").writerows([cell.replace(".", ",") for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + file.getvalue().encode()


SAVED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "semicolons": (as_excel, "its delimiter is a semicolon"),
    "tabs": (lambda content: content.replace(b",", b"\t"), "its delimiter is a tab"),
    "lines": (lambda content: content.replace(b"\r\n", b"\n"), "do not end with CR LF"),
    "windows": (lambda content: content.decode().encode("cp1252"), "Windows-1252"),
    "utf-16": (lambda content: content.decode().encode("utf-16"), "UTF-16"),
}


@pytest.mark.parametrize("how", SAVED)
def test_saved_by_a_spreadsheet(month: Session, how: str) -> None:
    content, meta = exported(month)
    save, said = SAVED[how]
    found = brought(month, save(content), meta)
    assert (found.same_bytes, found.only_a_bom, found.same_content, found.same_totals_now) == (False, False, True, True)
    assert found.content is not None
    assert said in "; ".join(found.content.written)
    assert found.content.sums == {"USD": Decimal("7.505")}


def test_a_byte_order_mark(month: Session) -> None:
    content, meta = exported(month)
    found = brought(month, b"\xef\xbb\xbf" + content, meta)
    assert (found.same_bytes, found.only_a_bom, found.same_now) == (False, True, True)
    with_bom, own = exported(month, replace(USD, excel=True))
    assert brought(month, with_bom, own).same_bytes is True


def test_changed(month: Session) -> None:
    content, meta = exported(month)
    found = brought(month, content.replace(b"7.5,USD", b"8.5,USD"), meta)
    assert (found.same_bytes, found.same_content, found.same_now) == (False, False, False)
    assert found.as_stated_now is True
    [rows, sum_] = found.lines
    assert (rows.differs, sum_.in_file, sum_.stated, sum_.now) == (False, "8.505", "7.505", "7.505")


def test_cut_off(month: Session) -> None:
    content, meta = exported(month)
    found = brought(month, content[:-20], meta)
    assert found.content is not None
    assert "The file may be incomplete: its last line has no line break." in found.content.problems
    assert found.same_bytes is False


def test_a_number_that_excel_spoiled(month: Session) -> None:
    content, _ = exported(month)
    found = brought(month, content.replace(b"0.005,USD", b"5E-03,USD"), None)
    assert found.content is not None
    assert "“5E-03” in row 1 is not a plain number" in found.content.problems[0]


def test_the_data_went_on(month: Session) -> None:
    content, meta = exported(month)
    post(make_spec("acme", "100"))
    found = brought(month, content, meta)
    assert (found.same_bytes, found.same_now, found.same_totals_now) == (True, False, False)
    [rows, sum_] = found.lines
    assert (rows.in_file, rows.now, sum_.stated, sum_.now) == ("2", "3", "7.505", "107.505")


def test_something_else_went_on(month: Session) -> None:
    """A payment changes an invoice's state, but no total."""
    content, meta = exported(month, ExportRequest("invoices", InvoiceFilter(TODAY)))
    pay(make_payment_spec("acme", "1"))
    found = brought(month, content, meta)
    assert (found.same_bytes, found.same_now, found.same_totals_now) == (True, False, True)


def test_what_is_none_of_ours(month: Session) -> None:
    for content in (b"", b"\0\xff\xfe", b"a,b\r\n1,2\r\n", b"PK\x03\x04" * 100, b'"' * 10):
        found = brought(month, content, None)
        assert (found.content, found.kind, found.same_now) == (None, None, None)
        assert found.why_not_now


def test_a_customer_that_is_gone(month: Session) -> None:
    content, meta = exported(month)
    found = brought(month, content, replace(meta, filters={"customer": "nobody"}))
    assert (found.same_now, found.why_not_now) == (None, "There is no customer “nobody”.")


def test_a_journal(month: Session) -> None:
    wanted, sink = JournalRequest(Period(date(2026, 3, 1), None), opening=True), io.BytesIO()
    about = journal.describe_journal(wanted, wanted.name, journal.write_journal(month, wanted, sink), NOW, "me")
    meta = read_meta(export.meta_json(about))
    found = brought(month, sink.getvalue(), meta)
    assert (found.same_bytes, found.same_now, found.content) == (True, True, None)
    assert brought(month, sink.getvalue() + b"\n", meta).same_bytes is False


def test_the_zip_holds_what_belongs_together(month: Session) -> None:
    for format in ("csv", "xlsx"):
        wanted = replace(USD, format=format)
        parts = export.zip_bundle(db.session, wanted, NOW, "me", TODAY)
        with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
            assert archive.testzip() is None
            name = f"charges-2026-06-01.{format}"
            assert archive.namelist() == [name, name + META_SUFFIX]
            meta = read_meta(archive.read(name + META_SUFFIX))
            assert brought(month, archive.read(name), meta).same_bytes is True


GOOD: dict[str, Any] = {
    "name": "a", "kind": "charges", "format": "csv", "filters": {}, "made_at": "2026-04-02T09:30:00Z", "made_by": "", "rows": 1,
    "sums": {}, "sha256": "0" * 64,
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "x"}, {"sha256": 1}, {"rows": "many"}, {"sums": []}, {"sums": {"EUR": 1.5}}, {"sums": {"EUR": "x"}},
        {"filters": 3}, {"kind": None}, {"format": "pdf"}, {"made_at": "now"},
        {"sums": {"EUR": "1E+999999999"}}, {"sums": {"EUR": "sNaN"}}, {"sums": {"EUR": "Infinity"}}, {"sums": {"EUR": "1" * 31}},
        {"format": "hledger"}, {"kind": "journal", "format": "xlsx"},
    ],
)  # fmt: skip
def test_a_meta_file_that_is_none(wrong: dict[str, Any]) -> None:
    assert read_meta(json.dumps(GOOD).encode()).rows == 1
    for content in (json.dumps(GOOD | wrong).encode(), b"", b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(Invalid):
            read_meta(content)


@pytest.mark.parametrize(
    "given", [{"colour": "red"}, {"customer": 1}, {"from": "yesterday"}, {"line": "x"}, {"customer": "\0"}]
)
def test_filters_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        meta_filters.filters_from_json("charges", given)
    with pytest.raises(Invalid):
        meta_filters.filters_from_json("payslips", {})


@pytest.mark.parametrize("kind", [kind for kind in FILE_KINDS if kind != "numbers"])
def test_filters_come_back(kind: str) -> None:
    everything: Filters = meta_filters.no_filters(kind, TODAY)
    assert (
        meta_filters.filters_from_json(kind, json.loads(json.dumps(meta_filters.filters_as_json(everything))))
        == everything
    )


def test_a_newer_file_has_more_columns_and_an_older_one_fewer(month: Session) -> None:
    content, _ = exported(month)
    lines = content.decode().splitlines()
    newer = "".join(f"{line},x\r\n" for line in lines).encode()
    older = "".join(",".join(line.split(",")[:11]) + "\r\n" for line in lines).encode()
    for one in (newer, older):
        found = read_content(io.BytesIO(one))
        assert found is not None
        assert (found.kind, found.sums, found.problems) == ("charges", {"USD": Decimal("7.505")}, ())


@pytest.mark.parametrize(
    "content", [b"," * 3_000_000, b"a" * 20_000_000, pytest.param(b'"' + b"a\n" * 1_000_000, marks=pytest.mark.deep)]
)
def test_a_row_without_end_is_none_of_ours(month: Session, content: bytes) -> None:
    tracemalloc.start()
    assert brought(month, content, None).content is None
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


def test_behind_the_header_it_is_a_problem(month: Session) -> None:
    content, _ = exported(month, USD)
    found = brought(month, content + b"," * 3_000_000, None)
    assert found.content
    assert "longer than" in found.content.problems[0]


def test_of_what_one_may_not_see_nothing_is_counted(month: Session) -> None:
    content, meta = exported(month, ExportRequest("audit-events", meta_filters.no_filters("audit-events", TODAY)))
    month.rollback()
    found = verify_file(month, io.BytesIO(content), meta, TODAY, {"charges"})
    assert (found.same_bytes, found.same_now, found.why_not_now) == (
        True,
        None,
        "You do not have permission to see the data of this file.",
    )
    assert [line.now for line in found.lines] == [None]


def test_a_large_file_is_compared_by_its_sums(month: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    content, meta = exported(month, USD)
    monkeypatch.setattr(export, "LARGE_EXPORT_ROWS", 0)
    found = brought(month, content, meta)
    assert (found.same_bytes, found.same_now, found.same_totals_now) == (True, None, True)
    assert "too large" in found.why_not_now
