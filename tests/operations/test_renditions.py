"""Files of documents are stored when they are first made, and never change."""

import hashlib
from pathlib import Path
from threading import Barrier, Thread, get_ident

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import NotFound
from billing_admin.formats.glyphs import FOLDER, Glyphs, load_glyphs
from billing_admin.formats.pdf import PrintedFile, render_pdf
from billing_admin.models import Invoice, Rendition
from billing_admin.operations.invoices import renditions, voids
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.invoices.invoices import invoice
from tests.formats.printing import read_pages, refused_logo
from tests.formats.test_glyphs import make_font
from tests.making import NOW, change_settings, make_customer, make_invoice
from tests.people import signed_in
from tests.web.reading import fresh

GLYPHS = load_glyphs()


def issued_pdf(session: Session, issued: Invoice, glyphs: object = GLYPHS) -> bytes:
    document = invoice(session, str(issued.id))
    return renditions.issued_pdf(transaction, session, document, glyphs, NOW)  # type: ignore[arg-type]


def stored(session: Session) -> list[Rendition]:
    return list(fresh(session, select(Rendition).order_by(Rendition.created_at, Rendition.form)))


def findings(session: Session) -> list[str]:
    session.rollback()
    return [row.problem for result in run_checks(session) for row in result.rows]


def test_the_first_file_is_stored_and_stays(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = make_invoice()
    first = issued_pdf(session, issued)
    [rendition] = stored(session)
    assert (rendition.invoice_id, rendition.form, rendition.language) == (issued.id, "pdf", "en")
    assert (rendition.data, rendition.sha256) == (first, hashlib.sha256(first).hexdigest())
    assert (rendition.fonts, len(rendition.template)) == (GLYPHS.digest, 16)
    monkeypatch.setattr(renditions, "print_document", lambda *_: PrintedFile(b"of a later template", False))
    assert issued_pdf(session, issued) == first
    assert len(stored(session)) == 1
    assert findings(session) == []


def test_a_void_document_has_a_second_file(session: Session) -> None:
    issued = make_invoice()
    first = issued_pdf(session, issued)
    transaction(voids.void_invoice, issued.id, "Wrong customer", "pending", SYSTEM, NOW)
    void = issued_pdf(session, issued)
    assert "VOID" in read_pages(void)[0]
    assert {(row.form, row.data) for row in stored(session)} == {("pdf", first), ("void", void)}
    assert issued_pdf(session, issued) == void
    assert findings(session) == []


def test_a_file_with_boxes_is_made_again_until_a_font_has_the_characters(session: Session, tmp_path: Path) -> None:
    issued = make_invoice(make_customer(name="한국"))
    boxed = issued_pdf(session, issued)
    assert issued_pdf(session, issued) == boxed
    assert stored(session) == []
    make_font(tmp_path / "hangul.ttf", "Hangul Test", "한국")
    more_glyphs = load_glyphs(tmp_path)
    whole = issued_pdf(session, issued, more_glyphs)
    assert whole != boxed
    assert issued_pdf(session, issued) == whole
    assert [row.fonts for row in stored(session)] == [more_glyphs.digest]
    assert more_glyphs.digest != GLYPHS.digest


def test_a_file_without_a_refused_logo_is_not_stored(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_font(tmp_path / "hangul.ttf", "Hangul Test", "한국")
    issued, glyphs = make_invoice(make_customer(name="한국")), load_glyphs(tmp_path)
    monkeypatch.setattr(renditions, "load_logo", lambda *_: refused_logo())
    assert "한국" in read_pages(issued_pdf(session, issued, glyphs))[0]
    assert stored(session) == []
    monkeypatch.undo()
    whole = issued_pdf(session, issued, glyphs)
    assert [row.data for row in stored(session)] == [whole]


def test_a_file_without_a_refused_font_is_not_stored(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    glyphs = Glyphs(FOLDER)  # it promises a glyph that it does not have
    monkeypatch.setattr(glyphs, "_has", lambda _character: True)
    issued = make_invoice(make_customer(name="한"))
    assert "□" in read_pages(issued_pdf(session, issued, glyphs))[0]
    monkeypatch.setattr(renditions, "load_logo", lambda *_: refused_logo())
    assert "□" in read_pages(issued_pdf(session, issued, glyphs))[0]
    assert stored(session) == []


@pytest.mark.both_databases
def test_two_at_once_store_one_file(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    issued, barrier = make_invoice(), Barrier(2)
    files = list[bytes]()

    def render_together(*arguments: object) -> PrintedFile:
        barrier.wait(10)
        return PrintedFile(render_pdf(*arguments) + str(get_ident()).encode(), False)  # type: ignore[arg-type]

    def download() -> None:
        with app.app_context():
            files.append(issued_pdf(db.session(), issued))

    monkeypatch.setattr(renditions, "print_document", render_together)
    threads = [Thread(target=download) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [rendition] = stored(session)
    assert files == [rendition.data] * 2


def test_a_draft_has_no_file(session: Session) -> None:
    draft = make_invoice(issue=False)
    with pytest.raises(NotFound):
        issued_pdf(session, draft)
    assert renditions.draft_pdf(session, invoice(session, str(draft.id)), GLYPHS).startswith(b"%PDF-")
    assert stored(session) == []


@pytest.mark.both_databases
def test_doctor_names_changed_files_and_marks_without_a_void(session: Session) -> None:
    issued = make_invoice()
    number = issued.number
    issued_pdf(session, issued)

    def damage(session: Session) -> None:
        session.execute(update(Rendition).values(data=b"%PDF-", form="void"))

    transaction(damage)
    assert findings(session) == [
        f"void of {number}: its bytes do not match its SHA-256",
        f"void of {number}: the document is issued",
    ]


def test_pages_scripts_and_commands_return_the_same_bytes(app: Flask, session: Session, tmp_path: Path) -> None:
    change_settings(invoice_footer="Pay soon.")
    issued = make_invoice()
    number, file = issued.number, tmp_path / "invoice.pdf"
    page = signed_in(app).get(f"/invoices/{issued.id}/pdf").data
    assert render(app, str(number), str(file)).exit_code == 0
    assert file.read_bytes() == page == stored(session)[0].data
    assert render(app, str(number), "-").stdout_bytes == page
    for name, code in ((str(make_invoice(issue=False).id), 4), ("INV-1", 4)):
        result = render(app, name, str(tmp_path / "none.pdf"))
        assert (result.exit_code, (tmp_path / "none.pdf").exists()) == (code, False)


def render(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["render", *arguments])
