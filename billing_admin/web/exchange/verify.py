"""The verification of an exported file.

The file is compared with its control totals and with the current data.
"""

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import ValidationError

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase
from billing_admin.formats.verify import LARGEST_META, Meta, read_meta, verify_file as compare
from billing_admin.http.body_limits import UPLOAD, body_limit
from billing_admin.web.exchange.exports import EXPORT_KINDS
from billing_admin.web.frame.forms import Form, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import now, today

pages = page_blueprint("verify_file", __name__, "/verify-file", write="exports:read")


class VerifyForm(Form):
    """The file, and its `.meta.json`, without which its checksum cannot be verified."""

    file = FileField(Phrase("File"))
    totals = FileField(Phrase("Control totals (.meta.json)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.totals.flags.optional = True

    def validate_file(self, field: FileField) -> None:
        """Raise ValidationError if no file was chosen."""
        if not field.data or not field.data.filename:
            raise ValidationError(Phrase("Choose the file to verify."))

    def read_meta(self) -> Meta | None:
        """Return the control totals in the `.meta.json`, or None without one.

        Raises:
            Invalid: if the file is not a `.meta.json`.
        """
        return read_meta(self.totals.data.read(LARGEST_META)) if self.totals.data else None


@pages.route("", methods=["GET", "POST"])
@body_limit(UPLOAD)
def verify() -> ResponseReturnValue:
    """Ask for the file, then show the comparison.

    Nothing is stored.
    """
    form, meta = VerifyForm(), None
    if request.method == "POST" and form.validate():
        try:
            meta = form.read_meta()
        except Invalid as error:
            form.totals.errors = [
                Phrase("{message} You can download it with the export, alone or in a ZIP file.", message=error.message)
            ]
        else:
            file = form.file.data
            visible_kinds = {kind for kind, about in EXPORT_KINDS.items() if has_permission(about.needs)} | {
                "journal",
                "numbers",
            }
            result = compare(db.session(), file.stream, meta, today(), visible_kinds)
            return render_template(
                "exports/verified.html",
                name=file.filename,
                result=result,
                title=EXPORT_KINDS[result.kind].title if result.kind in EXPORT_KINDS else None,
                moment=now(),
            )
    return render_form("exports/verify.html", form)
