"""The database of a store, rebuilt from its CSV tables and the sidecars of its files."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from fpanalysis.records import csv_tables, rows
from fpanalysis.records.entry import CURRENT, SUPERSEDED, Entry, parents_first
from fpanalysis.records.objects import Objects
from fpanalysis.records.schema import StoreError

if TYPE_CHECKING:
    from fpanalysis.records.store import Store


def restored(store: "Store") -> pd.DataFrame:
    """Insert all records that tables and sidecars tell of and the database lacks.

    Returns:
        One row for everything that could not be brought back as it was: `where`, `message`.
    """
    problems: list[tuple[str, str]] = []
    with store.reading() as connection:
        there = {entry.hash for entry in rows.entries(connection)}
    found = _found(store, problems)
    found = _with_one_answer(_in_order(_whole(store.objects, found, problems), there, problems))
    with store.writing() as connection:
        for entry in found:
            if entry.hash not in there:
                rows.insert(connection, entry)
    store.export()
    return pd.DataFrame(problems, columns=["where", "message"])


def _found(store: "Store", problems: list[tuple[str, str]]) -> dict[str, Entry]:
    """Return all records by hash, those of the tables first, completed by what sidecars say."""
    found: dict[str, Entry] = {}
    try:
        found = {entry.hash: entry for entry in csv_tables.read(store.folder)}
    except StoreError as error:
        problems.append(("", str(error)))
    told: list[Entry] = []
    for path in store.objects.sidecars():
        try:
            told.append(Entry.from_dict(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, TypeError, ValueError) as error:
            where = str(path.relative_to(store.folder))
            problems.append((where, f"this sidecar cannot be read, and was left out ({error})"))
    for entry in sorted(told, key=lambda entry: entry.created):
        known = found.get(entry.hash, entry)
        tags = list(dict.fromkeys([*known.tags, *entry.tags]))
        # A sidecar is written before the row; a table may be older than both.
        found[entry.hash] = replace(entry, tags=tags).with_parents(known.parents)
    return found


def _whole(objects: Objects, found: dict[str, Entry], problems: list[tuple[str, str]]) -> dict[str, Entry]:
    """Return records with the sha256 that their files have, where these hold what they should."""
    by_file: dict[str, list[Entry]] = {}
    for entry in found.values():
        by_file.setdefault(entry.file, []).append(entry)
    known = {}
    for file, entries in by_file.items():
        stored = objects.verified(entries)
        if stored is None:
            problems.append((file, objects.problem(entries[-1]) or ""))
        known[file] = stored
    whole = {}
    for hash_, entry in found.items():
        stored = known[entry.file]
        whole[hash_] = replace(entry, file_sha256=stored.sha256, size=stored.size) if stored else entry
    return whole


def _in_order(found: dict[str, Entry], there: set[str], problems: list[tuple[str, str]]) -> list[Entry]:
    """Return records, parents before children, without parents that are lost."""
    kept = []
    for entry in found.values():
        lost = [hash_ for hash_ in entry.parents if hash_ not in found and hash_ not in there]
        for hash_ in lost:
            problems.append(
                (entry.file, f"{entry.kind} {entry.hash[:8]}: it was made from {hash_[:8]}, which is lost")
            )
        kept.append(replace(entry, parents=[hash_ for hash_ in entry.parents if hash_ not in lost]))
    return parents_first(kept)


def _with_one_answer(entries: list[Entry]) -> list[Entry]:
    """Return records such that of every recipe only the newest is current."""
    newest: dict[str, Entry] = {}
    for entry in entries:
        known = newest.get(entry.recipe_hash)
        if entry.status == CURRENT and (known is None or entry.created > known.created):
            newest[entry.recipe_hash] = entry
    is_newest = {entry.hash for entry in newest.values()}
    return [replace(each, status=CURRENT if each.hash in is_newest else SUPERSEDED) for each in entries]
