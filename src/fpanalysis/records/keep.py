"""From an object to a record of it: its file first, then its row."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from fpanalysis.records import content, query, rows, values
from fpanalysis.records.engine import Busy
from fpanalysis.records.entry import CURRENT, Entry, Recipe, circumstances, now, record_hash
from fpanalysis.records.objects import Draft
from fpanalysis.records.recipes import Producer, described
from fpanalysis.records.schema import StoreError
from fpanalysis.records.tables import records

if TYPE_CHECKING:
    from fpanalysis.records.store import Store

# In bytes: types and tags are indexed, and an index entry of PostgreSQL holds at most 2,704.
_LONGEST, _LONGEST_LABEL = 500, 1_000_000
_NOBODY = Producer("", "", "", "")


class Item(NamedTuple):
    """An object, and what is known of it."""

    what: Any
    type: str
    params: Mapping[str, Any]
    results: Mapping[str, Any] = {}
    label: str = ""
    producer: Producer = _NOBODY
    exact: str = ""


class Prepared(NamedTuple):
    """A record to insert, and its object, which waits for its name.

    Attributes:
        entry: the record; `insert` completes it.
        draft: the object.
        is_new: whether it gets a counter of its own; one that is copied keeps it.
    """

    entry: Entry
    draft: Draft
    is_new: bool = True


def prepared(store: "Store", item: Item, parents: Sequence[Entry]) -> Prepared:
    """Write the file of an object, and return the record to insert."""
    kind = content.kind_of(item.what)
    values.checked_text(item.type, "type", _LONGEST)
    values.checked_text(item.label, "label", _LONGEST_LABEL)
    recipe = recipe_of(kind, item.type, item.params, parents, item.producer, item.exact)
    results = values.nested(described(item.results, "results"), "results")
    hash_ = content.content_hash(item.what)
    with store.reading() as connection:
        known_sha256 = rows.known_sha256(connection, hash_)
    draft = store.objects.draft(item.what, hash_, known_sha256)
    entry = Entry(
        hash=record_hash(recipe.hash, hash_),
        kind=recipe.kind,
        type=item.type,
        label=item.label,
        recipe_hash=recipe.hash,
        content_hash=hash_,
        file=draft.file,
        file_sha256="",
        size=0,
        created=now(),
        producer=item.producer.path,
        version=item.producer.version,
        source_hash=item.producer.source_hash,
        versions=circumstances(),
        params=recipe.params,
        results=results,
        parents=[each.hash for each in parents],
    )
    known = current(store, recipe)
    # What is recorded again keeps its date, and all that was said of it; what was superseded is news.
    if known is not None and known.hash == entry.hash:
        entry = replace(_completed(entry, known), created=known.created)
    return Prepared(entry, draft)


def _completed(entry: Entry, known: Entry) -> Entry:
    """Return a record with what was said of it before."""
    said = {"label": entry.label or known.label, "results": entry.results or known.results}
    tags = list(dict.fromkeys([*known.tags, *entry.tags]))
    return replace(entry, note=entry.note or known.note, tags=tags, **said).with_parents(known.parents)


def insert(store: "Store", records_: Sequence[Prepared]) -> list[Entry]:
    """Record objects in one transaction: their files get names, their rows are written, then their sidecars.

    A sidecar has its name only when its record is in the database, so one without a row tells of a record
    that the database has lost, and not of one that was never finished. Where this fails, nothing is left.

    Returns:
        The records as they are now.
    """
    placed: list[Path] = []
    announced: list[tuple[Entry, Path]] = []
    entries = []
    try:
        with store.writing() as connection:
            try:
                for each in records_:
                    entry, is_known = _complete(store, connection, each, placed)
                    rows.insert(connection, entry)
                    if is_known:
                        store.objects.write_sidecar(entry)
                    else:
                        announced.append((entry, store.objects.announce(entry)))
                    entries.append(entry)
            except BaseException:
                for path in placed:
                    path.unlink(missing_ok=True)
                raise
    except BaseException as error:
        for _, path in announced:
            path.unlink(missing_ok=True)
        if isinstance(error, Busy):
            _leave(store, records_, error)
        for each in records_:
            if each.draft.partial is not None:
                each.draft.partial.unlink(missing_ok=True)
        raise
    for entry, path in announced:
        store.objects.publish(entry, path)
    store.tables.changed(entry.kind for entry in entries)
    return entries


def _complete(
    store: "Store", connection: sa.Connection, each: Prepared, placed: list[Path]
) -> tuple[Entry, bool]:
    """Place the object of a record; return the whole record, and whether it or its sidecar was there."""
    entry = each.entry
    known_sha256 = rows.known_sha256(connection, entry.content_hash)
    stored, is_new = store.objects.place(each.draft, known_sha256)
    if is_new and known_sha256 is None:
        placed.append(store.folder / stored.file)
    counter = rows.next_counter(connection) if each.is_new else entry.counter
    entry = replace(entry, file_sha256=stored.sha256, size=stored.size, counter=counter)
    # A sidecar without a row is of a record that the database has lost: what it says is kept.
    told = store.objects.told(entry)
    is_known = rows.is_there(connection, entry.hash)
    if told is not None and not is_known:
        parents = [hash_ for hash_ in told.parents if rows.is_there(connection, hash_)]
        entry = _completed(entry, replace(told, parents=parents))
    return entry, is_known or told is not None


def _leave(store: "Store", records_: Sequence[Prepared], error: Exception) -> None:
    """Keep what cannot be recorded now in files from which `restore` records it, and say so."""
    for each in records_:
        stored, _ = store.objects.place(each.draft, None)
        known = {"file_sha256": stored.sha256, "size": stored.size, "counter": time.time_ns() // 1000}
        store.objects.write_sidecar(replace(each.entry, **known))
    raise StoreError(
        f"{error}. What was to be recorded is kept in its files: `fpanalysis db restore` records it"
    ) from error


def tag(store: "Store", entries: Sequence[Entry], words: Sequence[str]) -> None:
    """Give records words to be found by."""
    words = [values.checked_text(word, "tags", _LONGEST) for word in words]
    hashes = [entry.hash for entry in entries]
    with store.writing() as connection:
        rows.add_tags(connection, hashes, words)
        for entry in rows.entries(connection, rows.numbers_of(connection, hashes)):
            store.objects.write_sidecar(entry)
    store.tables.changed(entry.kind for entry in entries)


def complete_sidecars(store: "Store") -> None:
    """Write the sidecars that are not there."""
    with store.writing() as connection:
        for entry in rows.entries(connection):
            if not store.objects.sidecar(entry).exists() and (store.folder / entry.file).exists():
                store.objects.write_sidecar(entry)


def recipe_of(
    kind: str,
    type_: str,
    params: Mapping[str, Any],
    parents: Sequence[Entry],
    producer: Producer = _NOBODY,
    exact: str = "",
) -> Recipe:
    """Return what decides an object.

    Raises:
        TypeError: a parameter cannot be kept.
        ValueError: a parameter has the name of something else that records are found by.
    """
    said = values.nested(described(params))
    for name in said:
        if name in (*query.RESERVED, rows.RESULT):
            raise ValueError(
                f"params: {name!r} is what records are found by besides their parameters; rename it"
            )
    return Recipe(kind, type_, said, tuple(each.content_hash for each in parents), producer.version, exact)


def current(store: "Store", recipe: Recipe) -> Entry | None:
    """Return the record that answers a recipe, if there is one."""
    with store.reading() as connection:
        which = (records.c.recipe_hash == recipe.hash) & (records.c.status == CURRENT)
        found = rows.entries(connection, connection.scalars(sa.select(records.c.id).where(which)).all())
    return found[-1] if found else None
