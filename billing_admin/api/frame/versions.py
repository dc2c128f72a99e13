"""Optimistic locking with the headers `ETag` and `If-Match`.

`ETag` names the version of a response, `If-Match` the version that a change applies to.
"""

from flask import request

from billing_admin.domain.errors import DomainError, Stale


class VersionNeeded(DomainError):
    """The request has no `If-Match` header."""


def etag(version: int) -> str:
    """Return the ETag of a row's version."""
    return f'"{version}"'


def check_if_match(version: int) -> None:
    """Check that `If-Match` names this version.

    Raises VersionNeeded without the header, and Stale for another version.

    Weak tags are accepted, because proxies that compress responses weaken every tag.
    """
    if not request.if_match:
        raise VersionNeeded("version_needed", "Send the ETag of the version you read in the header If-Match.")
    if not request.if_match.contains_weak(str(version)):
        raise Stale(
            "stale", "Another request has changed this since you read it. Read it again, then repeat your change."
        )
