"""How often a token, or an address without one, may call. A storage that fails lets everybody in: billing must not stop."""

import math
import time
from functools import cached_property
from pathlib import Path

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage, SlidingWindowCounterSupport

from billing_admin.config import Settings
from billing_admin.db.errors import cause
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import DomainError
from billing_admin.domain.sign_in import network_of
from billing_admin.http.rate_limit_storage import SQLiteRateLimitStorage

REDIS_TIMEOUT_SECONDS = 0.25  # for a Redis that is far away
RETRY_STORAGE_SECONDS = 5

_log = structlog.get_logger(__name__)


class TooManyRequests(DomainError):
    """The caller comes too often; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__("too_many_requests", message)
        self.retry_after = retry_after


class RateLimiter:
    """The two limits of an application and the storage that its workers share."""

    def __init__(self, settings: Settings) -> None:
        self._where = settings.rate_limit_storage
        self.per_token = parse(settings.rate_limit)
        self.per_address = parse(settings.rate_limit_address)
        self._away_until = 0.0

    @cached_property
    def _counts(self) -> SlidingWindowCounterSupport:
        if "://" not in self._where:
            return SQLiteRateLimitStorage(Path(self._where))
        return RedisStorage(
            self._where,
            wrap_exceptions=True,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        )

    def count(self, limit: RateLimitItem, kind: str, *who: str) -> None:
        """Count one call. Raises TooMany when it is one too many; such a call is not counted."""
        if time.monotonic() < self._away_until:
            return
        try:
            key = limit.key_for(kind, *who)
            if self._counts.acquire_sliding_window_entry(key, limit.amount, limit.get_expiry()):
                return
            seconds = self._seconds_to_wait(limit, key)
        except StorageError as error:
            self._away_until = time.monotonic() + RETRY_STORAGE_SECONDS
            _log.warning("rate_limit_storage_unavailable", unlimited_seconds=RETRY_STORAGE_SECONDS, error=cause(error))
            return
        raise TooManyRequests(f"More than {limit} for this {kind}: wait {seconds} s, then go on.", seconds)

    def _seconds_to_wait(self, limit: RateLimitItem, key: str) -> int:
        """After how many whole seconds there is room for one more."""
        window, room = limit.get_expiry(), limit.amount - 1
        previous, previous_left, current, left = self._counts.get_sliding_window(key, window)
        if current <= room:  # once enough of the earlier window is past
            wait = previous_left - window * (room - current) / max(previous, 1)
        else:  # once this window is over, and enough of it past
            wait = (left if left <= window else left - window) + window * (1 - room / current)
        return max(1, math.ceil(wait))


def init_rate_limits(app: Flask, settings: Settings) -> None:
    """Hand the limits to the application."""
    app.extensions["billing_rate_limiter"] = RateLimiter(settings)


def count_token(actor: Actor) -> None:
    """Count a call of a good token. Raises TooMany."""
    limiting = _limiting()
    limiting.count(limiting.per_token, "token", str(actor.id))


def count_address(purpose: str) -> None:
    """Count a call that brings no good token, by the network it comes from, each purpose by itself. Raises TooMany."""
    limiting = _limiting()
    limiting.count(limiting.per_address, "address", network_of(request.remote_addr or ""), purpose)


def _limiting() -> RateLimiter:
    found: RateLimiter = current_app.extensions["billing_rate_limiter"]
    return found
