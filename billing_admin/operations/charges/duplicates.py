"""Keep likely duplicates as charges of their own.

`operations.charges.charges.cancel` cancels the others.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, update
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import LIKELY_DUPLICATE, charge_name, status_refusal
from billing_admin.domain.errors import Conflict
from billing_admin.domain.text import refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge
from billing_admin.operations.audit import record
from billing_admin.operations.charges.charges import load_charge_states, lock_accounts_of_charges
from billing_admin.operations.master_data.accounts import StatusChange, update_totals


def keep_duplicates(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Mark likely duplicates as charges of their own.

    Charges held as likely duplicates become pending. Returns the number of newly kept charges. Raises NotFound for an
    unknown charge, and Conflict for one that is cancelled or not a likely duplicate; then none is kept.
    """
    lock_accounts_of_charges(session, ids)
    rows = load_charge_states(session, ids)
    for row in rows:
        _check_is_duplicate(row)
    keeping = [row for row in rows if row.duplicate_kept_at is None]
    if not keeping:
        return 0
    refuse_unprintable(reason, "reason")
    session.execute(
        update(Charge)
        .where(is_any_of(Charge.id, [row.id for row in keeping]))
        .values(
            duplicate_kept_at=now,
            status=case((_HELD_AS_DUPLICATE, "pending"), else_=Charge.status),
            status_reason=case((_HELD_AS_DUPLICATE, None), else_=Charge.status_reason),
        )
        .execution_options(synchronize_session=False)
    )
    update_totals(
        session,
        (
            StatusChange(row.customer_id, row.currency, row.status, _status_when_kept(row), row.amount)
            for row in keeping
        ),
    )
    single_id = keeping[0].id if len(keeping) == 1 else None
    details = {"reason": reason, "charges": [str(row.id) for row in keeping]}
    record(session, actor, now, "charge.kept", "charge", single_id, details)
    return len(keeping)


_HELD_AS_DUPLICATE: ColumnElement[bool] = (Charge.status == "held") & (Charge.status_reason == LIKELY_DUPLICATE)


def _status_when_kept(row: Any) -> str:
    held_as_duplicate = row.status == "held" and row.status_reason == LIKELY_DUPLICATE
    return "pending" if held_as_duplicate else str(row.status)


def _check_is_duplicate(row: Any) -> None:
    if row.duplicate_of_id is None:
        raise Conflict(
            "not_a_duplicate",
            Phrase(
                "{charge_name} is not a likely duplicate, so there is nothing to decide.", charge_name=charge_name(row)
            ),
            "status",
        )
    if row.status == "cancelled":
        raise Conflict("charge_cancelled", status_refusal(row, row.status, row.invoice_number), "status")
