"""Hostile values in every parameter, cursor, path and form field of every page: never a 500.

The parameters are those that the pages are seen to read, and the forms those that the pages show; guards at the end see to it
that no name in the code is left out.
"""

import ast
import html
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote, urljoin, urlsplit
from uuid import UUID

import pytest
from flask import Flask, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from billing_admin import models
from billing_admin.database import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.recurring import RecurringSpec
from billing_admin.operations import recurring_charges, tokens
from billing_admin.web import lists
from billing_admin.web.guard import is_api
from tests.background.hooks import make_endpoint
from tests.hostile import Watch, in_query, rows, share, values
from tests.importing import check
from tests.making import (
    MARCH,
    NOW,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
)
from tests.people import csrf_token, person, send, signed_in
from tests.web.pages import words

WEB = Path(lists.__file__).parent
# What fills in a form's blank fields, so that the others are looked at.
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


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails at the end with all that was wrong."""
    seen = Watch()
    yield seen
    seen.report()


class Filled:
    """A database with something of everything, an admin's browser, and what the pages read."""

    def __init__(self, app: Flask, session: Session, read: dict[str, str]) -> None:
        self.app, self.session, self.read = app, session, read
        self.browser = signed_in(app)
        person(app, "viewer")
        self._make()
        self.ids = dict(self._ids())

    def _make(self) -> None:
        make_endpoint(self.app)
        acme, service = make_customer(reference="ACME"), make_service()
        make_customer(reference="other")
        make_service(code="other")
        make_tax_rate()
        make_tax_rate("VAT7", "7")
        post(*(make_spec(acme, amount, service=service) for amount in ("7", "8")))
        issued, paid = make_invoice(acme), make_invoice(acme)
        make_invoice(acme, issue=False)
        make_invoice(make_customer(reference="third"), issue=False)
        pay(make_payment_spec(acme, "4", {paid.number or "": "2"}))
        pay(make_payment_spec(acme, "5", ()))
        credit(issued, "1")
        post(*(make_spec(acme, amount, service=service) for amount in ("1", "1", "1", "2")))
        for _ in range(2):
            check("charges", "id,customer,description,amount\n,ACME,Work,1\n")
            transaction(recurring_charges.create, RecurringSpec("ACME", "other", "monthly", MARCH), SYSTEM, NOW)
            transaction(tokens.create, "meter", ("read",), actor=SYSTEM, now=NOW)
            assert send(self.browser, "/exports/charges.csv/prepare").status_code == HTTPStatus.SEE_OTHER

    def _ids(self) -> Iterator[tuple[str, str]]:
        """For the beginning of a rule, or the name of a part of it, the id of what it is about."""
        states = {"pending": models.Charge, "draft": models.Invoice}
        for name, model in {
            "billing_runs": models.BillingRun,
            "charges": models.Charge,
            "charge_corrections": models.Charge,
            "duplicates": models.Charge,
            "customers": models.Customer,
            "receivables": models.Customer,
            "imports": models.Import,
            "invoices": models.Invoice,
            "drafts": models.Invoice,
            "jobs": models.Job,
            "exports": models.Job,
            "payments": models.Payment,
            "recurring_charges": models.RecurringCharge,
            "services": models.Service,
            "tax_rates": models.TaxRate,
            "tokens": models.ApiToken,
            "users": models.User,
            "webhooks": models.WebhookEndpoint,
            "webhooks.delivery": models.WebhookDelivery,
            "webhooks.again": models.WebhookDelivery,
            "line_id": models.InvoiceLine,
            "allocation_id": models.Allocation,
        }.items():
            status = next((status for status, kind in states.items() if kind is model), None)
            columns = model.__table__.c
            query = select(columns.id) if status is None else select(columns.id).where(columns.status == status)
            if model is models.User:
                query = query.where(models.User.role == "viewer")
            yield name, str(self.session.scalars(query.order_by(columns.id.desc())).first())
        issued = str(self.session.scalars(select(models.Invoice.id).where(models.Invoice.number.like("INV-%1"))).one())
        acme = str(self.session.scalars(select(models.Customer.id).where(models.Customer.reference == "ACME")).one())
        rule_names = ("corrections", "invoices.line", "invoices.paper", "invoices.explain", "invoice_id")
        yield from dict.fromkeys(rule_names, issued).items()
        yield from dict.fromkeys(("customers", "receivables", "customer_id"), acme).items()

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
            subject = rule.endpoint.partition(".")[0]
            found = (self.ids.get(key) for key in (name, rule.endpoint, subject))
            return [UUID(next(id for id in found if id is not None))]
        return [{"year": 2026, "currency": "USD", "reference": "ACME", "filename": "style.css"}[name]]

    def rules(self, method: str) -> list[Rule]:
        """The rules of pages that take a method. Those that end something come last."""
        own = (
            rule for rule in self.app.url_map.iter_rules() if not is_api(rule.endpoint) and rule.endpoint != "static"
        )
        return sorted(
            (r for r in own if method in (r.methods or ())), key=lambda r: (bool(ENDING.search(r.rule)), r.rule)
        )

    def get(self, path: str) -> TestResponse:
        return self.browser.get(path)


