"""The computation of a stored invoice, from the charges on its lines to its total."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.explanation import Explanation, StoredFigures, StoredLine, explain
from billing_admin.domain.invoices import ChargeGroup, TaxRate, TaxTotal, make_document_in_order
from billing_admin.domain.money import ZERO
from billing_admin.domain.opening_balances import refuse_opening
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Invoice, InvoiceLine, VoidedCharge
from billing_admin.models.base import exact_sum


def load_explanation(session: Session, invoice: Invoice) -> Explanation:
    """Recompute a document from the charges on its lines, next to the stored figures.

    Raises NotFound for a credit note and for an opening invoice, which have no charges.
    """
    refuse_opening(invoice, "calculation", "invoice")
    if invoice.kind != "invoice":
        raise NotFound(
            "not_explained", Phrase("A credit note has no charges. Look at the explanation of its invoice."), "invoice"
        )
    sums = _sums(session, invoice)
    groups = [_group(invoice, line, sums.get(line.id, ZERO)) for line in invoice.lines]
    taxes = {
        (TaxRate(tax.category, tax.percent), tax.included): TaxTotal(
            TaxRate(tax.category, tax.percent), tax.base, tax.tax, tax.included, tax.note
        )
        for tax in invoice.taxes
    }
    lines = [StoredLine(line.amount, line.gross, line.net) for line in invoice.lines]
    return explain(
        make_document_in_order(invoice.currency, groups),
        StoredFigures(invoice.net, invoice.tax, invoice.total, lines, taxes),
    )


def _sums(session: Session, invoice: Invoice) -> dict[UUID, Decimal]:
    """Return the exact sum of each line's charges.

    `voided_charges` holds those of a void invoice.
    """
    of_invoice = InvoiceLine.invoice_id == invoice.id
    if invoice.status == "void":
        query = (
            select(InvoiceLine.id, exact_sum(Charge.amount))
            .join(VoidedCharge, VoidedCharge.invoice_line_id == InvoiceLine.id)
            .join(Charge, Charge.id == VoidedCharge.charge_id)
        )
    else:
        query = select(InvoiceLine.id, exact_sum(Charge.amount)).join(Charge, Charge.invoice_line_id == InvoiceLine.id)
    return dict(iter(session.execute(query.where(of_invoice).group_by(InvoiceLine.id))))


def _group(invoice: Invoice, line: InvoiceLine, amount: Decimal) -> ChargeGroup:
    return ChargeGroup(
        service_id=line.service_id,
        service_code=line.service_code,
        unit_price=line.unit_price,
        charge_id=None,
        description=line.description,
        quantity=line.quantity,
        amount=amount,
        charges=line.charges,
        period_from=line.period_from or invoice.period_from,
        period_to=line.period_to or invoice.period_to,
        has_period=line.period_from is not None,
        period_of_days=line.period_of_days,
        unit=line.unit or "",
        unit_code=line.unit_code or "",
        purchase_order=line.purchase_order,
        tax=TaxRate(line.tax_category, line.tax_percent),
        included_percent=line.included_percent,
    )
