"""The one table of access: the permissions of each role, and the routes of each permission.

It is stated apart from the code, so that a change of either shows here. A route that is not listed fails the tests. Converters
of parts are left out.
"""

PERMISSIONS_OF_ROLES = {
    "admin": """
        read
        exports:read
        charges:write
        credits:write
        billing:write
        corrections:write
        payments:write
        write-offs:write
        customers:write
        catalogue:write
        messages:write
        reminders:write
        settings:write
        audit:read
        access:read
        approvals:write
        periods:write
        journal:write
        tokens:write
        users:write
        jobs:write
        webhooks:write
        password:write
    """,
    "biller": """
        read
        charges:write
        credits:write
        billing:write
        corrections:write
        customers:write
        messages:write
        password:write
    """,
    "cashier": """
        read
        payments:write
        password:write
    """,
    "credit-controller": """
        read
        write-offs:write
        messages:write
        reminders:write
        password:write
    """,
    "accountant": """
        read
        exports:read
        audit:read
        periods:write
        journal:write
        password:write
    """,
    "auditor": """
        read
        exports:read
        audit:read
        access:read
        password:write
    """,
    "viewer": """
        read
        exports:read
        audit:read
        password:write
    """,
}
ROUTES_OF_PERMISSIONS = {
    "read": """\
GET /
GET /ageing
GET /ageing.csv
GET /api/docs
GET /api/docs/{group}
GET /api/docs/openapi.json
GET /api/v1/approvals
GET /api/v1/approvals/{id}
GET /api/v1/audit-events
GET /api/v1/bank-accounts
GET /api/v1/bank-accounts/{id}
GET /api/v1/billing-runs
GET /api/v1/billing-runs/{id}
GET /api/v1/charges
GET /api/v1/charges/{id}
GET /api/v1/customer-fields
GET /api/v1/customer-fields/{id}
GET /api/v1/customers
GET /api/v1/customers/{ref}
GET /api/v1/customers/{ref}/balance
GET /api/v1/customers/{ref}/contacts
GET /api/v1/customers/{ref}/contacts/{id}
GET /api/v1/customers/{ref}/current-invoice
GET /api/v1/customers/{ref}/statement
GET /api/v1/customers/{ref}/statement.pdf
GET /api/v1/exchange-rates
GET /api/v1/invoices
GET /api/v1/invoices/{number}
GET /api/v1/invoices/{number}/e-invoice
GET /api/v1/invoices/{number}/explain
GET /api/v1/invoices/{number}/pdf
GET /api/v1/invoices/{number}/readiness
GET /api/v1/message-texts
GET /api/v1/message-texts/{key}/{language}
GET /api/v1/messages
GET /api/v1/messages/{id}
GET /api/v1/number-series
GET /api/v1/open-items
GET /api/v1/openapi.json
GET /api/v1/opening-balances
GET /api/v1/opening-balances/totals
GET /api/v1/organisation
GET /api/v1/organisation/logos/{sha256}
GET /api/v1/payments
GET /api/v1/payments/{id}
GET /api/v1/period-lock
GET /api/v1/recurring-charges
GET /api/v1/recurring-charges/{id}
GET /api/v1/refunds
GET /api/v1/refunds/{id}
GET /api/v1/reminder-pauses
GET /api/v1/reminder-runs
GET /api/v1/reminder-runs/{id}
GET /api/v1/reminder-settings
GET /api/v1/sending-runs
GET /api/v1/sending-runs/{id}
GET /api/v1/services
GET /api/v1/services/{code}
GET /api/v1/services/{code}/prices
GET /api/v1/tax-rates
GET /approvals
GET /approvals/{id}
POST /approvals/{id}/withdraw
GET /billing-runs
GET /billing-runs/{id}
GET /billing-runs/preview
GET /billing-runs/preview/{customer_id}/{currency}
GET /billing-runs/preview/{customer_id}/{currency}.pdf
GET /charges
GET /charges/{id}
GET /charges/duplicates
GET /charges/duplicates/{id}
GET /customers
GET /customers/{reference}
GET /customers/{id}
GET /customers/{id}/charges
GET /customers/{id}/current/{currency}
GET /customers/{id}/invoices
GET /customers/{id}/payments
GET /customers/{id}/recurring
GET /customers/{id}/statement
GET /customers/{id}/statement.csv
GET /customers/{id}/statement.pdf
GET /imports
GET /imports/{id}
GET /imports/{id}/errors.csv
GET /imports/example/{kind}.csv
GET /invoices
GET /invoices/{id}
GET /invoices/{id}/e-invoice
GET /invoices/{id}/e-invoice/{format}
GET /invoices/{id}/explain
GET /invoices/{id}/lines/{line_id}
GET /invoices/{id}/pdf
GET /jobs
GET /jobs/{id}
GET /journal
GET /keyboard
GET /mailbox
GET /mailbox/{name}
GET /mailbox/{name}/attachments/{position}
GET /mailbox/{name}/html
GET /messages
GET /messages/{id}
GET /messages/{id}/attachments/{position}
GET /month-end
GET /numbers
GET /numbers/{kind}/{year}
GET /numbers/{kind}/{year}.csv
GET /open-items
GET /opening-balances
GET /payments
GET /payments/{id}
GET /payments/{id}/receipt.pdf
GET /recurring-charges
GET /recurring-charges/{id}
GET /refunds
GET /refunds/{id}
GET /reminders
GET /reminders/{id}
GET /reminders/preview
GET /reminders/preview/{customer_id}
GET /reminders/preview/{customer_id}/{position}.pdf
GET /search
GET /search/customers
GET /sending-runs/{id}
GET /services
GET /services/{id}
GET /settings
GET /settings/bank-accounts
GET /settings/customer-fields
GET /settings/exchange-rates
GET /settings/logos/{sha256}
GET /settings/mail
GET /settings/sample.pdf
GET /settings/tax-rates/{id}
GET /settings/texts
GET /settings/texts/{key}/{language}
GET /unallocated
GET /unbilled
GET /unbilled/{customer_id}/{currency}
GET /unbilled/charges
GET /webhooks
GET /webhooks/{id}
GET /webhooks/deliveries/{id}""",
    "exports:read": """\
GET /api/v1/allocations.csv
GET /api/v1/allocations.xlsx
GET /api/v1/audit-events.csv
GET /api/v1/audit-events.xlsx
GET /api/v1/bank-accounts.csv
GET /api/v1/bank-accounts.xlsx
GET /api/v1/charges.csv
GET /api/v1/charges.xlsx
GET /api/v1/contacts.csv
GET /api/v1/contacts.xlsx
GET /api/v1/customers.csv
GET /api/v1/customers.xlsx
GET /api/v1/exchange-rates.csv
GET /api/v1/exchange-rates.xlsx
GET /api/v1/invoice-lines.csv
GET /api/v1/invoice-lines.xlsx
GET /api/v1/invoices.csv
GET /api/v1/invoices.xlsx
GET /api/v1/journal.csv
GET /api/v1/journal.hledger
GET /api/v1/messages.csv
GET /api/v1/messages.xlsx
GET /api/v1/open-items.csv
GET /api/v1/open-items.xlsx
GET /api/v1/payments.csv
GET /api/v1/payments.xlsx
GET /api/v1/recurring-charges.csv
GET /api/v1/recurring-charges.xlsx
GET /api/v1/refunds.csv
GET /api/v1/refunds.xlsx
GET /api/v1/services.csv
GET /api/v1/services.xlsx
GET /exports/{kind}.{format}
GET /exports/{kind}.{format}.meta.json
GET /exports/{kind}.{format}.zip
POST /exports/{kind}.{format}/prepare
GET /exports/audit-events
GET /exports/bank-accounts
GET /exports/charges
GET /exports/customers
POST /exports/documents/prepare
GET /exports/exchange-rates
GET /exports/invoices
GET /exports/made/{id}
GET /exports/messages
GET /exports/open-items
GET /exports/payments
GET /exports/recurring-charges
GET /exports/refunds
GET /exports/services
GET /journal/file.{format}
GET /journal/file.{format}.meta.json
GET /verify-file
POST /verify-file""",
    "charges:write": """\
POST /api/v1/charges
POST /api/v1/charges/batch
POST /api/v1/charges/cancel
POST /api/v1/charges/hold
POST /api/v1/charges/release
POST /api/v1/charges/{id}/cancel
POST /api/v1/charges/{id}/correct
POST /api/v1/charges/{id}/hold
POST /api/v1/charges/{id}/keep
POST /api/v1/charges/{id}/release
POST /api/v1/recurring-charges
POST /api/v1/recurring-charges/{id}/change
POST /api/v1/recurring-charges/{id}/end
POST /api/v1/recurring-charges/{id}/pause
POST /api/v1/recurring-charges/{id}/resume
GET /charges/{id}/{action}
POST /charges/{id}/{action}
GET /charges/{id}/correct
POST /charges/{id}/correct
POST /charges/duplicates/{action}
GET /charges/many
POST /charges/many
GET /charges/new
POST /charges/new
POST /charges/select/{act}
GET /charges/selected/{act}
POST /charges/selected/{act}
POST /imports/charges/{id}/check
GET /imports/charges/{id}/columns
POST /imports/charges/{id}/columns
POST /imports/charges/{id}/start
GET /imports/charges/new
POST /imports/charges/new
POST /imports/recurring-charges/{id}/check
GET /imports/recurring-charges/{id}/columns
POST /imports/recurring-charges/{id}/columns
POST /imports/recurring-charges/{id}/start
GET /imports/recurring-charges/new
POST /imports/recurring-charges/new
GET /recurring-charges/{id}/{action}
POST /recurring-charges/{id}/{action}
GET /recurring-charges/{id}/change
POST /recurring-charges/{id}/change
POST /recurring-charges/{id}/post
GET /recurring-charges/new
POST /recurring-charges/new
POST /unbilled/{act}
POST /unbilled/{customer_id}/{currency}/{act}""",
    "billing:write": """\
POST /api/v1/billing-runs
PATCH /api/v1/invoices/{number}
POST /api/v1/invoices/{number}/charges
POST /api/v1/invoices/{number}/issue
POST /api/v1/opening-balances
POST /billing-runs/{id}/continue
GET /billing-runs/new
POST /billing-runs/new
POST /billing-runs/preview
POST /billing-runs/preview/exclude
POST /billing-runs/preview/hold
POST /billing-runs/preview/hold-duplicates
POST /imports/opening-balances/{id}/check
GET /imports/opening-balances/{id}/columns
POST /imports/opening-balances/{id}/columns
POST /imports/opening-balances/{id}/start
GET /imports/opening-balances/new
POST /imports/opening-balances/new
GET /invoices/{id}/charges
POST /invoices/{id}/charges
GET /invoices/{id}/discard
POST /invoices/{id}/discard
GET /invoices/{id}/edit
POST /invoices/{id}/edit
GET /invoices/{id}/issue
POST /invoices/{id}/issue
GET /invoices/issue
POST /invoices/issue
POST /invoices/select/{act}
GET /opening-balances/new
POST /opening-balances/new""",
    "corrections:write": """\
POST /api/v1/invoices/{number}/bill-again
POST /api/v1/invoices/{number}/credit
POST /api/v1/invoices/{number}/void
GET /invoices/{id}/bill-again
POST /invoices/{id}/bill-again
GET /invoices/{id}/credit
POST /invoices/{id}/credit
POST /invoices/{id}/credit-in-full
GET /invoices/{id}/void
POST /invoices/{id}/void""",
    "payments:write": """\
POST /api/v1/payments
POST /api/v1/payments/{id}/allocations
POST /api/v1/payments/{id}/allocations/{allocation}/withdraw
POST /api/v1/payments/{id}/reverse
POST /api/v1/refunds
POST /api/v1/refunds/{id}/reverse
POST /imports/payments/{id}/check
GET /imports/payments/{id}/columns
POST /imports/payments/{id}/columns
POST /imports/payments/{id}/start
GET /imports/payments/new
POST /imports/payments/new
GET /payments/{id}/allocate
POST /payments/{id}/allocate
POST /payments/{id}/allocations/{allocation_id}/withdraw
GET /payments/{id}/reverse
POST /payments/{id}/reverse
GET /payments/new
POST /payments/new
POST /payments/select/export
GET /refunds/{id}/reverse
POST /refunds/{id}/reverse
GET /refunds/new
POST /refunds/new""",
    "write-offs:write": """\
POST /api/v1/invoices/{number}/write-off
GET /payments/write-off/{invoice_id}
POST /payments/write-off/{invoice_id}""",
    "customers:write": """\
POST /api/v1/customers
PATCH /api/v1/customers/{ref}
POST /api/v1/customers/{ref}/contacts
PATCH /api/v1/customers/{ref}/contacts/{id}
POST /api/v1/customers/{ref}/contacts/{id}/remove
GET /customers/{customer_id}/contacts/{id}/edit
POST /customers/{customer_id}/contacts/{id}/edit
GET /customers/{customer_id}/contacts/{id}/remove
POST /customers/{customer_id}/contacts/{id}/remove
GET /customers/{customer_id}/contacts/new
POST /customers/{customer_id}/contacts/new
GET /customers/{id}/archive
POST /customers/{id}/archive
GET /customers/{id}/edit
POST /customers/{id}/edit
POST /customers/{id}/restore
GET /customers/new
POST /customers/new
POST /imports/contacts/{id}/check
GET /imports/contacts/{id}/columns
POST /imports/contacts/{id}/columns
POST /imports/contacts/{id}/start
GET /imports/contacts/new
POST /imports/contacts/new
POST /imports/customers/{id}/check
GET /imports/customers/{id}/columns
POST /imports/customers/{id}/columns
POST /imports/customers/{id}/start
GET /imports/customers/new
POST /imports/customers/new""",
    "catalogue:write": """\
POST /api/v1/services
PATCH /api/v1/services/{code}
POST /api/v1/services/{code}/prices
POST /api/v1/services/{code}/prices/remove
POST /imports/services/{id}/check
GET /imports/services/{id}/columns
POST /imports/services/{id}/columns
POST /imports/services/{id}/start
GET /imports/services/new
POST /imports/services/new
POST /services/{id}/archive
GET /services/{id}/edit
POST /services/{id}/edit
GET /services/{id}/prices/new
POST /services/{id}/prices/new
GET /services/{id}/prices/remove
POST /services/{id}/prices/remove
POST /services/{id}/restore
GET /services/new
POST /services/new""",
    "messages:write": """\
POST /api/v1/customers/{ref}/statements
POST /api/v1/invoices/{number}/mark-sent
POST /api/v1/invoices/{number}/send
POST /api/v1/messages/{id}/again
POST /api/v1/messages/{id}/cancel
POST /api/v1/messages/{id}/mark-sent
POST /api/v1/outbox/resume
POST /api/v1/sending-runs
GET /customers/{id}/statement/send
POST /customers/{id}/statement/send
GET /invoices/{id}/mark-sent
POST /invoices/{id}/mark-sent
GET /invoices/{id}/send
POST /invoices/{id}/send
GET /invoices/mark-sent
POST /invoices/mark-sent
GET /invoices/send
POST /invoices/send
GET /messages/{id}/{action}
POST /messages/{id}/{action}
GET /messages/{id}/again
POST /messages/{id}/again
POST /messages/resume
POST /messages/selected/{action}""",
    "reminders:write": """\
POST /api/v1/reminder-pauses
POST /api/v1/reminder-pauses/{id}/end
POST /api/v1/reminder-runs
GET /customers/{id}/reminder-pause
POST /customers/{id}/reminder-pause
POST /customers/{id}/reminder-pause/end
GET /invoices/{id}/reminder-pause
POST /invoices/{id}/reminder-pause
POST /invoices/{id}/reminder-pause/end
POST /reminders/preview""",
    "settings:write": """\
POST /month-end/sources/{id}/end
POST /month-end/sources/{id}/expect
POST /api/v1/bank-accounts
PATCH /api/v1/bank-accounts/{id}
POST /api/v1/customer-fields
PATCH /api/v1/customer-fields/{id}
POST /api/v1/exchange-rates
POST /api/v1/exchange-rates/{currency}/remove
PATCH /api/v1/message-texts/{key}/{language}
POST /api/v1/message-texts/{key}/{language}/restore
PATCH /api/v1/organisation
POST /api/v1/organisation/logo
POST /api/v1/organisation/logo/remove
PATCH /api/v1/reminder-settings
GET /set-up/bank-account
POST /set-up/bank-account
GET /set-up/customer
POST /set-up/customer
GET /set-up/look
POST /set-up/look
GET /set-up/organisation
POST /set-up/organisation
GET /set-up/service
POST /set-up/service
GET /set-up/tax
POST /set-up/tax
GET /settings/{section}
POST /settings/{section}
POST /settings/bank-accounts/{id}/archive
POST /settings/bank-accounts/{id}/default
GET /settings/bank-accounts/{id}/edit
POST /settings/bank-accounts/{id}/edit
POST /settings/bank-accounts/{id}/restore
GET /settings/bank-accounts/new
POST /settings/bank-accounts/new
POST /settings/customer-fields/{id}/archive
GET /settings/customer-fields/{id}/edit
POST /settings/customer-fields/{id}/edit
POST /settings/customer-fields/{id}/restore
GET /settings/customer-fields/new
POST /settings/customer-fields/new
GET /settings/exchange-rates/import
POST /settings/exchange-rates/import
GET /settings/exchange-rates/new
POST /settings/exchange-rates/new
GET /settings/exchange-rates/remove
POST /settings/exchange-rates/remove
GET /settings/logo
POST /settings/logo
GET /settings/logo/remove
POST /settings/logo/remove
POST /settings/mail/test
GET /settings/organisation
POST /settings/organisation
GET /settings/reminders
POST /settings/reminders
GET /settings/tax-rates/{id}/change
POST /settings/tax-rates/{id}/change
GET /settings/tax-rates/{id}/edit
POST /settings/tax-rates/{id}/edit
POST /settings/tax-rates/{id}/take-back
GET /settings/tax-rates/new
POST /settings/tax-rates/new
GET /settings/texts/{key}/{language}/edit
POST /settings/texts/{key}/{language}/edit
POST /settings/texts/{key}/{language}/restore""",
    "audit:read": """\
GET /audit
GET /audit/{id}""",
    "access:read": """\
GET /settings/roles
GET /tokens
GET /users""",
    "approvals:write": """\
POST /approvals/{id}/approve
GET /approvals/{id}/reject
POST /approvals/{id}/reject""",
    "periods:write": """\
GET /settings/period-lock
POST /settings/period-lock""",
    "journal:write": """\
GET /journal/accounts
POST /journal/accounts""",
    "tokens:write": """\
GET /tokens/{id}/revoke
POST /tokens/{id}/revoke
GET /tokens/new
POST /tokens/new""",
    "users:write": """\
POST /settings/roles/{id}/archive
GET /settings/roles/{id}/edit
POST /settings/roles/{id}/edit
POST /settings/roles/{id}/restore
GET /settings/roles/limits
POST /settings/roles/limits
GET /settings/roles/new
POST /settings/roles/new
POST /users/{id}/activate
GET /users/{id}/deactivate
POST /users/{id}/deactivate
GET /users/{id}/password
POST /users/{id}/password
GET /users/{id}/role
POST /users/{id}/role
GET /users/{id}/second-factors
POST /users/{id}/second-factors
GET /users/{id}/single-sign-on
POST /users/{id}/single-sign-on
POST /users/second-factor-rule
GET /users/new
POST /users/new
GET /users/{user_id}/sessions
POST /users/{user_id}/sessions/end
POST /users/{user_id}/sessions/{id}/end""",
    "jobs:write": """\
POST /jobs/{id}/again
POST /jobs/{id}/cancel""",
    "webhooks:write": """\
GET /webhooks/{id}/archive
POST /webhooks/{id}/archive
GET /webhooks/{id}/edit
POST /webhooks/{id}/edit
POST /webhooks/{id}/pause
POST /webhooks/{id}/ping
POST /webhooks/{id}/resume
GET /webhooks/{id}/rotate
POST /webhooks/{id}/rotate
POST /webhooks/deliveries/{id}/again
GET /webhooks/new
POST /webhooks/new""",
    "password:write": """\
GET /account/confirm-identity
GET /account/password
POST /account/password
GET /account/security
GET /account/security/authenticator
POST /account/security/authenticator
GET /account/security/authenticator/remove
POST /account/security/authenticator/remove
GET /account/security/recovery-codes
POST /account/security/recovery-codes
GET /account/security/passkeys/new
POST /account/security/passkeys/new
GET /account/security/passkeys/{id}/remove
POST /account/security/passkeys/{id}/remove
GET /account/sessions
POST /account/sessions/end-others
POST /account/sessions/{id}/end
GET /account/settings
POST /account/settings
POST /account/theme
GET /saved-views
GET /saved-views/{id}
POST /saved-views/{id}
POST /saved-views/{id}/default
POST /saved-views/{id}/delete
GET /saved-views/new
POST /saved-views/new
POST /saved-views/plain""",
}
