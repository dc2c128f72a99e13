"""The fields by which a person chooses recipients, subject and text of a message."""

from collections.abc import Sequence
from typing import Any

from wtforms import HiddenField, SelectMultipleField
from wtforms.widgets import CheckboxInput, EmailInput, ListWidget

from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Conflict
from billing_admin.domain.message_texts import MessageText
from billing_admin.domain.messages import CC, MAX_MESSAGE_LENGTH, MAX_SUBJECT_LENGTH, TO, Recipient
from billing_admin.domain.translation import Phrase
from billing_admin.models import CustomerContact
from billing_admin.web.frame.forms import Form, MultilineField, NewIdField, TextField


def _contacts_field(label: str) -> Any:
    return SelectMultipleField(label, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput())


class RecipientsForm(Form):
    """The contacts of a customer as To and Cc, and one more address.

    `chosen` recipients and `earlier` ones, those of the message that is repeated, can be chosen also if they are no contacts.
    """

    to = _contacts_field(Phrase("To"))
    cc = _contacts_field(Phrase("Cc"))
    address = TextField(Phrase("Another address"), widget=EmailInput())

    def __init__(
        self,
        contacts: Sequence[CustomerContact],
        chosen: Sequence[Recipient],
        earlier: Sequence[Recipient] = (),
        **kwargs: Any,
    ) -> None:
        ticked = {kind: [recipient.address for recipient in chosen if recipient.kind == kind] for kind in (TO, CC)}
        self._names = {contact.email: contact.name for contact in contacts}
        self._names = {row.address: row.name for row in (*chosen, *earlier)} | self._names
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


class MessageForm(RecipientsForm):
    """The recipients, subject and text of a message.

    `id` prevents a second message on a double click. `shown` is a digest of the subject and text that the page proposed.
    """

    subject = TextField(Phrase("Subject"), blank_message=Phrase("Enter the subject."), max_length=MAX_SUBJECT_LENGTH)
    text = MultilineField(Phrase("Text"), max_length=MAX_MESSAGE_LENGTH, render_kw={"rows": 14})
    id = NewIdField()
    shown = HiddenField()

    def __init__(
        self, contacts: Sequence[CustomerContact], chosen: Sequence[Recipient], proposed: MessageText, **kwargs: Any
    ) -> None:
        values = {"subject": proposed.subject, "text": proposed.body, "shown": _digest(proposed.subject, proposed.body)}
        super().__init__(contacts, chosen, data=values, **kwargs)
        self._proposed = proposed

    def refuse_changed(self) -> None:
        """Raise Conflict if the proposed text is no longer the one that the page showed.

        Its amounts would contradict the attachments. A text that the person has not edited is replaced by the new one.
        """
        shown, new = self.shown.data, _digest(self._proposed.subject, self._proposed.body)
        self.shown.data = new
        if not shown or shown == new:
            return
        if _digest(self.subject.data or "", self.text.data or "") == shown:
            for field, value in ((self.subject, self._proposed.subject), (self.text, self._proposed.body)):
                field.data, field.raw_data = value, [value]
            problem = Phrase("Amounts or days have changed since you saw this page. Check the new text.")
        else:
            problem = Phrase("Amounts or days have changed since you saw this page. Check those in your text.")
        raise Conflict("text_changed", problem, "text")


def _digest(subject: str, text: str) -> str:
    return hash_data([subject.strip(), text.strip()])
