"""The journal of a period, and the names of its accounts."""

from datetime import date
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.journal import DEFAULT_ACCOUNTS, MAX_ACCOUNT_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.formats import export, journal as documents
from billing_admin.formats.export import META_SUFFIX
from billing_admin.formats.journal import FORMATS, JournalRequest
from billing_admin.http.downloads import Download, send_export, unrecorded_attachment
from billing_admin.operations.master_data import journal_accounts as operations
from billing_admin.queries.journal import Period, account_names
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import TextField, errors_on, render_form
from billing_admin.web.frame.guard import needs, page_blueprint
from billing_admin.web.frame.list_params import (
    day_range_params,
    filtered_url,
    flag_param,
    has_permission,
    strict_day_param,
)
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "journal:write"

pages = page_blueprint("journal", __name__, "/journal", write=WRITE)

LABELS = {
    "receivable": Phrase("Receivables"),
    "customer_credit": Phrase("Customers' credit"),
    "revenue": Phrase("Revenue"),
    "tax": Phrase("Tax"),
    "bank_transfer": Phrase("Bank transfers"),
    "direct_debit": Phrase("Direct debits"),
    "card": Phrase("Card payments"),
    "cash": Phrase("Cash"),
    "cheque": Phrase("Cheques"),
    "other": Phrase("Other payments"),
    "write_off": Phrase("Write-offs"),
    "opening_balance": Phrase("Opening balances"),
}


class AccountsForm(EditForm):
    """A name for each account; a blank one keeps its default name."""

    def names(self) -> dict[str, str]:
        """Return the names entered, by account."""
        return {key: self[key].data for key in DEFAULT_ACCOUNTS}


for _key, _label in LABELS.items():
    setattr(AccountsForm, _key, TextField(_label, max_length=MAX_ACCOUNT_LENGTH))


def _read_journal_request(format: str = "hledger") -> JournalRequest:
    """Return the journal that the URL names.

    Raises Invalid if the first day is after the last.
    """
    return JournalRequest(Period(strict_day_param("from"), strict_day_param("to")), format, flag_param("opening"))


@pages.get("")
def index() -> ResponseReturnValue:
    """Ask for the period, then show the totals of the journal and its files."""
    month_start = date(today().year, today().month, 1)
    first, last = day_range_params("from", "to", strict_day_param)
    files = [_describe_file(format) for format in FORMATS] if first or last or flag_param("whole") else []
    return render_template(
        "journal/show.html",
        first=first,
        last=last,
        opening=flag_param("opening"),
        last_month=_month_before(month_start),
        files=files,
        moment=now(),
        may_write=has_permission(WRITE),
        may_export=has_permission("exports:read"),
    )


def _month_before(day: date) -> tuple[date, date]:
    last = date.fromordinal(day.toordinal() - 1)
    return last.replace(day=1), last


def _describe_file(format: str) -> dict[str, Any]:
    journal_request = _read_journal_request(format)
    written = documents.journal_totals(db.session(), journal_request)
    return {
        "format": format,
        "totals": written.totals,
        "sha256": written.sha256,
        "url": filtered_url("journal.download", format=format),
        "meta_url": filtered_url("journal.meta", format=format),
    }


_RULE = f"/file.<any({', '.join(FORMATS)}):format>"


@pages.get(_RULE)
@needs("exports:read")
def download(format: str) -> ResponseReturnValue:
    """Stream the journal."""
    journal_request = _read_journal_request(format)
    file = Download(journal_request.name, FORMATS[format], journal_request.details)
    return send_export(file, lambda session: documents.journal_parts(session, journal_request))


@pages.get(f"{_RULE}{META_SUFFIX}")
@needs("exports:read")
def meta(format: str) -> ResponseReturnValue:
    """Send the control totals that the file has now."""
    journal_request = _read_journal_request(format)
    about = documents.describe_journal(
        journal_request,
        journal_request.name,
        documents.journal_totals(db.session(), journal_request),
        now(),
        actor().name,
    )
    return unrecorded_attachment(export.meta_json(about), journal_request.name + META_SUFFIX, "application/json")


@pages.route("/accounts", methods=["GET", "POST"])
def edit_accounts() -> ResponseReturnValue:
    """Edit the names of the accounts."""
    form = AccountsForm(data=_stored_names())
    if form.validate_on_submit():
        with errors_on(form):
            save(form, lambda: AccountsForm(formdata=None, data=_stored_names()), operations.update, form.names())
            flash(Phrase("The account names were saved. New journal files will use them."), "success")
            return redirect(url_for("journal.index"), 303)
    return render_form("journal/accounts.html", form, keys=list(DEFAULT_ACCOUNTS), default_names=DEFAULT_ACCOUNTS)


def _stored_names() -> dict[str, Any]:
    session = db.session()
    return {**account_names(session).names, "version": organisation(session).version}
