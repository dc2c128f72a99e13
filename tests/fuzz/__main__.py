"""`make fuzz-api`: schemathesis against a served product with demo data, on SQLite and on PostgreSQL side by side.

Everything is its own: databases, token, servers; nothing stays. `--seed` tries other cases, `--examples` more of them; what else
is given goes to `schemathesis run`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import flask_migrate
from sqlalchemy import URL, select

from billing_admin import clock, create_app, demo
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import BankAccount, BillingRun, Charge, Customer, Invoice, Payment, RecurringCharge, Service
from billing_admin.operations.access import tokens
from tests.browser.server import ROOT, SECRET, UNLIMITED, serving
from tests.databases import postgresql_database, postgresql_server

CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = 20_261_124
EXAMPLES = 15
# So many of the values that are asked for by name are ones that exist; the others are made up.
REAL = 0.5
NAMED = {
    "path.ref": "customers",
    "path.code": "services",
    "path.number": "invoices",
    "query.customer": "customers",
    "query.currency": "currencies",
    "body.customer": "customers",
    "body.service": "services",
    "body.currency": "currencies",
}
BY_ID = {
    "bank-accounts": (BankAccount.id, BankAccount.created_at),
    "charges": (Charge.id, Charge.created_at),
    "payments": (Payment.id, Payment.created_at),
    "recurring-charges": (RecurringCharge.id, RecurringCharge.created_at),
    "billing-runs": (BillingRun.id, BillingRun.created_at),
}


@dataclass(frozen=True, slots=True)
class Filled:
    """What schemathesis needs of a database with demo data: a token, and a configuration that knows what exists."""

    token: str
    config: str


def main() -> int:
    """Say which database passed; the exit status is 0 only if each did."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="how many generated cases a route gets")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    asked, options = parser.parse_known_args()
    options = ["--seed", str(asked.seed), "--max-examples", str(asked.examples), *options]
    places = {"sqlite": _sqlite, "postgresql": _postgresql}
    with ExitStack() as stack, ThreadPoolExecutor(len(places)) as pool:
        runs = {}
        for name in [asked.only] if asked.only else places:
            url = stack.enter_context(places[name]())
            runs[name] = pool.submit(_fuzz, url, _fill(url), options)
        failed = 0
        for name, run in runs.items():
            output, seconds, status = run.result()
            print(f"{output}\n{name}: {'failed' if status else 'passed'} in {seconds:.0f} s\n", flush=True)
            failed += status != 0
    return min(failed, 1)


def _fuzz(url: str, filled: Filled, options: list[str]) -> tuple[str, float, int]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:  # schemathesis keeps what it found where it runs
        config = Path(folder) / "schemathesis.toml"
        config.write_text(filled.config)
        with serving(url, 1, rate_limit_storage=f"{folder}/limits", **UNLIMITED) as home:
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
                *("run", f"{home}/api/v1/openapi.json", *options),
            ]
            started = time.monotonic()
            run = subprocess.run(
                command,
                check=False,
                cwd=folder,
                env=os.environ | {"BILLING_TOKEN": filled.token},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            return run.stdout, time.monotonic() - started, run.returncode


def _fill(url: str) -> Filled:
    """Migrate, fill with demo data, and make a token for everything."""
    app = create_app(Settings(database_url=url, secret_key=SECRET))
    with app.app_context():
        flask_migrate.upgrade(str(ROOT / "migrations"))
        transaction(demo.fill, clock.now())
        secret = transaction(tokens.create, "fuzz", tuple(SCOPES), actor=SYSTEM, now=clock.now())[1]
        config = CONFIG.read_text() + "\n".join(_dictionaries())
        db.session.remove()
        db.engine.dispose()
    return Filled(str(secret), config)


def _dictionaries() -> Iterator[str]:
    """What exists, in TOML; of charges and invoices the last, which can still be acted on."""
    session = db.session()
    values: dict[str, list[str]] = {"currencies": ["EUR", "USD", "JPY"]}
    names = {"customers": Customer.reference, "services": Service.code}
    values |= {name: list(session.scalars(select(column))) for name, column in names.items()}
    last = select(Invoice.number, Invoice.id).order_by(Invoice.created_at.desc()).limit(60)
    values["invoices"] = [number or str(id) for number, id in session.execute(last)]
    for name, (id, created_at) in BY_ID.items():
        values[name] = [str(one) for one in session.scalars(select(id).order_by(created_at.desc()).limit(60))]
    for name, known in values.items():
        yield f"[dictionaries.{name}]\nvalues = {json.dumps(known)}"
    yield "[parameters]"
    yield from (f'"{place}" = {_binding(name)}' for place, name in NAMED.items())
    for name in BY_ID:
        yield f'[[operations]]\ninclude-path-regex = "^/api/v1/{name}/"\nparameters = {{ "path.id" = {_binding(name)} }}'


def _binding(name: str) -> str:
    return f'{{ dictionary = "{name}", probability = {REAL} }}'


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
