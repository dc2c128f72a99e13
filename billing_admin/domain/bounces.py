"""Bounces: messages that were accepted and could not be delivered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar
from uuid import UUID

from billing_admin.domain.mail_servers import ascii_domain

MAX_RESPONSE_LENGTH: Final = 500  # characters
_SMTP_CODE = re.compile(r"\b([245][0-9]{2})(?=[ -]|\Z)", re.ASCII)


class BounceOutcome(StrEnum):
    """The result of reading a message from the mailbox for delivery reports."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    NO_FAILURE = "no_failure"  # a delay, or a delivery that succeeded
    UNKNOWN = "unknown"  # no delivery report, or of no message of this program


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """An address that a message could not be delivered to.

    `addresses` are the one that the message was sent to and the one that it was forwarded to, as far as they are known.
    """

    addresses: tuple[str, ...]
    response: str

    @property
    def code(self) -> int | None:
        """The SMTP code of the response, if it has one."""
        match = _SMTP_CODE.search(self.response)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A report of a mail server about a message.

    Without failures, it is about a delay or a success.
    """

    message_id: UUID
    failures: tuple[FailedRecipient, ...]


class StoredRecipient(Protocol):
    """The columns of a recipient that a report is compared with."""

    @property
    def address(self) -> str:
        """The e-mail address."""

    @property
    def result(self) -> str:
        """The result so far."""


R = TypeVar("R", bound=StoredRecipient)


def find_failed(recipients: Sequence[R], failure: FailedRecipient) -> list[R]:
    """Return the recipients that a failure is about.

    A message that was forwarded may be reported for an address that it was not sent to. If it has one recipient, the
    failure is about that one.
    """
    addresses = {_fold(address) for address in failure.addresses}
    named = [recipient for recipient in recipients if _fold(recipient.address) in addresses]
    return named or (list(recipients) if len(recipients) == 1 else [])


def _fold(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.casefold()}@{ascii_domain(domain) or domain.casefold()}"
