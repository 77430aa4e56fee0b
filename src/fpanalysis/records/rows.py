"""Records in and out of the tables."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from fpanalysis.records import values
from fpanalysis.records.content import EVALUATION, MODEL
from fpanalysis.records.entry import CURRENT, SUPERSEDED, Entry
from fpanalysis.records.tables import links, names, params, records, tags

# What an ancestor of this kind was to whatever was made from it; who it was made from directly is its source.
ROLES = {MODEL: "train", EVALUATION: "test"}
SOURCE = "source"
# What came out is found under this name.
RESULT = "result"
_JSON = ("versions", "params", "results")
# SQLite takes 32,766 variables in a statement, PostgreSQL 65,535.
BATCH = 10_000


def insert(connection: sa.Connection, entry: Entry) -> None:
    """Add a record with its parameters and links, within the caller's transaction.

    A record that is there already gets the new results, parents and tags, and is the current one again.
    Another record of the same recipe is superseded, and stays.

    Raises:
        KeyError: a parent is not there.
    """
    row = {name: value for name, value in entry.to_dict().items() if name not in ("parents", "tags")}
    row |= {name: values.text(row[name]) for name in _JSON}
    number = connection.scalar(sa.select(records.c.id).where(records.c.hash == entry.hash))
    if number is None:
        number = connection.execute(sa.insert(records).returning(records.c.id), [row]).scalar_one()
    else:
        kept = {name: row[name] for name in ("results", "label", "note", "status", "created", "counter")}
        connection.execute(sa.update(records).where(records.c.id == number).values(kept))
        connection.execute(sa.delete(params).where(params.c.record == number))
    _insert_params(connection, number, entry)
    _insert_links(connection, number, entry.parents)
    _insert_new(connection, tags, [{"record": number, "tag": tag} for tag in entry.tags])
    # Records with the same content share its file.
    same = (records.c.content_hash == entry.content_hash) & (records.c.file == entry.file)
    connection.execute(sa.update(records).where(same).values(file_sha256=entry.file_sha256, size=entry.size))
    if entry.status == CURRENT:
        older = (records.c.recipe_hash == entry.recipe_hash) & (records.c.id != number)
        connection.execute(sa.update(records).where(older).values(status=SUPERSEDED))


def next_counter(connection: sa.Connection) -> int:
    """Return a number greater than the counters of all records, within a transaction that alone writes.

    It is the time in microseconds where that is greater, so that it is also above the counters of records
    that a database has lost.
    """
    latest = connection.scalar(sa.select(sa.func.max(records.c.counter))) or 0
    return max(latest + 1, time.time_ns() // 1000)


def known_sha256(connection: sa.Connection, content_hash: str) -> str | None:
    """Return the sha256 of the file of an object, if a record of it is there."""
    found = sa.select(records.c.file_sha256).where(records.c.content_hash == content_hash).limit(1)
    return connection.scalar(found)


def is_there(connection: sa.Connection, hash_: str) -> bool:
    """Return whether there is such a record."""
    return connection.scalar(sa.select(records.c.id).where(records.c.hash == hash_)) is not None


def numbers_of(connection: sa.Connection, hashes: Sequence[str]) -> list[int]:
    """Return the ids of records."""
    found: list[int] = []
    for first in range(0, len(hashes), BATCH):
        batch = records.c.hash.in_(hashes[first : first + BATCH])
        found += connection.scalars(sa.select(records.c.id).where(batch)).all()
    return found


def add_parents(connection: sa.Connection, hash_: str, parents: Sequence[str]) -> None:
    """Say that a record, and what was made from it, can also be traced to these."""
    number = _number(connection, hash_)
    below = connection.scalars(sa.select(links.c.child).where(links.c.ancestor == number).distinct()).all()
    _insert_links(connection, number, parents)
    roles = [(a, r) for a, r in _ancestors(connection, number) if r != SOURCE]
    rows = [{"child": child, "ancestor": a, "role": r} for child in below for a, r in roles]
    _insert_new(connection, links, rows)


def add_tags(connection: sa.Connection, hashes: Sequence[str], words: Sequence[str]) -> None:
    """Give records words to be found by."""
    pairs = [{"record": _number(connection, hash_), "tag": word} for hash_ in hashes for word in words]
    _insert_new(connection, tags, pairs)


def entries(connection: sa.Connection, numbers: Iterable[int] | None = None) -> list[Entry]:
    """Return records in the order of their ids.

    Args:
        connection: to the database.
        numbers: ids of the records; all of them if None.
    """
    return [entry_of(row) for row in stored(connection, numbers)]


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Return the record of a row that `stored` yields."""
    return Entry(**_loaded(row))


