"""`make fuzz-api`: schemathesis against a served product with demo data, on SQLite and on PostgreSQL.

Everything is its own: databases, token, server; nothing stays. `--seed` tries other cases, `--examples` more of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
from sqlalchemy import URL

from billing_admin import clock, create_app, demo
from billing_admin.config import Settings
from billing_admin.database import db, transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.operations import tokens
from tests.browser.server import ROOT, SECRET, serving
from tests.databases import postgresql_database, postgresql_server

CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = 20_261_124
EXAMPLES = 12
UNLIMITED = {"rate_limit": "1000000/minute", "rate_limit_address": "1000000/minute"}


def main() -> int:
    """Say which database passed; the exit status is 0 only if both did."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="how many generated cases a route gets")
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgresql"], metavar="sqlite|postgresql")
    asked, rest = parser.parse_known_args()
    places = {"sqlite": _sqlite, "postgresql": _postgresql}
    failed = []
    for name in asked.databases:
        with places[name]() as url, tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            token = _filled(url)
            with serving(url, 2, rate_limit_storage=f"{folder}/limits", **UNLIMITED) as home:
                started = time.monotonic()
                status = _fuzz(home, token, asked.seed, asked.examples, rest)
                print(f"{name}: {'failed' if status else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
        failed += [name] if status else []
    return 1 if failed else 0


def _fuzz(home: str, token: str, seed: int, examples: int, options: list[str]) -> int:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{home}/api/v1/openapi.json"),
        *("--seed", str(seed), "--max-examples", str(examples), *options),
    ]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:  # it keeps what it found where it runs
        return subprocess.run(command, check=False, cwd=folder, env=os.environ | {"BILLING_TOKEN": token}).returncode


def _filled(url: str) -> str:
    """Migrate, fill with demo data, and make a token for everything."""
    app = create_app(Settings(database_url=url, secret_key=SECRET))
    with app.app_context():
        flask_migrate.upgrade(str(ROOT / "migrations"))
        transaction(demo.fill, clock.now())
        secret = transaction(tokens.create, "fuzz", tuple(SCOPES), actor=SYSTEM, now=clock.now())[1]
        db.session.remove()
        db.engine.dispose()
    return str(secret)


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        yield URL.create("sqlite", database=f"{folder}/fuzz.sqlite3").render_as_string()


@contextmanager
def _postgresql() -> Iterator[str]:
    with postgresql_server() as server, postgresql_database(server, "billing_fuzz") as url:
        yield url.render_as_string(hide_password=False)


if __name__ == "__main__":
    sys.exit(main())
