"""Close steps of the set-up, and save what several tables share in one step."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.master_data import OrganisationFields
from billing_admin.domain.set_up import OPTIONAL_STEPS, SetUpStep
from billing_admin.domain.translation import Phrase
from billing_admin.domain.usual_tax_rates import UsualRate, rate_code
from billing_admin.formats.logo import LogoFile
from billing_admin.models import ClosedSetUpStep, Organisation, TaxRate
from billing_admin.operations.audit import record
from billing_admin.operations.master_data import logos, organisation, tax_rates

TAXED: Final = "S"
ZERO_RATED: Final = "Z"


def close_step(session: Session, step: SetUpStep, actor: Actor, now: datetime) -> None:
    """Close an optional step of the set-up; does nothing if it is closed.

    Raises:
        Invalid: The step is not optional.
    """
    if step not in OPTIONAL_STEPS:
        raise Invalid("not_optional", Phrase("This step cannot be skipped: invoices need it."), "step")
    if session.get(ClosedSetUpStep, step.value) is None:
        session.add(ClosedSetUpStep(step=step.value, closed_at=now))
        session.flush()
        record(session, actor, now, "organisation.set_up_step_closed", "organisation", None, {"step": step.value})


def add_tax_rates(session: Session, rates: Sequence[UsualRate], actor: Actor, now: datetime) -> None:
    """Create tax rates, and make the first one the default.

    A rate that exists with the same percentage is used as it is, so that a repeat adds nothing. Raises Conflict if a rate
    with the same code has another percentage, and what `tax_rates.create` raises.
    """
    codes = [_use_or_create(session, rate, actor, now) for rate in rates]
    if codes:
        organisation.update(session, {"default_tax_rate": codes[0]}, None, actor, now)


def _use_or_create(session: Session, rate: UsualRate, actor: Actor, now: datetime) -> str:
    code = rate_code(rate.percent)
    existing = session.scalar(select(TaxRate.percent).where(TaxRate.code == code))
    if existing is None:
        category = TAXED if rate.percent else ZERO_RATED
        tax_rates.create(
            session, {"code": code, "name": rate.name, "category": category, "percent": rate.percent}, actor, now
        )
    elif Decimal(existing) != rate.percent:
        raise Conflict(
            "code_taken",
            Phrase("Tax rate “{code}” already exists with another percentage. Change it under Settings.", code=code),
            "rates",
        )
    return code


def save_look(
    session: Session,
    fields: OrganisationFields,
    logo: LogoFile | None,
    version: int | None,
    actor: Actor,
    now: datetime,
) -> Organisation:
    """Save formats and logo, and close their step.

    Without a logo the current one stays. Raises what `organisation.update` raises.
    """
    settings = organisation.update(session, fields, version, actor, now)
    if logo is not None:
        logos.set_logo(session, logo, actor, now)
    close_step(session, SetUpStep.LOOK, actor, now)
    return settings
