"""Store the rows of each kind of import.

The operations are those that forms and scripts use.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound, Problem
from billing_admin.domain.formatting import format_day
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.domain.imports.rows import (
    OPENING_PLACEHOLDERS,
    PAYMENT_PLACEHOLDERS,
    RECURRING_PLACEHOLDERS,
    RowRequest,
    with_dependents,
)
from billing_admin.domain.imports.tally import AcceptedRow, Outcome
from billing_admin.domain.master_data import CONTACT_RULES, check_fields, differing_fields
from billing_admin.domain.opening_balances import OpeningSpec
from billing_admin.domain.payments import PaymentSpec
from billing_admin.domain.posting import Assessment, PostingContext, assess
from billing_admin.domain.prices import PriceSpec
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.domain.text import refuse_unprintable
from billing_admin.domain.translation import Phrase, join
from billing_admin.formats.addresses import country_code
from billing_admin.models import Customer, CustomerContact, Payment, Service
from billing_admin.operations.charges import charges, recurring_charges
from billing_admin.operations.charges.negative_charges import refuse_above_limit
from billing_admin.operations.charges.posting import Posting, store
from billing_admin.operations.invoices import opening_balances
from billing_admin.operations.master_data import contacts, customers, services
from billing_admin.operations.payments import payments
from billing_admin.queries.charges.posting import load_context
from billing_admin.queries.master_data.contacts import contact_with_email
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.payments.opening_balances import opening_balance, opening_balance_id

# The table of these kinds, and the column by which their rows are recognised.
_KEY_COLUMNS: Final[Mapping[str, tuple[Any, Any]]] = {
    "customers": (Customer, Customer.reference),
    "services": (Service, Service.code),
}
UPDATE_HINT = Phrase("To change it, choose to update existing records.")


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """The problems for which a row is not imported."""

    problems: Sequence[Problem]


RowResult = AcceptedRow | RefusedRow


def import_rows(
    session: Session, kind: str, plan: ImportPlan, rows: Sequence[RowRequest], actor: Actor, now: datetime
) -> Sequence[RowResult]:
    """Store rows, and return the result of each.

    When any is refused, the caller must roll the transaction back.
    """
    if kind == "charges":
        return _import_charges(session, rows, actor, now)
    if kind in _KEY_COLUMNS:
        _lock_stored(session, *_KEY_COLUMNS[kind], rows)
    return [_import_row(session, _ROW_IMPORTERS[kind], plan, row, actor, now) for row in rows]


def _lock_stored(session: Session, model: Any, key_column: Any, rows: Sequence[RowRequest]) -> None:
    """Lock the stored customers or services of rows, in the order of their ids.

    So they do not change between reading and updating them. A price change locks the person as well, whose limit it counts
    for: if a later row locked another service after that, two imports could wait for each other.
    """
    ids = [id for row in rows if (id := row.extra[0]) is not None]
    stored = or_(is_any_of(key_column, [row.key for row in rows]), is_any_of(model.id, ids))
    session.execute(select(model.id).where(stored).order_by(model.id).with_for_update(of=model))


def check_rows(
    session: Session, kind: str, plan: ImportPlan, rows: Sequence[RowRequest], actor: Actor, now: datetime
) -> Sequence[RowResult]:
    """Return the results that `import_rows` would return.

    A refused charge has all of its problems.
    The caller must roll the transaction back.
    """
    if kind == "charges":
        context, assessment = _assess_charges(session, rows, actor, now)
        return _charge_results(context, assessment, with_all_problems=True)
    return import_rows(session, kind, plan, rows, actor, now)


def find_further_problems(
    session: Session, kind: str, plan: ImportPlan, row: RowRequest, actor: Actor, now: datetime
) -> tuple[Sequence[Problem], RowRequest | None]:
    """Check a row in which some fields have problems, and return its other problems.

    These operations stop at their first problem, so the result has a request for the next call as well, without the
    fields that have problems by now; None if there is nothing more to find. The caller must roll the transaction back.
    """
    attempt = _with_any_key(session, kind, row)
    result = _import_row(session, _ROW_IMPORTERS[kind], plan, attempt, actor, now)
    if not isinstance(result, RefusedRow):
        return (), None
    return other_problems(row, result), without_fields(row, fields_of(result.problems))


def other_problems(row: RowRequest, result: RowResult) -> Sequence[Problem]:
    """Return the problems of a result that the row does not have yet."""
    if not isinstance(result, RefusedRow):
        return ()
    return [problem for problem in result.problems if not _follows_from(row.failed, problem)]


def without_fields(row: RowRequest, fields: Collection[str]) -> RowRequest | None:
    """Return a request with which further problems of a row can be found.

    It lacks the given fields, or has accepted values in them.

    The result is None if no field is new.
    """
    new = set(fields) - row.failed
    if not new:
        return None
    failed = row.failed | new
    if isinstance(row.spec, dict):
        spec: Any = {name: value for name, value in row.spec.items() if name not in new}
        id, is_archived, *dated_prices = row.extra
        extra = (None if "id" in new else id, None if "archived" in new else is_archived)
        if dated_prices and not new & {"prices", "unit_price", "valid_from"}:
            extra = (*extra, *dated_prices)
        return row._replace(spec=spec, extra=extra, failed=failed)
    placeholders = next(known for kind, known in _PLACEHOLDERS if isinstance(row.spec, kind))
    known = {name: placeholders.get(name) for name in with_dependents(new) if hasattr(row.spec, name)}
    return row._replace(spec=replace(row.spec, **known), failed=failed)


_PLACEHOLDERS: Final[Sequence[tuple[type, Mapping[str, Any]]]] = (
    (OpeningSpec, OPENING_PLACEHOLDERS),
    (RecurringChargeSpec, RECURRING_PLACEHOLDERS),
    (PaymentSpec, PAYMENT_PLACEHOLDERS),
)


def _with_any_key(session: Session, kind: str, row: RowRequest) -> RowRequest:
    """Return a row with another customer or code if its own failed.

    Operations look at these first.
    """
    if kind == "services" and "code" in row.failed:
        return row._replace(spec=row.spec | {"code": uuid4().hex})
    if "customer" in row.failed and kind in {"payments", "opening-balances", "contacts", "recurring-charges"}:
        reference = session.scalar(select(Customer.reference).order_by(Customer.reference).limit(1))
        if reference is not None and kind == "contacts":
            return row._replace(extra=(row.extra[0], reference))
        return row if reference is None else row._replace(spec=replace(row.spec, customer=reference))
    return row


def fields_of(problems: Sequence[Problem]) -> set[str]:
    """Return the fields that have problems or differ from a stored record."""
    fields = {str(problem.field[0]) for problem in problems if problem.field}
    return fields.union(*(problem.differs for problem in problems))


# Problems that may only follow from a wrong value of another field.
_CAUSES: Final[Mapping[str, frozenset[str]]] = {
    "another_account": frozenset({"customer", "currency"}),
    "above_balance": frozenset({"customer", "currency", "amount"}),
    "above_payment": frozenset({"amount"}),
    "too_precise": frozenset({"customer", "currency"}),
    "no_price": frozenset({"customer", "currency", "service", "prices", "unit_price"}),
    "after_cut_over": frozenset({"opened_on"}),
    "opening_recorded": frozenset({"customer"}),
    "other_price": frozenset({"customer", "currency", "service"}),
}


def _follows_from(failed: Collection[str], problem: Problem) -> bool:
    """Return whether a problem is of a failed field, or may only follow from one."""
    fields = fields_of([problem])
    return bool(fields and fields <= set(failed)) or not _CAUSES.get(problem.code, frozenset()).isdisjoint(failed)


def _import_charges(session: Session, rows: Sequence[RowRequest], actor: Actor, now: datetime) -> Sequence[RowResult]:
    context, assessment = _assess_charges(session, rows, actor, now)
    if not assessment.refusals:
        store(session, [Posting(assessment, actor)], context, now)
        _hold_new_charges(session, rows, assessment, actor, now)
    return _charge_results(context, assessment)


def _assess_charges(
    session: Session, rows: Sequence[RowRequest], actor: Actor, now: datetime
) -> tuple[PostingContext, Assessment]:
    """Assess charges, and refuse new ones with an unprintable reason to be held."""
    context = load_context(session, [row.spec for row in rows], now)
    assessment = assess(context.candidates, context, may_credit=actor.may_credit)
    refuse_above_limit(session, assessment, context.candidates, context, actor, now, may_wait=False)
    for index, row in enumerate(rows):
        if row.extra is not None and row.spec.id in assessment.new:
            try:
                refuse_unprintable(row.extra, "status_reason")
            except Invalid as error:
                assessment.refusals.append((index, error))
    return context, assessment


def _charge_results(
    context: PostingContext, assessment: Assessment, with_all_problems: bool = False
) -> Sequence[RowResult]:
    refusals = {index: RefusedRow(error.problems) for index, error in assessment.refusals}
    if with_all_problems:
        for index, error in assessment.refusals:
            candidate = context.candidates[index]
            if error is candidate.priced:
                refusals[index] = RefusedRow(context.problems_of(candidate.spec))
    return [refusals.get(index) or _charge_result(context, assessment, id) for index, id in enumerate(assessment.ids)]


def _charge_result(context: PostingContext, assessment: Assessment, id: UUID) -> AcceptedRow:
    new = assessment.new.get(id)
    if new is not None:
        return AcceptedRow(Outcome.NEW, new.charge.currency, new.charge.amount)
    stored = context.stored[id]
    return AcceptedRow(Outcome.UNCHANGED, stored.currency, stored.amount)


def _hold_new_charges(
    session: Session, rows: Sequence[RowRequest], assessment: Assessment, actor: Actor, now: datetime
) -> None:
    """Hold the new charges that are held in the file.

    Stored charges stay as they are.
    """
    ids_by_reason: dict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        if row.extra is not None and row.spec.id in assessment.new:
            ids_by_reason[row.extra].append(row.spec.id)
    for reason, ids in ids_by_reason.items():
        charges.hold(session, ids, reason, actor, now)


RowImporter = Callable[[Session, RowRequest, ImportPlan, Actor, datetime], AcceptedRow]


def _import_row(
    session: Session, import_row: RowImporter, plan: ImportPlan, row: RowRequest, actor: Actor, now: datetime
) -> RowResult:
    try:
        return import_row(session, row, plan, actor, now)
    except DomainError as error:
        return RefusedRow(error.problems)


def _create_or_update(operations: Any, model: Any, key_column: Any) -> RowImporter:
    """Return the importer of customers or services.

    `operations` is their module, `key_column` their reference or code.
    """

    def import_row(session: Session, row: RowRequest, plan: ImportPlan, actor: Actor, now: datetime) -> AcceptedRow:
        try:
            return _create_or_update_row(session, operations, model, key_column, row, plan, actor, now)
        except Conflict as error:
            error.problems = tuple(_with_update_hint(problem) for problem in error.problems)
            raise

    return import_row


def _with_update_hint(problem: Problem) -> Problem:
    if problem.code != "id_conflict":
        return problem
    return replace(problem, message=join(" ", [problem.message, UPDATE_HINT]))


def _create_or_update_row(
    session: Session,
    operations: Any,
    model: Any,
    key_column: Any,
    row: RowRequest,
    plan: ImportPlan,
    actor: Actor,
    now: datetime,
) -> AcceptedRow:
    """Create a customer or service.

    If it exists with other values, update it, provided that the plan allows updates.
    """
    id, is_archived, *dated_prices = row.extra
    fields = _with_country_codes(row.spec)
    try:
        stored, created = operations.create(session, fields, id, actor, now)
    except Conflict as error:
        if not plan.update or error.code != "id_conflict":
            raise
        stored = session.scalars(select(model).where(key_column == row.key if id is None else model.id == id)).one()
        version, created = stored.version, False
        stored = operations.update(session, stored.id, fields, None, actor, now)
        changed = stored.version != version
    else:
        changed = False
    if any(dated_prices) and _set_prices(session, stored, dated_prices[0], created or plan.update, actor, now):
        changed = True
    if _archive_or_restore(session, operations, stored, is_archived, created or plan.update, actor, now):
        changed = True
    return AcceptedRow(Outcome.NEW if created else Outcome.CHANGED if changed else Outcome.UNCHANGED)


def _with_country_codes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a customer with the codes of its countries."""
    named = {name: country_code(fields[name]) for name in ("country", "delivery_country") if fields.get(name)}
    return {**fields, **named}