def stored(connection: sa.Connection, numbers: Iterable[int] | None = None) -> Iterator[dict[str, Any]]:
    """Yield records in the order of their ids, field by field, with JSON as the text that it is kept as."""
    if numbers is None:
        numbers = connection.scalars(sa.select(records.c.id)).all()
    numbers = sorted(numbers)
    for first in range(0, len(numbers), BATCH):
        yield from _stored(connection, records.c.id.in_(numbers[first : first + BATCH]))


def param_texts(connection: sa.Connection, numbers: Iterable[int]) -> list[str]:
    """Return the parameters of records as the texts that they are kept as, and nothing else of them."""
    numbers = sorted(numbers)
    parts = [numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH)]
    which = sa.select(records.c.params)
    return [text for part in parts for text in connection.scalars(which.where(records.c.id.in_(part)))]


def _stored(connection: sa.Connection, which: Any) -> Iterator[dict[str, Any]]:
    chosen = sa.select(records.c.id).where(which)
    parents: dict[int, list[str]] = {}
    found = sa.select(links.c.child, records.c.hash).join(records, records.c.id == links.c.ancestor)
    of_these = links.c.role == SOURCE
    for child, parent in connection.execute(
        found.where(of_these, links.c.child.in_(chosen)).order_by(records.c.id)
    ):
        parents.setdefault(child, []).append(parent)
    words: dict[int, list[str]] = {}
    for record, tag in connection.execute(sa.select(tags).where(tags.c.record.in_(chosen))):
        words.setdefault(record, []).append(tag)
    for row in connection.execute(sa.select(records).where(which).order_by(records.c.id)).mappings():
        data = dict(row)
        number = data.pop("id")
        yield data | {"parents": parents.get(number, []), "tags": sorted(words.get(number, []))}


def _loaded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **{name: values.load(row[name]) for name in _JSON}}


def names_of(connection: sa.Connection, kind: str) -> dict[str, int]:
    """Return the names of all parameters that records of a kind have, with their numbers."""
    rows = connection.execute(sa.select(names.c.name, names.c.id).where(names.c.kind == kind))
    return {name: number for name, number in rows}


def searchable(entry: Entry) -> dict[str, Any]:
    """Return by dotted name everything that a record can be found by."""
    found = values.flat(entry.params)
    return found | {f"{RESULT}.{name}": value for name, value in values.flat(entry.results).items()}


def _insert_params(connection: sa.Connection, number: int, entry: Entry) -> None:
    found = searchable(entry)
    if not found:
        return
    known = names_of(connection, entry.kind)
    if new := [name for name in found if name not in known]:
        _insert_new(connection, names, [{"kind": entry.kind, "name": name} for name in new])
        known = names_of(connection, entry.kind)
    rows = [
        {"record": number, "name": known[name], "value": values.indexed(v), "number": values.number(v)}
        for name, v in found.items()
    ]
    connection.execute(sa.insert(params), rows)


def _insert_links(connection: sa.Connection, child: int, parents: Sequence[str]) -> None:
    rows = []
    for parent in parents:
        number = _number(connection, parent)
        kind = connection.scalar(sa.select(records.c.kind).where(records.c.id == number))
        found = [(a, r) for a, r in _ancestors(connection, number) if r != SOURCE] + [(number, SOURCE)]
        if kind in ROLES:
            found.append((number, ROLES[kind]))
        rows += [{"child": child, "ancestor": a, "role": r} for a, r in found]
    _insert_new(connection, links, rows)


def _ancestors(connection: sa.Connection, number: int) -> list[tuple[int, str]]:
    rows = connection.execute(sa.select(links.c.ancestor, links.c.role).where(links.c.child == number))
    return [(ancestor, role) for ancestor, role in rows]


def _number(connection: sa.Connection, hash_: str) -> int:
    number = connection.scalar(sa.select(records.c.id).where(records.c.hash == hash_))
    if number is None:
        raise KeyError(f"there is no record {hash_[:8]} in this store")
    return number


def _insert_new(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_into
    else:
        from sqlalchemy.dialects.sqlite import insert as insert_into
    unique = list({tuple(sorted(row.items())): row for row in rows}.values())
    connection.execute(insert_into(table).on_conflict_do_nothing(), unique)
