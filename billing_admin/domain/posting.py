"""The decision about each posted charge: store it, replay it, or refuse it.

`queries.charges.posting.load_context` loads the stored data that decides, `assess` decides, and
`operations.charges.posting.store` writes the new charges.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple, cast
from uuid import UUID

from billing_admin.domain.access import credit_denied
from billing_admin.domain.charges import (
    AccountKey,
    ChargeFacts,
    ChargeSpec,
    CustomerTerms,
    PricedCharge,
    ServiceTerms,
    charge_name,
    differing_fields,
    price_charge,
)
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid, Problem
from billing_admin.domain.money import UNITS_OF_ACCOUNT, unit_of_account
from billing_admin.domain.translation import Phrase

MOST_PROBLEMS = 1000


class Candidate(NamedTuple):
    """A requested charge: its id, and its price or the error that prevents one.

    `priced` is None where a charge is stored under the id: the request repeats or contradicts it.
    """

    spec: ChargeSpec
    id: UUID
    priced: PricedCharge | DomainError | None


class NewCharge(NamedTuple):
    """A charge to store, with the decisions on it.

    It is late if its day was billed, and a likely duplicate if it names another charge.
    """

    charge: PricedCharge
    late: bool
    duplicate_of_id: UUID | None
    held: bool


@dataclass(slots=True)
class PostingContext:
    """The stored data that decides on requested charges, and the candidates.

    `customers` and `services` are keyed by the id as text and by their own name. `accounts` holds the day through which
    each account is billed, or None. `stored` holds the charges that exist under the requested ids. `recent` maps a
    fingerprint to the earliest charge that has it, of the last 24 hours. `locked_by_others` names the customers with an
    account that another transaction has locked, if the lock was not waited for.
    """

    today: date = date.min
    hold_likely_duplicates: bool = False
    customers: dict[str, CustomerTerms] = field(default_factory=dict)
    services: dict[str, ServiceTerms] = field(default_factory=dict)
    accounts: dict[AccountKey, date | None] = field(default_factory=dict)
    stored: dict[UUID, ChargeFacts] = field(default_factory=dict)
    recent: dict[int, UUID] = field(default_factory=dict)
    locked_by_others: set[str] = field(default_factory=set)
    candidates: list[Candidate] = field(default_factory=list)

    def customer_of(self, spec: ChargeSpec) -> CustomerTerms:
        """Return the customer that a request names.

        Raises:
            Invalid: The customer is unknown.
        """
        customer = self.customers.get(spec.customer) or self.customers.get(id_key(spec.customer))
        if customer is None:
            raise Invalid(
                "unknown_customer",
                Phrase("There is no customer “{customer}”.", customer=spec.customer[:80]),
                "customer",
            )
        return customer

    def service_of(self, spec: ChargeSpec) -> ServiceTerms | None:
        """Return the service that a request names, or None.

        Raises:
            Invalid: The service is unknown.
        """
        if spec.service is None:
            return None
        service = self.services.get(spec.service) or self.services.get(id_key(spec.service))
        if service is None:
            raise Invalid(
                "unknown_service", Phrase("There is no service “{service}”.", service=spec.service[:80]), "service"
            )
        return service

    def active_customer_of(self, spec: ChargeSpec) -> CustomerTerms:
        """Return the customer of a new charge.

        Raises:
            Invalid: The customer is unknown or archived.
        """
        customer = self.customer_of(spec)
        if customer.archived:
            raise Invalid(
                "archived_customer",
                Phrase(
                    "Customer “{customer_reference}” is archived: restore it first.",
                    customer_reference=customer.reference,
                ),
                "customer",
            )
        return customer

    def active_service_of(self, spec: ChargeSpec) -> ServiceTerms | None:
        """Return the service of a new charge, or None.

        Raises:
            Invalid: The service is unknown or archived.
        """
        service = self.service_of(spec)
        if service is not None and service.archived:
            raise Invalid(
                "archived_service",
                Phrase("Service “{service_code}” is archived: restore it first.", service_code=service.code),
                "service",
            )
        return service

    def problems_of(self, spec: ChargeSpec) -> list[Problem]:
        """Return all problems of a new charge; pricing stops at the first one.

        A price that depends on an unknown customer or service is not checked.
        """
        problems: list[Problem] = []
        terms: list[CustomerTerms | ServiceTerms | None] = []
        for find in (self.active_customer_of, self.active_service_of):
            try:
                terms.append(find(spec))
            except Invalid as error:
                problems += error.problems
        if not problems:
            customer, service = cast("tuple[CustomerTerms, ServiceTerms | None]", terms)
        elif spec.unit_price is not None or spec.amount is not None:
            customer, service = CustomerTerms(UUID(int=0), spec.customer, spec.currency or ""), None
        else:
            return problems
        try:
            price_charge(spec, UUID(int=0), customer, service, self.today)
        except Invalid as error:
            problems += error.problems
        return problems

    def is_locked(self, spec: ChargeSpec) -> bool:
        """Whether another transaction has locked an account of the charge's customer."""
        return bool(self.locked_by_others) and not self.locked_by_others.isdisjoint(
            {spec.customer, id_key(spec.customer)}
        )

    def add_candidates(self, specs: Iterable[ChargeSpec], new_ids: Iterator[UUID]) -> None:
        """Price the requested charges that are not stored.

        `new_ids` are for the charges whose caller chose no id.
        """
        for spec in specs:
            id = spec.id or next(new_ids)
            priced: PricedCharge | DomainError | None
            try:
                priced = None if id in self.stored else self._price(spec, id)
            except DomainError as error:
                priced = error
            self.candidates.append(Candidate(spec, id, priced))

    def _price(self, spec: ChargeSpec, id: UUID) -> PricedCharge:
        customer, service = self.active_customer_of(spec), self.active_service_of(spec)
        return price_charge(spec, id, customer, service, self.today)

    def fingerprints(self) -> set[int]:
        """Return the fingerprints of the candidates that have a price."""
        return {
            candidate.priced.fingerprint for candidate in self.candidates if isinstance(candidate.priced, PricedCharge)
        }

    def add_stored(self, new: Mapping[UUID, NewCharge]) -> None:
        """Count new charges as stored.

        Later requests in the same transaction are compared with them.
        """
        for id, assessed in new.items():
            self.stored[id] = assessed.charge
            self.recent.setdefault(assessed.charge.fingerprint, id)


