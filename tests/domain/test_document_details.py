"""The details of documents, and their stored form."""

import json

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.document_details import (
    Address,
    BankAccount,
    BaseCurrencyRate,
    CustomLine,
    Delivery,
    DocumentDetails,
    PartyDetails,
    details_from_json,
    details_to_json,
)

SELLER = PartyDetails(
    Address("Weg 1", postcode="10115", city="Berlin", country="DE"), tax_number="12/345", contact_name="Al"
)
FULL = DocumentDetails(
    language="de",
    paper="letter",
    e_invoice="peppol",
    seller=SELLER,
    buyer=PartyDetails(registration_id="5567", registration_scheme="0007"),
    delivery=Delivery("Lager", Address(city="Linz", country="AT")),
    account=BankAccount(holder="We", iban="DE02", bic="BIC"),
    buyer_reference="04011000-1234512345-06",
    contract="C-1",
    custom_lines=(CustomLine("Cost centre", "4711"), CustomLine("Project", "")),
    terms="Net",
    accent="#123456",
    logo="f00d",
    base_rate=BaseCurrencyRate("EUR", "0.9234", "2026-03-05"),
    test=True,
)


def test_the_stored_form_leaves_out_all_that_is_empty() -> None:
    assert details_to_json(DocumentDetails()) == {"language": "en", "paper": "a4"}
    assert details_to_json(DocumentDetails(seller=SELLER, test=True)) == {
        "language": "en",
        "paper": "a4",
        "seller": {
            "address": {"street": "Weg 1", "postcode": "10115", "city": "Berlin", "country": "DE"},
            "tax_number": "12/345",
            "contact_name": "Al",
        },
        "test": True,
    }
    assert details_to_json(FULL)["custom_lines"] == [
        {"label": "Cost centre", "value": "4711"},
        {"label": "Project", "value": ""},
    ]


@pytest.mark.parametrize("stored", [None, {}])
def test_a_document_of_an_earlier_version_has_no_details(stored: dict[str, str] | None) -> None:
    assert details_from_json(stored) == DocumentDetails()


def test_stored_details_are_read_back() -> None:
    assert details_from_json(json.loads(json.dumps(details_to_json(FULL)))) == FULL


texts = st.sampled_from(["", "a", "Ä 1"])
addresses = st.builds(Address, texts, texts, texts, texts, texts, texts)
parties = st.builds(PartyDetails, addresses, *[texts] * 9)
details_of_any_kind = st.builds(
    DocumentDetails,
    *(texts, texts, texts, parties, parties),
    st.none() | st.builds(Delivery, texts, addresses),
    st.none() | st.builds(BankAccount, *[texts] * 5),
    *(texts, texts),
    st.lists(st.builds(CustomLine, texts, texts), max_size=4).map(tuple),
    *(texts, texts, texts),
    st.none() | st.builds(BaseCurrencyRate, *[texts] * 4),
    st.booleans(),
)


@given(details_of_any_kind)
def test_any_details_are_read_back(details: DocumentDetails) -> None:
    assert details_from_json(details_to_json(details)) == details
