"""Pages: one module a subject, with its blueprint, forms and views.

A blueprint states the permissions that its pages need; the guard refuses a page without one. Views read through `queries` and
write through `transaction(operations.…)`. They contain no SQL and no arithmetic.
"""

from types import ModuleType

from flask import Flask

from billing_admin.config import Settings
from billing_admin.domain.mail_servers import Maildir
from billing_admin.web.access import (
    account,
    forgotten_passwords,
    passkeys,
    provider_confirmation,
    roles,
    saved_views,
    second_step,
    security,
    sessions,
    set_up_link,
    sign_in,
    single_sign_on,
    tokens,
    users,
)
from billing_admin.web.access.identity_provider import init_identity_provider
from billing_admin.web.billing import runs
from billing_admin.web.charges import (
    charges,
    corrections as charge_corrections,
    duplicates,
    grid,
    recurring_charges,
    selected,
    unbilled,
)
from billing_admin.web.exchange import exports, imports, journal, verify
from billing_admin.web.frame.context import init_context
from billing_admin.web.frame.guard import init_guard
from billing_admin.web.frame.languages import init_languages
from billing_admin.web.frame.signed_in import init_number_format, init_sign_in
from billing_admin.web.frame.template_filters import init_filters
from billing_admin.web.invoices import bill_again, drafts, e_invoices, invoices, numbers, void_and_credit
from billing_admin.web.master_data import (
    bank_accounts,
    contacts,
    customer_fields,
    customers,
    exchange_rates,
    periods,
    services,
    settings,
    tax_rates,
)
from billing_admin.web.messages import (
    mail_settings,
    mailbox,
    messages,
    reminder_levels,
    reminder_pauses,
    reminders,
    sending,
    sending_runs,
    statements,
    texts as message_texts,
)
from billing_admin.web.payments import opening_balances, payments, receivables, refunds
from billing_admin.web.system import api_docs, approvals, audit, dashboard, jobs, keyboard, month_end, search, set_up
from billing_admin.web.webhooks import webhooks

# Each module has a blueprint named `pages`, made by `guard.page_blueprint`.
SUBJECTS: tuple[ModuleType, ...] = (
    sign_in,
    second_step,
    single_sign_on,
    set_up_link,
    forgotten_passwords,
    dashboard,
    keyboard,
    month_end,
    set_up,
    search,
    saved_views,
    customers,
    contacts,
    services,
    charges,
    grid,
    charge_corrections,
    duplicates,
    recurring_charges,
    selected,
    unbilled,
    runs,
    invoices,
    drafts,
    e_invoices,
    void_and_credit,
    bill_again,
    payments,
    refunds,
    receivables,
    opening_balances,
    sending,
    sending_runs,
    messages,
    reminder_pauses,
    reminders,
    numbers,
    exports,
    imports,
    jobs,
    verify,
    journal,
    tokens,
    webhooks,
    api_docs,
    settings,
    tax_rates,
    bank_accounts,
    customer_fields,
    exchange_rates,
    mail_settings,
    message_texts,
    statements,
    reminder_levels,
    users,
    sessions,
    roles,
    approvals,
    periods,
    audit,
    account,
    security,
    passkeys,
    provider_confirmation,
)


def init_web(app: Flask, config: Settings) -> None:
    """Register sign-in, the guard, the template environment and all pages."""
    init_sign_in(app, config)
    init_identity_provider(app, config)
    init_guard(app)
    init_number_format(app)
    init_languages(app)
    init_filters(app)
    init_context(app)
    for subject in SUBJECTS:
        app.register_blueprint(subject.pages)
    app.register_blueprint(sessions.people_pages)
    if isinstance(config.mail_transport, Maildir):
        app.register_blueprint(mailbox.pages)
