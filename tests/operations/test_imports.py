"""Imports: what the check promises is what is made; errors are named by line; nothing comes in twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.background.imports import check_file, import_file
from billing_admin.background.runner import HANDLERS, Cancelled, Progress
from billing_admin.clock import now
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.domain.errors import Conflict, Denied, Invalid, NotFound
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.rows import Record, RowReader
from billing_admin.domain.imports.tally import Tally
from billing_admin.domain.number_format import NumberFormat
from billing_admin.models import AuditEvent, Charge, Customer, Import, Payment, Service
from billing_admin.operations import files, jobs
from billing_admin.operations.imports import imports
from billing_admin.operations.imports.kinds import import_rows
from billing_admin.operations.master_data import customers, services
from billing_admin.queries.imports import earlier_import, import_by_id
from billing_admin.queries.jobs import latest_job
from tests.importing import bring, check, counted, errors, planned, take_in, told
from tests.making import NOW, make_customer, make_invoice, make_service, make_spec, post
from tests.web.reading import fresh


def count(session: Session, model: type) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(model)) or 0


CHARGES = (
    "customer,service,quantity,day,key\nacme,GenericCompute,3,2026-03-01,a\nacme,GenericCompute,2.5,2026-03-02,b\n"
)


def test_charges_come_in_as_promised(session: Session) -> None:
    make_customer(reference="acme")
    make_service()
    one = take_in("charges", CHARGES)
    tally = counted(one)
    assert (tally.rows, tally.new, tally.unchanged) == (2, 2, 0)
    assert tally.sums == tally.added == {"USD": Decimal("13.75")}
    rows = fresh(session, select(Charge).order_by(Charge.incurred_on))
    assert [(row.quantity, row.amount, row.incurred_on) for row in rows] == [
        (Decimal(3), Decimal("7.5"), date(2026, 3, 1)),
        (Decimal("2.5"), Decimal("6.25"), date(2026, 3, 2)),
    ]


def test_the_check_stores_nothing_but_itself(session: Session) -> None:
    make_customer(reference="acme")
    make_service()
    models = (Customer, Service, Charge, Payment)
    before = [count(session, model) for model in models]
    check("charges", CHARGES)
    check("customers", "reference,name,currency\nx,X,EUR\n")
    check("services", "code\nx\n")
    check("payments", "customer,amount\nacme,5\n")
    assert [count(session, model) for model in models] == before
    session.rollback()
    actions = set(session.scalars(select(AuditEvent.action)))
    assert not actions & {"charge.posted", "payment.recorded"}


def test_the_same_file_again_changes_nothing(session: Session) -> None:
    make_customer(reference="acme")
    make_service()
    without_key = "customer,service,quantity\nacme,GenericCompute,3\nacme,GenericCompute,3\n"
    first = take_in("charges", without_key)
    assert count(session, Charge) == 2  # equal rows are two charges
    again = take_in("charges", without_key)
    assert (counted(again).new, counted(again).unchanged, counted(again).added) == (0, 2, {})
    assert counted(again).sums == counted(first).sums
    assert count(session, Charge) == 2
    session.rollback()
    found = earlier_import(session, again)
    assert found is not None
    assert found.id == first.id


def test_a_key_is_the_same_charge_in_another_file(session: Session) -> None:
    make_customer(reference="acme")
    make_service()
    take_in("charges", CHARGES)
    more = CHARGES + "acme,GenericCompute,1,2026-03-03,c\n"
    assert (counted(take_in("charges", more)).new, counted(one := check("charges", more)).unchanged) == (1, 3)
    other = check("charges", CHARGES.replace("2.5", "2.6"))
    assert (other.state, told(other)) == ("refused", [(3, "key", "b")])
    assert "which has a different quantity" in errors(other)[0].message
    assert one.state == "checked"


def test_every_error_is_reported_and_nothing_is_stored(session: Session) -> None:
    make_customer(reference="acme")
    make_service()
    one = check(
        "charges",
        "customer,service,quantity,unit_price,amount,day,key\n"
        "acme,GenericCompute,x,,,2026-02-30,1\n"
        ",Nope,1,,,,2\n"
        "nobody,GenericCompute,1,,,,3\n"
        "acme,Nope,1,,,,4\n"
        "acme,GenericCompute,2,3,7,,5\n"
        "acme,GenericCompute\n"
        'acme,,1,,,,"7\n\n"\n'
        "acme,GenericCompute,1,,,,5\n"
        "acme,GenericCompute,1,,,,8\n"
        "acme,GenericCompute,1,,,,8\n"
        "acme,GenericCompute,1,,,,\n",
    )
    assert told(one) == [
        (2, "quantity", "x"),
        (2, "day", "2026-02-30"),
        (3, "customer", ""),
        (3, "service", "Nope"),
        (4, "customer", "nobody"),
        (5, "service", "Nope"),
        (6, "amount", "7"),
        (7, "key", ""),
        (8, "service", ""),
        (11, "key", "5"),
        (13, "key", "8"),
        (14, "key", ""),
    ]
    tally = counted(one)
    assert (one.state, tally.rows, tally.errors, tally.wrong) == ("refused", 11, 12, 10)
    assert "Line 6 has the same" in errors(one)[9].message
    assert "Line 12 has the same" in errors(one)[10].message
    with pytest.raises(Conflict, match="must pass the check"):
        transaction(imports.start, one.id, SYSTEM, NOW)


def test_a_row_with_wrong_cells_is_checked_against_stored_records_as_well(session: Session) -> None:
    acme = make_customer(reference="acme")
    number = make_invoice(acme, "10").number
    charge = check("charges", "customer,service,quantity,currency,metadata\nnobody,Nope,x,EUX,7\nacme,Nope,1,,\n")
    assert told(charge) == [
        (2, "customer", "nobody"),
        (2, "service", "Nope"),
        (2, "quantity", "x"),
        (2, "currency", "EUX"),
        (2, "metadata", "7"),
        (3, "service", "Nope"),
    ]
    nameless = check("charges", "customer,description,amount,incurred_on\nNOPE,,1,2026-11-01\n")
    assert told(nameless) == [(2, "customer", "NOPE"), (2, "description", "")]
    payment = check(
        "payments",
        f"customer,amount,received_on,allocate,method\nnobody,x,2999-01-01,INV-9,gold\nnobody,5,,{number},\n"
        "acme,1.234,,INV-9,\n",
    )
    assert told(payment) == [
        (2, "customer", "nobody"),
        (2, "amount", "x"),
        (2, "received_on", "2999-01-01"),
        (2, "allocate", "INV-9"),
        (2, "method", "gold"),
        (3, "customer", "nobody"),
        (4, "amount", "1.234"),
        (4, "allocate", "INV-9"),
    ]
    service = check("services", "code,tax_rate,archived\n,nope,maybe\n")
    assert told(service) == [(2, "code", ""), (2, "tax_rate", "nope"), (2, "archived", "maybe")]
    customer = check(
        "customers", "reference,name,currency,tax_treatment,email,payment_terms_days\nacme,Other,EUX,none,x,1.5\n"
    )
    assert told(customer) == [
        (2, "name", "Other"),
        (2, "currency", "EUX"),
        (2, "tax_treatment", "none"),
        (2, "email", "x"),
        (2, "payment_terms_days", "1.5"),
    ]


def test_keys_are_found_twice_across_chunks(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    make_customer(reference="acme")
    monkeypatch.setattr("billing_admin.background.imports.CHUNK_ROWS", dict.fromkeys(("charges", "services"), 2))
    rows = "".join(f"acme,Work,1,{key}\n" for key in "abcdeaf")
    assert told(check("charges", "customer,description,amount,key\n" + rows)) == [(7, "key", "a")]
    twice = check("services", "code,name\na,A\nb,B\nc,C\na,A\n")
    assert told(twice) == []  # the same content again says nothing new
    assert (counted(twice).new, counted(twice).unchanged) == (3, 1)
    different = check("services", "code,name\na,A\nb,B\nc,C\na,X\n")
    assert told(different) == [(5, "code", "a")]
    assert "next to each other" in errors(different)[0].message


def test_a_customer_that_is_repeated_with_the_same_values_is_imported_once(session: Session) -> None:
    text = "reference,name,currency\na,A,EUR\nb,B,EUR\na,A,EUR\n"
    done = take_in("customers", text)
    assert (counted(done).rows, counted(done).new, counted(done).unchanged) == (3, 2, 1)
    assert count(session, Customer) == 2
    assert told(check("customers", text.replace("b,B", "a,B"))) == [(3, "reference", "a")]


def test_held_stays_held_and_what_is_over_is_left_out(session: Session) -> None:
    make_customer(reference="acme")
    said = ("a,1,pending,", "b,2,held,Ask Jo", "c,4,billed,", "d,8,cancelled,")
    text = "customer,description,amount,status,status_reason\n" + "".join(f"acme,{row}\n" for row in said)
    one = take_in("charges", text)
    assert (counted(one).new, counted(one).left_out, counted(one).sums) == (2, 2, {"USD": Decimal(3)})
    rows = fresh(session, select(Charge).order_by(Charge.description))
    assert [(row.status, row.status_reason) for row in rows] == [("pending", None), ("held", "Ask Jo")]
    settled = take_in("charges", text, settled=True)
    assert (counted(settled).new, counted(settled).unchanged, counted(settled).left_out) == (1, 2, 1)


def test_customers_are_added_left_or_changed_by_choice(session: Session) -> None:
    make_customer(reference="acme", name="ACME", currency="EUR")
    text = "Customer ID;Company;Currency;E-mail;Archived\nacme;ACME Inc;eur;pay@acme.example;no\nfoo;Foo;USD;;true\n"
    one = check("customers", text, delimiter="semicolon")
    assert told(one) == [(2, "Company", "ACME Inc")]
    assert "choose to update existing records" in errors(one)[0].message
    done = take_in("customers", text, delimiter="semicolon", update=True)
    assert (counted(done).new, counted(done).changed) == (1, 1)
    again = take_in("customers", text, delimiter="semicolon")
    assert (counted(again).new, counted(again).unchanged) == (0, 2)
    rows = fresh(session, select(Customer).order_by(Customer.reference))
    assert [(row.name, row.email, row.archived_at is None) for row in rows] == [
        ("ACME Inc", "pay@acme.example", True),
        ("Foo", "", False),
    ]
    back = text.replace("true", "false")
    assert "archived here" in errors(check("customers", back, delimiter="semicolon"))[0].message
    assert counted(take_in("customers", back, delimiter="semicolon", update=True)).changed == 1


def test_services_come_with_all_their_prices(session: Session) -> None:
    text = (
        "code,name,unit,line_per_charge,currency,unit_price,includes_tax\n"
        "a,A,hour,true,EUR,1.5,true\na,A,hour,true,USD,2,false\nb,B,,,,,\n"
    )
    done = take_in("services", text)
    assert (counted(done).rows, counted(done).new) == (3, 2)
    rows = fresh(session, select(Service).order_by(Service.code))
    assert [{one.currency: (one.unit_price, one.includes_tax) for one in row.prices} for row in rows] == [
        {"EUR": (Decimal("1.5"), True), "USD": (Decimal(2), False)},
        {},
    ]
    wrong = check("services", text.replace("a,A,hour,true,USD,2", "a,B,hour,true,USD,"))
    assert told(wrong) == [(3, "name", "B"), (3, "unit_price", "")]
    missing = check("services", text.replace("USD,2", "USD,"))
    assert told(missing) == [(3, "unit_price", "")]
    twice = check("services", text.replace("USD", "EUR"))
    assert told(twice) == [(3, "currency", "EUR")]
    other = check("services", text.replace("1.5", "1.6"))
    assert told(other) == [(2, "unit_price", "1.6")]
    assert counted(take_in("services", text.replace("1.5", "1.6"), update=True)).changed == 1


def test_payments_are_allocated_as_the_file_says(session: Session) -> None:
    acme = make_customer(reference="acme")
    invoice, second = make_invoice(acme, "10"), make_invoice(acme, "20")
    text = (
        "customer,amount,received_on,method,reference,invoice,status,key\n"
        f"acme,10,2026-04-01,card,x,{invoice.number},,1\n"
        f'acme,"15,5",2026-04-01,,y,"{second.number} = 12,5",recorded,2\n'
        "acme,3,2026-04-01,,z,oldest,,3\n"
        "acme,9,2026-04-01,,left,,,4\n"
        "acme,1,2026-04-01,write_off,no,,,5\n"
        "acme,1,2026-04-01,,no,,reversed,6\n"
    )
    done = take_in("payments", text, written=CellFormat(NumberFormat.POINT_COMMA))
    tally = counted(done)
    assert (tally.new, tally.left_out, tally.sums) == (4, 2, {"USD": Decimal("37.5")})
    rows = fresh(session, select(Payment).order_by(Payment.reference))
    assert [(row.reference, row.amount, row.allocated) for row in rows] == [
        ("left", 900, 0),
        ("x", 1000, 1000),
        ("y", 1550, 1250),
        ("z", 300, 300),
    ]
    again = counted(take_in("payments", text, written=CellFormat(NumberFormat.POINT_COMMA)))
    assert (again.new, again.unchanged) == (0, 4)


def test_what_changed_since_the_check_stops_with_the_line(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_admin.background.imports.CHUNK_ROWS", {"charges": 1})
    make_customer(reference="acme")
    late = make_customer(reference="late")
    one = check("charges", "customer,description,amount\nacme,a,1\nlate,b,2\nacme,c,4\n")
    transaction(customers.archive, late.id, SYSTEM, NOW)
    transaction(imports.start, one.id, SYSTEM, NOW)
    with pytest.raises(Conflict, match=r"Line 3: Customer “late” is archived"):
        import_file(one.id, SYSTEM, lambda _count: None)
    stopped = import_by_id(session, one.id)
    assert (stopped.state, stopped.done, Tally.of_data(stopped.made).new) == ("importing", 1, 1)
    assert stopped.failure is not None
    transaction(customers.restore, late.id, SYSTEM, NOW)
    transaction(imports.start, one.id, SYSTEM, NOW)
    import_file(one.id, SYSTEM, lambda _count: None)
    done = import_by_id(session, one.id)
    assert (done.state, done.made, done.failure) == ("done", done.promised, None)
    assert count(session, Charge) == 3


def test_one_that_somebody_stops_goes_on_where_it_stood(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_admin.background.imports.CHUNK_ROWS", {"charges": 2})
    make_customer(reference="acme")
    one = check("charges", "customer,description,amount\n" + "".join(f"acme,{n},1\n" for n in range(5)))
    transaction(imports.start, one.id, SYSTEM, NOW)
    seen: list[tuple[int, int | None]] = []

    def stop(count: Callable[[], tuple[int, int | None]]) -> None:
        seen.append(count())
        raise Cancelled

    for _ in range(2):
        with pytest.raises(Cancelled):
            import_file(one.id, SYSTEM, stop)
    assert seen == [(2, 5), (4, 5)]
    assert (import_by_id(session, one.id).done, count(session, Charge)) == (4, 4)
    import_file(one.id, SYSTEM, lambda _count: None)
    done = import_by_id(session, one.id)
    assert (done.state, done.made, count(session, Charge)) == ("done", done.promised, 5)
    import_file(one.id, SYSTEM, lambda _count: None)  # once more: it is done, and stays so
    assert count(session, Charge) == 5


def test_the_first_chunk_is_told_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_admin.background.imports.CHUNK_ROWS", {"charges": 2})
    make_customer(reference="acme")
    one = check("charges", "customer,description,amount\n" + "".join(f"acme,{n},1\n" for n in range(5)))
    transaction(imports.request_import, one.id, SYSTEM, NOW)
    job = transaction(jobs.claim_next, "a worker", SYSTEM, now())
    assert job is not None
    HANDLERS[imports.IMPORT_JOB](job, Progress(job.id, "a worker", 0, None))
    told = latest_job(session, one.id)
    assert told is not None
    assert (told.done, told.of) == (2, 5)  # of three chunks, within less than the seconds between two beats


def test_a_mapping_must_name_what_is_needed(session: Session) -> None:
    content = b"a,b,currency\n1,2,3\n"
    id = bring("services", content)
    with pytest.raises(Invalid) as refused:
        transaction(imports.set_plan, id, planned("services", content), SYSTEM, NOW)
    assert [problem.field for problem in refused.value.problems] == [("code",), ("unit_price",)]
    with pytest.raises(Conflict, match="cannot be checked"):
        transaction(imports.request_check, id, SYSTEM, NOW)
    with pytest.raises(Conflict, match="Map the columns"):
        check_file(id, SYSTEM, lambda _count: None)


def test_each_kind_needs_its_permission(session: Session) -> None:
    make_customer(reference="acme")
    id = bring("payments", b"customer,amount\nacme,1\n")
    clerk = Actor("person", uuid4(), "clerk", frozenset({"charges:write", "read"}))
    for act in (imports.request_check, imports.start, imports.request_import):
        with pytest.raises(Denied):
            transaction(act, id, clerk, NOW)
    with pytest.raises(Denied):
        transaction(imports.set_plan, id, planned("payments", b"customer,amount\nacme,1\n"), clerk, NOW)


def test_a_file_that_breaks_in_the_middle_is_refused_whole(session: Session) -> None:
    make_customer(reference="acme")
    rows = b"".join(b"acme,Work,%d\n" % n for n in range(3000))
    broken = b"customer,description,amount\n" + rows + b"acme,caf\xe9,1\n"
    one = check("charges", broken)
    assert (one.state, one.failure) == (
        "refused",
        "Line 3002 is not UTF-8: it has the bytes E9 2C. Choose the encoding in which the file was saved.",
    )
    assert counted(take_in("charges", broken, encoding="windows-1252")).new == 3001


def test_a_file_that_is_being_checked_keeps_its_mapping(session: Session) -> None:
    content = b"customer,description,amount\nacme,a,1\n"
    id = bring("charges", content)
    transaction(imports.set_plan, id, planned("charges", content), SYSTEM, NOW)
    transaction(imports.request_check, id, SYSTEM, NOW)
    with pytest.raises(Conflict, match="being checked"):
        transaction(imports.set_plan, id, planned("charges", content), SYSTEM, NOW)


def test_begun_means_begun(session: Session) -> None:
    make_customer(reference="acme")
    one = take_in("charges", "customer,description,amount\nacme,a,1\n")
    with pytest.raises(Conflict, match="has started"):
        transaction(imports.set_plan, one.id, planned("charges", b"customer\nacme\n"), SYSTEM, NOW)
    transaction(imports.request_import, one.id, SYSTEM, NOW)
    assert import_by_id(session, one.id).state == "done"
    assert session.scalars(select(Import.id)).all() == [one.id]


def test_a_charge_that_is_there_is_never_posted_anew(session: Session) -> None:
    acme = make_customer(reference="acme")
    key = uuid4()
    post(make_spec(acme, "5", id=key))
    one = take_in("charges", f"id,customer,description,amount\n{key},acme,Work,5\n")
    assert (counted(one).unchanged, counted(one).sums, counted(one).added) == (1, {"USD": Decimal(5)}, {})


def _forget_files() -> None:
    transaction(files.delete_created_before, NOW + timedelta(days=1))


@pytest.mark.parametrize("width", [100, 117])
def test_a_file_that_is_forgotten_meanwhile_stops_the_import(
    session: Session, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Wherever it breaks off: between rows, or in the middle of one that would still be read."""
    monkeypatch.setattr("billing_admin.operations.files.PART_BYTES", 20 * 100)
    monkeypatch.setattr("billing_admin.background.imports.CHUNK_ROWS", {"charges": 5})
    monkeypatch.setattr("billing_admin.background.imports.BLOCK_BYTES", 64)
    make_customer(reference="acme")
    rows = "".join(f"acme,1,{number:03d}{'x' * (width - 11)}\n" for number in range(60))
    one = check("charges", "customer,amount,description\n" + rows)
    transaction(imports.start, one.id, SYSTEM, NOW)
    with pytest.raises(NotFound, match="deleted after thirty days"):
        import_file(one.id, SYSTEM, lambda _count: _forget_files())
    stopped = import_by_id(session, one.id)
    assert (stopped.state, stopped.done) == ("importing", count(session, Charge))
    assert stopped.done < 60
    assert set(session.scalars(select(func.length(Charge.description)))) == {width - 8}


