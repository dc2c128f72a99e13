"""E-invoices of issued documents: for people, scripts and commands, stored when they are first made."""

import csv
import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import etree
from pypdf import PdfReader
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.document_details import PartyDetails, details_from_json, details_to_json
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.formats.factur_x import render_factur_x
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Customer, Invoice, Rendition
from billing_admin.operations.invoices import e_invoices, renditions, voids
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.doctor.renditions import find_violations
from billing_admin.queries.invoices.invoices import invoice
from tests.api.conftest import Script, code, make_token, pointers  # noqa: F401 - a fixture
from tests.einvoicing import broken_rules
from tests.formats.printing import refused_logo
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_bank_account,
    make_customer,
    make_invoice,
    make_spec,
    make_tax_rate,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, words
from tests.web.reading import fresh

GLYPHS = load_glyphs()
FORMATS = ("cii", "factur-x", "ubl", "xrechnung-cii", "xrechnung-ubl")


def make_seller() -> None:
    """The organisation with all that any format asks for."""
    make_tax_rate()
    change_settings(
        default_tax_rate="VAT19",
        legal_name="Seller GmbH",
        street="Hafenstraße 1",
        postcode="20457",
        city="Hamburg",
        country="DE",
        tax_id="DE136695976",
        electronic_address="billing@seller.example",
        electronic_scheme="EM",
        contact_name="Ada Meyer",
        contact_phone="+49 40 123456",
        contact_email="billing@seller.example",
    )
    make_bank_account()


def make_buyer(**fields: Any) -> Customer:
    """A customer with all that any format but Peppol asks for."""
    complete = {
        "reference": "ACME",
        "name": "ACME AG",
        "currency": "EUR",
        "street": "Platz 3",
        "postcode": "53113",
        "city": "Bonn",
        "country": "DE",
        "electronic_address": "04011000-1234512345-06",
        "electronic_scheme": "0204",
        "buyer_reference": "04011000-1234512345-06",
        "e_invoice": "xrechnung-ubl",
    }
    return make_customer(**{**complete, **fields})


def make_issued(customer: Customer, *amounts: str) -> Invoice:
    """An invoice of plain amounts and of one price with tax."""
    post(
        *(make_spec(customer, amount) for amount in amounts or ("100",)),
        make_spec(customer, quantity="3", unit_price="9.99", tax_included=True),
    )
    bill(customers=[customer])
    return next(invoice for invoice in all_invoices() if invoice.customer_id == customer.id)


@pytest.fixture
@prepared
def issued(session: Session) -> Invoice:
    make_seller()
    return make_issued(make_buyer())


def made(session: Session, issued: Invoice, format: str = "") -> e_invoices.EInvoice:
    document = invoice(session, str(issued.id))
    return e_invoices.issued_e_invoice(transaction, session, document, format, GLYPHS, NOW)


