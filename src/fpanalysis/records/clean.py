"""Removing what processes that were killed have left in a store: to a folder first, and from there later."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fpanalysis.records import rows
from fpanalysis.records.entry import Entry
from fpanalysis.records.objects import OBJECTS, is_object, is_partial, is_sidecar
from fpanalysis.records.trusted import read_sidecar, sidecar_of

if TYPE_CHECKING:
    from fpanalysis.records.store import Store

TRASH = "trash"
# How long files stay there, in seconds.
_KEPT = 7 * 24 * 3600.0
_Finding = tuple[str, str, int]


def gc(store: "Store", dry_run: bool, min_age: float | int) -> pd.DataFrame:
    """Move files that belong to no record, or tell of none, to the trash: `where`, `what`, `size`."""
    if not min_age >= 0:
        raise ValueError(f"min_age: expected seconds, got {min_age!r}")
    latest = time.time() - min_age
    found: list[_Finding] = []
    trash = store.folder / TRASH / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    # Nobody names anything meanwhile; who finds that what it wrote is gone writes it again.
    with store.reading() if dry_run else store.writing() as connection:
        for path, what in _left(store.folder, rows.entries(connection)):
            try:
                status = path.lstat()
                if status.st_mtime > latest:
                    continue
                if not dry_run:
                    _move(path, trash / path.relative_to(store.folder))
            except FileNotFoundError:  # finished or removed by another process
                continue
            found.append((path.relative_to(store.folder).as_posix(), what, status.st_size))
    found += _emptied(store.folder, dry_run)
    return pd.DataFrame(found, columns=["where", "what", "size"])


def lost(folder: Path, entries: list[Entry]) -> dict[str, Entry]:
    """Return by file what sidecars tell of and no record does: the database has lost these records."""
    told = {sidecar_of(entry) for entry in entries}
    found = {}
    for path in sorted(folder.glob(f"{OBJECTS}/??/*.json")):
        where = path.relative_to(folder).as_posix()
        if is_sidecar(path) and where not in told:
            try:
                found[where] = read_sidecar(folder, path)
            except (OSError, ValueError):
                continue
    return found


def _left(folder: Path, entries: list[Entry]) -> Iterator[tuple[Path, str]]:
    """Yield what belongs to no record. What a sidecar tells of belongs to one that `restore` brings back."""
    spared = lost(folder, entries)
    known = {entry.file for entry in [*entries, *spared.values()]}
    told = {*spared, *(sidecar_of(entry) for entry in entries)}
    for path in sorted([*folder.glob("*"), *folder.glob(f"{OBJECTS}/??/*")]):
        where = path.relative_to(folder).as_posix()
        if path.is_dir():
            continue
        if is_partial(path):
            yield path, "never finished"
        elif is_object(path) and where not in known:
            yield path, "belongs to no record"
        elif is_sidecar(path) and where not in told:
            yield path, "tells of no record"


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)


def _emptied(folder: Path, dry_run: bool) -> list[_Finding]:
    """Remove what has been in the trash for long."""
    found = []
    latest = time.time() - _KEPT
    for path in sorted((folder / TRASH).glob("*")):
        if path.is_symlink() or not path.is_dir() or path.stat().st_mtime > latest:
            continue
        size = sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
        if not dry_run:
            shutil.rmtree(path, ignore_errors=True)
        found.append((path.relative_to(folder).as_posix(), "has been in the trash for a week", size))
    return found
