"""The verdict on a state at which a solve has arrived: is a true fixed point here, and how far at most?"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fpanalysis._numerics import in_float64
from fpanalysis.arithmetic import Evaluator
from fpanalysis.degenerate import examine
from fpanalysis.enclosure import Values, error_bound, is_plain, leads_on
from fpanalysis.resting import divides_lstm, resting_field
from fpanalysis.solvers._linear import inverse
from fpanalysis.solvers._pool import Arrivals, Covering, advance, batch_size
from fpanalysis.unique import DISTINCT, NewPoint
from fpanalysis.vector_field import VectorField, float64
from fpanalysis.verify import residuals

# Points of a model that computes in less than float64 are told apart at this power of its precision.
NARROW_POWER = 0.4
# Rounding errors that a state's own rounding stands for, where the operations are not known.
ROUNDINGS = 64.0
# So far aside, in units of the scale, it is looked at how the function changes around a state.
ASIDE = (1e-3, 1e-6)
# Where it changes by so many times as much from one number to the next, it says nothing.
UNRESOLVED = 1.0


class Precision(NamedTuple):
    """The narrowest floating-point numbers that a model computes in, between its state and what it returns.

    Attributes:
        name: their dtype.
        eps: their relative spacing.
        distinct: the distance, in units of the scale, from which on points can be told apart.
    """

    name: str
    eps: float
    distinct: float

    @property
    def is_narrow(self) -> bool:
        """Whether they are narrower than float64."""
        return self.name != "float64"


def precision_of(dtype: np.dtype) -> Precision:
    """Return what points computed in a floating-point dtype can be told apart at."""
    eps = float(jnp.finfo(dtype).eps)
    narrow = eps**NARROW_POWER if dtype != np.float64 else 0.0
    return Precision(str(dtype), eps, max(DISTINCT, narrow))


class Verdict:
    """Says of states at which a solve has arrived whether a true fixed point lies there.

    A small residual says little: where a gate is almost closed, or a tail dies away, it is small anywhere.
    A state is fixed when an error bound says that a true point lies within the distinctness distance: the
    Newton correction, with the rounding of the function and the change of its Jacobian, entry by entry in
    units of the scale. What fails is polished further, and is a degenerate point, another one, or none:
    `degenerate.examine`.

    Args:
        field: the vector field.

    Attributes:
        field: the vector field.
        judged: the one with the same fixed points, all gates divided out.
        precision: what it computes in.
        may_have_kinks: whether anything in it could make a kink.
        has_own_derivatives: whether its Jacobian could be another function's.
    """

    def __init__(self, field: VectorField) -> None:
        self.field = field
        with in_float64():
            self._float64 = float64(field)
            self.judged = resting_field(self._float64)
            # The search divides no gates of LSTMs out.
            self._is_searched = not divides_lstm(field)
            self._searched = self._read(resting_field(self._float64, divide_lstm=False))
            self.may_have_kinks = self._searched.may_have_kinks
            self.has_own_derivatives = self._searched.has_own_derivatives
            self.precision = precision_of(self._searched.narrowest_float)

    @staticmethod
    def _read(field: VectorField) -> Evaluator:
        with in_float64():
            return Evaluator(field.residual, len(field.state), len(field.inputs))

    @cached_property
    def evaluator(self) -> Evaluator:
        """What vanishes, by `judged`."""
        return self._searched if self._is_searched else self._read(self.judged)

    @cached_property
    def _true(self) -> Evaluator:
        return self._read(self._float64)

    def __call__(self, arrivals: Arrivals, covering: Covering) -> Callable[[int], NewPoint | int | None]:
        """Look at several states; inside `in_float64`.

        Args:
            arrivals: the states.
            covering: says of a state, by its index, which known degenerate point it leads to, or −1. It is
                asked just before a state would be examined at length.

        Returns:
            What says of a state, by its index, which point it is: a new one; the index of the known one;
            None where there is none.
        """
        change, floor = self._surroundings(arrivals)
        grain = 0.5 * self.precision.eps * np.abs(arrivals.x / arrivals.scale)
        grain = np.einsum("nij,nj->ni", np.abs(arrivals.jacobian), grain)
        usual = np.fmax(np.fmax(*change), ASIDE[1] * arrivals.slope)
        unresolved = np.any(grain > UNRESOLVED * usual, axis=1)
        # Most starts may lie where the function is flat: how steep they saw it says nothing then.
        arrivals = arrivals._replace(slope=np.fmax(arrivals.slope, change[0] / ASIDE[0]))
        values = Values(arrivals.f, arrivals.jacobian, floor)
        return lambda k: None if unresolved[k] else self._judge(arrivals, values, k, covering)

    def _surroundings(self, arrivals: Arrivals) -> tuple[np.ndarray, np.ndarray]:
        """Look at the function around states.

        Returns:
            By how much it differs `ASIDE` of them, `(2, n, state)`, NaN where it has no value there; how far
            rounding can put off its values at the states, `(n, state)`. In units of the scale.
        """
        x, scale = arrivals.x, arrivals.scale
        aside = np.random.default_rng(0).uniform(-1.0, 1.0, x.shape[1]) * scale
        states = np.concatenate([x, *(x + distance * aside for distance in ASIDE)])
        f, floor = self._searched.values(states, np.tile(arrivals.u, (3, 1)))
        f = f.reshape(3, *x.shape) / scale
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.abs(f[1:] - f[0])
        floor = self._known_floor(floor[: len(x)], x, scale, arrivals.jacobian)
        return np.where(np.isfinite(change), change, np.nan), floor

    def _known_floor(
        self, floor: np.ndarray, x: np.ndarray, scale: np.ndarray, jacobian: np.ndarray
    ) -> np.ndarray:
        """Return how far values can be off by rounding, in units of the scale, `(n, state)`.

        Where an operation is not known, by how much they change with a rounded state.
        """
        floor, size = floor / scale, np.abs(x) / scale
        guess = ROUNDINGS * self.precision.eps * (np.einsum("nij,nj->ni", np.abs(jacobian), size) + size)
        return np.where(np.isfinite(floor), floor, guess)

    def evaluate(self, x: np.ndarray, u: np.ndarray, scale: np.ndarray) -> Values:
        """Return what vanishes, its Jacobian and its rounding at states `(n, state)`, in units of the scale.

        In the batches of the search, so that nothing is compiled for it.
        """
        f, jacobian = self._linear(x, u, scale)
        floor = self.evaluator.rounding_floor(x, u)
        return Values(f, jacobian, self._known_floor(floor, x, scale, jacobian))

    def _linear(self, x: np.ndarray, u: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size, parts = batch_size(x.shape[1]), []
        for start in range(0, len(x), size):
            rows = np.arange(start, start + size).clip(max=len(x) - 1)
            given: Any = (x[rows], np.zeros_like(x[rows]), u[rows], scale[rows])
            batch = advance(self.judged, *given)
            parts.append([np.asarray(part)[: len(x) - start] for part in (batch.f, batch.jacobian)])
        f, jacobian = (np.concatenate(column) for column in zip(*parts, strict=True))
        return f, jacobian

    def jacobians(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return Jacobians of what vanishes at states `(n, state)`, in the state's own units."""
        with in_float64():
            return self._linear(x, u, np.ones_like(x))[1]

    def evaluate_true(self, x: np.ndarray, u: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return how much can be left of the function itself at states, rounding included, `(n, state)`."""
        f, _ = residuals(self.field, x, u)
        return (np.abs(f) + self._true.rounding_floor(x, u)) / scale

    def _judge(self, arrivals: Arrivals, values: Values, k: int, covering: Covering) -> NewPoint | int | None:
        x, u, scale, slope = arrivals.x[k], arrivals.u[k], arrivals.scale[k], arrivals.slope[k]
        here = Values(values.f[k], values.jacobian[k], values.floor[k])
        place = Place(self, u, scale)
        searched = inverted = inverse(here.jacobian)
        if not self._is_searched and not is_plain(here, inverted, slope):
            here = Values(*(part[0] for part in self.evaluate(x[None], u[None], scale[None])))
            inverted = inverse(here.jacobian)
        if inverted is not None:
            error = error_bound(here, inverted, slope, place, x, self.precision.distinct)
            if error is not None:
                is_one = leads_on(here, inverted, place, x)
                return NewPoint(x, arrivals.f[k], error, True, searched) if is_one else None
        known = covering(k)
        return known if known >= 0 else examine(place, x, slope, self.precision.distinct)


class Place:
    """The function under one input, in units of one scale.

    Args:
        verdict: what evaluates it.
        u: the input, `(input,)`.
        scale: the unit of every entry, `(state,)`.
    """

    def __init__(self, verdict: Verdict, u: np.ndarray, scale: np.ndarray) -> None:
        self._verdict, self._u, self.scale = verdict, u, scale
        self.precision = verdict.precision.eps
        self.is_discrete = verdict.judged.time_domain == "discrete"

    def at(self, x: np.ndarray) -> Values:
        """Return values at states `(n, state)`."""
        wide = np.broadcast_to(self._u, (len(x), len(self._u)))
        return self._verdict.evaluate(x, wide, np.broadcast_to(self.scale, x.shape))

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what vanishes at states `(n, state)` and its rounding, without derivatives."""
        wide = np.broadcast_to(self._u, (len(x), len(self._u)))
        f, floor = self._verdict.evaluator.values(x, wide)
        if np.all(np.isfinite(floor)):
            return f / self.scale, floor / self.scale
        values = self.at(x)
        return values.f, values.floor

    def exactly(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return value and Jacobian at a state `(state,)` without rounding, in units of the scale.

        Returns:
            Value `(state,)` and Jacobian `(state, state)`, both times `2^−level`, and the level of every row
            `(state,)`; None where the function cannot be evaluated so.
        """
        found = self._verdict.evaluator.exact(x, self._u, self.scale)
        if found is None:
            return None
        level = found.exponent - np.log2(self.scale)
        return found.value, found.jacobian, level
