"""Bank accounts of the organisation."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from billing_admin.api.frame.fields import OMITTED, Body, CurrencyCode, Key, Listing, ResponseModel, ShortText, one_line
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import Page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.bank_accounts import MAX_BIC_LENGTH, MAX_HOLDER_LENGTH, MAX_NUMBER_LENGTH, BankAccountFields
from billing_admin.domain.errors import Conflict
from billing_admin.models import BankAccount
from billing_admin.operations.master_data import bank_accounts as operations
from billing_admin.queries.master_data.bank_accounts import bank_account, bank_accounts

SCOPE = "settings:write"

Holder = Annotated[str, one_line(MAX_HOLDER_LENGTH, named=True)]
AccountNumber = Annotated[str, one_line(MAX_NUMBER_LENGTH)]
Bic = Annotated[str, one_line(MAX_BIC_LENGTH)]


class BankAccountChanges(Body):
    """Changes to a bank account; issued documents keep their copy.

    `default` makes it the account of its currency that documents show. To change that, make another account the default.
    """

    holder: Holder = OMITTED
    iban: AccountNumber = OMITTED
    account_number: AccountNumber = OMITTED
    bic: Bic = OMITTED
    bank_name: ShortText = OMITTED
    default: bool = OMITTED
    archived: bool = OMITTED


class BankAccountIn(Body):
    """A new bank account, with an IBAN or an account number.

    `holder` defaults to the legal name of the organisation. The first account in a currency is its default.
    """

    id: Key = OMITTED
    currency: CurrencyCode
    holder: Holder = OMITTED
    iban: AccountNumber = OMITTED
    account_number: AccountNumber = OMITTED
    bic: Bic = OMITTED
    bank_name: ShortText = OMITTED
    default: bool = OMITTED


class BankAccountOut(ResponseModel):
    """A bank account; `default` is true if documents in its currency show it."""

    id: UUID
    currency: str
    holder: str
    iban: str
    account_number: str
    bic: str
    bank_name: str
    default: bool
    archived: bool
    created_at: datetime


def _out(row: Any) -> BankAccountOut:
    return BankAccountOut(
        id=row.id,
        currency=row.currency,
        holder=row.holder,
        iban=row.iban,
        account_number=row.account_number,
        bic=row.bic,
        bank_name=row.bank_name,
        default=row.is_default,
        archived=row.archived_at is not None,
        created_at=row.created_at,
    )


@route("GET", "/bank-accounts", scope="read", response=Listing[BankAccountOut])
def list_bank_accounts() -> Reply:
    """List all bank accounts by currency, the default first, archived ones last."""
    return list_reply(Page(bank_accounts(db.session()), None, None), _out)


@route("GET", "/bank-accounts/{id}", scope="read", response=BankAccountOut, versioned=True)
def get_bank_account(id: str) -> Reply:
    """Read one bank account."""
    row = bank_account(db.session(), parse_id(id))
    return Reply(_out(row), headers={"ETag": etag(row.version)})


@route(
    "POST",
    "/bank-accounts",
    scope=SCOPE,
    body=BankAccountIn,
    response=BankAccountOut,
    statuses=(201, 200),
    versioned=True,
)
def post_bank_account(actor: Actor, body: BankAccountIn) -> Reply:
    """Add a bank account."""
    fields = cast("BankAccountFields", body.provided("id", "default"))
    row, is_new = transaction(operations.create, fields, body.id, bool(body.default), actor, now())
    return created_reply(_out(row), is_new, ETag=etag(row.version))


@route("PATCH", "/bank-accounts/{id}", scope=SCOPE, body=BankAccountChanges, response=BankAccountOut, versioned=True)
def patch_bank_account(actor: Actor, id: str, body: BankAccountChanges) -> Reply:
    """Change the fields that are sent."""
    row = transaction(_change, parse_id(id), body, actor, now())
    return Reply(_out(row), headers={"ETag": etag(row.version)})


def _change(session: Session, id: UUID, body: BankAccountChanges, actor: Actor, at: datetime) -> BankAccount:
    row = bank_account(session, id)
    check_if_match(row.version)
    fields = cast("BankAccountFields", body.provided("default", "archived"))
    row = operations.update(session, id, fields, row.version, actor, at)
    if "archived" in body.model_fields_set:
        change_state = operations.archive if body.archived else operations.restore
        change_state(session, id, actor, at)
    if body.default:
        operations.make_default(session, id, actor, at)
    elif "default" in body.model_fields_set and row.is_default:
        raise Conflict("default_account", "Make another account the default instead.", "default")
    return row
