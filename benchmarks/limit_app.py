"""What the same machine can do at most: a bare Flask application whose one INSERT is as durable as ours, and checks nothing."""

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
    """This thread's connection."""
    if not hasattr(local, "connection"):
        local.connection = _sqlite() if ON_SQLITE else psycopg.connect(DATABASE)
    return local.connection


def _sqlite() -> sqlite3.Connection:
    opened = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
    opened.execute("PRAGMA journal_mode = WAL")
    opened.execute("PRAGMA synchronous = FULL")
    opened.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB}")
    opened.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return opened


def _row(charge: dict[str, str]) -> tuple[Any, ...]:
    """The very row that ours stores, so that as many places of the indexes change. Nothing is looked for: names tell the keys."""
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
    """Store many, as fast as each database takes them."""
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
