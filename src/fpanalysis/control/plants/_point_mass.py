"""The point mass in the plane."""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._messages import listed, nearest
from fpanalysis.control.fields import AbstractAffineField, AbstractField, NoField
from fpanalysis.control.plants._base import (
    AbstractPlant,
    Box,
    PlantState,
    Step,
    as_static,
    check_box,
    check_number,
    check_positions,
)
from fpanalysis.control.plants._integrate import euler, runge_kutta

_INTEGRATORS = ("exact", "euler")


class PointMass(AbstractPlant):
    """A point mass in the plane that the network pushes: `m v' = u + f − k v`, with `p' = v`.

    The state holds `position` (m) and `velocity` (m/s); the command `u` is a force (N).

    Args:
        mass: `m`, in kg.
        damping: `k`, in N s/m.
        integrator: `"exact"` or `"euler"`. In an affine field (`Curl`, `Constant`, `NoField`) the point mass
            is linear, and its exact step is a matrix exponential, computed once per trial. In other fields
            `"exact"` takes one step of a Runge–Kutta method of fifth order (Tsitouras, Computers &
            Mathematics with Applications, 2011). `"euler"` is the explicit Euler method, which adds energy
            in curl fields; it is there for comparison with results that were made with it.
        workspace: corners `((x_min, y_min), (x_max, y_max))` of the box in which reaches lie, in m.
        reach_length: of centre-out reaches, in m.

    Raises:
        ValueError: a hyperparameter is not what it should be.

    Example:
        >>> import jax.numpy as jnp
        >>> from fpanalysis.control.plants import PointMass
        >>> plant = PointMass(mass=2.0)
        >>> step = plant.stepper(None, dt=0.5)
        >>> state = step(plant.at_rest(jnp.zeros(2)), jnp.array([8.0, 0.0]))
        >>> state["position"].tolist(), state["velocity"].tolist()
        ([0.5, 0.0], [2.0, 0.0])
    """

    mass: float = eqx.field(default=1.0, static=True, converter=as_static)
    damping: float = eqx.field(default=0.0, static=True, converter=as_static)
    integrator: Literal["exact", "euler"] = eqx.field(default="exact", static=True)
    workspace: Box = eqx.field(default=((-1.0, -1.0), (1.0, 1.0)), static=True, converter=as_static)
    reach_length: float = eqx.field(default=0.5, static=True, converter=as_static)
    command_name: ClassVar[str] = "force"
    periodic: ClassVar[tuple[str, ...]] = ()

    def __check_init__(self) -> None:
        check_number(self.mass, "mass")
        check_number(self.damping, "damping", zero=True)
        check_number(self.reach_length, "reach_length")
        check_box(self.workspace, "workspace")
        if self.integrator not in _INTEGRATORS:
            raise ValueError(
                f"integrator: expected one of {listed(_INTEGRATORS)}, got {self.integrator!r}"
                + nearest(str(self.integrator), _INTEGRATORS)
            )

    def at_rest(self, position: Float[Array, "2"]) -> PlantState:
        """Return the state in which the mass is at a position (m) and does not move."""
        return {"position": position, "velocity": jnp.zeros_like(position)}

    def postures(self, position: Float[Array, "2"]) -> tuple[PlantState, ...]:
        """Return every state in which the mass is at a position (m) and does not move: the one there is."""
        return (self.at_rest(position),)

    def effector(self, state: PlantState) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
        """Return position (m) and velocity (m/s) of the mass, which is its own effector."""
        return state["position"], state["velocity"]

    def derivative(
        self, state: PlantState, command: Float[Array, "2"], force: Float[Array, "2"]
    ) -> PlantState:
        """Return velocity (m/s) and acceleration (m/s²) under a command and an external force (N)."""
        velocity = state["velocity"]
        return {"position": velocity, "velocity": (command + force - self.damping * velocity) / self.mass}

    def stepper(self, field: AbstractField | None, dt: float) -> Step:
        """Return the function of state and command that advances a state by `dt` seconds.

        Args:
            field: force field of the trial; None for none.
            dt: seconds per step.

        Raises:
            ValueError: `dt` is not a positive number.
        """
        check_number(dt, "dt")
        field, dt = NoField() if field is None else field, float(dt)
        if self.integrator == "euler":
            return euler(self, field, dt)
        if isinstance(field, AbstractAffineField):
            return self._exact(field, dt)
        return runge_kutta(self, field, dt)

    def check_reachable(self, positions: np.ndarray, argument: str) -> None:
        """Raise `ValueError` for positions that are not finite; the mass can be everywhere else."""
        check_positions(positions, argument)

    def _exact(self, field: AbstractAffineField, dt: float) -> Step:
        """Return the exact step in an affine field.

        Command and constant force are held during the step, so they join the state as two entries that do
        not change, and one matrix exponential advances all six.
        """
        dtype = jnp.result_type(float)
        matrix, offset = field.affine(dtype)
        zero, one = jnp.zeros((2, 2), dtype), jnp.eye(2, dtype=dtype)
        drag = jnp.concatenate([zero, self.damping * one], axis=1)
        rate = jnp.block([[zero, one, zero], [(matrix - drag) / self.mass, one / self.mass]])
        rate = jnp.concatenate([rate, jnp.zeros((2, 6), dtype)])
        transition = jax.scipy.linalg.expm(dt * rate)[:4]

        def step(state: PlantState, command: Float[Array, "2"]) -> PlantState:
            dtype = command.dtype
            held = command + offset.astype(dtype)
            now = jnp.concatenate([state["position"], state["velocity"], held])
            after = jnp.matmul(transition.astype(dtype), now, precision=jax.lax.Precision.HIGHEST)
            return {"position": after[:2], "velocity": after[2:]}

        return step
