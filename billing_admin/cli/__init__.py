"""The commands of `flask --app wsgi …`.

Results go to stdout, messages to stderr. Exit codes: 0 done; 1 `doctor`, `readiness`, `month-end` or `role-conflicts` found
a problem; 2 wrong usage; 4 not found; 5 rejected; 6 the database is unavailable or has another version, or the port is taken.
"""

from flask import Flask
from flask_migrate import Migrate

from billing_admin.cli.backup import backup, restore
from billing_admin.cli.billing import billing_run
from billing_admin.cli.commands import BillingCommands, MigrationCommands
from billing_admin.cli.documents import e_invoice, render
from billing_admin.cli.exchange_rates import import_rates
from billing_admin.cli.export import export
from billing_admin.cli.imports import import_
from billing_admin.cli.mail import import_bounces, mail_test
from billing_admin.cli.messages import mark_sent, outbox, resume_outbox, send
from billing_admin.cli.month_end import month_end
from billing_admin.cli.people import (
    add_single_sign_on,
    check_single_sign_on,
    create_token,
    create_user,
    invite,
    remove_second_factors,
    remove_single_sign_on,
    reset_link,
    role_conflicts,
    set_password,
)
from billing_admin.cli.readiness import readiness
from billing_admin.cli.recurring import daily, post_recurring
from billing_admin.cli.reminders import remind
from billing_admin.cli.start import set_up_link, start
from billing_admin.cli.statements import send_statement
from billing_admin.cli.upkeep import audit_head, demo, doctor, seal_audit
from billing_admin.cli.worker import worker
from billing_admin.config import ROOT
from billing_admin.db.engine import db

COMMANDS = (
    add_single_sign_on,
    audit_head,
    backup,
    billing_run,
    check_single_sign_on,
    create_token,
    create_user,
    invite,
    reset_link,
    daily,
    demo,
    doctor,
    e_invoice,
    export,
    import_,
    import_bounces,
    import_rates,
    mail_test,
    mark_sent,
    outbox,
    resume_outbox,
    post_recurring,
    month_end,
    readiness,
    remove_second_factors,
    remove_single_sign_on,
    render,
    restore,
    seal_audit,
    remind,
    role_conflicts,
    send_statement,
    send,
    set_password,
    set_up_link,
    start,
    worker,
)


def init_cli(app: Flask) -> None:
    """Add the migration commands (`flask db …`) and the product's own commands."""
    app.cli = BillingCommands(app.name)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    app.cli.add_command(MigrationCommands.of(app.cli.commands["db"]))
    for command in COMMANDS:
        app.cli.add_command(command)
