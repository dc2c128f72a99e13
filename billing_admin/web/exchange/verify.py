"""Verify a file: is what somebody brings back what was exported, and would it be the same now?"""

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import ValidationError

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.formats.verify import LARGEST_META, Meta, read_meta, verify_file as compare
from billing_admin.http.body_limits import UPLOAD, body_limit
from billing_admin.web.exchange.exports import EXPORT_KINDS
from billing_admin.web.frame.forms import Form, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import now, today

pages = page_blueprint("verify_file", __name__, "/verify-file", write="billing:write")


class VerifyForm(Form):
    """The file is needed; without its `.meta.json` nothing says what its bytes should be."""

    file = FileField("File")
    totals = FileField("Its .meta.json")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.totals.flags.optional = True

    def validate_file(self, field: FileField) -> None:
        """Chosen, and not empty."""
        if not field.data or not field.data.filename:
            raise ValidationError("Choose the file to verify.")

    def read_meta(self) -> Meta | None:
        """What the `.meta.json` says, or None without one. Raises Invalid for what is none."""
        return read_meta(self.totals.data.read(LARGEST_META)) if self.totals.data else None


@pages.route("", methods=["GET", "POST"])
@body_limit(UPLOAD)
def verify() -> ResponseReturnValue:
    """Ask for the file; then say what was found. Nothing is kept."""
    form, meta = VerifyForm(), None
    if request.method == "POST" and form.validate():
        try:
            meta = form.read_meta()
        except Invalid as refusal:
            form.totals.errors = [f"{refusal.message} It lies beside the file, or in the same ZIP."]
        else:
            file = form.file.data
            seen = {kind for kind, about in EXPORT_KINDS.items() if has_permission(about.needs)} | {
                "journal",
                "numbers",
            }
            found = compare(db.session(), file.stream, meta, today(), seen)
            return render_template(
                "exports/verified.html",
                name=file.filename,
                found=found,
                title=EXPORT_KINDS[found.kind].title if found.kind in EXPORT_KINDS else None,
                moment=now(),
            )
    return render_form("exports/verify.html", form)
