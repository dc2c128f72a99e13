"""Spare billing runs work: count an account's changes, for who looks at it before it can write, and let a charge that is too old to be
a look-alike leave their index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX = "ix_charges_created_on_fingerprint"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("version", sa.BigInteger, nullable=False, server_default="0"))
    op.drop_index(INDEX, "charges")
    with op.batch_alter_table("charges") as table:
        table.alter_column("fingerprint", existing_type=sa.BigInteger, nullable=True)
    where = sa.text("fingerprint IS NOT NULL")
    op.create_index(INDEX, "charges", ["created_on", "fingerprint"], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index(INDEX, "charges")
    op.execute("UPDATE charges SET fingerprint = 0 WHERE fingerprint IS NULL")
    with op.batch_alter_table("charges") as table:
        table.alter_column("fingerprint", existing_type=sa.BigInteger, nullable=False)
    op.create_index(INDEX, "charges", ["created_on", "fingerprint"])
    op.drop_column("accounts", "version")
