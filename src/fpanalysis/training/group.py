"""Training a group of networks that share shapes, from wherever it was left."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from fpanalysis._messages import listed
from fpanalysis.control.trials import Trials
from fpanalysis.training.failure import Failure, diagnose
from fpanalysis.training.folder import Arrays, Folder, read_arrays, write_arrays
from fpanalysis.training.step import Job, Learner, advance, begin, stacked, validate_all

# A killed run loses at most this many seconds of work, and a checkpoint's interval.
SAVE_EVERY = 60.0


class Plan(NamedTuple):
    """What a group is trained on.

    Attributes:
        number: which group of the run it is.
        names: how each network is called in messages.
        jobs: one for each network.
        weights: what each network starts from.
        monitor: trials on which all are validated now and then.
        validation: trials on which checkpoints are judged.
        validate_every: iterations between validations.
        checkpoints: numbers of iterations after which weights are kept.
    """

    number: int
    names: list[str]
    jobs: list[Job]
    weights: list[PyTree]
    monitor: Trials
    validation: Trials
    validate_every: int
    checkpoints: list[int]


class Losses(NamedTuple):
    """What is known of a group's training so far; NaN where it has not come to.

    Attributes:
        training: weighted terms of every batch's loss, shape (iteration, network, term).
        validation: the task's own loss on the monitoring trials, shape (validation, network, term).
        failures: networks that stopped.
    """

    training: np.ndarray
    validation: np.ndarray
    failures: list[Failure]


class Result(NamedTuple):
    """A trained group.

    Attributes:
        losses: during training.
        checkpoint_losses: shape (network, checkpoint, trial): the whole loss on every validation trial.
        checkpoints: the weights at each checkpoint, leaves with a leading axis for the networks.
    """

    losses: Losses
    checkpoint_losses: np.ndarray
    checkpoints: list[Arrays]


def validation_iterations(plan: Plan) -> list[int]:
    """Return after how many iterations the group is validated: at the start, regularly, and at the end."""
    last = plan.jobs[0].iterations
    return sorted({*range(0, last, plan.validate_every), last})


def train_group(
    plan: Plan,
    folder: Folder | None,
    report: Callable[[int, str], None],
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Result:
    """Train a group to its end, going on from its last saved state if there is one.

    Args:
        plan: what to train, and on what.
        folder: where state and checkpoints are kept; nothing is written if None.
        report: called with a number of finished iterations and a word on the loss.
        say: called with messages for the user.
        warn: called with what went wrong.
    """
    jobs = stacked(plan.jobs)
    learners = stacked([begin(job, weights) for job, weights in zip(plan.jobs, plan.weights, strict=True)])
    done, losses = 0, _no_losses(plan)
    kept: dict[int, Arrays] = {}
    if folder is not None and folder.state_path(plan.number).exists():
        done, learners, losses = _resume(plan, folder.state_path(plan.number), learners, losses)
        kept = {
            count: read_arrays(folder.checkpoint_path(plan.number, count))[0]
            for count in plan.checkpoints
            if count <= done
        }
        say(f"resuming at iteration {done}")
    report(done, "compiling")
    saved, last, validations = time.monotonic(), plan.jobs[0].iterations, validation_iterations(plan)
    for count in range(done, last + 1):
        if count in validations:
            losses.validation[validations.index(count)] = _monitored(plan, learners, jobs)
        if count in plan.checkpoints:
            kept[count] = _named(learners.weights, len(plan.jobs))
            if folder is not None:
                write_arrays(folder.checkpoint_path(plan.number, count), kept[count], {"iteration": count})
        if folder is not None and (count in plan.checkpoints or time.monotonic() - saved > SAVE_EVERY):
            _save(plan, folder.state_path(plan.number), count, learners, losses)
            saved = time.monotonic()
        if count < last:
            learners = _advance(plan, learners, jobs, losses, count, warn)
            report(1, f"loss {_typical(losses.training[count]):.4g}")
    checkpoints = [kept[count] for count in plan.checkpoints]
    judged = [_judge(plan, learners, jobs, each) for each in checkpoints]
    return Result(losses, np.stack(judged, axis=1), checkpoints)


def _advance(
    plan: Plan, learners: Learner, jobs: Job, losses: Losses, count: int, warn: Callable[[str], None]
) -> Learner:
    """Take one step, and note and tell what came of it."""
    n = len(plan.jobs)
    learners, outcome = advance(learners, jobs, jnp.asarray(count, jnp.int32))
    running = np.asarray(outcome.running)[:n]
    names = plan.jobs[0].loss.names  # compiled functions return mappings in alphabetical order
    terms = np.stack([np.asarray(outcome.terms[name])[:n] for name in names], axis=1)
    stopped = {failure.member for failure in losses.failures}
    losses.training[count] = np.where(running[:, None], terms, np.nan)
    for member in np.flatnonzero(~running):
        if member not in stopped:
            learner = jax.tree_util.tree_map(lambda leaf, member=member: leaf[member], learners)
            failure = diagnose(learner, plan.jobs[member], int(member), count, plan.monitor.dt)
            losses.failures.append(failure)
            warn(failure.sentence(plan.names[member]))
    return learners


def _monitored(plan: Plan, learners: Learner, jobs: Job) -> np.ndarray:
    """Return the mean terms of every network's loss on the monitoring trials, shape (network, term)."""
    terms = validate_all(learners, jobs, plan.monitor.trial)
    names = plan.jobs[0].judge.names
    return np.stack([np.asarray(terms[name])[: len(plan.jobs)].mean(axis=1) for name in names], axis=1)


