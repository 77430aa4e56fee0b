"""A function traced once, to be evaluated in several arithmetics."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from flint import arb, ctx

from fpanalysis.arithmetic import _traits
from fpanalysis.arithmetic._ball_rules import Ball, Uncertain, balls
from fpanalysis.arithmetic._balls import NoRule, constant_balls, run_balls
from fpanalysis.arithmetic._pairs import Pair
from fpanalysis.arithmetic._program import Program
from fpanalysis.arithmetic._running import constant_pairs, run
from fpanalysis.arithmetic._scaling import scaled_rows
from fpanalysis.arithmetic._trace import program_of, trace

TINY = np.finfo(float).tiny
MARGIN = 1.001  # the bounds are computed with rounding themselves
PRECISIONS = (200, 400, 800, 1600, 6400)  # bits; the last tells 1 − σ(4000) from 0


class Exact(NamedTuple):
    """Value and Jacobian without rounding, each row with an exponent of its own.

    Args:
        value: `(out,)`; the value is `value · 2**exponent`.
        jacobian: `(out, state)`; row by row, the Jacobian is `jacobian · 2**exponent`.
        exponent: `(out,)`.
    """

    value: np.ndarray
    jacobian: np.ndarray
    exponent: np.ndarray


class Evaluator:
    """A JAX function `fn(x, u)` of one state and one input, read for other arithmetics than float64.

    Args:
        fn: a function of a float64 state `(n_state,)` and input `(n_input,)` that returns a vector;
            arrays that it holds count as data. It is traced once.
        n_state: length of the state.
        n_input: length of the input.

    Example:
        >>> import numpy as np, jax.numpy as jnp
        >>> from fpanalysis.arithmetic import Evaluator
        >>> tail = Evaluator(lambda x, u: x * jnp.exp(-(x**2)), 1, 0)
        >>> bool(tail.rounding_floor(np.array([[7.0]]), np.zeros((1, 0)))[0, 0] < 1e-33)
        True
        >>> exact = tail.exact(np.array([30.0]), np.zeros(0))
        >>> int(exact.exponent[0])  # 30 · exp(−900)
        -1287
    """

    def __init__(self, fn: Callable, n_state: int, n_input: int) -> None:
        self.jaxpr = trace(fn, n_state, n_input)
        self.n_state = n_state

    @cached_property
    def program(self) -> Program:
        """The function as a list of steps."""
        return program_of(self.jaxpr)

    @cached_property
    def narrowest_float(self) -> np.dtype:
        """The narrowest floating-point dtype between state and result; float64 where all is computed in that.

        What does not depend on the state, such as weights that are converted, does not count.
        """
        return _traits.narrowest_float(self.program)

    @cached_property
    def may_have_kinks(self) -> bool:
        """Whether the result depends on the state through something whose derivative can jump.

        Maxima, absolute values, choices by the state, rounding, sorting, callbacks and what is not known.
        """
        return _traits.may_have_kinks(self.program)

    @cached_property
    def has_own_derivatives(self) -> bool:
        """Whether a derivative somewhere is a rule of somebody's own, or is left out (`stop_gradient`)."""
        return _traits.has_own_derivatives(self.jaxpr.jaxpr)

    @cached_property
    def has_callback(self) -> bool:
        """Whether the result depends on the state or the input through a call back into Python."""
        return _traits.has_callback(self.program)

    @cached_property
    def _constant_pairs(self) -> dict[int, Pair]:
        return constant_pairs(self.program)

    @cached_property
    def _constant_balls(self) -> dict[int, Ball]:
        return constant_balls(self.program)

    def rounding_floor(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Bound what rounding does to the function's values, a running error bound.

        Args:
            x: states, `(n, state)`.
            u: inputs, `(n, input)`.

        Returns:
            `(n, out)`: no less than the distance between what XLA computes on the CPU and what the formula
            gives at these very numbers; infinite where an operation is not known, or where the value
            leaves the range of its dtype.
        """
        return self.values(x, u)[1]

    def values(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the function's values, computed in NumPy, and what rounding can do to them; `(n, out)` each.

        The bound is that of `rounding_floor`; where it is infinite the value may be anything.
        """
        with np.errstate(all="ignore"):
            (result,) = run(self.program, [_arguments(x), _arguments(u)], self._constant_pairs)
            known = np.isfinite(result.value) & ~np.isnan(result.bound)
            bound = np.where(known, result.bound * MARGIN, np.inf)
        shape = len(x), bound.shape[1]
        return np.array(np.broadcast_to(result.value, shape)), np.array(np.broadcast_to(bound, shape))

    def exact(self, x: np.ndarray, u: np.ndarray, scale: np.ndarray | None = None) -> Exact | None:
        """Evaluate the function and its Jacobian without rounding, at one state.

        Args:
            x: the state, `(state,)`.
            u: the input, `(input,)`.
            scale: units of the state's entries, `(state,)`: they multiply the Jacobian's columns.

        Returns:
            Value and Jacobian, every number right to 12 digits (those below 2⁻¹⁰⁰⁰ of the largest of their
            row may be 0). None where an operation has no rule, where the state goes through a narrower
            dtype than float64, and where the precision did not suffice.
        """
        x, u = np.asarray(x, float), np.asarray(u, float)
        scale = np.ones(self.n_state) if scale is None else np.asarray(scale, float)
        for precision in PRECISIONS:
            with ctx.workprec(precision), np.errstate(all="ignore"):
                try:
                    scaled = scaled_rows(self._rows(x, u, scale))
                except Uncertain:
                    continue
                except NoRule:
                    return None
            if scaled is not None:
                numbers, exponents = scaled
                return Exact(numbers[:, 0], numbers[:, 1:], exponents)
        return None

    def _rows(self, x: np.ndarray, u: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return balls of values and scaled Jacobian side by side, `(out, 1 + state)`."""
        basis = np.full((self.n_state, self.n_state), arb(0), dtype=object)
        np.fill_diagonal(basis, balls(scale))
        arguments = [Ball(balls(x).astype(object), basis), Ball(balls(u).astype(object))]
        (result,) = run_balls(self.program, arguments, self._constant_balls)
        rows = np.full((len(result.value), 1 + self.n_state), arb(0), dtype=object)
        rows[:, 0] = result.value
        if result.tangent is not None:
            rows[:, 1:] = result.tangent
        return rows


def narrowest_float(fn: Callable, n_state: int, n_input: int) -> np.dtype:
    """Return `Evaluator.narrowest_float` of a function."""
    return Evaluator(fn, n_state, n_input).narrowest_float


def may_have_kinks(fn: Callable, n_state: int, n_input: int) -> bool:
    """Return `Evaluator.may_have_kinks` of a function."""
    return Evaluator(fn, n_state, n_input).may_have_kinks


def has_callback(fn: Callable, n_state: int, n_input: int) -> bool:
    """Return `Evaluator.has_callback` of a function."""
    return Evaluator(fn, n_state, n_input).has_callback


def _arguments(x: np.ndarray) -> Pair:
    x = np.asarray(x, float)
    # Numbers below the smallest normal one may be read as zero.
    return Pair(x, np.where((x != 0) & (np.abs(x) < TINY), TINY, 0.0))
