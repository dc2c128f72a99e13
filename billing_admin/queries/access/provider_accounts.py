"""Accounts of people at the identity provider."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import ProviderAccount


def has_provider_account(session: Session, user_id: UUID) -> bool:
    """Return whether a person signs in at an identity provider."""
    query = select(ProviderAccount.user_id).where(ProviderAccount.user_id == user_id)
    return session.scalars(query.limit(1)).first() is not None


def people_with_provider_accounts(session: Session) -> Collection[UUID]:
    """Return the ids of the people who sign in at an identity provider."""
    return set(session.scalars(select(ProviderAccount.user_id)))