def _set_prices(
    session: Session, stored: Service, prices: Sequence[PriceSpec], allowed: bool, actor: Actor, now: datetime
) -> bool:
    """Set the dated prices of a service, and return whether that changed any.

    An import keeps the history: it does not replace a price that began before today. The prices are set in the order of
    their days: one that is valid already is not stored again, and an earlier one that is set later would replace it.
    """
    day, dated = today(session, now), dict[tuple[date, str], PriceSpec]()
    for price in prices:
        first_day = price.valid_from or services.default_first_day(stored, price.currency, day)
        if (first_day, price.currency) in dated:
            message = Phrase(
                "Remove one of the prices in {currency} from {first_day}.",
                currency=price.currency,
                first_day=format_day(first_day),
            )
            raise Invalid("price_twice", message, "valid_from")
        dated[first_day, price.currency] = price._replace(valid_from=first_day)
        _refuse_begun(stored, dated[first_day, price.currency], day)
    changed = [
        price
        for _, price in sorted(dated.items())
        if services.set_price(session, stored.id, price, None, actor, now)[1]
    ]
    if changed and not allowed:
        message = Phrase(
            "Service {stored_code} already exists with a different price in {currency}.",
            stored_code=stored.code,
            currency=changed[0].currency,
        )
        raise Conflict("id_conflict", message, "unit_price", differs=["prices"])
    return bool(changed)


