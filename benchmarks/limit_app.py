"""What the same machine can do at most: a bare Flask application whose one INSERT is as durable as ours, and checks nothing."""

import json
import os
import sqlite3
import threading
from typing import Any

import psycopg
from flask import Flask, request

from benchmarks.limits import COLUMNS, TABLE
from billing_admin.clock import now
from billing_admin.operations.keys import new_id

DATABASE = os.environ["LIMIT_DATABASE"]
ON_SQLITE = DATABASE.startswith("/")
SOMEBODY = "01900000-0a00-7000-8000-000000000001"
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
    return opened


def _row(charge: dict[str, str]) -> tuple[Any, ...]:
    """Customer and service are not looked for: any key does."""
    at = now()
    day = at.date().isoformat()
    amounts = (charge["quantity"], "2.5", charge["quantity"])
    return (
        *(str(new_id(at)), SOMEBODY, SOMEBODY, SOMEBODY, hash(charge["description"]), at.isoformat(sep=" "), day),
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
