"""Billing runs: choose charges, preview and confirm documents, show the result.

Exactly the documents of the preview are confirmed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, RadioField, SelectField

from billing_admin.background import wake_worker
from billing_admin.db.engine import db
from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.billing_review import (
    DEFAULT_CHANGE_PERCENT,
    FLAG_LABELS,
    FLAGS,
    MAX_CHANGE_PERCENT,
    ReviewedDocument,
    SnapshotChange,
    SnapshotRow,
    compare_snapshots,
    pack_snapshot,
    snapshot_rows,
    unpack_snapshot,
)
from billing_admin.domain.billing_runs import EXCLUDED
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.formatting import format_exact, format_money, format_whole
from billing_admin.domain.lifecycle import default_cut_off, due_date
from billing_admin.domain.money import MINOR_DIGITS, currency_code
from billing_admin.domain.translation import Phrase, join, plural
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import unrecorded_attachment
from billing_admin.http.lock_waits import bounded_transaction, run_bounded
from billing_admin.models import BillingRun, Invoice
from billing_admin.operations.billing import runs as operations
from billing_admin.operations.billing.runs import PreviewedDocument, RunSpec
from billing_admin.operations.invoices.renditions import draft_pdf
from billing_admin.operations.messages.documents import SendingPlan, plan_sending
from billing_admin.queries import jobs
from billing_admin.queries.billing import preview as billing, runs as queries
from billing_admin.queries.billing.review import account_histories, review
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.invoices.readiness import details_of
from billing_admin.queries.master_data import customers
from billing_admin.queries.messages.documents import count_unsent, unsent_ids
from billing_admin.queries.payments.refunds import credit_by_currency
from billing_admin.queries.selections import selected_row_ids
from billing_admin.web.charges.selected import SELECTION_GONE
from billing_admin.web.frame.customer_field import CustomersField
from billing_admin.web.frame.forms import DayField, Form, NewIdField, TextField, add_errors, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import NOTHING_CHANGED, left_out_reason, pluralise
from billing_admin.web.frame.list_params import (
    choice_param,
    currency_param,
    day_param,
    has_permission,
    id_param,
    name_params,
    strict_day_param,
    text_param,
)
from billing_admin.web.frame.readiness import group_shortcomings, show_shortcomings
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.system_lists import BILLING_RUNS
from billing_admin.web.frame.tables import load_table
from billing_admin.web.frame.template_filters import amounts
from billing_admin.web.invoices.bank_account import bank_account_facts

WRITE = "billing:write"
HOLD = "charges:write"
MAX_PREVIEW_ROWS = 100  # accounts on a page; no more than a run may exclude
CURRENCY_OF_RUN = "run_currency"  # in the address of a document, whose path names the currency of its account
HELD_IN_PREVIEW = Phrase("Held in the preview of a billing run")
MAX_PLANNED = 1_000  # unsent documents of a run that its page looks up one by one
NOTHING_SELECTED = Phrase("Nothing changed. Select the customers first.")
MAKE_CHOICES = {
    "issue": Phrase("Issue invoices now — Each invoice gets its number and can no longer be changed."),
    "drafts": Phrase("Create drafts — You can check each draft, then issue or discard it."),
}

pages = page_blueprint("billing_runs", __name__, "/billing-runs", write=WRITE)


class RunForm(Form):
    """The charges to bill and the documents to make."""

    through = DayField(Phrase("Charges up to"), blank_message=Phrase("Enter the last day to bill, such as 2026-11-30."))
    currency = SelectField(Phrase("Currency"), default="")
    customers = CustomersField()
    make = RadioField(Phrase("Documents"), choices=MAKE_CHOICES)
    issue_date = DayField(Phrase("Issue date"))
    purchase_order = TextField(Phrase("Purchase order number"))


class ConfirmForm(Form):
    """Confirmation of a preview.

    `id` is that of the new run; `digest` identifies the preview that was shown, and `shown` holds its amounts, to name what
    has changed since.
    """

    id = NewIdField()
    digest = HiddenField()
    shown = HiddenField()


@pages.get("")
def index() -> ResponseReturnValue:
    """List the billing runs, newest first."""
    page = load_table(queries.runs(), BILLING_RUNS)
    totals = queries.run_totals(db.session(), {run.id for run in page.rows})
    return render_template("billing_runs/list.html", page=page, totals=totals, may_write=has_permission(WRITE))


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Choose the charges to bill."""
    form = _filled_form()
    if form.validate_on_submit():
        try:
            spec = _spec_from_form(form)
            operations.resolve_scope(db.session(), spec, now())
        except Invalid as error:
            add_errors(form, error)
        else:
            return redirect(url_for("billing_runs.preview", **_url_params(spec)), 303)
    return _render_form(form)


