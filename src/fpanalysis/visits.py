"""Candidates for controllers: states that the very controller visits when it reaches for its goals."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64
from fpanalysis.candidates import usable
from fpanalysis.control.controller import Controller
from fpanalysis.control.fields import AbstractField
from fpanalysis.scales import longest_step, spread_of, units_of
from fpanalysis.trajectories import trajectories
from fpanalysis.vector_field import VectorField, float64

N_TRIALS = 64
SECONDS = 5.0
N_SAMPLES = 64
NOISE = 0.5


class Visits:
    """States that a controller visits, and draws from them.

    The controller reaches, its loop closed, from random places to the goals that its inputs say; every so
    many steps of every reach count.

    Args:
        controller: the controller.
        field: the force field in which it moves.
        wanted: the vector field whose states are wanted: the controller's closed loop or its network's.
        u: inputs of that vector field, `(condition, input)`.
        seed: decides all randomness.
    """

    def __init__(
        self,
        controller: Controller,
        field: AbstractField | None,
        wanted: VectorField,
        u: np.ndarray,
        seed: int,
    ) -> None:
        loop = controller.closed_loop(field)
        rng = np.random.default_rng(seed)
        shown = u[:, [wanted.inputs.index(name) for name in loop.inputs]]
        some = shown[np.linspace(0, len(shown) - 1, N_TRIALS).round().astype(int)]
        starts = _starts(controller, loop, rng)
        n_steps = int(np.clip(round(SECONDS / controller.dt), 100, 1000))
        paths = trajectories(loop, starts, np.repeat(some[:, None], n_steps, axis=1)).x
        times = np.unique(np.linspace(0, n_steps - 1, N_SAMPLES).round().astype(int))
        columns = [loop.state.index(name) for name in wanted.state]
        mask = usable(paths[:, times], starts)
        states = paths[:, times][mask] if mask.any() else starts
        self.states = _in_all_postures(loop, states)[:, columns]
        self.spread = spread_of(self.states, units_of(wanted).blocks)
        self.spread[wanted.is_periodic] = 1.0

    @property
    def cap(self) -> float:
        """The longest Newton step from the states, in units of their spread."""
        return longest_step(self.states, self.spread)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return `n` states, evenly strided over trials and time, with noise scaled to their spread."""
        stride = len(self.states) / n
        rows = ((rng.random() + np.arange(n)) * stride).astype(int) % len(self.states)
        chosen = self.states[rng.permutation(rows)]
        return chosen + NOISE * self.spread * rng.standard_normal(chosen.shape)


def _in_all_postures(loop: VectorField, states: np.ndarray) -> np.ndarray:
    """Return the states, and again with the body in its other postures where the effector is: elbow up.

    A controller feels its effector only, so it can rest in postures that it never takes in a reach.
    """
    with in_float64():
        return np.asarray(_turned(loop, jnp.asarray(states))).reshape(-1, states.shape[1])


@compiled
def _turned(loop: VectorField, states: Array) -> Array:
    plant = loop.function.controller.plant  # pyright: ignore[reportFunctionMemberAccess]
    layout = loop.state_layout

    def turned(x: Array) -> Array:
        state = layout.unflatten(x)
        position, _ = plant.effector(state.plant)
        others = [layout.flatten(state._replace(plant=posture)) for posture in plant.postures(position)[1:]]
        return jnp.stack([x, *others])

    return jax.vmap(turned, out_axes=1)(states)


def _starts(controller: Controller, loop: VectorField, rng: np.random.Generator) -> np.ndarray:
    """Return silent networks with bodies at rest at random places, `(trial, state)`."""
    low, high = np.asarray(controller.plant.workspace)
    places = low + (high - low) * rng.random((N_TRIALS, 2))
    with in_float64():
        return np.asarray(_silent(float64(loop), jnp.asarray(places)))


@compiled
def _silent(loop: VectorField, places: Array) -> Array:
    controller = loop.function.controller  # pyright: ignore[reportFunctionMemberAccess]
    return jax.vmap(lambda place: loop.state_layout.flatten(controller.initial(place)))(places)
