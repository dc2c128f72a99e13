"""Add people and API tokens."""

import sys

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ADMIN, ROLE_SENTENCES, SCOPES, SYSTEM
from billing_admin.domain.sign_in import LONGEST_TYPED_PASSWORD
from billing_admin.operations.access import tokens, users
from billing_admin.queries.access.roles import conflict_reports
from billing_admin.queries.access.tokens import usable_tokens_of
from billing_admin.queries.access.users import user_by_email

_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
_temporary = click.option(
    "--temporary/--permanent",
    default=None,
    help="Whether the person must choose another password when they sign in. Default: temporary in production.",
)


@command("create-user", writes=True)
@click.argument("email")
@click.option(
    "--role",
    required=True,
    help="; ".join(f"{role}: {sentence.rstrip('.').lower()}" for role, sentence in ROLE_SENTENCES.items())
    + "; or the name of a role of your organisation.",
)
@_password_stdin
@_temporary
def create_user(email: str, role: str, password_stdin: bool, temporary: bool | None) -> None:
    """Add a person who can sign in.

    Asks for the password twice.

    \b
    Examples:
      flask --app wsgi create-user ada@example.com --role admin
      pass show billing | flask --app wsgi create-user ada@example.com --role viewer --password-stdin
    """
    password = _read_password(from_stdin=password_stdin)
    temporary = _is_temporary(temporary)
    user = transaction(users.create_user, email, password, role, SYSTEM, clock.now(), temporary=temporary)
    print_message(f"{user.email} can sign in now, as {user.role}.{_advice(temporary)}")


@command("role-conflicts")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_context
def role_conflicts(ctx: click.Context, wants_json: bool) -> None:
    """Report active people with permissions that one person should not have both.

    Admins, who have all permissions, are left out. Exit code 1 if there are any others.

    \b
    Example:
      flask --app wsgi role-conflicts
    """
    reports = conflict_reports(db.session(), excluded_role=ADMIN)
    if wants_json:
        conflicts = [
            {"permissions": report.conflict.permissions, "risk": report.conflict.risk, "people": report.people}
            for report in reports
        ]
        print_json({"ok": not any(report.people for report in reports), "conflicts": conflicts})
    else:
        for report in reports:
            if report.people:
                click.echo(
                    f"{' + '.join(report.conflict.permissions)}\t{report.conflict.risk}\t{', '.join(report.people)}"
                )
    count = sum(bool(report.people) for report in reports)
    print_message(f"{count} of {len(reports)} conflicts found." if count else "No conflicting permissions found.")
    ctx.exit(1 if count else 0)


@command("set-password", writes=True)
@click.argument("email")
@_password_stdin
@_temporary
def set_password(email: str, password_stdin: bool, temporary: bool | None) -> None:
    """Set a new password for a person, and sign them out on all devices.

    Asks for the password twice. API tokens keep working: the command names those of the person.

    \b
    Example:
      flask --app wsgi set-password ada@example.com
    """
    user_id = user_by_email(db.session(), email).id
    password = _read_password(from_stdin=password_stdin)
    temporary = _is_temporary(temporary)
    transaction(users.set_password, user_id, password, SYSTEM, clock.now(), temporary=temporary)
    print_message(f"The password of {email} was changed.{_advice(temporary)}")
    for token in usable_tokens_of(db.session(), user_id, clock.now()):
        print_message(f"This API token still works: {token.name} ({token.prefix}…)")


def _is_temporary(option: bool | None) -> bool:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings.production if option is None else option


def _advice(temporary: bool) -> str:
    return " They must choose their own password when they sign in." if temporary else ""


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline(LONGEST_TYPED_PASSWORD + 2).rstrip("\r\n")  # one character too many is refused
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password. Use --password-stdin.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


@command("create-token", writes=True)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(list(SCOPES)),
    multiple=True,
    required=True,
    help="Scope of the token. Repeat the option to add scopes.",
)
@click.option(
    "--days", type=click.IntRange(min=1), default=365, show_default=True, help="Days until the token expires."
)
def create_token(name: str, scopes: tuple[str, ...], days: int) -> None:
    """Create an API token and print it, alone, on stdout.

    It is shown once and not stored.

    \b
    Example:
      flask --app wsgi create-token meter --scope charges:write --scope read > token.txt
    """
    token, secret = transaction(tokens.create, name, scopes, days, actor=SYSTEM, now=clock.now())
    print_message(
        f"Token “{token.name}” with {', '.join(token.scopes)} expires on {token.expires_at.date()}. Store it safely:"
    )
    click.echo(secret)
