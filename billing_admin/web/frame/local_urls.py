"""Addresses within this site."""

import re
from urllib.parse import quote, urlsplit

from flask import request

_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_SAFE = "/:@!$&'()*+,;=~-._"


def safe_local_url(target: str | None) -> str:
    """Return `target` if it is a path of this site, with its query; home for anything a browser might take elsewhere."""
    return target if target and _LOCAL.fullmatch(target) else "/"


def requested_url() -> str:
    """The path and query that were asked for."""
    query = request.query_string.decode("ascii", "replace")
    return quote(request.path, safe=_SAFE) + (f"?{query}" if query else "")


def referring_url() -> str:
    """The page of ours that the request was sent from, or home."""
    page = urlsplit(request.referrer or "")
    return (
        safe_local_url(page._replace(scheme="", netloc="", fragment="").geturl())
        if page.netloc == request.host
        else "/"
    )
