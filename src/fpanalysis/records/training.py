"""Training what a store lacks of a configuration, and recording it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from fpanalysis.records import keep, values
from fpanalysis.records.check import RUNS
from fpanalysis.records.content import MODEL, class_name
from fpanalysis.records.recipes import Producer
from fpanalysis.records.record import Models

if TYPE_CHECKING:
    from fpanalysis.control.ensemble import Ensemble
    from fpanalysis.records.entry import Entry
    from fpanalysis.records.store import Store
    from fpanalysis.training.config import Config
    from fpanalysis.training.sweep import Member, Plan

# Which version of `train` recorded models are of. Raised when its results change.
_TRAINER = Producer("", "fpanalysis.train", "1", "")
_HISTORY = "training_history"
_TYPES = ("controller", "network")


def train(store: "Store", config: "Config", name: str, progress: bool) -> Models:
    """Train the networks of a configuration that the store lacks, record them, and return all of them.

    Networks of one kind are judged together: if a replicate is missing, all of the kind are trained.
    """
    from fpanalysis.training.sweep import expand
    from fpanalysis.training.trainer import train as trained_by

    plan = expand(config)
    known = {i: entry for i, member in enumerate(plan.members) if (entry := _known(store, member))}
    count = config.replicates
    kinds = [range(first, first + count) for first in range(0, len(plan.members), count)]
    missing = [kind for kind in kinds if not all(i in known for i in kind)]
    if progress and len(missing) < len(kinds):
        there = count * (len(kinds) - len(missing))
        tqdm.write(f"{there} of {len(plan.members)} networks are recorded already", file=sys.stderr)
    if missing:
        rest = config if len(missing) == len(kinds) else _only(config, [kind[0] // count for kind in missing])
        folder = store.folder / RUNS / f"{name}-{values.digest(rest.to_yaml())[:8]}"
        folder.parent.mkdir(exist_ok=True)
        ensemble = trained_by(rest, folder=folder, progress=progress)
        entries = _recorded(store, ensemble, expand(rest), folder, name)
        known |= dict(zip((i for kind in missing for i in kind), entries, strict=True))
    return store.models.where(hash=[known[i].hash for i in range(len(plan.members))])


def params_of(member: "Member") -> dict[str, Any]:
    """Return the hyperparameters of a network: all of its configuration, and which replicate it is."""
    own = {key: value for key, value in member.config.to_dict().items() if key != "replicates"}
    return own | {"replicate": member.replicate}


def _known(store: "Store", member: "Member") -> "Entry | None":
    for type_ in _TYPES:
        recipe = keep.recipe_of(MODEL, type_, params_of(member), (), _trainer_of(type_))
        if (entry := keep.current(store, recipe)) is not None and store.objects.problem(entry) is None:
            return entry
    return None


def _trainer_of(type_: str) -> Producer:
    """Return the trainer as the producer of models of a type."""
    return _TRAINER._replace(type=type_)


def _only(config: "Config", indices: Sequence[int]) -> "Config":
    """Return a configuration of some of the combinations of another one."""
    from itertools import product

    from fpanalysis.training.config import Config

    combinations = [
        {**case, **dict(zip(config.sweep, chosen, strict=True))}
        for case in config.cases or [{}]
        for chosen in product(*config.sweep.values())
    ]
    return Config.from_dict(config.base | {"cases": [combinations[index] for index in indices]})


def _recorded(store: "Store", ensemble: "Ensemble", plan: "Plan", folder: Path, name: str) -> "list[Entry]":
    """Record the models of a run in one transaction, then its history."""
    table = ensemble.table
    results = {
        str(key): table[key].transpose(*plan.dims).values.ravel()
        for key in table.data_vars
        if key != "member"
    }
    items = []
    for i, (member, model) in enumerate(zip(plan.members, ensemble.models, strict=True)):
        type_ = class_name(model)
        own: Mapping[str, Any] = {key: column[i] for key, column in results.items()}
        item = keep.Item(model, type_, params_of(member), own, name, _trainer_of(type_))
        prepared = keep.prepared(store, item, ())
        note = f"run: {folder.relative_to(store.folder).as_posix()}"
        items.append(prepared._replace(entry=replace(prepared.entry, note=note)))
    entries = keep.insert(store, items)
    if ensemble.history is not None:
        producer = _TRAINER._replace(type=_HISTORY)
        history = keep.Item(ensemble.history, _HISTORY, {}, label=name, producer=producer)
        keep.insert(store, [keep.prepared(store, history, entries)])
    return entries
