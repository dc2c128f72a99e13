"""Send a statement from the customer's statement page."""

from uuid import UUID

from flask import current_app, flash, redirect, url_for
from flask.typing import ResponseReturnValue

from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.messages import WITHDRAWN
from billing_admin.domain.translation import Phrase
from billing_admin.operations.messages.statements import StatementSpec, propose_statement, send_statement
from billing_admin.queries.master_data.contacts import contacts
from billing_admin.queries.master_data.customers import customer as load_customer
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.messages.statements import first_statements
from billing_admin.web.frame.forms import errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import currency_param, day_range_params, filtered_url, strict_day_param
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.messages.recipients import MessageForm

WRITE = "messages:write"

pages = page_blueprint("statements", __name__, "/customers", write=WRITE)


@pages.route("/<uuid:id>/statement/send", methods=["GET", "POST"])
def send(id: UUID) -> ResponseReturnValue:
    """Send a customer's statement of the period and the currency in the URL."""
    session, settings = db.session(), _settings()
    customer = load_customer(session, str(id))
    first, last = day_range_params("from", "to", strict_day_param)
    spec = StatementSpec(currency_param(), first, last)
    proposed = propose_statement(session, customer, spec, now())
    form = MessageForm(contacts(session, id), proposed.recipients, proposed.text)
    currency = proposed.letter.letter.currency
    if form.validate_on_submit():
        with errors_on(form, form.error_fields()):
            form.refuse_changed()
            chosen = StatementSpec(
                currency, *proposed.period, form.recipients(), form.subject.data, form.text.data, form.id.data
            )
            message_id, _ = transaction(send_statement, id, chosen, can_send(session, settings), actor(), now())
            flash(Phrase("The statement is in the outbox and will be sent shortly."), "success")
            return redirect(url_for("messages.show", id=message_id), 303)
    earlier = first_statements(session, id, proposed.period).get(currency)
    return render_form(
        "statements/send.html",
        form,
        customer=load_customer(session, str(id)),
        currency=currency,
        period=proposed.period,
        file_name=proposed.letter.file_name,
        pdf_url=filtered_url("customers.statement_pdf", id=id, currency=currency),
        statement_url=filtered_url("customers.statement", id=id, currency=None),
        earlier=None if earlier is None or earlier.state in WITHDRAWN else earlier,
        mail_on=settings.mail_on,
    )


def _settings() -> Settings:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings
