"""Results that are computed once for every question."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import xarray as xr

from fpanalysis.control.ensemble import Ensemble
from fpanalysis.records import content, exact, keep, rows, values
from fpanalysis.records.entry import Entry
from fpanalysis.records.recipes import Producer, hides, warn_of_source
from fpanalysis.records.record import Query
from fpanalysis.records.references import entries_of, loaded
from fpanalysis.records.schema import StoreError

if TYPE_CHECKING:
    from fpanalysis.records.store import Store


class Question(NamedTuple):
    """What is asked: a function, of what, with what.

    Attributes:
        producer: the function.
        params: its arguments.
        parents: the records that it is asked of.
        asked: digest of what their contents and the parameters do not tell; empty if they tell all.
    """

    producer: Producer
    params: Mapping[str, Any]
    parents: list[Entry]
    asked: str

    def exact(self, *, steady: bool = False) -> str:
        """Return the digest of all that the parameters do not tell, with the data that the function holds."""
        function = self.producer.function
        held = "" if function is None else exact.held_by(function, steady=steady)
        return values.digest(f"{self.asked} {held}") if self.asked or held else ""


def cached(
    store: "Store", model: Any, producer: Producer, params: Mapping[str, Any], compute: Callable[[Any], Any]
) -> xr.Dataset:
    """Return what a function computes of a model: from the store, or computed now and recorded."""
    parents = entries_of(store, [model], "model")
    question = Question(producer, params, parents, _beyond(store, model, producer, params, parents))
    before, steady = question.exact(), question.exact(steady=True)
    for told in dict.fromkeys((before, steady)):
        if (known := _known(store, question, told)) is not None and (ds := _read(store, known, producer)):
            _trace(store, known, parents)
            return ds
    result = compute(loaded(model))
    if not isinstance(result, xr.Dataset):
        raise TypeError(
            f"function: expected {producer.type} to return a dataset, got {type(result).__name__}"
        )
    # A function that writes into what it holds, such as a list of its calls, is asked no other thing by it.
    told = before if question.exact() == before else steady
    item = keep.Item(result, producer.type, params, producer=producer, exact=told)
    (entry,) = keep.insert(store, [keep.prepared(store, item, parents)])
    return result.assign_attrs({content.RECORD: entry.hash})


def _known(store: "Store", question: Question, told: str) -> Entry | None:
    recipe = keep.recipe_of(
        content.EVALUATION, question.producer.type, question.params, question.parents, question.producer, told
    )
    known = keep.current(store, recipe)
    return None if known is None or hides(known) else known


def _read(store: "Store", known: Entry, producer: Producer) -> xr.Dataset | None:
    """Return the dataset of a record, or None with a warning if its file is damaged."""
    warn_of_source(known, producer)
    try:
        return store.read(known)
    except StoreError as error:
        warnings.warn(f"{error}. Computing it anew", stacklevel=4)
        return None


def _beyond(
    store: "Store", model: Any, producer: Producer, params: Mapping[str, Any], parents: Sequence[Entry]
) -> str:
    """Return a digest of what is asked beyond the contents of the models and the canonical parameters."""
    told = [exact.beyond_json(params), _arrangement(model, parents)]
    if told == ["", ""] and isinstance(model, Query) and len(parents) > 1:
        # The labels of an ensemble are those of its records, of which others may hold the same models.
        known = _known(store, Question(producer, params, list(parents), ""), "")
        if known is not None and not {entry.hash for entry in parents} <= set(known.parents):
            told[1] = values.digest(" ".join(entry.hash for entry in parents))
    return " ".join(told) if any(told) else ""


def _arrangement(model: Any, parents: Sequence[Entry]) -> str:
    """Return a digest of how several models are given; empty if there is one, or a query."""
    if isinstance(model, list | tuple):
        inner = [_arrangement(each, parents) or exact.digest_of(_name(each), "model") for each in model]
        return values.digest(f"{type(model).__name__} {inner}")
    if isinstance(model, Ensemble):
        return exact.digest_of(model.table, "model")
    return ""


def _name(model: Any) -> Any:
    """Return what tells one of several models from another: hashes of records, or the content."""
    if isinstance(model, xr.Dataset):
        return content.content_hash(model)
    return model


def _trace(store: "Store", known: Entry, parents: Sequence[Entry]) -> None:
    """Link what is known already to records with the same content as those that it was made from."""
    new = [each.hash for each in parents if each.hash not in known.parents]
    if new:
        with store.writing() as connection:
            rows.add_parents(connection, known.hash, new)
            for entry in rows.entries(connection, rows.numbers_of(connection, [known.hash])):
                store.objects.write_sidecar(entry)
        store.tables.changed([known.kind])
