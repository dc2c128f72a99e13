"""The plan of a billing run: the documents that it makes of pending charges.

The plan also names the charges that the run leaves out, with the reason.
`queries.billing.preview.load_billing_data` loads the rows, `prepare_documents` makes the documents that
preview, run and current invoice share, and `plan_chunk` decides what a run stores for some of its accounts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from billing_admin.domain.charges import AccountKey
from billing_admin.domain.errors import Conflict
from billing_admin.domain.invoices import NO_INVOICE_REASONS, ChargeGroup, Document, make_document, reason_to_leave_out
from billing_admin.domain.money import EXACT
from billing_admin.domain.readiness import REASONS, IssueFacts, Shortcoming, find_shortcomings, find_stops
from billing_admin.domain.tax import UntaxedTerms, with_untaxed_rate
from billing_admin.domain.translation import Phrase

# Why a run leaves charges out that it does not bill.
AFTER_CUT_OFF, HELD, CHANGED, EXCLUDED = "after_cut_off", "held", "changed", "excluded"
LEFT_OUT_REASONS = {
    # The keys are part of the API.
    **NO_INVOICE_REASONS,
    AFTER_CUT_OFF: Phrase("After the cut-off date"),
    HELD: Phrase("Held"),
    CHANGED: Phrase("Changed since the preview"),
    EXCLUDED: Phrase("Excluded from this run"),
    **REASONS,
}


class BilledCustomer(NamedTuple):
    """A customer as a document needs it.

    `purchase_order` is for documents whose charges have none: the customer's standing one, or else that of the run.
    """

    reference: str
    tax_treatment: str
    name: str
    purchase_order: str = ""


@dataclass(frozen=True, slots=True)
class BillingData:
    """The stored data that decides what is billed.

    The due charges are summed by line and account. `facts` are those that a document of the account would be
    issued with, without tax rates and purchase order. `untaxed` holds the terms of each tax treatment without tax.
    `excluded` are the accounts that the run leaves out because a person chose so.
    """

    groups: Mapping[AccountKey, Sequence[ChargeGroup]]
    customers: Mapping[UUID, BilledCustomer]
    facts: Mapping[AccountKey, IssueFacts]
    untaxed: Mapping[str, UntaxedTerms]
    excluded: Collection[AccountKey] = ()


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """One account's document as it would be made today.

    It includes all that the document lacks, with what stops its issue first, and the reason if a run
    leaves the account out. `purchase_order` is that of all charges, or else that of the customer or the run.
    """

    customer_id: UUID
    reference: str
    name: str
    document: Document
    shortcomings: tuple[Shortcoming, ...] = ()
    reason: str | None = None
    purchase_order: str = ""

    @property
    def key(self) -> AccountKey:
        """The account that is billed."""
        return self.customer_id, self.document.currency


def prepare_documents(data: BillingData, *, with_warnings: bool = True) -> list[PreparedDocument]:
    """Make a document of each account's due charges.

    The documents are in the order of customer references and currencies. Without warnings, the shortcomings are
    those that stop the issue.
    """
    find = find_shortcomings if with_warnings else find_stops
    prepared = [_prepare(key, groups, data, find) for key, groups in data.groups.items()]
    return sorted(prepared, key=lambda document: (document.reference, document.document.currency))


def _prepare(
    key: AccountKey,
    groups: Sequence[ChargeGroup],
    data: BillingData,
    find: Callable[[IssueFacts], tuple[Shortcoming, ...]],
) -> PreparedDocument:
    customer_id, currency = key
    reference, tax_treatment, name, order_of_customer = data.customers[customer_id]
    untaxed = data.untaxed.get(tax_treatment)
    if untaxed is not None:
        groups = [with_untaxed_rate(group, untaxed) for group in groups]
    document = make_document(currency, groups)
    purchase_order = document.purchase_order or order_of_customer
    taxes = [(tax.rate, tax.base, tax.tax) for tax in document.taxes]
    shortcomings = find(data.facts[key].with_document(taxes, purchase_order))
    stops = (shortcoming.code for shortcoming in shortcomings if shortcoming.stops)
    reason = reason_to_leave_out(document) or next(stops, None)
    if key in data.excluded:
        reason = EXCLUDED
    return PreparedDocument(customer_id, reference, name, document, shortcomings, reason, purchase_order)


class WaitingAccount(NamedTuple):
    """An account that waits to be billed in a run, with the totals of its charges.

    `expected` is the digest of the document that the confirmed preview showed.
    """

    position: int
    expected: str | None
    pending_charges: int
    pending_amount: Decimal


class BilledItem(NamedTuple):
    """An account with the document to store, and the count and sum of its charges.

    The sum is exact.
    """

    prepared: PreparedDocument
    charges: int
    amount: Decimal


class LeftOutItem(NamedTuple):
    """Charges of an account that are not billed: count, exact sum and reason."""

    key: AccountKey
    charges: int
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """Decisions on some accounts of a run, to be stored.

    `left_out` are due charges without a document. `later` are charges of after the cut-off, beside due ones of the same
    account. `finished` are accounts without pending charges: another run has billed them.
    """

    billed: list[BilledItem] = field(default_factory=list)
    left_out: list[LeftOutItem] = field(default_factory=list)
    later: list[LeftOutItem] = field(default_factory=list)
    finished: list[AccountKey] = field(default_factory=list)


def plan_chunk(accounts: Mapping[AccountKey, WaitingAccount], data: BillingData, *, confirmed: bool) -> ChunkPlan:
    """Decide what a run makes of each account's pending charges.

    In a `confirmed` run a document that differs from the confirmed preview is left out. Charges that the account counts as
    pending, and that are not due, were incurred after the cut-off. Raises Conflict if an account counts fewer charges than
    are due.
    """
    plan = ChunkPlan()
    prepared_by_key = {prepared.key: prepared for prepared in prepare_documents(data, with_warnings=False)}
    due: dict[AccountKey, tuple[int, Decimal]] = {}
    for key, prepared in prepared_by_key.items():
        if key in accounts:
            due[key] = charges, amount = prepared.document.charges, prepared.document.amount
            reason = _reason(prepared, accounts[key].expected, confirmed=confirmed)
            if reason is None:
                plan.billed.append(BilledItem(prepared, charges, amount))
            else:
                plan.left_out.append(LeftOutItem(key, charges, amount, reason))
    for key, account in accounts.items():
        _plan_remainder(plan, key, account, due.get(key))
    return plan


def _reason(prepared: PreparedDocument, expected: str | None, *, confirmed: bool) -> str | None:
    if prepared.reason is None and confirmed and prepared.document.digest() != expected:
        return CHANGED
    return prepared.reason


def _plan_remainder(plan: ChunkPlan, key: AccountKey, account: WaitingAccount, due: tuple[int, Decimal] | None) -> None:
    """Plan the pending charges of an account that are not due."""
    due_charges, due_amount = due or (0, None)
    charges = account.pending_charges - due_charges
    if charges < 0:
        customer_id, currency = key
        raise Conflict(
            "account_drift",
            Phrase(
                "The pending totals of customer {customer_id} in {currency} do not match the charges. Ask your "
                "system administrator to run: flask --app wsgi doctor",
                customer_id=customer_id,
                currency=currency,
            ),
        )
    if charges:
        amount = account.pending_amount if due_amount is None else EXACT.subtract(account.pending_amount, due_amount)
        item = LeftOutItem(key, charges, amount, AFTER_CUT_OFF)
        (plan.left_out if due is None else plan.later).append(item)
    elif due is None:
        plan.finished.append(key)


def billed_charges(items: Iterable[BilledItem]) -> int:
    """Return the number of charges on documents."""
    return sum(item.charges for item in items)
