"""Find documents by texts of their customers, totals and purchase orders without reading all of them."""

import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import uuid5

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Words

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

BLOCK = 1000
HAS_ORDER = sa.text("purchase_order <> ''")
CUSTOMER = ("reference", "name", "tax_id", "address", "street", "street2", "postcode", "city", "region", "country")
DOCUMENT = ("customer_reference", "customer_name", "customer_tax_id", "customer_address")


def upgrade() -> None:
    op.create_table(
        "customer_texts",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("text", Words, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_texts_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_texts")),
    )
    connection = op.get_bind()
    texts = sa.table(
        "customer_texts", sa.column("id", Key()), sa.column("customer_id", Key()), sa.column("text", Words)
    )
    rows = _texts(connection)
    while block := list(islice(rows, BLOCK)):
        connection.execute(texts.insert(), block)
    op.create_index("ix_customer_texts_customer_id", "customer_texts", ["customer_id"])
    op.create_index("ix_invoices_total", "invoices", ["total"])
    op.create_index(
        "ix_invoices_purchase_order",
        "invoices",
        ["purchase_order", "id"],
        postgresql_where=HAS_ORDER,
        sqlite_where=HAS_ORDER,
    )


def _texts(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """Yield the texts of customers today, and of their documents where these differ."""
    customers = sa.table("customers", sa.column("id", Key()), *(sa.column(name, Words) for name in CUSTOMER))
    documents = sa.table("invoices", sa.column("customer_id", Key()), *(sa.column(name, Words) for name in DOCUMENT))
    ids = set()
    for query in (
        sa.select(customers.c.id, *(customers.c[name] for name in CUSTOMER)),
        sa.select(documents.c.customer_id, *(documents.c[name] for name in DOCUMENT)).distinct(),
    ):
        for customer_id, *values in connection.execute(query).all():
            text = _fold(" ".join(" ".join(values).split()))
            id = uuid5(customer_id, text)
            if id not in ids:
                ids.add(id)
                yield {"id": id, "customer_id": customer_id, "text": text}


def _fold(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def downgrade() -> None:
    op.drop_index("ix_invoices_purchase_order", "invoices")
    op.drop_index("ix_invoices_total", "invoices")
    op.drop_table("customer_texts")
