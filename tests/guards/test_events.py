"""Every operation that changes something tells the audit log who did it: followed through the code, from each to `record`."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

OPERATIONS = Path(__file__).resolve().parents[2] / "billing_admin" / "operations"
# What changes something and is no act of its own: parts of acts, which their callers record, and what only keeps the books.
NO_ACT = {
    "payments.credit.apply_credit_to_issued": "is a part of issuing, and of billing runs",
    "payments.allocations.store_allocations": "is a part of recording and of allocating a payment",
    "audit.seal_events": "seals events, and is no act",
    "master_data.accounts.update_totals": "is a part of every act that changes the status of charges",
    "master_data.accounts.open_accounts": "is a part of posting and of recording payments",
    "invoices.invoices.number_documents": "is a part of issuing, and of billing runs",
    "master_data.number_series.start_new_series": "is a part of changing the settings",
    "payments.payments.withdraw_from_invoice": "is a part of crediting a paid invoice",
    "master_data.periods.require_open_day": "only reads, under a lock",
    "payments.payments.resolve_day": "only reads, under a lock",
    "files.create": "stores the file of an act that has an event of its own",
    "jobs.renew_lease": "renews the lease of a worker",
    "invoices.renditions.issued_pdf": "stores the file of a download, which is an act of its own",
    "messages.content.load_attachment": "stores the file of a download, which is an act of its own",
    "invoices.renditions.stored_pdf": "stores the file of a download, which is an act of its own",
    "invoices.renditions.store": "stores the file of a download, which is an act of its own",
    "invoices.e_invoices.issued_e_invoice": "stores the file of a download, which is an act of its own",
    "invoices.drafts.create_draft": "is a part of crediting and billing again",
    "invoices.drafts.create_replacement": "is a part of voiding an invoice",
    "webhooks.deliveries.delete_expired": "deletes old deliveries",
    "webhooks.deliveries.record_attempt": "stores an attempt, which is a log of its own",
    "webhooks.deliveries.claim_next": "claims an endpoint for a sender",
    "webhooks.outbox.enqueue_event": "is a part of the act of the event",
    "webhooks.outbox.enqueue_charges_held": "is a part of holding, posting and correcting charges",
    "webhooks.outbox.enqueue_invoices_issued": "is a part of issuing, and of billing runs",
    "webhooks.outbox.enqueue_invoices_paid": "is a part of paying, allocating and crediting",
    "webhooks.outbox.enqueue_refund": "is a part of recording and of reversing a refund",
    "webhooks.outbox.enqueue_invoice_voided": "is a part of voiding an invoice",
    "charges.recurring_posting.post_adjustments": "is a part of ending a recurring charge, and of changing it",
    "webhooks.outbox.enqueue_message_finished": "is a part of marking a message as sent, and of sending",
    "messages.content.make_content": "stores the bytes of a message, whose attempt is recorded",
    "messages.deliveries.record_handover": "stores a step of an attempt, whose result is recorded",
    "messages.messages.finish": "is a part of cancelling, marking and sending a message",
    "master_data.contacts.set_email": "is a part of adding and changing a customer",
    "selections.store_selection": "keeps the ticks of a list, which change nothing",
    "selections.store_charges_of_run": "is a part of starting a billing run",
    "limits.require_within_limit": "counts a part of an act for the limits of the day",
    "limits.above_limit": "counts a part of an act for the limits of the day",
    "charges.negative_charges.refuse_above_limit": "counts a part of an act for the limits of the day",
    "charges.negative_charges.check_recurring": "counts a part of an act for the limits of the day",
    "master_data.price_limits.refuse_above_limit": "counts a part of an act for the limits of the day",
    "access.tokens.record_use": "stores the last use of a token",
    "charges.unbilled_days.record_unbilled_day": "records sums that are shown on the dashboard, and changes nothing",
    "access.one_time_links.create_link": "is a part of inviting, of resetting a password, and of the set-up",
    "access.one_time_links.create_link_to_send": "is a part of inviting and of resetting a password",
    "access.one_time_links.take_link": "is a part of choosing a password, and of the set-up",
    "access.one_time_links.claim_link": "makes the secret of a link, whose result is recorded",
    "access.users.record_session_use": "stores the last use of a session",
}
WRITING = {"add", "delete", "execute", "flush"}


def parsed(module: str) -> ast.Module:
    """Return the syntax tree of a module, which is named as below `operations`: `charges.posting`."""
    return ast.parse((OPERATIONS / f"{module.replace('.', '/')}.py").read_text())


@cache
def functions(module: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module, by name."""
    return {node.name: node for node in parsed(module).body if isinstance(node, ast.FunctionDef)}


