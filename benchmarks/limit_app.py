"""The limit of posting: a bare Flask application with one INSERT, as durable as ours, and no checks."""

import json
import os
import sqlite3
import threading
from typing import Any

import psycopg
from flask import Flask, request

from benchmarks.limits import COLUMNS, TABLE
from benchmarks.places import SERVICES
from billing_admin.clock import now
from billing_admin.db.engine import CHECKPOINT_PAGES, WRITE_CACHE_KIB
from billing_admin.db.ids import new_id

DATABASE = os.environ["LIMIT_DATABASE"]
ON_SQLITE = DATABASE.startswith("/")
CUSTOMER, SERVICE, EVENT = (f"01900000-{kind}-7000-8000-%012x" for kind in ("0a00", "0b00", "0c00"))
SERVICE_CODES = [code for code, _ in SERVICES]
local = threading.local()
app = Flask(__name__)


def connection() -> Any:
    """Return the connection of the current thread."""
    if not hasattr(local, "connection"):
        local.connection = _sqlite() if ON_SQLITE else psycopg.connect(DATABASE)
    return local.connection


def _sqlite() -> sqlite3.Connection:
    database = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB}")
    database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return database


def _row(charge: dict[str, str]) -> tuple[Any, ...]:
    """Return the row that our application stores, so that the indexes change in as many places.

    Keys are computed from the names, without a lookup.
    """
    at = now()
    customer, service = CUSTOMER % int(charge["customer"][1:]), SERVICE % SERVICE_CODES.index(charge["service"])
    keys = (str(new_id(at)), customer, service, EVENT % 1)
    amounts = (charge["quantity"], "2.5", charge["quantity"])
    return (
        *(*keys, hash(charge["description"]), at.isoformat(sep=" "), at.date().isoformat()),
        *(charge["incurred_on"], False, "pending", "EUR", *amounts, False, charge["description"]),
    )


@app.post("/one")
def one() -> tuple[dict[str, str], int]:
    """Store one charge."""
    row = _row(request.get_json())
    database = connection()
    marks = ", ".join(["?" if ON_SQLITE else "%s"] * len(row))
    if ON_SQLITE:
        database.execute("BEGIN IMMEDIATE")
    database.execute(f"INSERT INTO {TABLE} ({COLUMNS}) VALUES ({marks})", row)
    database.commit()
    return {"id": str(row[0])}, 201


@app.post("/batch")
def batch() -> tuple[dict[str, int], int]:
    """Store many charges in the fastest way of each database."""
    rows = [_row(charge) for charge in json.loads(request.get_data())["charges"]]
    database = connection()
    if ON_SQLITE:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(f"INSERT INTO {TABLE} ({COLUMNS}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
    else:
        with database.cursor().copy(f"COPY {TABLE} ({COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    database.commit()
    return {"created": len(rows)}, 201
