"""The business terms (BT) of EN 16931 of a document, by their numbers.

`docs/einvoice.md` has a table of the terms and their sources, which a test compares with these functions. Everything
is read from the frozen document. Numbers are texts, because factur-x would cut floats. No text is empty.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from billing_admin.domain.document_details import (
    Address,
    DocumentDetails,
    PartyDetails,
    details_from_json,
    place_of_delivery,
)
from billing_admin.domain.einvoice_lines import period_within, state_price
from billing_admin.domain.formatting import format_padded
from billing_admin.domain.money import MINOR_DIGITS, Money, plain_decimal
from billing_admin.domain.readiness import INTRA_COMMUNITY, MAX_MINOR_DIGITS, OUTSIDE_SCOPE, UNLISTED_CURRENCIES
from billing_admin.domain.tax_breakdown import TaxSubtotal, tax_breakdown
from billing_admin.domain.units import DEFAULT_UNIT_CODE
from billing_admin.formats.party_numbers import check_scheme_identifier, check_vat_number
from billing_admin.models import Invoice, InvoiceLine

# Terms by their numbers, as factur-x reads them.
Terms = dict[str, Any]

INVOICE_TYPE, CREDIT_NOTE_TYPE = "380", "381"
# Means of payment (UNTDID 4461).
NOT_DEFINED, CREDIT_TRANSFER, SEPA_CREDIT_TRANSFER = "1", "30", "58"
GENERAL_INFORMATION: Final = "AAI"  # subject of a note (UNTDID 4451)
PURCHASE_ORDER: Final = "Purchase order"  # the name of an attribute, in English as the terms are
TEST_NOTE = "TEST – this is not a real invoice."

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document_terms(invoice: Invoice) -> Terms:
    """Return the terms of an issued document that all formats share.

    BT-23 and BT-24 depend on the format and are set by `einvoice.render_xml`.
    """
    details = details_from_json(invoice.details)
    terms: Terms = _without_empty(
        {
            **_references(invoice, details),
            "BG-4": _seller(invoice, details.seller),
            "BG-7": _buyer(invoice, details.buyer),
            "BG-13": _delivery(invoice, details),
            **_payment(invoice, details),
            "BG-23": [_tax_row(row, invoice.currency) for row in tax_breakdown(invoice.taxes)],
            **_totals(invoice, details),
            "BG-25": [_line(line, invoice) for line in invoice.lines],
        }
    )
    return terms


def _references(invoice: Invoice, details: DocumentDetails) -> Terms:
    is_credit_note = invoice.kind == "credit_note"
    preceding = invoice.corrected if is_credit_note else invoice.replaced
    note = _note(invoice, details)
    return {
        "BT-1": invoice.number,
        "BT-2": invoice.issue_date,
        "BT-3": CREDIT_NOTE_TYPE if is_credit_note else INVOICE_TYPE,
        "BT-5": invoice.currency,
        "BT-10": details.buyer_reference,
        "BT-12": details.contract,
        "BT-13": invoice.purchase_order,
        "BT-72": invoice.period_to,
        "BT-73": invoice.period_from,
        "BT-74": invoice.period_to,
        # In UBL, the text between the first two # would be read as the subject's code: state the subject.
        "BG-1": [{"BT-21": GENERAL_INFORMATION if "#" in note else "", "BT-22": note}],
        "BG-3": [{"BT-25": preceding.number, "BT-26": preceding.issue_date}] if preceding else [],
    }


def _note(invoice: Invoice, details: DocumentDetails) -> str:
    """Return all printed notes as one text.

    Peppol allows one note (PEPPOL-EN16931-R002).
    """
    # The footer says how to pay, so a credit note does not have it.
    last = invoice.reason if invoice.kind == "credit_note" else invoice.footer
    custom_lines = [f"{line.label}: {line.value}" for line in details.custom_lines]
    return "\n".join(filter(None, [TEST_NOTE if details.test else "", *custom_lines, invoice.note, last])).strip()


def _seller(invoice: Invoice, seller: PartyDetails) -> Terms:
    return {
        **_party(invoice.seller_name, invoice.seller_tax_id, seller),
        "tax_identifier": seller.tax_number,
        "legal_info": seller.legal_info,
        "contacts": [{"name": seller.contact_name, "phone": seller.contact_phone, "email": seller.contact_email}],
    }


def _buyer(invoice: Invoice, buyer: PartyDetails) -> Terms:
    # Outside the scope of tax, the buyer's VAT number must not be given (BR-O-02).
    is_taxable = all(tax.category != OUTSIDE_SCOPE for tax in invoice.taxes)
    return {
        "identifiers": {None: invoice.customer_reference},
        **_party(invoice.customer_name, invoice.customer_tax_id if is_taxable else "", buyer),
    }


def _party(name: str, tax_id: str, party: PartyDetails) -> Terms:
    return {
        "name": name,
        "legal_identifier": _identifier(party.registration_scheme, party.registration_id),
        "legal_identifier_schemeid": party.registration_scheme,
        # A tax ID of another kind is printed on the PDF only (BR-CO-09).
        "vat_identifier": check_vat_number(tax_id).number,
        "einvoicing_addr": _identifier(party.electronic_scheme, party.electronic_address),
        "einvoicing_addr_schemeid": party.electronic_scheme,
        **_address(party.address),
    }


def _identifier(scheme: str, identifier: str) -> str:
    """Return an identifier without separators.

    Documents of earlier versions may have it with separators.
    """
    return check_scheme_identifier(scheme, identifier).number or identifier


def _address(address: Address) -> Terms:
    return {
        "addr_l1": address.street,
        "addr_l2": address.street2,
        "city": address.city,
        "postcode": address.postcode,
        "country_subdivision": address.region,
        "country_code": address.country,
    }


def _delivery(invoice: Invoice, details: DocumentDetails) -> Terms:
    delivery = place_of_delivery(details, any(tax.category == INTRA_COMMUNITY for tax in invoice.taxes))
    if delivery is None or not delivery.address.country:
        return {}
    return {"name": delivery.name or invoice.customer_name, **_address(delivery.address)}


def _payment(invoice: Invoice, details: DocumentDetails) -> Terms:
    """Return how to pay.

    A credit note has no account: its amount is not paid to the seller.
    """
    if invoice.kind == "credit_note":
        return {"BT-9": invoice.due_date, "BT-81": NOT_DEFINED}
    terms: Terms = {"BT-9": invoice.due_date, "BT-20": details.terms}
    account = details.account
    if account is None:
        return terms
    iban = account.iban.replace(" ", "")
    return {
        **terms,
        "BT-83": invoice.number,
        "BT-81": SEPA_CREDIT_TRANSFER if iban and invoice.currency == "EUR" else CREDIT_TRANSFER,
        "BT-84": iban or account.account_number,
        "BT-85": account.holder,
        "BT-86": account.bic,
    }


def _tax_row(row: TaxSubtotal, currency: str) -> Terms:
    return {
        "BT-116": str(Money(row.base, currency)),
        "BT-117": str(Money(row.tax, currency)),
        "BT-118": row.category,
        # Outside the scope of tax it may be left out, but XRechnung requires it (BR-DE-14).
        "BT-119": plain_decimal(row.percent),
        "BT-120": row.reason,
        "BT-121": row.vatex,
    }


def _totals(invoice: Invoice, details: DocumentDetails) -> Terms:
    net, tax, total = (str(Money(amount, invoice.currency)) for amount in (invoice.net, invoice.tax, invoice.total))
    terms = {
        "BT-106": net,
        "BT-109": net,
        "BT-110": tax,
        "BT-112": total,
        # Later payments do not change the document.
        "BT-113": str(Money(0, invoice.currency)),
        "BT-115": total,
    }
    base = details.base_rate.currency if details.base_rate else invoice.currency
    is_unsupported = MINOR_DIGITS[base] > MAX_MINOR_DIGITS or base in UNLISTED_CURRENCIES
    if invoice.tax_in_base is None or base == invoice.currency or is_unsupported:
        return terms
    return {**terms, "BT-6": base, "BT-111": str(Money(invoice.tax_in_base, base))}


def _line(line: InvoiceLine, invoice: Invoice) -> Terms:
    stated = state_price(line)
    period = period_within(line.period_from, line.period_to, (invoice.period_from, invoice.period_to))
    order = line.purchase_order if line.purchase_order != invoice.purchase_order else ""
    return {
        "BT-126": str(line.position),
        "BT-129": plain_decimal(stated.quantity),
        "BT-130": line.unit_code or DEFAULT_UNIT_CODE,
        "BT-131": str(Money(line.net, line.currency)),
        "BT-134": period[0] if period else None,
        "BT-135": period[1] if period else None,
        "BT-146": plain_decimal(stated.price),
        "BT-149": "" if stated.base_quantity is None else plain_decimal(stated.base_quantity),
        "BT-151": line.tax_category,
        # Outside the scope of tax there is none (BR-O-05).
        "BT-152": "" if line.tax_category == OUTSIDE_SCOPE else plain_decimal(line.tax_percent),
        "BT-153": line.description,
        "BT-154": "" if stated.is_unit_price else _unit_price(line),
        "BT-155": line.service_code,
        "BG-32": [{"BT-160": PURCHASE_ORDER, "BT-161": order}] if order else [],
    }


def _unit_price(line: InvoiceLine) -> str:
    """Return the agreed price of a line as text, such as `10.00 EUR incl. 19 %`."""
    if line.unit_price is None:
        return ""
    price = f"{format_padded(line.unit_price, MINOR_DIGITS[line.currency])} {line.currency}"
    return price if line.included_percent is None else f"{price} incl. {plain_decimal(line.included_percent)} %"


def _without_empty(value: Any) -> Any:
    """Return terms without empty ones.

    Characters that XML cannot hold become �.
    """
    if isinstance(value, Mapping):
        filled = ((key, _without_empty(part)) for key, part in value.items())
        return {key: part for key, part in filled if _is_filled(part)}
    if isinstance(value, list):
        return [part for part in map(_without_empty, value) if _is_filled(part)]
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def _is_filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value not in (None, {}, [])
