"""Hold the details of the seller that stand on documents: address by parts, numbers, bank accounts and logo.

The address so far is printed as it is until a country is set.
"""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

VALUES = {
    "street": "",
    "street2": "",
    "postcode": "",
    "city": "",
    "region": "",
    "country": "",
    "registration_id": "",
    "registration_scheme": "",
    "electronic_address": "",
    "electronic_scheme": "",
    "tax_number": "",
    "legal_info": "",
    "contact_name": "",
    "contact_phone": "",
    "contact_email": "",
    "terms": "",
    "language": "en",
    "paper": "a4",
    "accent": "",
}
CHECKS = {
    "ck_organisation_language_known": "language IN ('en', 'de', 'fr', 'es')",
    "ck_organisation_paper_known": "paper IN ('a4', 'letter')",
}
LOGO = "fk_organisation_logo"


def upgrade() -> None:
    op.create_table(
        "logos",
        sa.Column("sha256", Words, nullable=False),
        sa.Column("media_type", Words, nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_logos")),
    )
    op.create_table(
        "bank_accounts",
        sa.Column("id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("holder", Words, nullable=False),
        sa.Column("iban", Words, nullable=False),
        sa.Column("account_number", Words, nullable=False),
        sa.Column("bic", Words, nullable=False),
        sa.Column("bank_name", Words, nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("archived_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(iban = '') <> (account_number = '')", name=op.f("ck_bank_accounts_one_number")),
        sa.CheckConstraint("NOT is_default OR archived_at IS NULL", name=op.f("ck_bank_accounts_default_in_use")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_accounts")),
    )
    default = sa.text("is_default")
    op.create_index(
        "uq_bank_accounts_default_currency",
        "bank_accounts",
        ["currency"],
        unique=True,
        postgresql_where=default,
        sqlite_where=default,
    )
    with op.batch_alter_table("organisation") as table:
        for name, value in VALUES.items():
            table.add_column(sa.Column(name, Words, nullable=False, server_default=value))
        table.add_column(sa.Column("logo", Words, nullable=True))
    with op.batch_alter_table("organisation") as table:
        for name in VALUES:
            table.alter_column(name, server_default=None)
        for name, condition in CHECKS.items():
            table.create_check_constraint(op.f(name), condition)
        table.create_foreign_key(op.f(LOGO), "logos", ["logo"], ["sha256"])


def downgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.drop_constraint(op.f(LOGO), type_="foreignkey")
        for name in CHECKS:
            table.drop_constraint(op.f(name), type_="check")
        for name in (*VALUES, "logo"):
            table.drop_column(name)
    op.drop_table("bank_accounts")
    op.drop_table("logos")
