"""Static files from memory, compressed, under names with a hash of the content.

The content under such a name never changes, so browsers keep it for a year. A name without a hash works as
well; browsers then ask each time whether the file has changed.
"""

import gzip
import hashlib
import mimetypes
import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from flask import Flask, Response, abort, g, request, url_for
from werkzeug.security import safe_join

HASH_DIGITS = 12
YEAR = "public, max-age=31536000, immutable"
_HASHED_NAME = re.compile(rf"(.+)\.[0-9a-f]{{{HASH_DIGITS}}}(\.\w+)")
_CSS_ADDRESS = re.compile(r"""url\("([^":?#]+)"\)""")
_COMPRESSIBLE = ("text/", "image/svg", "application/json")
_State = tuple[int, int]  # time of the last change and size; another one means that the file must be read again


@dataclass(frozen=True, slots=True)
class StaticFile:
    """The content of one file, plain and compressed by gzip, and its name with a hash."""

    content: bytes
    compressed: bytes | None
    media_type: str
    hashed_name: str


class StaticFiles:
    """The files of a folder, read on the first request and again after a change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, tuple[_State, StaticFile]] = {}

    def file(self, name: str) -> StaticFile | None:
        """Return the file of a name without a hash, or None."""
        path = safe_join(str(self._folder), name)
        try:
            status = os.stat(path) if path else None  # noqa: PTH116 - a page asks forty times; a Path takes twice as long
        except (OSError, ValueError):  # a name with NUL is a ValueError
            return None
        if status is None or path is None or not S_ISREG(status.st_mode):
            return None
        state = (status.st_mtime_ns, status.st_size)
        known = self._files.get(name)
        if known is None or known[0] != state:
            known = self._files[name] = (state, self._read(name, Path(path)))
        return known[1]

    def hashed_name(self, name: str) -> str:
        """Return the name with the hash of the content; a name without a file stays."""
        file = self.file(name)
        return name if file is None else file.hashed_name

    def _read(self, name: str, path: Path) -> StaticFile:
        content = path.read_bytes()
        if path.suffix == ".css":
            content = self._with_hashed_addresses(name, content.decode()).encode()
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        base, extension = posixpath.splitext(name)
        digest = hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
        compressed = gzip.compress(content, mtime=0) if media_type.startswith(_COMPRESSIBLE) else None
        return StaticFile(content, compressed, media_type, f"{base}.{digest}{extension}")

    def _with_hashed_addresses(self, name: str, style: str) -> str:
        """Replace the relative addresses in a style sheet by those with a hash."""
        folder = posixpath.dirname(name)

        def replace(match: re.Match[str]) -> str:
            target = self.hashed_name(posixpath.normpath(posixpath.join(folder, match[1])))
            return f'url("{posixpath.relpath(target, folder or ".")}")'

        return _CSS_ADDRESS.sub(replace, style)


def icons_url() -> str:
    """Return the URL of the file with all icons, which a page needs forty times."""
    url: str | None = g.get("icons_url")
    if url is None:
        url = g.icons_url = url_for("static", filename="icons.svg")
    return url


def init_static_files(app: Flask, folder: Path) -> None:
    """Serve the files of a folder as the endpoint `static`.

    `url_for` gives the names with a hash.
    """
    files = StaticFiles(folder)

    def add_hash(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["filename"] = files.hashed_name(values["filename"])

    def static(filename: str) -> Response:
        match = _HASHED_NAME.fullmatch(filename)
        file = files.file(match[1] + match[2] if match else filename)
        if file is None:
            abort(404)
        return _response(file, is_current=file.hashed_name == filename)

    app.url_defaults(add_hash)
    app.add_template_global(icons_url)
    app.add_url_rule("/static/<path:filename>", endpoint="static", view_func=static)


def _response(file: StaticFile, *, is_current: bool) -> Response:
    """Return a file, compressed if the browser takes that.

    A name with the hash of an earlier version returns the current content, which browsers do not keep.
    """
    zipped = file.compressed if request.accept_encodings.quality("gzip") > 0 else None
    response = Response(file.content if zipped is None else zipped, mimetype=file.media_type)
    response.headers["Cache-Control"] = YEAR if is_current else "no-cache"
    response.headers["Vary"] = "Accept-Encoding"
    if zipped is not None:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{file.hashed_name}{'' if zipped is None else '-gzip'}")
    response.make_conditional(request)
    return response
