"""E-invoices are valid by the official rules, and state what the frozen document says."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree

from billing_admin.domain.document_details import Address, BankAccount, CustomLine, Delivery, DocumentDetails
from billing_admin.domain.errors import NotFound
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.formats.document_contents import document_contents
from billing_admin.formats.einvoice import PROFILES, render_xml
from billing_admin.formats.einvoice_terms import document_terms
from billing_admin.formats.party_numbers import VAT_SHAPES
from billing_admin.models import Invoice
from billing_admin.operations.invoices.e_invoices import missing_facts
from tests.einvoicing import (
    AE0,
    DETAILS,
    E0,
    G0,
    IN_EURO,
    K0,
    MARCH,
    O0,
    ONLY_FACTUR_X,
    S7,
    Z0,
    broken_rules,
    credit_note,
    group,
    issued,
    with_buyer,
)

GOLDEN = Path(__file__).parents[1] / "data" / "einvoice"
RULES_OF_UBL = files("facturx").joinpath("xsd_and_schematron", "ubl-2.1", "EN16931-UBL-validation.xslt")
S10 = TaxRate("S", Decimal(10))
ABROAD = with_buyer(DETAILS, address=Address("Rue 5", "", "75001", "Paris", "", "FR"))
BUYER_VAT = {"customer_tax_id": "FR 40303265045"}
PARIS = replace(ABROAD, delivery=Delivery("Dépôt", Address("Quai 1", "B", "13002", "Marseille", "PACA", "FR")))
SWISS = replace(DETAILS, account=BankAccount("Seller GmbH", "", "80-2-2", "", "Bank"))

# All rules but those of readiness are checked with them: each is one that a document of this program can meet.
HARD: dict[str, Callable[[], Invoice]] = {
    "rate": lambda: _with_codes(
        issued(group(quantity="12.5", unit_price="2.50", code="CPU", period=MARCH)), unit_code="HUR"
    ),
    "two rates and one included": lambda: issued(
        group("100"), group("9.99", included="19"), group("5.01", included="19"), group("0.07", tax=S7)
    ),
    "tax differs from base × percent": lambda: issued(*[group(f"{n}.99", included="19") for n in range(1, 20)]),
    "zero rated": lambda: issued(group("10", tax=Z0), group("5")),
    "exempt": lambda: _with_codes(
        issued(group("10", tax=E0, note="Education"), group("3", tax=E0, note="Health")), vatex="VATEX-EU-132"
    ),
    "reverse charge": lambda: issued(
        group("10", tax=AE0, note="Reverse charge"), details=ABROAD, customer_tax_id="FR40303265045"
    ),
    "reverse charge on prices with tax": lambda: issued(
        group("11.90", tax=AE0, included="19", note="Reverse charge"), details=ABROAD, **BUYER_VAT
    ),
    "export": lambda: issued(
        group("10", tax=G0, note="Export"),
        currency="USD",
        details=with_buyer(DETAILS, address=Address("1 Main St", "Floor 2", "10001", "New York", "NY", "US")),
        customer_tax_id="12-3456789",
    ),
    "intra-community": lambda: issued(group("10", tax=K0, note="Intra-community supply"), details=PARIS, **BUYER_VAT),
    "intra-community to the buyer": lambda: issued(
        group("10", tax=K0, note="Intra-community supply"), details=ABROAD, **BUYER_VAT
    ),
    "not subject to tax": lambda: issued(group("10", tax=O0), details=ABROAD, seller_tax_id="", **BUYER_VAT),
    "dollars with tax in euros": lambda: issued(
        group("100"), currency="USD", details=replace(DETAILS, base_rate=IN_EURO), tax_in_base=1748
    ),
    "yen": lambda: issued(group(quantity="3", unit_price="12.345"), group("1000"), currency="JPY"),
    "sub-cent prices": lambda: issued(
        group(quantity="1234567", unit_price="0.0000166667"), group(quantity="1", unit_price="0.004999"), group("1")
    ),
    "negative price": lambda: issued(
        group("100"), group(quantity="3", unit_price="-10"), group("-9.99", included="19")
    ),
    "quantity 0": lambda: issued(group("100"), group(quantity="0", unit_price="7"), group("5", quantity="0")),
    "largest numbers": lambda: issued(
        group(quantity="123456789012345.123456789012", unit_price="0.001"),
        group(quantity="0.000000000001", unit_price="99999999999999999"),
        group("1", quantity="999999999999999999.999999999999"),
    ),
    "discounts leave 0.01": lambda: issued(group("100"), group("-99.99")),
    "notes with number signs": lambda: issued(
        group("1", description="<b>&\"'\u200b #1 #XYZ#"),
        note="#1 and #ABC# of order #7",
        details=replace(
            DETAILS,
            terms="#30 days\n#SKONTO#TAGE=7#PROZENT=2.00#\nnet",
            custom_lines=(CustomLine("Cost centre", "#4"),),
        ),
    ),
    "texts of earlier releases": lambda: issued(group("1", description="a\x85b\ufffe\uffff c"), note="a\r\nb"),
    "little": lambda: issued(group("1"), details=replace(DocumentDetails(), seller=DETAILS.seller, buyer=ABROAD.buyer)),
    "account number": lambda: issued(group("1"), currency="CHF", details=SWISS),
    "orders by line": lambda: issued(
        group("1", purchase_order="PO-1"), group("2", purchase_order="PO-2"), details=PARIS, purchase_order=""
    ),
    "test": lambda: issued(group("1"), details=replace(DETAILS, test=True)),
    "credit in full": lambda: credit_note(HARD["two rates and one included"]()),
    "credit by line": lambda: credit_note(HARD["rate"](), lines={1: 100}),
    "credit by amount": lambda: credit_note(HARD["two rates and one included"](), 1234),
    "credit of a cent": lambda: credit_note(HARD["rate"](), 1),
    "credit with a negative line": lambda: credit_note(HARD["negative price"]()),
    "credit under reverse charge": lambda: credit_note(HARD["reverse charge"](), customer_tax_id="FR40303265045"),
    "replaced": lambda: _replaced(HARD["rate"]()),
}


def _with_codes(invoice: Invoice, unit_code: str | None = None, vatex: str = "") -> Invoice:
    for line in invoice.lines:
        line.unit_code = unit_code
    for tax in invoice.taxes:
        tax.vatex = vatex
    return invoice


def _replaced(invoice: Invoice) -> Invoice:
    void = issued(group("1"), status="void", voided_on=date(2026, 4, 1))
    void.number = "INV-2026-00041"
    invoice.replaced = void
    return invoice


@pytest.mark.parametrize("syntax", ["cii", "ubl"])
@pytest.mark.parametrize("name", HARD)
def test_document_is_valid(name: str, syntax: str) -> None:
    assert broken_rules(render_xml(HARD[name](), syntax)) == []


def test_printed_totals_are_those_of_the_e_invoice() -> None:
    for name, make in HARD.items():
        invoice = make()
        terms, printed = document_terms(invoice), document_contents(invoice)
        amounts = [amount.replace(",", "").removesuffix(f" {invoice.currency}") for _, amount, _ in printed["sums"]]
        assert amounts == [terms[term] for term in ("BT-109", "BT-110", "BT-112")], name
        net, tax, total = map(Decimal, amounts)
        assert net + tax == total, name
        for term, expected in (("BT-116", net), ("BT-117", tax)):
            assert sum(Decimal(row[term]) for row in terms["BG-23"]) == expected, name
        assert sum(Decimal(line["BT-131"]) for line in terms["BG-25"]) == net, name


@pytest.mark.deep
@pytest.mark.parametrize("syntax", ["cii", "ubl"])
def test_document_of_1000_lines_is_valid(syntax: str) -> None:
    many = issued(
        *(group(quantity="7", unit_price=f"1.{n:03}", period=MARCH, code=f"S-{n}") for n in range(600)),
        *(group(f"{n}.99", included="19", description=f"Plain {n}") for n in range(300)),
        *(group("-0.07", tax=S7, description=f"Discount {n}") for n in range(100)),
    )
    assert len(many.lines) == 1000
    for document in (many, credit_note(many)):
        assert broken_rules(render_xml(document, syntax)) == []


@pytest.mark.parametrize("format", [name for name in PROFILES if name not in {"cii", "ubl"}])
@pytest.mark.parametrize("name", ["rate", "notes with number signs", "credit by amount"])
def test_each_format_is_valid_but_for_its_specification(name: str, format: str) -> None:
    assert set(broken_rules(render_xml(HARD[name](), format))) <= {ONLY_FACTUR_X}


UNREADY: dict[str, tuple[Callable[[], Invoice], str]] = {
    "no country of the buyer": (lambda: issued(group("1"), details=with_buyer(DETAILS, address=Address())), "BR-10"),
    "no country of the seller": (lambda: issued(group("1"), details=_with_seller(address=Address())), "BR-08"),
    "no tax ID and no registration": (
        lambda: issued(group("1"), details=_with_seller(tax_number="", registration_id=""), seller_tax_id=""),
        "BR-CO-26",
    ),
    "taxed without a tax ID": (
        lambda: issued(group("1"), details=_with_seller(tax_number=""), seller_tax_id=""),
        "BR-S-02",
    ),
    "taxed at 0 %": (lambda: issued(group("1", tax=TaxRate("S", Decimal(0)))), "BR-S-05"),
    "outside the scope and taxed": (lambda: issued(group("1", tax=O0), group("1"), seller_tax_id=""), "BR-O-11"),
    "outside the scope with a VAT number": (lambda: issued(group("1", tax=O0)), "BR-O-02"),
    "reverse charge without the buyer's number": (
        lambda: issued(group("1", tax=AE0, note="Reverse charge"), details=with_buyer(DETAILS, registration_id="")),
        "BR-AE-02",
    ),
    "intra-community without delivery country": (
        lambda: issued(group("1", tax=K0), details=replace(ABROAD, delivery=Delivery("Dépôt")), **BUYER_VAT),
        "BR-IC-12",
    ),
    "intra-community without the buyer's number": (lambda: issued(group("1", tax=K0), details=PARIS), "BR-IC-02"),
    "three decimal places": (lambda: issued(group("1.234"), currency="BHD"), "BR-DEC-09"),
    "an unknown unit": (lambda: _with_codes(issued(group("1")), unit_code="HD"), "BR-CL-23"),
    "an unknown reason": (lambda: _with_codes(issued(group("1", tax=E0)), vatex="VATEX-EU-K"), "BR-CL-22"),
    "an unknown country": (
        lambda: issued(group("1"), details=with_buyer(DETAILS, address=Address(country="EL"))),
        "BR-CL-14",
    ),
    "an unknown scheme": (
        lambda: issued(group("1"), details=with_buyer(DETAILS, electronic_scheme="0003")),
        "BR-CL-25",
    ),
    "an unknown register": (
        lambda: issued(group("1"), details=with_buyer(DETAILS, registration_id="1", registration_scheme="EM")),
        "BR-CL-11",
    ),
    "tax that differs by 1.00": (
        lambda: issued(group("5", tax=S10), group("6", tax=S10, included="10"), currency="JPY"),
        "BR-CO-17",
    ),
    "tax of 0.50 at 0.49 %": (lambda: issued(group("102.04", tax=TaxRate("S", Decimal("0.49")))), "BR-CO-17"),
}


def _with_seller(**fields: object) -> DocumentDetails:
    return replace(DETAILS, seller=replace(DETAILS.seller, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", UNREADY)
def test_rules_refuse_what_is_missing(name: str) -> None:
    make, rule = UNREADY[name]
    assert rule in broken_rules(render_xml(make(), "ubl"))
    # Factur-X has its own numbers for the rules of code lists.
    assert broken_rules(render_xml(make(), "cii")) != []
    # Readiness names it before; unknown codes are refused where they are entered.
    assert bool(missing_facts(make(), "ubl")) != rule.startswith("BR-CL")


@pytest.mark.parametrize(("name", "format"), [("two rates and one included", "cii"), ("rate", "xrechnung-ubl")])
def test_file_is_as_recorded(name: str, format: str) -> None:
    # A release of factur-x that writes another XML is noticed here. RECORD=1 records the files anew.
    for invoice in (HARD[name](), credit_note(HARD[name]())):
        path = GOLDEN / f"{format}-{invoice.kind}.xml"
        if os.environ.get("RECORD"):
            path.write_bytes(render_xml(invoice, format))
        assert render_xml(invoice, format) == path.read_bytes()


def detailed() -> Invoice:
    """A document with most terms."""
    return issued(
        group(quantity="12.5", unit_price="2.50", code="CPU", description="Compute", period=MARCH),
        group(quantity="3", unit_price="10", included="19", description="Backup", code="BAK"),
        group("7", purchase_order="PO-2"),
        note="Call us.",
        purchase_order="PO-1",
        details=replace(PARIS, custom_lines=(CustomLine("Cost centre", "4711"),)),
    )


def test_terms_are_those_of_the_frozen_document() -> None:
    terms = document_terms(detailed())
    assert {name: terms[name] for name in ("BT-1", "BT-2", "BT-3", "BT-5", "BT-9", "BT-10", "BT-12", "BT-13")} == {
        "BT-1": "INV-2026-00042",
        "BT-2": date(2026, 4, 2),
        "BT-3": "380",
        "BT-5": "EUR",
        "BT-9": date(2026, 5, 2),
        "BT-10": "04011000-12345-03",
        "BT-12": "C-7",
        "BT-13": "PO-1",
    }
    assert terms["BG-1"] == [{"BT-22": "Cost centre: 4711\nCall us.\nThank you."}]
    assert [terms[name] for name in ("BT-20", "BT-81", "BT-84")] == ["30 days net", "58", "DE75512108001245126199"]
    assert [terms[name] for name in ("BT-72", "BT-73", "BT-74")] == [MARCH[1], *MARCH]
    assert terms["BG-4"]["vat_identifier"] == "DE136695976"
    assert (terms["BG-13"]["name"], terms["BG-13"]["country_code"]) == ("Dépôt", "FR")
    assert terms["BG-23"] == [{"BT-116": "63.46", "BT-117": "12.06", "BT-118": "S", "BT-119": "19"}]
    totals = ("BT-106", "BT-109", "BT-110", "BT-112", "BT-113", "BT-115")
    assert [terms[name] for name in totals] == ["63.46", "63.46", "12.06", "75.52", "0.00", "75.52"]


def test_terms_of_lines() -> None:
    plain, with_tax, by_rate = document_terms(detailed())["BG-25"]
    shared = {"BT-130": "C62", "BT-151": "S", "BT-152": "19"}
    assert plain == shared | {
        "BT-126": "1",
        "BT-129": "1",
        "BT-131": "7.00",
        "BT-146": "7",
        "BT-153": "Work",
        "BG-32": [{"BT-160": "Purchase order", "BT-161": "PO-2"}],
    }
    assert with_tax == shared | {
        "BT-126": "2",
        "BT-129": "3",
        "BT-131": "25.21",
        "BT-146": "25.21",
        "BT-149": "3",
        "BT-153": "Backup",
        "BT-154": "10.00 EUR incl. 19 %",
        "BT-155": "BAK",
    }
    assert by_rate == shared | {
        "BT-126": "3",
        "BT-129": "12.5",
        "BT-131": "31.25",
        "BT-134": MARCH[0],
        "BT-135": MARCH[1],
        "BT-146": "2.5",
        "BT-153": "Compute",
        "BT-155": "CPU",
    }


def test_credit_note_names_its_invoice_and_asks_for_no_payment() -> None:
    terms = document_terms(credit_note(detailed(), lines={1: 500}))
    assert terms["BT-3"] == "381"
    assert terms["BG-3"] == [{"BT-25": "INV-2026-00042", "BT-26": date(2026, 4, 2)}]
    assert terms["BG-1"] == [{"BT-22": "Cost centre: 4711\nToo much"}]
    assert terms["BT-81"] == "1"
    assert not {"BT-20", "BT-83", "BT-84", "BT-85", "BT-86"} & terms.keys()
    assert terms["BT-115"] == "5.95"


def test_replacement_names_the_void_invoice() -> None:
    assert document_terms(HARD["replaced"]())["BG-3"] == [{"BT-25": "INV-2026-00041", "BT-26": date(2026, 4, 2)}]


def test_tax_in_the_base_currency() -> None:
    terms = document_terms(HARD["dollars with tax in euros"]())
    assert [terms[name] for name in ("BT-5", "BT-6", "BT-110", "BT-111")] == ["USD", "EUR", "19.00", "17.48"]
    dinars = replace(IN_EURO, currency="BHD")  # three decimal places: no e-invoice can hold the amount
    terms = document_terms(issued(group("100"), details=replace(DETAILS, base_rate=dinars), tax_in_base=1748))
    assert not {"BT-6", "BT-111"} & terms.keys()


def test_same_document_makes_the_same_bytes() -> None:
    assert render_xml(HARD["rate"](), "ubl") == render_xml(HARD["rate"](), "ubl")


@pytest.mark.parametrize("status", ["draft", "void"])
def test_draft_and_void_document_have_none(status: str) -> None:
    with pytest.raises(NotFound, match=status):
        render_xml(issued(group("1"), status=status), "ubl")


def test_tax_id_without_country_is_no_vat_number() -> None:
    terms = document_terms(issued(group("1"), seller_tax_id="22/123/45678", customer_tax_id="EIN 12-3456789"))
    assert "vat_identifier" not in terms["BG-4"] | terms["BG-7"]


def test_prefixes_of_vat_numbers_are_those_of_the_rule() -> None:
    rules = RULES_OF_UBL.read_text("utf-8")
    prefixes = re.search(r"contains\( ' (1A [A-Z ]+ EL [A-Z ]+) ',substring\(cbc:CompanyID,1,2\)", rules)
    assert prefixes is not None
    assert set(VAT_SHAPES) <= {*prefixes[1].split()}


def test_factur_x_knows_each_currency_of_the_code_list() -> None:
    for currency in codes(CodeList.CURRENCIES) & MINOR_DIGITS.keys():
        render_xml(issued(group("1", tax=Z0), currency=currency), "cii")


def test_payment_terms_are_a_discount_only_if_they_state_one() -> None:
    tree = etree.fromstring(render_xml(HARD["notes with number signs"](), "xrechnung-ubl"))
    (note,) = tree.findall("{*}PaymentTerms/{*}Note")
    assert note.text == "- #30 days\n#SKONTO#TAGE=7#PROZENT=2.00#\nnet\n"
    assert document_terms(HARD["notes with number signs"]())["BG-1"][0]["BT-21"] == "AAI"
