"""Verifying: somebody brings a file back, with or without its `.meta.json`."""

import io
import json
import zipfile
from collections.abc import Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.making import make_customer, make_spec, post
from tests.people import csrf_token, signed_in
from tests.prepared import prepared
from tests.web.pages import link, words

URL = "/exports/charges.csv?customer=acme"


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """Two charges of ACME."""
    acme = make_customer(reference="acme", name="Acme")
    post(make_spec(acme, "12.5"), make_spec(acme, "0.0000008"))
    return signed_in(app)


def bring(browser: FlaskClient, **files: bytes) -> TestResponse:
    sent: Mapping[str, object] = {
        {"meta": "totals"}.get(name, name): (
            io.BytesIO(content),
            f"charges.csv{'.meta.json' if name == 'meta' else ''}",
        )
        for name, content in files.items()
    }
    return browser.post(
        "/verify-file", data={**sent, "csrf_token": csrf_token(browser)}, content_type="multipart/form-data"
    )


def test_unchanged_then_other_data(browser: FlaskClient) -> None:
    page = browser.get("/exports/charges?customer=acme")
    file, meta = (
        browser.get(link(page, "Download CSV")).data,
        browser.get(link(page, "control totals of the CSV (.meta.json)")).data,
    )
    found = bring(browser, file=file, meta=meta)
    text = words(found)
    assert found.status_code == 200
    assert "Complete and unchanged The file is identical to the one that admin@example.com exported on" in text
    assert "An export now would be identical to this file." in text
    assert "Rows 2 2 2 Same Sum in USD 12.5000008 12.5000008 12.5000008 Same" in text
    post(make_spec("acme", "1"))
    text = words(bring(browser, file=file, meta=meta))
    assert "Complete and unchanged" in text
    assert "An export now would differ from this file." in text
    assert "Rows 2 2 3 Differs Sum in USD 12.5000008 12.5000008 13.5000008 Differs" in text


def test_changed_and_saved_anew(browser: FlaskClient) -> None:
    file, meta = browser.get(URL).data, browser.get("/exports/charges.csv.meta.json?customer=acme").data
    text = words(bring(browser, file=file.replace(b"12.5", b"13.5"), meta=meta))
    assert "Changed The file is not the one that admin@example.com exported on" in text
    assert ", and its rows or sums differ." in text
    text = words(bring(browser, file=b"\xef\xbb\xbf" + file, meta=meta))
    assert "Unchanged except for a byte order mark" in text
    text = words(bring(browser, file=file.replace(b",", b";").replace(b"\r\n", b"\n"), meta=meta))
    assert "Same rows and sums, but changed" in text
    assert "its delimiter is a semicolon; its lines do not end with CR LF" in text


def test_without_its_meta_file(browser: FlaskClient) -> None:
    text = words(bring(browser, file=browser.get("/exports/charges.csv").data))
    assert "the checksum cannot be verified." in text
    assert "An export now would be identical to this file." in text
    text = words(bring(browser, file=b"hello"))
    assert "This is not a file that was exported here." in text


def test_what_is_missing_is_asked_for(browser: FlaskClient) -> None:
    assert "Choose the file to verify." in words(bring(browser))
    found = bring(browser, file=b"x", meta=b"{}")
    assert found.status_code == 422
    assert "of an exported file. You can download it with the export" in words(found)
    assert browser.get("/verify-file").status_code == 200


def test_a_workbook_out_of_its_zip(browser: FlaskClient) -> None:
    response = browser.get("/exports/charges.xlsx.zip?customer=acme")
    assert response.headers["Content-Disposition"].endswith('.xlsx.zip"')
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        file, meta = (archive.read(name) for name in archive.namelist())
    assert json.loads(meta)["filters"] == {"customer": "acme"}
    text = words(bring(browser, file=file, meta=meta))
    assert "Complete and unchanged" in text
    assert "An export now would be identical to this file." in text


def test_a_file_may_be_larger_than_other_requests(browser: FlaskClient) -> None:
    browser.application.config["MAX_CONTENT_LENGTH"] = 1000
    try:
        large = browser.get("/exports/charges.csv").data * 10
        assert bring(browser, file=large).status_code == 200
        assert browser.post("/customers/new", data={"name": "x" * 2000}).status_code == 413
        assert browser.application.test_client().post("/verify-file", data={"x": "x" * 2000}).status_code == 401
    finally:
        browser.application.config["MAX_CONTENT_LENGTH"] = 16 * 1024 * 1024
    assert browser.application.config["MAX_UPLOAD_LENGTH"] == 512 * 1024 * 1024
