"""The client's table of calls: it has every route of the API, and each says correctly whether it may be repeated."""

import dataclasses
from typing import Any

import pytest
from billing_client import answers, calls
from billing_client.calls import Call, Repeat

from billing_admin.api.frame.routing import ROUTES

CALLS: dict[str, Call] = {name: value for name, value in vars(calls).items() if isinstance(value, Call)}
ROUTE_OF = {(route.method, route.path): route for route in ROUTES}
NOT_OFFERED = {("GET", "/openapi.json")}  # for tools, not for scripts
NOT_OFFERED |= {route for route in ROUTE_OF if route[1].endswith(".xlsx")}  # for people: scripts read the CSV
OF_A_STATE = {
    "issue",
    "logo",
    "remove",
    "void",
    "cancel",
    "hold",
    "release",
    "keep",
    "pause",
    "resume",
    "end",
    "withdraw",
    "mark-sent",
    "reverse",
    "charges",
    "prices",
    "exchange-rates",
    "restore",
}


def body_fields(call: Call) -> set[str]:
    route = ROUTE_OF[call.method, call.path]
    return set(route.body.model_fields) if route.body else set()


def test_every_route_is_offered_and_every_call_is_a_route() -> None:
    offered = {(call.method, call.path) for call in CALLS.values()}
    assert offered == set(ROUTE_OF) - NOT_OFFERED


@pytest.mark.parametrize("name", CALLS)
def test_what_may_be_sent_again(name: str) -> None:
    call = CALLS[name]
    if call.method == "GET" or call in {calls.RUN_PREVIEW, calls.REMINDER_RUN_PREVIEW}:
        assert call.repeat is Repeat.READS
    elif call.method == "PATCH":
        assert call.repeat is Repeat.NEVER
    elif call.repeat is Repeat.NAMED:
        assert "id" in body_fields(call) or call is calls.CHARGE_BATCH
    elif call.repeat is Repeat.STATE:
        assert call.path.rpartition("/")[2] in OF_A_STATE
    else:
        assert call in {calls.PAYMENT_ALLOCATE, calls.PRICE_REMOVE, calls.RATE_REMOVE, calls.CONTACT_REMOVE}


def fields_of(kind: Any) -> set[str]:
    return {field.name.rstrip("_") for field in dataclasses.fields(kind)}


def test_every_answer_of_the_server_is_read_whole() -> None:
    """The client has each field of the API's responses."""
    known = [fields_of(kind) for kind in vars(answers).values() if dataclasses.is_dataclass(kind)]
    known.append(fields_of(answers.Preview) | fields_of(answers.BillingRun))  # one answer of the API
    for route in ROUTES:
        if not isinstance(route.response, str):
            for kind in route.response.__pydantic_generic_metadata__["args"] or (route.response,):
                names = {name.rstrip("_") for name in kind.model_fields}
                assert any(names <= fields for fields in known), f"no class of the client holds {sorted(names)}"
