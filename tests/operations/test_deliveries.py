"""What becomes of deliveries: in order, tried again after longer and longer, given up, sent again; one sender at a time."""

import json
from datetime import datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, NotFound, Stale
from billing_admin.domain.webhooks import MAX_ATTEMPTS, RETRY_DELAYS
from billing_admin.models import AuditEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing_admin.operations.charges import charges
from billing_admin.operations.webhooks import deliveries, endpoints
from billing_admin.operations.webhooks.deliveries import AttemptOutcome, DueDelivery
from billing_admin.operations.webhooks.endpoints import EndpointSpec
from billing_admin.queries.webhooks.endpoints import endpoint_ids_due, failing_endpoints
from tests.background.hooks import RULES, key_of, make_endpoint, stored, told
from tests.making import NOW, make_customer, make_spec, post
from tests.prepared import prepared

KEY = "only-for-tests" * 4
OK = AttemptOutcome(NOW, 5, 200, answer="ok")
WRONG, AWAY = AttemptOutcome(NOW, 5, 400), AttemptOutcome(NOW, 5, None, "There was no connection.")
HELD = ["charge.held"]


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter."""
    monkeypatch.setattr(deliveries, "random", SimpleNamespace(randint=lambda _least, _most: 0))


@pytest.fixture
@prepared
def endpoint(app: Flask, session: Session) -> UUID:
    return make_endpoint(app)[0]


def happen(number: int = 1, now: datetime = NOW) -> list[UUID]:
    """Have something to tell: the deliveries' ids, in order."""
    customer = make_customer(reference=f"C{uuid4()}")
    ids = post(*(make_spec(customer, str(amount)) for amount in range(1, number + 1)), now=now).ids
    transaction(charges.hold, ids, "Look", SYSTEM, now)
    return ids


def take(endpoint: UUID, worker: str = "me", now: datetime = NOW) -> DueDelivery | None:
    return transaction(deliveries.claim_next, endpoint, worker, KEY, now)


def note(
    one: DueDelivery | None, outcome: AttemptOutcome, now: datetime = NOW, worker: str = "me"
) -> DueDelivery | None:
    assert one is not None
    return transaction(deliveries.record_attempt, one, outcome, worker, KEY, now)


def about(one: DueDelivery | None) -> str:
    assert one is not None
    return str(json.loads(one.body)["data"]["id"])


def test_oldest_first_one_after_the_other(endpoint: UUID, session: Session) -> None:
    held = happen(3)
    one = take(endpoint)
    sent = []
    while one is not None:
        sent.append(about(one))
        one = note(one, OK)
    assert sent == [str(id) for id in held]
    assert {(one.state, one.finished_at, len(one.attempts)) for one in told(session)} == {("delivered", NOW, 1)}
    assert (stored(session, endpoint).worker, endpoint_ids_due(session, NOW)) == (None, [])


def test_one_sender_at_a_time_until_it_is_silent_too_long(endpoint: UUID, session: Session) -> None:
    happen(2)
    assert endpoint_ids_due(session, NOW) == [endpoint]
    one = take(endpoint)
    assert take(endpoint, "other") is None
    session.rollback()
    assert endpoint_ids_due(session, NOW) == []
    later = NOW + deliveries.LEASE + timedelta(seconds=1)
    assert endpoint_ids_due(session, later) == [endpoint]
    again = take(endpoint, "other", later)
    assert about(again) == about(one)
    with pytest.raises(deliveries.LeaseLost):
        note(one, OK, later)
    assert note(again, OK, later, "other") is not None
    assert [len(one.attempts) for one in told(session)] == [1, 0]


def test_given_back_it_is_free(endpoint: UUID, session: Session) -> None:
    happen()
    take(endpoint)
    transaction(deliveries.release_endpoint, endpoint, "somebody else")
    assert take(endpoint, "other") is None
    transaction(deliveries.release_endpoint, endpoint, "me")
    assert take(endpoint, "other") is not None


def test_what_is_refused_is_tried_again_and_holds_nothing_up(endpoint: UUID, session: Session) -> None:
    held = happen(2)
    second = note(take(endpoint), WRONG)
    assert about(second) == str(held[1])
    assert note(second, OK) is None
    first, _ = told(session)
    assert (first.state, first.tries, first.next_attempt_at) == ("waiting", 1, NOW + RETRY_DELAYS[0])
    assert endpoint_ids_due(session, NOW + RETRY_DELAYS[0] - timedelta(seconds=1)) == []
    assert endpoint_ids_due(session, NOW + RETRY_DELAYS[0]) == [endpoint]


