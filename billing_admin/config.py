"""Typed settings from the environment variables `BILLING_…`.

Production refuses to start with unsafe settings.
"""

import json
import os
import re
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from limits import parse
from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from billing_admin.domain.errors import Invalid
from billing_admin.domain.mail_servers import (
    Encryption,
    Maildir,
    MailServer,
    MailTransport,
    ascii_domain,
    check_mail_address,
    parse_mail_url,
    split_named_address,
)
from billing_admin.domain.single_sign_on import CALLBACK_PATH, ProviderSettings
from billing_admin.private_files import create_private_folder

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"
MIN_SECRET_LENGTH = 32
_PUBLIC_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?", re.ASCII)
FONT_FILES = frozenset({".ttf", ".otf", ".ttc", ".otc"})


# The variables of single sign-on; with one of them, the first three are needed.
OIDC_FIELDS = frozenset(
    f"oidc_{name}"
    for name in (
        *("issuer", "client_id", "client_secret_file", "name", "scopes", "role_claim", "roles"),
        *("create_people", "email_domains", "second_factor"),
    )
)
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def is_provider_url(url: str, *, production: bool) -> bool:
    """Return whether a URL can be one of an identity provider.

    It has TLS; outside of production, a provider on this machine needs none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_local = not production and parts.scheme == "http" and host in _LOOPBACK_HOSTS
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc and not parts.fragment
    return bool(host) and is_plain and (parts.scheme == "https" or is_local)


class Settings(BaseSettings):
    """The settings of the application; `README.md` lists their variables."""

    model_config = SettingsConfigDict(env_prefix="BILLING_", extra="ignore", hide_input_in_errors=True)

    env: Literal["development", "production"] = "development"
    database_url: str = f"sqlite:///{INSTANCE / 'billing.sqlite3'}"
    migration_url: str = Field(default="", repr=False)  # of the owner of the tables; by default that of the program
    secret_key: str = Field(default="", repr=False)
    backup_key: str = Field(default="", repr=False)  # encrypts backups
    debug: bool = False
    public_url: str = ""  # by default https:// and the first of trusted_hosts in production
    trusted_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    proxies: int = Field(default=0, ge=0, le=5)
    session_hours: int = Field(default=8, ge=1, le=24)
    session_idle_minutes: int = Field(default=60, ge=5, le=24 * 60)
    max_body_mb: int = Field(default=16, ge=1, le=1024)
    max_upload_mb: int = Field(default=512, ge=1, le=10_240)
    queue_url: str = Field(default="", repr=False)
    job_threads: int = Field(default=2, ge=1, le=32)
    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    webhook_allow_http: bool = False
    fonts: Path | None = None  # a folder with additional fonts for PDF files
    mail_url: str = ""  # by default off in production, and a folder beside the database in development
    mail_password_file: Path | None = None
    mail_from: str = ""
    mail_bounces: str = ""
    mail_per_minute: int = Field(default=60, ge=1, le=10_000)
    oidc_issuer: str = ""  # of the identity provider for single sign-on
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = None
    oidc_name: str = "single sign-on"  # in “Sign in with …”
    oidc_scopes: Annotated[tuple[str, ...], NoDecode] = ("openid", "email")
    oidc_role_claim: str = ""
    oidc_roles: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)  # values of the claim → roles
    oidc_create_people: bool = False
    oidc_email_domains: Annotated[tuple[str, ...], NoDecode] = ()
    oidc_second_factor: bool = False  # the provider asks for the second factor
    pool_size: int = Field(default=8, ge=1, le=100)
    pool_timeout: int = Field(default=5, ge=1, le=60)
    rate_limit: str = "6000/minute"  # per token
    rate_limit_address: str = "300/minute"  # per address, for requests without a valid token
    export_limit: str = "300/hour"  # files per person or token
    access_log: bool = True
    metrics: Literal["off", "loopback", "token"] = "off"  # readers of /metrics
    metrics_token: str = Field(default="", repr=False)
    rate_limit_storage: str = Field(default="", repr=False)  # redis://… or a file; by default next to the database

    @field_validator("trusted_hosts", "oidc_email_domains", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        if value and not _PUBLIC_URL.fullmatch(value):
            raise ValueError(
                "Set BILLING_PUBLIC_URL to the address of this service, such as https://billing.example.com."
            )
        return value.rstrip("/")

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _parse_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError as error:
            raise ValueError(
                f"Set BILLING_WEBHOOK_ALLOWED_NETWORKS to networks such as 10.20.0.0/16, separated by commas: {error}."
            ) from None

    @field_validator("migration_url")
    @classmethod
    def _check_migration_url(cls, value: str) -> str:
        value = _with_driver(value)
        if value and not value.startswith("postgresql+psycopg://"):
            raise ValueError("Set BILLING_MIGRATION_URL to a URL that begins with postgresql+psycopg://, or unset it.")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        value = _with_driver(value)
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("Set BILLING_DATABASE_URL to a URL that begins with sqlite:/// or postgresql+psycopg://.")
        return value

    @field_validator("backup_key")
    @classmethod
    def _check_backup_key(cls, value: str) -> str:
        if value and len(value) < MIN_SECRET_LENGTH:
            raise ValueError(
                f"Set BILLING_BACKUP_KEY to at least {MIN_SECRET_LENGTH} random characters, for example the output of:"
                " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return value

    @field_validator("queue_url")
    @classmethod
    def _check_queue_url(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "redis://", "rediss://")) and value not in {
            "",
            "immediate:",
        }:
            raise ValueError(
                "Set BILLING_QUEUE_URL to immediate: or to a URL that begins with sqlite:///, postgresql://, redis:// or rediss://."
            )
        return value

    @field_validator("fonts", mode="before")
    @classmethod
    def _check_font_folder(cls, value: object) -> object:
        if not value:
            return None
        folder = Path(str(value)).resolve()
        if not folder.is_dir():
            raise ValueError(f"Set BILLING_FONTS to a folder with fonts: {folder} is not a folder.")
        if not any(path.suffix.lower() in FONT_FILES for path in folder.rglob("*")):
            raise ValueError(
                f"Set BILLING_FONTS to a folder with .ttf, .otf, .ttc or .otc files: {folder} contains none."
            )
        return folder

    @field_validator("mail_url")
    @classmethod
    def _check_mail_url(cls, value: str) -> str:
        try:
            parse_mail_url(value or "off")
        except Invalid as error:
            raise ValueError(f"Correct BILLING_MAIL_URL. {error.message}") from None
        return value

    @field_validator("mail_password_file", mode="before")
    @classmethod
    def _check_mail_password_file(cls, value: object) -> object:
        if value:
            try:
                read_password_file(Path(str(value)))
            except ValueError as error:
                raise ValueError(f"Correct BILLING_MAIL_PASSWORD_FILE: {error}") from None
        return value or None

    @field_validator("oidc_client_secret_file", mode="before")
    @classmethod
    def _check_client_secret_file(cls, value: object) -> object:
        if value:
            try:
                read_password_file(Path(str(value)))
            except ValueError as error:
                raise ValueError(f"Correct BILLING_OIDC_CLIENT_SECRET_FILE: {error}") from None
        return value or None

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _parse_roles(cls, value: object) -> object:
        try:
            roles = json.loads(value or "{}") if isinstance(value, str) else value
        except (ValueError, RecursionError):
            roles = None
        if not isinstance(roles, dict) or not all(isinstance(role, str) for role in roles.values()):
            raise ValueError(
                'Set BILLING_OIDC_ROLES to the role of each group as JSON, such as {"billing-admins": "admin"}.'
            )
        return roles

    @field_validator("oidc_scopes", mode="before")
    @classmethod
    def _check_scopes(cls, value: object) -> object:
        scopes = tuple(value.split()) if isinstance(value, str) else value
        if isinstance(scopes, tuple) and "openid" not in scopes:
            raise ValueError("Set BILLING_OIDC_SCOPES to scopes with openid among them, separated by spaces.")
        return scopes

    @field_validator("mail_from", "mail_bounces")
    @classmethod
    def _check_mail_address(cls, value: str, info: ValidationInfo) -> str:
        try:
            if value and info.field_name == "mail_from":
                split_named_address(value)
            elif value:
                check_mail_address(value)
        except Invalid as error:
            raise ValueError(f"Correct BILLING_{str(info.field_name).upper()}. {error.message}") from None
        return value

    @field_validator("rate_limit", "rate_limit_address", "export_limit")
    @classmethod
    def _check_rate_limit(cls, value: str, info: ValidationInfo) -> str:
        try:
            amount = parse(value).amount
        except ValueError:
            amount = 0
        if amount < 1:
            raise ValueError(
                f"Set BILLING_{str(info.field_name).upper()} to a limit such as 6000/minute or 100/second."
            )
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _check_rate_limit_storage(cls, value: str) -> str:
        if "://" in value and not value.startswith(("redis://", "rediss://", "redis+unix://")):
            raise ValueError("Set BILLING_RATE_LIMIT_STORAGE to a redis:// URL or the path of a file.")
        return value

    @model_validator(mode="after")
    def _set_default_rate_limit_storage(self) -> "Settings":
        self.rate_limit_storage = self.rate_limit_storage or f"{self.sqlite_file or INSTANCE / 'billing'}.limits"
        return self

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        """Check settings that depend on each other, and name all problems at once."""
        problems = self._mail_problems() + self._oidc_problems()
        if self.metrics == "token" and len(self.metrics_token) < MIN_SECRET_LENGTH:
            problems.append(
                f"Set BILLING_METRICS_TOKEN to at least {MIN_SECRET_LENGTH} random characters: BILLING_METRICS is token."
            )
        if self.env == "production":
            problems += self._production_problems()
        else:
            self.secret_key = self.secret_key or _development_secret()
            self.trusted_hosts = self.trusted_hosts or ("127.0.0.1", "localhost")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _mail_problems(self) -> list[str]:
        problems, server = [], self.mail_transport
        if isinstance(server, MailServer):
            if server.user and self.mail_password_file is None:
                problems.append(f"Set BILLING_MAIL_PASSWORD_FILE to a file with the password of {server.user}.")
            if not self.mail_from:
                problems.append("Set BILLING_MAIL_FROM to the sender of messages, such as billing@example.com.")
        if self.mail_password_file is not None and not (isinstance(server, MailServer) and server.user):
            problems.append(
                "Add the user to BILLING_MAIL_URL, or unset BILLING_MAIL_PASSWORD_FILE: it is the password of a user."
            )
        return problems

    def _oidc_problems(self) -> list[str]:
        fields = type(self).model_fields
        if all(getattr(self, name) == fields[name].get_default(call_default_factory=True) for name in OIDC_FIELDS):
            return []
        problems = []
        if not self.oidc_issuer:
            problems.append(
                "Set BILLING_OIDC_ISSUER to the issuer of your identity provider, or unset all BILLING_OIDC_… variables."
            )
        elif not is_provider_url(self.oidc_issuer, production=self.env == "production"):
            problems.append(
                "Set BILLING_OIDC_ISSUER to an address that begins with https://, such as https://login.example.com."
            )
        if not self.oidc_client_id:
            problems.append("Set BILLING_OIDC_CLIENT_ID to the ID of this client at the identity provider.")
        if self.oidc_client_secret_file is None:
            problems.append("Set BILLING_OIDC_CLIENT_SECRET_FILE to a file with the secret of this client.")
        if bool(self.oidc_role_claim) != bool(self.oidc_roles):
            problems.append(
                "Set BILLING_OIDC_ROLE_CLAIM and BILLING_OIDC_ROLES together: the claim with a person’s groups, and the role"
                ' of each group as JSON, such as {"billing-admins": "admin"}.'
            )
        if self.oidc_create_people and not self.oidc_roles:
            problems.append("Set BILLING_OIDC_ROLES, or unset BILLING_OIDC_CREATE_PEOPLE: a new person needs a role.")
        return problems

    def _production_problems(self) -> list[str]:
        problems = []
        if self.public_url.startswith("http:"):
            problems.append("Set BILLING_PUBLIC_URL to an address that begins with https://.")
        if len(self.secret_key) < MIN_SECRET_LENGTH or len(set(self.secret_key)) < MIN_SECRET_LENGTH // 4:
            problems.append(
                f"Set BILLING_SECRET_KEY to at least {MIN_SECRET_LENGTH} random characters, for example the output of:"
                " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        if self.debug or os.environ.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false", "no"}:
            problems.append("Unset BILLING_DEBUG and FLASK_DEBUG: production does not allow debugging.")
        if not self.trusted_hosts:
            problems.append(
                "Set BILLING_TRUSTED_HOSTS to the host names of this service, separated by commas, such as billing.example.com."
            )
        match self.mail_transport:
            case Maildir():
                problems.append("Set BILLING_MAIL_URL to a mail server or to off: production does not allow maildir:.")
            case MailServer(encryption=Encryption.OFF, is_loopback=False):
                problems.append(
                    "Remove ?tls=off from BILLING_MAIL_URL: production sends without TLS only to this machine."
                )
            case _:
                pass
        return problems

    @property
    def owner_url(self) -> str:
        """The URL of the database for the account that owns its tables."""
        return self.migration_url or self.database_url

    @property
    def base_url(self) -> str:
        """The address of this service, with which links in messages begin."""
        if self.public_url:
            return self.public_url
        return f"https://{self.trusted_hosts[0].removeprefix('.')}" if self.production else "http://127.0.0.1:8000"

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database; None for another database, or one in memory."""
        scheme, _, path = self.database_url.partition(":///")
        file = path.partition("?")[0]
        return Path(file) if scheme == "sqlite" and file and not file.startswith((":", "file:")) else None

    @property
    def data_folder(self) -> Path:
        """The folder of the SQLite database, or instance/ for another database."""
        return self.sqlite_file.parent if self.sqlite_file else INSTANCE

    @property
    def mail_transport(self) -> MailTransport:
        """The mail server, or the folder that takes its place in development.

        None if mail is off.
        """
        if not self.mail_url:
            return None if self.production else Maildir(self.data_folder / "mailbox")
        return parse_mail_url(self.mail_url)

    @property
    def mail_on(self) -> bool:
        """Whether messages can be sent."""
        return self.mail_transport is not None

    @property
    def mail_sender(self) -> tuple[str, str]:
        """Name and address of the sender; the name may be empty."""
        return split_named_address(self.mail_from or "billing@localhost")

    @property
    def mail_domain(self) -> str:
        """The domain of the ids of messages: the sender's, in ASCII."""
        return ascii_domain(self.mail_sender[1].rpartition("@")[2])

    def read_mail_password(self) -> str:
        """Return the password for the mail server, as the file has it now.

        Raises:
            ValueError: The file cannot be read, or is empty.
        """
        return read_password_file(self.mail_password_file) if self.mail_password_file else ""

    @property
    def identity_provider(self) -> ProviderSettings | None:
        """The identity provider for single sign-on, or None.

        The secret is read from its file.
        """
        if self.oidc_client_secret_file is None:
            return None
        return ProviderSettings(
            self.oidc_issuer,
            self.oidc_client_id,
            read_password_file(self.oidc_client_secret_file),
            self.oidc_name or "single sign-on",
            self.base_url + CALLBACK_PATH,
            self.oidc_scopes,
            self.oidc_role_claim,
            self.oidc_roles,
            self.oidc_create_people,
            tuple(domain.removeprefix("@") for domain in self.oidc_email_domains),
            self.oidc_second_factor,
        )

    @property
    def production(self) -> bool:
        """Whether cookies must be Secure and unsafe settings are refused."""
        return self.env == "production"


def _with_driver(url: str) -> str:
    """Return the URL of a PostgreSQL database with the driver that the program uses."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1) if url.startswith("postgresql://") else url


def read_password_file(file: Path) -> str:
    """Return the password in a file, without its line end.

    Raises:
        ValueError: The file cannot be read, or is empty.
    """
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"{file} cannot be read: {reason}.") from None
    if not password:
        raise ValueError(f"{file} is empty.")
    return password


def create_data_folder(folder: Path) -> None:
    """Create a folder for data unless it exists.

    The program's own folder is closed to other users.
    """
    create_private_folder(folder, restrict=folder == INSTANCE)


def _development_secret() -> str:
    """Return the secret key of development, created on first use.

    Only this user can read its file.
    """
    create_data_folder(INSTANCE)
    path = INSTANCE / "secret_key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text()
