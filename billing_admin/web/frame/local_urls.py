"""URLs within this site."""

import re
from urllib.parse import quote, urlsplit

from flask import request

_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_SAFE = "/:@!$&'()*+,;=~-._"


def safe_local_url(target: str | None) -> str:
    """Return `target` if it is a path and query of this site, else "/".

    A target that could lead to another site gives "/".
    """
    return target if target and _LOCAL.fullmatch(target) else "/"


def requested_url() -> str:
    """Return the path and query of this request."""
    query = request.query_string.decode("ascii", "replace")
    return quote(request.path, safe=_SAFE) + (f"?{query}" if query else "")


def referring_url() -> str:
    """Return the path and query of the page that sent the request, or "/".

    The page must be of this site.
    """
    page = urlsplit(request.referrer or "")
    if page.netloc != request.host:
        return "/"
    return safe_local_url(page._replace(scheme="", netloc="", fragment="").geturl())
