"""Bank accounts: one number each, one default for each currency."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.bank_accounts import BankAccountFields, group_iban
from billing_admin.domain.errors import Conflict, Invalid, NotFound, Stale
from billing_admin.models import AuditEvent, BankAccount
from billing_admin.operations.master_data import bank_accounts
from billing_admin.queries.master_data.bank_accounts import default_accounts
from tests.books import contents
from tests.making import NOW, make_bank_account

IBAN, OTHER_IBAN = "DE89370400440532013000", "GB82WEST12345698765432"


def default_of(session: Session, currency: str = "EUR") -> UUID | None:
    session.rollback()
    account = default_accounts(session).get(currency)
    return None if account is None else account.id


def test_an_account_is_stored_without_spaces_and_recorded(session: Session) -> None:
    account = make_bank_account(iban="de89 3704 0044 0532 0130 00", bic="cobadeff xxx", bank_name="Commerzbank")
    assert (account.iban, account.bic, account.holder) == (IBAN, "COBADEFFXXX", "Example Ltd")
    assert account.is_default
    event = session.scalars(select(AuditEvent)).one()
    assert (event.action, event.object_type, event.object_id) == ("bank_account.created", "bank_account", account.id)
    assert event.details == {
        "currency": "EUR",
        "holder": "Example Ltd",
        "iban": IBAN,
        "account_number": "",
        "bic": "COBADEFFXXX",
        "bank_name": "Commerzbank",
        "default": True,
    }


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"iban": "DE89370400440532013001"}, "not_an_iban", "iban"),
        ({"iban": "DE8937040044053201300"}, "not_an_iban", "iban"),
        ({"iban": "DE٨9370400440532013000"}, "not_an_iban", "iban"),
        ({"iban": IBAN, "bic": "COBA"}, "not_a_bic", "bic"),
        ({"iban": ""}, "missing", "iban"),
        ({"account_number": "  "}, "missing", "iban"),
        ({"iban": IBAN, "account_number": "1"}, "both_numbers", "account_number"),
        ({"iban": IBAN, "currency": "XXX"}, "unknown_currency", "currency"),
        ({"iban": IBAN, "holder": " "}, "blank", "holder"),
        ({"iban": IBAN, "holder": "x" * 71}, "too_long", "holder"),
        ({"iban": IBAN, "bank_name": "a\nb"}, "unprintable", "bank_name"),
        ({"iban": "x" * 71}, "too_long", "iban"),
    ],
)
def test_a_wrong_field_is_refused_at_its_place(session: Session, fields: Any, code: str, field: str) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        make_bank_account(**fields)
    assert (refused.value.code, refused.value.field) == (code, (field,))
    assert contents(session) == before


def test_the_currency_is_asked_for(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        transaction(bank_accounts.create, {"iban": IBAN}, None, False, SYSTEM, NOW)
    assert refused.value.field == ("currency",)


def test_a_wrong_iban_and_a_wrong_bic_are_both_named(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        make_bank_account(iban="DE1", bic="X")
    assert [problem.field for problem in refused.value.problems] == [("iban",), ("bic",)]
    assert "copy it from a bank statement" in refused.value.problems[0].message


def test_the_same_number_is_refused_whatever_the_bic(session: Session) -> None:
    first = make_bank_account(bic="COBADEFFXXX")
    for bic in ("", "DEUTDEFF"):
        with pytest.raises(Conflict) as refused:
            make_bank_account(bic=bic)
        assert (refused.value.code, refused.value.field) == ("account_exists", ("iban",))
    assert make_bank_account(currency="USD").currency == "USD"
    make_bank_account(account_number="123", bic="COBADEFFXXX")
    with pytest.raises(Conflict) as refused:
        make_bank_account(account_number="123")
    assert refused.value.field == ("account_number",)
    assert make_bank_account(account_number="123", bic="DEUTDEFF").bic == "DEUTDEFF"
    transaction(bank_accounts.archive, make_bank_account(iban=OTHER_IBAN).id, SYSTEM, NOW)
    assert make_bank_account(iban=OTHER_IBAN).iban == OTHER_IBAN
    id = uuid4()
    again: BankAccountFields = {"currency": "GBP", "iban": IBAN}
    assert [transaction(bank_accounts.create, again, id, False, SYSTEM, NOW)[1] for _ in range(2)] == [True, False]
    assert first.is_default


def test_a_duplicate_of_an_earlier_version_can_still_be_edited(session: Session) -> None:
    make_bank_account()
    twin = make_bank_account(iban=OTHER_IBAN)
    session.rollback()

    def duplicate(session: Session) -> None:
        session.execute(update(BankAccount).where(BankAccount.id == twin.id).values(iban=IBAN))

    transaction(duplicate)
    assert transaction(bank_accounts.update, twin.id, {"bank_name": "West"}, None, SYSTEM, NOW).bank_name == "West"
    with pytest.raises(Conflict):
        transaction(bank_accounts.update, twin.id, {"bic": "DEUTDEFF"}, None, SYSTEM, NOW)


def test_an_account_without_an_iban_has_a_number(session: Session) -> None:
    account = make_bank_account(currency="USD", account_number=" 021000021 / 123456789 ")
    assert (account.iban, account.account_number) == ("", "021000021 / 123456789")


def test_the_first_account_of_a_currency_is_its_default(session: Session) -> None:
    first, second = make_bank_account().id, make_bank_account(iban=OTHER_IBAN).id
    dollars = make_bank_account(currency="USD").id
    assert (default_of(session), default_of(session, "USD"), default_of(session, "CHF")) == (first, dollars, None)
    assert transaction(bank_accounts.make_default, second, SYSTEM, NOW)
    assert default_of(session) == second
    assert not transaction(bank_accounts.make_default, second, SYSTEM, NOW)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "bank_account.changed")).one()
    assert (event.object_id, event.details) == (second, {"default": [False, True], "replaces": str(first)})


def test_a_new_account_may_become_the_default(session: Session) -> None:
    make_bank_account()
    second = make_bank_account(iban=OTHER_IBAN, is_default=True)
    assert default_of(session) == second.id


def test_the_same_account_is_added_once(session: Session) -> None:
    id = uuid4()
    fields: BankAccountFields = {"currency": "EUR", "iban": IBAN}
    account, is_new = transaction(bank_accounts.create, fields, id, False, SYSTEM, NOW)
    assert is_new
    again = transaction(bank_accounts.create, {**fields, "iban": "DE89 3704 0044 0532 0130 00"}, id, False, SYSTEM, NOW)
    assert (again[0].id, again[1]) == (account.id, False)
    with pytest.raises(Conflict) as refused:
        transaction(bank_accounts.create, {**fields, "iban": OTHER_IBAN}, id, False, SYSTEM, NOW)
    assert (refused.value.code, refused.value.problems[0].differs) == ("id_conflict", ("iban",))
    with pytest.raises(Conflict) as refused:
        make_bank_account()
    assert (refused.value.code, refused.value.field) == ("account_exists", ("iban",))
    assert make_bank_account(currency="USD").currency == "USD"


def test_an_account_is_changed_and_the_change_recorded(session: Session) -> None:
    id = make_bank_account().id
    account = transaction(bank_accounts.update, id, {"iban": OTHER_IBAN, "holder": "Clouds"}, 1, SYSTEM, NOW)
    assert (account.iban, account.version) == (OTHER_IBAN, 2)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "bank_account.changed")).one()
    assert event.details == {"iban": [IBAN, OTHER_IBAN], "holder": ["Example Ltd", "Clouds"]}
    with pytest.raises(Stale):
        transaction(bank_accounts.update, id, {"holder": "Others"}, 1, SYSTEM, NOW)


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"currency": "USD"}, Conflict, "currency_fixed"),
        ({"iban": ""}, Invalid, "missing"),
        ({"iban": OTHER_IBAN}, Conflict, "account_exists"),
        ({"account_number": "1"}, Invalid, "both_numbers"),
        ({"bic": "1"}, Invalid, "not_a_bic"),
    ],
)
def test_a_wrong_change_is_refused(session: Session, fields: Any, error: type[Exception], code: str) -> None:
    make_bank_account(iban=OTHER_IBAN)
    id = make_bank_account().id
    before = contents(session)
    with pytest.raises(error) as refused:
        transaction(bank_accounts.update, id, fields, None, SYSTEM, NOW)
    assert getattr(refused.value, "code", "") == code
    assert contents(session) == before


def test_a_default_is_archived_last(session: Session) -> None:
    first, second = make_bank_account().id, make_bank_account(iban=OTHER_IBAN).id
    with pytest.raises(Conflict, match=r"Make another one the default, then archive it."):
        transaction(bank_accounts.archive, first, SYSTEM, NOW)
    assert transaction(bank_accounts.archive, second, SYSTEM, NOW)
    assert not transaction(bank_accounts.archive, second, SYSTEM, NOW)
    with pytest.raises(Conflict, match="Restore it before"):
        transaction(bank_accounts.make_default, second, SYSTEM, NOW)
    assert transaction(bank_accounts.archive, first, SYSTEM, NOW)
    assert default_of(session) is None
    assert transaction(bank_accounts.restore, second, SYSTEM, NOW)
    assert not transaction(bank_accounts.restore, second, SYSTEM, NOW)
    assert default_of(session) == second


def test_an_account_that_was_added_anew_is_not_restored(session: Session) -> None:
    id = make_bank_account().id
    transaction(bank_accounts.archive, id, SYSTEM, NOW)
    make_bank_account()
    with pytest.raises(Conflict, match="already added this account for EUR"):
        transaction(bank_accounts.restore, id, SYSTEM, NOW)


def test_an_unknown_account_is_not_found(session: Session) -> None:
    for act in (bank_accounts.make_default, bank_accounts.archive, bank_accounts.restore):
        with pytest.raises(NotFound):
            transaction(act, uuid4(), SYSTEM, NOW)


@pytest.mark.parametrize(
    "change",
    [
        "is_default = true",
        "account_number = 'x'",
        "iban = ''",
    ],
)
def test_the_database_refuses_an_impossible_account(session: Session, change: str) -> None:
    make_bank_account()
    id = make_bank_account(iban=OTHER_IBAN).id
    statement = text(f"UPDATE bank_accounts SET {change} WHERE id = :id").bindparams(id=str(id))
    if session.get_bind().dialect.name == "postgresql":
        statement = text(f"UPDATE bank_accounts SET {change} WHERE id = CAST(:id AS uuid)").bindparams(id=str(id))
    with pytest.raises(IntegrityError):
        transaction(lambda writer: writer.execute(statement))


def test_an_archived_default_is_impossible(session: Session) -> None:
    make_bank_account()
    with pytest.raises(IntegrityError):
        transaction(lambda writer: writer.execute(text("UPDATE bank_accounts SET archived_at = created_at")))


@given(st.text(alphabet="ABC0123456789", max_size=34))
def test_an_iban_is_shown_in_groups_of_four(iban: str) -> None:
    groups = group_iban(iban).split(" ")
    assert "".join(groups) == iban
    assert all(len(group) == 4 for group in groups[:-1])


def test_stored_accounts_stay_readable(session: Session) -> None:
    """A stored IBAN that the check would refuse today is not checked until it changes."""
    id = make_bank_account().id
    transaction(lambda writer: writer.execute(text("UPDATE bank_accounts SET iban = 'DE00'")))
    fields: BankAccountFields = {"iban": "DE00", "holder": "Clouds"}
    assert transaction(bank_accounts.update, id, fields, None, SYSTEM, NOW).holder == "Clouds"
    assert session.get_one(BankAccount, id).iban == "DE00"
