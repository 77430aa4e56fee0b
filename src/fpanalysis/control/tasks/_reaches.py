"""Reaches: the effector goes from where it rests to a goal, at once or on a cue."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from fpanalysis._given import refuse_hidden
from fpanalysis.control.fields import AbstractField
from fpanalysis.control.tasks._base import (
    AbstractTask,
    check_count,
    check_number,
    check_steps,
    floats,
    uniform,
)
from fpanalysis.control.tasks.perturbations import AbstractPerturbation
from fpanalysis.control.trials import Trial, Trials

Box = tuple[tuple[float, float], tuple[float, float]]


def _box(corners: Any) -> Box:
    """Return the corners as tuples of Python numbers, since static fields must be hashable."""
    refuse_hidden(corners, "workspace")
    array = np.asarray(corners, float)
    if array.shape != (2, 2) or not np.all(np.isfinite(array)) or not np.all(array[0] < array[1]):
        raise ValueError(
            f"workspace: expected ((x_min, y_min), (x_max, y_max)) with minima below maxima, got {corners!r}"
        )
    (x_min, y_min), (x_max, y_max) = array.tolist()
    return (x_min, y_min), (x_max, y_max)


class SimpleReaches(AbstractTask):
    """Reaches from a random start to a random goal, which is shown throughout.

    Start and goal are uniform in the workspace. The effector should be at the goal, and at rest there, from
    the first step on; how much it matters when is for the loss to say.

    Attributes:
        perturbation: draws the force field and context input of a training trial; without it there is no
            field, and the context is 0.
        workspace: box of the starts and goals, `((x_min, y_min), (x_max, y_max))` in m; a plant's own is
            `plant.workspace`.
        reach_length: length of the reaches for validation (m).
        n_steps: steps in a trial; with the start there is one state more.
        dt: seconds per step.

    Raises:
        ValueError: a number is out of range, or the workspace is not a box.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> task = fpa.tasks.SimpleReaches()
        >>> trial = task.sample(jax.random.key(0))
        >>> {role: values.shape for role, values in trial.inputs.items()}
        {'context': (99, 1), 'target.position': (99, 2), 'target.velocity': (99, 2)}
        >>> len(task.validation(n_grid=2, n_directions=24))
        96
    """

    perturbation: AbstractPerturbation | None = None
    workspace: Box = eqx.field(static=True, converter=_box, default=((-1.0, -1.0), (1.0, 1.0)))
    reach_length: float = eqx.field(static=True, default=0.5)
    n_steps: int = eqx.field(static=True, kw_only=True, default=99)
    dt: float = eqx.field(static=True, kw_only=True, default=0.05)

    def __check_init__(self) -> None:
        check_steps(self.n_steps, self.dt)
        check_number("reach_length", self.reach_length, 0.0, above=True)

    @property
    def inputs(self) -> dict[str, int]:
        """What the task shows: the role of every input and its number of entries."""
        return {"context": 1, "target.position": 2, "target.velocity": 2}

    @property
    def outputs(self) -> dict[str, int]:
        """Nothing: what is asked for is a movement of the plant."""
        return {}

    def sample(self, key: PRNGKeyArray) -> Trial:
        """Return one random trial; the same key gives the same trial."""
        reach_key, field_key = jax.random.split(key)
        start, goal = _random_reach(reach_key, self.workspace)
        context, field = _context_and_field(self.perturbation, field_key)
        return _reach(start, goal, context, field, self.n_steps)

    def validation(
        self,
        n_grid: int = 1,
        n_directions: int = 7,
        context: float = 0.0,
        field: AbstractField | None = None,
    ) -> Trials:
        """Return centre-out reaches of length `reach_length` from a grid of starts.

        Args:
            n_grid: starts along each side of the workspace, in the middle of as many equal parts: the
                centre for 1, ¼ and ¾ of the side for 2.
            n_directions: directions from each start, evenly spaced from 0 (along x) counter-clockwise.
            context: the context input of all trials.
            field: the force field of all trials; none by default.

        Returns:
            `n_grid² · n_directions` trials with the labels `direction` (rad), `start_x`, `start_y`,
            `goal_x` and `goal_y` (m). Goals may lie outside the workspace where the grid is fine or the
            reach long; see `plant.check_reachable`.

        Raises:
            ValueError: a count is below 1.
        """
        labels = centre_out(self.workspace, self.reach_length, n_grid, n_directions)
        starts, goals = _points(labels)
        given = _given(context, field)
        trial = jax.vmap(lambda start, goal: _reach(start, goal, *given, self.n_steps))(starts, goals)
        return Trials(trial, self.dt, labels)


class DelayedReaches(AbstractTask):
    """Reaches that wait for a cue: the goal is shown from the start, but the effector must stay until told.

    Until the cue the effector should stay where it is, and after it be at the goal; the input `go` is 0
    before the cue and 1 from then on. In catch trials the cue never comes, and staying is right throughout.

    Attributes:
        perturbation: as for `SimpleReaches`.
        workspace: box of the starts and goals, `((x_min, y_min), (x_max, y_max))` in m.
        reach_length: length of the reaches for validation (m).
        cue_window: earliest and latest time of the cue (s), which is uniform over the steps between; the
            cue at the time `t` is first seen in the step that begins then.
        catch_probability: how often the cue never comes.
        n_steps: steps in a trial.
        dt: seconds per step.

    Raises:
        ValueError: a number is out of range, or the workspace is not a box.

    Example:
        >>> import fpanalysis as fpa
        >>> trials = fpa.tasks.DelayedReaches(cue_window=(1.0, 2.0)).validation(n_cues=3)
        >>> sorted(set(trials.labels["cue"].tolist()))
        [1.0, 1.5, 2.0]
        >>> int(trials.trial.inputs["go"][0, :, 0].argmax())
        20
    """

    perturbation: AbstractPerturbation | None = None
    workspace: Box = eqx.field(static=True, converter=_box, default=((-1.0, -1.0), (1.0, 1.0)))
    reach_length: float = eqx.field(static=True, default=0.5)
    cue_window: tuple[float, float] = eqx.field(static=True, converter=floats, default=(0.5, 2.0))
    catch_probability: float = eqx.field(static=True, default=0.1)
    n_steps: int = eqx.field(static=True, kw_only=True, default=139)
    dt: float = eqx.field(static=True, kw_only=True, default=0.05)

    def __check_init__(self) -> None:
        check_steps(self.n_steps, self.dt)
        check_number("reach_length", self.reach_length, 0.0, above=True)
        check_number("catch_probability", self.catch_probability, 0.0, 1.0)
        is_pair = len(self.cue_window) == 2 and np.all(np.isfinite(self.cue_window))
        if not is_pair or not 0 <= self._cue_steps[0] <= self._cue_steps[1] < self.n_steps:
            raise ValueError(
                f"cue_window: expected two times in order from 0 to below {self.n_steps * self.dt:g} s, the "
                f"length of a trial, got {self.cue_window!r}"
            )

    @property
    def inputs(self) -> dict[str, int]:
        """What the task shows: the role of every input and its number of entries."""
        return {"context": 1, "go": 1, "target.position": 2, "target.velocity": 2}

    @property
    def outputs(self) -> dict[str, int]:
        """Nothing: what is asked for is a movement of the plant."""
        return {}

    def sample(self, key: PRNGKeyArray) -> Trial:
        """Return one random trial; the same key gives the same trial."""
        reach_key, field_key, cue_key, catch_key = jax.random.split(key, 4)
        start, goal = _random_reach(reach_key, self.workspace)
        context, field = _context_and_field(self.perturbation, field_key)
        first, last = self._cue_steps
        cue = jax.random.randint(cue_key, (), first, last + 1, jnp.int32)
        never = uniform(catch_key) < self.catch_probability
        reach = _reach(start, goal, context, field, self.n_steps)
        return self._delayed(reach, jnp.where(never, self.n_steps, cue))

    def validation(
        self,
        n_grid: int = 1,
        n_directions: int = 7,
        context: float = 0.0,
        field: AbstractField | None = None,
        n_cues: int = 1,
    ) -> Trials:
        """Return centre-out reaches like those of `SimpleReaches.validation`, each with every cue time.

        Args:
            n_grid: starts along each side of the workspace.
            n_directions: directions from each start.
            context: the context input of all trials.
            field: the force field of all trials; none by default.
            n_cues: cue times, evenly spaced over the window from its beginning to its end; the middle for 1.

        Returns:
            `n_grid² · n_directions · n_cues` trials, none of them a catch trial, with the labels of
            `SimpleReaches.validation` and `cue`, the time of the cue (s).

        Raises:
            ValueError: a count is below 1.
        """
        check_count("n_cues", n_cues)
        first, last = self._cue_steps
        cues = np.round(np.linspace(first, last, n_cues) if n_cues > 1 else [(first + last) / 2])
        reaches = centre_out(self.workspace, self.reach_length, n_grid, n_directions)
        labels = {name: np.repeat(values, n_cues) for name, values in reaches.items()}
        steps = np.tile(cues.astype(np.int32), len(reaches["direction"]))
        starts, goals = _points(labels)
        given = _given(context, field)
        trial = jax.vmap(
            lambda start, goal, cue: self._delayed(_reach(start, goal, *given, self.n_steps), cue)
        )(starts, goals, jnp.asarray(steps))
        return Trials(trial, self.dt, {**labels, "cue": steps * self.dt})

    @property
    def _cue_steps(self) -> tuple[int, int]:
        first, last = self.cue_window
        return round(first / self.dt), round(last / self.dt)

    def _delayed(self, reach: Trial, cue: int | Int[Array, ""]) -> Trial:
        assert reach.start is not None
        told = (jnp.arange(self.n_steps, dtype=jnp.int32) >= cue)[:, None]
        goal = reach.targets["position"]
        position = jnp.where(told, goal, _throughout(reach.start, self.n_steps))
        return Trial(
            {**reach.inputs, "go": told.astype(goal.dtype)},
            {**reach.targets, "position": position},
            reach.start,
            reach.field,
        )


def centre_out(workspace: Box, reach_length: float, n_grid: int, n_directions: int) -> dict[str, np.ndarray]:
    """Return start, goal and direction of every reach in all directions from a grid, as labels.

    Args:
        workspace: box that the grid divides into `n_grid × n_grid` equal parts, with a start amid each.
        reach_length: distance from start to goal (m).
        n_grid: starts along each side.
        n_directions: directions from each start.

    Returns:
        `direction` (rad), `start_x`, `start_y`, `goal_x` and `goal_y` (m); x varies slowest, then y.
    """
    check_count("n_grid", n_grid)
    check_count("n_directions", n_directions)
    low, high = np.asarray(workspace)
    x, y = (low + (high - low) * ((np.arange(n_grid) + 0.5) / n_grid)[:, None]).T
    angles = 2 * np.pi * np.arange(n_directions) / n_directions
    x, y, direction = (part.ravel() for part in np.meshgrid(x, y, angles, indexing="ij"))
    goal_x, goal_y = x + reach_length * np.cos(direction), y + reach_length * np.sin(direction)
    return {"direction": direction, "start_x": x, "start_y": y, "goal_x": goal_x, "goal_y": goal_y}


def _points(labels: dict[str, np.ndarray]) -> tuple[Array, Array]:
    dtype = jnp.result_type(float)
    start, goal = (
        np.stack([labels[f"{place}_x"], labels[f"{place}_y"]], axis=1) for place in ("start", "goal")
    )
    return jnp.asarray(start, dtype), jnp.asarray(goal, dtype)


def _reach(
    start: Float[Array, "2"],
    goal: Float[Array, "2"],
    context: Float[Array, ""],
    field: AbstractField | None,
    n_steps: int,
) -> Trial:
    shown = _throughout(goal, n_steps)
    at_rest = jnp.zeros_like(shown)
    inputs = {
        "context": _throughout(context[None], n_steps),
        "target.position": shown,
        "target.velocity": at_rest,
    }
    return Trial(inputs, {"position": shown, "velocity": at_rest}, start, field)


def _random_reach(key: PRNGKeyArray, workspace: Box) -> tuple[Array, Array]:
    draws = uniform(key, (2, 2))
    low, high = jnp.asarray(workspace, draws.dtype)
    start, goal = (low + (high - low) * draw for draw in draws)
    return start, goal


def _context_and_field(
    perturbation: AbstractPerturbation | None, key: PRNGKeyArray
) -> tuple[Float[Array, ""], AbstractField | None]:
    return _given(0.0, None) if perturbation is None else perturbation.context_and_field(key)


def _given(context: float, field: AbstractField | None) -> tuple[Float[Array, ""], AbstractField | None]:
    dtype = jnp.result_type(float)

    def as_array(leaf: Any) -> Any:
        return jnp.asarray(leaf, dtype) if eqx.is_inexact_array_like(leaf) else leaf

    return jnp.asarray(context, dtype), jax.tree_util.tree_map(as_array, field)


def _throughout(values: Float[Array, " entries"], n_steps: int) -> Float[Array, "time entries"]:
    return jnp.tile(values[None], (n_steps, 1))