def _render_form(form: RunForm) -> ResponseReturnValue:
    parameters: dict[str, Any] = {"selection": id_param("selection"), "exclude": name_params("exclude")}
    return render_form(
        "billing_runs/form.html",
        form,
        selected=_count_selected(),
        selection=parameters["selection"],
        excluded=len(parameters["exclude"]),
        form_url=url_for("billing_runs.new", **parameters),
        all_charges_url=url_for("billing_runs.new", **parameters | {"selection": None}),
        all_customers_url=url_for("billing_runs.new", **parameters | {"exclude": None}),
    )


def _filled_form(**options: Any) -> RunForm:
    day = today()
    form = RunForm(
        **options,
        through=day_param("through") or default_cut_off(day),
        currency=currency_param(),
        customers="\n".join(_customer_params()),
        make=choice_param("make", ("issue", "drafts")) or "issue",
        issue_date=day_param("issue_date") or day,
        purchase_order=text_param("purchase_order"),
    )
    currencies = customers.account_currencies(db.session())
    form.currency.choices = {"": Phrase("All currencies")} | {code: code for code in currencies}
    return form


def _spec_from_form(form: RunForm) -> RunSpec:
    return RunSpec(
        through=form.through.data,
        customers=_references(form) or None,
        currency=form.currency.data or None,
        issue=form.make.data == "issue",
        issue_date=form.issue_date.data or today(),
        purchase_order=form.purchase_order.data or None,
        exclude=_excluded_params(),
        charges=_selected_charges(),
    )


def _selected_charges() -> tuple[UUID, ...] | None:
    """Return the selected charges that the URL names, or None for all.

    Raises:
        NotFound: There is no such selection, or it was deleted.
    """
    selection_id = id_param("selection")
    if selection_id is None:
        return None
    ids = tuple(selected_row_ids(db.session(), selection_id))
    if not ids:
        raise NotFound("unknown_selection", SELECTION_GONE)
    return ids


def _count_selected() -> int:
    return len(_selected_charges() or ())


def _references(form: RunForm) -> tuple[str, ...]:
    try:
        return form.customers.references()
    except Invalid as error:
        raise Invalid(error.code, error.message, "customers") from error


def _url_params(spec: RunSpec) -> dict[str, Any]:
    return {
        "through": spec.through.isoformat(),
        "customer": spec.customers,
        "currency": spec.currency,
        "make": "issue" if spec.issue else "drafts",
        "issue_date": spec.issue_date.isoformat() if spec.issue_date else None,
        "purchase_order": spec.purchase_order,
        "exclude": [f"{name}:{currency}" for name, currency in spec.exclude],
        "selection": id_param("selection"),
    }


def _excluded_params() -> tuple[tuple[str, str], ...]:
    """Return the excluded accounts in the URL, each by customer and currency.

    They are written as `?exclude=C-0114:EUR`. Raises Invalid for another form.
    """
    accounts = []
    for text in name_params("exclude"):
        name, colon, currency = text.rpartition(":")
        if not colon:
            raise Invalid("not_an_account", Phrase("Name a customer and a currency, such as C-0114:EUR."), "exclude")
        accounts.append((name, currency))
    return tuple(dict.fromkeys(accounts))


def _customer_params() -> list[str]:
    """Return the customers in the URL, `?customer=A&customer=B`.

    Bookmarks of an earlier version hold several names in one `customers`, separated by commas. It is read as one name, since
    names may contain commas; if it held several names, the page says that the customer does not exist.
    """
    return name_params("customer", "customers")