def _judge(plan: Plan, learners: Learner, jobs: Job, weights: Arrays) -> np.ndarray:
    """Return the loss of every network with given weights on every validation trial."""
    learners = learners._replace(weights=_filled(learners.weights, weights, len(plan.jobs)))
    terms = validate_all(learners, jobs, plan.validation.trial)
    return sum(np.asarray(value, np.float64)[: len(plan.jobs)] for value in terms.values())  # pyright: ignore


def _typical(terms: np.ndarray) -> float:
    """Return the median loss of the networks that run."""
    totals = terms.sum(axis=1)
    totals = totals[np.isfinite(totals)]
    return float(np.median(totals)) if len(totals) else float("nan")


def _no_losses(plan: Plan) -> Losses:
    job, n = plan.jobs[0], len(plan.jobs)
    training = np.full((job.iterations, n, len(job.loss.names)), np.nan, np.float32)
    validation = np.full((len(validation_iterations(plan)), n, len(job.judge.names)), np.nan, np.float32)
    return Losses(training, validation, [])


def leaf_names(tree: PyTree) -> list[str]:
    """Return the path to every leaf, in order."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in paths]


def _named(tree: PyTree, n: int, prefix: str = "") -> Arrays:
    leaves = jax.tree_util.tree_leaves(tree)
    return {prefix + name: np.asarray(leaf)[:n] for name, leaf in zip(leaf_names(tree), leaves, strict=True)}


def _filled(tree: PyTree, arrays: Arrays, n: int, prefix: str = "") -> PyTree:
    """Return a tree of stacked arrays with the named arrays in the place of its first `n` rows."""
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    new = []
    for name, leaf in zip(leaf_names(tree), leaves, strict=True):
        rows = arrays[prefix + name]
        padding = np.repeat(rows[-1:], leaf.shape[0] - n, axis=0)
        new.append(jax.device_put(np.concatenate([rows, padding]), leaf.sharding))
    return jax.tree_util.tree_unflatten(treedef, new)


def _save(plan: Plan, path: Path, count: int, learners: Learner, losses: Losses) -> None:
    failures = [list(each) for each in losses.failures]
    notes: dict[str, Any] = {"iteration": count, "terms": plan.jobs[0].loss.names, "failures": failures}
    arrays = _named(learners, len(plan.jobs), "learner.")
    rows = sum(each <= count for each in validation_iterations(plan))
    arrays |= {"training": losses.training[:count], "validation": losses.validation[:rows]}
    write_arrays(path, arrays, notes)


def _resume(plan: Plan, path: Path, learners: Learner, losses: Losses) -> tuple[int, Learner, Losses]:
    arrays, notes = read_arrays(path)
    if notes["terms"] != list(plan.jobs[0].loss.names):
        raise ValueError(
            f"loss: the run in {str(path.parent)!r} was begun with the terms {listed(notes['terms'])}, and "
            f"would go on with {listed(plan.jobs[0].loss.names)}; give it the same loss, or another folder"
        )
    learners = _filled(learners, arrays, len(plan.jobs), "learner.")
    losses.training[: notes["iteration"]] = arrays["training"]
    losses.validation[: len(arrays["validation"])] = arrays["validation"]
    losses.failures.extend(Failure(*each) for each in notes["failures"])
    return notes["iteration"], learners, losses
