"""A value of the evaluation in float64 with a bound on what rounding did to it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._program import Step


class Pair(NamedTuple):
    """Values and bounds, `(n, size)` each, one row where all points share it.

    What XLA computes and what the exact formula gives are each within `bound` of the other, and the exact
    number is within `bound` of `value`. Integers and truth values have the bound 0 where they are certain and
    infinity elsewhere. An infinite value with a finite bound is one that overflows for certain.
    """

    value: np.ndarray
    bound: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """How far what XLA computes may be from `value`."""
        return 2 * self.bound


def exactly(value: np.ndarray) -> Pair:
    """Return values that are what they are."""
    if value.dtype.kind not in "biufc":  # narrow floats that NumPy does not compute with
        value = value.astype(float)
    return Pair(value, np.zeros(value.shape))


def rounded(dtype: Any, value: np.ndarray, bound: np.ndarray, ulps: Any = 1.0, is_zero: Any = None) -> Pair:
    """Return a result with the rounding of its own operation added.

    Args:
        dtype: the dtype in which the operation is carried out.
        value: the results.
        bound: what the operands' bounds make of them.
        ulps: units of `eps · |value|` by which the operation itself may be off.
        is_zero: where the result is exactly zero whatever the dtype; default: where `value` is 0 and
            nothing is known to have been lost (`bound` 0), as sums have it.
    """
    info = jnp.finfo(dtype)
    eps, tiny, largest = float(info.eps), float(info.tiny), float(info.max)
    size = np.abs(value)
    if is_zero is None:
        is_zero = (value == 0) & (bound == 0)
    off = bound + ulps * eps * (size + bound) + tiny
    off = np.where(is_zero, 0.0, off)
    # An evaluation that leaves the dtype's range gives infinity, or NaN.
    off = np.where((size + off <= largest), off, np.inf)
    over = np.isfinite(bound) & (size - bound > largest)
    if np.any(over):
        off = np.where(over, 0.0, off)
        value = np.where(over, np.copysign(np.inf, value), value)
    return Pair(value, off)


def whole(function: Callable) -> Callable:
    """Make a rule for integers, element by element."""

    def rule(step: Step, *operands: Pair) -> Pair:
        value = function(*[pair.value for pair in operands]).astype(step.results[0].dtype)
        bound = sum((pair.bound for pair in operands), np.zeros((1, 1)))
        return Pair(value, np.broadcast_to(bound, value.shape))

    return rule
