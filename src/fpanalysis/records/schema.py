"""Which version of the tables a database has, and how it becomes the present one."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

# The last migration. Opening a store that has it needs no Alembic.
HEAD = "0002"
MIGRATIONS = Path(__file__).parent / "migrations"
# Any number, as long as it is always the same: who holds it writes in PostgreSQL.
LOCK = 0x66_70_61


class StoreError(RuntimeError):
    """A store cannot be opened, or something in it is not as it was written."""


def version_of(connection: sa.Connection) -> str | None:
    """Return the version of the tables, or None if there are none.

    Raises:
        StoreError: there are tables, but not a store's.
    """
    there = sa.inspect(connection).get_table_names()
    if "alembic_version" in there:
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        if found is not None and "records" in there:
            return str(found)
    if there:
        raise StoreError(f"this database holds tables of something else than a records store: {there[:5]}")
    return None


def is_current(connection: sa.Connection) -> bool:
    """Return whether the tables have the present version.

    Raises:
        StoreError: they are of a newer one, or of something else.
    """
    found = version_of(connection)
    if found is not None and found != HEAD and found not in _known():
        raise StoreError(
            f"the store has tables of version {found}, which a newer fpanalysis made; this one knows "
            f"versions up to {HEAD}. Update it: pip install --upgrade fpanalysis"
        )
    return found == HEAD


def migrate(engine: sa.Engine, backup: Path | None = None) -> str | None:
    """Bring the tables to the present version, in one transaction, whoever else tries the same.

    Args:
        engine: of the store.
        backup: where to copy an SQLite database before its tables change, by the name of its version.

    Returns:
        The version before, or None if there were no tables.

    Raises:
        StoreError: the tables are of a newer version, or of something else.
    """
    with engine.connect().execution_options(is_writing=True) as connection, connection.begin():
        if is_current(connection):
            return HEAD
        before = version_of(connection)
        if before is not None and backup is not None:
            copy_database(engine, backup)
        _upgrade(connection)
        return before


def copy_database(engine: sa.Engine, path: Path) -> None:
    """Write a consistent copy of an SQLite database, whole or not at all."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    # A connection of its own reads what was committed, also while another one writes; outside a transaction.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("VACUUM INTO ?", (str(partial),))
    finally:
        connection.close()
    partial.replace(path)


def backup_name(version: str) -> str:
    """Return the name of a copy that is made now."""
    return f"records-{version}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.sqlite"


def _config():
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
