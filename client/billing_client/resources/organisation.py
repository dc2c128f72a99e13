"""The organisation: settings, logo, bank accounts, exchange rates, message texts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import answers, calls
from billing_client.answers import BankAccount, Download, ExchangeRate, FileTotals, Logo, MessageText
from billing_client.asking import (
    BankAccountChanges,
    Day,
    ExchangeRateFilter,
    MessageTextChanges,
    NewBankAccount,
    NewExchangeRate,
    OrganisationChanges,
)
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Organisation(Resource):
    """The calls of `client.organisation`."""

    def get(self) -> answers.Organisation:
        """Return the settings."""
        return self.ask(answers.Organisation, calls.ORGANISATION_GET)

    def update(self, read: answers.Organisation, **changes: Unpack[OrganisationChanges]) -> answers.Organisation:
        """Change settings that were read with `get`.

        Raises Stale if they have changed since.
        """
        return self.ask(answers.Organisation, calls.ORGANISATION_UPDATE, body=changes, etag=read.etag)

    def logo(self, sha256: str) -> Logo:
        """Return a logo by its SHA-256, which the settings and documents name."""
        return self.ask(Logo, calls.LOGO_GET, sha256)

    def set_logo(self, file: bytes | str | Path) -> Logo:
        """Set the logo to a PNG or SVG: its bytes, or the path of the file."""
        content = file if isinstance(file, bytes) else Path(file).read_bytes()
        return self.ask(Logo, calls.LOGO_SET, body={"file": base64.b64encode(content).decode()})

    def remove_logo(self) -> answers.Organisation:
        """Remove the logo; issued documents keep it."""
        return self.ask(answers.Organisation, calls.LOGO_REMOVE)


class BankAccounts(Resource):
    """The calls of `client.bank_accounts`."""

    def create(self, **account: Unpack[NewBankAccount]) -> BankAccount:
        """Add a bank account."""
        return self.ask(BankAccount, calls.BANK_ACCOUNT_CREATE, body=account)

    def list(self) -> Iterator[BankAccount]:
        """Yield all bank accounts by currency, the default first, archived ones last."""
        return self.each(BankAccount, calls.BANK_ACCOUNT_LIST, in_pages=False)

    def get(self, id: object) -> BankAccount:
        """Return one bank account."""
        return self.ask(BankAccount, calls.BANK_ACCOUNT_GET, id)

    def update(self, read: BankAccount, **changes: Unpack[BankAccountChanges]) -> BankAccount:
        """Change a bank account that was read with `get`.

        Raises Stale if it has changed since.
        """
        return self.ask(BankAccount, calls.BANK_ACCOUNT_UPDATE, read.id, body=changes, etag=read.etag)

    def download(self, path: str | Path) -> Download:
        """Write all bank accounts to a CSV file.

        `totals` returns its control totals.
        """
        return self.file(calls.BANK_ACCOUNT_FILE, path=path)

    def totals(self) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.BANK_ACCOUNT_FILE, query={"totals": 1})


class ExchangeRates(Resource):
    """The calls of `client.exchange_rates`."""

    def set(self, **rate: Unpack[NewExchangeRate]) -> ExchangeRate:
        """Set the rate of a currency on a day."""
        return self.ask(ExchangeRate, calls.RATE_SET, body=rate)

    def list(self, **filters: Unpack[ExchangeRateFilter]) -> Iterator[ExchangeRate]:
        """Yield the rates that match the filters, latest first."""
        return self.each(ExchangeRate, calls.RATE_LIST, filters)

    def remove(self, currency: str, day: Day) -> ExchangeRate:
        """Remove the rate of a day, and return it; issued documents keep it."""
        return self.ask(ExchangeRate, calls.RATE_REMOVE, currency, body={"day": day})

    def download(self, path: str | Path, **filters: Unpack[ExchangeRateFilter]) -> Download:
        """Write the rates that match the filters to a CSV file.

        `totals` returns its control totals.
        """
        return self.file(calls.RATE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[ExchangeRateFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.RATE_FILE, query={**filters, "totals": 1})


class MessageTexts(Resource):
    """The calls of `client.message_texts`."""

    def list(self) -> Iterator[MessageText]:
        """Yield the texts of messages, by key and language."""
        return self.each(MessageText, calls.MESSAGE_TEXT_LIST, in_pages=False)

    def get(self, key: str, language: str) -> MessageText:
        """Return the text of a key in a language."""
        return self.ask(MessageText, calls.MESSAGE_TEXT_GET, key, language)

    def update(self, read: MessageText, **changes: Unpack[MessageTextChanges]) -> MessageText:
        """Change a text that was read with `get`.

        Raises Stale if it has changed since.
        """
        return self.ask(MessageText, calls.MESSAGE_TEXT_UPDATE, read.key, read.language, body=changes, etag=read.etag)

    def restore(self, key: str, language: str) -> MessageText:
        """Use the built-in text again."""
        return self.ask(MessageText, calls.MESSAGE_TEXT_RESTORE, key, language)
