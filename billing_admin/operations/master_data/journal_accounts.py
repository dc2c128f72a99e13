"""The accounts of the journal are named."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Stale
from billing_admin.domain.journal import DEFAULT_ACCOUNTS, Accounts, check_accounts
from billing_admin.domain.master_data import check_new_texts
from billing_admin.models import Organisation
from billing_admin.operations.audit import changed_fields, record


def update(
    session: Session, given: Mapping[str, str], version: int | None, actor: Actor, now: datetime
) -> Organisation:
    """Name the accounts given; one left blank has its usual name again. Raises Stale when somebody changed the settings since."""
    house = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    if version is not None and version != house.version:
        raise Stale("stale", "The settings have been changed by someone else. Review the change, then try again.")
    named = {key: value or DEFAULT_ACCOUNTS.get(key, "") for key, value in given.items()}
    before = Accounts.of(house.journal_accounts).names
    check_new_texts(named, before)
    after = {**before, **check_accounts(named)}
    changed = changed_fields(before, after)
    if changed:
        house.journal_accounts = {key: value for key, value in after.items() if value != DEFAULT_ACCOUNTS[key]}
        session.flush()
        record(session, actor, now, "organisation.changed", "organisation", None, changed)
    return house
