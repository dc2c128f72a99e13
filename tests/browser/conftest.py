"""Fixtures for tests in Chromium. `walked` is a product with nothing in it but people; `seeded` one that tests share."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser

from tests.browser.server import SECRET, ChromiumMissing, chromium, serving
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The one Chromium. Where there is none, the tests are skipped; in CI they fail."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(chromium())
        except ChromiumMissing as missing:
            if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
                raise
            pytest.skip(str(missing))
        yield found


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open a window: `visit(home, 320, javascript=False, axe=False)`. All are closed, and judged, at the end."""
    with ExitStack() as stack:

        def open_window(home: str, width: int = 1280, *, javascript: bool = True, axe: bool = False) -> Visitor:
            size: Any = {"width": width, "height": 800}
            context = browser.new_context(viewport=size, java_script_enabled=javascript, reduced_motion="reduce")
            context.set_default_timeout(10_000)
            visitor = Visitor(context, home, javascript=javascript, axe=axe)
            stack.callback(visitor.close)
            return visitor

        yield open_window


@pytest.fixture
def walked(app: Flask) -> Iterator[str]:
    """The address of a product with people, a tax rate and nothing else."""
    from tests.making import make_tax_rate  # noqa: PLC0415 - the product is imported after pytest-cov starts
    from tests.people import person  # noqa: PLC0415

    person(app, "admin")
    with app.app_context():
        make_tax_rate()
    with serving(app.extensions["billing_settings"].database_url) as home:
        yield home


class Seeded:
    """The shared product: the application, for a test that looks behind the pages, and its address."""

    def __init__(self, app: Flask, home: str) -> None:
        self.app, self.home = app, home


@pytest.fixture(scope="session")
def seeded(request: pytest.FixtureRequest) -> Iterator[Seeded]:
    """A product on SQLite with customers, 130 invoices, some overdue, and people; tests add to it."""
    from billing_admin import create_app  # noqa: PLC0415
    from billing_admin.config import Settings  # noqa: PLC0415
    from billing_admin.db.engine import db  # noqa: PLC0415

    migrated: Path = request.getfixturevalue("sqlite").migrated
    with tempfile.TemporaryDirectory(prefix="billing-") as folder:
        file = Path(folder) / "seeded.sqlite3"
        shutil.copyfile(migrated, file)
        app = create_app(Settings(database_url=f"sqlite:///{file}", secret_key=SECRET, queue_url="immediate:"))
        app.testing = True
        seed(app)
        with serving(f"sqlite:///{file}") as home:
            yield Seeded(app, home)
        with app.app_context():
            db.engine.dispose()


def seed(app: Flask) -> None:
    """Two customers with invoices on different days of past and present, an empty one, one unpaid long ago; people."""
    from datetime import timedelta  # noqa: PLC0415

    from billing_admin import clock  # noqa: PLC0415
    from tests.making import bill, make_customer, make_service, make_spec, make_tax_rate, post  # noqa: PLC0415
    from tests.people import person  # noqa: PLC0415

    person(app, "admin")
    person(app, "viewer")
    now = clock.now()
    with app.app_context():
        make_tax_rate()
        make_service(tax_rate="VAT19", unit="hour", prices={})
        euro = make_customer(reference="EURO", name="Euro Works", currency="EUR")
        dollar = make_customer(reference="DOLLAR", name="Dollar Works", currency="USD")
        make_customer(reference="EMPTY", name="Empty Works", currency="EUR")
        for days in (100, 70, 5):
            then = now - timedelta(days=days)
            specs = [make_spec(who, f"{days}.10", incurred_on=then.date()) for who in (euro, dollar)]
            post(*specs, now=then)
            bill(then.date(), issue_date=then.date(), now=then)
        customers = [make_customer(reference=f"M{n:03}", name=f"Many {n:03}", currency="EUR") for n in range(124)]
        post(*(make_spec(who, f"{n + 1}.00", incurred_on=now.date()) for n, who in enumerate(customers)), now=now)
        bill(now.date(), issue_date=now.date(), now=now)
