"""Factur-X files: one PDF/A-3 with one e-invoice inside, and metadata that say so."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree
from pypdf import PdfReader

from billing_admin.formats.einvoice import render_xml
from billing_admin.formats.factur_x import declare_factur_x, render_factur_x
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Invoice
from tests.einvoicing import NOW, credit_note, group, issued
from tests.formats.test_einvoice import HARD, detailed

GLYPHS = load_glyphs()
# What a document says must not lead to the place of the metadata.
HOSTILE = "1 0 obj\n<</Length 9/Type/Metadata/Subtype/XML>>\nstream\n</pdfaExtension:schemas>"


def _read(content: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(content), strict=True)


def _metadata(reader: PdfReader) -> Any:
    metadata: Any = reader.root_object["/Metadata"]
    return etree.fromstring(metadata.get_data())


def _associated_file(reader: PdfReader) -> Any:
    associated: Any = reader.root_object["/AF"]
    (reference,) = associated
    return reference.get_object()


@pytest.fixture(scope="module")
def document() -> Invoice:
    return detailed()


@pytest.fixture(scope="module")
def content(document: Invoice) -> bytes:
    return render_factur_x(document, GLYPHS).data


def test_one_e_invoice_is_attached_with_relationship_and_date(document: Invoice, content: bytes) -> None:
    reader = _read(content)
    assert list(reader.attachments) == ["factur-x.xml"]
    file = _associated_file(reader)
    assert (file["/F"], file["/UF"], file["/AFRelationship"]) == ("factur-x.xml", "factur-x.xml", "/Alternative")
    embedded = file["/EF"]["/F"].get_object()
    assert embedded["/Subtype"] == "/text/xml"
    assert embedded["/Params"]["/ModDate"].startswith(f"D:{NOW:%Y%m%d%H%M%S}")
    assert embedded.get_data() == render_xml(document, "factur-x")


def test_metadata_declare_it_in_the_one_extension_container(content: bytes) -> None:
    tree = _metadata(_read(content))
    names = {
        "DocumentType": "INVOICE",
        "DocumentFileName": "factur-x.xml",
        "Version": "1.0",
        "ConformanceLevel": "EN 16931",
    }
    space = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
    assert {element.tag.removeprefix(space): element.text for element in tree.iter(f"{space}*")} == names
    (container,) = tree.iter("{*}schemas")
    (bag,) = container
    declared = {item.findtext("{*}prefix"): item for item in bag}
    assert set(declared) >= {"fx", "pdf", "xmpMM"}
    assert declared["fx"].findtext("{*}namespaceURI") == space[1:-1]
    assert [name.text for name in declared["fx"].iter("{*}name")] == list(names)
    assert tree.findtext(".//{*}part") == "3"
    assert tree.findtext(".//{*}conformance") in {"A", "B"}


def test_profile_of_metadata_is_that_of_the_xml(content: bytes) -> None:
    reader = _read(content)
    xml = etree.fromstring(_associated_file(reader)["/EF"]["/F"].get_object().get_data())
    specification = xml.findtext(".//{*}GuidelineSpecifiedDocumentContextParameter/{*}ID")
    level = _metadata(reader).findtext(".//{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}ConformanceLevel")
    assert (specification, level) == ("urn:cen.eu:en16931:2017", "EN 16931")


def test_pages_and_all_other_objects_stay(document: Invoice, content: bytes) -> None:
    plain, reader = _read(render_pdf(document, GLYPHS)), _read(content)
    assert [page.extract_text() for page in reader.pages] == [page.extract_text() for page in plain.pages]
    assert content.startswith(b"%PDF-1.7\n")
    for number, offset in reader.xref[0].items():
        assert re.match(rb"%d 0 obj\n" % number, content[offset:]), number
    assert content.count(b"<?xpacket begin") == 1


def test_same_document_makes_the_same_bytes(content: bytes) -> None:
    assert render_factur_x(detailed(), GLYPHS).data == content


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: credit_note(detailed(), lines={1: 500}), id="credit note"),
        pytest.param(
            lambda: issued(group("1", description=HOSTILE), note=HOSTILE, customer_name=HOSTILE), id="hostile"
        ),
        pytest.param(HARD["texts of earlier releases"], id="old texts"),
        pytest.param(
            lambda: issued(*[group("1", description=f"Part {n}") for n in range(1000)]),
            id="long",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_other_documents(make: Callable[[], Invoice]) -> None:
    reader = _read(render_factur_x(make(), GLYPHS).data)
    assert len(list(_metadata(reader).iter("{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}*"))) == 4
    assert _associated_file(reader)["/EF"]["/F"].get_object().get_data() == render_xml(make(), "factur-x")


def test_other_layout_of_files_is_noticed() -> None:
    with pytest.raises(ValueError, match="typst"):
        declare_factur_x(render_pdf(detailed(), GLYPHS).replace(b"/Subtype/XML", b"/Subtype /XML"))
