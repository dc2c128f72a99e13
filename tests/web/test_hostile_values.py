"""Hostile values in every parameter, cursor, path and form field of every page: never a 500.

The parameters are those that the pages are observed to read, which must include every name in the code. The forms are those
that the pages show, and the fields that the other routes are observed to read.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_from_bytes, unquote, urljoin, urlsplit
from uuid import UUID

import pytest
from flask import Flask, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from billing_admin import models, web
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.mail_servers import Maildir
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.domain.refunds import RefundSpec
from billing_admin.formats.logo import check_logo
from billing_admin.formats.maildir import deliver_to_maildir
from billing_admin.operations.access import roles, saved_views, tokens
from billing_admin.operations.access.saved_views import ViewSpec
from billing_admin.operations.charges import recurring_charges
from billing_admin.operations.limits import set_limits
from billing_admin.operations.master_data import logos
from billing_admin.operations.messages.reminder_runs import ReminderRunSpec, run_reminders
from billing_admin.operations.messages.sending_runs import SendingRunSpec, start_run
from billing_admin.operations.payments import refunds
from billing_admin.web.frame import list_params, tables
from billing_admin.web.frame.guard import is_api
from tests.authenticator import Device
from tests.background.hooks import make_endpoint
from tests.hostile import QUICK_STEP, Watch, has_turn, in_query, rows, share, shares, values
from tests.importing import check
from tests.levels import sample, samples
from tests.logos import make_png
from tests.making import (
    MARCH,
    NOW,
    credit,
    make_bank_account,
    make_customer,
    make_customer_field,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
)
from tests.messages import make_message
from tests.people import csrf_token, person, send, sign_in, signed_in
from tests.web.pages import Element, links, parse, words

MAIL = b"""Subject: Hello
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: application/pdf; name=a.pdf

