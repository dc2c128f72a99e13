"""The texts of a printed document, from its frozen rows and details alone.

Later payments are not on the document.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import accumulate, chain
from typing import Any, Final

from billing_admin.domain.bank_accounts import group_iban
from billing_admin.domain.document_details import (
    Address,
    BankAccount,
    BaseCurrencyRate,
    DocumentDetails,
    details_from_json,
)
from billing_admin.domain.formatting import format_exact, format_money, format_number, format_percent, tax_note
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.domain.parties import address_lines
from billing_admin.formats.addresses import country_name
from billing_admin.formats.document_locale import DocumentLocale
from billing_admin.formats.logo import logo_as_svg
from billing_admin.formats.payment_code import payment_code
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax, Logo

DASH: Final = "–"
PAPERS: Final = {"a4": "a4", "letter": "us-letter"}
# The sender stands on two lines above the address; a longer one is cut to its name.
MAX_SENDER: Final = 120
# The place of the logo is 72 mm wide and 18 mm high.
WIDE_LOGO: Final = 72 / 18
# A tax table of so many rows, and characters of reasons, stands beside the sums.
SHORT_TABLE: Final = 8
SHORT_REASONS: Final = 600

Contents = dict[str, Any]
Pair = tuple[str, str]


def document_contents(invoice: Invoice, logo: Logo | None = None) -> Contents:
    """Return the texts of a document, in its own language and number format.

    `logo` is the one that its details name.
    """
    with use_number_format(NumberFormat(invoice.number_format)):
        return _Document(invoice, logo).contents()


class _Document:
    """A document with its details and the locale that it is printed in."""

    def __init__(self, invoice: Invoice, logo: Logo | None) -> None:
        self.invoice, self.logo = invoice, logo
        self.details = details_from_json(invoice.details)
        self.locale = DocumentLocale(self.details.language)
        self.is_credit_note = invoice.kind == "credit_note"
        # Terms and footer say how to pay.
        self.is_payable = not self.is_credit_note and invoice.status != "void"

    def contents(self) -> Contents:
        invoice, label = self.invoice, self.locale.label
        kind = label(invoice.kind)
        title = f"{kind} {invoice.number}" if invoice.number else kind
        seller = seller_contents(
            invoice.seller_name, invoice.seller_address, invoice.seller_tax_id, self.details, self.locale
        )
        return page_contents(title, seller, self.details, self.locale, self.logo) | {
            "mark": self._mark(),
            "notice": self._notice(),
            "address": self._address(),
            "facts": self._facts(),
            "delivery": self._delivery(),
            "table": self._table(),
            "sums": self._sums(),
            "tables": [self._taxes()] if invoice.taxes else [],
            "notes": self._notes(),
            "payment": self._payment(),
            "closing": text_lines(invoice.footer) if self.is_payable else [],
        }

    def _mark(self) -> str:
        status = {"draft": "draft", "void": "void"}.get(self.invoice.status)
        if status:
            return self.locale.label(status)
        return self.locale.label("test") if self.details.test else ""

    def _notice(self) -> str:
        if self.invoice.voided_on is None:
            return ""
        since = self.locale.label("void_since", day=self.locale.day(self.invoice.voided_on))
        return f"{since}. {self.locale.label('reason', reason=self.invoice.reason)}"

    def _facts(self) -> list[Pair]:
        invoice, details, label = self.invoice, self.details, self.locale.label
        facts = [
            (label("number"), invoice.number or label("draft")),
            (label("issued"), self._day(invoice.issue_date)),
            (label("due"), "" if self.is_credit_note else self._day(invoice.due_date)),
            self._preceding(),
            (label("period"), self.locale.period(invoice.period_from, invoice.period_to)),
            (label("order"), invoice.purchase_order),
            (label("contract"), details.contract),
            (label("buyer_reference"), details.buyer_reference),
            (label("customer"), invoice.customer_reference),
            (label("buyer_tax_id"), invoice.customer_tax_id),
            *((line.label, line.value) for line in details.custom_lines),
        ]
        return [(name, value) for name, value in facts if value]

    def _preceding(self) -> Pair:
        """Return the invoice that this one corrects, replaces or bills again in part."""
        if self.is_credit_note:
            return self.locale.label("corrects"), self._name(self.invoice.corrected)
        replaced = self.invoice.replaced
        is_void = replaced is not None and replaced.status == "void"
        return self.locale.label("replaces" if is_void else "preceding"), self._name(replaced)

    def _day(self, value: date | None) -> str:
        return self.locale.day(value) if value else DASH

    def _name(self, document: Invoice | None) -> str:
        if document is None or document.issue_date is None:
            return ""
        return self.locale.label("number_of_day", number=document.number, day=self.locale.day(document.issue_date))

    def _address(self) -> list[str]:
        return [self.invoice.customer_name, *text_lines(self.invoice.customer_address)]

    def _delivery(self) -> Contents | None:
        delivery = self.details.delivery
        if delivery is None:
            return None
        lines = [delivery.name or self.invoice.customer_name, *self._address_lines(delivery.address)]
        if lines == self._address():
            return None
        return {"label": self.locale.label("ship_to"), "lines": lines}

    def _address_lines(self, address: Address) -> tuple[str, ...]:
        return address_lines(address, country_name(address.country, self.locale.language))

    def _table(self) -> Contents:
        label, currency = self.locale.label, self.invoice.currency
        figures = () if self.is_credit_note else ("quantity", "unit_price")
        columns = ("position", "description", *figures, "tax", "net")
        return {
            "head": [label(column) for column in columns],
            "text_columns": 2,
            "wide_column": 1,
            "least_width": 60,
            "rows": [self._row(line) for line in self.invoice.lines],
            "details": [self._line_details(line) for line in self.invoice.lines],
            "sums": [format_money(net, currency) for net in accumulate(line.net for line in self.invoice.lines)],
            "sum_before": label("previous_pages"),
            "sum_after": label("carried_forward"),
        }

    def _row(self, line: InvoiceLine) -> list[Any]:
        position, net = format_number(Decimal(line.position)), format_money(line.net, line.currency)
        tax: Any = format_percent(line.tax_percent)
        including = ""
        if line.included_percent is not None:
            including = self.locale.label("including", percent=format_percent(line.included_percent))
        if self.is_credit_note:
            return [position, line.description, tax, net]
        price: Any = DASH if line.unit_price is None else format_exact(line.unit_price, line.currency)
        if including and line.unit_price is not None:
            price = {"text": price, "detail": including}
        elif including:
            tax = {"text": tax, "detail": including}
        return [
            position,
            line.description,
            self.locale.quantity(line.quantity, line.unit, line.unit_code),
            price,
            tax,
            net,
        ]

    def _line_details(self, line: InvoiceLine) -> str:
        """Return a line's period, and its purchase order unless the document has it."""
        details = []
        if line.period_from is not None and line.period_to is not None:
            details.append(self.locale.period(line.period_from, line.period_to, line.period_of_days))
        if line.purchase_order not in {"", self.invoice.purchase_order}:
            details.append(f"{self.locale.label('order')} {line.purchase_order}")
        return ", ".join(details)

    def _sums(self) -> list[tuple[str, str, bool]]:
        invoice, label = self.invoice, self.locale.label
        return [
            (label("net"), format_money(invoice.net, invoice.currency), False),
            (label("tax"), format_money(invoice.tax, invoice.currency), False),
            (
                label("total_credited" if self.is_credit_note else "total"),
                format_money(invoice.total, invoice.currency),
                True,
            ),
        ]

    def _taxes(self) -> Contents:
        label, currency = self.locale.label, self.invoice.currency
        rows, details = [], []
        for (category, percent), taxes in _by_rate(self.invoice.taxes).items():
            base, tax = (sum(getattr(part, name) for part in taxes) for name in ("base", "tax"))
            rows.append([self._tax_name(category, percent), format_money(base, currency), format_money(tax, currency)])
            details.append(list(dict.fromkeys(line for part in taxes for line in text_lines(tax_note(part)))))
        rate, tax_in_base = self.details.base_rate, self.invoice.tax_in_base
        if rate is not None and tax_in_base is not None:
            amount = format_money(tax_in_base, rate.currency)
            rows.append([label("tax_in_base", currency=rate.currency), "", amount])
            details.append([self._rate_of_day(rate)])
        return {
            "title": "",
            "head": [label("tax"), label("tax_base"), label("tax_amount")],
            "rows": rows,
            "details": details,
            "short": len(rows) <= SHORT_TABLE and len("".join(chain(*details))) <= SHORT_REASONS,
        }

    def _tax_name(self, category: str, percent: Decimal) -> str:
        if percent:
            return self.locale.label("tax_rate", percent=format_percent(percent))
        return f"{self.locale.label(category)}, {format_percent(percent)}".replace(" %", "\u00a0%")

    def _rate_of_day(self, rate: BaseCurrencyRate) -> str:
        """Return the exchange rate with its day and source."""
        text = self.locale.label(
            "rate_of_day",
            rate=f"1 {rate.currency} = {format_number(Decimal(rate.rate))} {self.invoice.currency}",
            day=self.locale.day(date.fromisoformat(rate.day)),
        )
        return f"{text} ({rate.source})" if rate.source else text

    def _notes(self) -> list[list[str]]:
        reason = self.locale.label("reason", reason=self.invoice.reason) if self.is_credit_note else ""
        terms = self.details.terms if self.is_payable else ""
        return [text_lines(text) for text in (self.invoice.note, reason, terms) if text]

    def _payment(self) -> Contents | None:
        invoice = self.invoice
        if self.is_credit_note or invoice.status != "issued":
            return None
        return payment_contents(
            invoice.total,
            invoice.currency,
            self._day(invoice.due_date),
            invoice.number or "",
            self.details.account,
            invoice.seller_name,
            self.locale,
        )


