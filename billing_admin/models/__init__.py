"""The tables: one file per subject, with constraints.

The constraints hold whatever bug the code above has.
"""

from billing_admin.models import document_triggers  # noqa: F401 - registers the triggers on issued documents
from billing_admin.models.approval import ApprovalRequest, LimitedAct, RoleLimit
from billing_admin.models.audit import AuditEvent, AuditSeal
from billing_admin.models.base import Base
from billing_admin.models.billing_run import BillingRun, BillingRunItem
from billing_admin.models.charge import Charge
from billing_admin.models.charge_source import EndedSource
from billing_admin.models.customer import Account, Customer, CustomerContact, CustomerText, UnbilledDay
from billing_admin.models.customer_field import CustomerField, CustomerValue
from billing_admin.models.imports import Import
from billing_admin.models.invoice import Invoice, InvoiceLine, InvoiceTax, VoidedCharge
from billing_admin.models.job import FilePart, Job, StoredFile
from billing_admin.models.mail_pause import MailPause
from billing_admin.models.message import Message, MessageDocument, MessageFile, MessageLetter, MessageRecipient
from billing_admin.models.message_text import StoredMessageText
from billing_admin.models.one_time_link import OneTimeLink
from billing_admin.models.organisation import (
    BankAccount,
    ExchangeRate,
    Logo,
    NumberSeries,
    Organisation,
    TaxRate,
    TaxRateChange,
)
from billing_admin.models.payment import Allocation, Payment, Refund, RefundPart
from billing_admin.models.recurring_charge import RecurringCharge, RecurringPosting
from billing_admin.models.reminder import ReminderPause, ReminderRun, ReminderRunItem
from billing_admin.models.rendition import Rendition
from billing_admin.models.role import Role
from billing_admin.models.saved_view import DefaultView, SavedView
from billing_admin.models.second_factor import AuthenticatorApp, Passkey, RecoveryCode
from billing_admin.models.selection import SelectedRow, Selection
from billing_admin.models.sending_run import SendingRun, SendingRunItem
from billing_admin.models.service import Service, ServicePrice
from billing_admin.models.set_up import ClosedSetUpStep
from billing_admin.models.user import ApiToken, FamiliarNetwork, ProviderAccount, SignInFailure, User, UserSession
from billing_admin.models.webhook import WebhookAttempt, WebhookDelivery, WebhookEndpoint

__all__ = [
    "Account",
    "Allocation",
    "ApiToken",
    "ApprovalRequest",
    "AuditEvent",
    "AuditSeal",
    "AuthenticatorApp",
    "BankAccount",
    "Base",
    "BillingRun",
    "BillingRunItem",
    "Charge",
    "ClosedSetUpStep",
    "Customer",
    "CustomerContact",
    "CustomerField",
    "CustomerText",
    "CustomerValue",
    "DefaultView",
    "EndedSource",
    "ExchangeRate",
    "FamiliarNetwork",
    "FilePart",
    "Import",
    "Invoice",
    "InvoiceLine",
    "InvoiceTax",
    "Job",
    "LimitedAct",
    "Logo",
    "MailPause",
    "Message",
    "MessageDocument",
    "MessageFile",
    "MessageLetter",
    "MessageRecipient",
    "NumberSeries",
    "OneTimeLink",
    "Organisation",
    "Passkey",
    "Payment",
    "ProviderAccount",
    "RecoveryCode",
    "RecurringCharge",
    "RecurringPosting",
    "Refund",
    "RefundPart",
    "ReminderPause",
    "ReminderRun",
    "ReminderRunItem",
    "Rendition",
    "Role",
    "RoleLimit",
    "SavedView",
    "SelectedRow",
    "Selection",
    "SendingRun",
    "SendingRunItem",
    "Service",
    "ServicePrice",
    "SignInFailure",
    "StoredFile",
    "StoredMessageText",
    "TaxRate",
    "TaxRateChange",
    "UnbilledDay",
    "User",
    "UserSession",
    "VoidedCharge",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]
