"""Records on their way to other places: backups of the database, copies in other stores."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from tqdm.auto import tqdm

from fpanalysis._files import whole_file
from fpanalysis.records import keep, rows, schema
from fpanalysis.records.check import BACKUPS
from fpanalysis.records.engine import new_sqlite
from fpanalysis.records.entry import CURRENT, SUPERSEDED, Entry, parents_first
from fpanalysis.records.objects import Draft
from fpanalysis.records.references import entries_of
from fpanalysis.records.schema import StoreError
from fpanalysis.records.tables import records

if TYPE_CHECKING:
    from fpanalysis.records.store import Store


def backup(store: "Store", path: str | os.PathLike[str] | None) -> Path:
    """Copy the database to an SQLite file."""
    whole = store.folder / BACKUPS / schema.backup_name(schema.HEAD) if path is None else Path(path)
    if whole.exists():
        raise FileExistsError(f"path: there is a file {str(whole)!r} already")
    if not whole.parent.exists():
        whole.parent.mkdir(parents=True)
    if store.engine.dialect.name == "sqlite":
        schema.copy_database(store.engine, whole)
        return whole
    with store.reading() as connection:
        entries = parents_first(rows.entries(connection))
    with whole_file(whole) as partial:
        engine = new_sqlite(partial)
        try:
            with engine.connect().execution_options(is_writing=True) as connection, connection.begin():
                for entry in entries:
                    rows.insert(connection, entry)
        finally:
            engine.dispose()
    return whole


def copy(store: "Store", what: Any, to: "Store", progress: bool) -> dict[str, int]:
    """Copy records and all that they were made from, with their files, to another store."""
    if to.folder == store.folder:
        raise ValueError(f"to: expected another store, got this one ({str(to.folder)!r})")
    entries = parents_first(_with_ancestors(store, entries_of(store, [what], "what")))
    if bad := [problem for each in entries if (problem := store.objects.problem(each))]:
        raise StoreError(f"what: {len(bad)} of {len(entries)} files are damaged; first: {bad[0]}")
    with to.reading() as connection:
        there = {entry.hash for entry in rows.entries(connection)}
    new = [entry for entry in entries if entry.hash not in there]
    with tqdm(new, desc="copying", delay=1.0, disable=not progress, unit="record") as bar:
        drafts = [_draft(store, entry, to) for entry in bar]
    together = zip(new, drafts, strict=True)
    keep.insert(to, [keep.Prepared(_beside(to, entry), draft, is_new=False) for entry, draft in together])
    return {"copied": len(new), "there": len(entries) - len(new)}


def _with_ancestors(store: "Store", entries: list[Entry]) -> list[Entry]:
    found = {entry.hash: entry for entry in entries}
    pending = list(entries)
    while pending:
        above = list(dict.fromkeys(each for entry in pending for each in entry.parents if each not in found))
        with store.reading() as connection:
            pending = rows.entries(connection, rows.numbers_of(connection, above))
        found |= {entry.hash: entry for entry in pending}
    return list(found.values())


def _beside(to: "Store", entry: Entry) -> Entry:
    """Return a record as it stands in another store: superseded if that has a newer answer."""
    which = (records.c.recipe_hash == entry.recipe_hash) & (records.c.status == CURRENT)
    with to.reading() as connection:
        numbers = connection.scalars(sa.select(records.c.id).where(which)).all()
        is_older = any(each.order > entry.order for each in rows.entries(connection, numbers))
    return replace(entry, status=SUPERSEDED) if is_older else entry


def _draft(store: "Store", entry: Entry, to: "Store") -> Draft:
    source = store.objects.path(entry)
    with to.reading() as connection:
        known = rows.known_sha256(connection, entry.content_hash)
    return to.objects.drafted(entry.kind, entry.content_hash, known, lambda path: _copy_file(source, path))


def _copy_file(source: Path, target: Path) -> None:
    with whole_file(target) as partial:
        shutil.copyfile(source, partial)