def page_contents(
    title: str, seller: Contents, details: DocumentDetails, locale: DocumentLocale, logo: Logo | None
) -> Contents:
    """Return the contents that all documents and letters have.

    The contents of one kind replace the empty ones.
    """
    return {
        "language": locale.language,
        "paper": PAPERS.get(details.paper, PAPERS["a4"]),
        "accent": details.accent,
        "logo": logo_contents(logo, seller["name"], locale),
        "title": title,
        "running_title": f"{title} · {seller['name']}",
        "page": locale.label("page", page="{page}", pages="{pages}"),
        "seller": seller,
        "mark": "",
        "notice": "",
        "address": [],
        "facts": [],
        "delivery": None,
        "paragraphs": [],
        "table": None,
        "sums": [],
        "tables": [],
        "notes": [],
        "payment": None,
        "closing": [],
    }


def seller_contents(name: str, address: str, tax_id: str, details: DocumentDetails, locale: DocumentLocale) -> Contents:
    """Return the sender above the address, and the columns at the foot of each page."""
    seller, lines = details.seller, text_lines(address)
    numbers = [
        f"{locale.label(label)} {value}"
        for label, value in (
            ("tax_id", tax_id),
            ("tax_number", seller.tax_number),
            ("registration", seller.registration_id),
        )
        if value
    ]
    columns = [
        [name, *lines],
        [text for text in (seller.contact_name, seller.contact_phone, seller.contact_email) if text],
        [*numbers, *text_lines(seller.legal_info)],
    ]
    sender = " · ".join((name, *lines))
    return {
        "name": name,
        "sender": sender if len(sender) <= MAX_SENDER else name[:MAX_SENDER],
        "columns": [column for column in columns if column],
    }


