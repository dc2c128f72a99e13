"""Add people and API tokens."""

import sys
from datetime import timedelta

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ADMIN, ROLE_SENTENCES, SCOPES, SYSTEM
from billing_admin.domain.one_time_links import LINK_IS_VALID_FOR, LinkPurpose, link_path
from billing_admin.domain.sign_in import LONGEST_TYPED_PASSWORD
from billing_admin.operations.access import invitations, second_factors, single_sign_on, tokens, users
from billing_admin.queries.access.roles import conflict_reports, roles_in_use
from billing_admin.queries.access.tokens import usable_tokens_of
from billing_admin.queries.access.users import user_by_email
from billing_admin.web.access.identity_provider import IdentityProvider, ProviderUnavailable, identity_provider

_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
_role = click.option(
    "--role",
    required=True,
    help="; ".join(f"{role}: {sentence.rstrip('.').lower()}" for role, sentence in ROLE_SENTENCES.items())
    + "; or the name of a role of your organisation.",
)
_send = click.option("--send", is_flag=True, help="Send the link by e-mail instead of printing it.")
_temporary = click.option(
    "--temporary/--permanent",
    default=None,
    help="Whether the person must choose another password when they sign in. Default: temporary in production.",
)


@command("create-user", writes=True)
@click.argument("email")
@_role
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


@command("invite", writes=True)
@click.argument("email")
@_role
@_send
def invite(email: str, role: str, send: bool) -> None:
    """Add a person, and print a link by which they choose their password.

    The link works once, for 72 hours.

    \b
    Examples:
      flask --app wsgi invite ada@example.com --role viewer
      flask --app wsgi invite ada@example.com --role viewer --send
    """
    by_mail = _by_mail(send)
    _, token = transaction(invitations.invite, email, role, SYSTEM, clock.now(), by_mail=by_mail)
    _print_link(LinkPurpose.INVITATION, email, token)


@command("reset-link", writes=True)
@click.argument("email")
@_send
def reset_link(email: str, send: bool) -> None:
    """Print a link by which a person chooses a new password.

    It works once, for an hour; for a person who never had a password, for 72 hours. Their password stops working, and they
    are signed out on all devices.

    \b
    Example:
      flask --app wsgi reset-link ada@example.com
    """
    by_mail, user = _by_mail(send), user_by_email(db.session(), email)
    id, purpose = user.id, LinkPurpose.PASSWORD_RESET if user.password_hash else LinkPurpose.INVITATION
    token = transaction(invitations.offer_link, id, SYSTEM, clock.now(), by_mail=by_mail)
    _print_link(purpose, email, token)


def _by_mail(send: bool) -> bool:
    settings: Settings = current_app.extensions["billing_settings"]
    if send and not settings.mail_on:
        raise click.UsageError("E-mail is not set up. Leave --send out and pass the link on.")
    return send


def _print_link(purpose: LinkPurpose, email: str, token: str | None) -> None:
    settings: Settings = current_app.extensions["billing_settings"]
    if token is None:
        print_message(f"A link is on its way to {email}.")
        return
    hours = LINK_IS_VALID_FOR[purpose] // timedelta(hours=1)
    print_message(f"Give this link to {email}. It works once, for {hours} hour{'s' if hours > 1 else ''}:")
    click.echo(settings.base_url + link_path(purpose, token))


@command("remove-second-factors", writes=True)
@click.argument("email")
def remove_second_factors(email: str) -> None:
    """Remove the second factors of a person who lost them.

    Their sessions end. They sign in with the password alone until they set up another one.

    \b
    Example:
      flask --app wsgi remove-second-factors ada@example.com
    """
    user = user_by_email(db.session(), email)
    address = user.email
    removed = transaction(second_factors.remove_second_factors, user.id, SYSTEM, clock.now())
    print_message(f"{address} can sign in with the password alone." if removed else f"{address} has no second factor.")


@command("check-single-sign-on")
@click.pass_context
def check_single_sign_on(ctx: click.Context) -> None:
    """Read the metadata and keys of the identity provider, and check the roles.

    Exit code 1 if the provider does not answer as it should, or a role does not exist.

    \b
    Example:
      flask --app wsgi check-single-sign-on
    """
    provider = _identity_provider()
    try:
        provider.check(clock.now())
    except ProviderUnavailable as error:
        print_message(f"{provider.settings.issuer} cannot be used: {error}.")
        ctx.exit(1)
    known = {role.key for role in roles_in_use(db.session())}
    unknown = [role for role in provider.settings.roles.values() if role not in known]
    for role in unknown:
        print_message(f"BILLING_OIDC_ROLES names a role that does not exist: {role}.")
    print_message(f"{provider.settings.issuer} answers. Its redirect URI must be {provider.settings.redirect_uri}")
    ctx.exit(1 if unknown else 0)


@command("add-single-sign-on", writes=True)
@click.argument("email")
@click.argument("subject")
def add_single_sign_on(email: str, subject: str) -> None:
    """Tie an account at the identity provider to a person, by its subject.

    Use it if the provider does not say that e-mail addresses are verified.

    \b
    Example:
      flask --app wsgi add-single-sign-on ada@example.com 248289761001
    """
    issuer, user = _identity_provider().settings.issuer, user_by_email(db.session(), email)
    address = user.email
    transaction(single_sign_on.add_account, user.id, issuer, subject, SYSTEM, clock.now())
    print_message(f"{address} can sign in with the account {subject} of {issuer}.")


@command("remove-single-sign-on", writes=True)
@click.argument("email")
def remove_single_sign_on(email: str) -> None:
    """Remove the single sign-on of a person, and sign them out on all devices.

    \b
    Example:
      flask --app wsgi remove-single-sign-on ada@example.com
    """
    user = user_by_email(db.session(), email)
    address = user.email
    removed = transaction(single_sign_on.remove_account, user.id, SYSTEM, clock.now())
    print_message(f"The single sign-on of {address} was removed." if removed else f"{address} has no single sign-on.")


def _identity_provider() -> IdentityProvider:
    provider = identity_provider()
    if provider is None:
        raise click.UsageError("Single sign-on is not configured. Set BILLING_OIDC_ISSUER.")
    return provider


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
