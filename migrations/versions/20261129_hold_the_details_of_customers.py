"""Hold the details of customers that stand on documents, and their contacts.

The address so far is printed as it is until a country is set. The e-mail address so far becomes the first contact, whose id
is the customer's.
"""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

ADDRESS = ("street", "street2", "postcode", "city", "region", "country")
VALUES = {
    **dict.fromkeys(ADDRESS, ""),
    "registration_id": "",
    "registration_scheme": "",
    "electronic_address": "",
    "electronic_scheme": "",
    "language": "",
    "paper": "",
    "e_invoice": "none",
    "buyer_reference": "",
    "contract": "",
    "delivery_name": "",
    **{f"delivery_{part}": "" for part in ADDRESS},
}
CHECKS = {
    "ck_customers_language_known": "language IN ('', 'en', 'de', 'fr', 'es')",
    "ck_customers_paper_known": "paper IN ('', 'a4', 'letter')",
    "ck_customers_e_invoice_known": (
        "e_invoice IN ('none', 'factur-x', 'ubl', 'peppol', 'xrechnung-ubl', 'xrechnung-cii')"
    ),
}
DOCUMENTS = ("invoices", "reminders", "statements")


def upgrade() -> None:
    op.create_table(
        "customer_contacts",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("email", Words, nullable=False),
        *(sa.Column(document, Words, nullable=False) for document in DOCUMENTS),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        *(
            sa.CheckConstraint(
                f"{document} IN ('to', 'cc', 'none')", name=op.f(f"ck_customer_contacts_{document}_known")
            )
            for document in DOCUMENTS
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_contacts_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_contacts")),
        sa.UniqueConstraint("customer_id", "email", name=op.f("uq_customer_contacts_customer_id_email")),
    )
    op.create_index(
        op.f("ix_customer_contacts_customer_id_created_at_id"), "customer_contacts", ["customer_id", "created_at", "id"]
    )
    op.execute(
        "INSERT INTO customer_contacts (id, customer_id, name, email, invoices, reminders, statements, created_at, version)"
        " SELECT id, id, '', email, 'to', 'to', 'none', created_at, 1 FROM customers WHERE email <> ''"
    )
    with op.batch_alter_table("customers") as table:
        for name, value in VALUES.items():
            table.add_column(sa.Column(name, Words, nullable=False, server_default=value))
        table.add_column(sa.Column("custom_lines", Data, nullable=False, server_default="[]"))
        table.drop_column("email")
    with op.batch_alter_table("customers") as table:
        for name in (*VALUES, "custom_lines"):
            table.alter_column(name, server_default=None)
        for name, condition in CHECKS.items():
            table.create_check_constraint(op.f(name), condition)


def downgrade() -> None:
    with op.batch_alter_table("customers") as table:
        for name in CHECKS:
            table.drop_constraint(op.f(name), type_="check")
        for name in (*VALUES, "custom_lines"):
            table.drop_column(name)
        table.add_column(sa.Column("email", Words, nullable=False, server_default=""))
    op.execute(
        "UPDATE customers SET email = COALESCE((SELECT email FROM customer_contacts WHERE customer_id = customers.id"
        " AND invoices = 'to' ORDER BY created_at, id LIMIT 1), '')"
    )
    with op.batch_alter_table("customers") as table:
        table.alter_column("email", server_default=None)
    op.drop_table("customer_contacts")
