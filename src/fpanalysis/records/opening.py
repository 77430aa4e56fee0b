"""`open_store` and `restore`: a store from a path."""

import os
import re
import warnings
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import exc

from fpanalysis._files import made_folder
from fpanalysis.records import csv_tables, places
from fpanalysis.records.engine import DATABASE, open_postgresql, open_sqlite
from fpanalysis.records.objects import Objects
from fpanalysis.records.schema import StoreError
from fpanalysis.records.store import Store
from fpanalysis.records.tables import records

_DATABASES = ("postgresql", "postgres")


def open_store(path: str | os.PathLike[str], files: str | os.PathLike[str] | None = None) -> "Store":
    """Open a records store, which is made if there is none.

    Args:
        path: a folder, which holds an SQLite database and all files; or the URL of a PostgreSQL database,
            such as `postgresql://user@host/name`.
        files: the folder of the files, with PostgreSQL.

    Returns:
        The store. Close it, or use it in a `with` statement, to have its tables written as CSV.

    Raises:
        StoreError: the folder is on a network file system, or the database does not answer, is damaged, of a
            newer version, or gone while its files are there.
        ValueError: the arguments do not go together.

    Warns:
        UserWarning: files tell of records that the database has lost; `restore` brings them back.

    Example:
        >>> import tempfile, fpanalysis as fpa
        >>> with tempfile.TemporaryDirectory() as folder, fpa.open_store(folder) as db:
        ...     ensemble = fpa.datasets.delay_ensemble()
        ...     for model, labels in zip(ensemble, ensemble.labels):
        ...         record = db.add_model(model, labels)
        ...     db.models.where(delay=5).one().params
        {'delay': 5}
    """
    return _opened(path, files, anew=False)


def restore(path: str | os.PathLike[str], files: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Rebuild the database of a store from its CSV tables and its files; records that it has are kept.

    Args:
        path: as for `open_store`.
        files: likewise.

    Returns:
        One row for everything that could not be brought back as it was, with columns `where` and `message`.

    Raises:
        StoreError: as for `open_store`, but for a database that is gone.

    Example:
        >>> import pathlib, tempfile, fpanalysis as fpa
        >>> from fpanalysis.records import restore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with fpa.open_store(folder) as db:
        ...         record = db.add_model(fpa.datasets.flipflop("gru"), {"seed": 1})
        ...     pathlib.Path(folder, "records.sqlite").unlink()
        ...     problems = restore(folder)
        ...     with fpa.open_store(folder) as db:
        ...         len(problems), db.models.one().params
        (0, {'seed': 1})
    """
    from fpanalysis.records.restoring import restored

    with _opened(path, files, anew=True) as store:
        return restored(store)


def _opened(path: str | os.PathLike[str], files: str | os.PathLike[str] | None, anew: bool) -> Store:
    text = os.fspath(path)
    if text.partition("://")[0].partition("+")[0] in _DATABASES:
        if files is None:
            raise ValueError("files: expected the folder for files beside a PostgreSQL database, got none")
        folder = made_folder(files, "files")
        remains = _remains(folder)
        store = Store(open_postgresql(text), folder)
        with store.reading() as connection:
            is_empty = connection.scalar(sa.select(records.c.id).limit(1)) is None
        if remains and is_empty and not anew:
            store.close()
            raise StoreError(f"path: the database has no records, but in {str(folder)!r} {remains}")
        return store if anew else _compared(store)
    if "://" in text or re.match(r"postgre\w*(\+\w+)?:", text):
        raise ValueError(
            f"path: expected a folder or the URL of a PostgreSQL database, got {places.shown(text)!r}"
        )
    if files is not None:
        raise ValueError("files: a store in a folder keeps its files there; leave this out")
    folder = made_folder(path, "path")
    # In this order: whoever makes a store makes its database first.
    remains = _remains(folder)
    if remains and not anew and not (folder / DATABASE).exists():
        raise StoreError(f"path: {str(folder / DATABASE)!r} is gone, but in its folder {remains}")
    store = Store(open_sqlite(folder), folder)
    return store if anew else _compared(store)


def _compared(store: Store) -> Store:
    """Warn if files tell of records that the database has lost, such as with its log."""
    # In this order: a sidecar has its name only when its record is in the database.
    told = {path.relative_to(store.folder).as_posix() for path in store.objects.sidecars()}
    if not told:
        return store
    try:
        with store.reading() as connection:
            found = connection.execute(sa.select(records.c.file, records.c.hash)).all()
    except (StoreError, exc.DatabaseError) as error:
        warnings.warn(f"{error}. `fpanalysis db check` tells more", stacklevel=4)
        return store
    if missing := told - {f"{file}.{hash_[:12]}.json" for file, hash_ in found}:
        warnings.warn(
            f"path: the database of {str(store.folder)!r} lacks {len(missing)} of {len(told)} records of "
            f"which files tell, such as {min(missing)}: it, or its log, was lost or damaged. `fpanalysis db "
            "restore` (fpanalysis.records.restore) brings them back",
            stacklevel=4,
        )
    return store


def _remains(folder: Path) -> str:
    """Return what is there of a store besides its database, and what to do; empty if there is nothing."""
    tables = [path.name for path in csv_tables.paths(folder).values() if path.exists()]
    count = len(Objects(folder).sidecars())
    if not tables and not count:
        return ""
    there = [*tables, *([f"the files of {count} records"] if count else [])]
    return (
        f"are {' and '.join(there)}. `fpanalysis db restore` brings the records back; if you do not want "
        "them, use another folder"
    )
