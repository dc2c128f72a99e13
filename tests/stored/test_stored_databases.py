"""Databases made by earlier versions migrate, pass every check of `doctor`, and keep every row and hash."""

import json
import lzma
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import URL, make_url, select, text

from billing_admin import create_app
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.domain.text import fold_texts, sort_key
from billing_admin.formats.addresses import print_address
from billing_admin.models import Customer, CustomerContact, CustomerText, Invoice
from billing_admin.queries.doctor import run_checks
from tests.databases import SERVER, plain, postgresql_database

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "tests" / "data" / "databases"
DAYS = sorted(path.name.removesuffix(".sqlite3.xz") for path in STORED.glob("*.sqlite3.xz"))


@contextmanager
def restored(kind: str, day: str, folder: Path) -> Iterator[URL]:
    """Restore the stored database of a day and yield its URL."""
    if kind == "sqlite":
        file = folder / "stored.sqlite3"
        file.write_bytes(lzma.decompress((STORED / f"{day}.sqlite3.xz").read_bytes()))
        yield URL.create("sqlite", database=str(file))
        return
    with postgresql_database(make_url(os.environ[SERVER]), f"billing_stored_{os.getpid()}") as url:
        with psycopg.connect(plain(url)) as connection:
            connection.execute(lzma.decompress((STORED / f"{day}.sql.xz").read_bytes()))
        yield url


@contextmanager
def migrated(url: URL, folder: Path) -> Iterator[Flask]:
    """Start an application on a database and migrate the database to the current version."""
    app = create_app(
        Settings(
            database_url=url.render_as_string(hide_password=False),
            secret_key="only-for-tests" * 4,
            queue_url="immediate:",
            rate_limit_storage=str(folder / "limits"),
        )
    )
    with app.app_context():
        flask_migrate.upgrade(str(ROOT / "migrations"))
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def facts() -> dict[str, Any]:
    """Read what must survive a migration: document hashes, the audit chain's head, the number of rows."""
    rows = db.session.execute(text("SELECT number, hash FROM invoices WHERE number IS NOT NULL"))
    head = db.session.scalar(text("SELECT hash FROM audit_seals ORDER BY sequence DESC LIMIT 1"))
    return {"hashes": {row.number: row.hash for row in rows}, "audit_head": head}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_stored_database_migrates_with_every_row_and_hash(kind: str, day: str, tmp_path: Path) -> None:
    expected = json.loads(lzma.decompress((STORED / f"{day}.json.xz").read_bytes()))[kind]
    with restored(kind, day, tmp_path) as url, migrated(url, tmp_path):
        assert [result for result in run_checks(db.session()) if result.count] == []
        assert facts() == {name: expected[name] for name in ("hashes", "audit_head")}
        counts = {table: db.session.scalar(text(f"SELECT count(*) FROM {table}")) for table in expected["counts"]}
        assert counts == expected["counts"]
        if kind == "sqlite":  # a migration edits the stored schema
            assert db.session.scalar(text("PRAGMA integrity_check")) == "ok"


def test_tokens_that_could_post_negative_charges_still_can(tmp_path: Path) -> None:
    with restored("sqlite", DAYS[0], tmp_path) as url, migrated(url, tmp_path):
        scopes = db.session.scalars(text("SELECT scopes FROM api_tokens")).all()
    assert [json.loads(stored) for stored in scopes] == [["read", "charges:write", "credits:write"]]


def test_stored_names_get_their_sort_key(tmp_path: Path) -> None:
    with restored("sqlite", DAYS[0], tmp_path) as url, migrated(url, tmp_path):
        names = db.session.execute(text("SELECT name, sort_key FROM customers")).all()
        codes = db.session.execute(text("SELECT code, sort_key FROM services")).all()
    assert names
    assert codes
    assert [key for _, key in (*names, *codes)] == [sort_key(name) for name, _ in (*names, *codes)]


def test_stored_addresses_stay_and_e_mail_addresses_become_contacts(tmp_path: Path) -> None:
    with restored("sqlite", DAYS[0], tmp_path) as url:
        with sqlite3.connect(str(url.database)) as connection:
            before = {row[0]: row[1:] for row in connection.execute("SELECT reference, email, address FROM customers")}
        with migrated(url, tmp_path):
            rows = db.session.scalars(select(Customer)).all()
            after = {row.reference: (row.email, print_address(row, "en")) for row in rows}
            contacts = db.session.scalars(select(CustomerContact)).all()
            assert all(
                (row.invoices, row.reminders, row.statements, row.name) == ("to", "to", "none", "") for row in contacts
            )
    assert after == before
    assert len(contacts) == sum(bool(email) for email, _ in before.values()) > 0


def test_the_stored_databases_hold_every_kind_of_document(tmp_path: Path) -> None:
    kinds = "SELECT DISTINCT kind || ' ' || status FROM invoices"
    with restored("sqlite", DAYS[0], tmp_path) as url, migrated(url, tmp_path):
        assert set(db.session.scalars(text(kinds))) == {
            "invoice draft",
            "invoice issued",
            "invoice void",
            "credit_note issued",
        }


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_stored_documents_are_found_by_each_text_that_they_print(kind: str, tmp_path: Path) -> None:
    with restored(kind, DAYS[0], tmp_path) as url, migrated(url, tmp_path):
        texts: dict[Any, list[str]] = {}
        for row in db.session.scalars(select(CustomerText)):
            texts.setdefault(row.customer_id, []).append(row.text)
        documents = db.session.scalars(select(Invoice)).all()
        assert documents
        for document in documents:
            names = (document.customer_reference, document.customer_name)
            printed = [*names, document.customer_tax_id, document.customer_address]
            assert any(all(fold_texts([part]) in text for part in printed) for text in texts[document.customer_id]), (
                document.number
            )
