"""Checks for tax rates that no e-invoice may have.

They were stored before the application refused them.
"""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import TaxRate, TaxRateChange
from billing_admin.queries.doctor.findings import Check, Finding

ZERO = Check("taxed_at_zero", "No tax rate of category S has 0 percent.")
CHECKS = (ZERO,)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield the tax rates of category S that have 0 percent from some day on."""
    taxed = TaxRate.category == "S"
    advice = "add a rate of category Z or E and use it for the services"
    for rate in session.execute(
        select(TaxRate.id, TaxRate.code).where(taxed, TaxRate.percent == 0).order_by(TaxRate.code)
    ):
        yield ZERO.name, Finding("tax_rates", str(rate.id), f"{rate.code}: has 0 percent in category S; {advice}")
    changes = select(TaxRate.id, TaxRate.code, TaxRateChange.valid_from).join(TaxRate.changes)
    changes = changes.where(taxed, TaxRateChange.percent == 0).order_by(TaxRate.code, TaxRateChange.valid_from)
    for row in session.execute(changes):
        problem = f"{row.code}: has 0 percent in category S from {row.valid_from.isoformat()}; {advice}"
        yield ZERO.name, Finding("tax_rates", str(row.id), problem)
