"""Every method of the client, against the real product."""

import csv
import hashlib
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from billing_client import (
    BillingRun,
    Charge,
    Client,
    Conflict,
    FieldError,
    Invalid,
    NewRecipient,
    NotFound,
    Refused,
    RunFailed,
    Stale,
    Totals,
    WaitExpired,
    charge_id,
)
from billing_client.asking import RunAccount
from billing_client.resources import base
from billing_client.values import to_json
from flask import Flask

from tests.client.standin import TOKEN, Said, StandIn
from tests.logos import make_png
from tests.making import make_tax_rate

TODAY = datetime.now(UTC).date()
DAY, LONG_AGO, BEFORE_ALL = (TODAY - timedelta(days=days) for days in (30, 300, 3000))


def work(client: Client, amount: str = "10.005", **fields: Any) -> Charge:
    return client.charges.create(customer="ACME", description="Work", amount=Decimal(amount), incurred_on=DAY, **fields)


def invoiced(client: Client, *amounts: str) -> Any:
    for amount in amounts:
        work(client, amount)
    client.billing_runs.create(through=TODAY, issue=True)
    return next(client.invoices.list(customer="ACME"))


def test_a_giant_exponent_is_not_written_out() -> None:
    """A number of a billion digits would fill the memory; the server refuses it by its exponent."""
    for text in ("1E+999999999", "-1E-999999999", "0E-999999999"):
        assert to_json({"amount": Decimal(text)}) == f'{{"amount":"{text}"}}'.encode()
    assert to_json({"amount": Decimal("1E+3")}) == b'{"amount":"1000"}'


def test_a_charge_and_what_becomes_of_it(billing: Client) -> None:
    event = charge_id("meter-7", DAY, 1)
    charge = billing.charges.create(
        id=event,
        customer="ACME",
        service="hosting",
        quantity=Decimal("58.5"),
        incurred_on=DAY,
        metadata={"cluster": "7", "note": "“é” 漢"},
    )
    assert (charge.id, charge.amount, charge.unit_price, charge.quantity) == (
        event,
        Decimal("2.925"),
        Decimal("0.05"),
        Decimal("58.5"),
    )
    assert (charge.incurred_on, charge.metadata["note"], charge.invoice, charge.replayed) == (
        DAY,
        "“é” 漢",
        None,
        False,
    )
    assert charge.created_at.tzinfo is not None
    with pytest.raises(FrozenInstanceError):
        charge.amount = Decimal(0)  # type: ignore[misc]
    again = billing.charges.create(id=event, customer="ACME", service="hosting", quantity="58.50")
    assert (again.replayed, again.id) == (True, event)
    assert billing.charges.hold(event, "Asked about").status == "held"
    assert billing.charges.release(event, "Answered").status == "pending"
    replacement = billing.charges.correct(event, "Was too much", quantity=50)
    assert (replacement.replaces, replacement.amount, billing.charges.get(event).replaced_by) == (
        event,
        Decimal("2.5"),
        replacement.id,
    )
    assert billing.charges.cancel(replacement.id, "Not owed").status == "cancelled"


def test_a_likely_duplicate_is_named_and_kept(billing: Client) -> None:
    first, second = work(billing), work(billing)
    assert second.possible_duplicate_of == (first.id,)
    assert [charge.id for charge in billing.charges.list(possible_duplicate=True)] == [second.id]
    assert billing.charges.keep(second.id, "Twice on purpose").possible_duplicate_of == ()


def test_many_charges_go_in_batches_and_are_read_as_they_are_needed(billing: Client) -> None:
    sizes: list[int] = []
    progress: list[tuple[int, int]] = []

    def usage() -> Any:
        for n in range(25):
            sizes.append(n)
            yield {"id": UUID(int=n + 1), "customer": "ACME", "service": "hosting", "quantity": n + 1}

    def tell(batch: Any) -> None:
        progress.append((batch.created, len(sizes)))

    assert billing.charges.create_many(usage(), batch_size=10, on_batch=tell) == Totals(25, 0, 0)
    assert progress == [(10, 11), (10, 21), (5, 25)]  # the client reads one charge ahead, to check whether it fits
    assert billing.charges.create_many(usage(), batch_size=7) == Totals(0, 25, 0)
    without_id: Any = [{"customer": "ACME", "service": "hosting", "quantity": 1}] * 3
    assert billing.charges.create_many(without_id) == Totals(3, 0, 3)
    assert billing.charges.create_many([]) == Totals()
    with pytest.raises(ValueError, match="1 to 10,000"):
        billing.charges.create_many([], 10_001)


