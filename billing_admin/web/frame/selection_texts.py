"""The sentences of lists whose rows can be selected, by the kind of their rows."""

from typing import Final, NamedTuple

from billing_admin.domain.translation import Phrase


class SelectionTexts(NamedTuple):
    """The sentences about selected rows of one kind.

    `{count}` and `{sums}` stand for numbers.
    """

    none: str
    single: str
    many: str
    single_sum: str
    many_sum: str
    hint: str
    all: str


_TEXTS: Final = {
    "charges": SelectionTexts(
        Phrase("No charges selected"),
        Phrase("1 charge selected"),
        Phrase("{count} charges selected"),
        Phrase("1 charge selected: {sums}"),
        Phrase("{count} charges selected: {sums}"),
        Phrase("Select charges, then choose what to do with them."),
        Phrase("All {count} charges of this filter"),
    ),
    "invoices": SelectionTexts(
        Phrase("No documents selected"),
        Phrase("1 document selected"),
        Phrase("{count} documents selected"),
        Phrase("1 document selected: {sums}"),
        Phrase("{count} documents selected: {sums}"),
        Phrase("Select documents, then choose what to do with them."),
        Phrase("All {count} documents of this filter"),
    ),
    "payments": SelectionTexts(
        Phrase("No payments selected"),
        Phrase("1 payment selected"),
        Phrase("{count} payments selected"),
        Phrase("1 payment selected: {sums}"),
        Phrase("{count} payments selected: {sums}"),
        Phrase("Select payments, then choose what to do with them."),
        Phrase("All {count} payments of this filter"),
    ),
    "messages": SelectionTexts(
        Phrase("No messages selected"),
        Phrase("1 message selected"),
        Phrase("{count} messages selected"),
        Phrase("1 message selected: {sums}"),
        Phrase("{count} messages selected: {sums}"),
        Phrase("Select messages, then choose what to do with them."),
        Phrase("All {count} messages of this filter"),
    ),
}


def selection_texts(kind: str) -> SelectionTexts:
    """Return the sentences about selected charges, invoices, payments or messages."""
    return _TEXTS[kind]
