"""Sort names by a stored key, the same on both databases, and the charges of a batch by their day."""

import unicodedata

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Words

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

NAMES = {"customers": "name", "services": "code"}
BASE_LETTERS = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ĳ": "ij",
        **dict(zip("łøđðħıŋŧƒ", "loddhintf", strict=True)),
    }
)
APOSTROPHES = frozenset("'’‘ʼ`´")
BLOCK = 1000


def sort_key(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold().translate(BASE_LETTERS)
    folded = unicodedata.normalize("NFKD", decomposed)
    letters = "".join(c for c in folded if not unicodedata.combining(c) and c not in APOSTROPHES)
    words = "".join(c if c.isalnum() else " " for c in letters).split()
    return " ".join(words) or folded


def upgrade() -> None:
    connection = op.get_bind()
    for table, name in NAMES.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("sort_key", Words, nullable=False, server_default=""))
        rows = sa.table(table, sa.column("id", Key()), sa.column(name, Words), sa.column("sort_key", Words))
        keys = [
            {"key": id, "value": sort_key(text)} for id, text in connection.execute(sa.select(rows.c.id, rows.c[name]))
        ]
        update = rows.update().where(rows.c.id == sa.bindparam("key")).values(sort_key=sa.bindparam("value"))
        for first in range(0, len(keys), BLOCK):
            connection.execute(update, keys[first : first + BLOCK])
        with op.batch_alter_table(table) as batch:
            batch.alter_column("sort_key", server_default=None)
    op.create_index("ix_customers_sort_key_id", "customers", ["sort_key", "id"])
    op.drop_index("ix_charges_created_at_id", "charges")
    op.drop_index("ix_charges_customer", "charges")
    op.create_index("ix_charges_created_at_incurred_on_id", "charges", ["created_at", "incurred_on", "id"])
    op.create_index("ix_charges_customer", "charges", ["customer_id", "created_at", "incurred_on", "id"])


def downgrade() -> None:
    op.drop_index("ix_charges_customer", "charges")
    op.drop_index("ix_charges_created_at_incurred_on_id", "charges")
    op.create_index("ix_charges_customer", "charges", ["customer_id", "created_at", "id"])
    op.create_index("ix_charges_created_at_id", "charges", ["created_at", "id"])
    op.drop_index("ix_customers_sort_key_id", "customers")
    for table in NAMES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("sort_key")