def test_the_check_of_a_mapping_that_is_another_by_now_counts_no_more(session: Session) -> None:
    make_customer(reference="acme")
    content = b"customer,description,amount\nacme,a,1\n"
    id = bring("charges", content)
    old = planned("charges", content)
    transaction(imports.set_plan, id, old, SYSTEM, NOW)
    transaction(
        imports.record_check, id, planned("charges", content, settled=True), Tally(rows=7), None, (), None, SYSTEM, NOW
    )
    found = import_by_id(session, id)
    assert (found.state, found.promised) == ("checking", None)


def test_an_address_in_parts_is_imported_with_the_country_that_the_file_names(session: Session) -> None:
    header = "Kundennummer,Firma,Währung,Straße,PLZ,Ort,Land,Sprache,custom_lines"
    take_in("customers", f"{header}\nA,Alpha,EUR,Hof 2,10115,Berlin,Deutschland,de,Kostenstelle: 4711\n")
    customer = session.scalars(select(Customer)).one()
    assert (customer.street, customer.postcode, customer.city, customer.country) == ("Hof 2", "10115", "Berlin", "DE")
    assert (customer.address, customer.language) == ("", "de")
    assert customer.custom_lines == [{"label": "Kostenstelle", "value": "4711"}]


def test_wrong_details_of_customers_are_reported_in_their_columns(session: Session) -> None:
    header = "reference,name,currency,city,country,tax_id,electronic_scheme"
    one = check("customers", f"{header}\nA,Alpha,EUR,Berlin,Atlantis,DE1,\nB,Beta,EUR,Berlin,DE,,EM\n")
    assert [row[:2] for row in told(one)] == [
        (2, "country"),
        (2, "tax_id"),
        (3, "electronic_scheme"),
    ]


