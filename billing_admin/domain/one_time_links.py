"""One-time links, by which people get access: purposes and lifetimes."""

from datetime import timedelta
from enum import StrEnum
from typing import Final


class LinkPurpose(StrEnum):
    """The purpose of a link: the first person, an invitation, or a new password."""

    SET_UP = "set_up"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose


LINK_IS_VALID_FOR: Final = {
    LinkPurpose.SET_UP: timedelta(hours=24),
    LinkPurpose.INVITATION: timedelta(hours=72),
    LinkPurpose.PASSWORD_RESET: timedelta(hours=1),
}
# How soon a person who forgot their password can ask for another link.
RESET_INTERVAL: Final = timedelta(minutes=5)
MAX_MAIL_ATTEMPTS: Final = 8


def next_mail_attempt(attempts: int) -> timedelta:
    """Return the wait after a failed attempt to send a link: 1, 2, 4, … minutes."""
    return timedelta(minutes=2 ** max(0, attempts - 1))


def link_path(purpose: LinkPurpose, token: str) -> str:
    """Return path and query of a link."""
    page = "/set-up" if purpose is LinkPurpose.SET_UP else "/choose-password"
    return f"{page}?token={token}"
