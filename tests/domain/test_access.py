"""Who may do what."""

import pytest

from billing_admin.domain.access import PERMISSIONS, ROLE_SENTENCES, ROLES, SCOPES, SYSTEM, Actor
from billing_admin.domain.errors import Denied


def actor(role: str) -> Actor:
    return Actor("user", None, role, ROLES[role])


@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_the_admin_may_do_everything(permission: str) -> None:
    actor("admin").require(permission)
    SYSTEM.require(permission)
    assert permission in ROLES["admin"]


@pytest.mark.parametrize("permission", sorted(PERMISSIONS.keys() - {"read", "audit:read", "password:write"}))
def test_the_viewer_may_only_read_and_have_a_password(permission: str) -> None:
    for granted in ("read", "audit:read", "password:write"):
        actor("viewer").require(granted)
    with pytest.raises(Denied, match=permission) as denied:
        actor("viewer").require(permission)
    assert denied.value.code == "missing_permission"
    assert denied.value.extra == {"permission": permission}


def test_a_token_can_change_neither_people_nor_tokens() -> None:
    of_people = {
        "audit:read",
        "tokens:write",
        "users:write",
        "jobs:write",
        "webhooks:write",
        "password:write",
    }
    assert PERMISSIONS.keys() - SCOPES.keys() == of_people


def test_each_role_is_described_and_holds_known_permissions() -> None:
    assert ROLES.keys() == ROLE_SENTENCES.keys()
    for permissions in ROLES.values():
        assert permissions <= PERMISSIONS.keys()
