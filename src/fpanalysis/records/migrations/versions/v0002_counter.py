"""The order in which records were written, which clocks do not tell."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the counter; records of before have 0, and are in the order of their dates."""
    op.add_column("records", sa.Column("counter", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("records_by_counter", "records", ["counter"])
