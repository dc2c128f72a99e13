"""Create demo data: fourteen months of a fictional cloud provider.

All data is stored by the ordinary operations.

Two fills on the same day have the same amounts on both databases. Only ids that the server generates differ (invoices,
lines, events), and with them the hashes.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from billing_admin.demo.company import (
    BANK_ACCOUNTS,
    CATALOGUE,
    CONTACTS,
    CURRENCIES,
    CUSTOMERS,
    DETAILS,
    EXCHANGE_RATES,
    LEAVING_CUSTOMER,
    LOGO,
    ORGANISATION,
    RATE_DAYS,
    RECURRING,
    RETIRED,
    STILL_DRAFT,
    TAX_RATES,
    UNIT_CODES,
    DemoCustomer,
    Place,
)
from billing_admin.demo.corrections import CORRECTED, bill_again, credit_paid, credit_unpaid
from billing_admin.demo.payments import (
    A_CENT_SHORT,
    BOUNCE_REASON,
    BOUNCES,
    CENT_REASON,
    TOO_MUCH,
    PlannedPayment,
    planned_payments,
)
from billing_admin.demo.usage import (
    CURRENT,
    GPU_CHEAPER_FROM,
    LEAVES_AFTER,
    MONTHS,
    RETIRED_AFTER,
    disputed_charges,
    key,
    monthly_charges,
    repeated_charges,
)
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.domain.master_data import CONTACT_RULES, ContactFields, CustomerFields, ServiceFields
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.formats.logo import check_logo
from billing_admin.models import AuditEvent, AuditSeal, BillingRun, Charge, Customer, Invoice, Service
from billing_admin.operations import audit
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import charges, posting, recurring_charges
from billing_admin.operations.charges.unbilled_days import record_unbilled_day
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import (
    bank_accounts,
    contacts,
    customers,
    exchange_rates,
    logos,
    organisation,
    services,
    tax_rates,
)
from billing_admin.operations.payments import payments
from billing_admin.queries.master_data.organisation import day_of, organisation as the_organisation

ZONE = ZoneInfo(ORGANISATION["time_zone"])
WEEKS = (8, 15, 22, 31)
METERED, MORNING, OFFICE = time(2, 10), time(7, 30), time(9, 15)
EVERY_LATE = 40
OWED = (Invoice.status == "issued", Invoice.kind == "invoice")
CHEAPER_GPU = ("2.85", "3.05", "465")


@dataclass(frozen=True, slots=True)
class Counts:
    """Customers, charges and invoices after the fill."""

    customers: int
    charges: int
    invoices: int


def is_empty(session: Session) -> bool:
    """Return whether there are no customers, services, charges and invoices.

    People and settings may exist.
    """
    tables = (Customer, Service, Charge, Invoice)
    return all(session.scalar(select(table.id).limit(1)) is None for table in tables)


def is_unchanged(session: Session) -> bool:
    """Return whether all data is demo data, apart from people who only looked at it.

    Demo data is created before the first person, and nothing but a worker and reading follows. If the first person was
    added before the demo data, the demo data counts as changed.
    """
    if not the_organisation(session).is_demo:
        return False
    is_access = or_(AuditEvent.action.startswith("user."), AuditEvent.action.endswith(".downloaded"))
    first = select(func.min(AuditEvent.at), func.min(AuditSeal.sequence))
    first = first.outerjoin(AuditSeal, AuditSeal.event_id == AuditEvent.id).where(AuditEvent.action.startswith("user."))
    created, sealed = session.execute(first).one()
    # The clock may have been set back, but all demo data was sealed with or before the first event of a person.
    is_later = AuditEvent.at >= created
    if sealed is not None:
        is_later |= func.coalesce(AuditSeal.sequence, sealed) >= sealed
    change = (
        select(AuditEvent.id)
        .outerjoin(AuditSeal, AuditSeal.event_id == AuditEvent.id)
        .where(
            is_later,
            ~is_access,
            ~and_(AuditEvent.actor_kind == "system", AuditEvent.actor_name == "worker"),
        )
    )
    has_access = select(AuditEvent.id).where(is_access)
    return session.scalar(has_access.limit(1)) is not None and session.scalar(change.limit(1)) is None


def fill(session: Session, now: datetime) -> Counts:
    """Create all demo data in the caller's transaction.

    Raises Conflict unless the database is empty.
    """
    if not is_empty(session):
        raise Conflict("not_empty", "Demo data can be added only to an empty database, but this one has data.")
    history = _History(session, day_of(now, ORGANISATION["time_zone"]))
    history.set_up()
    for month in range(MONTHS):
        history.run_month(month)
    history.finish()
    counts = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Customer, Charge, Invoice)]
    return Counts(*counts)


class _History:
    """Fourteen months that end today.

    Nothing in them is dated after the beginning of this day.
    """

    def __init__(self, session: Session, today: date) -> None:
        self.session = session
        self.today = today
        first = today.replace(day=1)
        self.firsts = [_months_later(first, month - CURRENT) for month in range(MONTHS + 1)]
        self.late: list[ChargeSpec] = []

    def do(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run one operation in the caller's transaction, and return its result.

        The next operation sees the changes.
        """
        result = work(self.session, *args, **kwargs)
        self.session.flush()
        self.session.expire_all()
        return result

    def at(self, day: date, hour: time) -> datetime:
        """Return a time of a day, at most the beginning of today.

        The day is one of the organisation's time zone.
        """
        return min(datetime.combine(day, hour, ZONE), datetime.combine(self.today, time.min, ZONE)).astimezone(UTC)

    def set_up(self) -> None:
        """Create the organisation, its tax rates and its services."""
        now = self.at(self.firsts[0], OFFICE)
        for rate in TAX_RATES:
            self.do(tax_rates.create, rate, SYSTEM, now)
        self.do(organisation.update, ORGANISATION, None, SYSTEM, now)
        self.do(logos.set_logo, check_logo(LOGO), SYSTEM, now)
        for account in BANK_ACCOUNTS:
            self.do(bank_accounts.create, account, key("bank accounts", account["currency"]), True, SYSTEM, now)
        the_organisation(self.session).is_demo = True
        self.do(audit.record, SYSTEM, now, "organisation.demo_begun", "organisation")
        for item in (*CATALOGUE, RETIRED):
            fields: ServiceFields = {
                "code": item.code,
                "name": item.name,
                "unit": item.unit,
                "unit_code": UNIT_CODES.get(item.unit, ""),
                "tax_rate": item.tax_rate,
                "line_per_charge": item.line_per_charge,
                "prices": _prices(item.prices),
                "prices_include_tax": CURRENCIES if item.prices_include_tax else (),
            }
            self.do(services.create, fields, _service(item.code), SYSTEM, now)

    def run_month(self, month: int) -> None:
        """Create all data of a month, and bill on the first of the next month.

        The data are new and archived customers, charges and payments.
        """
        first, next_first = self.firsts[month], self.firsts[month + 1]
        self._set_exchange_rates(month, first)
        self._change_master_data(month, self.at(first, OFFICE))
        self._post_charges(month, first)
        if month == CORRECTED:
            self._correct_invoices(first)
        self._record_payments(month, first, next_first)
        if month < CURRENT:
            self.do(record_unbilled_day, self.at(next_first, time.min))
            self._bill(month, next_first - timedelta(days=1), next_first)

    def _set_exchange_rates(self, month: int, first: date) -> None:
        """Set the exchange rates of a month, a week apart, up to the next first day."""
        for place, day in enumerate([*(first.replace(day=day) for day in RATE_DAYS), self.firsts[month + 1]]):
            rates = [
                RateSpec(currency, day, rate + step * ((month * 5 + place) * 7 % 19), "Demo")
                for currency, (rate, step) in EXCHANGE_RATES.items()
            ]
            if day <= self.today:
                self.do(exchange_rates.set_rates, rates, SYSTEM, self.at(day, METERED))

    def _change_master_data(self, month: int, now: datetime) -> None:
        for customer in CUSTOMERS:
            if customer.since == month:
                self._add_customer(customer, now)
        if month == GPU_CHEAPER_FROM:
            self.do(services.update, _service("GpuCompute"), {"prices": _prices(CHEAPER_GPU)}, None, SYSTEM, now)
        if month == RETIRED_AFTER + 1:
            self.do(services.archive, _service(RETIRED.code), SYSTEM, now)
        if month == LEAVES_AFTER + 1:
            self.do(customers.archive, key("customers", LEAVING_CUSTOMER), SYSTEM, now)

    def _add_customer(self, customer: DemoCustomer, now: datetime) -> None:
        id = key("customers", customer.reference)
        self.do(customers.create, _customer_fields(customer), id, SYSTEM, now)
        for reference, name, email, *roles in CONTACTS:
            if reference == customer.reference:
                fields = cast("ContactFields", dict(zip(CONTACT_RULES, (name, email, *roles), strict=True)))
                self.do(contacts.create, id, fields, key("contacts", email), SYSTEM, now + timedelta(minutes=1))

    def _post_charges(self, month: int, first: date) -> None:
        """Post the charges of each week in the following night.

        Some only arrive when their month is billed.
        """
        specs = [spec for spec in monthly_charges(month, first) if _is_over(spec, self.today)]
        late = [spec for spec in specs[::EVERY_LATE] if spec.service != RETIRED.code and month < CURRENT]
        batch, self.late = self.late, late
        for begin, end in zip((0, *WEEKS), WEEKS, strict=False):
            batch += [spec for spec in specs if begin < _day(spec).day <= end and spec not in late]
            posted_on = first.replace(day=min(end, monthrange(first.year, first.month)[1])) + timedelta(days=1)
            self.do(posting.post, batch, SYSTEM, self.at(posted_on, METERED))
            batch = []

    def _bill(self, month: int, through: date, issue_date: date) -> None:
        """Run billing for a month.

        The latest run makes drafts, of which all but one are then issued.
        """
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

    def _correct_invoices(self, first: date) -> None:
        """Correct invoices in the first days of a month.

        They are corrected before the invoices of its first day are paid.
        """
        bill_again(self.session, self.do, first, self.at(first + timedelta(days=1), OFFICE))
        credit_unpaid(self.session, self.do, first, self.at(first + timedelta(days=2), OFFICE))
        credit_paid(self.session, self.do, self.at(first + timedelta(days=2), OFFICE))

    def _record_payments(self, month: int, first: date, next_first: date) -> None:
        """Record the payments of a month by day; the first one may be special."""
        end = min(next_first - timedelta(days=1), self.today)
        issued = self.session.execute(select(Invoice.__table__).where(*OWED)).all()
        planned = [payment for invoice in issued for payment in planned_payments(invoice)]
        due = [payment for payment in planned if first <= payment.day <= end]
        for place, payment in enumerate(sorted(due, key=lambda payment: (payment.day, payment.invoice.number))):
            self._record_payment(payment, month if place == 0 else -1)

    def _record_payment(self, planned: PlannedPayment, month: int) -> None:
        difference = {A_CENT_SHORT: -1, TOO_MUCH: 10_000}.get(month, 0)
        payment = self.do(payments.record, planned.spec(difference), SYSTEM, self.at(planned.day, OFFICE))
        after = self.at(planned.day + timedelta(days=4), OFFICE)
        if month == BOUNCES:
            self.do(payments.reverse, payment.id, BOUNCE_REASON, None, SYSTEM, after)
        if month == A_CENT_SHORT:
            cent = (planned.invoice.id, Money(1, planned.invoice.currency).decimal, CENT_REASON, key("write-off"))
            self.do(payments.write_off, *cent, SYSTEM, after)

    def finish(self) -> None:
        """Post today's held charges, likely duplicates and recurring charges."""
        now = self.at(self.today, time.min)
        disputed = disputed_charges(self.today)
        self.do(posting.post, [*(spec for spec, _ in disputed), *repeated_charges(self.today)], SYSTEM, now)
        for spec, reason in disputed:
            self.do(charges.hold, [spec.id], reason, SYSTEM, now)
        self._add_recurring_charges(now)

    def _add_recurring_charges(self, now: datetime) -> None:
        """Add recurring charges that begin next month, when the daily command posts them."""
        for number, (reference, service, quantity, interval) in enumerate(RECURRING):
            id = key("agreed", number)
            spec = RecurringChargeSpec(
                reference, service, interval, self.firsts[-1], quantity=exact_decimal(quantity), id=id
            )
            self.do(recurring_charges.create, spec, SYSTEM, now)
        self.do(recurring_charges.pause, key("agreed", len(RECURRING) - 1), "Waits for the new contract", SYSTEM, now)


