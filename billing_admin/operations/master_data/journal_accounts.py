"""Rename the accounts of the journal."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.journal import DEFAULT_ACCOUNTS, Accounts, check_accounts
from billing_admin.domain.master_data import check_new_texts, check_version
from billing_admin.domain.translation import Phrase
from billing_admin.models import Organisation
from billing_admin.operations.audit import changed_fields, record


def update(
    session: Session, accounts: Mapping[str, str], version: int | None, actor: Actor, now: datetime
) -> Organisation:
    """Rename the given journal accounts; a blank name restores the default.

    Raises Stale when `version` is set and the settings have been changed since that version.
    """
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    check_version(version, organisation.version, Phrase("The settings"), are_several=True)
    new_names = {key: value or DEFAULT_ACCOUNTS.get(key, "") for key, value in accounts.items()}
    before = Accounts.of(organisation.journal_accounts).names
    check_new_texts(new_names, before)
    after = {**before, **check_accounts(new_names)}
    changed = changed_fields(before, after)
    if changed:
        organisation.journal_accounts = {key: value for key, value in after.items() if value != DEFAULT_ACCOUNTS[key]}
        session.flush()
        record(session, actor, now, "organisation.changed", "organisation", None, changed)
    return organisation
