"""Any document that readiness lets through is valid by the official rules, in both syntaxes."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st

from billing_admin.domain.document_details import (
    Address,
    BankAccount,
    BaseCurrencyRate,
    CustomLine,
    Delivery,
    DocumentDetails,
    PartyDetails,
)
from billing_admin.domain.errors import Invalid
from billing_admin.domain.invoices import ChargeGroup, TaxRate
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.formats.einvoice import PROFILES, render_xml
from billing_admin.models import Invoice
from billing_admin.operations.invoices.e_invoices import missing_facts
from tests.einvoicing import (
    ACCOUNT,
    BUYER,
    DETAILS,
    MARCH,
    ONLY_FACTUR_X,
    SELLER,
    broken_rules,
    credit_note,
    group,
    issued,
)
from tests.levels import FULL

FORMATS = sorted(PROFILES)
# All that a form accepts: printable characters of any script, and what XML must escape.
words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn")), min_size=1, max_size=30).filter(str.strip)
words |= st.sampled_from(["<&>\"'", "]]>", "#1 #ABC# 2", "  a  ", "👍 한국 שלום", "x" * 200])
lines = st.lists(words, max_size=3).map("\n".join)
maybe_words = st.just("") | words
countries = st.sampled_from(["DE", "DE", "FR", "US", "GR", "GB", "1A", "XI", ""])
rates = st.sampled_from([TaxRate("S", Decimal(19)), TaxRate("S", Decimal(7)), TaxRate("S", Decimal("8.1"))])
untaxed = st.sampled_from([TaxRate(category, Decimal(0)) for category in ("Z", "E", "AE", "G", "K", "O", "S")])
unit_codes = st.none() | st.sampled_from(sorted(codes(CodeList.UNITS)))
MIXED = [TaxRate(category, Decimal(0)) for category in ("Z", "E")]
periods = st.none() | st.tuples(st.integers(0, 40), st.integers(0, 40)).map(
    lambda days: (MARCH[0] + timedelta(days[0]), MARCH[0] + timedelta(sum(days)))
)
amounts = st.decimals(-1000, 100000, places=2) | st.decimals(0, 10, places=12)
prices = st.decimals(-10, 1000, places=4) | st.decimals(0, 1, places=12)
quantities = st.decimals(0, 1000, places=3) | st.sampled_from([Decimal(1), Decimal(0), Decimal(-2)])


@st.composite
def groups(draw: st.DrawFn, rate: st.SearchStrategy[TaxRate], included: str = "") -> ChargeGroup:
    """Charges of a line; `included` is the tax in prices of customers who are charged no tax."""
    tax = draw(rate)
    plain = draw(st.booleans())
    return group(
        str(draw(amounts)),
        quantity=str(draw(quantities)),
        unit_price=None if plain else str(draw(prices)),
        tax=tax,
        included=draw(st.sampled_from([None, None, included or str(tax.percent)])),
        description=draw(words),
        code=draw(maybe_words),
        period=draw(periods),
        note="" if tax.category in {"S", "Z"} else draw(words),
        purchase_order=draw(st.just("") | words),
    )


def usually(value: Any, *others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, and now and then another one: most documents are complete."""
    return st.integers(0, 9).flatmap(lambda choice: st.just(value) if choice else st.one_of(*others))


def parties(complete: PartyDetails) -> st.SearchStrategy[PartyDetails]:
    address = complete.address
    return st.builds(
        replace,
        st.just(complete),
        address=st.builds(
            Address,
            *(maybe_words, maybe_words),
            *(usually(part, st.just(""), words) for part in (address.postcode, address.city)),
            maybe_words,
            usually(address.country, countries),
        ),
        registration_scheme=st.sampled_from(["", "0199"]),
        registration_id=usually("391200ABCDEFGHIJKL07", st.just("")),
        electronic_scheme=st.sampled_from(["EM", "0204"]),
        electronic_address=usually(complete.electronic_address, st.just("")),
        tax_number=usually("22/123", st.just("")),
        legal_info=lines,
        contact_name=usually("A", maybe_words),
        contact_phone=usually("+49 40 1234", st.just("")),
        contact_email=usually("a@example.com", st.just("")),
    )


