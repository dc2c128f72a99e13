"""The server is reloaded and stopped under load: every request is answered, and nothing that was acknowledged is lost."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import Charge
from billing_admin.operations.access import tokens
from billing_admin.queries.doctor import run_checks
from tests.browser.server import UNLIMITED, serving_process
from tests.faults.test_database_restarts import Load
from tests.making import make_customer

pytestmark = [pytest.mark.fault, pytest.mark.deep]

RELOADS = 2
START_SECONDS = 60  # in which requests wait for the new processes; a second or two on an idle machine
STOP_SECONDS = 30


@contextmanager
def served_load(app: Flask) -> Iterator[tuple[Load, subprocess.Popen[bytes]]]:
    """A load on a server of two processes, and its main process."""
    make_customer(reference="ACME")
    token = transaction(tokens.create, "load", tuple(SCOPES), 1, actor=SYSTEM, now=clock.now())[1]
    url = str(app.extensions["billing_settings"].database_url)
    db.session.remove()
    with (
        tempfile.TemporaryDirectory(prefix="billing-") as folder,
        serving_process(url, workers=2, rate_limit_storage=f"{folder}/limits", **UNLIMITED) as (address, process),
    ):
        yield Load(address, token), process


def assert_nothing_is_lost(load: Load) -> None:
    session = db.session()
    assert load.acknowledged
    assert load.acknowledged <= set(session.scalars(select(Charge.id)))
    assert [result for result in run_checks(session) if result.count] == []


def test_a_reload_under_load_refuses_no_request(app: Flask, session: Session) -> None:
    with served_load(app) as (load, process):
        with load.running():
            for _ in range(RELOADS):
                load.wait_until_both_work(START_SECONDS)
                process.send_signal(signal.SIGHUP)
                sleep(1)
            load.wait_until_both_work(START_SECONDS)
        assert set(load.outcomes) == {200, 201}, load.outcomes
    assert_nothing_is_lost(load)


def test_a_stop_under_load_answers_the_requests_that_have_begun(app: Flask, session: Session) -> None:
    with served_load(app) as (load, process):
        with load.running():
            load.wait_until_both_work()
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        assert process.returncode == 0
        assert set(load.outcomes) <= {200, 201, "cut"}, load.outcomes
    assert_nothing_is_lost(load)