ENDING = re.compile(
    r"archive|cancel|deactivate|discard|issue|move|reverse|revoke|role|sign-|start|take-back|void|withdraw"
)


# What the readers of `web.lists` make of a parameter.
KINDS = {"day_of_figures": "day", "given": "text", "given_choice": "word", "given_day": "day", "given_id": "id"}


@pytest.fixture
def filled(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Everything, and lists of one row a page, so that each has a next one."""
    read: dict[str, str] = {}

    def note(name: object) -> None:
        reader = sys._getframe(2).f_code.co_name
        by = sys._getframe(3).f_code.co_name if reader == "given" else reader
        read[str(name)] = KINDS.get(by, "text")

    class Recording(ImmutableMultiDict[str, str]):
        """Parameters, or a form, that note which names are asked for, and by which reader of `web.lists`."""

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
    monkeypatch.setattr(lists.rows, "__defaults__", (1,))
    return Filled(app, session, read)


def _replaced(parts: Mapping[str, str], part: re.Match[str]) -> str:
    """Return the value of a part of an address by its name."""
    return parts[part[1]]


def parameters_in_the_code() -> set[str]:
    """The names of parameters that pages ask for by a word."""
    names: set[str] = set()
    for path in WEB.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                names |= {str(part.value) for part in node.args[:1] if isinstance(part, ast.Constant)}
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "request.args.get":
                names |= {str(part.value) for part in node.args[:1] if isinstance(part, ast.Constant)}
    return names


def test_each_parameter(filled: Filled, watch: Watch) -> None:
    """All parameters that a page reads hold something at once; those that a refusal names are then left out."""
    seen: set[str] = set()
    for turn, rule in enumerate(filled.rules("GET")):
        for path in filled.addresses(rule):
            kinds = kinds_read(filled, watch, path)
            seen |= kinds.keys()
            for row in rows(kinds, turn):
                given = dict(row)
                while given:
                    about = f"{path} { {name: value[:40] for name, value in given.items()} }"
                    response = watch(about, partial(filled.get, f"{path}?{in_query(given)}"))
                    if response is None or response.status_code < HTTPStatus.BAD_REQUEST:
                        break
                    told = words(response).lower()
                    named = {
                        name
                        for name in given
                        if CALLED.get(name, name).replace("_", " ") in told or f"“{name}”" in told
                    }
                    watch.check(bool(named), f"{about}: {response.status_code} names none")
                    given = {name: value for name, value in given.items() if named and name not in named}
    assert parameters_in_the_code() <= seen


CALLED = {"last": "charge"}  # how a refusal calls what a parameter holds


def kinds_read(filled: Filled, watch: Watch, path: str) -> dict[str, str]:
    """The parameters that a page reads, with their kinds: also those that it reads because of others."""
    kinds: dict[str, str] = {}
    while True:
        filled.read.clear()
        watch(path, partial(filled.get, f"{path}?{in_query(dict.fromkeys(kinds, b'1'))}"))
        if filled.read.keys() <= kinds.keys():
            return kinds
        kinds |= filled.read


def test_each_list_refuses_a_cursor_that_is_not_its_own(filled: Filled, watch: Watch) -> None:
    """It shows its first page. `tests/queries/test_paging.py` spoils cursors in more ways."""
    own = {
        path: cursor
        for rule in filled.rules("GET")
        for path in filled.addresses(rule)
        if (cursor := _next(filled, path))
    }
    assert len(own) > 15
    for path, cursor in own.items():
        first = words(filled.get(path))
        for spoilt in (
            *SPOILT,
            *(other for other in set(own.values()) if len(other.split("~")) != len(cursor.split("~"))),
        ):
            about = f"{path} after {spoilt[:80]!r}"
            response = watch(about, partial(filled.get, f"{path}?{in_query({'after': spoilt.encode()})}"))
            watch.check(response is None or words(response) == first, f"{about}: not the first page")


SPOILT = (
    ">x",
    ">s:a~i:99999999999999999999999",
    ">dt:0001-01-01 00:00:00+14:00~uuid:00000000-0000-0000-0000-000000000000",
    ">s:a\0~uuid:00000000-0000-0000-0000-000000000000~s:EUR",
    "\0",
)


def _next(filled: Filled, path: str) -> str:
    """The cursor of a list's second page."""
    page = filled.get(path)
    text = html.unescape(page.text) if page.mimetype == "text/html" else ""
    found = re.search(r'[?&]after=([^"&]*)', text)
    return unquote(found[1]) if found else ""


def test_each_part_of_a_path(filled: Filled, watch: Watch) -> None:
    """One part of each address holds something, the others what exists."""
    for turn, rule in enumerate(filled.rules("GET")):
        good = {name: str(min(filled.values(rule, name, part))) for name, part in rule._converters.items()}
        for name, part in rule._converters.items():
            kind = "number" if type(part).__name__ == "IntegerConverter" else "text"
            for value in values(kind) if kind == "number" else share(values(kind), turn):
                parts = good | {name: quote_from_bytes(value, safe="")}
                path = _PART.sub(partial(_replaced, parts), rule.rule)
                watch(path[:150], partial(filled.get, path))


_PART = re.compile(r"<(?:[^<>]*:)?(\w+)>")


def inputs(form: str) -> dict[str, tuple[str, str]]:
    """The fields of a form, each with its kind and its value; of a choice the first."""
    found: dict[str, tuple[str, str]] = {}
    for attributes in re.findall(r"<(?:input|select|textarea|button)\b([^>]*)>", form):
        told = dict(re.findall(r'\b([a-z]+)="([^"]*)"', attributes))
        kind = "day" if told.get("type") == "date" else "number" if told.get("inputmode") else "text"
        if "name" in told and told["name"] != "csrf_token":
            found.setdefault(html.unescape(told["name"]), (kind, html.unescape(told.get("value", ""))))
    return found


def forms(page: TestResponse) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Where each form that changes something goes, and its fields."""
    text = page.text if page.mimetype == "text/html" else ""
    for attributes, content in re.findall(r"<form\b([^>]*)>(.*?)</form>", text, re.DOTALL):
        if 'method="post"' in attributes.lower():
            action = re.search(r'\baction="([^"]*)"', attributes)
            yield urljoin(page.request.full_path, html.unescape(action[1]) if action else ""), inputs(content)


def test_each_field_of_a_form(filled: Filled, watch: Watch) -> None:
    """All fields of a form hold something at once; those that are refused get a good value, until none is."""
    urls, done = filled.app.url_map.bind("localhost"), {"sign_in.leave"}
    pages = [path for rule in filled.rules("GET") for path in filled.addresses(rule)]
    for page in [*pages, "/billing-runs/preview?through=2026-03-31"]:
        for action, fields in forms(filled.get(page)):
            endpoint, _ = urls.match(unquote(urlsplit(action).path), "POST")
            if endpoint not in done:
                done.add(endpoint)
                _spoil(filled, watch, action, fields)
    for rule in filled.rules("POST"):  # what is not offered now, by the fields that it reads
        for path in filled.addresses(rule) if rule.endpoint not in done else ():
            filled.read.clear()
            watch(path, partial(_post, filled, path, {}))
            names = filled.read.keys() - {"csrf_token"}
            _spoil(filled, watch, path, dict.fromkeys(names, ("text", "")))


def _spoil(filled: Filled, watch: Watch, action: str, fields: dict[str, tuple[str, str]]) -> None:
    good = {name: (value or GOOD.get(name.rpartition("-")[2], "")).encode() for name, (_, value) in fields.items()}
    for row in rows({name: kind for name, (kind, _) in fields.items()}, len(action)):
        given = dict(row)
        for _ in range(3):
            about = f"POST {action} { {name: value[:40] for name, value in given.items()} }"
            response = watch(about, partial(_post, filled, action, given))
            refused = set(
                re.findall(
                    r'<(?:input|select|textarea)[^>]*\bname="([^"]*)"[^>]*aria-invalid',
                    response.text if response else "",
                )
            )
            if not refused & given.keys():
                break
            given = {name: good[name] if name in refused else value for name, value in given.items()}


def _post(filled: Filled, action: str, given: dict[str, bytes]) -> TestResponse:
    body = in_query(given | {"csrf_token": csrf_token(filled.browser).encode()})
    return filled.browser.post(action, data=body, content_type="application/x-www-form-urlencoded")