def _months_later(first: date, count: int) -> date:
    years, month = divmod(first.year * 12 + first.month - 1 + count, 12)
    return date(years, month + 1, 1)


def _prices(prices: tuple[str, str, str]) -> dict[str, Decimal]:
    return {currency: exact_decimal(price) for currency, price in zip(CURRENCIES, prices, strict=True)}


def _service(code: str) -> UUID:
    return key("services", code)


def _customer_fields(customer: DemoCustomer) -> CustomerFields:
    return {
        "reference": customer.reference,
        "name": customer.name,
        "currency": customer.currency,
        **_address(customer.place),
        "tax_id": customer.tax_id,
        "tax_treatment": customer.tax,
        "email": f"accounts@{customer.reference.lower()}.example",
        "payment_terms_days": customer.days,
        "language": customer.language,
        **DETAILS.get(customer.reference, {}),
    }


def _address(place: Place) -> CustomerFields:
    return {
        "street": place.street,
        "postcode": place.postcode,
        "city": place.city,
        "region": place.region,
        "country": place.country,
    }


def _day(spec: ChargeSpec) -> date:
    assert spec.incurred_on is not None  # noqa: S101 - every charge of the demo has its day
    return spec.incurred_on


def _is_over(spec: ChargeSpec, today: date) -> bool:
    """Return whether a charge is known today.

    Metered charges are known after their day, charges in advance at once.
    """
    return _day(spec) < today or (_day(spec) == today and today.day == 1)
