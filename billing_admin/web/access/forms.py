"""Forms of signing in and of passwords, which a requested page follows."""

import json
from http import HTTPStatus
from typing import Any

import structlog
from flask import Response, make_response, redirect, render_template
from flask.typing import ResponseReturnValue
from wtforms import HiddenField
from wtforms.widgets import TextInput

from billing_admin.domain.authenticator import LONGEST_TYPED_CODE
from billing_admin.domain.errors import Invalid
from billing_admin.domain.sign_in import FAILURES_COUNT_FOR
from billing_admin.domain.translation import Phrase
from billing_admin.http.callers import describe_request
from billing_admin.web.frame.forms import Form, PasswordField, TextField, render_form
from billing_admin.web.frame.local_urls import safe_local_url
from billing_admin.web.frame.signed_in import SignedInPerson

_log = structlog.get_logger(__name__)

TOO_MANY_ATTEMPTS = Phrase(
    "Too many failed attempts. Wait {seconds} minutes, then try again.", seconds=FAILURES_COUNT_FOR.seconds // 60
)
WRONG_CODE = Phrase(
    "This code is wrong or was used before. Enter the code that your app shows now, or a recovery code that is not used."
)
CODE_INPUT = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}


class ContinuingForm(Form):
    """A form after which the person goes on to the page that they requested.

    `saved_form` holds a form sent after its session expired.
    """

    next = HiddenField()
    saved_form = HiddenField()

    def continue_to_request(self) -> ResponseReturnValue:
        """Redirect to the requested page, or offer to send the kept form again."""
        target, saved_form = safe_local_url(self.next.data), _read_saved_form(self.saved_form.data)
        if saved_form is None:
            return redirect(target, 303)
        action, fields = saved_form
        return render_template("sign_in/send_again.html", action=action, fields=fields, target=target)


class PasswordForm(ContinuingForm):
    """The current password, and the new password twice."""

    current = PasswordField(
        Phrase("Current password"),
        blank_message=Phrase("Enter your current password."),
        render_kw={"autocomplete": "current-password"},
    )
    password = PasswordField(
        Phrase("New password"),
        blank_message=Phrase("Enter a new password."),
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        Phrase("Repeat new password"),
        blank_message=Phrase("Enter the new password again."),
        render_kw={"autocomplete": "new-password"},
    )


class CodeField(TextField):
    """A code of an authenticator app, or a recovery code; it is not shown again."""

    widget = TextInput()

    def __init__(self, label: str, blank_message: str | None, **kwargs: Any) -> None:
        super().__init__(label, blank_message, max_length=LONGEST_TYPED_CODE, render_kw=CODE_INPUT, **kwargs)

    def _value(self) -> str:
        return ""


class CodeForm(ContinuingForm):
    """The second step of a sign-in."""

    code = CodeField(Phrase("Code"), Phrase("Enter the code that your app shows, or a recovery code."))


def render_password_form(form: PasswordForm, person: SignedInPerson) -> ResponseReturnValue:
    """Render the form to change the password.

    It is alone on its page for a person who must change it first.
    """
    template = "account/temporary_password.html" if person.password_temporary else "account/password.html"
    return render_form(template, form)


def refuse_throttled(answer: ResponseReturnValue) -> Response:
    """Return the page as the answer to a throttled attempt, and log the attempt."""
    _log.warning("attempt_throttled", **describe_request())
    response = make_response(answer)
    response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    response.headers["Retry-After"] = str(FAILURES_COUNT_FOR.seconds)
    return response


def _read_saved_form(text: str | None) -> tuple[str, list[tuple[str, str]]] | None:
    """Return the address and the fields of the stored form.

    The result is None if no form is stored or its text is not valid.
    """
    try:
        action, fields = json.loads(text or "null")
        return safe_local_url(str(action)), [(str(name), str(value)) for name, value in fields]
    except (TypeError, ValueError, RecursionError):
        return None


class ChosenPasswordForm(Form):
    """The password that a person chooses, twice."""

    password = PasswordField(
        Phrase("Password"), blank_message=Phrase("Enter a password."), render_kw={"autocomplete": "new-password"}
    )
    again = PasswordField(
        Phrase("Repeat password"),
        blank_message=Phrase("Enter the password again."),
        render_kw={"autocomplete": "new-password"},
    )

    def check(self) -> None:
        """Check the typed values.

        Raises:
            Invalid: The passwords differ.
        """
        if self.password.data != self.again.data:
            raise Invalid("not_repeated", Phrase("The passwords do not match. Enter the same password twice."), "again")
