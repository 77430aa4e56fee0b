"""What went wrong when a number ceased to be finite."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fpanalysis._compiled import compiled
from fpanalysis.control.rollout import rollouts
from fpanalysis.control.trials import Rollout
from fpanalysis.training.step import Job, Learner


class Failure(NamedTuple):
    """Where a network's training stopped.

    Attributes:
        member: index of the network.
        iteration: the iteration that was not taken.
        term: the term of the loss that is not finite; `update` if the loss is finite, but not the change of
            the weights (AdamW squares the gradient).
        trial: index of the trial within the batch, −1 if no single trial is to blame.
        state: the state that ceased to be finite first, or the largest one if all are finite.
        time: when, in seconds after the start of the trial.
    """

    member: int
    iteration: int
    term: str
    trial: int
    state: str
    time: float

    def sentence(self, label: str) -> str:
        """Return what happened in words."""
        where = f", in trial {self.trial} of the batch" if self.trial >= 0 else ""
        return (
            f"{label}: training stopped at iteration {self.iteration}: {self.term} is not finite{where}; "
            f"{self.state} at {self.time:g} s. Its last finite weights are kept; the others go on."
        )


def diagnose(learner: Learner, job: Job, member: int, iteration: int, dt: float) -> Failure:
    """Run the batch on which a network stopped once more, and find what ceased to be finite.

    Args:
        learner: the stopped network, with its last finite weights.
        job: what it was trained on.
        member: its index.
        iteration: the iteration that was not taken.
        dt: seconds per step.
    """
    terms, runs = _rerun(learner, job, jnp.asarray(iteration, jnp.int32))
    values = {name: np.asarray(value) for name, value in terms.items()}
    for name, value in values.items():
        if not np.isfinite(value.mean()):  # finite terms may sum to an infinite mean
            trial = int(np.argmax(np.where(np.isfinite(value), np.abs(value), np.inf)))
            return Failure(member, iteration, name, trial, *_first_state(runs, trial, dt))
    total = np.abs(sum(values.values()))
    trial = int(np.argmax(total))
    return Failure(member, iteration, "update", trial, *_first_state(runs, trial, dt))


@compiled
def _rerun(learner: Learner, job: Job, iteration: jax.Array) -> tuple[dict[str, jax.Array], Rollout]:
    trials, keys = job.batch(iteration)
    model = job.model(learner.weights)
    runs = rollouts(model, trials, keys)
    return job.loss.per_trial(model, trials, runs), runs


def _first_state(runs: Rollout, trial: int, dt: float) -> tuple[str, float]:
    """Return in words which state of a trial was the first to be not finite, or is largest; and when."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(runs):
        values = np.asarray(leaf)[trial].reshape(np.shape(leaf)[1], -1)
        bad = ~np.isfinite(values)
        step = int(bad.any(axis=1).argmax()) if bad.any() else len(values)
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        found[name] = (step, values)
    first = min(step for step, _ in found.values())
    name = next(name for name, (step, _) in found.items() if step == first)
    values = found[name][1]
    if first < len(values):
        entry = int((~np.isfinite(values[first])).argmax())
        return f"{name}[{entry}] ceased to be finite", (first + 1) * dt
    name = max(found, key=lambda name: np.abs(found[name][1]).max())
    step, entry = np.unravel_index(np.abs(found[name][1]).argmax(), found[name][1].shape)
    return f"{name}[{entry}] reached {found[name][1][step, entry]:.3g}", (int(step) + 1) * dt