def test_an_address_as_text_over_one_in_parts_is_refused(session: Session) -> None:
    take_in("customers", "reference,name,currency,street,city,country\nA,Alpha,EUR,Hof 2,Berlin,DE\n")
    one = check("customers", "reference,name,currency,address\nA,Alpha,EUR,Elsewhere 1\n", update=True)
    assert [row[:2] for row in told(one)] == [(2, "address")]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("kind", "operations"), [("services", services), ("customers", customers)])
def test_two_files_lock_the_same_records_in_one_order(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, kind: str, operations: Any
) -> None:
    """Otherwise each would wait for a record that the other has locked, and change one that it had read before."""
    for code in "AB":
        make_service(code=code)
        make_customer(reference=code)
    update, attempts, met = operations.update, list[str](), Barrier(2)

    def update_and_wait(*args: Any) -> Any:
        changed = update(*args)
        with suppress(BrokenBarrierError):
            met.wait(0.3)
        return changed

    monkeypatch.setattr(operations, "update", update_and_wait)

    def import_in_order(codes: str) -> None:
        def work(session: Session) -> None:
            attempts.append(codes)
            import_rows(session, kind, plan, requests, SYSTEM, NOW)

        plan = planned(kind, b"code,name\n" if kind == "services" else b"reference,name\n", update=True)
        reader = RowReader(kind, plan, "f" * 64)
        reads = [reader.read([Record(line, line - 2, [code, codes])]) for line, code in enumerate(codes, 2)]
        requests = [read.request for read in reads if read.request]
        with app.app_context():
            transaction(work)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(import_in_order, ["AB", "BA"]))
    assert sorted(attempts) == ["AB", "BA"]
    session.rollback()
    table = Service if kind == "services" else Customer
    assert len(set(session.scalars(select(table.name)))) == 1
