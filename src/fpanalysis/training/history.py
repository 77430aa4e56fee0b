"""What is known of a training run, as one labelled dataset."""

import importlib.metadata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from fpanalysis.training.group import Plan, Result, validation_iterations
from fpanalysis.training.selection import RULE, select

# Members of a group as indices in the order of the run, what the group was trained on, and what came of it.
Trained = Sequence[tuple[list[int], Plan, Result]]


class _Column(NamedTuple):
    """A variable with one value for every network."""

    values: np.ndarray
    long_name: str


def history_of(dims: dict[str, list], trained: Trained) -> xr.Dataset:
    """Return the history of a run.

    Args:
        dims: swept hyperparameters and their values, with `replicate` last.
        trained: all groups of the run; networks are counted in C order over `dims`.

    Returns:
        A dataset with the dims of the sweep first; its variables are listed in the documentation of datasets.
    """
    plans = [plan for _, plan, _ in trained]
    jobs = [plan.jobs[0] for plan in plans]
    axes = {
        "iteration": list(range(max(job.iterations for job in jobs))),
        "validation_iteration": sorted({i for plan in plans for i in validation_iterations(plan)}),
        "checkpoint": sorted({i for plan in plans for i in plan.checkpoints}),
        "term": list(dict.fromkeys(name for job in jobs for name in (*job.loss.names, *job.judge.names))),
    }
    n, terms = sum(len(members) for members, _, _ in trained), len(axes["term"])
    loss = np.full((n, len(axes["iteration"]), terms), np.nan, np.float32)
    monitored = np.full((n, len(axes["validation_iteration"]), terms), np.nan, np.float32)
    judged = np.full((n, len(axes["checkpoint"])), np.nan)
    for members, plan, result in trained:
        job, losses = plan.jobs[0], result.losses
        seen = [axes["validation_iteration"].index(i) for i in validation_iterations(plan)]
        kept = [axes["checkpoint"].index(i) for i in plan.checkpoints]
        for row, member in enumerate(members):
            loss[member, : job.iterations] = _spread(losses.training[:, row], job.loss.names, axes["term"])
            monitored[member, seen] = _spread(losses.validation[:, row], job.judge.names, axes["term"])
            judged[member, kept] = result.checkpoint_losses[row].mean(axis=1)
    shape = tuple(len(values) for values in dims.values())

    def variable(values: np.ndarray, *more: str, **attrs: Any) -> tuple:
        return ((*dims, *more), values.reshape((*shape, *values.shape[1:])), attrs)

    columns = _stops(n, trained) | _selected(n, len(dims.get("replicate", [0])), trained)
    variables = {
        "loss": variable(loss, "iteration", "term", long_name="weighted loss of every batch"),
        "monitored_loss": variable(
            monitored, "validation_iteration", "term", long_name="weighted validation loss"
        ),
        "checkpoint_loss": variable(judged, "checkpoint", long_name="validation loss of every checkpoint"),
        **{name: variable(each.values, long_name=each.long_name) for name, each in columns.items()},
    }
    attrs = {
        "fpanalysis_version": importlib.metadata.version("fpanalysis"),
        "jax_version": importlib.metadata.version("jax"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "selection_rule": RULE,
    }
    return xr.Dataset(variables, {**dims, **axes}, attrs)


def _spread(rows: np.ndarray, names: Sequence[str], terms: list[str]) -> np.ndarray:
    """Return rows of some terms among all terms. A term that a loss does not have weighs nothing in it."""
    spread = np.where(np.isnan(rows).all(axis=1, keepdims=True), np.nan, np.zeros((1, len(terms))))
    spread[:, [terms.index(name) for name in names]] = rows
    return spread


def _stops(n: int, trained: Trained) -> dict[str, _Column]:
    """Return where networks stopped, and why."""
    iteration, reason = np.full(n, -1, np.int32), np.full(n, "", object)
    for members, plan, result in trained:
        for failure in result.losses.failures:
            iteration[members[failure.member]] = failure.iteration
            reason[members[failure.member]] = failure.sentence(plan.names[failure.member])
    return {
        "stopped_at": _Column(iteration, "iteration not taken since a number was not finite; −1: none"),
        "stop_reason": _Column(reason.astype(str), "why the training stopped before its end"),
    }


def _selected(n: int, replicates: int, trained: Trained) -> dict[str, _Column]:
    """Return which checkpoint of every network is kept, and which networks of a kind."""
    iteration, loss, threshold = np.full(n, -1, np.int32), np.full(n, np.inf), np.zeros(n)
    best, included = np.zeros(n, bool), np.zeros(n, bool)
    for members, plan, result in trained:
        # Replicates of one kind share shapes, and so lie side by side within a group.
        for first in range(0, len(members), replicates):
            own = members[first : first + replicates]
            chosen = select(result.checkpoint_losses[first : first + replicates])
            iteration[own] = [plan.checkpoints[i] if i >= 0 else -1 for i in chosen.checkpoint]
            loss[own], included[own], threshold[own] = chosen.loss, chosen.included, chosen.threshold
            if chosen.best >= 0:
                best[own[chosen.best]] = True
    return {
        "selected_checkpoint": _Column(
            iteration, "iterations of the selected checkpoint; −1: none is finite"
        ),
        "validation_loss": _Column(
            loss, "validation loss of the selected checkpoint; infinite if none is finite"
        ),
        "is_best": _Column(best, "whether this is the best replicate"),
        "included": _Column(included, "whether the replicate is near enough to the best"),
        "threshold": _Column(threshold, "by how much log(validation_loss) may exceed that of the best"),
    }