def _spec_from_url(id: UUID | None = None, digest: str | None = None) -> RunSpec | None:
    """Return the run that the URL describes; None without a valid last day."""
    through = strict_day_param("through")
    if through is None:
        return None
    return RunSpec(
        through=through,
        customers=tuple(_customer_params()) or None,
        currency=currency_param() or None,
        issue=choice_param("make", ("issue", "drafts")) != "drafts",
        issue_date=strict_day_param("issue_date") or today(),
        confirmed=digest,
        id=id,
        purchase_order=text_param("purchase_order") or None,
        exclude=_excluded_params(),
        charges=_selected_charges(),
    )


@pages.get("/preview")
def preview() -> ResponseReturnValue:
    """Show the documents that a run would make, and what it would leave out and why.

    Writes nothing.
    """
    spec = _spec_from_url()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    return _render_preview(spec, ConfirmForm(formdata=None))


@pages.post("/preview", provide_automatic_options=False)  # `preview` answers OPTIONS at this URL
def confirm() -> ResponseReturnValue:
    """Start the run if its preview is still the one that was shown.

    Otherwise show the new preview.
    """
    form = ConfirmForm()
    spec = _spec_from_url(form.id.data, form.digest.data or "")
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    if not form.validate():
        return _render_preview(spec, form)
    try:
        run_id, created = transaction(operations.start_in_background, spec, actor(), now())
    except DomainError as error:
        return _show_refusal(spec, form, error)
    wake_worker()
    if created:
        flash(_describe_result(run_id), "success")
    return redirect(url_for("billing_runs.show", id=run_id), 303)


@pages.post("/preview/hold-duplicates")
def hold_duplicates() -> ResponseReturnValue:
    """Hold the likely duplicates in a preview, and show the new preview."""
    actor().require(HOLD)
    spec = _spec_from_url()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    view = _read_view()
    try:
        held = bounded_transaction(operations.hold_duplicates, spec, actor(), now())
    except Invalid as error:
        return _choose_again(error)
    message = (
        plural("{count} charge held. Review the new preview.", "{count} charges held. Review the new preview.", held)
        if held
        else NOTHING_CHANGED
    )
    flash(message, "success" if held else "info")
    return redirect(url_for("billing_runs.preview", **_url_params(spec), **view.url_params()), 303)


@pages.post("/preview/exclude")
def exclude() -> ResponseReturnValue:
    """Exclude the chosen accounts from a run, and show the new preview."""
    spec = _spec_from_url()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    view = _read_view()
    accounts = _chosen_accounts()
    excluding = replace(spec, exclude=tuple(dict.fromkeys((*spec.exclude, *accounts))))
    try:
        operations.resolve_scope(db.session(), excluding, now())
    except Invalid as error:
        flash(error.message, "error")
        excluding = spec
    else:
        flash(
            plural(
                "{count} account excluded. Review the new preview.",
                "{count} accounts excluded. Review the new preview.",
                len(accounts),
            )
            if accounts
            else NOTHING_SELECTED,
            "success" if accounts else "error",
        )
    return redirect(url_for("billing_runs.preview", **_url_params(excluding), **view.url_params()), 303)


@pages.post("/preview/hold")
def hold() -> ResponseReturnValue:
    """Hold what a run would bill to the chosen accounts.

    The new preview is shown.
    """
    actor().require(HOLD)
    spec = _spec_from_url()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    view = _read_view()
    accounts, reason = _chosen_accounts(), request.form.get("reason", "").strip() or HELD_IN_PREVIEW
    try:
        held = bounded_transaction(operations.hold_accounts, spec, accounts, reason, actor(), now()) if accounts else 0
    except Invalid as error:
        flash(error.message, "error")
    else:
        message = (
            plural(
                "{count} charge held. Review the new preview.", "{count} charges held. Review the new preview.", held
            )
            if held
            else NOTHING_CHANGED
        )
        flash(message if accounts else NOTHING_SELECTED, "success" if held else "info" if accounts else "error")
    return redirect(url_for("billing_runs.preview", **_url_params(spec), **view.url_params()), 303)


def _chosen_accounts() -> tuple[tuple[str, str], ...]:
    """Return the accounts that were chosen on the page, each by customer and currency."""
    values = request.form.getlist("account")
    return tuple((name, currency) for name, _, currency in (value.rpartition(":") for value in values))


