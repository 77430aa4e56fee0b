"""From an object to a record of it: its file first, then its row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from fpanalysis.records import content, query, rows, values
from fpanalysis.records.entry import CURRENT, Entry, Recipe, circumstances, now, record_hash
from fpanalysis.records.recipes import Producer, described
from fpanalysis.records.schema import StoreError
from fpanalysis.records.tables import records

if TYPE_CHECKING:
    from fpanalysis.records.store import Store

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


def prepared(store: "Store", item: Item, parents: Sequence[Entry]) -> Entry:
    """Write the file of an object, and return the record to insert."""
    kind = content.kind_of(item.what)
    recipe = recipe_of(kind, item.type, item.params, parents, item.producer, item.exact)
    hash_ = content.content_hash(item.what)
    stored = store.objects.write(item.what, hash_, _known_sha256(store, hash_))
    entry = Entry(
        hash=record_hash(recipe.hash, hash_),
        kind=recipe.kind,
        type=item.type,
        label=item.label,
        recipe_hash=recipe.hash,
        content_hash=hash_,
        file=stored.file,
        file_sha256=stored.sha256,
        size=stored.size,
        created=now(),
        producer=item.producer.path,
        version=item.producer.version,
        source_hash=item.producer.source_hash,
        versions=circumstances(),
        params=recipe.params,
        results=values.nested(described(item.results, "results"), "results"),
        parents=[each.hash for each in parents],
    )
    known = current(store, recipe)
    # What is recorded again keeps its date, and all that was said of it; what was superseded is news.
    if known is None or known.hash != entry.hash:
        return entry
    said = {"label": entry.label or known.label, "results": entry.results or known.results}
    whole = replace(entry, created=known.created, note=known.note, tags=known.tags, **said)
    return whole.with_parents(known.parents)


def insert(store: "Store", entries: Sequence[Entry]) -> None:
    """Write sidecars, then all records in one transaction; now and then also the tables as CSV.

    Raises:
        StoreError: a file was removed meanwhile.
    """
    for entry in entries:
        store.objects.write_sidecar(entry)
    with store.writing() as connection:
        for entry in entries:
            if not (store.folder / entry.file).exists():
                raise StoreError(f"the file {entry.file} was removed while it was recorded; do it again")
            rows.insert(connection, entry)
    store.tables.changed(entry.kind for entry in entries)


def tag(store: "Store", entries: Sequence[Entry], words: Sequence[str]) -> None:
    """Give records words to be found by."""
    with store.writing() as connection:
        rows.add_tags(connection, [entry.hash for entry in entries], words)
    hashes = {entry.hash for entry in entries}
    with store.reading() as connection:
        which = records.c.hash.in_(hashes)
        for entry in rows.entries(connection, connection.scalars(sa.select(records.c.id).where(which)).all()):
            store.objects.write_sidecar(entry)
    store.tables.changed(entry.kind for entry in entries)


def complete_sidecars(store: "Store") -> None:
    """Write the sidecars that are not there."""
    with store.reading() as connection:
        entries = rows.entries(connection)
    for entry in entries:
        path = store.objects.sidecar(entry)
        if not path.exists() and path.parent.exists():
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


def _known_sha256(store: "Store", content_hash: str) -> str | None:
    with store.reading() as connection:
        found = sa.select(records.c.file_sha256).where(records.c.content_hash == content_hash).limit(1)
        return connection.scalar(found)
