"""The logo of the organisation: stored once, kept for the documents that have it."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.formats.logo import check_logo
from billing_admin.models import AuditEvent, Logo
from billing_admin.operations.master_data import logos
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.master_data.logos import current_logo
from tests.logos import make_png
from tests.making import NOW, make_invoice


def test_a_logo_is_stored_once_and_kept(session: Session) -> None:
    red, blue = check_logo(make_png(2, 2)), check_logo(make_png(3, 2))
    for file in (red, blue, red, red):
        transaction(logos.set_logo, file, SYSTEM, NOW)
    session.rollback()
    current = current_logo(session)
    assert current is not None
    assert (current.sha256, current.media_type, current.width, current.data) == (red.sha256, "image/png", 2, red.data)
    session.rollback()
    assert transaction(logos.remove_logo, SYSTEM, NOW)
    assert not transaction(logos.remove_logo, SYSTEM, NOW)
    session.rollback()
    assert current_logo(session) is None
    assert set(session.scalars(select(Logo.sha256))) == {red.sha256, blue.sha256}
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [(event.action, event.details["logo"]) for event in events] == [
        ("organisation.changed", [None, red.sha256]),
        ("organisation.changed", [red.sha256, blue.sha256]),
        ("organisation.changed", [blue.sha256, red.sha256]),
        ("organisation.changed", [red.sha256, None]),
    ]


def test_the_doctor_names_a_changed_logo_and_a_missing_one(session: Session) -> None:
    kept, lost = check_logo(make_png(2, 2)), check_logo(make_png(3, 2))
    transaction(logos.set_logo, lost, SYSTEM, NOW)
    invoice = make_invoice()
    transaction(logos.set_logo, kept, SYSTEM, NOW)
    make_invoice()
    assert not any(result.count for result in run_checks(session, NOW))
    session.rollback()
    transaction(lambda writer: writer.execute(update(Logo).where(Logo.sha256 == kept.sha256).values(data=b"other")))
    transaction(lambda writer: writer.execute(delete(Logo).where(Logo.sha256 == lost.sha256)))
    found = {result.check.name: [row.id for row in result.rows] for result in run_checks(session, NOW) if result.count}
    assert found == {"logo_hash": [kept.sha256], "logo_stored": [str(invoice.id)]}
