"""Post single charges that arrive at the same moment in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import Flask

from billing_admin.clock import now
from billing_admin.concurrency.group_commit import Failure, GroupCommit, Result, Success
from billing_admin.db.errors import AccountsLocked
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import NeedsApproval
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.posting import Assessment, Candidate, PostingContext, assess
from billing_admin.http.lock_waits import run_bounded
from billing_admin.operations.charges.negative_charges import is_limited, refuse_above_limit
from billing_admin.operations.charges.posting import Posting, PostingResult, store
from billing_admin.queries.charges.posting import load_context


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One charge to post, and the actor whose audit event records it."""

    spec: ChargeSpec
    actor: Actor


class ChargePoster:
    """Posts single charges in groups.

    A group skips accounts that another transaction has locked, such as a billing run's: a charge to one of them is posted
    alone once the account is free. So is a negative charge of a person with a limit, whose acts wait for each other.
    """

    def __init__(self) -> None:
        self._group = GroupCommit(partial(post_group, skip_locked=True), transaction)

    def __call__(self, request: ChargeRequest) -> PostingResult:
        """Post the charge, and return its result.

        Raises its refusal, or AccountsLocked.
        """
        try:
            return self._group(request)
        except AccountsLocked:
            return run_bounded(transaction, partial(_post_alone, request=request), request.spec.customer)


def _post_alone(session: Session, request: ChargeRequest) -> PostingResult:
    (result,) = post_group(session, [request], skip_locked=False)
    if isinstance(result, Failure):
        raise result.error
    return result.value


def _refusal(
    session: Session,
    assessment: Assessment,
    candidate: Candidate,
    context: PostingContext,
    actor: Actor,
    at: datetime,
) -> Exception | None:
    """Return why a request's charge is not posted, or None."""
    try:
        refuse_above_limit(session, assessment, [candidate], context, actor, at, may_wait=True)
    except NeedsApproval as error:
        return error
    return assessment.refusal()


def init_charge_poster(app: Flask) -> None:
    """Give the application its poster, which all threads of a process share."""
    app.extensions["billing_charge_poster"] = ChargePoster()


def post_group(
    session: Session, requests: Sequence[ChargeRequest], *, skip_locked: bool
) -> list[Result[PostingResult]]:
    """Post each request's charge as if it came alone, and return a result for each.

    The charges are posted in the order of the requests. With `skip_locked` a request that may have to wait for a lock
    fails with AccountsLocked.
    """
    at = now()
    context = load_context(session, [request.spec for request in requests], at, skip_locked=skip_locked)
    postings, results = list[Posting](), list[Result[PostingResult] | None]()
    for request, candidate in zip(requests, context.candidates, strict=True):
        failure: Exception | None
        if context.is_locked(request.spec) or (skip_locked and is_limited(session, candidate, request.actor)):
            failure = AccountsLocked()
        else:
            assessment = assess([candidate], context, may_credit=request.actor.may_credit)
            failure = _refusal(session, assessment, candidate, context, request.actor, at)
            if failure is None:
                postings.append(Posting(assessment, request.actor))
                context.add_stored(assessment.new)
        results.append(Failure(failure) if failure else None)
    stored = iter(store(session, postings, context, at))
    return [result or Success(next(stored)) for result in results]
