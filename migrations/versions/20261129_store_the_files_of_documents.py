"""Store the files that were made of issued documents."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "renditions",
        sa.Column("id", Key(), nullable=False),
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("form", Words, nullable=False),
        sa.Column("language", Words, nullable=False),
        sa.Column("sha256", Words, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("template", Words, nullable=False),
        sa.Column("fonts", Words, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.CheckConstraint(
            "form IN ('pdf', 'void', 'factur-x', 'ubl', 'cii', 'peppol', 'xrechnung-ubl', 'xrechnung-cii')",
            name=op.f("ck_renditions_form_known"),
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_renditions_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renditions")),
        sa.UniqueConstraint("invoice_id", "form", "language", name=op.f("uq_renditions_invoice_id_form_language")),
    )


def downgrade() -> None:
    op.drop_table("renditions")
