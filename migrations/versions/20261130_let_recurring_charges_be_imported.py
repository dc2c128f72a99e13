"""Let recurring charges be imported."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

KINDS = "'customers', 'services', 'charges', 'payments', 'contacts', 'opening-balances'"
BEFORE, AFTER = f"kind IN ({KINDS})", f"kind IN ({KINDS}, 'recurring-charges')"


def upgrade() -> None:
    _replace(BEFORE, AFTER)


def downgrade() -> None:
    _replace(AFTER, BEFORE)


def _replace(before: str, after: str) -> None:
    """Replace the check of the kinds of imports; see the migration of opening balances for SQLite."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_imports_kind_known"), "imports", type_="check")
        op.create_check_constraint(op.f("ck_imports_kind_known"), "imports", after)
        return
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    edit = sa.text(
        "UPDATE sqlite_master SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'imports'"
    )
    connection.execute(edit, {"before": before, "after": after})
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = RESET")
