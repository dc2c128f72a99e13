"""The configuration of the client: address and token are set explicitly and the token is never shown."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from billing_client import Client, Conflict, FieldError, NotConfigured

from tests.client.standin import CHARGE, TOKEN, Said, StandIn

HTTPS = "https://billing.example.com"


def test_it_comes_from_arguments_before_the_environment(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_URL", "https://nowhere.invalid")
    monkeypatch.setenv("BILLING_TOKEN", "bil_other")
    stand_in.says(Said(content=CHARGE))
    Client(stand_in.address + "/", TOKEN).charges.get(CHARGE["id"])
    monkeypatch.setenv("BILLING_URL", stand_in.address)
    Client().charges.get(CHARGE["id"])
    assert [request.headers["Authorization"] for request in stand_in.asked] == [f"Bearer {TOKEN}", "Bearer bil_other"]
    assert {request.path for request in stand_in.asked} == {f"/api/v1/charges/{CHARGE['id']}"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Set the variable BILLING_URL"),
        ({"base_url": " ", "token": TOKEN}, "Set the variable BILLING_URL"),
        ({"base_url": HTTPS}, "Set the variable BILLING_TOKEN"),
        ({"base_url": "billing.example.com", "token": TOKEN}, "not the address of a server"),
        ({"base_url": "ftp://billing.example.com", "token": TOKEN}, "not the address of a server"),
        ({"base_url": f"{HTTPS}?x=1", "token": TOKEN}, "not the address of a server"),
        ({"base_url": "https://billing.example.com:port", "token": TOKEN}, "cannot be read"),
        ({"base_url": "https://me:hunter2@billing.example.com", "token": TOKEN}, "Remove the name and password"),
        ({"base_url": "http://billing.example.com", "token": TOKEN}, "Plain http"),
        ({"base_url": HTTPS, "token": "hunter2\nb"}, "not allowed"),
        ({"base_url": HTTPS, "token": TOKEN, "ca_certs": "/nowhere.pem"}, "cannot be read"),
        ({"base_url": HTTPS, "token": TOKEN, "deadline": 0}, "more than 0 seconds"),
    ],
)
def test_what_is_missing_or_unsafe_is_said(
    arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BILLING_URL", raising=False)
    monkeypatch.delenv("BILLING_TOKEN", raising=False)
    with pytest.raises(NotConfigured, match=message) as caught:
        Client(**arguments)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:80", HTTPS])
def test_plain_http_is_for_this_machine(address: str) -> None:
    assert address in repr(Client(address, TOKEN))
    assert "example" in repr(Client("http://example.com", TOKEN, allow_http=True))


def test_the_token_shows_nowhere() -> None:
    client = Client(HTTPS, TOKEN)
    shown = [repr(client), str(vars(client)), repr(vars(client._transport)), repr(client.charges)]
    assert not any(TOKEN in text for text in shown)


def test_an_exception_can_cross_processes() -> None:
    error = Conflict(
        "No.", status=409, code="id_conflict", errors=(FieldError("/id", "x", "y"),), differs=("quantity",)
    )
    error.id = "7"
    there = pickle.loads(pickle.dumps(error))
    assert (there.id, there.differs, there.errors, str(there)) == ("7", error.differs, error.errors, str(error))


def test_nothing_of_a_server_is_written_into_the_code() -> None:
    root = Path(__file__).resolve().parents[2] / "client"
    written = "".join(path.read_text() for path in root.rglob("*.py"))
    assert "bil_o" not in written
    assert set(re.findall(r"https?://([\w.]+)", written)) == {"billing.example.com"}
