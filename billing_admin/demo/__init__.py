"""Demo data: fourteen months of a fictional cloud provider, made through the same operations as everything else.

Two fills on one day say the same to the cent, on both databases. Only the ids that the server makes differ, those of
invoices, lines and events, and with them the hashes.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.demo.company import (
    AGREED,
    BUYERS,
    CATALOGUE,
    CURRENCIES,
    GONE,
    HOUSE,
    RETIRED,
    STILL_DRAFT,
    TAX_RATES,
    Buyer,
)
from billing_admin.demo.corrections import CORRECTED, bill_again, credit_paid, credit_unpaid
from billing_admin.demo.payments import A_CENT_SHORT, BOUNCE_REASON, BOUNCES, CENT_REASON, TOO_MUCH, Planned, planned
from billing_admin.demo.usage import (
    CURRENT,
    GONE_AFTER,
    GPU_CHEAPER_FROM,
    MONTHS,
    RETIRED_AFTER,
    charges_of,
    in_dispute,
    key,
    sent_twice,
)
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict
from billing_admin.domain.master_data import CustomerFields, ServiceFields
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import BillingRun, Charge, Customer, Invoice, Service
from billing_admin.operations import audit
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import charges, posting, recurring_charges
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import customers, organisation, services, tax_rates
from billing_admin.operations.payments import payments
from billing_admin.queries.master_data.organisation import day_of, organisation as the_organisation

ZONE = ZoneInfo(HOUSE["time_zone"])
WEEKS = (8, 15, 22, 31)
METERED, MORNING, OFFICE = time(2, 10), time(7, 30), time(9, 15)
EVERY_LATE = 40
OWED = (Invoice.status == "issued", Invoice.kind == "invoice")
CHEAPER_GPU = ("2.85", "3.05", "465")


@dataclass(frozen=True, slots=True)
class Made:
    """How much there is now."""

    customers: int
    charges: int
    invoices: int


def is_empty(session: Session) -> bool:
    """Whether there is nothing that demo data could be mixed up with; people and settings may be there."""
    tables = (Customer, Service, Charge, Invoice)
    return all(session.scalar(select(table.id).limit(1)) is None for table in tables)


def fill(session: Session, now: datetime) -> Made:
    """Make the demo, all of it in the caller's transaction. Raises Conflict unless the database is empty."""
    if not is_empty(session):
        raise Conflict("not_empty", "Demo data only goes into an empty database, and this one has data.")
    story = _Story(session, day_of(now, HOUSE["time_zone"]))
    story.set_the_stage()
    for month in range(MONTHS):
        story.tell(month)
    story.end()
    counts = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Customer, Charge, Invoice)]
    return Made(*counts)


