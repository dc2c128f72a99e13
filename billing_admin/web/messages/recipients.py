"""The fields by which a person chooses the recipients of a message."""

from collections.abc import Sequence
from typing import Any

from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, EmailInput, ListWidget

from billing_admin.domain.messages import CC, TO, Recipient
from billing_admin.models import CustomerContact
from billing_admin.web.frame.forms import Form, TextField


def _contacts_field(label: str) -> Any:
    return SelectMultipleField(label, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput())


class RecipientsForm(Form):
    """The contacts of a customer as To and Cc, and one more address.

    `chosen` recipients and `others`, such as those of an earlier message, can be chosen also if they are no contacts.
    """

    to = _contacts_field("To")
    cc = _contacts_field("Cc")
    address = TextField("Another address", widget=EmailInput())

    def __init__(
        self,
        contacts: Sequence[CustomerContact],
        chosen: Sequence[Recipient],
        others: Sequence[Recipient] = (),
        **kwargs: Any,
    ) -> None:
        ticked = {kind: [recipient.address for recipient in chosen if recipient.kind == kind] for kind in (TO, CC)}
        self._names = {contact.email: contact.name for contact in contacts}
        self._names = {row.address: row.name for row in (*chosen, *others)} | self._names
        values = {"to": ticked[TO], "cc": ticked[CC]}
        super().__init__(data=values | kwargs.pop("data", {}), **kwargs)
        labels = [(address, f"{name} — {address}" if name else address) for address, name in self._names.items()]
        self.to.choices = self.cc.choices = labels

    def recipients(self) -> list[Recipient]:
        """Return the chosen recipients, those of kind `to` first."""
        typed = [Recipient("", self.address.data)] if self.address.data else []
        chosen = {kind: [Recipient(self._names[email], email, kind) for email in self[kind].data] for kind in (TO, CC)}
        return [*chosen[TO], *typed, *chosen[CC]]

    def error_fields(self) -> dict[str, str]:
        """Return the fields of problems with recipients.

        A wrong address can only be the typed one.
        """
        return {"recipients": TO if self._names else "address"}
