"""The recipients of a message that a delivery report is about."""

from dataclasses import dataclass

import pytest

from billing_admin.domain.bounces import FailedRecipient, find_failed


@dataclass(frozen=True)
class Row:
    address: str
    result: str = "accepted"


ANNA, BERT = Row("Anna@Example.net"), Row("bert@münchen.example")


@pytest.mark.parametrize(
    ("recipients", "addresses", "failed"),
    [
        ([ANNA, BERT], ("anna@example.NET",), [ANNA]),
        ([ANNA, BERT], ("bert@xn--mnchen-3ya.example",), [BERT]),
        ([ANNA, BERT], ("forwarded@example.org", "anna@example.net"), [ANNA]),
        ([ANNA, BERT], ("forwarded@example.org",), []),
        ([ANNA], ("forwarded@example.org",), [ANNA]),
        ([ANNA, ANNA], ("anna@example.net",), [ANNA, ANNA]),
        ([ANNA, BERT], (), []),
        ([], ("anna@example.net",), []),
    ],
)
def test_failed_recipients(recipients: list[Row], addresses: tuple[str, ...], failed: list[Row]) -> None:
    assert find_failed(recipients, FailedRecipient(addresses, "550 Unknown")) == failed


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ("550 5.1.1 Unknown", 550),
        ("550-Unknown", 550),
        ("Status 5.7.1", None),
        ("host 10.250.1.1 said: 554 No", 554),
        ("", None),
        ("5501 x", None),
    ],
)
def test_codes(response: str, code: int | None) -> None:
    assert FailedRecipient((), response).code == code
