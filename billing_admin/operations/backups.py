"""Record backups and restores in the audit log."""

from datetime import datetime

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.operations.audit import record


def record_backup(session: Session, name: str, size: int, encrypted: bool, actor: Actor, now: datetime) -> None:
    """Record that a backup was created; `size` in bytes."""
    details = {"backup": name, "bytes": size, "encrypted": encrypted}
    record(session, actor, now, "backup.created", "backup", details=details)


def record_restore(session: Session, name: str, created_at: datetime, actor: Actor, now: datetime) -> None:
    """Record that the data was replaced by a backup of `created_at`."""
    details = {"backup": name, "created_at": created_at.isoformat()}
    record(session, actor, now, "backup.restored", "backup", details=details)
