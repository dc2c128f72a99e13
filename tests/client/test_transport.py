"""One call: its attempts, pauses, id, and the error if it fails."""

import logging
import re
import socket
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from billing_client import (
    BillingError,
    Charge,
    Client,
    Conflict,
    ConnectionFailed,
    RateLimited,
    ServerFailed,
    Stale,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
)
from billing_client.answers import Payment
from billing_client.values import to_json, to_query

from tests.client.standin import CHARGE, TOKEN, Said, StandIn, problem

PAYMENT_ID = "3135f216-5533-4c18-882a-f96c09cfc73c"
BUSY = problem(503, "database_away")
Do = Callable[[Client], object]


def create(client: Client) -> Charge:
    return client.charges.create(customer="ACME", description="Work", amount=Decimal("0.10"))


def allocate(client: Client) -> Payment:
    return client.payments.allocate(PAYMENT_ID, "oldest")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the client, recorded instead of slept."""
    slept: list[float] = []
    monkeypatch.setattr("billing_client.transport.sleep", slept.append)
    return slept


@pytest.mark.parametrize(
    "first",
    [
        BUSY,
        problem(502, "bad_gateway"),
        problem(504, "gateway_timeout"),
        problem(429, "too_many_requests"),
        problem(409, "in_progress"),
        problem(409, "being_done", Retry_After="0"),
        Said(503, b"<html>", type="text/html"),
        Said(silent=True),
        Said(content=CHARGE, cut=20),
        Said(content=CHARGE, cut=0),
        Said(content=b'5\r\n{"id"\r\n', headers={"Transfer-Encoding": "chunked"}, cut=9),
    ],
)
def test_it_is_sent_again_under_the_same_id(stand_in: StandIn, pauses: list[float], first: Said) -> None:
    stand_in.says(first, first, Said(201, CHARGE))
    assert create(Client(stand_in.address, TOKEN)).amount == Decimal("0.10")
    assert len({request.content["id"] for request in stand_in.asked}) == 1
    assert [request.body for request in stand_in.asked] == [stand_in.asked[0].body] * 3
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "answer",
    [problem(409, "id_conflict"), problem(500, "unexpected"), problem(422, "wrong"), problem(404, "not_found")],
    ids=lambda answer: str(answer.status),
)
def test_what_would_not_change_is_not_sent_again(stand_in: StandIn, pauses: list[float], answer: Said) -> None:
    stand_in.says(answer)
    with pytest.raises(BillingError) as caught:
        create(Client(stand_in.address, TOKEN))
    error = caught.value
    assert (len(stand_in.asked), pauses, error.tries, error.status) == (1, [], 1, answer.status)
    assert (error.worth_retrying, error.safe_to_retry) == (False, True)
    assert error.id == stand_in.asked[0].content["id"]


@pytest.mark.parametrize(
    ("first", "tries", "kind"),
    [
        (BUSY, 1, Unavailable),
        (Said(silent=True), 1, ConnectionFailed),
        (problem(409, "in_progress"), 1, Conflict),
        (problem(429, "too_many_requests"), 2, None),
    ],
    ids=lambda value: str(getattr(value, "status", value)),
)
def test_what_would_count_twice_is_sent_again_only_if_nothing_was_begun(
    stand_in: StandIn, pauses: list[float], first: Said, tries: int, kind: type[BillingError] | None
) -> None:
    stand_in.says(first, problem(412, "stale"))
    with pytest.raises(kind or Stale) as caught:
        allocate(Client(stand_in.address, TOKEN))
    assert len(stand_in.asked) == tries
    assert caught.value.safe_to_retry is False


def test_a_connection_refused_is_tried_until_the_deadline_for_any_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(ConnectionFailed) as caught:
        allocate(Client(address, TOKEN, deadline=1))
    assert caught.value.tries > 1
    assert caught.value.unsent
    assert caught.value.safe_to_retry
    assert time.monotonic() - began < 1.5


def test_pauses_grow_by_chance_and_have_an_end(stand_in: StandIn, pauses: list[float]) -> None:
    stand_in.says(*[BUSY] * 9, Said(201, CHARGE))
    create(Client(stand_in.address, TOKEN, deadline=3600))
    bounds = [min(15.0, 0.25 * 2.0**n) for n in range(1, 10)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, bounds, strict=True))
    assert len(set(pauses)) == 9


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_kept_to(stand_in: StandIn, pauses: list[float], as_date: bool) -> None:
    at = datetime(2031, 5, 5, tzinfo=UTC)  # the server's clock counts, not the client's
    dated = {
        "Retry_After": format_datetime(at + timedelta(seconds=42), usegmt=True),
        "Date": format_datetime(at, usegmt=True),
    }
    busy = problem(429, "too_many_requests", **dated if as_date else {"Retry_After": "42"})
    stand_in.says(busy, Said(201, CHARGE))
    create(Client(stand_in.address, TOKEN))
    assert 42 <= pauses[0] <= 43


def test_a_pause_beyond_the_deadline_is_not_begun(stand_in: StandIn, pauses: list[float]) -> None:
    stand_in.says(problem(429, "too_many_requests", Retry_After="60"))
    with pytest.raises(RateLimited) as caught:
        create(Client(stand_in.address, TOKEN, deadline=30))
    assert (pauses, caught.value.retry_after, caught.value.worth_retrying) == ([], 60, True)


@pytest.mark.parametrize("odd", ["soon", "-5", "Mon, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_is_passed_over(stand_in: StandIn, pauses: list[float], odd: str) -> None:
    stand_in.says(problem(503, "away", Retry_After=odd), Said(201, CHARGE))
    create(Client(stand_in.address, TOKEN))
    assert 0 < pauses[0] < 1


def test_the_deadline_ends_a_server_that_never_answers(stand_in: StandIn) -> None:
    stand_in.says(Said(content=CHARGE, slow=0.05))
    began = time.monotonic()
    with pytest.raises(TimedOut):
        create(Client(stand_in.address, TOKEN, read_timeout=0.5, deadline=1))
    assert 0.9 < time.monotonic() - began < 2


def test_one_silence_has_an_end(stand_in: StandIn) -> None:
    stand_in.says(Said(content=CHARGE, slow=5), Said(201, CHARGE))
    assert create(Client(stand_in.address, TOKEN, read_timeout=0.2, deadline=20)).customer == "ACME"
    assert len(stand_in.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(stand_in: StandIn, status: int) -> None:
    with StandIn() as other_server:
        stand_in.says(Said(status, b"", {"Location": other_server.address + "/api/v1/charges"}))
        other_server.says(Said(201, CHARGE))
        with pytest.raises(UnexpectedAnswer, match=re.escape(other_server.address)) as caught:
            create(Client(stand_in.address, TOKEN))
    assert other_server.asked == []
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Said(200, b"<html>Sign in</html>", type="text/html"),
        Said(200, [1]),
        Said(200, {}),
        Said(200, CHARGE | {"amount": 0.1}),
        Said(200, CHARGE | {"amount": "NaNa"}),
        Said(200, CHARGE | {"id": "7"}),
    ],
)
def test_a_server_that_is_not_the_api_is_named(stand_in: StandIn, answer: Said) -> None:
    stand_in.says(answer)
    with pytest.raises(UnexpectedAnswer):
        create(Client(stand_in.address, TOKEN))
    assert len(stand_in.asked) == 1


def test_an_error_without_a_problem_document_is_still_one(stand_in: StandIn) -> None:
    stand_in.says(Said(500, b"[]", {"X-Request-Id": "request-7"}))
    with pytest.raises(ServerFailed, match="answered 500") as caught:
        create(Client(stand_in.address, TOKEN))
    assert caught.value.request_id == "request-7"


def test_what_a_later_server_adds_is_passed_over(stand_in: StandIn) -> None:
    stand_in.says(Said(201, CHARGE | {"later": {"more": 1.5}}, {"Idempotent-Replayed": "true"}))
    assert create(Client(stand_in.address, TOKEN)).replayed


def test_no_log_and_no_exception_holds_the_token(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.says(BUSY, Said(silent=True), problem(401, "bad_token"))
    with pytest.raises(BillingError) as caught:
        create(Client(stand_in.address, TOKEN))
    error: BaseException | None = caught.value
    texts: list[Any] = [caplog.text]
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    assert not any(TOKEN in text for text in texts)
    assert "Trying again" in caplog.text


def test_a_float_is_refused_before_anything_is_sent(stand_in: StandIn) -> None:
    client = Client(stand_in.address, TOKEN)
    wrong: Any = {"customer": "ACME", "amount": 0.1}
    with pytest.raises(TypeError, match=r"/amount: 0\.1 is a float") as caught:
        client.charges.create(**wrong)
    assert 'Decimal("0.1")' in str(caught.value)
    with pytest.raises(TypeError, match="/prices/EUR"):
        client.services.create(code="x", prices={"EUR": 0.1})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="/amount"):
        client.charges.create_many([wrong])
    with pytest.raises(TypeError, match="a set cannot be sent"):
        client.charges.create(customer="ACME", metadata={1})  # type: ignore[arg-type]
    assert stand_in.asked == []


def test_numbers_go_out_digit_for_digit(stand_in: StandIn) -> None:
    stand_in.says(Said(201, CHARGE))
    price = Decimal("123456789012345678.123456789012")
    Client(stand_in.address, TOKEN).charges.create(customer="ACME", quantity=Decimal("1E+3"), unit_price=price)
    assert stand_in.asked[0].content["quantity"] == "1000"
    assert stand_in.asked[0].content["unit_price"] == "123456789012345678.123456789012"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_none_is_no_address(stand_in: StandIn, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        Client(stand_in.address, TOKEN).customers.get(name)


def test_a_file_is_there_only_when_it_is_whole(stand_in: StandIn, tmp_path: Any, pauses: list[float]) -> None:
    whole = Said(200, b"a,b\r\n1,2\r\n", type="text/csv")
    cut = Said(200, b"a,b\r\n1,2\r\n", type="text/csv", cut=5)
    stand_in.says(cut, whole)
    client, file = Client(stand_in.address, TOKEN, deadline=60), tmp_path / "charges.csv"
    assert client.charges.download(file).size == len(whole.body)
    assert file.read_bytes() == whole.body
    stand_in.says(problem(403, "no_scope"))
    with pytest.raises(BillingError):
        client.charges.download(file)
    assert [path.name for path in tmp_path.iterdir()] == ["charges.csv"]
    stand_in.says(Said(200, b"%PDF", type="application/pdf"))
    assert client.invoices.download_pdf("INV-2026/1", tmp_path / "invoice.pdf").size == 4
    assert stand_in.asked[-1].path.endswith("/invoices/INV-2026%2F1/pdf")
    stand_in.says(Said(200, b"%PDF", type="application/pdf"))
    assert client.customers.download_statement("ACME", tmp_path / "statement.pdf", currency="EUR").size == 4
    assert stand_in.asked[-1].path.endswith("/customers/ACME/statement.pdf?currency=EUR")
    stand_in.says(Said(200, b"<Invoice/>", type="application/xml"))
    assert client.invoices.download_e_invoice("INV-1", tmp_path / "invoice.xml", "ubl").size == 10
    assert stand_in.asked[-1].path.endswith("/invoices/INV-1/e-invoice?syntax=ubl")


def test_a_file_keeps_the_permissions_of_the_one_that_it_replaces(stand_in: StandIn, tmp_path: Path) -> None:
    """A download that replaced a private file made it readable for everybody."""
    stand_in.says(Said(200, b"a,b\r\n", type="text/csv"))
    file = tmp_path / "charges.csv"
    file.touch(0o600)
    Client(stand_in.address, TOKEN).charges.download(file)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"a,b\r\n", 0o600)


def test_keys_of_the_callers_own_stay_as_they_are() -> None:
    assert to_json({"metadata": {"a": "1", "a_": "2", "_": "x"}}) == b'{"metadata":{"a":"1","a_":"2","_":"x"}}'
    assert to_query({"from_": "2026-01-01"}) == "from=2026-01-01"
