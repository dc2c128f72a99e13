"""Changing only what was read: `ETag` says which version an answer shows, `If-Match` which one a change is meant for."""

from flask import request

from billing_admin.domain.errors import DomainError, Stale


class VersionNeeded(DomainError):
    """The request does not say which version it changes."""


def etag(version: int) -> str:
    """The tag of one version of a thing."""
    return f'"{version}"'


def check_if_match(version: int) -> None:
    """Raise VersionNeeded without `If-Match`, and Stale when it names another version than this.

    A weak tag will do: proxies that compress make every tag a weak one.
    """
    if not request.if_match:
        raise VersionNeeded("version_needed", "Send If-Match with the ETag of what you read.")
    if not request.if_match.contains_weak(str(version)):
        raise Stale("stale", "Somebody else changed this since you read it: read it again.")