def test_after_the_last_try_it_is_given_up(endpoint: UUID, session: Session) -> None:
    happen()
    now = NOW
    for tries in range(1, MAX_ATTEMPTS + 1):
        assert note(take(endpoint, now=now), WRONG, now) is None
        now += RETRY_DELAYS[tries - 1] if tries < MAX_ATTEMPTS else timedelta()
    (one,) = told(session)
    assert (one.state, one.tries, one.finished_at, len(one.attempts)) == ("given_up", MAX_ATTEMPTS, now, MAX_ATTEMPTS)
    assert now - NOW == sum(RETRY_DELAYS, timedelta())
    assert endpoint_ids_due(session, now + timedelta(days=9)) == []


def test_a_receiver_that_is_away_rests_and_keeps_the_order(endpoint: UUID, session: Session) -> None:
    held = happen(2)
    assert note(take(endpoint), AWAY) is None
    assert endpoint_ids_due(session, NOW + RETRY_DELAYS[0] / 2) == []
    now = NOW + RETRY_DELAYS[0]
    assert note(take(endpoint, now=now), AWAY, now) is None
    assert (stored(session, endpoint).silent, stored(session, endpoint).rest_until) == (2, now + RETRY_DELAYS[1])
    now += RETRY_DELAYS[1]
    one = take(endpoint, now=now)
    assert about(one) == str(held[0])
    assert about(note(one, OK, now)) == str(held[1])
    assert (stored(session, endpoint).silent, stored(session, endpoint).rest_until) == (0, None)


def test_back_again_what_waited_waits_no_longer(endpoint: UUID, session: Session) -> None:
    held = happen(2)
    now = NOW
    for _ in range(5):  # the first one's next try is hours away by now
        note(take(endpoint, now=now), AWAY, now)
        now = stored(session, endpoint).rest_until or now
    one = take(endpoint, now=now)
    assert about(one) == str(held[1])
    assert about(note(one, OK, now)) == str(held[0])


def test_a_receiver_that_stays_away_is_given_up_with_all_that_waited_as_long(endpoint: UUID, session: Session) -> None:
    happen(10)
    now, tried, a_day_later = NOW, 0, NOW + timedelta(days=1)
    while any(one.state == "waiting" for one in told(session)):
        if now >= a_day_later and len(told(session)) == 10:
            happen(1, now)
        one = take(endpoint, now=now)
        if one is not None:
            note(one, AWAY, now)
            tried += 1
        now = max(now + timedelta(hours=1), stored(session, endpoint).rest_until or now)
    finished = [one.finished_at or NOW for one in told(session)]
    assert [one.state for one in told(session)] == ["given_up"] * 11
    assert len(set(finished[:10])) == 1
    assert NOW + timedelta(days=1.5) < finished[0] < finished[10] < NOW + timedelta(days=5)
    assert tried < 24 * 5 + 10
    assert [one.id for one in failing_endpoints(session)] == [endpoint]


def _make_troubled(session: Session, id: UUID) -> None:
    session.get_one(WebhookEndpoint, id).given_up_in_a_row = 3


def test_one_that_arrives_ends_the_warning(endpoint: UUID, session: Session) -> None:
    (charge,) = happen()
    transaction(_make_troubled, endpoint)
    assert [one.id for one in failing_endpoints(session)] == [endpoint]
    one = take(endpoint)
    assert about(one) == str(charge)
    note(one, OK)
    session.rollback()
    assert failing_endpoints(session) == []


def test_sent_again_from_the_first_wait_on(endpoint: UUID, session: Session) -> None:
    happen()
    note(take(endpoint), OK)
    (one,) = told(session)
    later = NOW + timedelta(days=2)
    transaction(endpoints.resend_delivery, one.id, SYSTEM, later)
    again = take(endpoint, now=later)
    assert again is not None
    assert (again.id, again.body) == (one.id, one.body)
    note(again, WRONG, later)
    (one,) = told(session)
    assert (one.state, one.tries, one.next_attempt_at) == ("waiting", 1, later + RETRY_DELAYS[0])
    assert [attempt.number for attempt in one.attempts] == [1, 2]


def test_paused_it_waits(endpoint: UUID, session: Session) -> None:
    for _ in range(2):
        transaction(endpoints.pause, endpoint, SYSTEM, NOW)
    held = happen()
    assert (endpoint_ids_due(session, NOW), take(endpoint)) == ([], None)
    with pytest.raises(Conflict, match="paused"):
        transaction(endpoints.ping, endpoint, SYSTEM, NOW)
    for _ in range(2):
        transaction(endpoints.resume, endpoint, SYSTEM, NOW)
    assert about(take(endpoint)) == str(held[0])
    assert actions(session)[-2:] == ["webhook.paused", "webhook.resumed"]


def test_paused_or_deleted_while_something_is_on_its_way(endpoint: UUID, session: Session) -> None:
    happen(2)
    one = take(endpoint)
    transaction(endpoints.pause, endpoint, SYSTEM, NOW)
    assert note(one, OK) is None
    assert [one.state for one in told(session)] == ["delivered", "waiting"]
    transaction(endpoints.resume, endpoint, SYSTEM, NOW)
    one = take(endpoint)
    transaction(endpoints.archive, endpoint, SYSTEM, NOW)
    assert note(one, AWAY) is None
    assert [(one.state, len(one.attempts)) for one in told(session)] == [("delivered", 1), ("given_up", 1)]
    happen()
    assert len(told(session)) == 2
    for act in (endpoints.archive, endpoints.pause, endpoints.ping):
        with pytest.raises(NotFound):
            transaction(act, endpoint, SYSTEM, NOW)


