"""The parts that all commands share.

They are `-h`, errors as one sentence and an exit code, and suggestions for misspelled names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import Any, NoReturn

import click
from flask import has_app_context
from flask.cli import AppGroup, ScriptInfo, with_appcontext
from sqlalchemy.exc import DBAPIError

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.db.errors import DATABASE_UNAVAILABLE, Unavailable, driver_message, explain_unavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import DateOrder, check_calendar_day
from billing_admin.domain.errors import DomainError, Invalid, NotFound
from billing_admin.operations.audit import seal_all_events
from billing_admin.queries.master_data.organisation import organisation

NOT_FOUND, REJECTED, UNAVAILABLE = 4, 5, 6
MAX_PROBLEMS = 20
NO_TABLE = ("42P01", "no such table")  # PostgreSQL's code, SQLite's message
SHORT_HELP = {"help_option_names": ["-h", "--help"]}


@contextmanager
def explained_errors() -> Iterator[None]:
    """Turn a refusal or an unavailable database into a sentence and an exit code."""
    try:
        yield
    except DomainError as error:
        _exit_refused(error)
    except Exception as error:
        reason = explain_unavailable(error) or (DATABASE_UNAVAILABLE if _is_missing_table(error) else None)
        if reason is None:
            raise
        _exit_unavailable(error, reason)


class BillingCommand(click.Command):
    """A command whose errors are explained."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments and explain errors.

        Days are read with the help of the database.
        """
        with explained_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and explain its errors."""
        with explained_errors():
            return super().invoke(ctx)


class MigrationCommands(AppGroup):
    """Flask-Migrate's commands, with the error messages of our own commands."""

    @classmethod
    def of(cls, group: click.Command) -> "MigrationCommands":
        """Return a group with the commands and options of Flask-Migrate's."""
        assert isinstance(group, click.Group)  # noqa: S101 - Flask-Migrate's
        return cls(
            group.name,
            group.commands,
            callback=group.callback,
            params=group.params,
            help=group.help,
            context_settings=SHORT_HELP,
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and explain its errors."""
        with explained_errors():
            return super().invoke(ctx)


def _exit_refused(error: DomainError) -> NoReturn:
    print_message(error.message)
    for problem in error.problems[:MAX_PROBLEMS] if len(error.problems) > 1 else ():
        print_message(f"  {'.'.join(map(str, problem.field))}: {problem.message}")
    raise click.exceptions.Exit(NOT_FOUND if isinstance(error, NotFound) else REJECTED)


def _is_missing_table(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and (
        getattr(error.orig, "sqlstate", None) == NO_TABLE[0] or NO_TABLE[1] in driver_message(error)
    )


def _exit_unavailable(error: Exception, reason: Unavailable) -> NoReturn:
    print_message(
        f"The database cannot be used: {driver_message(error)}" if reason is DATABASE_UNAVAILABLE else reason.detail
    )
    if _is_missing_table(error):
        print_message("If the database is new, run: flask --app wsgi db upgrade")
    raise click.exceptions.Exit(UNAVAILABLE)


class BillingCommands(AppGroup):
    """The product's and Flask's commands.

    For an unknown name, similar ones are suggested.
    """

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name.

        Raises NoSuchCommand.
        """
        command = super().get_command(ctx, cmd_name)
        if command is None:
            names = ctx.command.list_commands(ctx) if isinstance(ctx.command, click.Group) else self.commands
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=names, ctx=ctx)
        return command


def command(name: str, *, writes: bool = False) -> Callable[[Callable[..., Any]], BillingCommand]:
    """Turn a function into a command that runs in the application's context.

    `writes` seals the audit log at its end.
    """

    def decorate(function: Callable[..., Any]) -> BillingCommand:
        body = _with_sealing(function) if writes else function
        return click.command(name, cls=BillingCommand, context_settings=SHORT_HELP)(with_appcontext(body))

    return decorate


def _with_sealing(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        seal_all_events(transaction, clock.now(), whole=True)

    return run


class DayType(click.ParamType[date]):
    """A date as in 2026-11-30, or in the organisation's order, as forms read it."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read the day, or fail with a message."""
        try:
            return check_calendar_day(_read_day(value, ctx))
        except Invalid as error:
            reason = "is out of range" if error.code == "out_of_range" else "cannot be read as a date"
            self.fail(f"“{value}” {reason}. {error.message}", param, ctx)


def _read_day(value: str, ctx: click.Context | None) -> date:
    try:
        return date.fromisoformat(value)  # without the database
    except ValueError:
        pass
    if ctx is not None and not has_app_context():
        ctx.with_resource(ctx.ensure_object(ScriptInfo).load_app().app_context())
    return parse_day(value, DateOrder(organisation(db.session()).date_order))


def print_message(message: str) -> None:
    """Print a message for a person on stderr; results go to stdout."""
    click.echo(message, err=True)
