"""The bank account of a document, as its page shows it."""

from collections.abc import Sequence

from billing_admin.domain.bank_accounts import group_iban
from billing_admin.domain.document_details import BankAccount
from billing_admin.domain.translation import Phrase


def bank_account_facts(account: BankAccount | None, seller_name: str) -> Sequence[tuple[str, str]] | None:
    """Return the labels and values of a document's bank account, or None."""
    if account is None:
        return None
    return [
        (Phrase("Account holder"), account.holder or seller_name),
        *((("IBAN", group_iban(account.iban)),) if account.iban else ()),
        *(((Phrase("Account number"), account.account_number),) if account.account_number else ()),
        *((("BIC", account.bic),) if account.bic else ()),
        *(((Phrase("Bank"), account.bank_name),) if account.bank_name else ()),
    ]