@dataclass(frozen=True, slots=True)
class Assessment:
    """The decision on the charges of one request.

    It has the id of each charge, the new charges by id, and the errors by index.
    """

    ids: list[UUID]
    new: dict[UUID, NewCharge]
    refusals: list[tuple[int, DomainError]]

    def refusal(self) -> DomainError | None:
        """Return the errors of the request as one error, or None.

        It has up to 1,000 problems; the field of each begins with the charge's index. It is Denied if the actor lacks
        the permission for any of the charges.
        """
        if not self.refusals:
            return None
        problems = [
            replace(error.problems[0], field=(index, *error.field)) for index, error in self.refusals[:MOST_PROBLEMS]
        ]
        errors = [error for _, error in self.refusals]
        denied = next((error for error in errors if isinstance(error, Denied)), None)
        kind = Denied if denied else Conflict if all(isinstance(error, Conflict) for error in errors) else Invalid
        refusal = kind.of(problems, len(errors))
        refusal.extra = dict(denied.extra if denied else errors[0].extra if len(errors) == 1 else {})
        return refusal


def assess(candidates: Sequence[Candidate], context: PostingContext, *, may_credit: bool) -> Assessment:
    """Decide which charges of a request are new, repeated or refused.

    An id that is stored, or that an earlier charge of the request has, is replayed if all fields agree and refused
    otherwise. A new charge is a likely duplicate if its fingerprint is recent, or is that of an earlier charge of the
    request; it is held if the organisation holds likely duplicates. A new negative charge is refused unless the
    actor `may_credit`; one that would open an account in a unit that is no currency is always refused.
    """
    ids, new, refusals = list[UUID](), dict[UUID, NewCharge](), list[tuple[int, DomainError]]()
    first_ids: dict[int, UUID] = {}  # of this request, by fingerprint
    for index, (spec, id, priced) in enumerate(candidates):
        ids.append(id)
        repeated = new.get(id)
        original = repeated.charge if repeated else context.stored.get(id)
        if original is not None:
            error = _conflict(spec, original, context)
            if error is not None:
                refusals.append((index, error))
        elif isinstance(priced, PricedCharge) and priced.amount < 0 and not may_credit:
            refusals.append((index, credit_denied(_negative_field(spec))))
        elif isinstance(priced, PricedCharge) and _opens_unit_account(priced, context):
            refusals.append((index, unit_of_account(priced.currency, "currency")))
        elif isinstance(priced, PricedCharge):
            billed_through = context.accounts.get((priced.customer_id, priced.currency))
            first = first_ids.setdefault(priced.fingerprint, context.recent.get(priced.fingerprint, id))
            duplicate = first != id
            new[id] = NewCharge(
                priced,
                late=billed_through is not None and priced.incurred_on <= billed_through,
                duplicate_of_id=first if duplicate else None,
                held=duplicate and context.hold_likely_duplicates,
            )
        elif priced is not None:
            refusals.append((index, priced))
    return Assessment(ids, new, refusals)


def _opens_unit_account(charge: PricedCharge, context: PostingContext) -> bool:
    """Return whether a charge would open an account in a unit that is no currency."""
    return charge.currency in UNITS_OF_ACCOUNT and (charge.customer_id, charge.currency) not in context.accounts


def _negative_field(spec: ChargeSpec) -> str:
    """Return the field that makes an amount negative; list prices never are."""
    if spec.quantity is not None and spec.quantity < 0 and spec.amount is None:
        return "quantity"
    return "amount" if spec.unit_price is None else "unit_price"


def _conflict(spec: ChargeSpec, original: ChargeFacts, context: PostingContext) -> DomainError | None:
    """Return why a request may not repeat a charge, or None."""
    try:
        service = context.service_of(spec)
        fields = differing_fields(spec, context.customer_of(spec).id, service.id if service else None, original)
    except Invalid as error:
        return error
    if not fields:
        return None
    listed = ", ".join(fields)
    message = Phrase(
        "This ID belongs to {charge_name}, which has a different {listed}.",
        charge_name=charge_name(original),
        listed=listed,
    )
    return Conflict("id_conflict", message, "id", differs=fields)


def id_key(name: str) -> str:
    """Return a UUID in the spelling that keys the context, or any other name as it is."""
    try:
        return str(UUID(name)) if len(name) == len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") else name
    except ValueError:
        return name
