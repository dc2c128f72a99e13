"""Reminders: their settings, pauses and runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import ListedReminderRun, ReminderPause, ReminderRun, ReminderSettings
from billing_client.asking import Key, NewReminderPause, NewReminderRun, ReminderScope, ReminderSettingsChanges
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Reminders(Resource):
    """The calls of `client.reminders`."""

    def settings(self) -> ReminderSettings:
        """Return the levels, and whether reminders are sent every day."""
        return self.ask(ReminderSettings, calls.REMINDER_SETTINGS_GET)

    def update_settings(self, read: ReminderSettings, **changes: Unpack[ReminderSettingsChanges]) -> ReminderSettings:
        """Change settings that were read with `settings`.

        Raises Stale if the settings of the organisation have changed since.
        """
        return self.ask(ReminderSettings, calls.REMINDER_SETTINGS_UPDATE, body=changes, etag=read.etag)

    def pause(self, **pause: Unpack[NewReminderPause]) -> ReminderPause:
        """Pause the reminders of a `customer` or an `invoice` through a day."""
        return self.ask(ReminderPause, calls.REMINDER_PAUSE_CREATE, body=pause)

    def pauses(self) -> Iterator[ReminderPause]:
        """Yield the current pauses, newest first."""
        return self.each(ReminderPause, calls.REMINDER_PAUSE_LIST)

    def resume(self, pause: Key) -> ReminderPause:
        """End a pause."""
        return self.ask(ReminderPause, calls.REMINDER_PAUSE_END, pause)

    def run(self, **run: Unpack[NewReminderRun]) -> ReminderRun:
        """Send the reminders that are due today."""
        return self.ask(ReminderRun, calls.REMINDER_RUN_CREATE, body=run)

    def preview(self, **scope: Unpack[ReminderScope]) -> ReminderRun:
        """Return the reminders that a run would send; nothing is stored.

        Pass the `digest` to `run` as `confirmed`.
        """
        return self.ask(ReminderRun, calls.REMINDER_RUN_PREVIEW, body={**scope, "dry_run": True})

    def runs(self) -> Iterator[ListedReminderRun]:
        """Yield all reminder runs, newest first, without their reminders."""
        return self.each(ListedReminderRun, calls.REMINDER_RUN_LIST)

    def get_run(self, id: Key) -> ReminderRun:
        """Return one reminder run, with the states of its messages now."""
        return self.ask(ReminderRun, calls.REMINDER_RUN_GET, id)
