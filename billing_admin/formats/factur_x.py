"""Factur-X: the PDF of a document with its e-invoice inside.

typst attaches the XML. Its metadata must then say so: the properties are added to the metadata that typst wrote, and
all other bytes stay, so that the file remains valid PDF/A and has the same bytes each time.
"""

import re
from io import BytesIO
from typing import Final

from billing_admin.formats.einvoice import render_xml
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.pdf import PrintedFile, print_document
from billing_admin.models import Invoice, Logo

NAMESPACE: Final = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
FILE_NAME: Final = "factur-x.xml"
# The properties of Factur-X, with what the extension schema says of them.
_PROPERTIES: Final = {
    "DocumentType": ("INVOICE", "The type of the document, also of a credit note"),
    "DocumentFileName": (FILE_NAME, "The name of the attached e-invoice"),
    "Version": ("1.0", "The version of Factur-X"),
    "ConformanceLevel": ("EN 16931", "The profile of the e-invoice"),
}
_SCHEMA = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
    f"<pdfaSchema:namespaceURI>{NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
    "<pdfaSchema:property><rdf:Seq>"
    + "".join(
        f'<rdf:li rdf:parseType="Resource"><pdfaProperty:category>external</pdfaProperty:category>'
        f"<pdfaProperty:description>{description}</pdfaProperty:description><pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
        for name, (_, description) in _PROPERTIES.items()
    )
    + "</rdf:Seq></pdfaSchema:property></rdf:li>"
)
_VALUES = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (value, _) in _PROPERTIES.items())
# PDF/A allows one container of extension schemas, so the schema goes into the one of typst.
_INSERTIONS: Final = (
    ('<rdf:Description rdf:about=""', f' xmlns:fx="{NAMESPACE}"'),
    ("<pdfaExtension:schemas><rdf:Bag>", _SCHEMA),
    ("</pdfaExtension:schemas>", _VALUES),
)
_METADATA: Final = re.compile(rb"\d+ 0 obj\n<</Length (\d+)/Type/Metadata/Subtype/XML>>\nstream\n")
_XREF_ENTRY: Final = re.compile(rb"^(\d{10})( \d{5} n)", re.MULTILINE)


def render_factur_x(invoice: Invoice, glyphs: Glyphs, logo: Logo | None = None) -> PrintedFile:
    """Return an issued document as PDF with its e-invoice inside.

    Raises:
        Conflict: The document is a draft or void.
    """
    xml = render_xml(invoice, "factur-x").decode()
    printed = print_document(invoice, glyphs, logo, e_invoice=xml)
    return PrintedFile(declare_factur_x(printed.data), printed.plain)


def declare_factur_x(pdf: bytes) -> bytes:
    """Return a PDF of typst with the properties of Factur-X in its metadata.

    Raises:
        ValueError: The file is not laid out as typst does it.
    """
    from pypdf import PdfReader  # noqa: PLC0415 - loaded on demand

    # pypdf finds the metadata. Its writer would declare PDF 1.3 and lay out all objects anew.
    reader = PdfReader(BytesIO(pdf))
    reference = reader.root_object.raw_get("/Metadata")
    begin = reader.xref[0][reference.idnum]
    stream = _METADATA.match(pdf, begin)
    table, trailer = pdf.rfind(b"\nxref\n"), pdf.rfind(b"\nstartxref\n")
    if stream is None or not begin < table < trailer:
        raise ValueError("typst has changed the layout of its files")
    end = stream.end() + int(stream[1])
    metadata = _with_properties(pdf[stream.end() : end].decode()).encode()
    head = stream[0].replace(stream[1], b"%d" % len(metadata), 1)
    shift = len(head) + len(metadata) - (end - begin)

    def moved(entry: re.Match[bytes]) -> bytes:
        offset = int(entry[1])
        return b"%010d" % (offset + shift if offset > begin else offset) + entry[2]

    return b"".join(
        (
            pdf[:begin],
            head,
            metadata,
            pdf[end:table],
            _XREF_ENTRY.sub(moved, pdf[table:trailer]),
            b"\nstartxref\n%d\n%%%%EOF" % (table + 1 + shift),
        )
    )


def _with_properties(metadata: str) -> str:
    for place, text in _INSERTIONS:
        if place not in metadata:
            raise ValueError(f"the metadata of typst has no {place}")
        metadata = metadata.replace(place, place + text, 1)
    return metadata
