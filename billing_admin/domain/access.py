"""Who may do what: permissions, the roles that hold them, and the scopes a token may carry. One table."""

from dataclasses import dataclass
from uuid import UUID

from billing_admin.domain.errors import Denied

# Scopes are permissions that a token may carry; the others belong to people alone.
SCOPES = {
    "read": "See everything, change nothing",
    "charges:write": "Add, hold, release and cancel charges",
    "billing:write": "Run billing; issue, void and credit invoices",
    "payments:write": "Record, allocate and reverse payments",
    "customers:write": "Add and change customers",
    "catalogue:write": "Add and change services and their prices",
}
PERMISSIONS = SCOPES | {
    "audit:read": "See the audit log",
    "settings:write": "Change the organisation's settings",
    "tokens:write": "Create and revoke API tokens",
    "users:write": "Add people, change their roles, close their accounts",
    "jobs:write": "Stop jobs, and try them again",
    "webhooks:write": "Say who is told of invoices and charges by webhooks",
    "password:write": "Change one's own password",
}

ROLES: dict[str, frozenset[str]] = {
    "admin": frozenset(PERMISSIONS),
    "viewer": frozenset({"read", "audit:read", "password:write"}),
}
ROLE_SENTENCES = {
    "admin": "Does everything, settings and API tokens included.",
    "viewer": "Sees everything, changes nothing.",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, a token, or the command line; what they may do; and within which request."""

    kind: str
    id: UUID | None
    name: str
    permissions: frozenset[str]
    request_id: str | None = None

    def require(self, permission: str) -> None:
        """Raise Denied, naming the missing permission, unless the actor holds it."""
        if permission not in self.permissions:
            raise Denied(
                "missing_permission",
                f"This needs the permission “{permission}” ({PERMISSIONS[permission].lower()}).",
                permission=permission,
            )


SYSTEM = Actor("system", None, "command line", frozenset(PERMISSIONS))