@pages.get("/preview/<uuid:customer_id>/<currency>")
def document(customer_id: UUID, currency: str) -> ResponseReturnValue:
    """Show the document that a run would make of one account."""
    spec, previewed = _load_document(customer_id, currency)
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    view = _read_view()
    return render_template(
        "billing_runs/document.html",
        spec=spec,
        customer=customers.customer(db.session(), str(customer_id)),
        currency=currency,
        previewed=previewed,
        due_date=due_date(spec.issue_date or today(), previewed.terms) if previewed and spec.issue else None,
        bank_account=_bank_account(previewed.draft) if previewed else None,
        shortcomings=show_shortcomings(
            (customer_id, shortcoming) for shortcoming in (previewed.prepared.shortcomings if previewed else ())
        ),
        history=account_histories(db.session(), {(customer_id, currency)}, spec.through).get((customer_id, currency)),
        preview_url=url_for("billing_runs.preview", **_url_params(spec), **view.url_params()),
        pdf_url=_document_url("billing_runs.document_pdf", customer_id, currency, spec, view),
    )


def _bank_account(draft: Invoice) -> Sequence[tuple[str, str]] | None:
    return bank_account_facts(details_of(db.session(), draft).account, draft.seller_name)


@pages.get("/preview/<uuid:customer_id>/<currency>.pdf")
def document_pdf(customer_id: UUID, currency: str) -> ResponseReturnValue:
    """Send the document that a run would make of one account as PDF.

    It is marked as a draft.
    """
    _, previewed = _load_document(customer_id, currency)
    if previewed is None:
        raise NotFound("nothing_to_bill", Phrase("There is nothing to bill to this account."), "currency")
    return unrecorded_attachment(
        draft_pdf(db.session(), previewed.draft, load_glyphs()), "draft.pdf", "application/pdf"
    )


def _load_document(customer_id: UUID, currency: str) -> tuple[RunSpec | None, PreviewedDocument | None]:
    customers.customer(db.session(), str(customer_id))  # raises NotFound
    spec = _spec_from_url()
    if spec is None:
        return None, None
    account = (customer_id, currency_code(currency))
    whole = replace(spec, customers=None, exclude=())
    previewed = operations.preview_document(_roll_back, db.session(), whole, account, actor(), now())
    return replace(spec, currency=choice_param(CURRENCY_OF_RUN, MINOR_DIGITS) or None), previewed


def _show_refusal(spec: RunSpec, form: ConfirmForm, error: DomainError) -> ResponseReturnValue:
    """Show the page again after an error.

    It is the new preview after a conflict, or the first page if a date or customer was refused.
    """
    if isinstance(error, Conflict):
        if error.code == "id_conflict":
            form.id.data = uuid4()
        add_errors(form, error)
        return _render_preview(spec, form)
    return _choose_again(error)


def _choose_again(error: DomainError) -> ResponseReturnValue:
    form = _filled_form(formdata=None)
    add_errors(form, error)
    return _render_form(form)


def _render_preview(spec: RunSpec, form: ConfirmForm) -> ResponseReturnValue:
    session = db.session()
    try:
        view = _read_view()
        scope = operations.resolve_scope(session, spec, now())
        preview = operations.preview_run(_roll_back, session, spec, actor(), now())
    except Invalid as error:
        return _choose_again(error)
    shown_before = unpack_snapshot(form.shown.data or "") if form.errors else None
    snapshot = snapshot_rows(preview.documents, preview.document_digests, preview.left_out)
    form.digest.data, form.shown.data = preview.digest, pack_snapshot(snapshot)
    checked = review(session, scope, preview, view.share)
    rows, count = view.rows(checked.documents)
    return render_form(
        "billing_runs/preview.html",
        form,
        spec=spec,
        preview=preview,
        changes=_describe_changes(shown_before, snapshot, preview),
        checked=checked,
        rows=rows,
        row_count=count,
        view=view,
        tabs=_flag_tabs(view, checked.documents),
        page=_page_links(view, count),
        columns=_columns(view),
        view_filters=_view_filters(spec, view),
        flag_labels=FLAG_LABELS,
        document_urls={
            row.prepared.key: _document_url("billing_runs.document", *row.prepared.key, spec, view) for row in rows
        },
        excluded=[(row, _include_url(spec, row, view)) for row in preview.left_out if row.reason == EXCLUDED],
        left_out=[row for row in preview.left_out if row.reason != EXCLUDED],
        incomplete=group_shortcomings(preview.documents),
        due_totals=preview.due_sums,
        credit=credit_by_currency(db.session(), preview.documents if spec.issue else ()),
        max_rows=MAX_PREVIEW_ROWS,
        button=_button_label(spec, preview),
        change_url=url_for("billing_runs.new", **_url_params(spec)),
        confirm_url=url_for("billing_runs.confirm", **_url_params(spec), **view.url_params()),
        hold_duplicates_url=url_for("billing_runs.hold_duplicates", **_url_params(spec), **view.url_params()),
        hold_url=url_for("billing_runs.hold", **_url_params(spec), **view.url_params()),
        exclude_url=url_for("billing_runs.exclude", **_url_params(spec), **view.url_params()),
        held_in_preview=HELD_IN_PREVIEW,
        all_url=url_for("billing_runs.preview", **_url_params(spec) | {"selection": None}, **view.url_params()),
        selection=id_param("selection"),
        may_write=has_permission(WRITE),
        may_hold=has_permission(HOLD),
    )


