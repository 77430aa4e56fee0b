"""What a plant is."""

import abc
import math
import numbers
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from fpanalysis.control.fields import AbstractField

PlantState = dict[str, Array]
Step = Callable[[PlantState, Float[Array, "2"]], PlantState]
Box = tuple[tuple[float, float], tuple[float, float]]


class AbstractPlant(eqx.Module):
    """A body in the plane that a command moves, and whose effector a force field pushes.

    Everything is for one trial; use `jax.vmap` for many. A plant has static hyperparameters only: it has no
    leaves, and two plants of equal hyperparameters compile once.

    Attributes:
        command_name: what the network commands, `"force"` (N) or `"torque"` (N m).
        periodic: the blocks of the state that are angles, of period 2π.
        workspace: corners `((x_min, y_min), (x_max, y_max))` of the box in which reaches lie, in m.
        reach_length: of centre-out reaches, in m.
    """

    command_name: eqx.AbstractClassVar[str]
    periodic: eqx.AbstractClassVar[tuple[str, ...]]
    workspace: eqx.AbstractVar[Box]
    reach_length: eqx.AbstractVar[float]

    @abc.abstractmethod
    def at_rest(self, position: Float[Array, "2"]) -> PlantState:
        """Return the state in which the effector is at a position (m) and nothing moves."""

    @abc.abstractmethod
    def postures(self, position: Float[Array, "2"]) -> tuple[PlantState, ...]:
        """Return every state in which the effector is at a position (m) and all rests, `at_rest` first."""

    @abc.abstractmethod
    def effector(self, state: PlantState) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
        """Return position (m) and velocity (m/s) of the effector."""

    @abc.abstractmethod
    def derivative(
        self, state: PlantState, command: Float[Array, "2"], force: Float[Array, "2"]
    ) -> PlantState:
        """Return the time derivative of the state, per second.

        Args:
            state: a state as `at_rest` returns it.
            command: what the network commands (N or N m).
            force: external force on the effector, in N.
        """

    @abc.abstractmethod
    def stepper(self, field: AbstractField | None, dt: float) -> Step:
        """Return the function that advances a state by one time step.

        Make it once per trial, outside the loop over time: what does not change from step to step is
        computed here.

        Args:
            field: force field of the trial; None for none.
            dt: seconds per step.

        Returns:
            A function of state and command that returns the next state. The command is held during the step.

        Raises:
            ValueError: `dt` is not a positive number.
        """

    @abc.abstractmethod
    def check_reachable(self, positions: np.ndarray, argument: str) -> None:
        """Raise `ValueError` for the first position that the effector cannot take.

        Args:
            positions: effector positions in m, shape (..., 2), not traced.
            argument: how the error calls them.
        """


def as_static(value: Any) -> Any:
    """Return numbers as Python floats and lists as tuples; the checks see to everything else.

    Static fields must be hashable, and NumPy's numbers would change the dtype of what they multiply.
    """
    if isinstance(value, list | tuple):
        return tuple(map(as_static, value))
    return float(value) if _is_number(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_number(value: Any, argument: str, *, zero: bool = False) -> None:
    """Raise `ValueError` unless `value` is a positive finite number (or zero, where that is allowed)."""
    kind = "finite number of at least 0" if zero else "positive finite number"
    fits = _is_number(value) and math.isfinite(value) and (value > 0 or (zero and value == 0))
    if not fits:
        raise ValueError(f"{argument}: expected a {kind}, got {value!r}")


def check_box(value: Any, argument: str) -> None:
    """Raise `ValueError` unless `value` holds the lower left and the upper right corner of a box."""
    try:
        box = np.asarray(value, float)
    except (TypeError, ValueError):
        box = np.zeros(0)
    if box.shape != (2, 2) or not np.all(np.isfinite(box)) or not np.all(box[0] < box[1]):
        raise ValueError(
            f"{argument}: expected ((x_min, y_min), (x_max, y_max)) with minima below maxima, got {value!r}"
        )


def check_positions(positions: Any, argument: str) -> np.ndarray:
    """Return positions as an array of shape (..., 2).

    Raises:
        ValueError: their shape is another, or one of them is not finite.
    """
    positions = np.asarray(positions, float)
    if positions.ndim == 0 or positions.shape[-1] != 2:
        raise ValueError(f"{argument}: expected positions of shape (..., 2), got shape {positions.shape}")
    bad = ~np.all(np.isfinite(positions), axis=-1)
    if np.any(bad):
        name, x, y = first_of(bad, positions, argument)
        raise ValueError(f"{name}: expected finite positions, got ({x:.4g}, {y:.4g}) m")
    return positions


def first_of(
    bad: np.ndarray | np.bool_, positions: np.ndarray, argument: str
) -> tuple[str, np.floating, np.floating]:
    """Return how errors call the first position that is bad, such as `starts[3]`, and the position."""
    index = tuple(map(int, np.argwhere(bad)[0]))
    name = f"{argument}[{', '.join(map(str, index))}]" if index else argument
    x, y = positions[index]
    return name, x, y
