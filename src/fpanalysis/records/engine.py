"""The database of a store: SQLite in a folder, or PostgreSQL."""

import os
import sqlite3
import sys
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import sqlalchemy as sa
from sqlalchemy import event, exc

from fpanalysis.records import places, schema
from fpanalysis.records.schema import StoreError

DATABASE = "records.sqlite"
# SQLite's locks are not reliable on these; a database there can be damaged by two who write.
_REMOTE = (
    "nfs", "cifs", "smb", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "pvfs", "orangefs",
    "panfs", "davfs", "webdav", "ncpfs", "fuse.sshfs", "fuse.s3fs", "fuse.gluster", "fuse.ceph",
)  # fmt: skip
_DAMAGE = ("malformed", "not a database", "corrupt", "decode to UTF-8", "disk I/O")
RESTORE = "move it away; `fpanalysis db restore` makes a new one from the tables and files beside it"
_PATIENCE = 120.0  # seconds that a writer waits for the others


class Opened(NamedTuple):
    """A database with the present tables.

    Attributes:
        engine: to it.
        migrated_from: the version that its tables had before, if they were older.
    """

    engine: sa.Engine
    migrated_from: str | None = None


def open_sqlite(folder: Path) -> Opened:
    """Open the SQLite database in a folder, which is made if there is none.

    Raises:
        StoreError: the folder is on a network file system, or the database is of another kind, or newer.
    """
    if kind := remote_file_system(folder):
        raise StoreError(
            f"path: {str(folder)!r} is on a network file system ({kind}), where SQLite's locks do not hold "
            "and databases get damaged. Use a local folder, or a PostgreSQL database for the records: "
            "open_store('postgresql://user@host/name', files=folder)"
        )
    path = folder / DATABASE
    if not path.exists():
        _make(path)
    engine = _sqlite(path)
    try:
        with engine.connect() as connection:
            current = schema.is_current(connection)
        before = None if current else _migrated(engine, path)
    except (exc.DatabaseError, StoreError) as error:
        engine.dispose()
        if isinstance(error, StoreError):
            raise StoreError(f"path: {str(path)!r}: {error}") from error
        raise StoreError(
            f"path: {str(path)!r} cannot be read as an SQLite database ({error.orig}). If it is damaged, "
            "move it away; `fpanalysis db restore` makes a new one from the tables and files beside it"
        ) from error
    return Opened(engine, before)


def open_postgresql(url: str) -> Opened:
    """Open a PostgreSQL database, in which the tables are made if there are none.

    Raises:
        ImportError: psycopg is not installed.
        StoreError: nothing answers, or the tables are of another kind, or newer.
    """
    parsed = places.parsed(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    try:
        engine = sa.create_engine(parsed, pool_pre_ping=True)
    except ImportError as error:
        raise ImportError("path: PostgreSQL needs psycopg: pip install 'fpanalysis[postgres]'") from error
    event.listen(engine, "begin", _take_turns)
    _forget_after_fork(engine)
    shown = places.shown(parsed.render_as_string())
    try:
        with engine.connect() as connection:
            current = schema.is_current(connection)
        before = None if current else schema.migrate(engine)
    except exc.OperationalError as error:
        raise StoreError(
            f"path: {shown} does not answer ({places.without(str(error.orig), parsed)})"
        ) from None
    except StoreError as error:
        raise StoreError(f"path: {shown}: {error}") from error
    return Opened(engine, before)


class Busy(StoreError):
    """Another process writes, and does not end."""


@contextmanager
def telling(engine: sa.Engine) -> Iterator[None]:
    """Say in words what is wrong with a database that cannot be read or written."""
    try:
        yield
    except exc.DatabaseError as error:
        where = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string()
        said = str(error.orig)
        if "locked" in said:
            raise Busy(
                f"{where!r}: another process has been writing for more than {_PATIENCE:.0f} s, or was "
                "suspended while it wrote; let it go on, or end it"
            ) from error
        if "full" in said:
            raise StoreError(f"{where!r}: the disk is full; nothing was recorded") from error
        if any(word in said for word in _DAMAGE):
            raise StoreError(f"{where!r}: the database is damaged ({said}); {RESTORE}") from error
        raise


def remote_file_system(path: Path) -> str | None:
    """Return the kind of the network file system that a path is on, or None if it is on a local one."""
    path = path.resolve()
    if sys.platform == "win32" and str(path).startswith("\\\\"):
        return "a network share"
    mounts = {Path(part.mountpoint): part for part in psutil.disk_partitions(all=True)}
    for above in (path, *path.parents):
        if above in mounts:
            kind = mounts[above].fstype.lower()
            return kind if kind.startswith(_REMOTE) or "remote" in mounts[above].opts else None
    return None


def _make(path: Path) -> None:
    """Make a database that is complete when it appears, so that others who open it need not wait."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with sqlite3.connect(partial) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        new_sqlite(partial).dispose()
        try:
            os.link(partial, path)  # unlike a renaming, this never takes the place of another's database
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                os.rename(partial, path)
    finally:
        for left in path.parent.glob(f"{partial.name}*"):
            left.unlink(missing_ok=True)


def new_sqlite(path: Path) -> sa.Engine:
    """Return the engine of a new SQLite database with empty tables."""
    engine = _sqlite(path)
    schema.migrate(engine)
    return engine


def _sqlite(path: Path) -> sa.Engine:
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    _forget_after_fork(engine)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver thinks
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-65536")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later may find that another one wrote in between, and fail.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _take_turns(connection: sa.Connection) -> None:
    # As in SQLite, one writes at a time: of two answers to one recipe, one must see the other.
    if connection.get_execution_options().get("is_writing", False):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(schema.LOCK)))
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _migrated(engine: sa.Engine, path: Path) -> str | None:
    with engine.connect() as connection:
        before = schema.version_of(connection)
    folder = path.parent / "backups"
    folder.mkdir(exist_ok=True)
    return schema.migrate(engine, folder / schema.backup_name(before or "empty"))


def _forget_after_fork(engine: sa.Engine) -> None:
    """Let a forked process open connections of its own."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(engine)

    def forget() -> None:
        if (left := reference()) is not None:
            left.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
