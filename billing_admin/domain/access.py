"""Access rights: permissions, the roles of people, and the scopes of tokens."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing_admin.domain.errors import Denied, Invalid
from billing_admin.domain.text import check_not_blank
from billing_admin.domain.translation import Phrase

# Scopes are the permissions that a token can have; the other permissions are for people only.
SCOPES: Final = {
    "read": Phrase("See everything, change nothing"),
    "exports:read": Phrase("Download lists, totals and the journal as files"),
    "charges:write": Phrase("Add, hold, release and cancel charges"),
    "credits:write": Phrase("Add negative charges"),
    "billing:write": Phrase("Run billing; change, issue and discard invoices"),
    "corrections:write": Phrase("Void and credit invoices, and bill them again"),
    "payments:write": Phrase("Record, allocate and reverse payments; record refunds"),
    "write-offs:write": Phrase("Write off what a customer will not pay"),
    "customers:write": Phrase("Add and change customers"),
    "catalogue:write": Phrase("Add and change services and their prices"),
    "messages:write": Phrase("Send documents and statements to customers"),
    "reminders:write": Phrase("Send reminders, and pause them"),
    "settings:write": Phrase("Change the settings, bank accounts and the logo"),
}
# A scope → the scopes that were part of it when it was the only one. A token with the first has them all.
SCOPE_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "read": frozenset({"exports:read"}),
    "billing:write": frozenset({"corrections:write"}),
    "payments:write": frozenset({"write-offs:write"}),
    "messages:write": frozenset({"reminders:write"}),
}
CREDIT_PERMISSION: Final = "credits:write"
PERMISSIONS: Final = SCOPES | {
    "audit:read": Phrase("See the audit log"),
    "access:read": Phrase("See people, roles and API tokens"),
    "approvals:write": Phrase("Approve and reject acts of others that are above their limits"),
    "periods:write": Phrase("Lock and unlock the books"),
    "journal:write": Phrase("Change the names of the journal’s accounts"),
    "tokens:write": Phrase("Create and revoke API tokens"),
    "users:write": Phrase("Add people, change roles and their permissions, deactivate and activate people"),
    "jobs:write": Phrase("Stop and retry jobs"),
    "webhooks:write": Phrase("Add, change and delete webhook endpoints"),
    "password:write": Phrase("Change your own password"),
}
# Each role has these: the pages of every person need them.
BASE_PERMISSIONS: Final = frozenset({"read", "password:write"})

ADMIN: Final = "admin"
ROLES: Final[Mapping[str, frozenset[str]]] = {
    ADMIN: frozenset(PERMISSIONS),
    "biller": BASE_PERMISSIONS
    | {"customers:write", "charges:write", CREDIT_PERMISSION, "billing:write", "corrections:write", "messages:write"},
    "cashier": BASE_PERMISSIONS | {"payments:write"},
    "credit-controller": BASE_PERMISSIONS | {"messages:write", "reminders:write", "write-offs:write"},
    "accountant": BASE_PERMISSIONS | {"exports:read", "audit:read", "periods:write", "journal:write"},
    "auditor": BASE_PERMISSIONS | {"exports:read", "audit:read", "access:read"},
    "viewer": BASE_PERMISSIONS | {"exports:read", "audit:read"},
}
ROLE_LABELS: Final = {
    ADMIN: Phrase("Admin"),
    "biller": Phrase("Biller"),
    "cashier": Phrase("Cashier"),
    "credit-controller": Phrase("Credit controller"),
    "accountant": Phrase("Accountant"),
    "auditor": Phrase("Auditor"),
    "viewer": Phrase("Viewer"),
}
ROLE_SENTENCES: Final = {
    ADMIN: Phrase("Can do everything, including settings and API tokens."),
    "biller": Phrase("Adds customers and charges, runs billing, and issues, sends and corrects invoices."),
    "cashier": Phrase("Records and allocates payments, and records refunds."),
    "credit-controller": Phrase("Sends reminders and statements, and writes off what is not paid."),
    "accountant": Phrase("Sees everything, downloads files, locks the books and keeps the journal."),
    "auditor": Phrase("Sees everything, including people, API tokens and the audit log, and downloads files."),
    "viewer": Phrase("Can see everything and change nothing."),
}
MAX_ROLE_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class PermissionConflict:
    """Two permissions that one person should not have both."""

    permissions: tuple[str, str]
    risk: str

    def is_in(self, permissions: Collection[str]) -> bool:
        """Return whether the permissions include both."""
        return all(permission in permissions for permission in self.permissions)


CONFLICTS: Final = (
    PermissionConflict(("billing:write", "payments:write"), Phrase("Issue invoices and receive their money")),
    PermissionConflict(
        ("corrections:write", "payments:write"), Phrase("Receive money and credit the invoice that it paid")
    ),
    PermissionConflict(
        ("write-offs:write", "payments:write"), Phrase("Receive money and write off the invoice that it paid")
    ),
    PermissionConflict(("customers:write", "payments:write"), Phrase("Add customers and record refunds to them")),
    PermissionConflict(
        ("settings:write", "billing:write"), Phrase("Change bank accounts and issue invoices that print them")
    ),
    PermissionConflict(
        ("catalogue:write", "billing:write"), Phrase("Change prices and issue invoices at these prices")
    ),
    PermissionConflict(
        ("periods:write", "corrections:write"), Phrase("Unlock the books and correct documents in them")
    ),
    PermissionConflict(
        ("approvals:write", "users:write"), Phrase("Approve acts and change the limits above which they need approval")
    ),
    PermissionConflict(("users:write", "payments:write"), Phrase("Give permissions to people and receive money")),
)


def conflicts_of(permissions: Collection[str]) -> list[PermissionConflict]:
    """Return the conflicts that the permissions include."""
    return [conflict for conflict in CONFLICTS if conflict.is_in(permissions)]


def with_parts(scopes: Collection[str]) -> frozenset[str]:
    """Return scopes with the parts that they include."""
    return frozenset(scopes).union(*(SCOPE_PARTS.get(scope, frozenset()) for scope in scopes))


def role_permissions(role: str | None, stored: Collection[str] | None) -> frozenset[str]:
    """Return the permissions of a role; those of an own role are `stored`."""
    built_in = ROLES.get(role or "")
    return built_in if built_in is not None else frozenset(stored or ())


def role_label(role: str) -> str:
    """Return the name of a role for people."""
    return ROLE_LABELS.get(role, role)


def check_role_name(name: str) -> str:
    """Return the name of an own role.

    Raises:
        Invalid: It is blank, too long, or that of a built-in role.
    """
    checked = check_not_blank(name, "name", longest=MAX_ROLE_NAME_LENGTH)
    if checked.casefold() in {built_in.casefold() for built_in in (*ROLES, *map(str, ROLE_LABELS.values()))}:
        raise Invalid("built_in", Phrase("This is the name of a built-in role. Use another name."), "name")
    return checked


def check_permissions(permissions: Collection[str]) -> list[str]:
    """Return the permissions of an own role, with those that each role has.

    Raises:
        Invalid: One of them does not exist.
    """
    unknown = [permission for permission in permissions if permission not in PERMISSIONS]
    if unknown:
        message = Phrase("There is no permission “{permission}”.", permission=unknown[0][:80])
        raise Invalid("unknown_permission", message, "permissions")
    return [name for name in PERMISSIONS if name in BASE_PERMISSIONS or name in permissions]


@dataclass(frozen=True, slots=True)
class Approval:
    """The approved request that an act executes, and the person who approved it."""

    id: UUID
    approver: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a token or the command line, with its permissions and its request.

    `approval` is set while an approved request of the actor is executed.
    """

    kind: str
    id: UUID | None
    name: str
    permissions: frozenset[str]
    request_id: str | None = None
    approval: Approval | None = None

    @property
    def may_credit(self) -> bool:
        """Whether the actor may add negative charges."""
        return CREDIT_PERMISSION in self.permissions

    def require(self, permission: str) -> None:
        """Check that the actor has a permission.

        Raises:
            Denied: The permission is missing; the error names it.
        """
        if permission not in self.permissions:
            raise Denied(
                "missing_permission",
                Phrase(
                    "You need the permission “{permission}” ({permission2}).",
                    permission=permission,
                    permission2=PERMISSIONS[permission].lower(),
                ),
                permission=permission,
            )

    def require_all(self, permissions: Collection[str], *field: str) -> None:
        """Check that the actor has all permissions that it gives, or takes from a person.

        Raises:
            Denied: One is missing; the error names it.
        """
        missing = [name for name in PERMISSIONS if name in permissions and name not in self.permissions]
        if missing:
            message = Phrase(
                "You need the permission “{permission}”: you cannot give or change more permissions than you have.",
                permission=missing[0],
            )
            raise Denied("beyond_own_rights", message, *field, permission=missing[0])


SYSTEM = Actor("system", None, "command line", frozenset(PERMISSIONS))


def credit_denied(*field: str) -> Denied:
    """Return the error for a negative charge of an actor who may not add one."""
    return Denied(
        "missing_permission",
        Phrase(
            "You need the permission “{credit_permission}” to add a negative charge.",
            credit_permission=CREDIT_PERMISSION,
        ),
        *field,
        permission=CREDIT_PERMISSION,
    )