class _Story:
    """Fourteen months that end today; nothing in them happens later than this day's beginning."""

    def __init__(self, session: Session, today: date) -> None:
        self.session = session
        self.today = today
        first = today.replace(day=1)
        self.firsts = [_months_later(first, month - CURRENT) for month in range(MONTHS + 1)]
        self.late: list[ChargeSpec] = []

    def do(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run one operation as a transaction would, but within the caller's: the next one sees all of it."""
        result = work(self.session, *args, **kwargs)
        self.session.flush()
        self.session.expire_all()
        return result

    def at(self, day: date, hour: time) -> datetime:
        """A moment of a day, in the organisation's time; never one that is still to come."""
        return min(datetime.combine(day, hour, ZONE), datetime.combine(self.today, time.min, ZONE)).astimezone(UTC)

    def set_the_stage(self) -> None:
        """The organisation, its tax rates and its catalogue."""
        now = self.at(self.firsts[0], OFFICE)
        for rate in TAX_RATES:
            self.do(tax_rates.create, rate, SYSTEM, now)
        self.do(organisation.update, HOUSE, None, SYSTEM, now)
        the_organisation(self.session).is_demo = True
        self.do(audit.record, SYSTEM, now, "organisation.demo_begun", "organisation")
        for item in (*CATALOGUE, RETIRED):
            fields: ServiceFields = {
                "code": item.code,
                "name": item.name,
                "unit": item.unit,
                "tax_rate": item.tax_rate,
                "line_per_charge": item.apart,
                "prices": _prices(item.prices),
                "prices_include_tax": CURRENCIES if item.inclusive else (),
            }
            self.do(services.create, fields, _service(item.code), SYSTEM, now)

    def tell(self, month: int) -> None:
        """Who comes and goes, what is used, and on the first of the next month what is billed."""
        first, next_first = self.firsts[month], self.firsts[month + 1]
        self._change(month, self.at(first, OFFICE))
        self._post(month, first)
        if month == CORRECTED:
            self._correct(first)
        self._collect(month, first, next_first)
        if month < CURRENT:
            self._bill(month, next_first - timedelta(days=1), next_first)

    def _change(self, month: int, now: datetime) -> None:
        for buyer in BUYERS:
            if buyer.since == month:
                self.do(customers.create, _customer(buyer), key("customers", buyer.reference), SYSTEM, now)
        if month == GPU_CHEAPER_FROM:
            self.do(services.update, _service("GpuCompute"), {"prices": _prices(CHEAPER_GPU)}, None, SYSTEM, now)
        if month == RETIRED_AFTER + 1:
            self.do(services.archive, _service(RETIRED.code), SYSTEM, now)
        if month == GONE_AFTER + 1:
            self.do(customers.archive, key("customers", GONE), SYSTEM, now)

    def _post(self, month: int, first: date) -> None:
        """Post each week's charges the night after; some only arrive when their month is billed."""
        known = [spec for spec in charges_of(month, first) if _is_over(spec, self.today)]
        late = [spec for spec in known[::EVERY_LATE] if spec.service != RETIRED.code and month < CURRENT]
        batch, self.late = self.late, late
        for begin, end in zip((0, *WEEKS), WEEKS, strict=False):
            batch += [spec for spec in known if begin < _day(spec).day <= end and spec not in late]
            posted_on = first.replace(day=min(end, monthrange(first.year, first.month)[1])) + timedelta(days=1)
            self.do(posting.post, batch, SYSTEM, self.at(posted_on, METERED))
            batch = []

    def _bill(self, month: int, through: date, issue_date: date) -> None:
        """Bill a month. The latest run makes drafts, which somebody issues, all but one."""
        last = month == CURRENT - 1
        now = self.at(issue_date, MORNING)
        spec = RunSpec(through, issue=not last, issue_date=issue_date, id=key("runs", month))
        run_id, _ = runs.run_billing(self.do, spec, SYSTEM, now)
        run = self.session.get_one(BillingRun, run_id)
        if run.state != "done":
            raise RuntimeError(f"the demo's run through {through} is {run.state}: {run.failure}")
        if last:
            query = select(Invoice.id).where(Invoice.run_id == run_id, Invoice.customer_reference != STILL_DRAFT)
            for id in self.session.scalars(query.order_by(Invoice.customer_reference, Invoice.currency)).all():
                self.do(invoices.issue, id, issue_date, SYSTEM, self.at(issue_date, OFFICE))

    def _correct(self, first: date) -> None:
        """Correct invoices in a month's first days, before anybody pays those of its first."""
        bill_again(self.session, self.do, first, self.at(first + timedelta(days=1), OFFICE))
        credit_unpaid(self.session, self.do, first, self.at(first + timedelta(days=2), OFFICE))
        credit_paid(self.session, self.do, self.at(first + timedelta(days=2), OFFICE))

    def _collect(self, month: int, first: date, next_first: date) -> None:
        """Record what customers pay within a month, day by day; its first payment may be an odd one."""
        end = min(next_first - timedelta(days=1), self.today)
        issued = self.session.execute(select(Invoice.__table__).where(*OWED)).all()
        due = [one for invoice in issued for one in planned(invoice) if first <= one.day <= end]
        for place, one in enumerate(sorted(due, key=lambda one: (one.day, one.invoice.number))):
            self._pay(one, month if place == 0 else -1)

    def _pay(self, one: Planned, month: int) -> None:
        more = {A_CENT_SHORT: -1, TOO_MUCH: 10_000}.get(month, 0)
        paid = self.do(payments.record, one.spec(more), SYSTEM, self.at(one.day, OFFICE))
        after = self.at(one.day + timedelta(days=4), OFFICE)
        if month == BOUNCES:
            self.do(payments.reverse, paid.id, BOUNCE_REASON, None, SYSTEM, after)
        if month == A_CENT_SHORT:
            cent = (one.invoice.id, Money(1, one.invoice.currency).decimal, CENT_REASON, key("write-off"))
            self.do(payments.write_off, *cent, SYSTEM, after)

    def end(self) -> None:
        """What waits for a person today: charges held, and charges that look like they were sent twice."""
        now = self.at(self.today, time.min)
        disputed = in_dispute(self.today)
        self.do(posting.post, [*(spec for spec, _ in disputed), *sent_twice(self.today)], SYSTEM, now)
        for spec, reason in disputed:
            self.do(charges.hold, [spec.id], reason, SYSTEM, now)
        self._agree(now)

    def _agree(self, now: datetime) -> None:
        """Recurring charges begin next month, when the daily command posts them."""
        for number, (reference, service, quantity, interval) in enumerate(AGREED):
            id = key("agreed", number)
            spec = RecurringChargeSpec(
                reference, service, interval, self.firsts[-1], quantity=exact_decimal(quantity), id=id
            )
            self.do(recurring_charges.create, spec, SYSTEM, now)
        self.do(recurring_charges.pause, key("agreed", len(AGREED) - 1), "Waits for the new contract", SYSTEM, now)


def _months_later(first: date, count: int) -> date:
    years, month = divmod(first.year * 12 + first.month - 1 + count, 12)
    return date(years, month + 1, 1)


def _prices(prices: tuple[str, str, str]) -> dict[str, Decimal]:
    return {currency: exact_decimal(price) for currency, price in zip(CURRENCIES, prices, strict=True)}


def _service(code: str) -> UUID:
    return key("services", code)


def _customer(buyer: Buyer) -> CustomerFields:
    return {
        "reference": buyer.reference,
        "name": buyer.name,
        "currency": buyer.currency,
        "address": buyer.address,
        "tax_id": buyer.tax_id,
        "tax_treatment": buyer.tax,
        "email": f"accounts@{buyer.reference.lower()}.example",
        "payment_terms_days": buyer.days,
    }


def _day(spec: ChargeSpec) -> date:
    assert spec.incurred_on is not None  # noqa: S101 - every charge of the demo has its day
    return spec.incurred_on


def _is_over(spec: ChargeSpec, today: date) -> bool:
    """Whether a charge is known today: what is metered, when its day is over; what is paid in advance, at once."""
    return _day(spec) < today or (_day(spec) == today and today.day == 1)
