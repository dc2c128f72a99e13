"""Add people and API tokens."""

import sys

import click

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLE_SENTENCES, ROLES, SCOPES, SYSTEM
from billing_admin.domain.sign_in import LONGEST_TYPED_PASSWORD
from billing_admin.operations.access import tokens, users


@command("create-user", writes=True)
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    required=True,
    help="; ".join(f"{role}: {sentence.rstrip('.').lower()}" for role, sentence in ROLE_SENTENCES.items()),
)
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
def create_user(email: str, role: str, password_stdin: bool) -> None:
    """Add a person who can sign in.

    Asks for the password twice.

    \b
    Examples:
      flask --app wsgi create-user ada@example.com --role admin
      pass show billing | flask --app wsgi create-user ada@example.com --role viewer --password-stdin
    """
    password = _read_password(from_stdin=password_stdin)
    user = transaction(users.create_user, email, password, role, SYSTEM, clock.now())
    print_message(f"{user.email} can sign in now, as {user.role}.")


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
