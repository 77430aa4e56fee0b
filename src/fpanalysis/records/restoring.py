"""The database of a store, rebuilt from its CSV tables and the sidecars of its files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import exc

from fpanalysis.records import csv_tables, rows
from fpanalysis.records.entry import CURRENT, SUPERSEDED, Entry, parents_first
from fpanalysis.records.objects import Objects
from fpanalysis.records.trusted import has_its_recipe, read_sidecar

if TYPE_CHECKING:
    from fpanalysis.records.store import Store

_Problems = list[tuple[str, str]]


def restored(store: "Store") -> pd.DataFrame:
    """Insert all records that tables and sidecars tell of and the database lacks.

    Returns:
        One row for everything that could not be brought back as it was: `where`, `message`.
    """
    problems: _Problems = []
    found = _found(store, problems)
    with store.writing() as connection:
        there = {entry.hash: entry for entry in rows.entries(connection)}
        missing = {hash_: each for hash_, each in found.items() if _is_news(each, there.get(hash_))}
        missing = _whole(store.objects, _with_own_recipes(missing, found, there, problems), problems)
        ordered = _with_one_answer(_in_order(missing, there, problems), there)
        for entry in ordered:
            _insert(connection, entry, problems)
    store.export()
    return pd.DataFrame(problems, columns=["where", "message"])


def _insert(connection: sa.Connection, entry: Entry, problems: _Problems) -> None:
    """Insert a record, or tell why it cannot be; the others are inserted all the same."""
    try:
        with connection.begin_nested():
            rows.insert(connection, entry)
    except (exc.SQLAlchemyError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        said = str(getattr(error, "orig", None) or error)
        problems.append((entry.file, f"{entry.kind} {entry.hash[:8]}: it cannot be recorded ({said[:300]})"))


def _found(store: "Store", problems: _Problems) -> dict[str, Entry]:
    """Return all records by hash, those of the tables first, completed by what sidecars say."""
    found = {entry.hash: entry for entry in csv_tables.read(store.folder, problems)}
    told: list[Entry] = []
    for path in store.objects.sidecars():
        try:
            told.append(read_sidecar(store.folder, path))
        except (OSError, ValueError) as error:
            where = str(path.relative_to(store.folder))
            problems.append((where, f"this sidecar cannot be read, and was left out ({error})"))
    for entry in sorted(told, key=lambda entry: entry.order):
        known = found.get(entry.hash, entry)
        tags = list(dict.fromkeys([*known.tags, *entry.tags]))
        # A sidecar is written with the row, and a table may be older than both. But that a record was
        # superseded stands in the table only.
        status = known.status if known.counter == entry.counter else entry.status
        found[entry.hash] = replace(entry, tags=tags, status=status).with_parents(known.parents)
    return found


def _is_news(entry: Entry, known: Entry | None) -> bool:
    """Return whether a record is not there, or was told more of than the database knows."""
    if known is None:
        return True
    more = not {*entry.tags} <= {*known.tags} or not {*entry.parents} <= {*known.parents}
    return entry.counter > known.counter or (more and entry.counter == known.counter)


def _with_own_recipes(
    missing: dict[str, Entry], found: Mapping[str, Entry], there: Mapping[str, Entry], problems: _Problems
) -> dict[str, Entry]:
    """Return records without those whose parameters are not those of their recipe."""
    contents = {hash_: each.content_hash for hash_, each in {**found, **there}.items()}
    kept = {}
    for hash_, entry in missing.items():
        if has_its_recipe(entry, contents):
            kept[hash_] = entry
        else:
            said = "its parameters are not those that it was recorded with, so it was left out"
            problems.append((entry.file, f"{entry.kind} {hash_[:8]}: {said}"))
    return kept


def _whole(objects: Objects, found: dict[str, Entry], problems: _Problems) -> dict[str, Entry]:
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


def _in_order(found: dict[str, Entry], there: Mapping[str, Entry], problems: _Problems) -> list[Entry]:
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


def _with_one_answer(entries: list[Entry], there: Mapping[str, Entry]) -> list[Entry]:
    """Return records such that of every recipe only the newest is current."""
    newest: dict[str, Entry] = {}
    new = {entry.hash for entry in entries}
    for entry in [*(each for each in there.values() if each.hash not in new), *entries]:
        known = newest.get(entry.recipe_hash)
        if entry.status == CURRENT and (known is None or entry.order > known.order):
            newest[entry.recipe_hash] = entry
    is_newest = {entry.hash for entry in newest.values()}
    return [replace(each, status=CURRENT if each.hash in is_newest else SUPERSEDED) for each in entries]
