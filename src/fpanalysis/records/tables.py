"""The tables of a records store.

Everything that is known of a record stands in `records`; `params` and `links` repeat parts of it for queries,
are written in the same transaction, and can be derived anew. Hyperparameters are rows, not columns, so that
a new one needs no migration.
"""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import functions

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


class _Items(functions.GenericFunction):
    """The texts of a JSON list, a row each."""

    name = "fpanalysis_items"
    inherit_cache = True


@compiles(_Items)
def _of_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **options)}))"


@compiles(_Items, "postgresql")
def _of_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    # JSON of PostgreSQL has no NUL, but its arrays of texts have none either.
    given = compiler.process(element.clauses, **options)
    return f"(SELECT jsonb_array_elements_text(CAST({given} AS jsonb)))"


def is_one_of(column: Any, texts: Sequence[str]) -> Any:
    """Return the condition that a text is one of some, however many: they are one variable."""
    kept = [each for each in texts if _is_valid(each)]
    return column.bool_op("IN")(_Items(sa.literal(json.dumps(kept))))


def _is_valid(text: str) -> bool:
    return "\0" not in text and text.encode(errors="ignore").decode() == text
