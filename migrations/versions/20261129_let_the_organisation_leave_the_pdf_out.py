"""Let the organisation send XML e-invoices without the PDF."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("attach_pdf", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("organisation") as table:
        table.alter_column("attach_pdf", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.drop_column("attach_pdf")
