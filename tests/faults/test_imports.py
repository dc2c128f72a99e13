"""An import whose worker processes are killed half-way, again and again: each row comes in once, and the sums agree."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.background.imports import check_file
from billing_admin.clock import now
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.imports.tally import Tally
from billing_admin.models import Charge, Import
from billing_admin.operations.imports import imports
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.imports import import_by_id
from tests.books import assert_books_balance
from tests.faults.test_jobs import Place, place, silence, until
from tests.importing import bring, planned
from tests.making import make_customer, make_service

pytestmark = pytest.mark.fault

ROWS = 8_000
KILLS = 2
__all__ = ["place"]


def charges(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Charge)) or 0


def state(session: Session) -> str | None:
    return session.scalar(select(Import.state))


@pytest.mark.deep
@pytest.mark.quick_cases("sqlite")
def test_an_import_whose_workers_are_killed_is_finished_by_the_next_one(session: Session, place: Place) -> None:
    for number in range(10):
        make_customer(reference=f"C{number}")
    make_service()
    rows = (f"C{n % 10},GenericCompute,{n % 97 + 1}.25,row-{n}" for n in range(ROWS))
    content = "\n".join(["customer,service,quantity,key", *rows]).encode()
    id = bring("charges", content)
    transaction(imports.set_plan, id, planned("charges", content), SYSTEM, now())
    check_file(id, SYSTEM, lambda _count: None)
    promised = Tally.of_data(import_by_id(session, id).promised)
    assert (promised.new, charges(session)) == (ROWS, 0)
    transaction(imports.request_import, id, SYSTEM, now())
    seen = [0]
    for _ in range(KILLS):
        with place.worker() as process:
            until(session, lambda: charges(session) > seen[-1])
            process.kill()
            process.wait()
        seen.append(charges(session))
        assert seen[-1] == import_by_id(session, id).done  # a chunk and its count, both or neither
        silence(session)
    assert len(set(seen)) == KILLS + 1
    with place.worker():
        until(session, lambda: state(session) == "done")
    done = import_by_id(session, id)
    assert (done.made, done.done, charges(session)) == (done.promised, ROWS, ROWS)
    assert promised.sums == {
        "USD": sum((Decimal(f"{n % 97 + 1}.25") * Decimal("2.5") for n in range(ROWS)), Decimal(0))
    }
    assert [result for result in run_checks(session) if result.count] == []
    assert_books_balance(session)
