"""Removing what processes that were killed have left in a store."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fpanalysis.records import rows
from fpanalysis.records.entry import Entry
from fpanalysis.records.objects import OBJECTS, is_object, is_partial, is_sidecar

if TYPE_CHECKING:
    from fpanalysis.records.store import Store


def gc(store: "Store", dry_run: bool, min_age: float | int) -> pd.DataFrame:
    """Remove files that belong to no record, or tell of them: `where`, `what`, `size`."""
    if min_age < 0:
        raise ValueError(f"min_age: expected seconds, got {min_age!r}")
    latest = time.time() - min_age
    found = []
    # Nobody records anything meanwhile, so that no file gets a record while it is removed.
    with store.reading() if dry_run else store.writing() as connection:
        for path, what in _left(store.folder, rows.entries(connection)):
            try:
                status = path.stat()
                if status.st_mtime > latest:
                    continue
                if not dry_run:
                    path.unlink()
            except FileNotFoundError:  # finished or removed by another process
                continue
            found.append((path.relative_to(store.folder).as_posix(), what, status.st_size))
    return pd.DataFrame(found, columns=["where", "what", "size"])


def _left(folder: Path, entries: list[Entry]) -> Iterator[tuple[Path, str]]:
    known = {entry.file for entry in entries}
    told = {(entry.file, entry.hash[:12]) for entry in entries}
    for path in sorted([*folder.glob("*"), *folder.glob(f"{OBJECTS}/??/*")]):
        where = path.relative_to(folder).as_posix()
        if is_partial(path):
            yield path, "never finished"
        elif is_object(path) and where not in known:
            yield path, "belongs to no record"
        elif is_sidecar(path) and tuple(where.rsplit(".", 2)[:2]) not in told:
            yield path, "tells of no record"
