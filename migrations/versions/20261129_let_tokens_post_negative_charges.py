"""Give the scope for negative charges to the tokens that could post them before it existed."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TOKENS = sa.table("api_tokens", sa.column("id", Key()), sa.column("scopes", Data))
CHARGES, CREDITS = "charges:write", "credits:write"


def upgrade() -> None:
    for id, scopes in op.get_bind().execute(sa.select(TOKENS.c.id, TOKENS.c.scopes)).all():
        if CHARGES in scopes and CREDITS not in scopes:
            place = scopes.index(CHARGES) + 1
            op.execute(
                TOKENS.update().where(TOKENS.c.id == id).values(scopes=[*scopes[:place], CREDITS, *scopes[place:]])
            )


def downgrade() -> None:
    for id, scopes in op.get_bind().execute(sa.select(TOKENS.c.id, TOKENS.c.scopes)).all():
        if CREDITS in scopes:
            remaining = [scope for scope in scopes if scope != CREDITS]
            op.execute(TOKENS.update().where(TOKENS.c.id == id).values(scopes=remaining))