@pytest.mark.both_databases
def test_file_is_stored_and_stays(session: Session, issued: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(session, issued)
    assert (first.name, first.media_type) == (f"{issued.number}.xml", "application/xml")
    assert broken_rules(first.content) == []
    [rendition] = fresh(session, select(Rendition))
    assert (rendition.form, rendition.data, rendition.fonts) == ("xrechnung-ubl", first.content, "")
    assert rendition.template.startswith("factur-x ")
    monkeypatch.setattr(e_invoices, "render_xml", lambda *_: b"of a later release")
    assert made(session, issued) == first
    session.rollback()
    assert [row.problem for result in run_checks(session) for row in result.rows] == []


def _overwrite(session: Session, values: dict[str, Any]) -> None:
    session.execute(update(Rendition).values(**values))


def _problems(session: Session, data: bytes, form: str) -> list[str]:
    """What the doctor says of a document with this stored file."""
    session.rollback()
    transaction(_overwrite, {"data": data, "sha256": hashlib.sha256(data).hexdigest(), "form": form})
    session.rollback()
    return [finding.problem for _, finding in find_violations(session)]


def test_doctor_compares_stored_files_with_their_documents(session: Session, issued: Invoice) -> None:
    ubl, cii, factur_x = (made(session, issued, form).content for form in ("ubl", "cii", "factur-x"))
    transaction(_delete_all_but_one)
    for form, content, changes in (
        (
            "ubl",
            ubl,
            {
                "number": (b"INV-", b"IVN-"),
                "day": (b"2026-04-02</cbc:IssueDate>", b"2026-04-03</cbc:IssueDate>"),
                "tax": (b">23.79</cbc:TaxAmount>", b">23.78</cbc:TaxAmount>"),
                "total": (b">148.97</cbc:PayableAmount>", b">148.98</cbc:PayableAmount>"),
                "lines": (b">100.00</cbc:LineExtensionAmount>", b">99.00</cbc:LineExtensionAmount>"),
                "e-invoice": (b"<cbc:ID>", b"<cbc:ID"),
            },
        ),
        (
            "cii",
            cii,
            {
                "day": (b">20260402<", b">20260403<"),
                "net": (b">125.18</ram:TaxBasis", b">125.19</ram:TaxBasis"),
                "currency": (b">EUR</ram:InvoiceC", b">USD</ram:InvoiceC"),
            },
        ),
    ):
        assert _problems(session, content, form) == []
        for name, change in changes.items():
            assert change[0] in content, name
            expected = f"{form} of {issued.number}: not the document's {name}"
            assert _problems(session, content.replace(*change), form) == [expected]
    assert _problems(session, factur_x, "factur-x") == []
    document = invoice(session, str(issued.id))
    session.expunge_all()
    document.lines[0].net += 1
    expected = f"factur-x of {issued.number}: not the document's "
    assert _problems(session, render_factur_x(document, GLYPHS).data, "factur-x") == [f"{expected}lines"]
    assert _problems(session, render_pdf(document, GLYPHS), "factur-x") == [f"{expected}e-invoice"]
    number, document.number = document.number, "INV-7"
    assert _problems(session, render_pdf(document, GLYPHS), "pdf") == [f"pdf of {number}: not the document's number"]


def _delete_all_but_one(session: Session) -> None:
    session.execute(delete(Rendition).where(Rendition.form != "ubl"))


def test_each_format_has_a_file_of_its_own(session: Session, issued: Invoice) -> None:
    files = {format: made(session, issued, format) for format in FORMATS}
    assert files["factur-x"].media_type == "application/pdf"
    assert files["factur-x"].name == f"{issued.number}.pdf"
    assert len({file.content for file in files.values()}) == len(FORMATS)
    assert {row.form for row in fresh(session, select(Rendition))} == set(FORMATS)
    attached = PdfReader(io.BytesIO(files["factur-x"].content)).attachments["factur-x.xml"]
    assert attached == [files["cii"].content]


def test_pdf_with_unprintable_characters_is_not_stored(session: Session) -> None:
    make_seller()
    document = make_issued(make_buyer(name="한국 클라우드"))
    made(session, document, "factur-x")
    assert list(fresh(session, select(Rendition))) == []


def test_pdf_without_a_refused_logo_is_not_stored(
    session: Session, issued: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renditions, "load_logo", lambda *_: refused_logo())
    file = made(session, issued, "factur-x").content
    assert "factur-x.xml" in PdfReader(io.BytesIO(file)).attachments
    assert list(fresh(session, select(Rendition))) == []


def test_pdf_of_a_customer_with_factur_x_has_the_e_invoice_everywhere(
    app: Flask,
    session: Session,
    make_token: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    make_seller()
    document = make_issued(make_buyer(e_invoice="factur-x"))
    browser, file = signed_in(app), tmp_path / "invoice.pdf"
    content = browser.get(f"/invoices/{document.id}/pdf").data
    assert "factur-x.xml" in PdfReader(io.BytesIO(content)).attachments
    assert Script(app.test_client(), make_token()).get(f"/invoices/{document.number}/pdf").data == content
    assert app.test_cli_runner().invoke(args=["render", str(document.number), str(file)]).exit_code == 0
    assert file.read_bytes() == content
    job = browser.get(send(browser, f"/exports/documents/prepare?q={document.number}").location)
    with zipfile.ZipFile(io.BytesIO(browser.get(link(job, "Download the file")).data)) as archive:
        assert archive.read(f"{document.number}.pdf") == content
    assert made(session, document).content == content
    assert [row.form for row in fresh(session, select(Rendition))] == ["factur-x"]


@pytest.mark.parametrize(
    "buyer",
    [{"e_invoice": "xrechnung-ubl"}, {"e_invoice": "none"}],
    ids=lambda buyer: buyer["e_invoice"],
)
def test_pdf_has_no_e_invoice_inside_for_other_formats(session: Session, buyer: dict[str, str]) -> None:
    make_seller()
    document = make_issued(make_buyer(**buyer))
    content = renditions.issued_pdf(transaction, session, document, GLYPHS, NOW)
    assert not PdfReader(io.BytesIO(content)).attachments


def test_pdf_is_plain_where_factur_x_lacks_facts_or_the_document_is_void(session: Session) -> None:
    make_seller()
    document = make_issued(make_buyer(e_invoice="factur-x"))
    assert renditions.pdf_form(document) == "factur-x"
    incomplete = replace(details_from_json(document.details), e_invoice="factur-x", seller=PartyDetails())
    session.expunge(document)
    document.details = details_to_json(incomplete)
    assert renditions.format_stops(document, "factur-x")
    assert renditions.pdf_form(document) == "pdf"
    transaction(voids.void_invoice, document.id, "Wrong", "cancelled", SYSTEM, NOW)
    session.rollback()
    document = invoice(session, str(document.id))
    assert renditions.pdf_form(document) == "void"
    content = renditions.issued_pdf(transaction, session, document, GLYPHS, NOW)
    assert not PdfReader(io.BytesIO(content)).attachments


def test_totals_are_equal_everywhere(app: Flask, session: Session, issued: Invoice, make_token: Any) -> None:  # noqa: F811
    browser = signed_in(app)
    script = Script(app.test_client(), make_token())
    shown = script.get(f"/invoices/{issued.number}").json
    assert shown is not None
    amounts = {name: shown[name] for name in ("net", "tax", "total")}
    assert amounts == {"net": "125.18", "tax": "23.79", "total": "148.97"}
    paths = {
        "ubl": {
            "net": "{*}LegalMonetaryTotal/{*}TaxExclusiveAmount",
            "tax": "{*}TaxTotal/{*}TaxAmount",
            "total": "{*}LegalMonetaryTotal/{*}PayableAmount",
        },
        "cii": {"net": ".//{*}TaxBasisTotalAmount", "tax": ".//{*}TaxTotalAmount", "total": ".//{*}DuePayableAmount"},
    }
    for format, names in paths.items():
        tree = etree.fromstring(made(session, issued, format).content)
        assert {name: tree.findtext(path) for name, path in names.items()} == amounts
    [row] = csv.DictReader(io.StringIO(script.get("/invoices.csv").text))
    assert {name: row[name] for name in amounts} == amounts
    page = words(browser.get(f"/invoices/{issued.id}"))
    file = made(session, issued, "factur-x").content
    printed = " ".join(part.extract_text() for part in PdfReader(io.BytesIO(file)).pages)
    assert all(amount in printed for amount in amounts.values())
    # The page has the tax with and without included prices in rows of their own.
    assert all(f"{amounts[name]} EUR" in page for name in ("net", "total"))


def test_scripts_choose_the_syntax(app: Flask, issued: Invoice, make_token: Any) -> None:  # noqa: F811
    script = Script(app.test_client(), make_token(["read"]))
    for query, media_type in (
        ("", "application/xml"),
        ("?syntax=cii", "application/xml"),
        ("?syntax=factur-x", "application/pdf"),
    ):
        response = script.get(f"/invoices/{issued.number}/e-invoice{query}")
        assert (response.status_code, response.content_type) == (200, media_type)
        assert response.data == script.get(f"/invoices/{issued.number}/e-invoice{query}").data
    assert b"xrechnung_3.0" in script.get(f"/invoices/{issued.id}/e-invoice").data
    unknown = script.get(f"/invoices/{issued.number}/e-invoice?syntax=edifact")
    assert (unknown.status_code, pointers(unknown)) == (422, ["/syntax"])


def test_customer_without_a_format(app: Flask, session: Session, make_token: Any) -> None:  # noqa: F811
    make_seller()
    document = make_issued(make_buyer(e_invoice="none"))
    script = Script(app.test_client(), make_token(["read"]))
    refused = script.get(f"/invoices/{document.number}/e-invoice")
    assert (refused.status_code, code(refused), pointers(refused)) == (422, "format_missing", ["/syntax"])
    assert script.get(f"/invoices/{document.number}/e-invoice?syntax=ubl").status_code == 200
    browser = signed_in(app, "viewer")
    page = browser.get(link(browser.get(f"/invoices/{document.id}"), "E-invoice"))
    assert "The customer had no e-invoice format when this document was issued." in words(page)
    response = browser.get(link(page, "Download EN 16931 in CII"))
    assert (response.status_code, response.content_type) == (200, "application/xml")


def test_all_that_is_missing_is_named(app: Flask, session: Session, make_token: Any) -> None:  # noqa: F811
    make_seller()
    document = make_issued(
        make_buyer(e_invoice="none", country="", street="", postcode="", city="", buyer_reference="")
    )
    with pytest.raises(Invalid, match=r"There is no UBL e-invoice of .*\. The customer's country .* was not checked"):
        made(session, document, "ubl")
    script = Script(app.test_client(), make_token(["read"]))
    refused = script.get(f"/invoices/{document.number}/e-invoice?syntax=xrechnung-ubl")
    assert refused.json
    assert (refused.status_code, code(refused)) == (422, "e_invoice_incomplete")
    reasons = [error["detail"] for error in refused.json["errors"]]
    assert reasons[0] == "The customer's country is missing."
    assert "The buyer reference is missing." in reasons
    browser = signed_in(app, "viewer")
    page = browser.get(f"/invoices/{document.id}/e-invoice")
    assert "The customer's country is missing." in words(page)
    assert not has_link(page, "Download EN 16931 in UBL")
    back = browser.get(f"/invoices/{document.id}/e-invoice/ubl", follow_redirects=True)
    assert "only if the customer needs exactly this document in this format" in words(back)
    german = words(browser.get(f"/invoices/{document.id}/e-invoice", headers={"Accept-Language": "de"}))
    assert ("Die Käuferreferenz fehlt." in german, "E-Rechnung: " in german) == (True, False)
    assert "omething was wrong" not in words(back)


def test_another_format_than_the_customers_was_not_checked_at_the_issue(app: Flask, session: Session) -> None:
    make_seller()
    document = make_issued(
        make_buyer(e_invoice="factur-x", buyer_reference="", electronic_address="", electronic_scheme="")
    )
    page = signed_in(app, "viewer").get(f"/invoices/{document.id}/e-invoice/peppol", follow_redirects=True)
    assert (
        "The customer's format was Factur-X when the document was issued, so the requirements of other formats were not"
        " checked. Download CII or Factur-X or UBL instead. For future invoices, choose the format"
    ) in words(page)
    assert "omething was wrong" not in words(page)
    assert "only if the customer needs exactly this document" in words(page)


def test_a_document_from_before_details_says_so(session: Session) -> None:
    make_seller()
    document = invoice(session, str(make_issued(make_buyer(e_invoice="none")).id))
    set_committed_value(document, "details", None)
    with pytest.raises(Invalid, match="issued before documents stored the data of e-invoices"):
        e_invoices.issued_e_invoice(transaction, session, document, "ubl", GLYPHS, NOW)


def test_a_credit_note_without_an_e_invoice_is_sent_as_pdf(app: Flask, session: Session) -> None:
    make_seller()
    buyer = make_buyer(e_invoice="none", country="", street="", postcode="", city="", buyer_reference="")
    note = credit(make_issued(buyer), "10")
    with pytest.raises(Invalid) as refusal:
        made(session, note, "ubl")
    assert refusal.value.message.endswith("A credit note cannot be changed or credited. Send its PDF instead.")
    page = words(signed_in(app, "viewer").get(f"/invoices/{note.id}/e-invoice"))
    assert "A credit note never changes. If something is missing, send another format or the PDF instead." in page
    assert "bill it again" not in page + refusal.value.message


def test_page_offers_the_format_of_the_customer(app: Flask, issued: Invoice) -> None:
    browser: FlaskClient = signed_in(app, "viewer")
    response = browser.get(link(browser.get(f"/invoices/{issued.id}"), "E-invoice"))
    assert (response.status_code, response.content_type) == (200, "application/xml")
    assert response.headers["Content-Disposition"] == f'attachment; filename="{issued.number}.xml"'
    assert browser.get(f"/invoices/{issued.id}/e-invoice/edifact").status_code == 404


def test_credit_note_has_one(session: Session, issued: Invoice) -> None:
    file = made(session, credit(issued, "10", reason="Late"))
    assert broken_rules(file.content) == []
    assert b"CreditNote" in file.content


def test_each_credit_in_yen_has_one_or_is_refused(app: Flask, session: Session, make_token: Any) -> None:  # noqa: F811
    make_seller()
    yen = make_buyer(reference="TOKYO", currency="JPY", e_invoice="ubl", country="JP")
    post(make_spec(yen, "9", currency="JPY"))
    bill(customers=[yen])
    [document] = all_invoices()
    script = Script(app.test_client(), make_token())
    notes: list[Any] = []
    for amount, status in (("9", 201), ("1", 422), ("2", 201)):
        answer = script.post(f"/invoices/{document.number}/credit", {"amount": amount, "reason": "Late"})
        assert answer.status_code == status
        if status == 201:
            notes.append(answer.json)
        else:
            assert (code(answer), pointers(answer)) == ("tax_rounded_apart", ["/amount"])
    assert [(note["net"], note["tax"]) for note in notes] == [("8", "1"), ("1", "1")]
    session.rollback()
    for note in notes:
        assert broken_rules(made(session, invoice(session, note["id"])).content) == []


def test_draft_and_void_document_have_none(app: Flask, session: Session, issued: Invoice) -> None:
    made(session, issued)
    draft = make_invoice(issue=False)
    transaction(voids.void_invoice, issued.id, "Wrong", "cancelled", SYSTEM, NOW)
    session.rollback()
    browser = signed_in(app)
    for document in (draft, issued):
        with pytest.raises(NotFound):
            made(session, document, "ubl")
        assert browser.get(f"/invoices/{document.id}/e-invoice").status_code == 404
        assert browser.get(f"/invoices/{document.id}/e-invoice/ubl").status_code == 404
        assert not has_link(browser.get(f"/invoices/{document.id}"), "E-invoice")


def test_command_writes_the_file(app: Flask, session: Session, issued: Invoice, tmp_path: Path) -> None:
    run, file = app.test_cli_runner(), tmp_path / "invoice.xml"
    result = run.invoke(args=["e-invoice", str(issued.number), str(file)])
    assert result.exit_code == 0, result.output
    assert file.read_bytes() == made(session, issued).content
    result = run.invoke(args=["e-invoice", str(issued.number), str(file), "--syntax", "cii"])
    assert result.exit_code == 0, result.output
    assert file.read_bytes() == made(session, issued, "cii").content
    assert run.invoke(args=["e-invoice", "INV-0", str(file)]).exit_code == 4
    assert run.invoke(args=["e-invoice", str(issued.number), str(file), "--syntax", "peppol"]).exit_code == 5
    assert file.read_bytes() == made(session, issued, "cii").content
