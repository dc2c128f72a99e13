"""Check the database before a process serves requests or runs jobs."""

import sys
from typing import Final

import click
import structlog
from flask import Flask

from billing_admin.cli.commands import print_message
from billing_admin.db.engine import db
from billing_admin.db.errors import RevisionMismatch, driver_message, explain_unavailable
from billing_admin.db.transactions import check_database

# gunicorn stops if a worker exits with this code during its start; with another code it would restart the worker forever.
BOOT_ERROR: Final = 3
_log = structlog.get_logger(__name__)


def check_at_start() -> None:
    """Raise RevisionMismatch if the schema has another revision.

    Log a database that does not answer yet.
    """
    try:
        check_database()
    except RevisionMismatch:
        raise
    except Exception as error:
        if not explain_unavailable(error):
            raise
        _log.warning("started_without_database", error=driver_message(error))


def check_server(app: Flask) -> None:
    """Exit with a sentence if the schema has another revision.

    Commands check it themselves.
    """
    if click.get_current_context(silent=True) is not None:
        return
    with app.app_context():
        try:
            check_at_start()
        except RevisionMismatch as mismatch:
            print_message(str(mismatch))
            sys.exit(BOOT_ERROR)
        finally:
            db.engine.dispose()  # a server that loads the application before it forks must not share connections
