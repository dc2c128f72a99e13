"""Static files: kept for a year under a name with a hash, compressed, and never stale."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask, url_for

from billing_admin.http.static_files import YEAR, StaticFiles, init_static_files
from tests.conftest import ROOT
from tests.people import signed_in

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "font.woff2").write_bytes(b"font")
    (tmp_path / "style.css").write_text('a { src: url("vendor/font.woff2"); } b { background: url("data:x"); }')
    return tmp_path


def test_a_page_names_its_files_with_their_hashes(app: Flask) -> None:
    page = app.test_client().get("/sign-in").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"#]+)', page)
    assert len(addresses) >= 4
    for address in addresses:
        response = app.test_client().get(address, headers=GZIP)
        assert (response.status_code, response.headers["Cache-Control"]) == (200, YEAR), address
        assert response.headers["Content-Encoding"] == "gzip", address


def test_a_compressed_file_is_the_file(app: Flask) -> None:
    client, file = app.test_client(), (ROOT / "static/billing.js").read_bytes()
    plain, zipped = client.get("/static/billing.js"), client.get("/static/billing.js", headers=GZIP)
    assert (plain.data, gzip.decompress(zipped.data)) == (file, file)
    assert len(zipped.data) < len(file) / 2
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    assert (plain.headers["Vary"], zipped.headers["Vary"]) == ("Accept-Encoding", "Accept-Encoding")
    assert zipped.mimetype == "text/javascript"
    refused = client.get("/static/billing.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_a_static_file_reads_no_session(app: Flask) -> None:
    """A response that varies by cookie is kept once per session by a shared cache."""
    client = signed_in(app)
    for path in ("/static/billing.js", "/static/nothing.css"):
        assert "Cookie" not in client.get(path).headers.get("Vary", ""), path


def test_a_name_without_a_hash_is_asked_for_each_time(app: Flask) -> None:
    client = app.test_client()
    first = client.get("/static/favicon.svg")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/favicon.svg", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_name_of_an_earlier_version_gives_the_file_of_today(app: Flask) -> None:
    response = app.test_client().get("/static/billing.0123456789ab.css")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["../wsgi.py", "vendor", "none.css", "%00.css", "vendor/../../wsgi.py"])
def test_no_file_outside_of_the_folder_is_served(app: Flask, name: str) -> None:
    response = app.test_client().get(f"/static/{name}")
    assert (response.status_code, response.headers["Cache-Control"]) == (404, "no-store")


def test_a_style_sheet_names_its_fonts_with_their_hashes(folder: Path, backend: str) -> None:
    files = StaticFiles(folder)
    style = files.file("style.css")
    assert style is not None
    font = files.hashed_name("vendor/font.woff2")
    assert style.content.decode() == f'a {{ src: url("{font}"); }} b {{ background: url("data:x"); }}'
    assert re.fullmatch(r"vendor/font\.[0-9a-f]{12}\.woff2", font)


def test_a_changed_file_has_another_name(folder: Path, backend: str) -> None:
    app = Flask("files", static_folder=None)
    init_static_files(app, folder)
    with app.test_request_context():
        before = url_for("static", filename="style.css")
        (folder / "style.css").write_text("a { color: red; }")
        assert url_for("static", filename="style.css") != before
    assert app.test_client().get(before).headers["Cache-Control"] == "no-cache"
