"""The tables of a records store.

Everything that is known of a record stands in `records`; `params` and `links` repeat parts of it for queries,
are written in the same transaction, and can be derived anew. Hyperparameters are rows, not columns, so that
a new one needs no migration.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

# Whole numbers that SQLite counts up by itself, which it does for its INTEGER only.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

records = sa.Table(
    "records",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("recipe_hash", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("producer", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("source_hash", sa.Text, nullable=False),
    sa.Column("versions", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("results", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("records_by_recipe", "recipe_hash"),
    sa.Index("records_by_content", "content_hash"),
    sa.Index("records_by_kind", "kind", "type", "status"),
    sa.Index("records_by_counter", "counter"),
)

names = sa.Table(
    "names",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "name"),
)

params = sa.Table(
    "params",
    metadata,
    sa.Column("record", _Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("name", _Id, sa.ForeignKey("names.id"), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("number", sa.Double, nullable=True),
    sa.Index("params_by_value", "name", "value", "record"),
    sa.Index("params_by_number", "name", "number", "record"),
    sqlite_with_rowid=False,
)

links = sa.Table(
    "links",
    metadata,
    sa.Column("child", _Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("ancestor", _Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Index("links_by_ancestor", "ancestor", "role", "child"),
    sqlite_with_rowid=False,
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("record", _Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)
