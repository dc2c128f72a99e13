"""Who may do what."""

import pytest

from billing_admin.domain.access import (
    CONFLICTS,
    PERMISSIONS,
    ROLE_LABELS,
    ROLE_SENTENCES,
    ROLES,
    SCOPE_PARTS,
    SCOPES,
    SYSTEM,
    Actor,
    check_permissions,
    check_role_name,
    conflicts_of,
    role_permissions,
    with_parts,
)
from billing_admin.domain.errors import Denied, Invalid

VIEWER = {"read", "exports:read", "audit:read", "password:write"}


def actor(role: str) -> Actor:
    return Actor("user", None, role, ROLES[role])


@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_the_admin_may_do_everything(permission: str) -> None:
    actor("admin").require(permission)
    SYSTEM.require(permission)
    assert permission in ROLES["admin"]


@pytest.mark.parametrize("permission", sorted(PERMISSIONS.keys() - VIEWER))
def test_the_viewer_may_only_read_and_have_a_password(permission: str) -> None:
    for granted in VIEWER:
        actor("viewer").require(granted)
    with pytest.raises(Denied, match=permission) as denied:
        actor("viewer").require(permission)
    assert denied.value.code == "missing_permission"
    assert denied.value.extra == {"permission": permission}


def test_a_token_can_change_neither_people_nor_tokens() -> None:
    of_people = {
        "audit:read",
        "access:read",
        "approvals:write",
        "periods:write",
        "journal:write",
        "tokens:write",
        "users:write",
        "jobs:write",
        "webhooks:write",
        "password:write",
    }
    assert PERMISSIONS.keys() - SCOPES.keys() == of_people


def test_each_role_is_described_and_holds_known_permissions() -> None:
    assert ROLES.keys() == ROLE_SENTENCES.keys() == ROLE_LABELS.keys()
    for permissions in ROLES.values():
        assert permissions <= PERMISSIONS.keys()


def test_a_scope_of_before_includes_the_scopes_made_of_it() -> None:
    assert with_parts(["billing:write", "read"]) == {"billing:write", "corrections:write", "read", "exports:read"}
    assert with_parts(["payments:write"]) == {"payments:write", "write-offs:write"}
    assert with_parts(["messages:write"]) == {"messages:write", "reminders:write"}
    assert with_parts(["corrections:write"]) == {"corrections:write"}
    assert {part for parts in SCOPE_PARTS.values() for part in parts} <= SCOPES.keys()


def test_a_built_in_role_cannot_be_replaced() -> None:
    assert role_permissions("viewer", ["users:write"]) == ROLES["viewer"]
    assert role_permissions("Branch office", ["read"]) == {"read"}
    assert role_permissions("Branch office", None) == role_permissions(None, None) == frozenset()
    for name in ("admin", " Admin", "CREDIT controller", "credit-controller"):
        with pytest.raises(Invalid):
            check_role_name(name.strip())


def test_an_own_role_has_what_every_page_needs() -> None:
    assert check_permissions(["payments:write", "audit:read"]) == [
        "read",
        "payments:write",
        "audit:read",
        "password:write",
    ]
    with pytest.raises(Invalid, match="no permission “all”"):
        check_permissions(["all"])


def test_only_the_admin_has_conflicting_rights() -> None:
    assert conflicts_of(ROLES["admin"]) == list(CONFLICTS)
    assert [role for role in ROLES if conflicts_of(ROLES[role])] == ["admin"]
    assert [conflict.permissions for conflict in conflicts_of({"payments:write", "billing:write"})] == [
        ("billing:write", "payments:write")
    ]


def test_nobody_gives_rights_that_they_lack() -> None:
    actor("cashier").require_all({"payments:write", "read"})
    with pytest.raises(Denied, match="“billing:write”") as denied:
        actor("cashier").require_all({"payments:write", "billing:write", "users:write"}, "role")
    assert (denied.value.code, denied.value.field) == ("beyond_own_rights", ("role",))
