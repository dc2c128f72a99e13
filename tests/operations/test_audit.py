"""The audit log's chain: what is sealed, in which order, by how many at once; and that nobody changes it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.audit import FIRST_PREVIOUS_HASH
from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.operations import audit
from billing_admin.queries.audit import ChainHead, chain_head, count_unsealed
from billing_admin.queries.doctor import run_checks
from tests.making import NOW

SECOND = timedelta(seconds=1)


def happened(*moments: datetime) -> None:
    """Write events of these moments, `details` holding all that JSON has."""
    for at in moments:
        details = {"é": ["1.50", 2, 2.5, None, True, {"b": 1, "a": 2}], "n": 10**20}
        transaction(audit.record, SYSTEM, at, "customer.changed", "customer", None, details)


def order(session: Session) -> Sequence[datetime]:
    """The moments of what is sealed, in the order of sealing."""
    session.rollback()
    joined = select(AuditEvent.at).join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
    return session.scalars(joined.order_by(AuditSeal.sequence)).all()


def is_sound(session: Session) -> bool:
    session.rollback()
    return not any(result.count for result in run_checks(session))


def test_the_oldest_is_sealed_first_and_each_hash_covers_the_one_before(session: Session) -> None:
    happened(NOW + SECOND, NOW)
    assert chain_head(session) == ChainHead(0, FIRST_PREVIOUS_HASH)
    assert transaction(audit.seal_events, NOW) == 2
    assert order(session) == [NOW, NOW + SECOND]
    assert (chain_head(session).sequence, count_unsealed(session)) == (2, 0)
    assert is_sound(session)


def test_an_event_of_a_late_transaction_is_sealed_behind_younger_ones(session: Session) -> None:
    happened(NOW)
    transaction(audit.seal_events, NOW)
    happened(NOW - SECOND)
    assert transaction(audit.seal_events, NOW) == 1
    assert order(session) == [NOW, NOW - SECOND]
    assert is_sound(session)


def test_one_that_is_much_too_late_is_counted_until_the_whole_log_is_looked_through(session: Session) -> None:
    happened(NOW)
    transaction(audit.seal_events, NOW)
    happened(NOW - timedelta(hours=1))
    assert transaction(audit.seal_events, NOW) == 0
    session.rollback()
    assert count_unsealed(session) == 1
    assert transaction(audit.seal_events, NOW, whole=True) == 1


def test_a_clock_that_went_wrong_hides_nothing(session: Session) -> None:
    happened(NOW + timedelta(days=900))
    transaction(audit.seal_events, NOW)
    happened(NOW)
    assert transaction(audit.seal_events, NOW) == 1


def test_all_are_sealed_a_part_at_a_time(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SEAL_BATCH", 2)
    monkeypatch.setattr(audit.seal_events, "__defaults__", (2, False))
    happened(*(NOW + number * SECOND for number in range(5)))
    assert audit.seal_all_events(transaction, NOW, whole=True) == 5
    assert audit.seal_all_events(transaction, NOW) == 0
    assert is_sound(session)


def test_many_seal_at_once_and_make_one_chain(app: Flask, session: Session) -> None:
    happened(*(NOW + number * SECOND for number in range(20)))

    def seal(_: int) -> int:
        with app.app_context():
            return transaction(audit.seal_events, NOW, 4)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(seal, range(8))) == 20
    assert is_sound(session)


@pytest.mark.parametrize("table", ["audit_events", "audit_seals"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {} = {}"])
def test_the_database_refuses_every_change(session: Session, table: str, statement: str) -> None:
    happened(NOW)
    transaction(audit.seal_events, NOW)
    column = {"audit_events": "action", "audit_seals": "hash"}[table]
    with pytest.raises(IntegrityError, match="The audit log is never changed"):
        transaction(lambda session: session.execute(text(statement.format(table, column, column))))


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_the_database_refuses_to_truncate(session: Session) -> None:
    with pytest.raises(IntegrityError, match="The audit log is never changed"):
        transaction(lambda session: session.execute(text("TRUNCATE audit_events CASCADE")))