def test_a_batch_that_is_refused_names_its_charges(billing: Client) -> None:
    rows: list[Any] = [{"customer": "ACME", "service": "hosting", "quantity": str(n + 1)} for n in range(10)]
    rows[6] = {"customer": "ACME", "service": "hosting", "quantity": "many"}
    with pytest.raises(Invalid) as caught:
        billing.charges.create_many(rows, batch_size=4)
    batch = caught.value.batch
    assert batch is not None
    assert (batch.first, batch.posted, [one.row for one in caught.value.errors]) == (4, Totals(4, 0, 0), [2])
    assert batch.charges[2]["quantity"] == "many"
    assert all("id" in charge for charge in batch.charges)
    refused: list[Refused] = []
    assert billing.charges.create_many(rows, batch_size=4, on_refused=refused.append).created == 6
    assert [type(error) for error in refused] == [Invalid]


def test_a_batch_that_contradicts_what_is_stored_names_the_row(billing: Client) -> None:
    work(billing, "1", id=UUID(int=2))
    rows: list[Any] = [
        {"id": UUID(int=n), "customer": "ACME", "description": "Work", "amount": "2", "incurred_on": DAY}
        for n in (1, 2, 3)
    ]
    with pytest.raises(Conflict) as caught:
        billing.charges.create_many(rows)
    assert [(error.row, error.differs) for error in caught.value.errors] == [(1, ("amount",))]
    assert isinstance(caught.value.errors[0], FieldError)


