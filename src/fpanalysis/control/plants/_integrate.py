"""Steps of fixed length through a plant's equations of motion."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fpanalysis.control.fields import AbstractField
from fpanalysis.control.plants._base import AbstractPlant, PlantState, Step


def euler(plant: AbstractPlant, field: AbstractField, dt: float) -> Step:
    """Return the step of the explicit Euler method."""

    def step(state: PlantState, command: Float[Array, "2"]) -> PlantState:
        slope = plant.derivative(state, command, field.force(*plant.effector(state)))
        return jax.tree.map(lambda y, dy: y + dt * dy, state, slope)

    return step


def runge_kutta(plant: AbstractPlant, field: AbstractField, dt: float) -> Step:
    """Return one step of a Runge–Kutta method of fifth order (Tsitouras, 2011), with the command held."""
    import diffrax  # a tenth of the package's import time

    # The default kind of loop over the stages cannot be differentiated within every other transformation.
    solver = diffrax.Tsit5(scan_kind="bounded")

    def slope(t: object, state: PlantState, command: Float[Array, "2"]) -> PlantState:
        return plant.derivative(state, command, field.force(*plant.effector(state)))

    term = diffrax.ODETerm(slope)

    def step(state: PlantState, command: Float[Array, "2"]) -> PlantState:
        start, end = jnp.zeros((), command.dtype), jnp.asarray(dt, command.dtype)
        # The command jumps between steps, so nothing is carried over from the step before.
        memory = solver.init(term, start, end, state, command)
        return solver.step(term, start, end, state, command, memory, made_jump=False)[0]

    return step
