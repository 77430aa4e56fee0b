"""Which records something stands for: a record, a query, a hash, or the object itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import xarray as xr

from fpanalysis.control.ensemble import Ensemble
from fpanalysis.records import content, rows
from fpanalysis.records.entry import CURRENT, Entry
from fpanalysis.records.record import Query, Record
from fpanalysis.records.tables import records

if TYPE_CHECKING:
    from fpanalysis.records.store import Store


def loaded(model: Any) -> Any:
    """Return what a record, a query, or each item of a list stands for; else what is given."""
    if isinstance(model, Query | Record):
        return model.load()
    return [loaded(each) for each in model] if isinstance(model, list | tuple) else model


def entries_of(store: "Store", given: Sequence[Any], argument: str) -> list[Entry]:
    """Return the records that things stand for, each once.

    Args:
        store: where they are.
        given: records, queries, beginnings of hashes, recorded models and ensembles of them, datasets and
            figures of the store, or lists of these.
        argument: the name of the argument, for errors.

    Raises:
        TypeError: something is of another kind.
        ValueError: an object is not in the store.
        LookupError: no record has the hash that is given.
    """
    found: list[Entry] = []
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise TypeError(f"{argument}: expected a list of datasets, models or records, got {given!r}")
    for each in given:
        if isinstance(each, Entry):
            found.append(each)
        elif isinstance(each, Record):
            found.append(each.entry)
        elif isinstance(each, Query):
            found += each.entries()
        elif isinstance(each, list | tuple):
            found += entries_of(store, each, argument)
        elif isinstance(each, Ensemble):
            found += entries_of(store, each.models, argument)
        else:
            found += _with_content(store, each, argument)
    if given and not found:
        raise ValueError(f"{argument}: no record meets these conditions")
    return list({entry.hash: entry for entry in found}.values())


def _with_content(store: "Store", what: Any, argument: str) -> list[Entry]:
    """Return the records of an object: the one that it names, or all with its content."""
    if isinstance(what, str):
        return [store.record(what).entry]
    named = what.attrs.get(content.RECORD) if isinstance(what, xr.Dataset) else None
    if named is not None:
        return [store.record(str(named)).entry]
    try:
        hash_ = content.content_hash(what)
    except TypeError as error:
        raise TypeError(f"{argument}: {error}") from error
    with store.reading() as connection:
        which = (records.c.content_hash == hash_) & (records.c.status == CURRENT)
        found = rows.entries(connection, connection.scalars(sa.select(records.c.id).where(which)).all())
    if not found:
        kind = content.kind_of(what)
        raise ValueError(
            f"{argument}: this {kind} ({type(what).__name__}) is not in the store; add it first, with "
            f"db.add_{kind}(…)"
        )
    return found
