"""Migrate the database, create demo data, print the set-up link, and serve."""

import errno
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

import click
import flask_migrate
from flask import current_app
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from billing_admin import clock, demo
from billing_admin.cli.commands import UNAVAILABLE, command, print_message
from billing_admin.cli.supervisor import keep_running
from billing_admin.config import ROOT, Settings, create_data_folder
from billing_admin.db.engine import db
from billing_admin.db.errors import RevisionMismatch
from billing_admin.db.transactions import check_database, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.domain.one_time_links import LINK_IS_VALID_FOR, LinkPurpose, link_path
from billing_admin.operations.access.set_up import create_link
from billing_admin.operations.audit import seal_all_events
from billing_admin.queries.access.set_up import has_people

PASSWORD_FILE = "first-sign-in.txt"  # noqa: S105 - earlier versions stored the first password in this file

_host = click.option(
    "--host", default="127.0.0.1", show_default=True, envvar="BILLING_HOST", help="Address to listen on."
)
_port = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    envvar="BILLING_PORT",
    help="Port to listen on.",
)


@command("start")
@_host
@_port
@click.option("--reload", is_flag=True, help="For development: one server process that restarts when code changes.")
@click.option("--empty", is_flag=True, help="For development: start without demo data, and remove unchanged demo data.")
def start(host: str, port: int, reload: bool, empty: bool) -> None:
    """Migrate the database, fill an empty one with demo data, and serve.

    While there is no person, it prints a set-up link, by which the first person chooses address and password. In
    production there is no demo data. It also runs a worker for background jobs.
    """
    settings: Settings = current_app.extensions["billing_settings"]
    if empty and settings.production:
        raise click.UsageError("Production has no demo data. Leave --empty out.")
    _check_port(host, port)
    create_data_folder(settings.data_folder)
    (settings.data_folder / PASSWORD_FILE).unlink(missing_ok=True)
    _upgrade()
    if empty:
        _require_empty(settings)
    elif not settings.production and not has_people(db.session()) and demo.is_empty(db.session()):
        print_message("Creating demo data…")
        transaction(demo.fill, clock.now())
    address = _address(settings, host, port)
    click.echo(address)
    if not has_people(db.session()):
        _print_link(address)
    elif not settings.production:
        click.echo("  If you do not know your password, set a new one: flask --app wsgi set-password EMAIL")
    os.environ.setdefault("BILLING_PUBLIC_URL", address)  # for the links that server and worker make
    seal_all_events(transaction, clock.now(), whole=True)
    _serve(host, port, reload)


@command("set-up-link", writes=True)
@_host
@_port
def set_up_link(host: str, port: int) -> None:
    """Print a new link, by which the first person chooses address and password.

    The link works once, for 24 hours; an earlier link stops working. Refused once a person exists.
    """
    _print_link(_address(current_app.extensions["billing_settings"], host, port))


def _print_link(address: str) -> None:
    token = transaction(create_link, SYSTEM, clock.now())
    hours = LINK_IS_VALID_FOR[LinkPurpose.SET_UP].total_seconds() / 3600
    print_message(f"Open this link to create your account. It works once, for {hours:.0f} hours:")
    click.echo(f"{address}{link_path(LinkPurpose.SET_UP, token)}")


def _address(settings: Settings, host: str, port: int) -> str:
    """Return the URL of the server; in production, that of its proxy with TLS."""
    if settings.production or settings.public_url:
        return settings.base_url
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _require_empty(settings: Settings) -> None:
    """Remove the demo data if the database has nothing else.

    Raises:
        Conflict: The database has other data, or is not an SQLite file.
    """
    session = db.session()
    if demo.is_empty(session):
        return
    file = settings.sqlite_file
    if not demo.is_unchanged(session):
        way_out = "Create another database and set BILLING_DATABASE_URL to it."
        if file:
            way_out = (
                "Start an empty database in another file:"
                f" BILLING_DATABASE_URL=sqlite:///{file.with_name('empty.sqlite3')} make run EMPTY=1"
            )
        raise Conflict(
            "not_empty",
            "This database has data that is not unchanged demo data, so it was left as it is."
            f" Start without EMPTY=1 (--empty) to work with it. {way_out}",
        )
    if file is None:
        raise Conflict(
            "not_a_file",
            "The demo data can be removed from an SQLite file only."
            " Create another database and set BILLING_DATABASE_URL to it.",
        )
    _truncate(file)
    print_message(f"Removed the demo data in {file}.")
    _upgrade()


def _truncate(file: Path) -> None:
    """Empty an SQLite file that holds nothing but unchanged demo data.

    The file stays locked from the check to the end, so that no change of another program is lost.

    Raises:
        Conflict: Another program uses the database, or has changed it.
    """
    db.session.remove()
    db.engine.dispose()
    try:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            # SQLite leaves the write-ahead log only while no other connection is open.
            connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            if not demo.is_unchanged(Session(connection)):
                raise Conflict("not_empty", "This database was changed just now, so it was left as it is. Try again.")
            os.truncate(file, 0)  # not opened and closed, which would release the lock
            connection.exec_driver_sql("ROLLBACK")
    except OperationalError as error:
        if "locked" not in str(error.orig):
            raise
        raise Conflict(
            "in_use", "Another program uses this database, so it was left as it is. Stop that program first."
        ) from None
    finally:
        db.engine.dispose()


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            print_message(_port_message(host, port, error))
            raise click.exceptions.Exit(UNAVAILABLE) from None


def _port_message(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use. Stop the program that uses it, or choose another port: BILLING_PORT={port + 1}"
    return f"Cannot listen on {host}, port {port}: {error.strerror}."


def _upgrade() -> None:
    """Migrate a database that is new or older than this program.

    Raises RevisionMismatch for a newer one.
    """
    try:
        check_database()
    except RevisionMismatch as mismatch:
        if mismatch.is_newer:
            raise
        flask_migrate.upgrade()


def _serve(host: str, port: int, reload: bool) -> NoReturn:
    """Run gunicorn and a worker.

    Connections are closed first, so that the processes do not share them.
    """
    db.session.remove()
    db.engine.dispose()
    sys.stdout.flush()
    workers = ["--workers", "1", "--reload", *_reload_options()] if reload else ["--workers", "2"]
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    server = [
        *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", *workers, "--threads", "4"),
        *("--config", str(ROOT / "gunicorn.conf.py"), "--chdir", str(ROOT), "--bind", bind, "wsgi:app"),
    ]
    worker = [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), "worker"]
    raise click.exceptions.Exit(keep_running(server, worker))


def _reload_options() -> list[str]:
    """Return gunicorn's options for templates, which it does not watch by itself."""
    return [f"--reload-extra-file={template}" for template in sorted((ROOT / "templates").rglob("*.html"))]
