"""Who may come in: people and tokens."""

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
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin, up to the end of the line.")
def create_user(email: str, role: str, password_stdin: bool) -> None:
    """Add a person who may sign in. The password is asked for, twice.

    \b
    Examples:
      flask --app wsgi create-user ada@example.com --role admin
      pass show billing | flask --app wsgi create-user ada@example.com --role viewer --password-stdin
    """
    password = _password(from_stdin=password_stdin)
    user = transaction(users.create_user, email, password, role, SYSTEM, clock.now())
    print_message(f"{user.email} can sign in now, as {user.role}.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline(LONGEST_TYPED_PASSWORD + 2).rstrip("\r\n")  # one character too many is refused
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password on: use --password-stdin.")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


@command("create-token", writes=True)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(list(SCOPES)),
    multiple=True,
    required=True,
    help=("What it may do; give it once for each."),
)
@click.option("--days", type=click.IntRange(min=1), default=365, show_default=True, help="How long it is good for.")
def create_token(name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make an API token, and print it, alone: it is shown this once and kept nowhere.

    \b
    Example:
      flask --app wsgi create-token meter --scope charges:write --scope read > token.txt
    """
    token, secret = transaction(tokens.create, name, scopes, days, actor=SYSTEM, now=clock.now())
    print_message(f"“{token.name}” may use {', '.join(token.scopes)} until {token.expires_at.date()}. Keep it safe:")
    click.echo(secret)
