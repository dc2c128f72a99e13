"""Bank accounts: the list and its acts."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import BankAccount
from tests.making import make_bank_account
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, words
from tests.web.reading import fresh

LIST, NEW = "/settings/bank-accounts", "/settings/bank-accounts/new"
IBAN, OTHER_IBAN = "DE89370400440532013000", "GB82WEST12345698765432"
GOOD = {"currency": "EUR", "holder": "Clouds Ltd", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX"}


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def accounts(session: Session) -> list[BankAccount]:
    return fresh(session, select(BankAccount).order_by(BankAccount.created_at, BankAccount.id))


def test_an_account_is_added_once_and_shown_in_groups(admin: FlaskClient, session: Session) -> None:
    assert "No bank accounts yet" in admin.get(LIST).text
    page = admin.get(NEW).text
    assert 'value="Example Ltd"' in page
    entered = GOOD | {"id": hidden(page, "id")}
    for _ in range(2):
        response = send(admin, NEW, **entered)
        assert (response.status_code, response.location) == (303, LIST)
    (account,) = accounts(session)
    assert (account.iban, account.holder, account.is_default) == (IBAN, "Clouds Ltd", True)
    text = words(admin.get(LIST).text)
    assert "The account DE89 3704 0044 0532 0130 00 was added." in text
    assert "DE89 3704 0044 0532 0130 00 EUR Clouds Ltd COBADEFFXXX Default" in text


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"iban": "DE89 3704 0044 0532 0130 01"}, "iban", "copy it from a bank statement"),
        ({"iban": ""}, "iban", "Enter the IBAN, or the account number if the account has no IBAN."),
        ({"account_number": "12"}, "account_number", "Enter the IBAN alone: it contains the account number."),
        ({"bic": "COBA"}, "bic", "Use a BIC of 8 or 11 characters"),
        ({"holder": ""}, "holder", "Enter the name in which the account is held."),
        ({"holder": "x" * 71}, "holder", "Use at most 70 characters."),
        ({"currency": "XXX"}, "currency", "Choose one from the list."),
    ],
)
def test_a_wrong_field_keeps_the_input(
    admin: FlaskClient, session: Session, wrong: dict[str, str], field: str, sentence: str
) -> None:
    response = send(admin, NEW, **GOOD | {"id": str(uuid4()), "bank_name": "kept"} | wrong)
    assert response.status_code == 422
    assert sentence in words(response.text)
    assert f'id="{field}-error"' in response.text
    assert 'value="kept"' in response.text
    if "iban" not in wrong:
        assert 'value="DE89 3704 0044 0532 0130 00"' in response.text
    assert accounts(session) == []


def test_an_account_is_edited(admin: FlaskClient, session: Session) -> None:
    account = make_bank_account()
    edit = f"{LIST}/{account.id}/edit"
    page = admin.get(edit).text
    assert 'value="DE89 3704 0044 0532 0130 00"' in page
    assert 'name="currency"' not in page
    values = {"holder": "Clouds", "iban": OTHER_IBAN, "bank_name": "Westbank", "version": "1"}
    assert send(admin, edit, **values).location == LIST
    (saved,) = accounts(session)
    assert (saved.iban, saved.holder, saved.bank_name, saved.currency) == (OTHER_IBAN, "Clouds", "Westbank", "EUR")
    stale = send(admin, edit, **values | {"holder": "Others"})
    assert stale.status_code == 422
    assert "Account holder Clouds Others" in words(stale.text)
    assert "IBAN GB82" not in words(stale.text)  # typed without spaces, which is no difference


def test_the_default_moves_and_is_archived_last(admin: FlaskClient, session: Session) -> None:
    first, second = make_bank_account(), make_bank_account(iban=OTHER_IBAN)
    assert f"{LIST}/{first.id}/archive" not in admin.get(f"{LIST}/{first.id}/edit").text
    page = admin.get(f"{LIST}/{second.id}/edit").text
    assert f"{LIST}/{second.id}/archive" in page
    assert f"{LIST}/{second.id}/default" in page
    refused = send(admin, f"{LIST}/{first.id}/archive")
    assert refused.status_code == 409
    assert "Make another one the default, then archive it." in refused.text
    assert send(admin, f"{LIST}/{second.id}/default").location == LIST
    assert "Documents in EUR now show the account GB82 WEST 1234 5698 7654 32." in words(admin.get(LIST).text)
    assert send(admin, f"{LIST}/{first.id}/archive").location == LIST
    assert "Archived" in words(admin.get(LIST).text)
    assert f"{LIST}/{first.id}/restore" in admin.get(f"{LIST}/{first.id}/edit").text
    assert send(admin, f"{LIST}/{first.id}/restore").location == LIST
    assert [account.is_default for account in accounts(session)] == [False, True]


def test_a_viewer_reads_and_writes_nothing(app: Flask, session: Session) -> None:
    account = make_bank_account()
    viewer = signed_in(app, "viewer")
    page = viewer.get(LIST)
    assert "DE89 3704" in page.text
    assert "/new" not in page.text
    for path in (NEW, f"{LIST}/{account.id}/edit"):
        assert viewer.get(path).status_code == 403
    for act in ("default", "archive", "restore"):
        assert send(viewer, f"{LIST}/{account.id}/{act}").status_code == 403
    assert accounts(session)[0].version == 1


def test_an_unknown_account_is_not_found(admin: FlaskClient) -> None:
    assert admin.get(f"{LIST}/{uuid4()}/edit").status_code == 404


@pytest.mark.both_databases
def test_the_list_is_exported_and_the_history_names_the_account(admin: FlaskClient, session: Session) -> None:
    account = make_bank_account()
    make_bank_account(currency="USD", account_number="=1+1")
    file: Any = admin.get("/exports/bank-accounts.csv")
    assert file.text.splitlines() == [
        "currency,holder,iban,account_number,bic,bank_name,default,archived,id",
        f"EUR,Example Ltd,{IBAN},,,,true,false,{account.id}",
        f"USD,Example Ltd,,'=1+1,,,true,false,{accounts(session)[1].id}",
    ]
    assert "2 bank accounts" in words(admin.get("/exports/bank-accounts").text)
    history = words(admin.get(f"/audit?object={account.id}").text)
    assert IBAN in history
    assert IBAN in words(admin.get(f"/audit?object={IBAN}").text)
