"""`client/examples/post_charges.py`, run as a process: its output, refused rows, and exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from billing_client import Client, charge_id

from tests.client.standin import TOKEN, StandIn, problem
from tests.conftest import ROOT

EXAMPLE = ROOT / "client" / "examples" / "post_charges.py"
GOOD = "event,customer,service,quantity,incurred_on,metadata.cluster\ne-1,ACME,hosting,58,2026-01-15,7\ne-2,ACME,hosting,0.5,,\n"


class Ran:
    """The exit code and output of one run of the example."""

    def __init__(self, home: str, token: str, *options: str, stdin: bytes = b"") -> None:
        environment = os.environ | {"BILLING_URL": home, "BILLING_TOKEN": token, "PYTHONPATH": str(ROOT / "client")}
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), *options], env=environment, input=stdin, capture_output=True, check=False
        )
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()


def test_usage_is_posted_and_a_second_run_adds_nothing(home: str, token: str, billing: Client, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text("\ufeff" + GOOD, "utf-8")
    first, second = Ran(home, token, str(file)), Ran(home, token, stdin=GOOD.encode())
    assert (first.code, first.err) == (0, "")
    assert first.out == "2 rows: 2 created, 0 posted before, 0 refused; 0 likely duplicates.\n"
    assert second.out == "2 rows: 0 created, 2 posted before, 0 refused; 0 likely duplicates.\n"
    charge = billing.charges.get(charge_id("post_charges", "e-1"))
    assert (str(charge.amount), str(charge.incurred_on), charge.metadata) == ("2.9", "2026-01-15", {"cluster": "7"})
    another = Ran(home, token, "--source", "meter-2", stdin=GOOD.encode())
    assert "2 created" in another.out
    assert "2 likely duplicates" in another.out


def test_rows_that_are_wrong_are_named_and_the_other_batches_are_posted(home: str, token: str, billing: Client) -> None:
    rows = [f"e-{n},ACME,hosting,{n}" for n in range(1, 10)]
    rows[1] = "e-2,NOBODY,hosting,many"
    rows[4] = "e-5,ACME,hosting,"
    rows[6] = 'e-7,ACME,"two\nlines",7'
    file = "\n".join(["event,customer,service,quantity", *rows, "e-10,ACME", ""])
    ran = Ran(home, token, "--batch-size", "3", stdin=file.encode())
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert "line 6: quantity: enter a value." in lines
    assert any(line.startswith("line 3: quantity: ") for line in lines)
    assert any(line.startswith("line 9: service: There is no service") for line in lines)
    assert "line 12: row: the number of cells differs from the number of columns." in lines
    assert ran.out.startswith("10 rows: 2 created, 0 posted before, 8 refused;")
    assert {charge.quantity for charge in billing.charges.list()} == {8, 9}


def test_another_row_under_the_same_event_is_named(home: str, token: str) -> None:
    Ran(home, token, stdin=GOOD.encode())
    ran = Ran(home, token, stdin=GOOD.replace("58", "59").encode())
    assert ran.code == 1
    assert "line 2: id: This ID belongs to" in ran.err
    assert "a different quantity" in ran.err


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        (b"customer,quantity\nACME,1\n", (), "no column “event”. Name the columns that identify an event with --key."),
        (b"event,quantity\n1,1\n", (), "no column “customer”"),
        (b"event,customer,quantiy\n1,ACME,7\n", (), "A charge has no field “quantiy”"),
        (b"event,customer,customer\n1,A,B\n", (), "same name"),
        (b"", (), "no column “customer”"),
        (b"event,customer,description\n1,ACME,\xff\n", (), "UTF-8"),
        (b'event,customer\n1,"AC"ME\n', (), "Line 2 cannot be read"),
        (GOOD.encode(), ("--batch-size", "0"), "Set batch_size to a number from 1 to 10,000"),
        (b"", ("/nowhere/usage.csv",), "/nowhere/usage.csv"),
    ],
)
def test_a_file_without_usage_is_refused_with_a_message(
    stand_in: StandIn, file: bytes, options: tuple[str, ...], message: str
) -> None:
    ran = Ran(stand_in.address, TOKEN, *options, stdin=file)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_several_columns_may_tell_events_apart(home: str, token: str, billing: Client) -> None:
    file = b"day;meter;customer;service;quantity\n2026-01-15;7;ACME;hosting;1\n"
    wrong = Ran(home, token, "--delimiter", ";", "--key", "incurred_on", stdin=file)
    assert "no column “incurred_on”" in wrong.err
    file = file.replace(b"day", b"incurred_on").replace(b"meter", b"metadata.meter")
    ran = Ran(home, token, "--delimiter", ";", "--key", "incurred_on", "--key", "metadata.meter", stdin=file)
    assert (ran.code, ran.err) == (0, "")
    assert billing.charges.get(charge_id("post_charges", "2026-01-15", "7")).quantity == 1


def test_a_token_without_rights_and_a_server_that_is_away(stand_in: StandIn) -> None:
    assert "BILLING_TOKEN" in Ran(stand_in.address, "", stdin=GOOD.encode()).err
    stand_in.says(problem(401, "bad_token"))
    ran = Ran(stand_in.address, TOKEN, stdin=GOOD.encode())
    assert (ran.code, TOKEN in ran.err) == (2, False)
    stand_in.says(problem(503, "database_away", Retry_After="900"))
    ran = Ran(stand_in.address, TOKEN, stdin=GOOD.encode())
    assert (ran.code, "Run it again" in ran.err) == (3, True)
