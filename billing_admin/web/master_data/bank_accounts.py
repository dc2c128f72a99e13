"""Bank accounts: the list, from which accounts are added, changed and archived."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.bank_accounts import (
    BANK_ACCOUNT_RULES,
    MAX_BIC_LENGTH,
    MAX_HOLDER_LENGTH,
    MAX_NUMBER_LENGTH,
    BankAccountFields,
    group_iban,
)
from billing_admin.domain.translation import Phrase
from billing_admin.models import BankAccount
from billing_admin.operations.master_data import bank_accounts as operations
from billing_admin.queries.master_data import bank_accounts as queries, organisation
from billing_admin.queries.master_data.bank_accounts import BankAccountFilter
from billing_admin.web.access.confirmation import recent_sign_in
from billing_admin.web.frame.currencies import currency_choices
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import export_url, has_permission
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.system_lists import BANK_ACCOUNTS
from billing_admin.web.frame.tables import plain_table

WRITE = "settings:write"

pages = page_blueprint("bank_accounts", __name__, "/settings/bank-accounts", write=WRITE)


class IbanField(TextField):
    """An IBAN, typed with or without spaces and shown in groups of four characters."""

    def parse(self, typed: str) -> str:
        """Return the IBAN without spaces; the operation checks it."""
        return "".join(super().parse(typed).split())

    def format(self, value: Any) -> str:
        """Return the IBAN in groups of four characters."""
        return group_iban(value)


class BankAccountForm(Form):
    """Details of a bank account."""

    holder = TextField(
        Phrase("Account holder"),
        max_length=MAX_HOLDER_LENGTH,
        blank_message=Phrase("Enter the name in which the account is held."),
    )
    iban = IbanField(Phrase("IBAN"), max_length=MAX_NUMBER_LENGTH)
    account_number = TextField(Phrase("Account number"), max_length=MAX_NUMBER_LENGTH)
    bic = TextField(Phrase("BIC"), max_length=MAX_BIC_LENGTH)
    bank_name = TextField(Phrase("Bank"))

    def fields(self) -> BankAccountFields:
        """Return the values entered."""
        return {
            "holder": self.holder.data,
            "iban": self.iban.data,
            "account_number": self.account_number.data,
            "bic": self.bic.data,
            "bank_name": self.bank_name.data,
        }


class NewBankAccountForm(BankAccountForm):
    """Details of a new account; `id` prevents a second account on a double click."""

    currency = SelectField(Phrase("Currency"), choices=currency_choices)
    is_default = BooleanField(Phrase("Show this account on documents in its currency"))
    id = NewIdField()

    def fields(self) -> BankAccountFields:
        """Return the values entered, with the currency."""
        return {**super().fields(), "currency": self.currency.data}


class EditBankAccountForm(BankAccountForm, EditForm):
    """Details of an existing account."""


def read_filters() -> BankAccountFilter:
    """Return the filter of the list, which has no conditions."""
    return BankAccountFilter()


@pages.get("")
def index() -> ResponseReturnValue:
    """List the accounts by currency."""
    accounts = queries.bank_accounts(db.session())
    return render_template(
        "bank_accounts/list.html",
        page=plain_table(BANK_ACCOUNTS, accounts),
        numbers={account.id: account_number(account) for account in accounts},
        export_url=export_url("exports.bank_account_files"),
        may_write=has_permission(WRITE),
    )


def account_number(account: BankAccount) -> str:
    """Return the IBAN in groups of four characters, or the account number."""
    return group_iban(account.iban) or account.account_number


@pages.route("/new", methods=["GET", "POST"])
@recent_sign_in
def new() -> ResponseReturnValue:
    """Add an account."""
    settings = organisation.organisation(db.session())
    form = NewBankAccountForm(currency=settings.base_currency, holder=settings.legal_name[:MAX_HOLDER_LENGTH])
    if form.validate_on_submit():
        with errors_on(form):
            account, _ = transaction(
                operations.create, form.fields(), form.id.data, form.is_default.data, actor(), now()
            )
            flash(Phrase("The account {account_number} was added.", account_number=account_number(account)), "success")
            return redirect(url_for("bank_accounts.index"), 303)
    return render_form("bank_accounts/form.html", form, account=None)


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
@recent_sign_in
def edit(id: UUID) -> ResponseReturnValue:
    """Edit an account; issued documents keep their copy."""
    form = EditBankAccountForm(data=_stored_values(id))
    if form.validate_on_submit():
        with errors_on(form):
            saved = save(form, lambda: _stored_form(id), operations.update, id, form.fields())
            flash(
                Phrase(
                    "The account {account_number} was saved. Issued documents do not change.",
                    account_number=account_number(saved),
                ),
                "success",
            )
            return redirect(url_for("bank_accounts.index"), 303)
    account = _load_account(id)
    is_needed = account.is_default and queries.has_other_accounts(db.session(), account)
    return render_form("bank_accounts/form.html", form, account=account, is_needed=is_needed)


def _stored_form(id: UUID) -> EditBankAccountForm:
    return EditBankAccountForm(formdata=None, data=_stored_values(id))


def _stored_values(id: UUID) -> dict[str, Any]:
    account = _load_account(id)
    return {field: getattr(account, field) for field in (*BANK_ACCOUNT_RULES, "version")}


@pages.post("/<uuid:id>/default")
@recent_sign_in
def make_default(id: UUID) -> ResponseReturnValue:
    """Make an account the one that documents in its currency show."""
    account = _load_account(id)
    transaction(operations.make_default, id, actor(), now())
    flash(
        Phrase(
            "Documents in {currency} now show the account {account_number}.",
            currency=account.currency,
            account_number=account_number(account),
        ),
        "success",
    )
    return redirect(url_for("bank_accounts.index"), 303)


@pages.post("/<uuid:id>/archive")
@recent_sign_in
def archive(id: UUID) -> ResponseReturnValue:
    """Archive an account, so that no further document shows it."""
    number = account_number(_load_account(id))
    transaction(operations.archive, id, actor(), now())
    flash(Phrase("The account {number} was archived. New documents do not show it.", number=number), "success")
    return redirect(url_for("bank_accounts.index"), 303)


@pages.post("/<uuid:id>/restore")
@recent_sign_in
def restore(id: UUID) -> ResponseReturnValue:
    """Restore an archived account."""
    number = account_number(_load_account(id))
    transaction(operations.restore, id, actor(), now())
    flash(Phrase("The account {number} was restored.", number=number), "success")
    return redirect(url_for("bank_accounts.index"), 303)


def _load_account(id: UUID) -> BankAccount:
    return queries.bank_account(db.session(), id)
