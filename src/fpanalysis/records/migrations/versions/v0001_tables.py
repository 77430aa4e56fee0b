"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    texts = "hash kind type label recipe_hash content_hash file file_sha256".split()
    more = "created producer version source_hash versions params results status note".split()
    op.create_table(
        "records",
        sa.Column("id", _ID, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False, unique=name == "hash") for name in texts),
        sa.Column("size", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in more),
    )
    op.create_index("records_by_recipe", "records", ["recipe_hash"])
    op.create_index("records_by_content", "records", ["content_hash"])
    op.create_index("records_by_kind", "records", ["kind", "type", "status"])
    op.create_table(
        "names",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "name"),
    )
    op.create_table(
        "params",
        _of_record("record"),
        sa.Column("name", _ID, sa.ForeignKey("names.id"), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("number", sa.Double, nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_index("params_by_value", "params", ["name", "value", "record"])
    op.create_index("params_by_number", "params", ["name", "number", "record"])
    op.create_table(
        "links",
        _of_record("child"),
        _of_record("ancestor"),
        sa.Column("role", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("links_by_ancestor", "links", ["ancestor", "role", "child"])
    op.create_table(
        "tags", _of_record("record"), sa.Column("tag", sa.Text, primary_key=True), sqlite_with_rowid=False
    )


def _of_record(name: str) -> sa.Column:
    return sa.Column(name, _ID, sa.ForeignKey("records.id"), primary_key=True)
