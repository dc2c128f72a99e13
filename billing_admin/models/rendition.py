"""Files that were made of issued documents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, value_check
from billing_admin.models.invoice import Invoice

# `pdf` is the document as issued, `void` the PDF that says when and why it became void. The others are formats of e-invoices.
RENDITION_FORMS = ("pdf", "void", "factur-x", "ubl", "cii", "peppol", "xrechnung-ubl", "xrechnung-cii")


class Rendition(Base):
    """The file of a document in one form and language.

    It is made once, so that each copy has the same bytes, also after the template or the fonts have changed. `template`
    and `fonts` name the ones that were used.
    """

    __tablename__ = "renditions"
    __table_args__ = (
        value_check("form", *RENDITION_FORMS),
        UniqueConstraint("invoice_id", "form", "language"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id))
    form: Mapped[str]
    language: Mapped[str]
    sha256: Mapped[str]
    data: Mapped[bytes] = mapped_column(deferred=True)
    template: Mapped[str]
    fonts: Mapped[str]
    created_at: Mapped[datetime]