%PDF
--x--
"""
WEB = Path(web.__file__).parent
# Values for blank fields of a form, so that a hostile value in another field gets further.
GOOD = {
    "amount": "1",
    "ends_on": "2026-12-31",
    "email": "new@example.com",
    "from_": "2026-08-01",
    "from": "2026-08-01",
    "name": "A name",
    "password": "violet-anchor-meadow-38",
    "percent": "5",
    "quantity": "1",
    "reason": "A reason",
    "reference": "REF-NEW",
    "code": "code-new",
    "currency": "USD",
    "customer": "ACME",
    "service": "GenericCompute",
    "starts_on": "2026-06-01",
    "valid_from": "2099-01-01",
    "url": "https://example.com/other",
}


# Values for parameters without which a page reads no other ones.
NEEDED = {"through": b"2026-04-02"}
# Only read while nobody has an account (test_set_up_link.py sends hostile values), on the sign-in page, and at the return
# from an identity provider, for a sign-in that was begun (test_single_sign_on.py).
SIGNED_OUT = {"token", "signed_out", "code", "iss"}

# The word for a parameter in a refusal, where it is not its name.
WORDS = {"q": "search"}
BAD_CURSORS = (
    ">x",
    ">s:a~i:99999999999999999999999",
    ">dt:0001-01-01 00:00:00+14:00~uuid:00000000-0000-0000-0000-000000000000",
    ">s:a\0~uuid:00000000-0000-0000-0000-000000000000~s:EUR",
    "\0",
)
# Actions that end something: their forms come last.
ENDING = re.compile(
    r"archive|cancel|deactivate|discard|issue|move|reverse|revoke|role|sign-|start|take-back|void|withdraw"
)
PATH_PART = re.compile(r"<(?:[^<>]*:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Field:
    """A form's field: the kind of its hostile values, and the value that it holds."""

    kind: str = "text"
    value: str = ""


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Send requests; fail at the end with everything that went wrong."""
    requests = Watch()
    yield requests
    requests.report()


MODELS: dict[str, type[models.Base]] = {
    "allocation_id": models.Allocation,
    "approvals": models.ApprovalRequest,
    "audit": models.AuditEvent,
    "bank_accounts": models.BankAccount,
    "billing_runs": models.BillingRun,
    "charge_corrections": models.Charge,
    "charges": models.Charge,
    "contacts": models.CustomerContact,
    "customer_fields": models.CustomerField,
    "drafts": models.Invoice,
    "duplicates": models.Charge,
    "exports": models.Job,
    "imports": models.Import,
    "e_invoices": models.Invoice,
    "invoices": models.Invoice,
    "jobs": models.Job,
    "line_id": models.InvoiceLine,
    "messages": models.Message,
    "month_end": models.ApiToken,  # a source of charges
    "passkeys": models.Passkey,
    "payments": models.Payment,
    "rebilling": models.Invoice,
    "recurring_charges": models.RecurringCharge,
    "refunds": models.Refund,
    "reminders": models.ReminderRun,
    "roles": models.Role,
    "saved_views": models.SavedView,
    "sending": models.Invoice,
    "sending_runs": models.SendingRun,
    "sessions": models.UserSession,
    "person_sessions": models.UserSession,
    "user_id": models.User,
    "services": models.Service,
    "tax_rates": models.TaxRate,
    "tokens": models.ApiToken,
    "users": models.User,
    "webhooks": models.WebhookEndpoint,
    "webhooks.send_again": models.WebhookDelivery,
    "webhooks.delivery": models.WebhookDelivery,
}


class Filled:
    """A database with something of everything, an admin's browser, and `read`: the names that pages ask for, with kinds."""

    def __init__(self, app: Flask, session: Session, read: dict[str, str]) -> None:
        self.app, self.session, self.read = app, session, read
        self.browser = signed_in(app)
        person(app, "viewer")
        self._make()
        sign_in(app.test_client(), "admin@example.com")  # another session, which can be ended
        self._add_passkey()
        self.ids = dict(self._ids())

    def _add_passkey(self) -> None:
        """Add one to the admin, in this session, so that hostile values have a passkey to meet."""
        page = self.browser.get("/account/security/passkeys/new")
        form = next(form for form in parse(page).elements("form") if "data-options" in form.attributes)
        answer = Device().create(form.attributes["data-options"])
        send(self.browser, "/account/security/passkeys/new", name="Laptop", credential=answer)

    def _make(self) -> None:
        make_endpoint(self.app)
        acme, service = make_customer(reference="ACME", email="pay@acme.example"), make_service()
        make_customer(reference="other")
        make_service(code="other")
        make_tax_rate()
        make_tax_rate("VAT7", "7")
        make_bank_account()
        make_bank_account(currency="USD")
        make_customer_field(key="region", is_listed=True)
        make_customer_field(key="since", type="date")
        transaction(roles.create, "Branch office", (), None, SYSTEM, NOW)
        mailbox: Maildir = self.app.extensions["billing_settings"].mail_transport
        self.mail = deliver_to_maildir(mailbox.folder, MAIL).name
        self.logo = transaction(logos.set_logo, check_logo(make_png(2, 2)), SYSTEM, NOW).sha256
        post(*(make_spec(acme, amount, service=service) for amount in ("7", "8")))
        issued, paid = make_invoice(acme), make_invoice(acme)
        make_invoice(acme, issue=False)
        make_invoice(make_customer(reference="third"), issue=False)
        transaction(set_limits, "biller", {"void": Decimal(0)}, SYSTEM, NOW)
        voided = make_invoice(make_customer(reference="fourth"))
        send(signed_in(self.app, "biller"), f"/invoices/{voided.id}/void", charges="pending", reason="Wrong")
        make_message(issued, state="sent")
        make_message(paid, state="failed")
        pay(make_payment_spec(acme, "4", {paid.number or "": "2"}))
        pay(make_payment_spec(acme, "5", ()))
        credit(issued, "1")
        transaction(refunds.record, RefundSpec("ACME", Decimal(1), "cash"), SYSTEM, NOW)
        send(self.browser, "/saved-views/new?list=invoices.index&query=status%3Dopen", name="Mine")
        transaction(start_run, SendingRunSpec("mark_sent", "By post"), [issued.id], False, SYSTEM, NOW)
        post(*(make_spec(acme, amount, service=service) for amount in ("1", "1", "1", "2")))
        for number in range(2):
            check("charges", "id,customer,description,amount\n,ACME,Work,1\n")
            transaction(recurring_charges.create, RecurringChargeSpec("ACME", "other", "monthly", MARCH), SYSTEM, NOW)
            transaction(
                saved_views.save, self._user_id(), ViewSpec("charges.index", f"View {number}", "sort=day"), SYSTEM, NOW
            )
            transaction(tokens.create, "meter", ("read",), actor=SYSTEM, now=NOW)
            run_reminders(transaction, self.session, ReminderRunSpec(), True, SYSTEM, NOW)
            assert send(self.browser, "/exports/charges.csv/prepare").status_code == HTTPStatus.SEE_OTHER

    def _user_id(self) -> UUID:
        return self.session.scalars(select(models.User.id).where(models.User.role == "admin")).all()[0]

    def _ids(self) -> Iterator[tuple[str, UUID]]:
        """Yield an id for each subject, endpoint or name of a path's part: of a charge that is pending, of a draft."""
        statuses = {models.Charge.__table__: "pending", models.Invoice.__table__: "draft"}
        for name, model in MODELS.items():
            table = model.__table__
            query = select(table.c.id).order_by(table.c.id.desc())
            if table in statuses:
                query = query.where(table.c.status == statuses[table])
            if model is models.User:
                query = query.where(models.User.role == "viewer")
            yield name, self.session.scalars(query).all()[0]
        issued = self.session.scalars(select(models.Invoice.id).where(models.Invoice.number.like("INV-%1"))).one()
        for name in (
            *("corrections", "invoices.line", "invoices.download_pdf", "invoices.explain", "invoice_id"),
            *("rebilling", "reminder_pauses.pause_invoice", "reminder_pauses.resume_invoice"),
        ):
            yield name, issued
        acme = self.session.scalars(select(models.Customer.id).where(models.Customer.reference == "ACME")).one()
        for name in ("customers", "receivables", "customer_id", "reminder_pauses", "statements"):
            yield name, acme

    def addresses(self, rule: Rule) -> Iterator[str]:
        """The addresses of a rule about what exists: one for each word that it knows."""
        choices = [sorted(self.values(rule, name, part)) for name, part in rule._converters.items()]
        with self.app.test_request_context():
            for values in product(*choices):
                named = dict(zip(rule._converters, values, strict=True))
                yield str(
                    self.app.url_map.bind("localhost").build(rule.endpoint, named, next(iter(rule.methods or ())))
                )

    def values(self, rule: Rule, name: str, part: Any) -> Iterable[Any]:
        if known := getattr(part, "items", None):
            return set(known) - {"xlsx"}  # read and filtered as a CSV
        if type(part).__name__ == "UUIDConverter":
            keys = (name, rule.endpoint, rule.endpoint.partition(".")[0])
            known_ids = [self.ids[key] for key in keys if key in self.ids]
            assert known_ids, f"{rule.rule}: add a model for its id to MODELS"
            return known_ids[:1]
        named = {
            "year": 2026,
            "currency": "USD",
            "reference": "ACME",
            "filename": "style.css",
            "group": "charges",
            "sha256": self.logo,
            "format": "ubl",
            "key": "invoice",
            "language": "en",
            "name": self.mail,
            "position": 1,
        }
        return [named[name]]

    def rules(self, method: str) -> list[Rule]:
        """The rules of pages that take a method. Those that end something come last."""
        pages = (
            rule for rule in self.app.url_map.iter_rules() if not is_api(rule.endpoint) and rule.endpoint != "static"
        )
        return sorted(
            (r for r in pages if method in (r.methods or ())), key=lambda r: (bool(ENDING.search(r.rule)), r.rule)
        )

    def get(self, path: str) -> TestResponse:
        return self.browser.get(path)


