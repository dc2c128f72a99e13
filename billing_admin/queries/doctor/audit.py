"""What always holds of the audit log: its chain, recomputed over the events as they are now."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.audit import FIRST_PREVIOUS_HASH, canonical_content, chained_hash
from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.queries.audit import COLUMNS_AS_TEXT, ChainHead
from billing_admin.queries.doctor.findings import Check, Finding, Result

AT_A_TIME = 1000
CHAIN = Check("audit_chain", "Each sealed audit event is there, unaltered, in its place.")
ANCHOR = Check("audit_anchor", "The heads exported earlier are still in the audit log's chain.")
CHECKS = (CHAIN,)


def find(session: Session) -> Iterator[tuple[str, Finding]]:
    """Everything wrong, with the name of the check. What is not sealed yet is not wrong."""
    query = (
        select(AuditSeal.sequence, AuditSeal.event_id.label("sealed_id"), AuditSeal.hash, *COLUMNS_AS_TEXT)
        .outerjoin(AuditEvent, AuditEvent.id == AuditSeal.event_id)
        .order_by(AuditSeal.sequence)
    )
    before = ChainHead(0, FIRST_PREVIOUS_HASH)
    for row in session.execute(query.execution_options(yield_per=AT_A_TIME)).mappings():
        event = dict(row)
        seal, sealed_id = ChainHead(event.pop("sequence"), event.pop("hash")), str(event.pop("sealed_id"))
        finding = _wrong(before, seal, sealed_id, event)
        if finding:
            yield CHAIN.name, finding
        before = seal


def _wrong(before: ChainHead, seal: ChainHead, event_id: str, event: dict[str, Any]) -> Finding | None:
    """Each event is compared with the hash stored before it, so that one altered event is one finding."""
    if event["id"] is None:
        return Finding("audit_events", event_id, f"is missing; it was sealed as number {seal.sequence}")
    if seal.sequence != before.sequence + 1:
        return Finding("audit_seals", str(seal.sequence), f"follows {before.sequence}: what was between is missing")
    if seal.hash != chained_hash(before.hash, canonical_content(event)):
        return Finding("audit_events", event_id, f"does not match seal {seal.sequence}: altered, or not in its place")
    return None


def check_anchors(session: Session, anchors: Iterable[ChainHead]) -> Result:
    """Check that heads exported earlier are still in the chain: that nothing was cut off, and nothing made anew."""
    rows = []
    for anchor in anchors:
        hash = session.scalar(select(AuditSeal.hash).where(AuditSeal.sequence == anchor.sequence))
        if anchor == ChainHead(0, FIRST_PREVIOUS_HASH) or hash == anchor.hash:
            continue
        wrong = "is not there: the chain was cut off" if hash is None else "has another hash: the chain was made anew"
        rows.append(Finding("audit_seals", str(anchor.sequence), wrong))
    return Result(ANCHOR, len(rows), rows)
