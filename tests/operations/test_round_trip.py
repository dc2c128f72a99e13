"""Everything exported, imported into an empty installation, and exported again: the same bytes, all that a file carries."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.charges import charges
from billing_admin.operations.master_data import customers, services
from tests.conftest import SQLite
from tests.making import NOW, make_customer, make_payment_spec, make_service, make_spec, make_tax_rate, pay, post

KINDS = ("customers", "services", "charges", "payments")


def fill() -> None:
    """Things whose texts, numbers and states are hard to carry; nothing is billed, as a file brings no invoice."""
    make_tax_rate("VAT19")
    hard = make_customer(
        reference="=acme",
        name="'=cmd|' /C calc'!A0",
        currency="EUR",
        email="a@b.example",
        address='1 "Main" Street\nSpringfield; 12345\n',
        tax_id="+49",
        tax_treatment="reverse_charge",
        payment_terms_days=0,
        notes="-1,5\ttabbed",
    )
    plain = make_customer(reference="café", name="''@x", currency="JPY")
    make_customer(
        reference="parts",
        name="Parts",
        currency="EUR",
        address="Not printed",
        street="=Hof 2",
        postcode="01099",
        city="Dresden",
        country="DE",
        tax_id="DE136695976",
        registration_id="4000001000005",
        registration_scheme="0088",
        electronic_address="pay@acme.example",
        electronic_scheme="EM",
        language="de",
        paper="letter",
        e_invoice="xrechnung-cii",
        buyer_reference="04011000-1234512345-06",
        contract="-7",
        custom_lines=[{"label": "Cost: centre", "value": "=4711"}, {"label": "“ü”", "value": "a\tb"}],
        delivery_name="Gate 3",
        delivery_city="Basel",
        delivery_country="CH",
        monthly_statements=True,
    )
    make_customer(reference="country", name="Country alone", currency="EUR", address="1\n2\n3", country="FR")
    gone = make_customer(reference="gone", name="'quoted'", currency="USD")
    transaction(customers.archive, gone.id, SYSTEM, NOW)
    prices = {"EUR": Decimal("0.000000000001"), "JPY": Decimal(999999999999999999)}
    service = make_service(
        code="@s", name="S", unit="h", unit_code="HUR", tax_rate="VAT19", prices=prices, prices_include_tax=["EUR"]
    )
    old = make_service(code="old", name="Old", prices={}, line_per_charge=True, revenue_account="Revenue:Old")
    transaction(services.archive, old.id, SYSTEM, NOW)
    posted = post(
        make_spec(hard, service=service, quantity="3.000000000001"),
        make_spec(hard, "-12.34", description="=1+1", metadata={"cluster": "7", "a": "ü"}),
        make_spec(hard, description="'+x", unit_price="2", quantity="0", tax_included=True),
        make_spec(plain, "5", description="x,y;z\t'"),
        make_spec(plain, "7", currency="EUR", incurred_on=date(2026, 2, 28)),
        replace(make_spec(plain, "8"), period_from=date(2026, 3, 1), period_to=date(2026, 3, 31)),
        replace(make_spec(plain, "9"), period_from=date(2026, 3, 2), period_to=date(2026, 3, 2), period_of_days=31),
    )
    transaction(charges.hold, posted.ids[3:4], "Ask Jo; =now", SYSTEM, NOW)
    pay(make_payment_spec(hard, "0.01", (), reference="'@ref", received_on=date(2026, 3, 1), id=UUID(int=5)))
    pay(make_payment_spec(plain, "700", (), method="cash", received_on=date(2026, 3, 2), id=UUID(int=6)))


def run(app: Flask, *arguments: str) -> None:
    done = app.test_cli_runner().invoke(args=list(arguments))
    assert done.exit_code == 0, done.output


def files(app: Flask, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    for kind in KINDS:
        run(app, "export", kind, str(folder / f"{kind}.csv"))
    return {kind: (folder / f"{kind}.csv").read_bytes() for kind in KINDS}


@time_machine.travel(NOW, tick=False)
def test_what_goes_out_comes_in_again(
    app: Flask, session: Session, backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fill()
    before = files(app, tmp_path / "first")
    db.session.remove()
    database: SQLite = request.getfixturevalue(backend)
    database.reset()
    make_tax_rate("VAT19")
    for kind in KINDS:
        run(app, "import", kind, str(tmp_path / "first" / f"{kind}.csv"))
    after = files(app, tmp_path / "second")
    for kind in KINDS:
        assert after[kind].decode().splitlines() == before[kind].decode().splitlines(), kind
    assert after == before
    for kind in KINDS:  # and once more: nothing is new
        run(app, "import", kind, str(tmp_path / "second" / f"{kind}.csv"))
    assert files(app, tmp_path / "third") == before