# The readers of `list_params`, and the kind of their parameters.
KINDS = {
    "strict_day_param": "day",
    "text_param": "text",
    "choice_param": "word",
    "day_param": "day",
    "id_param": "id",
}


@pytest.fixture
def filled(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Everything, and lists of one row a page, so that each has a next one."""
    read: dict[str, str] = {}

    def note(name: object) -> None:
        reader = sys._getframe(2).f_code.co_name
        by = sys._getframe(3).f_code.co_name if reader == "text_param" else reader
        read[str(name)] = KINDS.get(by, "text")

    class Recording(ImmutableMultiDict[str, str]):
        """Parameters, or a form, that note which names are asked for, and by which reader of `list_params`."""

        def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            note(key)
            return super().get(key, *args, **kwargs)

        def getlist(self, key: str, *args: Any, **kwargs: Any) -> Any:
            note(key)
            return super().getlist(key, *args, **kwargs)

        def __contains__(self, key: object) -> bool:
            note(key)
            return super().__contains__(key)

    monkeypatch.setattr(Request, "parameter_storage_class", Recording)
    for load in (list_params.load_page, tables.load_table):
        monkeypatch.setattr(load, "__defaults__", (1,))
    return Filled(app, session, read)


def parameters_in_the_code() -> set[str]:
    """Return the names of parameters that pages ask for with a literal."""
    calls = [
        node
        for path in WEB.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    readers = {*KINDS, "request.args.get"}
    names = [call.args[0] for call in calls if ast.unparse(call.func) in readers and call.args]
    return {str(name.value) for name in names if isinstance(name, ast.Constant)}


@shares
def test_each_parameter(filled: Filled, watch: Watch, step: int) -> None:
    """All parameters of a page are hostile at once; those that a refusal names are then left out."""
    parameters: set[str] = set()
    for turn, rule in enumerate(filled.rules("GET")):
        for path in filled.addresses(rule) if has_turn(turn, step) else ():
            kinds = parameters_of(filled, watch, path)
            parameters |= kinds.keys()
            for row in rows(kinds, turn, step):
                _send_until_accepted(filled, watch, path, row)
    assert step == QUICK_STEP or parameters_in_the_code() - SIGNED_OUT <= parameters


def _send_until_accepted(filled: Filled, watch: Watch, path: str, query: dict[str, bytes]) -> None:
    while query:
        about = f"{path} { {name: value[:40] for name, value in query.items()} }"
        response = watch(about, partial(filled.get, f"{path}?{in_query(query)}"))
        if response is None or response.status_code < HTTPStatus.BAD_REQUEST:
            return
        message = words(response).lower()
        refused = {
            name for name in query if WORDS.get(name, name).replace("_", " ") in message or f"“{name}”" in message
        }
        if not refused and filled.get(path).status_code == response.status_code:
            return  # the page is refused for its path, whatever its parameters are
        watch.check(bool(refused), f"{about}: {response.status_code} names no parameter")
        needed = {name: NEEDED[name] for name in refused & NEEDED.keys() if query[name] != NEEDED[name]}
        query = {name: value for name, value in query.items() if refused and name not in refused} | needed


def parameters_of(filled: Filled, watch: Watch, path: str) -> dict[str, str]:
    """Return the parameters that a page reads, with their kinds: also those that it reads because of others."""
    kinds: dict[str, str] = {}
    while True:
        filled.read.clear()
        needed = {name: value for name, value in NEEDED.items() if name in kinds}
        watch(path, partial(filled.get, f"{path}?{in_query(dict.fromkeys(kinds, b'1') | needed)}"))
        if filled.read.keys() <= kinds.keys():
            return kinds
        kinds |= filled.read


@samples(10)
def test_each_list_shows_its_first_page_for_a_bad_cursor(filled: Filled, watch: Watch, step: int) -> None:
    """A message says so; `tests/db/test_paging.py` spoils cursors in more ways."""
    pages = sample((path for rule in filled.rules("GET") for path in filled.addresses(rule)), step)
    pages = [*pages, "/charges", "/customers"]  # long lists, whichever pages are in the sample
    cursors = {path: cursor for path in pages if (cursor := next_cursor(filled.get(path)))}
    assert len(cursors) > (15 if step == 1 else 1)
    for path, cursor in cursors.items():
        first = words(filled.get(path))
        longer = {text for text in cursors.values() if text.count("~") != cursor.count("~")}
        for bad in sample((*BAD_CURSORS, *sorted(longer)), step):
            about = f"{path} after {bad[:80]!r}"
            response = watch(about, partial(filled.get, f"{path}?{in_query({'after': bad.encode()})}"))
            shown = "" if response is None else words(response)
            watch.check(response is None or shown.endswith(first), f"{about}: not the first page")
            watch.check(response is None or list_params.BAD_CURSOR in shown, f"{about}: no message")


def next_cursor(page: TestResponse) -> str:
    """Return the cursor of a list's second page, or nothing."""
    addresses = [address for _, address in links(page)] if page.mimetype == "text/html" else []
    cursors = (parse_qs(urlsplit(address).query).get("after", [""])[0] for address in addresses)
    return next((cursor for cursor in cursors if cursor), "")


@shares
def test_each_part_of_a_path(filled: Filled, watch: Watch, step: int) -> None:
    """One part of an address is hostile, the others name something that exists."""
    for turn, rule in enumerate(filled.rules("GET")):
        good = {name: str(min(filled.values(rule, name, part))) for name, part in rule._converters.items()}
        for name, part in rule._converters.items():
            is_number = type(part).__name__ == "IntegerConverter"
            for value in values("number") if is_number else share(values("text"), turn, step):
                path = _path(rule, good | {name: quote_from_bytes(value, safe="")})
                watch(path[:150], partial(filled.get, path))


def _path(rule: Rule, parts: dict[str, str]) -> str:
    return PATH_PART.sub(lambda match: parts[str(match[1])], rule.rule)


def inputs(root: Element) -> list[dict[str, str]]:
    """Return the attributes of a form's fields."""
    attributes = (element.attributes for element in root.elements("input", "select", "textarea", "button"))
    return [names for names in attributes if names.get("name", "csrf_token") != "csrf_token"]


def forms(page: TestResponse) -> Iterator[tuple[str, dict[str, Field]]]:
    """Yield the address and the fields of each form that changes something; of a choice the first value."""
    for form in parse(page if page.mimetype == "text/html" else "").elements("form"):
        attributes = form.attributes
        fields: dict[str, Field] = {}
        for field in inputs(form):
            kind = "day" if "data-day" in field else "number" if "inputmode" in field else "text"
            fields.setdefault(field["name"], Field(kind, field.get("value", "")))
        if attributes.get("method", "").lower() == "post":
            yield urljoin(page.request.full_path, attributes.get("action", "")), fields


@shares
def test_each_field_of_a_form(filled: Filled, watch: Watch, step: int) -> None:
    """All fields of a form are hostile at once; those that are refused get a good value, until none is."""
    urls, posted = filled.app.url_map.bind("localhost"), {"sign_in.sign_out"}
    pages = [path for rule in filled.rules("GET") for path in filled.addresses(rule)]
    for page in [*pages, "/billing-runs/preview?through=2026-03-31"]:
        for action, fields in forms(filled.get(page)):
            endpoint, _ = urls.match(unquote(urlsplit(action).path), "POST")
            if endpoint not in posted:
                posted.add(endpoint)
                if has_turn(len(posted), step):
                    _post_until_accepted(filled, watch, action, fields, step)
    hidden = [rule for rule in filled.rules("POST") if rule.endpoint not in posted]
    for turn, rule in enumerate(hidden):  # forms that no page shows now, by the fields that their routes read
        for path in filled.addresses(rule) if has_turn(turn, step) else ():
            filled.read.clear()
            watch(path, partial(_post, filled, path, {}))
            fields = {name: Field() for name in filled.read if name != "csrf_token"}
            _post_until_accepted(filled, watch, path, fields, step)


def _post_until_accepted(filled: Filled, watch: Watch, action: str, fields: dict[str, Field], step: int) -> None:
    good = {name: (field.value or GOOD.get(name.rpartition("-")[2], "")).encode() for name, field in fields.items()}
    for row in rows({name: field.kind for name, field in fields.items()}, len(action), step):
        body = dict(row)
        for _ in range(3):
            about = f"POST {action} { {name: value[:40] for name, value in body.items()} }"
            response = watch(about, partial(_post, filled, action, body))
            if response is None or response.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
                break
            watch.check("There is a problem" in response.text, f"{about}: 422 says no problem")
            refused = {field["name"] for field in inputs(parse(response)) if "aria-invalid" in field} & body.keys()
            body |= {name: good[name] for name in refused or body if body[name] != good[name]}


def _post(filled: Filled, action: str, body: dict[str, bytes]) -> TestResponse:
    content = in_query(body | {"csrf_token": csrf_token(filled.browser).encode()})
    return filled.browser.post(action, data=content, content_type="application/x-www-form-urlencoded")
