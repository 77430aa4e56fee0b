"""Trials: what a task shows and asks for, and what a model did with it."""

from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._messages import listed
from fpanalysis.control.fields import AbstractField


class Trial(eqx.Module):
    """One trial of a task; a batch of trials has a leading axis on every leaf.

    Attributes:
        inputs: what is shown in every step, by role (`context`, `target.position`, `go`, `pulse`, …).
        targets: what is asked for, `position` (m) and `velocity` (m/s) of the effector, or the `output` of
            a network without a body. Entry `k` belongs to the state after input `k`.
        start: where the effector rests at the beginning (m); None without a plant.
        field: the force field of the trial; None without one.
    """

    inputs: dict[str, Float[Array, "... time _"]]
    targets: dict[str, Float[Array, "... time _"]]
    start: Float[Array, "... 2"] | None = None
    field: AbstractField | None = None


class Rollout(eqx.Module):
    """What happened in one trial; a batch of rollouts has a leading axis on every leaf.

    Entry `k` is what there is after input `k`, that is at the time `(k + 1) dt`. What a network without a
    body does not have is None.

    Attributes:
        hidden: activity of the network's units.
        output: the readout: the command (N, or N m) before motor noise, or the outputs of a bare network.
        position: of the effector (m).
        velocity: of the effector (m/s).
        command: the output with motor noise, as the plant received it.
        feedback_position: the effector's position as the network was told it, late and noisy (m).
        feedback_velocity: the same for the velocity (m/s).
        plant: the plant's state, by block.
    """

    hidden: Float[Array, "... hidden"]
    output: Float[Array, "... output"]
    position: Float[Array, "... 2"] | None = None
    velocity: Float[Array, "... 2"] | None = None
    command: Float[Array, "... 2"] | None = None
    feedback_position: Float[Array, "... 2"] | None = None
    feedback_velocity: Float[Array, "... 2"] | None = None
    plant: dict[str, Array] | None = None


@dataclass(frozen=True, eq=False)
class Trials:
    """A fixed set of trials with labels, such as a task's validation set.

    Attributes:
        trial: the trials; every leaf is an array with one leading axis.
        dt: seconds per step.
        labels: what tells the trials apart, by name (`direction` in rad, `start_x` in m, …), one entry each.

    Raises:
        ValueError: leaves or labels do not all have one entry for each trial.

    Example:
        >>> import fpanalysis as fpa
        >>> trials = fpa.tasks.FlipFlop(n_bits=1).validation(n_trials=8)
        >>> len(trials), trials.trial.inputs["pulse"].shape, list(trials.labels)
        (8, (8, 100, 1), ['bit_0'])
    """

    trial: Trial
    dt: float
    labels: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        n = len(self)
        shapes = [np.shape(leaf) for leaf in jax.tree_util.tree_leaves(self.trial)]
        if wrong := [shape for shape in shapes if shape[:1] != (n,)]:
            raise ValueError(f"trial: expected {n} trials along the first axis of every leaf, got {wrong[0]}")
        if wrong := [name for name, values in self.labels.items() if np.shape(values) != (n,)]:
            raise ValueError(
                f"labels: expected one entry for each of {n} trials, but not so in {listed(wrong)}"
            )

    def __len__(self) -> int:
        return len(next(iter(self.trial.inputs.values())))