@cache
def imported(module: str) -> dict[str, tuple[str, str]]:
    """Return what a module imports from other operations: local name to module and name there."""
    return {
        alias.asname or alias.name: (source, alias.name)
        for source, alias in operations_imported_by(module)
        if is_module(source) and not is_module(f"{source}.{alias.name}")
    }


@cache
def modules(module: str) -> dict[str, str]:
    """Return the modules of operations that a module imports as a whole: local name to module."""
    return {
        alias.asname or alias.name: f"{source}.{alias.name}".lstrip(".")
        for source, alias in operations_imported_by(module)
        if is_module(f"{source}.{alias.name}".lstrip("."))
    }


def operations_imported_by(module: str) -> Iterator[tuple[str, ast.alias]]:
    """Yield each name imported from `operations`, with the package or module that it is imported from."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("billing_admin.operations."):
            yield from (
                (str(node.module).removeprefix("billing_admin.operations").lstrip("."), alias) for alias in node.names
            )


def is_module(name: str) -> bool:
    """Whether a dotted name below `operations` is a module."""
    return (OPERATIONS / f"{name.replace('.', '/')}.py").is_file()


def called(module: str, name: str) -> Iterator[tuple[str, str]]:
    """What a function names: another of its module, one from elsewhere, or `module.function`."""
    for node in ast.walk(functions(module)[name]):
        if isinstance(node, ast.Name):
            yield imported(module).get(node.id, (module, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules(module):
            yield modules(module)[node.value.id], node.attr


@cache
def reached(module: str, name: str) -> frozenset[tuple[str, str]]:
    """Every operation that a function may call, itself included."""
    seen: set[tuple[str, str]] = set()
    waiting = [(module, name)]
    while waiting:
        here = waiting.pop()
        if here in seen or here[1] not in functions(here[0]):
            continue
        seen.add(here)
        waiting.extend(called(*here))
    return frozenset(seen)


def acts() -> Iterator[tuple[str, str]]:
    """The public functions that are handed a session and a moment: each is an act, or a part of one."""
    for path in sorted(OPERATIONS.rglob("[a-z]*.py")):
        module = path.relative_to(OPERATIONS).with_suffix("").as_posix().replace("/", ".")
        for name, node in functions(module).items():
            arguments = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            if not name.startswith("_") and {"session", "now"} <= arguments and f"{module}.{name}" not in NO_ACT:
                yield module, name


def writes(module: str, name: str) -> bool:
    """Whether a function changes something: by statements of SQL, or through the session."""
    for there, one in reached(module, name):
        text = ast.unparse(functions(there)[one])
        if any(f"session.{verb}(" in text for verb in WRITING - {"execute"}):
            return True
        if any(f"{word}(" in text for word in ("insert", "update", "delete", "insert_many")):
            return True
    return False


ACTS = sorted(acts())


def test_they_are_found() -> None:
    found = {f"{module}.{name}" for module, name in ACTS}
    assert found >= {
        "charges.posting.post",
        "charges.charges.cancel",
        "charges.corrections.correct_charge",
        "charges.duplicates.keep_duplicates",
        "charges.recurring_charges.end",
        "access.users.change_role",
        "master_data.organisation.update",
        "invoices.invoices.issue",
        "billing.runs.start",
    }


@pytest.mark.parametrize(("module", "name"), ACTS, ids=lambda part: part)
def test_an_act_that_writes_is_recorded(module: str, name: str) -> None:
    if writes(module, name):
        assert ("audit", "event_row") in reached(module, name)


@pytest.mark.parametrize(("module", "name"), ACTS, ids=lambda part: part)
def test_who_records_knows_who_acts(module: str, name: str) -> None:
    arguments = {argument.arg for argument in functions(module)[name].args.args}
    arguments |= {argument.arg for argument in functions(module)[name].args.kwonlyargs}
    # Each of several postings names its own actor.
    assert not writes(module, name) or arguments & {"actor", "postings", "request_id"}
