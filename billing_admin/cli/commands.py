"""What all commands share: -h, errors told in a sentence and by the exit code, suggestions for what is misspelled."""

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any, NoReturn

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import DBAPIError, ProgrammingError

from billing_admin import clock
from billing_admin.database import DATABASE_AWAY, transaction
from billing_admin.domain.errors import DomainError, NotFound
from billing_admin.operations.audit import seal_all

NOT_FOUND, REJECTED, AWAY = 4, 5, 6
SHOWN_PROBLEMS = 20
NO_TABLE = "42P01"
SHORT_HELP = {"help_option_names": ["-h", "--help"]}


class Command(click.Command):
    """A command of ours: what the business refuses, or the database, ends it with a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DomainError as error:
            _refused(error)
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != NO_TABLE:
                raise
            _away(error)
        except DATABASE_AWAY as error:
            _away(error)


def _refused(error: DomainError) -> NoReturn:
    say(error.message)
    for problem in error.problems[:SHOWN_PROBLEMS] if len(error.problems) > 1 else ():
        say(f"  {'.'.join(map(str, problem.field))}: {problem.message}")
    raise click.exceptions.Exit(NOT_FOUND if isinstance(error, NotFound) else REJECTED)


def _away(error: Exception) -> NoReturn:
    cause = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
    say(f"The database cannot be used: {cause}")
    if "no such table" in cause or "does not exist" in cause:
        say("If it is new: flask --app wsgi db upgrade")
    raise click.exceptions.Exit(AWAY)


class House(AppGroup):
    """Our commands, among Flask's own. An unknown one is answered with those that are spelled alike."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        if found is None:
            everything = ctx.command.list_commands(ctx) if isinstance(ctx.command, click.Group) else self.commands
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=everything, ctx=ctx)
        return found


def command(name: str, *, writes: bool = False) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function; it runs in the application's context. One that writes seals the audit log at its end."""

    def made(function: Callable[..., Any]) -> Command:
        body = _sealing(function) if writes else function
        return click.command(name, cls=Command, context_settings=SHORT_HELP)(with_appcontext(body))

    return made


def _sealing(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        seal_all(transaction, clock.now(), whole=True)

    return run


class Day(click.ParamType[date]):
    """A date as in 2026-11-30."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"“{value}” is not a date such as 2026-11-30.", param, ctx)


def say(message: str) -> None:
    """Tell the person; results go elsewhere."""
    click.echo(message, err=True)
