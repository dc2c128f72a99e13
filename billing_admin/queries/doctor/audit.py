"""Checks of the audit log: its chain, recomputed from the events as they are now."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.audit import FIRST_PREVIOUS_HASH, canonical_content, chained_hash
from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.queries.audit import COLUMNS_AS_TEXT, ChainHead
from billing_admin.queries.doctor.findings import Check, Finding, Result

FETCH_SIZE = 1000
CHAIN = Check("audit_chain", "Each sealed audit event exists, unaltered and in its place.")
ANCHOR = Check("audit_anchor", "The audit heads that were exported are still in the chain.")
CHECKS = (CHAIN,)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check.

    Events may be unsealed.
    """
    query = (
        select(AuditSeal.sequence, AuditSeal.event_id.label("sealed_id"), AuditSeal.hash, *COLUMNS_AS_TEXT)
        .outerjoin(AuditEvent, AuditEvent.id == AuditSeal.event_id)
        .order_by(AuditSeal.sequence)
    )
    previous = ChainHead(0, FIRST_PREVIOUS_HASH)
    for row in session.execute(query.execution_options(yield_per=FETCH_SIZE)).mappings():
        event = dict(row)
        seal, sealed_id = ChainHead(event.pop("sequence"), event.pop("hash")), str(event.pop("sealed_id"))
        finding = _violation(previous, seal, sealed_id, event)
        if finding:
            yield CHAIN.name, finding
        previous = seal


def _violation(previous: ChainHead, seal: ChainHead, event_id: str, event: dict[str, Any]) -> Finding | None:
    # Each hash is computed from the stored previous one, so that one altered event is one finding.
    if event["id"] is None:
        return Finding("audit_events", event_id, f"does not exist; it was sealed as number {seal.sequence}")
    if seal.sequence != previous.sequence + 1:
        return Finding(
            "audit_seals", str(seal.sequence), f"follows {previous.sequence}: the seals between them are missing"
        )
    if seal.hash != chained_hash(previous.hash, canonical_content(event)):
        return Finding("audit_events", event_id, f"does not match seal {seal.sequence}: it was altered or moved")
    return None


def check_anchors(session: Session, anchors: Iterable[ChainHead]) -> Result:
    """Check that exported heads are still in the chain.

    If one is not, the chain was truncated or rebuilt.
    """
    rows = []
    for anchor in anchors:
        hash = session.scalar(select(AuditSeal.hash).where(AuditSeal.sequence == anchor.sequence))
        if anchor == ChainHead(0, FIRST_PREVIOUS_HASH) or hash == anchor.hash:
            continue
        problem = (
            "does not exist: the chain was truncated" if hash is None else "has another hash: the chain was rebuilt"
        )
        rows.append(Finding("audit_seals", str(anchor.sequence), problem))
    return Result(ANCHOR, len(rows), rows)