@dataclass(frozen=True, slots=True)
class PreviewView:
    """The rows of a preview that the page shows: by flag, in an order, from a page on.

    `share` is the percentage from which a change of the amount is flagged.
    """

    flag: str
    sort: str
    page: int
    share: int

    def url_params(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of the view in a URL, without defaults."""
        view = replace(self, **changes)
        return {
            "flag": view.flag or None,
            "sort": view.sort or None,
            "page": view.page if view.page > 1 else None,
            "share": view.share if view.share != DEFAULT_CHANGE_PERCENT else None,
        }

    def rows(self, documents: Sequence[ReviewedDocument]) -> tuple[Sequence[ReviewedDocument], int]:
        """Return the rows of this page, and the number of rows on all pages."""
        rows = [row for row in documents if not self.flag or self.flag in row.flags]
        name = self.sort.removeprefix("-")
        if name:
            rows.sort(key=SORT_KEYS[name], reverse=self.sort.startswith("-"))
        first = (self.page - 1) * MAX_PREVIEW_ROWS
        return rows[first : first + MAX_PREVIEW_ROWS], len(rows)


# Amounts of different currencies are not compared: the currency comes first.
SORT_KEYS: dict[str, Callable[[ReviewedDocument], Any]] = {
    "total": lambda row: (row.prepared.document.currency, row.prepared.document.total),
    "charges": lambda row: row.prepared.document.charges,
    "change": lambda row: abs(row.change_percent) if row.change_percent is not None else -1,
}


# The columns with numbers, each with the order that it offers.
NUMBERS = {
    Phrase("Charges"): "charges",
    Phrase("Usual net"): "",
    Phrase("Net"): "",
    Phrase("Change"): "change",
    Phrase("Total"): "total",
}


def _read_view() -> PreviewView:
    """Return the view in the URL; raises Invalid for a value that is no choice."""
    orders = [sign + name for name in SORT_KEYS for sign in ("", "-")]
    return PreviewView(
        flag=choice_param("flag", FLAGS),
        sort=choice_param("sort", orders),
        page=_number_param("page", 1, 1_000_000),
        share=_number_param("share", DEFAULT_CHANGE_PERCENT, MAX_CHANGE_PERCENT),
    )


def _number_param(name: str, default: int, largest: int) -> int:
    text = text_param(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= largest:
        raise Invalid(
            "out_of_range", Phrase("Use a whole number from 1 to {largest}.", largest=format_whole(largest)), name
        )
    return int(text)


def _preview_url(view: PreviewView, **changes: Any) -> str:
    spec = _spec_from_url()
    return url_for("billing_runs.preview", **(_url_params(spec) if spec else {}), **view.url_params(**changes))


def _flag_tabs(view: PreviewView, documents: Sequence[ReviewedDocument]) -> list[dict[str, Any]]:
    counts = Counter(flag for row in documents for flag in row.flags)
    return [
        {
            "label": FLAG_LABELS.get(flag, Phrase("All")),
            "url": _preview_url(view, flag=flag, page=1),
            "count": counts[flag] if flag else len(documents),
            "active": flag == view.flag,
        }
        for flag in ("", *(flag for flag in FLAGS if counts[flag] or flag == view.flag))
    ]


def _columns(view: PreviewView) -> list[dict[str, Any]]:
    """Return the columns of the documents.

    A column that sorts begins with the largest values.
    """
    columns: list[dict[str, Any]] = [{"label": label} for label in (Phrase("Customer"), Phrase("Flags"))]
    for label, name in NUMBERS.items():
        column: dict[str, Any] = {"label": label, "numeric": True}
        if name:
            state = {name: "ascending", f"-{name}": "descending"}.get(view.sort)
            column["sort_url"] = _preview_url(view, sort=name if state == "descending" else f"-{name}", page=1)
            column["sort_state"] = state
        columns.append(column)
    return columns


def _view_filters(spec: RunSpec, view: PreviewView) -> list[tuple[str, str]]:
    """Return the parameters that the form of the percentage keeps.

    Each has one value.
    """
    pairs = []
    for name, value in {**_url_params(spec), **view.url_params(page=1), "share": None}.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, str(item)) for item in values if item]
    return pairs


def _page_links(view: PreviewView, count: int) -> dict[str, str | None]:
    has_next = view.page * MAX_PREVIEW_ROWS < count
    return {
        "first_url": _preview_url(view, page=1),
        "previous_url": _preview_url(view, page=view.page - 1) if view.page > 1 else None,
        "next_url": _preview_url(view, page=view.page + 1) if has_next else None,
    }


def _document_url(endpoint: str, customer_id: UUID, currency: str, spec: RunSpec, view: PreviewView) -> str:
    """Return the address of a document.

    It holds the run and the view of the preview, to lead back to it.
    """
    parameters = _url_params(spec) | view.url_params() | {"currency": currency, CURRENCY_OF_RUN: spec.currency}
    return url_for(endpoint, customer_id=customer_id, **parameters)


def _include_url(spec: RunSpec, row: billing.LeftOut, view: PreviewView) -> str:
    """Return the URL of the preview in which an excluded account is billed."""
    names = {(name, row.currency) for name in (row.reference, str(row.customer_id))}
    remaining = tuple(account for account in spec.exclude if account not in names)
    return url_for("billing_runs.preview", **_url_params(replace(spec, exclude=remaining)), **view.url_params())


@dataclass(frozen=True, slots=True)
class PreviewChange:
    """A part of a preview that has changed, in words."""

    name: str
    reference: str
    part: str
    description: str
    charges_before: int | None
    charges_after: int | None
    before: str
    after: str


def _describe_changes(
    before: Sequence[SnapshotRow] | None, after: Sequence[SnapshotRow], preview: billing.Preview
) -> list[PreviewChange]:
    """Return what has changed since the preview that was shown.

    The list is empty if that preview is not known.
    """
    if before is None:
        return []
    names = {row.reference: row.name for row in preview.documents}
    names.update((row.reference, row.name) for row in preview.left_out)
    changes = compare_snapshots(before, after)
    unnamed = [change.row.reference for change in changes[:MAX_PREVIEW_ROWS] if change.row.reference not in names]
    names.update(customers.names_by_reference(db.session(), unnamed))
    return [_describe_change(change, names.get(change.row.reference, "")) for change in changes]


def _describe_change(change: SnapshotChange, name: str) -> PreviewChange:
    old, new, row = change.before, change.after, change.row
    if old is None or new is None:
        description = Phrase("Added") if old is None else Phrase("Removed")
    elif old.charges != new.charges:
        difference = new.charges - old.charges
        description = (
            plural("{count} charge added", "{count} charges added", difference)
            if difference > 0
            else plural("{count} charge removed", "{count} charges removed", -difference)
        )
    else:
        description = Phrase("Amount changed") if old.amount != new.amount else Phrase("Content changed")
    return PreviewChange(
        name=name,
        reference=row.reference,
        part=f"{left_out_reason(row.reason)}, {row.currency}"
        if row.reason
        else Phrase("Document, {currency}", currency=row.currency),
        description=description,
        charges_before=old.charges if old else None,
        charges_after=new.charges if new else None,
        before=_snapshot_amount(old),
        after=_snapshot_amount(new),
    )


def _snapshot_amount(row: SnapshotRow | None) -> str:
    if row is None:
        return ""
    return (
        format_exact(Decimal(row.amount), row.currency) if row.reason else format_money(int(row.amount), row.currency)
    )


def _roll_back(work: Any, *args: Any) -> Any:
    """Run work in a transaction that is rolled back.

    It does not wait long for locked accounts.
    """
    return run_bounded(dry_run, lambda session: work(session, *args))


def _button_label(spec: RunSpec, preview: billing.Preview) -> str:
    count = len(preview.documents)
    if not spec.issue:
        return plural("Create {count} draft", "Create {count} drafts", count)
    return plural(
        "Issue {count} invoice, {totals}", "Issue {count} invoices, {totals}", count, totals=amounts(preview.totals)
    )


def _describe_documents(report: queries.RunReport) -> dict[str, str]:
    """Return the documents of a run as they are now.

    `heading` is for a table of them, `shown` for a link to their list, and `all` has their statuses.
    """
    existing, drafts = sum(report.statuses.values()), report.drafts
    issued, void = report.statuses.get("issued", 0), report.statuses.get("void", 0)
    shown = [pluralise(count, noun) for count, noun in ((existing - drafts, "invoice"), (drafts, "draft")) if count]
    statuses = [
        (issued, plural("{count} issued", "{count} issued", issued)),
        (drafts, pluralise(drafts, "draft")),
        (void, plural("{count} void", "{count} void", void)),
        (report.discarded, plural("{count} discarded", "{count} discarded", report.discarded)),
    ]
    return {
        "heading": Phrase("Drafts") if existing == drafts else Phrase("Invoices"),
        "shown": Phrase("{first} and {last}", first=shown[0], last=shown[1]) if len(shown) > 1 else join("", shown),
        "all": join(", ", [text for count, text in statuses if count]),
    }


def _describe_result(run_id: UUID) -> str:
    report = queries.run_report(db.session(), run_id)
    if report.run.state != "done":
        return Phrase("Billing run started.")
    totals = amounts(report.totals)
    if report.run.issue:
        return plural(
            "{count} invoice issued, {totals}.", "{count} invoices issued, {totals}.", report.invoices, totals=totals
        )
    return plural(
        "{count} draft created, {totals}.", "{count} drafts created, {totals}.", report.invoices, totals=totals
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show a run: its progress and result."""
    report, job = queries.run_report(db.session(), id), jobs.latest_job(db.session(), id)
    may_send = report.run.state == "done" and has_permission("messages:write")
    unsent = count_unsent(db.session(), InvoiceFilter(today(), run=str(id))) if may_send else 0
    return render_template(
        "billing_runs/show.html",
        report=report,
        job=job,
        documents=_describe_documents(report),
        only_document=queries.only_document(db.session(), id),
        sending=_plan_sending(id) if 0 < unsent <= MAX_PLANNED else None,
        unsent=unsent,
        live=report.run.state != "done" and job is not None and job.state in {"queued", "running"},
        may_write=has_permission(WRITE),
    )


def _plan_sending(id: UUID) -> SendingPlan:
    """Return which unsent documents of a run can be sent, and why others cannot."""
    return plan_sending(db.session(), unsent_ids(db.session(), InvoiceFilter(today(), run=str(id))))


@pages.post("/<uuid:id>/continue")
def resume(id: UUID) -> ResponseReturnValue:
    """Continue a run that stopped.

    A finished run does not change.
    """
    transaction(
        operations.start_in_background, _spec_from_run(queries.run_report(db.session(), id).run), actor(), now()
    )
    wake_worker()
    return redirect(url_for("billing_runs.show", id=id), 303)


def _spec_from_run(run: BillingRun) -> RunSpec:
    names: Any = run.customers
    issued_on: date = run.issue_date
    return RunSpec(
        through=run.through,
        customers=tuple(names) if names is not None else None,
        currency=run.currency,
        issue=run.issue,
        issue_date=issued_on,
        confirmed=run.confirmed,
        id=run.id,
        purchase_order=run.purchase_order,
    )  # accounts that it excludes stay as they are stored
