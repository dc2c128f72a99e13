"""Folders in maildir form: each message is a file, delivered in one step."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from billing_admin.domain.errors import NotFound
from billing_admin.private_files import create_private_folder

_FOLDERS = ("new", "cur")
_NAME = re.compile(r"[\w.,=:+-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MaildirMessage:
    """A message of a maildir.

    `name` is its file name without flags, which stays the same.
    """

    name: str
    file: Path

    @property
    def is_seen(self) -> bool:
        """Whether a reader has marked the message as seen."""
        return "S" in self.file.name.partition(":2,")[2]

    def read(self, longest: int = -1) -> bytes:
        """Return the message, or its beginning of so many bytes."""
        with self.file.open("rb") as file:
            return file.read(longest)

    def mark_seen(self) -> None:
        """Mark the message as seen."""
        flags = "".join(sorted({*self.file.name.partition(":2,")[2], "S"}))
        self.file.rename(self.file.parent.parent / "cur" / f"{self.name}:2,{flags}")


def deliver_to_maildir(folder: Path, content: bytes) -> Path:
    """Store a message in a maildir and return its file.

    A reader sees the whole message or nothing of it, and no other user of the machine can read it.
    """
    for part in ("", "tmp", *_FOLDERS):
        create_private_folder(folder / part)
    # The time in the name gives the order of the messages.
    name = f"{time.time_ns() // 1_000_000_000}.{time.time_ns() % 1_000_000_000:09}_{uuid4().hex}.billing"
    written = folder / "tmp" / name
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        delivered = folder / "new" / name
        written.rename(delivered)
    except OSError:
        written.unlink(missing_ok=True)
        raise
    return delivered


def maildir_messages(folder: Path) -> list[MaildirMessage]:
    """Return the messages of a maildir, newest first.

    A folder that does not exist has none.
    """
    files = [file for part in _FOLDERS for file in (folder / part).glob("[!.]*") if file.is_file()]
    messages = [MaildirMessage(file.name.partition(":2,")[0], file) for file in files]
    return sorted(messages, key=_order, reverse=True)


def maildir_message(folder: Path, name: str) -> MaildirMessage:
    """Return a message by its name.

    Raises:
        NotFound: The maildir has no message with this name.
    """
    if _NAME.fullmatch(name):
        for message in maildir_messages(folder):
            if message.name == name:
                return message
    raise NotFound("unknown_message", "The mailbox has no such message.")


def _order(message: MaildirMessage) -> tuple[int, str]:
    """Return the key that puts messages in the order of their delivery."""
    seconds = message.name.partition(".")[0]
    return (int(seconds) if seconds.isascii() and seconds.isdigit() else 0, message.name)
