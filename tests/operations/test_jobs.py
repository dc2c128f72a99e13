"""A job's row: who holds it, who may say what of it, and how it comes back when its worker is gone."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLES, SYSTEM, Actor
from billing_admin.domain.errors import Conflict, Denied, NotFound
from billing_admin.models import ApiToken, AuditEvent, Job
from billing_admin.operations import jobs
from billing_admin.operations.access import tokens, users
from billing_admin.queries.jobs import job, latest_job
from tests.making import NOW
from tests.people import PASSWORD

SUBJECT = UUID(int=7)
LATER = NOW + jobs.LEASE + timedelta(seconds=1)


def ask(kind: str = "import", subject: UUID = SUBJECT) -> UUID:
    return transaction(jobs.enqueue, kind, subject, "charges:write", SYSTEM, NOW)


def take(worker: str = "a", at: datetime = NOW) -> Job | None:
    return transaction(jobs.claim_next, worker, SYSTEM, at)


def beat(id: UUID, worker: str = "a", done: int = 1, at: datetime = NOW) -> bool:
    return transaction(jobs.renew_lease, id, worker, done, 10, at)


def read(session: Session, id: UUID) -> Job:
    session.rollback()
    return job(session, id)


def actions(session: Session) -> list[str]:
    session.rollback()
    found = session.scalars(select(AuditEvent).where(AuditEvent.object_type == "job").order_by(AuditEvent.id))
    return [event.action for event in found]


def test_it_is_asked_for_taken_and_done(session: Session) -> None:
    id = ask()
    taken = take()
    assert taken
    assert (taken.id, taken.state, taken.worker, taken.attempts) == (id, "running", "a", 1)
    assert take("b") is None
    assert not beat(id, done=4)
    transaction(jobs.finish, id, "a", {"rows": 10}, SYSTEM, LATER)
    done = read(session, id)
    assert (done.state, done.done, done.of, done.result, done.worker) == ("done", 10, 10, {"rows": 10}, None)
    assert (done.started_at, done.finished_at) == (NOW, LATER)
    assert actions(session) == ["job.queued", "job.done"]


def test_one_is_alive_for_a_subject_and_kind(session: Session) -> None:
    first = ask()
    assert ask() == first
    assert len({first, ask("export"), ask(subject=uuid4())}) == 3
    take()
    assert ask() == first
    transaction(jobs.finish, first, "a", None, SYSTEM, NOW)
    again = ask()
    assert again != first
    found = latest_job(session, SUBJECT)
    assert found
    assert found.kind in {"import", "export"}


def test_jobs_are_taken_in_the_order_in_which_they_were_asked_for(session: Session) -> None:
    asked = [transaction(jobs.enqueue, "import", uuid4(), "read", SYSTEM, NOW + timedelta(seconds=n)) for n in range(3)]
    taken = [found.id for found in (take("a"), take("b"), take("c")) if found]
    assert taken == asked


def test_a_silent_worker_loses_its_job_and_learns_of_it(session: Session) -> None:
    id = ask()
    take("a")
    beat(id, done=5)
    assert take("b", NOW + jobs.LEASE) is None
    taken = take("b", LATER)
    assert taken
    assert (taken.id, taken.done, taken.attempts) == (id, 5, 2)
    for late in (
        lambda: beat(id, "a"),
        lambda: transaction(jobs.finish, id, "a", None, SYSTEM, LATER),
        lambda: transaction(jobs.fail, id, "a", "no", SYSTEM, LATER),
        lambda: transaction(jobs.mark_cancelled, id, "a", SYSTEM, LATER),
        lambda: transaction(jobs.release, id, "a"),
    ):
        with pytest.raises(jobs.LeaseLost):
            late()
    assert read(session, id).worker == "b"


def test_a_job_that_kills_every_worker_fails(session: Session) -> None:
    id = ask()
    at = NOW
    for number in range(jobs.MAX_ATTEMPTS):
        assert take(f"worker {number}", at)
        at += jobs.LEASE + timedelta(seconds=1)
    assert take("last", at) is None
    failed = read(session, id)
    assert (failed.state, failed.failure) == ("failed", jobs.ATTEMPTS_EXHAUSTED)


def test_a_job_that_gets_further_each_time_goes_on(session: Session) -> None:
    id = ask()
    at = NOW
    for number in range(3 * jobs.MAX_ATTEMPTS):
        assert take("a", at)
        beat(id, done=number + 1, at=at)
        at += jobs.LEASE + timedelta(seconds=1)
    assert read(session, id).attempts == 1


def test_one_that_waits_is_cancelled_at_once(session: Session) -> None:
    id = ask()
    transaction(jobs.cancel, id, SYSTEM, NOW)
    assert read(session, id).state == "cancelled"
    assert take() is None
    transaction(jobs.cancel, id, SYSTEM, NOW)
    assert actions(session) == ["job.queued", "job.cancelled"]


def test_one_that_runs_is_told_at_its_next_beat(session: Session) -> None:
    id = ask()
    take()
    assert not beat(id)
    transaction(jobs.cancel, id, SYSTEM, NOW)
    transaction(jobs.cancel, id, SYSTEM, NOW)
    assert beat(id)
    transaction(jobs.mark_cancelled, id, "a", SYSTEM, NOW)
    assert read(session, id).state == "cancelled"
    assert actions(session) == ["job.queued", "job.cancel_asked", "job.cancelled"]


def test_one_whose_worker_died_before_it_heard_is_not_begun_again(session: Session) -> None:
    id = ask()
    take()
    transaction(jobs.cancel, id, SYSTEM, NOW)
    assert take("b", LATER) is None
    assert read(session, id).state == "cancelled"


def test_a_billing_run_is_not_stopped_half_way(session: Session) -> None:
    id = ask("billing_run")
    with pytest.raises(Conflict, match="cannot be cancelled"):
        transaction(jobs.cancel, id, SYSTEM, NOW)
    assert read(session, id).state == "queued"


def test_a_job_given_back_waits_for_the_next_worker(session: Session) -> None:
    id = ask()
    take()
    transaction(jobs.release, id, "a")
    assert (read(session, id).state, read(session, id).attempts) == ("queued", 0)
    assert take("b")


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_is_tried_again(session: Session, how: str) -> None:
    id = ask()
    take()
    if how == "failed":
        transaction(jobs.fail, id, "a", "The disk is full.", SYSTEM, NOW)
        assert read(session, id).failure == "The disk is full."
    else:
        transaction(jobs.cancel, id, SYSTEM, NOW)
        transaction(jobs.mark_cancelled, id, "a", SYSTEM, NOW)
    for _ in range(2):
        transaction(jobs.retry, id, SYSTEM, NOW)
    found = read(session, id)
    assert (found.state, found.failure, found.cancel_asked, found.finished_at) == ("queued", None, False, None)
    assert take()


def test_what_is_done_or_goes_on_elsewhere_is_not_begun_again(session: Session) -> None:
    first = ask()
    take()
    transaction(jobs.fail, first, "a", "No.", SYSTEM, NOW)
    second = ask()
    with pytest.raises(Conflict, match="Another job"):
        transaction(jobs.retry, first, SYSTEM, NOW)
    take()
    transaction(jobs.finish, second, "a", None, SYSTEM, NOW)
    with pytest.raises(Conflict, match="already done"):
        transaction(jobs.retry, second, SYSTEM, NOW)


def test_who_may_not_ask_may_not_touch(session: Session) -> None:
    id = ask()
    viewer = Actor("user", None, "viewer", frozenset({"read", "jobs:write"}))
    for act in (jobs.cancel, jobs.retry):
        with pytest.raises(Denied):
            transaction(act, id, viewer, NOW)


def test_one_that_does_not_exist(session: Session) -> None:
    with pytest.raises(NotFound):
        transaction(jobs.cancel, UUID(int=1), SYSTEM, NOW)


def test_whoever_tries_it_again_acts_from_then_on(session: Session) -> None:
    id = ask()
    take()
    transaction(jobs.fail, id, "a", "No.", SYSTEM, NOW)
    other = Actor("user", UUID(int=9), "other@example.com", frozenset({"charges:write", "jobs:write"}))
    transaction(jobs.retry, id, other, NOW)
    taken = take()
    assert taken
    assert jobs.actor_of(taken) == Actor("user", UUID(int=9), "other@example.com", frozenset({"charges:write"}))


# --- permissions that were taken away ----------------------------------------------------------------------------------


def ask_as(actor: Actor, kind: str = "import", subject: UUID = SUBJECT) -> UUID:
    return transaction(jobs.enqueue, kind, subject, "charges:write", actor, NOW)


def make_person(role: str = "admin") -> Actor:
    made = transaction(users.create_user, "ada@example.com", PASSWORD, role, SYSTEM, NOW)
    transaction(users.create_user, "bob@example.com", PASSWORD, "admin", SYSTEM, NOW)
    return Actor("person", made.id, made.email, ROLES[role])


def make_token(owner: Actor) -> Actor:
    scopes = ["read", "charges:write"]
    made, _ = transaction(tokens.create, "meter", scopes, user_id=owner.id, actor=SYSTEM, now=NOW)
    return Actor("token", made.id, made.name, frozenset(scopes))


def close(actor: Actor, way: str) -> None:
    """Take the permission to post charges away from a person or their token."""
    assert actor.id is not None
    if way == "revoked":
        token = db.session().scalars(select(ApiToken.id)).one()
        transaction(tokens.revoke, token, SYSTEM, LATER)
    elif way == "role":
        transaction(users.change_role, actor.id, "viewer", SYSTEM, LATER)
    else:
        transaction(users.deactivate, actor.id, SYSTEM, LATER)


@pytest.mark.parametrize(
    ("of_token", "way"), [(False, "closed"), (False, "role"), (True, "closed"), (True, "role"), (True, "revoked")]
)
def test_a_closed_accounts_queued_jobs_stop(session: Session, of_token: bool, way: str) -> None:
    """Such jobs ran in the name of a person who had left."""
    ada = make_person()
    id = ask_as(make_token(ada) if of_token else ada)
    bystander = ask_as(SYSTEM, subject=UUID(int=8))
    close(ada, way)
    stopped = read(session, id)
    assert (stopped.state, stopped.failure) == ("failed", jobs.UNAUTHORISED)
    taken = take(at=LATER)
    assert taken
    assert taken.id == bystander
    assert take(at=LATER) is None
    transaction(jobs.retry, id, SYSTEM, LATER)  # somebody else may start it again, in their own name
    again = take(at=LATER)
    assert again
    assert (again.id, again.created_by) == (id, SYSTEM.name)


def test_a_closed_accounts_running_job_is_cancelled_and_a_billing_run_goes_on(session: Session) -> None:
    """A run that stopped half-way would leave customers without invoices."""
    ada = make_person()
    id, run = ask_as(ada), ask_as(ada, "billing_run")
    assert take("a")
    assert take("b")
    close(ada, "closed")
    assert beat(id, "a", at=LATER)
    assert not beat(run, "b", at=LATER)
    transaction(jobs.release, run, "b")
    taken = take("c", at=LATER)
    assert taken
    assert taken.id == run


def test_a_queued_billing_run_of_a_closed_account_stops(session: Session) -> None:
    ada = make_person()
    id = ask_as(ada, "billing_run")
    close(ada, "closed")
    assert read(session, id).state == "failed"


def test_a_job_that_was_asked_for_while_the_account_was_closed_is_not_started(session: Session) -> None:
    """The request passed the check of its permission just before."""
    ada = make_person()
    close(ada, "closed")
    id = ask_as(ada)
    assert take() is None
    assert read(session, id).failure == jobs.UNAUTHORISED


def test_a_job_outlives_the_end_of_its_token(session: Session) -> None:
    token = make_token(make_person())
    id = ask_as(token)
    taken = take(at=NOW + timedelta(days=400))
    assert taken
    assert taken.id == id
