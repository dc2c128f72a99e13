"""Typed settings from `BILLING_…` variables. In production a weak start is refused with a sentence that says what to set."""

import os
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from limits import parse
from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"
MIN_SECRET_LENGTH = 32
FONT_FILES = frozenset({".ttf", ".otf", ".ttc", ".otc"})


class Settings(BaseSettings):
    """What can be set; `README.md` lists the same names."""

    model_config = SettingsConfigDict(env_prefix="BILLING_", extra="ignore")

    env: Literal["development", "production"] = "development"
    database_url: str = f"sqlite:///{INSTANCE / 'billing.sqlite3'}"
    secret_key: str = Field(default="", repr=False)
    debug: bool = False
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
    fonts: Path | None = None  # a folder with more fonts for the PDF
    pool_size: int = Field(default=8, ge=1, le=100)
    pool_timeout: int = Field(default=5, ge=1, le=60)
    rate_limit: str = "6000/minute"  # per token
    rate_limit_address: str = "300/minute"  # per address, of calls without a good token
    rate_limit_storage: str = Field(default="", repr=False)  # redis://…, or a file; by itself beside the database

    @field_validator("trusted_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError as error:
            raise ValueError(
                f"BILLING_WEBHOOK_ALLOWED_NETWORKS must hold networks such as 10.20.0.0/16, with commas between: {error}."
            ) from None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value.startswith("postgresql://"):
            value = value.replace("postgresql://", "postgresql+psycopg://", 1)
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("BILLING_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.")
        return value

    @field_validator("queue_url")
    @classmethod
    def _known_queue(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "redis://", "rediss://")) and value not in {
            "",
            "immediate:",
        }:
            raise ValueError(
                "BILLING_QUEUE_URL must begin with sqlite:///, postgresql://, redis:// or rediss://, or be immediate:"
            )
        return value

    @field_validator("fonts", mode="before")
    @classmethod
    def _font_folder(cls, value: object) -> object:
        if not value:
            return None
        folder = Path(str(value)).resolve()
        if not folder.is_dir():
            raise ValueError(f"BILLING_FONTS must name a folder with fonts: there is no folder {folder}.")
        if not any(path.suffix.lower() in FONT_FILES for path in folder.rglob("*")):
            raise ValueError(
                f"BILLING_FONTS must name a folder with .ttf, .otf, .ttc or .otc files: {folder} has none."
            )
        return folder

    @field_validator("rate_limit", "rate_limit_address")
    @classmethod
    def _known_limit(cls, value: str, info: ValidationInfo) -> str:
        try:
            amount = parse(value).amount
        except ValueError:
            amount = 0
        if amount < 1:
            raise ValueError(f"BILLING_{str(info.field_name).upper()} must be such as 6000/minute or 100/second.")
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _known_storage(cls, value: str) -> str:
        if "://" in value and not value.startswith(("redis://", "rediss://", "redis+unix://")):
            raise ValueError("BILLING_RATE_LIMIT_STORAGE must be a redis:// address, or the path of a file.")
        return value

    @model_validator(mode="after")
    def _beside_the_database(self) -> "Settings":
        scheme, _, rest = self.database_url.partition(":///")
        database = rest.partition("?")[0] if scheme == "sqlite" else ""
        self.rate_limit_storage = self.rate_limit_storage or f"{database or INSTANCE / 'billing'}.limits"
        return self

    @model_validator(mode="after")
    def _safe(self) -> "Settings":
        if self.env == "production":
            self._refuse_weak_production()
        else:
            self.secret_key = self.secret_key or _kept_secret()
            self.trusted_hosts = self.trusted_hosts or ("127.0.0.1", "localhost")
        return self

    def _refuse_weak_production(self) -> None:
        if len(self.secret_key) < MIN_SECRET_LENGTH or len(set(self.secret_key)) < MIN_SECRET_LENGTH // 4:
            raise ValueError(
                f"Set BILLING_SECRET_KEY to at least {MIN_SECRET_LENGTH} random characters, for example the output of:"
                " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        if self.debug or os.environ.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false", "no"}:
            raise ValueError("Unset BILLING_DEBUG and FLASK_DEBUG: debugging is not for production.")
        if not self.trusted_hosts:
            raise ValueError(
                "Set BILLING_TRUSTED_HOSTS to the host names people use, separated by commas, such as billing.example.com."
            )

    @property
    def production(self) -> bool:
        """Whether cookies must be Secure and the start strict."""
        return self.env == "production"


def _kept_secret() -> str:
    """Make a secret on the first development start, and keep it where only this user reads it."""
    INSTANCE.mkdir(exist_ok=True)
    path = INSTANCE / "secret_key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text()
