"""Create, verify and restore backups."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import flask_migrate
from flask import current_app

from billing_admin import clock
from billing_admin.backup.create import SECRET_KEY, create_backup, delete_old, newest_backup
from billing_admin.backup.databases import DatabaseCopies, database_copies
from billing_admin.backup.restore import Backup
from billing_admin.cli.commands import command, print_message
from billing_admin.config import ROOT, Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.operations.audit import seal_all_events
from billing_admin.operations.backups import record_backup, record_restore

_FOLDER = click.Path(file_okay=False, path_type=Path)


@command("backup")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--keep", type=click.IntRange(min=1), help="Delete all but the newest backups in DIR.")
@click.option("--verify", is_flag=True, help="Create no backup: restore the newest one in DIR to check it.")
@click.pass_context
def backup(ctx: click.Context, folder: Path, keep: int | None, verify: bool) -> None:
    """Write a backup into a new folder in DIR, and print its name.

    It holds one snapshot of the database with all files, the secret key and the password of the mail server. The server and
    the workers may be running. BILLING_BACKUP_KEY encrypts it.

    With --verify, the newest backup is restored into a temporary database, upgraded, and checked by doctor; exit code 1 if
    doctor finds a problem.

    \b
    Examples:
      flask --app wsgi backup /var/backups/billing --keep 14
      flask --app wsgi backup --verify /var/backups/billing
    """
    settings: Settings = current_app.extensions["billing_settings"]
    if verify:
        ctx.exit(_verify(settings, newest_backup(folder)))
    try:
        created, manifest = create_backup(settings, folder, clock.now())
        deleted = delete_old(folder, keep) if keep else 0
    except OSError as error:
        raise click.UsageError(f"The backup cannot be written: {error.strerror or error}.") from error
    size = sum(part.size for part in manifest.parts)
    with LogIfUnavailable("backup_not_recorded"):  # a backup is complete, even on a database that cannot be written
        transaction(record_backup, created.name, size, manifest.encrypted, SYSTEM, clock.now())
        seal_all_events(transaction, clock.now(), whole=True)
    click.echo(created)
    encrypted = "encrypted" if manifest.encrypted else "not encrypted"
    print_message(f"Backup complete: {size:,} bytes, {encrypted}.")
    if keep:
        print_message(f"Old backups deleted: {deleted:,}.")


@command("restore")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--replace", is_flag=True, help="Replace the data that the database has. It cannot be undone.")
@click.option("--keys-to", type=_FOLDER, help="Write the keys of the backup into files in this folder.")
def restore(folder: Path, replace: bool, keys_to: Path | None) -> None:
    """Restore a backup: DIR, or the newest one in DIR.

    Stop the server and the workers first. Every part is compared with its hash before anything is changed, and the database
    is replaced in one transaction. A backup of an earlier release is upgraded.

    \b
    Example:
      flask --app wsgi restore /var/backups/billing --keys-to /root/billing-keys
    """
    settings: Settings = current_app.extensions["billing_settings"]
    stored = Backup(newest_backup(folder), settings.backup_key)
    copies = database_copies(settings)
    db.session.remove()
    db.engine.dispose()
    if not replace and not copies.is_empty():
        raise Conflict(
            "not_empty", "The database is not empty. Add --replace to replace all its data by that of the backup."
        )
    if keys_to:
        for file in stored.write_keys(keys_to):
            print_message(f"Key written to {file}.")
    stored.restore(copies, _temporary_folder(settings))
    flask_migrate.upgrade()
    transaction(record_restore, stored.folder.name, stored.manifest.created_at, SYSTEM, clock.now())
    seal_all_events(transaction, clock.now(), whole=True)
    print_message(f"Restored {stored.folder.name}, as of {stored.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC.")
    if stored.read_key(SECRET_KEY) != settings.secret_key:
        print_message(
            "BILLING_SECRET_KEY differs from that of the backup: set it to the secret_key that --keys-to writes, or secrets of"
            " webhooks stop working."
        )
    print_message("Now run: flask --app wsgi doctor")


def _temporary_folder(settings: Settings) -> Path:
    """Return the folder for decrypted copies: that of an SQLite file, if any."""
    return settings.sqlite_file.parent if settings.sqlite_file else Path(tempfile.gettempdir())


def _verify(settings: Settings, folder: Path) -> int:
    """Restore a backup into a temporary database, and return the exit code of doctor."""
    stored = Backup(folder, settings.backup_key)
    with database_copies(settings).scratch() as scratch:
        stored.restore(scratch, _temporary_folder(settings))
        _run(settings, scratch, "db", "upgrade").check_returncode()
        result = _run(settings, scratch, "doctor")
    click.echo(result.stdout, nl=False)
    rows = ", ".join(f"{table} {count:,}" for table, count in stored.manifest.rows.items())
    print_message(f"Rows: {rows}")
    verdict = "passed every check" if result.returncode == 0 else "was restored, but doctor found problems"
    print_message(f"{folder.name} {verdict}.")
    return result.returncode


def _run(settings: Settings, scratch: DatabaseCopies, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this program on another database, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "BILLING_MIGRATION_URL"}
    environment |= {"BILLING_DATABASE_URL": scratch.url, "BILLING_SECRET_KEY": settings.secret_key}
    program = [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *arguments]
    result = subprocess.run(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if result.returncode > 1:
        raise Conflict("verification_failed", f"{' '.join(arguments)} failed on the restored database.")
    return result
