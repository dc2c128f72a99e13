"""The calls of the API, and whether each may be repeated safely.

A call whose outcome is unknown is repeated only if that is safe.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Repeat(Enum):
    """The reason why a call may be repeated, or may not."""

    READS = "the call changes nothing"
    NAMED = "the body has an id, made before the first attempt: the server answers a repeat with the original"
    STATE = "the call sets a state: if the object already has it, the server changes nothing"
    NEVER = "a repeat would count twice or be refused: it is only sent if the server cannot have processed the first attempt"


class Call(NamedTuple):
    """A route of the API."""

    method: str
    path: str
    repeat: Repeat


HEALTH: Final = Call("GET", "/health", Repeat.READS)

CHARGE_CREATE: Final = Call("POST", "/charges", Repeat.NAMED)
CHARGE_BATCH: Final = Call("POST", "/charges/batch", Repeat.NAMED)  # each charge of the batch has an id
CHARGE_LIST: Final = Call("GET", "/charges", Repeat.READS)
CHARGE_GET: Final = Call("GET", "/charges/{id}", Repeat.READS)
CHARGE_CANCEL: Final = Call("POST", "/charges/{id}/cancel", Repeat.STATE)
CHARGE_HOLD: Final = Call("POST", "/charges/{id}/hold", Repeat.STATE)
CHARGE_RELEASE: Final = Call("POST", "/charges/{id}/release", Repeat.STATE)
CHARGE_KEEP: Final = Call("POST", "/charges/{id}/keep", Repeat.STATE)
CHARGE_CORRECT: Final = Call("POST", "/charges/{id}/correct", Repeat.NAMED)
CHARGES_CANCEL: Final = Call("POST", "/charges/cancel", Repeat.STATE)
CHARGES_HOLD: Final = Call("POST", "/charges/hold", Repeat.STATE)
CHARGES_RELEASE: Final = Call("POST", "/charges/release", Repeat.STATE)
CHARGE_FILE: Final = Call("GET", "/charges.csv", Repeat.READS)

RECURRING_CREATE: Final = Call("POST", "/recurring-charges", Repeat.NAMED)
RECURRING_LIST: Final = Call("GET", "/recurring-charges", Repeat.READS)
RECURRING_GET: Final = Call("GET", "/recurring-charges/{id}", Repeat.READS)
RECURRING_FILE: Final = Call("GET", "/recurring-charges.csv", Repeat.READS)
RECURRING_PAUSE: Final = Call("POST", "/recurring-charges/{id}/pause", Repeat.STATE)
RECURRING_RESUME: Final = Call("POST", "/recurring-charges/{id}/resume", Repeat.STATE)
RECURRING_END: Final = Call("POST", "/recurring-charges/{id}/end", Repeat.STATE)
RECURRING_CHANGE: Final = Call("POST", "/recurring-charges/{id}/change", Repeat.NAMED)

CUSTOMER_CREATE: Final = Call("POST", "/customers", Repeat.NAMED)
CUSTOMER_LIST: Final = Call("GET", "/customers", Repeat.READS)
CUSTOMER_GET: Final = Call("GET", "/customers/{ref}", Repeat.READS)
CUSTOMER_UPDATE: Final = Call("PATCH", "/customers/{ref}", Repeat.NEVER)  # a repeat would be refused as stale
CUSTOMER_BALANCE: Final = Call("GET", "/customers/{ref}/balance", Repeat.READS)
CUSTOMER_STATEMENT: Final = Call("GET", "/customers/{ref}/statement", Repeat.READS)
CUSTOMER_STATEMENT_SEND: Final = Call("POST", "/customers/{ref}/statements", Repeat.NAMED)
CUSTOMER_STATEMENT_PDF: Final = Call("GET", "/customers/{ref}/statement.pdf", Repeat.READS)
CONTACT_CREATE: Final = Call("POST", "/customers/{ref}/contacts", Repeat.NAMED)
CONTACT_LIST: Final = Call("GET", "/customers/{ref}/contacts", Repeat.READS)
CONTACT_GET: Final = Call("GET", "/customers/{ref}/contacts/{id}", Repeat.READS)
CONTACT_UPDATE: Final = Call("PATCH", "/customers/{ref}/contacts/{id}", Repeat.NEVER)  # as for customers
CONTACT_REMOVE: Final = Call("POST", "/customers/{ref}/contacts/{id}/remove", Repeat.NEVER)  # a repeat finds none
CONTACT_FILE: Final = Call("GET", "/contacts.csv", Repeat.READS)
CUSTOMER_FILE: Final = Call("GET", "/customers.csv", Repeat.READS)
CUSTOMER_CURRENT: Final = Call("GET", "/customers/{ref}/current-invoice", Repeat.READS)

SERVICE_CREATE: Final = Call("POST", "/services", Repeat.NAMED)
SERVICE_LIST: Final = Call("GET", "/services", Repeat.READS)
SERVICE_GET: Final = Call("GET", "/services/{code}", Repeat.READS)
SERVICE_UPDATE: Final = Call("PATCH", "/services/{code}", Repeat.NEVER)  # a repeat would be refused as stale
PRICE_LIST: Final = Call("GET", "/services/{code}/prices", Repeat.READS)
PRICE_SET: Final = Call("POST", "/services/{code}/prices", Repeat.STATE)
PRICE_REMOVE: Final = Call("POST", "/services/{code}/prices/remove", Repeat.NEVER)  # a repeat would find no such price
SERVICE_FILE: Final = Call("GET", "/services.csv", Repeat.READS)
TAX_RATE_LIST: Final = Call("GET", "/tax-rates", Repeat.READS)

ORGANISATION_GET: Final = Call("GET", "/organisation", Repeat.READS)
ORGANISATION_UPDATE: Final = Call("PATCH", "/organisation", Repeat.NEVER)  # a repeat would be refused as stale
LOGO_GET: Final = Call("GET", "/organisation/logos/{sha256}", Repeat.READS)
LOGO_SET: Final = Call("POST", "/organisation/logo", Repeat.STATE)
LOGO_REMOVE: Final = Call("POST", "/organisation/logo/remove", Repeat.STATE)
CUSTOMER_FIELD_CREATE: Final = Call("POST", "/customer-fields", Repeat.NAMED)
CUSTOMER_FIELD_LIST: Final = Call("GET", "/customer-fields", Repeat.READS)
CUSTOMER_FIELD_GET: Final = Call("GET", "/customer-fields/{id}", Repeat.READS)
# A repeat of an update would be refused as stale.
CUSTOMER_FIELD_UPDATE: Final = Call("PATCH", "/customer-fields/{id}", Repeat.NEVER)
BANK_ACCOUNT_CREATE: Final = Call("POST", "/bank-accounts", Repeat.NAMED)
BANK_ACCOUNT_LIST: Final = Call("GET", "/bank-accounts", Repeat.READS)
BANK_ACCOUNT_GET: Final = Call("GET", "/bank-accounts/{id}", Repeat.READS)
BANK_ACCOUNT_UPDATE: Final = Call("PATCH", "/bank-accounts/{id}", Repeat.NEVER)  # a repeat would be refused as stale
BANK_ACCOUNT_FILE: Final = Call("GET", "/bank-accounts.csv", Repeat.READS)
RATE_SET: Final = Call("POST", "/exchange-rates", Repeat.STATE)
RATE_LIST: Final = Call("GET", "/exchange-rates", Repeat.READS)
RATE_REMOVE: Final = Call("POST", "/exchange-rates/{currency}/remove", Repeat.NEVER)  # a repeat would find no such rate
RATE_FILE: Final = Call("GET", "/exchange-rates.csv", Repeat.READS)

MESSAGE_TEXT_LIST: Final = Call("GET", "/message-texts", Repeat.READS)
MESSAGE_TEXT_GET: Final = Call("GET", "/message-texts/{key}/{language}", Repeat.READS)
MESSAGE_TEXT_UPDATE: Final = Call("PATCH", "/message-texts/{key}/{language}", Repeat.NEVER)  # a repeat would be stale
MESSAGE_TEXT_RESTORE: Final = Call("POST", "/message-texts/{key}/{language}/restore", Repeat.STATE)

RUN_CREATE: Final = Call("POST", "/billing-runs", Repeat.NAMED)
RUN_PREVIEW: Final = Call("POST", "/billing-runs", Repeat.READS)  # with `dry_run`
RUN_LIST: Final = Call("GET", "/billing-runs", Repeat.READS)
RUN_GET: Final = Call("GET", "/billing-runs/{id}", Repeat.READS)

INVOICE_LIST: Final = Call("GET", "/invoices", Repeat.READS)
INVOICE_GET: Final = Call("GET", "/invoices/{number}", Repeat.READS)
INVOICE_UPDATE: Final = Call("PATCH", "/invoices/{number}", Repeat.NEVER)  # a repeat would be refused as stale
INVOICE_CHARGES: Final = Call("POST", "/invoices/{number}/charges", Repeat.STATE)
INVOICE_ISSUE: Final = Call("POST", "/invoices/{number}/issue", Repeat.STATE)
INVOICE_VOID: Final = Call("POST", "/invoices/{number}/void", Repeat.STATE)
INVOICE_CREDIT: Final = Call("POST", "/invoices/{number}/credit", Repeat.NAMED)
INVOICE_BILL_AGAIN: Final = Call("POST", "/invoices/{number}/bill-again", Repeat.NAMED)
INVOICE_WRITE_OFF: Final = Call("POST", "/invoices/{number}/write-off", Repeat.NAMED)
INVOICE_SEND: Final = Call("POST", "/invoices/{number}/send", Repeat.NAMED)
INVOICE_MARK_SENT: Final = Call("POST", "/invoices/{number}/mark-sent", Repeat.NAMED)
INVOICE_READINESS: Final = Call("GET", "/invoices/{number}/readiness", Repeat.READS)
INVOICE_EXPLAIN: Final = Call("GET", "/invoices/{number}/explain", Repeat.READS)
INVOICE_E_INVOICE: Final = Call("GET", "/invoices/{number}/e-invoice", Repeat.READS)
INVOICE_PDF: Final = Call("GET", "/invoices/{number}/pdf", Repeat.READS)
INVOICE_FILE: Final = Call("GET", "/invoices.csv", Repeat.READS)
INVOICE_LINE_FILE: Final = Call("GET", "/invoice-lines.csv", Repeat.READS)
OPEN_ITEM_LIST: Final = Call("GET", "/open-items", Repeat.READS)
OPEN_ITEM_FILE: Final = Call("GET", "/open-items.csv", Repeat.READS)

MESSAGE_LIST: Final = Call("GET", "/messages", Repeat.READS)
MESSAGE_GET: Final = Call("GET", "/messages/{id}", Repeat.READS)
MESSAGE_AGAIN: Final = Call("POST", "/messages/{id}/again", Repeat.NAMED)
MESSAGE_CANCEL: Final = Call("POST", "/messages/{id}/cancel", Repeat.STATE)
MESSAGE_MARK_SENT: Final = Call("POST", "/messages/{id}/mark-sent", Repeat.STATE)
OUTBOX_RESUME: Final = Call("POST", "/outbox/resume", Repeat.STATE)
MESSAGE_FILE: Final = Call("GET", "/messages.csv", Repeat.READS)
SENDING_RUN_CREATE: Final = Call("POST", "/sending-runs", Repeat.NAMED)
SENDING_RUN_LIST: Final = Call("GET", "/sending-runs", Repeat.READS)
SENDING_RUN_GET: Final = Call("GET", "/sending-runs/{id}", Repeat.READS)

REMINDER_SETTINGS_GET: Final = Call("GET", "/reminder-settings", Repeat.READS)
REMINDER_SETTINGS_UPDATE: Final = Call(
    "PATCH", "/reminder-settings", Repeat.NEVER
)  # a repeat would be refused as stale
REMINDER_PAUSE_CREATE: Final = Call("POST", "/reminder-pauses", Repeat.NAMED)
REMINDER_PAUSE_LIST: Final = Call("GET", "/reminder-pauses", Repeat.READS)
REMINDER_PAUSE_END: Final = Call("POST", "/reminder-pauses/{id}/end", Repeat.STATE)
REMINDER_RUN_CREATE: Final = Call("POST", "/reminder-runs", Repeat.NAMED)
REMINDER_RUN_PREVIEW: Final = Call("POST", "/reminder-runs", Repeat.READS)  # with `dry_run`
REMINDER_RUN_LIST: Final = Call("GET", "/reminder-runs", Repeat.READS)
REMINDER_RUN_GET: Final = Call("GET", "/reminder-runs/{id}", Repeat.READS)

OPENING_CREATE: Final = Call("POST", "/opening-balances", Repeat.NAMED)
OPENING_LIST: Final = Call("GET", "/opening-balances", Repeat.READS)
OPENING_TOTALS: Final = Call("GET", "/opening-balances/totals", Repeat.READS)

PAYMENT_CREATE: Final = Call("POST", "/payments", Repeat.NAMED)
PAYMENT_LIST: Final = Call("GET", "/payments", Repeat.READS)
PAYMENT_GET: Final = Call("GET", "/payments/{id}", Repeat.READS)
PAYMENT_ALLOCATE: Final = Call("POST", "/payments/{id}/allocations", Repeat.NEVER)  # a repeat would allocate more
PAYMENT_WITHDRAW: Final = Call("POST", "/payments/{id}/allocations/{allocation}/withdraw", Repeat.STATE)
PAYMENT_REVERSE: Final = Call("POST", "/payments/{id}/reverse", Repeat.STATE)
PAYMENT_FILE: Final = Call("GET", "/payments.csv", Repeat.READS)
ALLOCATION_FILE: Final = Call("GET", "/allocations.csv", Repeat.READS)

REFUND_CREATE: Final = Call("POST", "/refunds", Repeat.NAMED)
REFUND_LIST: Final = Call("GET", "/refunds", Repeat.READS)
REFUND_GET: Final = Call("GET", "/refunds/{id}", Repeat.READS)
REFUND_REVERSE: Final = Call("POST", "/refunds/{id}/reverse", Repeat.STATE)
REFUND_FILE: Final = Call("GET", "/refunds.csv", Repeat.READS)

APPROVAL_LIST: Final = Call("GET", "/approvals", Repeat.READS)
APPROVAL_GET: Final = Call("GET", "/approvals/{id}", Repeat.READS)
AUDIT_LIST: Final = Call("GET", "/audit-events", Repeat.READS)
AUDIT_FILE: Final = Call("GET", "/audit-events.csv", Repeat.READS)
SERIES_LIST: Final = Call("GET", "/number-series", Repeat.READS)
PERIOD_LOCK: Final = Call("GET", "/period-lock", Repeat.READS)
JOURNAL_CSV: Final = Call("GET", "/journal.csv", Repeat.READS)
JOURNAL_HLEDGER: Final = Call("GET", "/journal.hledger", Repeat.READS)
