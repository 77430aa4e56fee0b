"""Whether a store is whole: every file as it was written, nothing else among them, the database sound."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import exc
from tqdm.auto import tqdm

from fpanalysis.records import csv_tables, rows
from fpanalysis.records.clean import TRASH, lost
from fpanalysis.records.engine import DATABASE, RESTORE
from fpanalysis.records.entry import Entry
from fpanalysis.records.objects import OBJECTS, is_object, is_partial, is_sidecar
from fpanalysis.records.recipes import hides
from fpanalysis.records.schema import StoreError
from fpanalysis.records.trusted import flaw, read_sidecar, sidecar_of

if TYPE_CHECKING:
    from fpanalysis.records.record import Query
    from fpanalysis.records.store import Store

# Folders of a store besides that of its objects.
BACKUPS, RUNS = "backups", "runs"
_Finding = tuple[str, str, str, str]
_CLEAN = "; `fpanalysis db gc` removes what processes that were killed left behind"


def check(store: "Store", only: "Query | None", progress: bool) -> pd.DataFrame:
    """Return a row for everything that is wrong: `where`, `record`, `problem`, `message`."""
    found: list[_Finding] = []
    entries: list[Entry] = []
    try:
        entries = _entries(store, only, found)
    except (StoreError, exc.SQLAlchemyError, TypeError, ValueError) as error:
        found.append((DATABASE, "", "damaged", f"records cannot be read from the database ({error})"))
        only_files = False
    else:
        only_files = only is None
    forged = [entry for entry in entries if flaw(entry) is not None]
    found += [_forged(entry) for entry in forged]
    entries = [entry for entry in entries if flaw(entry) is None]
    by_file: dict[str, Entry] = {entry.file: entry for entry in entries}
    with tqdm(total=len(by_file), desc="checking", delay=1.0, disable=not progress, unit="file") as bar:
        for file, entry in by_file.items():
            if (fault := store.objects.fault(entry)) is not None:
                message = store.objects.problem(entry) or ""
                found.append((file, entry.hash, fault, f"{entry.kind} {entry.hash[:8]}: {message}"))
            bar.update()
    found += [_untrusted(entry) for entry in entries if hides(entry)]
    found += _sidecars(store, entries)
    found += _others(store.folder, entries) if only_files else ()
    return pd.DataFrame(found, columns=["where", "record", "problem", "message"])


def _entries(store: "Store", only: "Query | None", found: list[_Finding]) -> list[Entry]:
    if only is not None:
        return only.entries()
    with store.reading() as connection:
        found += _database(connection)
        return rows.entries(connection)


def _forged(entry: Entry) -> _Finding:
    message = f"record {str(entry.hash)[:8]} is not one that a store writes: {flaw(entry)}; it is not used"
    return DATABASE, str(entry.hash), "damaged", message


def _database(connection: sa.Connection) -> Iterator[_Finding]:
    if connection.dialect.name != "sqlite":
        return
    try:
        for (word,) in connection.execute(sa.text("PRAGMA integrity_check")).all():
            if word != "ok":
                yield DATABASE, "", "damaged", f"the database is damaged ({word}); {RESTORE}"
        for table, *_ in connection.execute(sa.text("PRAGMA foreign_key_check")).all():
            yield DATABASE, "", "damaged", f"a row of {table} tells of a record that is not there; {RESTORE}"
    except exc.DatabaseError as error:
        yield DATABASE, "", "damaged", f"the database is damaged ({error.orig}); {RESTORE}"


def _untrusted(entry: Entry) -> _Finding:
    message = (
        "an earlier version computed it with arguments whose arrays it did not look at, so that it may "
        "answer another call; it is kept, but computed anew when it is asked for"
    )
    return entry.file, entry.hash, "untrusted", f"{entry.kind} {entry.hash[:8]}: {message}"


def _sidecars(store: "Store", entries: list[Entry]) -> Iterator[_Finding]:
    """Yield records whose sidecar is missing or tells of something else."""
    for entry in entries:
        path = store.objects.sidecar(entry)
        where = str(path.relative_to(store.folder))
        if not path.exists() and not path.is_symlink():
            lacks = f"{entry.kind} {entry.hash[:8]}: its sidecar is missing; `fpanalysis db export` writes it"
            yield where, entry.hash, "missing", lacks
            continue
        try:
            told = read_sidecar(store.folder, path)
            wrong = "" if told.params == entry.params else "it tells of other parameters"
        except (OSError, ValueError) as error:
            wrong = str(error)
        if wrong:
            message = f"its sidecar cannot be read ({wrong}); delete it, and `fpanalysis db export` writes it"
            yield where, entry.hash, "changed", f"{entry.kind} {entry.hash[:8]}: {message}"


def _others(folder: Path, entries: list[Entry]) -> Iterator[_Finding]:
    """Yield files that belong to no record."""
    gone = lost(folder, entries)
    for where, entry in gone.items():
        message = (
            f"the database has lost {entry.kind} {entry.hash[:8]}; `fpanalysis db restore` brings it back"
        )
        yield where, entry.hash, "lost", message
    known = {entry.file for entry in [*entries, *gone.values()]}
    told = {*gone, *(sidecar_of(entry) for entry in entries)}
    for path in sorted(folder.glob(f"{OBJECTS}/**/*")):
        if path.is_dir():
            continue
        where = path.relative_to(folder).as_posix()
        if is_partial(path):
            yield where, "", "partial", f"{where} was never finished{_CLEAN}"
        elif is_object(path):
            if where not in known:
                yield where, "", "left over", f"{where} belongs to no record{_CLEAN}"
        elif not is_sidecar(path):
            yield where, "", "foreign", f"{where} is not of the store; move it away"
        elif where not in told:
            yield where, "", "left over", f"{where} tells of no record{_CLEAN}"
    ours = {
        DATABASE,
        OBJECTS,
        BACKUPS,
        RUNS,
        TRASH,
        *(path.name for path in csv_tables.paths(folder).values()),
    }
    for path in sorted(folder.iterdir()):
        if is_partial(path):
            yield path.name, "", "partial", f"{path.name} was never finished{_CLEAN}"
        elif path.name.removesuffix("-wal").removesuffix("-shm") not in ours:
            yield path.name, "", "foreign", f"{path.name} is not of the store; move it away"