addresses = st.builds(
    Address, maybe_words, maybe_words, maybe_words, maybe_words, maybe_words, usually("FR", countries)
)
details = st.builds(
    DocumentDetails,
    seller=parties(SELLER),
    buyer=parties(BUYER),
    delivery=st.none() | st.builds(Delivery, maybe_words, addresses),
    account=usually(ACCOUNT, st.sampled_from([None, BankAccount("A", "", "80-2-2", "", "B")])),
    buyer_reference=usually(DETAILS.buyer_reference, st.sampled_from(["", "Ref 1"])),
    contract=maybe_words,
    custom_lines=st.lists(st.builds(CustomLine, words, words), max_size=4).map(tuple),
    terms=lines,
    base_rate=st.sampled_from([None, BaseCurrencyRate("EUR", "0.92", "2026-04-01"), BaseCurrencyRate("BHD", "1", "")]),
    test=st.booleans(),
)


@st.composite
def documents(draw: st.DrawFn) -> Invoice:
    """Issued documents of any kind; few of them are incomplete."""
    if draw(st.integers(0, 3)):
        members = draw(st.lists(groups(rates | st.sampled_from(MIXED)), min_size=1, max_size=5))
    else:
        rate = draw(untaxed)
        members = draw(st.lists(groups(st.just(rate), included="19"), min_size=1, max_size=3))
    # The total of an invoice is positive; prices may be negative and quantities 0.
    members.append(group("1000000", tax=members[0].tax, note=members[0].tax_note))
    seller_tax_id = "" if any(member.tax.category == "O" for member in members) else "DE136695976"
    has_rate = draw(details.map(lambda value: value.base_rate is not None))
    columns = {
        "currency": draw(st.sampled_from(["EUR", "EUR", "USD", "JPY", "CHF"])),
        "details": draw(details),
        "note": draw(lines),
        "footer": draw(lines),
        "purchase_order": draw(maybe_words),
        "customer_name": draw(words),
        "seller_name": draw(words),
        "seller_tax_id": draw(usually(seller_tax_id, st.sampled_from(["", "12-34", "DE1"]))),
        "customer_tax_id": draw(usually("FR 40303265045", st.sampled_from(["", "12-3456789", "GR094259216"]))),
        "tax_in_base": 123 if has_rate else None,
        "due_date": date(2026, 4, 2) + timedelta(draw(st.integers(0, 90))),
    }
    invoice = issued(*members, **columns)
    for line in invoice.lines:
        line.unit_code = draw(unit_codes)
    for tax in invoice.taxes:
        tax.vatex = draw(st.sampled_from(["", "VATEX-EU-132"])) if tax.category == "E" else ""
    return invoice


def _is_ready(invoice: Invoice, format: str) -> bool:
    return invoice.total > 0 and not missing_facts(invoice, format)


def _check(invoice: Invoice, format: str) -> None:
    if not _is_ready(invoice, format):
        event("incomplete")
        return
    event(f"{format}, {invoice.kind}")
    for name in {format, "cii", "ubl"}:
        assert set(broken_rules(render_xml(invoice, name))) <= {ONLY_FACTUR_X}, name


def _check_with_credit_note(invoice: Invoice, format: str, amount: int) -> None:
    _check(invoice, format)
    if invoice.total > 0:
        try:
            note = credit_note(invoice, min(amount, invoice.total))
        except Invalid:
            return
        # Whatever can be credited of a document with an e-invoice has one as well.
        assert _is_ready(note, format) or not _is_ready(invoice, format)
        _check(note, format)


MANY: dict[str, Any] = {"suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large], "deadline": None}


@settings(max_examples=12, **MANY)
@given(documents(), st.sampled_from(FORMATS), st.integers(1, 10**6))
def test_document_that_is_ready_is_valid(invoice: Invoice, format: str, amount: int) -> None:
    _check_with_credit_note(invoice, format, amount)


@pytest.mark.deep
@settings(max_examples=2000 if FULL else 300, **MANY)
@given(documents(), st.sampled_from(FORMATS), st.integers(1, 10**6))
def test_many_documents_that_are_ready_are_valid(invoice: Invoice, format: str, amount: int) -> None:
    _check_with_credit_note(invoice, format, amount)
