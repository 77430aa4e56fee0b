"""What every task is: trials drawn at random for training, and a fixed set of them for validation."""

import abc
import math
import numbers
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from fpanalysis.control.trials import Trial, Trials


class AbstractTask(eqx.Module):
    """A task, as a source of trials.

    Attributes:
        n_steps: steps in a trial.
        dt: seconds per step.
    """

    n_steps: eqx.AbstractVar[int]
    dt: eqx.AbstractVar[float]

    @property
    @abc.abstractmethod
    def inputs(self) -> dict[str, int]:
        """What the task shows: the role of every input and its number of entries."""

    @property
    @abc.abstractmethod
    def outputs(self) -> dict[str, int]:
        """What it asks of a network without a body, by role; nothing where a plant is to be moved."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray) -> Trial:
        """Return one random trial; the same key gives the same trial."""

    @abc.abstractmethod
    def validation(self) -> Trials:
        """Return the fixed set of trials that training is judged by."""


def normal(key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
    """Return standard normal numbers, the same in float32 and in float64."""
    draws = jax.random.normal(key, shape, jnp.float32)
    # Without the barrier XLA merges the factor √2 in here with what the caller multiplies by, and the last
    # bit depends on what is compiled together.
    return jax.lax.optimization_barrier(draws).astype(jnp.result_type(float))


def uniform(key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
    """Return numbers uniform in [0, 1), the same in float32 and in float64."""
    return jax.random.uniform(key, shape, jnp.float32).astype(jnp.result_type(float))


def floats(values: Iterable[float]) -> Any:
    """Return the numbers as a tuple of Python's own, since static fields must be hashable."""
    return tuple(map(float, values))


def check_number(
    argument: str, value: Any, low: float, high: float = math.inf, *, above: bool = False
) -> None:
    """Raise `ValueError` unless the number lies in its range; arrays, whose values may be traced, pass.

    Args:
        argument: what the number is called.
        value: the number.
        low: smallest number allowed.
        high: largest number allowed; infinity itself is never allowed.
        above: whether `low` itself is excluded.
    """
    if not isinstance(value, int | float | np.number):
        return
    inside = low < value <= high if above else low <= value <= high
    if not (inside and math.isfinite(value)):
        least = f"above {low:g}" if above else f"of at least {low:g}"
        most = "" if high == math.inf else f" and at most {high:g}"
        raise ValueError(f"{argument}: expected a number {least}{most}, got {value!r}")


def check_steps(n_steps: int, dt: float) -> None:
    """Raise `ValueError` unless a trial has steps, and they take time."""
    check_count("n_steps", n_steps)
    check_number("dt", dt, 0.0, above=True)


def check_count(argument: str, value: int) -> None:
    """Raise `ValueError` unless the value is a whole number of at least one."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{argument}: expected a whole number of at least 1, got {value!r}")