def _refuse_begun(stored: Service, price: PriceSpec, day: date) -> None:
    begun = next(
        (row for row in stored.prices if (row.currency, row.valid_from) == (price.currency, price.valid_from)), None
    )
    if begun is None or begun.valid_from >= day:
        return
    if begun.unit_price != price.unit_price or price.includes_tax not in {None, begun.includes_tax}:
        raise Conflict(
            "price_begun",
            Phrase(
                "{stored_code} has another price in {currency} since {valid_from}. Enter the day from which the "
                "new price is valid, or leave it blank for today.",
                stored_code=stored.code,
                currency=price.currency,
                valid_from=format_day(begun.valid_from),
            ),
            "valid_from",
        )


def _archive_or_restore(
    session: Session, operations: Any, stored: Any, is_archived: bool | None, allowed: bool, actor: Actor, now: datetime
) -> bool:
    """Archive or restore a customer or service as the file says (None: it does not).

    Returns whether that changed it.
    """
    if is_archived is None or is_archived == (stored.archived_at is not None):
        return False
    if not allowed:
        message = (
            Phrase("This record already exists and is archived here but not in the file.")
            if stored.archived_at
            else Phrase("This record already exists and is active here but archived in the file.")
        )
        raise Conflict("id_conflict", message, "archived")
    act = operations.archive if is_archived else operations.restore
    changed: bool = act(session, stored.id, actor, now)
    return changed