def test_batches_are_small_enough_for_the_server(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_client.resources.charges.MAX_BATCH_BYTES", 300)
    stand_in.says(Said(201, {"created": 1, "replayed": 0, "possible_duplicates": [], "ids": []}))
    rows: list[Any] = [{"customer": "ACME", "description": "x" * n} for n in (10, 10, 400, 10)]
    Client(stand_in.address, TOKEN).charges.create_many(rows)
    assert [len(request.content["charges"]) for request in stand_in.asked] == [2, 1, 1]


def test_every_list_goes_on_to_its_end(app: Flask, billing: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PAGE_SIZE", 2)
    with app.app_context():
        make_tax_rate()
    for n in range(5):
        billing.customers.create(reference=f"C{n}", name=f"Customer {n}", currency="EUR")
        billing.services.create(code=f"s{n}", prices={"EUR": "1"})
        billing.charges.create(customer=f"C{n}", service=f"s{n}", quantity=n + 1, incurred_on=DAY)
        billing.recurring_charges.create(customer=f"C{n}", service=f"s{n}", interval="monthly", starts_on=TODAY)
        billing.payments.create(customer=f"C{n}", amount=n + 1, method="cash", allocate=[])
        billing.billing_runs.create(through=TODAY, customers=[f"C{n}"], issue=True)
    assert sorted(customer.reference for customer in billing.customers.list()) == [
        "ACME",
        "C0",
        "C1",
        "C2",
        "C3",
        "C4",
    ]
    assert [one.code for one in billing.services.list(q="s")][:5] == ["s4", "s3", "s2", "s1", "s0"]
    assert len({one.id for one in billing.charges.list(status="billed", from_=DAY, to=DAY)}) == 5
    assert len(list(billing.recurring_charges.list(status="active"))) == 5
    assert sum(one.amount for one in billing.payments.list(from_=LONG_AGO)) == 15
    assert len({one.run for one in billing.invoices.list(status="issued")}) == 5
    assert len(list(billing.billing_runs.list())) == 5
    assert len(list(billing.tax_rates.list())) >= 1
    events = list(billing.audit_events.list())
    assert len({one.id for one in events}) == len(events) > 25
    history = billing.audit_events.list(object=next(billing.charges.list()).id)
    assert {event.object.type for event in history} == {"billing_run", "charge", "invoice"}


def test_settings_logo_and_bank_accounts(billing: Client, tmp_path: Path) -> None:
    settings = billing.organisation.get()
    assert (settings.legal_name, settings.logo, settings.locked_through) == ("Example Ltd", None, None)
    changed = billing.organisation.update(settings, street="Wolkenallee 12", city="Berlin", country="DE")
    assert (changed.country, changed.payment_terms_days) == ("DE", settings.payment_terms_days)
    with pytest.raises(Stale):
        billing.organisation.update(settings, city="Bonn")
    path, data = tmp_path / "logo.png", make_png(30, 10)
    path.write_bytes(data)
    logo = billing.organisation.set_logo(path)
    assert (logo.width, logo.content, billing.organisation.set_logo(data)) == (30, data, logo)
    assert billing.organisation.logo(logo.sha256) == logo
    assert billing.organisation.remove_logo().logo is None
    with pytest.raises(NotFound):
        billing.organisation.logo("0" * 64)
    account = billing.bank_accounts.create(currency="EUR", iban="DE89 3704 0044 0532 0130 00", bank_name="Commerzbank")
    assert (account.iban, account.default, account.replayed) == ("DE89370400440532013000", True, False)
    assert billing.bank_accounts.update(account, holder="Clouds", archived=True).archived
    assert billing.bank_accounts.get(account.id).holder == "Clouds"
    assert [listed.id for listed in billing.bank_accounts.list()] == [account.id]
    rate = billing.exchange_rates.set(currency="USD", day=DAY, rate="1.0832", source="ECB")
    assert (rate.rate, rate.base_currency, rate.day.isoformat()) == (Decimal("1.0832"), "EUR", str(DAY))
    assert list(billing.exchange_rates.list(currency="USD", from_=DAY)) == [rate]
    assert billing.exchange_rates.download(tmp_path / "rates.csv").sha256 == billing.exchange_rates.totals().sha256
    assert billing.exchange_rates.remove("USD", DAY) == rate
    file = billing.bank_accounts.download(tmp_path / "accounts.csv")
    assert (file.sha256, billing.bank_accounts.totals().rows) == (billing.bank_accounts.totals().sha256, 1)


def test_message_texts_are_changed_and_restored(billing: Client) -> None:
    assert len(list(billing.message_texts.list())) == 24
    text = billing.message_texts.get("reminder-1", "de")
    assert (text.built_in, "documents" in text.fields, text.etag) == (True, True, '"1"')
    changed = billing.message_texts.update(text, subject="Erinnerung: {numbers}")
    assert (changed.built_in, changed.subject, changed.body) == (False, "Erinnerung: {numbers}", text.body)
    with pytest.raises(Stale):
        billing.message_texts.update(text, body="{documents}")
    assert billing.message_texts.restore("reminder-1", "de").subject == text.subject


def test_many_documents_are_marked_as_sent(billing: Client) -> None:
    billing.customers.create(name="ACME", currency="USD", reference="ACME-2")
    billing.charges.create(customer="ACME-2", description="Storage", amount="10", incurred_on="2026-01-31")
    billing.billing_runs.create(through="2026-01-31", issue=True)
    run = billing.messages.mark_many_sent("By letter", customer="ACME-2")
    assert (run.act, run.documents, run.sent, run.left_out) == ("mark_sent", 1, 1, ())
    assert billing.messages.get_run(run.id).reason == "By letter"
    assert billing.messages.resume_outbox().messages == 0
    assert [listed.id for listed in billing.messages.runs()] == [run.id]
    [invoice] = billing.invoices.list(customer="ACME-2")
    again = billing.messages.send_many(invoices=[str(invoice.number)])
    assert [row.reason for row in again.left_out] == ["already_sent"]


def test_reminder_settings_and_pauses(billing: Client) -> None:
    settings = billing.reminders.settings()
    assert [level.days_after_due for level in settings.levels] == [3, 14, 28]
    assert billing.reminders.update_settings(settings, daily=True).daily
    with pytest.raises(Stale):
        billing.reminders.update_settings(settings, daily=False)
    pause = billing.reminders.pause(customer="ACME", through="2199-01-31", reason="Disputed")
    assert (pause.through.year, pause.invoice, list(billing.reminders.pauses())) == (2199, None, [pause])
    assert billing.reminders.resume(pause.id).ended_at is not None
    assert not list(billing.reminders.pauses())


def test_customer_fields_are_defined_and_filled(billing: Client) -> None:
    field = billing.customer_fields.create(key="region", label="Region", type="choice", choices=["North", "South"])
    customer = billing.customers.create(name="Valued", currency="EUR", metadata={"region": "south"})
    assert customer.metadata == {"region": "South"}
    assert [row.id for row in billing.customers.list(metadata="region=South")] == [customer.id]
    with pytest.raises(Invalid) as caught:
        list(billing.customers.list(metadata="area=South"))
    assert caught.value.errors[0].field == "metadata"
    with pytest.raises(Invalid) as caught:
        billing.customers.update(billing.customers.get(str(customer.id)), metadata={"region": "East"})
    assert caught.value.errors[0].field == "region"
    changed = billing.customers.update(billing.customers.get(str(customer.id)), metadata={"region": ""})
    assert changed.metadata == {}
    assert billing.customer_fields.update(billing.customer_fields.get(field.id), listed=True, archived=True).archived
    assert [listed.key for listed in billing.customer_fields.list()] == ["region"]


def test_customers_and_services_are_changed_as_they_were_read(billing: Client) -> None:
    customer = billing.customers.create(name="A & B/C", currency="USD", reference="A/B", payment_terms_days=30)
    assert customer.etag
    changed = billing.customers.update(customer, name="New", payment_terms_days=None)
    assert (changed.name, changed.payment_terms_days) == ("New", None)
    assert billing.customers.update(changed, archived=True).archived
    assert billing.customers.get("A/B").archived
    service = billing.services.create(code="db", prices={"EUR": Decimal("0.000001")}, line_per_charge=True)
    assert service.prices == {"EUR": Decimal("0.000001")}
    assert billing.services.update(service, prices={"USD": 2}).prices == {"USD": Decimal(2)}
    assert billing.services.get("db").code == "db"


def test_prices_are_planned_listed_and_removed(billing: Client) -> None:
    billing.services.create(code="db", prices={"EUR": 1})
    planned = billing.services.set_price("db", currency="EUR", unit_price="1.5", valid_from="2190-01-01")
    assert (planned.unit_price, planned.status, planned.replayed) == (Decimal("1.5"), "future", False)
    prices = list(billing.services.prices("db"))
    assert [(price.valid_from, price.status) for price in prices] == [
        (date(1970, 1, 1), "current"),
        (date(2190, 1, 1), "future"),
    ]
    assert billing.services.remove_price("db", currency="EUR", valid_from=date(2190, 1, 1)).unit_price == Decimal("1.5")
    assert len(list(billing.services.prices("db"))) == 1


def test_a_bill_is_rehearsed_run_read_and_explained(billing: Client, tmp_path: Path) -> None:
    for amount in ("10.005", "0.001", "5"):
        work(billing, amount)
    assert billing.customers.current_invoice("ACME", through=TODAY).charges == 3
    preview = billing.billing_runs.preview(through=TODAY)
    assert (preview.state, preview.documents[0].net) == ("preview", Decimal("15.01"))
    assert (preview.reviews[0].net, "new" in preview.reviews[0].flags) == (Decimal("15.01"), True)
    first = preview.reviews[0]
    exclude: list[RunAccount] = [{"customer": first.customer, "currency": first.currency}]
    excluding = billing.billing_runs.preview(through=TODAY, change_percent=5, exclude=exclude)
    assert (excluding.documents, excluding.excluded[0].customer) == ((), first.customer)
    run = billing.billing_runs.create(through=TODAY, confirmed=preview.digest, issue=True)
    assert (run.state, run.invoices, run.totals[0].net) == ("done", 1, Decimal("15.01"))
    assert billing.billing_runs.get(run.id).progress.of == 1
    assert billing.billing_runs.create(id=run.id, through=TODAY, issue=True).replayed
    [invoice] = billing.invoices.list(run=run.id)
    assert invoice.number
    assert [line.charges for line in invoice.lines] == [1, 1, 1]
    assert invoice.balance == invoice.total
    assert billing.invoices.get(invoice.number) == billing.invoices.get(invoice.id)
    assert sum(line.exact_sum for line in billing.invoices.explain(invoice.number).lines) == Decimal("15.006")
    readiness = billing.invoices.readiness(invoice.number)
    assert (readiness.ready, readiness.e_invoice) == (True, "none")
    assert {shortcoming.severity for shortcoming in readiness.shortcomings} == {"warning"}
    for kind, download, totals in (
        ("invoices", billing.invoices.download, billing.invoices.totals),
        ("lines", billing.invoices.download_lines, billing.invoices.line_totals),
    ):
        file = download(tmp_path / f"{kind}.csv", run=run.id)
        assert totals(run=run.id).sha256 == file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
    with (tmp_path / "invoices.csv").open(newline="") as text:
        assert [row["number"] for row in csv.DictReader(text)] == [invoice.number]
    assert (
        billing.charges.download(tmp_path / "c.csv", invoice=invoice.number).sha256 == billing.charges.totals().sha256
    )


def test_drafts_are_changed_and_issued(billing: Client) -> None:
    first, second = work(billing, "1"), work(billing, "2")
    billing.billing_runs.create(through=TODAY, issue=False)
    draft = billing.invoices.get(next(billing.invoices.list(status="draft")).id)
    draft = billing.invoices.update(draft, note="Thank you", purchase_order="PO 7")
    assert (draft.note, draft.number) == ("Thank you", None)
    assert billing.invoices.move_charges(draft.id, remove=[second.id]).net == 1
    assert billing.invoices.move_charges(draft.id, add=[second.id], remove=[first.id]).net == 2
    issued = billing.invoices.issue(draft.id)
    assert issued.status == "issued"
    assert billing.invoices.issue(draft.id, TODAY).number == issued.number


def test_an_invoice_is_voided_credited_and_written_off(billing: Client) -> None:
    wrong = invoiced(billing, "10")
    void = billing.invoices.void(wrong.number, "Wrong", charges="billed_again")
    assert (void.status, void.replaced_by is None) == ("void", False)
    assert void.replaced_by
    right = billing.invoices.issue(void.replaced_by)
    note = billing.invoices.credit(right.id, "Too slow", lines=[{"line": right.lines[0].id, "amount": "4"}])
    assert (note.kind, note.corrects) == ("credit_note", right.number)
    remainder = billing.invoices.get(right.id).balance
    assert billing.invoices.write_off(right.id, remainder, "Not worth it").method == "write_off"
    assert billing.invoices.get(right.id).balance == 0
    again = billing.invoices.bill_again(
        right.id, "Slower still", [{"line": right.lines[0].id, "amount": "5"}], issue=True, apply_credit=True
    )
    assert (again.credit_note.corrects, again.invoice.status) == (right.number, "issued")
    assert again.invoice.net == 5


def test_a_payment_is_recorded_allocated_withdrawn_and_reversed(billing: Client, tmp_path: Path) -> None:
    invoice = invoiced(billing, "100")
    payment = billing.payments.create(customer="ACME", amount=Decimal(60), method="cash", reference="P 1", allocate=[])
    assert payment.unallocated == 60
    payment = billing.payments.allocate(payment.id, [{"invoice": invoice.number, "amount": "40"}])
    assert [payment.allocations[0].amount, payment.unallocated] == [40, 20]
    payment = billing.payments.withdraw(payment.id, payment.allocations[0].id, "Another one's")
    assert payment.allocations == ()
    assert billing.payments.allocate(payment.id, "oldest").unallocated == 0
    [balance] = billing.customers.balance("ACME").balances
    assert balance.balance == invoice.total - 60
    [statement] = billing.customers.statement("ACME", from_=LONG_AGO, currency="EUR").statements
    assert [statement.opening, statement.closing] == [0, balance.balance]
    assert len(statement.entries) >= 2
    people: list[NewRecipient] = [{"address": "maria@acme.example", "name": "Maria Huber"}]
    message = billing.customers.send_statement("ACME", currency="EUR", recipients=people)
    assert (message.purpose, message.state, message.recipients[0].name) == ("statement", "waiting", "Maria Huber")
    credit = billing.payments.create(customer="ACME", amount=5, method="cash", allocate=[])
    refund = billing.refunds.create(customer="ACME", amount=Decimal(3), method="cash", reference="R 1")
    assert (refund.amount, refund.status, refund.payments[0].payment) == (Decimal(3), "recorded", credit.id)
    assert [one.id for one in billing.refunds.list(reference="R 1")] == [refund.id]
    assert billing.refunds.reverse(refund.id, "Returned").status == "reversed"
    assert billing.refunds.get(refund.id).reversal_reason == "Returned"
    assert billing.refunds.download(tmp_path / "refunds.csv").sha256 == billing.refunds.totals().sha256
    assert billing.payments.reverse(payment.id, "Bounced").status == "reversed"
    assert billing.payments.get(payment.id).reversal_reason == "Bounced"
    assert billing.payments.download(tmp_path / "payments.csv").sha256 == billing.payments.totals().sha256
    assert billing.customers.balance("ACME", as_of=BEFORE_ALL).balances == ()


def test_what_comes_again_is_paused_resumed_changed_and_ended(billing: Client) -> None:
    recurring = billing.recurring_charges.create(
        customer="ACME", service="hosting", interval="monthly", starts_on="2026-12-01"
    )
    assert recurring.next[0].amount == Decimal("0.05")
    assert billing.recurring_charges.pause(recurring.id, "Holiday").paused_on
    assert billing.recurring_charges.resume(recurring.id).paused_on is None
    after = billing.recurring_charges.change(recurring.id, date(2027, 2, 1), quantity=3)
    assert after.follows == recurring.id
    assert after.quantity == 3
    assert billing.recurring_charges.end(after.id, date(2027, 12, 31)).ends_on == date(2027, 12, 31)
    assert billing.recurring_charges.get(recurring.id).followed_by == after.id


def test_the_books_say_how_far_they_are(billing: Client) -> None:
    invoice = invoiced(billing, "10")
    [series] = billing.books.number_series().data
    assert (series.given, series.gaps) == (1, ())
    assert series.next_number != invoice.number
    assert billing.books.period_lock().locked_through is None


def test_a_run_in_the_background_is_waited_for(billing: Client) -> None:
    work(billing)
    run = billing.billing_runs.create(through=TODAY, background=True, issue=True)
    assert billing.billing_runs.wait(run.id, seconds=20, every=0.1).invoices == 1


RUN: dict[str, Any] = {
    "id": str(UUID(int=7)),
    "state": "running",
    "through": "2026-11-30",
    "issue": True,
    "issue_date": "2026-11-30",
    "invoices": 0,
    "charges": 0,
    "totals": [],
    "left_out": [],
    "progress": {"done": 1, "of": 3},
    "created_at": "2026-11-30T09:30:00Z",
    "created_by": "meter",
}


def test_a_run_is_looked_at_until_it_is_over(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("billing_client.resources.billing_runs.sleep", slept.append)
    client = Client(stand_in.address, TOKEN)
    stand_in.says(Said(202, RUN, {"Location": f"/api/v1/billing-runs/{RUN['id']}"}))
    run: BillingRun = client.billing_runs.create(id=RUN["id"], through="2026-11-30", background=True)
    assert (run.state, run.progress.of) == ("running", 3)
    queued = Said(content=RUN | {"state": "queued"})  # a value that a later server may add
    stand_in.says(queued, *[Said(content=RUN)] * 12, Said(content=RUN | {"state": "done", "invoices": 48}))
    assert client.billing_runs.wait(RUN["id"]).invoices == 48
    assert slept[:2] == [0.2, pytest.approx(0.3)]
    assert slept[-1] == 5
    stand_in.says(Said(content=RUN | {"state": "failed", "failure": "The disk is full."}))
    with pytest.raises(RunFailed, match="The disk is full") as failed:
        client.billing_runs.wait(RUN["id"])
    assert failed.value.run.state == "failed"
    stand_in.says(Said(content=RUN))
    with pytest.raises(WaitExpired) as expired:
        client.billing_runs.wait(RUN["id"], seconds=0)
    assert expired.value.run.state == "running"
