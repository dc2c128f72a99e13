"""Access rights: permissions, the roles of people, and the scopes of tokens."""

from dataclasses import dataclass
from uuid import UUID

from billing_admin.domain.errors import Denied
from billing_admin.domain.translation import Phrase

# Scopes are the permissions that a token can have; the other permissions are for people only.
SCOPES = {
    "read": Phrase("See everything, change nothing"),
    "charges:write": Phrase("Add, hold, release and cancel charges"),
    "credits:write": Phrase("Add negative charges"),
    "billing:write": Phrase("Run billing; issue, void and credit invoices"),
    "payments:write": Phrase("Record, allocate and reverse payments; record refunds"),
    "customers:write": Phrase("Add and change customers"),
    "catalogue:write": Phrase("Add and change services and their prices"),
    "messages:write": Phrase("Send documents, reminders and statements to customers"),
    "settings:write": Phrase("Change the settings, bank accounts and the logo"),
}
CREDIT_PERMISSION = "credits:write"
PERMISSIONS = SCOPES | {
    "audit:read": Phrase("See the audit log"),
    "tokens:write": Phrase("Create and revoke API tokens"),
    "users:write": Phrase("Add people, change their roles, deactivate and activate them"),
    "jobs:write": Phrase("Stop and retry jobs"),
    "webhooks:write": Phrase("Add, change and delete webhook endpoints"),
    "password:write": Phrase("Change your own password"),
}

ROLES: dict[str, frozenset[str]] = {
    "admin": frozenset(PERMISSIONS),
    "viewer": frozenset({"read", "audit:read", "password:write"}),
}
ROLE_SENTENCES = {
    "admin": Phrase("Can do everything, including settings and API tokens."),
    "viewer": Phrase("Can see everything and change nothing."),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a token or the command line, with its permissions and its request."""

    kind: str
    id: UUID | None
    name: str
    permissions: frozenset[str]
    request_id: str | None = None

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