def _import_payment(session: Session, row: RowRequest, _plan: ImportPlan, actor: Actor, now: datetime) -> AcceptedRow:
    recorded = payments.record(session, row.spec, actor, now)
    currency = session.scalars(select(Payment.currency).where(Payment.id == recorded.id)).one()
    return AcceptedRow(Outcome.NEW if recorded.created else Outcome.UNCHANGED, currency, row.spec.amount)


def _import_contact(session: Session, row: RowRequest, plan: ImportPlan, actor: Actor, now: datetime) -> AcceptedRow:
    """Add a contact, or update it if the plan allows updates.

    A contact is recognised by its id, or else by its address. The customer's address may have been imported before.
    """
    id, name = row.extra
    owner = _find_customer(session, name)
    stored = session.get(CustomerContact, id) if id else None
    if stored is not None and stored.customer_id != owner.id:
        raise Conflict("id_conflict", Phrase("The ID {id} belongs to a contact of another customer.", id=id), "id")
    stored = stored or contact_with_email(session, owner.id, row.spec.get("email", ""))
    if stored is None:
        contacts.create(session, owner.id, row.spec, id, actor, now)
        return AcceptedRow(Outcome.NEW)
    differs = differing_fields(
        check_fields(CONTACT_RULES, row.spec), {name: getattr(stored, name) for name in CONTACT_RULES}
    )
    if not differs:
        return AcceptedRow(Outcome.UNCHANGED)
    if not plan.update:
        fields = ", ".join(differs)
        message = Phrase("{email} already exists with a different {fields}.", email=stored.email, fields=fields)
        message = join(" ", [message, UPDATE_HINT])
        raise Conflict("id_conflict", message, differs[0], differs=differs)
    contacts.update(session, stored.id, row.spec, None, actor, now)
    return AcceptedRow(Outcome.CHANGED)


def _find_customer(session: Session, name: str | None) -> Customer:
    try:
        return customer(session, name or "")
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from None


def _import_opening_balance(
    session: Session, row: RowRequest, _plan: ImportPlan, actor: Actor, now: datetime
) -> AcceptedRow:
    """Record an opening balance.

    A row without an id of its own is compared with the opening balance of its number, if there is one.
    """
    spec: OpeningSpec = row.spec
    has_own_id: bool = row.extra
    if not has_own_id:
        stored_id = opening_balance_id(session, spec.customer, spec.number)
        spec = spec if stored_id is None else replace(spec, id=stored_id)
    recorded = opening_balances.record(session, spec, actor, now)
    stored = opening_balance(session, recorded.id)
    outcome = Outcome.NEW if recorded.created else Outcome.UNCHANGED
    return AcceptedRow(outcome, stored.currency, spec.open_amount, stored.customer)


def _import_recurring_charge(
    session: Session, row: RowRequest, _plan: ImportPlan, actor: Actor, now: datetime
) -> AcceptedRow:
    """Create a recurring charge; one that is paused in the file is paused from today."""
    stored, created = recurring_charges.create(session, row.spec, actor, now)
    if created and row.extra:
        recurring_charges.pause(session, stored.id, Phrase("Paused in the file"), actor, now)
    return AcceptedRow(Outcome.NEW if created else Outcome.UNCHANGED)


_ROW_IMPORTERS: Final[Mapping[str, RowImporter]] = {
    "customers": _create_or_update(customers, *_KEY_COLUMNS["customers"]),
    "services": _create_or_update(services, *_KEY_COLUMNS["services"]),
    "payments": _import_payment,
    "contacts": _import_contact,
    "opening-balances": _import_opening_balance,
    "recurring-charges": _import_recurring_charge,
}