def payment_contents(
    amount: int,
    currency: str,
    due: str,
    reference: str,
    account: BankAccount | None,
    seller_name: str,
    locale: DocumentLocale,
) -> Contents:
    """Return the payment box, with the QR code of the transfer."""
    label, account = locale.label, account or BankAccount()
    printed_amount = format_money(amount, currency)
    facts = [
        (label("amount"), printed_amount),
        (label("due"), due),
        (label("payee"), (account.holder or seller_name) if account.iban or account.account_number else ""),
        ("IBAN", group_iban(account.iban)),
        (label("account_number"), account.account_number),
        ("BIC", account.bic),
        (label("bank"), account.bank_name),
        (label("payment_reference"), reference),
    ]
    svg = payment_code(account.holder or seller_name, account.iban, amount, currency, reference)
    code = svg and {
        "svg": svg,
        "alt": label("payment_code_of", amount=printed_amount),
        "caption": label("payment_code"),
    }
    return {"title": label("payment"), "facts": [(name, value) for name, value in facts if value], "code": code}


def text_lines(text: str) -> list[str]:
    """Return the lines of a text that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def _by_rate(taxes: Iterable[InvoiceTax]) -> dict[tuple[str, Decimal], Sequence[InvoiceTax]]:
    """Return the taxes by category and percentage, whether prices include tax or not."""
    groups: dict[tuple[str, Decimal], list[InvoiceTax]] = {}
    for tax in taxes:
        groups.setdefault((tax.category, tax.percent.normalize()), []).append(tax)
    return dict(groups)


def logo_contents(logo: Logo | None, name: str, locale: DocumentLocale) -> Contents | None:
    """Return the logo as SVG, as the template reads texts alone."""
    if logo is None:
        return None
    svg = logo_as_svg(logo.media_type, logo.width, logo.height, logo.data)
    is_wide = logo.width > WIDE_LOGO * logo.height
    return {"svg": svg, "alt": locale.label("logo_of", name=name), "wide": is_wide}
