"""Migrate the database, create demo data and the first admin, and serve."""

import errno
import os
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click
import flask_migrate
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock, demo
from billing_admin.cli.commands import UNAVAILABLE, command, print_message
from billing_admin.cli.supervisor import keep_running
from billing_admin.config import ROOT, Settings, create_data_folder
from billing_admin.db.engine import db
from billing_admin.db.errors import RevisionMismatch
from billing_admin.db.transactions import check_database, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import User
from billing_admin.operations.access import users
from billing_admin.operations.audit import seal_all_events

FIRST_ADMIN = "admin@example.com"


@command("start")
@click.option("--host", default="127.0.0.1", show_default=True, envvar="BILLING_HOST", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    envvar="BILLING_PORT",
    help="Port to listen on.",
)
@click.option("--reload", is_flag=True, help="For development: one server process that restarts when code changes.")
def start(host: str, port: int, reload: bool) -> None:
    """Migrate the database, fill an empty one with demo data, and serve.

    An empty database also gets a first admin, with a random password that is printed. In production there is
    neither: the command only migrates and serves. It also runs a worker for background jobs.
    """
    _check_port(host, port)
    settings: Settings = current_app.extensions["billing_settings"]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    create_data_folder(settings.data_folder)
    _upgrade()
    if _has_no_people():
        _first_start(settings, address)
    else:
        _later_start(settings, address)
    _serve(host, port, reload)


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


def _has_no_people() -> bool:
    return db.session.scalar(select(User.id).limit(1)) is None


def _first_start(settings: Settings, address: str) -> None:
    if settings.production:
        print_message(
            "No person has been added yet. Create the first admin with: flask --app wsgi create-user you@example.com --role admin"
        )
        return
    password = users.generate_password()
    note = settings.first_sign_in_note
    _write_note(note, f"{address}\nE-mail:   {FIRST_ADMIN}\nPassword: {password}\n")
    print_message("Creating demo data…")
    transaction(_fill, password, clock.now())
    seal_all_events(transaction, clock.now(), whole=True)
    click.echo(f"{address}\n  E-mail:   {FIRST_ADMIN}\n  Password: {password}\n  Stored in {note} until you sign in")


def _fill(session: Session, password: str, now: datetime) -> None:
    """Create demo data and the first admin in one transaction.

    A database with data gets the admin only.
    """
    if demo.is_empty(session):
        demo.fill(session, now)
    users.create_user(session, FIRST_ADMIN, password, "admin", SYSTEM, now)


def _write_note(note: Path, text: str) -> None:
    note.unlink(missing_ok=True)
    descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _later_start(settings: Settings, address: str) -> None:
    click.echo(address)
    if settings.production:
        return
    if settings.first_sign_in_note.exists():
        click.echo(
            f"  E-mail:   {FIRST_ADMIN}\n  Password: see {settings.first_sign_in_note}, unless you have changed it"
        )
    else:
        click.echo("  If you do not know your password, set a new one: flask --app wsgi set-password EMAIL")


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
