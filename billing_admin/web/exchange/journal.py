"""The accounting journal of a period, and the names of its accounts."""

from datetime import date
from typing import Any

from flask import Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import Stream, transaction
from billing_admin.domain.errors import Invalid
from billing_admin.domain.journal import DEFAULT_ACCOUNTS, MAX_ACCOUNT_LENGTH
from billing_admin.formats import export, journal as documents
from billing_admin.formats.export import META_SUFFIX
from billing_admin.formats.journal import FORMATS, JournalRequest
from billing_admin.operations.master_data import journal_accounts as operations
from billing_admin.queries.journal import Period, accounts
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.frame.editing import VersionField
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import filtered_url, has_permission, strict_day_param, text_param
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "settings:write"

pages = page_blueprint("journal", __name__, "/journal", write=WRITE)

LABELS = {
    "receivable": "Receivables",
    "customer_credit": "Customers' unallocated money",
    "revenue": "Revenue",
    "tax": "Tax",
    "bank_transfer": "Bank transfers",
    "direct_debit": "Direct debits",
    "card": "Card payments",
    "cash": "Cash",
    "cheque": "Cheques",
    "other": "Other payments",
    "write_off": "Write-offs",
}


class AccountsForm(Form):
    """A name for each account; blank is the usual one."""

    version = VersionField()

    def names(self) -> dict[str, str]:
        """What was entered."""
        return {key: self[key].data for key in DEFAULT_ACCOUNTS}


for _key, _label in LABELS.items():
    setattr(AccountsForm, _key, TextField(_label, max_length=MAX_ACCOUNT_LENGTH))


def _wanted(format: str = "hledger") -> JournalRequest:
    """The journal that the URL asks for; raises Invalid where the first day comes after the last."""
    return JournalRequest(
        Period(strict_day_param("from"), strict_day_param("to")), format, text_param("opening") == "1"
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """Choose the days; then what the journal adds up to, and its files. The month before this one is offered first."""
    last = date(today().year, today().month, 1)
    first, wrong, files = strict_day_param("from"), None, []
    try:
        files = [_file(format) for format in FORMATS] if first or strict_day_param("to") or text_param("whole") else []
    except Invalid as refusal:
        wrong = refusal.message
    return render_template(
        "journal/show.html",
        first=first,
        last=strict_day_param("to"),
        opening=text_param("opening") == "1",
        month=_month_before(last),
        wrong=wrong,
        files=files,
        moment=now(),
        may_write=has_permission(WRITE),
    )


def _month_before(day: date) -> tuple[date, date]:
    last = date.fromordinal(day.toordinal() - 1)
    return last.replace(day=1), last


def _file(format: str) -> dict[str, Any]:
    wanted = _wanted(format)
    made = documents.journal_totals(db.session(), wanted)
    return {
        "format": format,
        "totals": made.totals,
        "sha256": made.sha256,
        "url": filtered_url("journal.download", format=format),
        "meta_url": filtered_url("journal.meta", format=format),
    }


_RULE = f"/file.<any({', '.join(FORMATS)}):format>"


@pages.get(_RULE)
def download(format: str) -> ResponseReturnValue:
    """The journal, written while it is sent."""
    wanted = _wanted(format)
    return _attached(Stream(lambda session: documents.journal_parts(session, wanted)), wanted.name, FORMATS[format])


@pages.get(f"{_RULE}{META_SUFFIX}")
def meta(format: str) -> ResponseReturnValue:
    """The control totals of the file as it would be written now."""
    wanted = _wanted(format)
    about = documents.describe_journal(
        wanted, wanted.name, documents.journal_totals(db.session(), wanted), now(), actor().name
    )
    return _attached(export.meta_json(about), wanted.name + META_SUFFIX, "application/json")


def _attached(content: Any, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type=media_type, headers=headers)


@pages.route("/accounts", methods=["GET", "POST"])
def edit_accounts() -> ResponseReturnValue:
    """Name the accounts."""
    session = db.session()
    house = organisation(session)
    form = AccountsForm(data={**accounts(session).names, "version": house.version})
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.update, form.names(), form.version.data, actor(), now())
            flash("The accounts were saved. Each journal that is written from now on has these names.", "success")
            return redirect(url_for("journal.index"), 303)
    return render_form("journal/accounts.html", form, keys=list(DEFAULT_ACCOUNTS), usual=DEFAULT_ACCOUNTS)