def test_ping(endpoint: UUID, session: Session) -> None:
    id = transaction(endpoints.ping, endpoint, SYSTEM, NOW)
    one = take(endpoint)
    assert one is not None
    assert (one.id, one.event) == (id, "ping")
    assert json.loads(one.body)["data"]["webhook"] == str(endpoint)


def actions(session: Session) -> list[str]:
    session.rollback()
    events = session.scalars(select(AuditEvent).where(AuditEvent.object_type == "webhook").order_by(AuditEvent.id))
    return [event.action for event in events]


def test_rotated_both_secrets_sign_for_a_day(app: Flask, endpoint: UUID, session: Session) -> None:
    happen(4)
    first = take(endpoint)
    assert first is not None
    (old,) = first.secrets
    new = transaction(endpoints.rotate_secret, endpoint, KEY, 1, SYSTEM, NOW)
    second = note(first, OK)
    assert second is not None
    assert second.secrets == (new, old)
    third = note(second, OK, NOW + timedelta(hours=24))
    assert third is not None
    assert third.secrets == (new,)
    with pytest.raises(Stale):
        transaction(endpoints.rotate_secret, endpoint, KEY, 1, SYSTEM, NOW)


def test_with_another_key_nothing_signs_until_it_is_rotated(endpoint: UUID, session: Session) -> None:
    happen()
    one = transaction(deliveries.claim_next, endpoint, "me", "another key", NOW)
    assert one is not None
    assert one.secrets == ()
    transaction(deliveries.release_endpoint, endpoint, "me")
    new = transaction(endpoints.rotate_secret, endpoint, "another key", None, SYSTEM, NOW)
    one = transaction(deliveries.claim_next, endpoint, "me", "another key", NOW)
    assert one is not None
    assert one.secrets[0] == new


def test_no_secret_is_stored(app: Flask, session: Session) -> None:
    id, secret = make_endpoint(app)
    rotated = transaction(endpoints.rotate_secret, id, key_of(app), None, SYSTEM, NOW)
    kept = [str(vars(one)) for one in (stored(session, id), *session.scalars(select(AuditEvent)))]
    assert not [one for one in kept if secret in one or rotated in one or "whsec_" in one]


def test_changed(endpoint: UUID, session: Session) -> None:
    spec = EndpointSpec("https://example.org/", "Ledger", ["invoice.voided", "invoice.paid"])
    transaction(endpoints.change, endpoint, spec, RULES, 1, SYSTEM, NOW)
    transaction(endpoints.change, endpoint, spec, RULES, 2, SYSTEM, NOW)
    found = stored(session, endpoint)
    assert (found.url, found.events, found.version) == (spec.url, ["invoice.paid", "invoice.voided"], 2)
    with pytest.raises(Stale):
        transaction(endpoints.change, endpoint, spec, RULES, 1, SYSTEM, NOW)
    assert actions(session) == ["webhook.added", "webhook.changed"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (EndpointSpec("https://10.0.0.1/", "", HELD), "url"),
        (EndpointSpec("https://example.com/", "", []), "events"),
        (EndpointSpec("https://example.com/", "", ["ping"]), "events"),
        (EndpointSpec("https://example.com/", "x" * 201, HELD), "description"),
    ],
)
def test_refuses(app: Flask, session: Session, spec: EndpointSpec, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        transaction(endpoints.add, spec, RULES, KEY, uuid4(), SYSTEM, NOW)
    assert refused.value.field == (field,)


def test_added_once(app: Flask, session: Session) -> None:
    spec, id = EndpointSpec("https://example.com/", "", HELD), uuid4()
    transaction(endpoints.add, spec, RULES, KEY, id, SYSTEM, NOW)
    with pytest.raises(Conflict, match="already been added"):
        transaction(endpoints.add, spec, RULES, KEY, id, SYSTEM, NOW)


def test_what_was_delivered_is_forgotten_after_30_days(
    endpoint: UUID, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "DELETE_BATCH", 2)
    happen(6)
    one = take(endpoint)
    for _ in range(5):
        one = note(one, OK)
    later = NOW + timedelta(days=30)
    assert deliveries.delete_all_expired(transaction, later) == 0
    assert deliveries.delete_all_expired(transaction, later + timedelta(seconds=1)) == 5
    assert [one.state for one in told(session)] == ["waiting"]
    assert session.scalar(select(func.count()).select_from(WebhookAttempt)) == 0
    assert session.scalar(select(func.count()).select_from(WebhookDelivery)) == 1
