"""Minima of `q = ½‖r‖²` from many starts at once: Levenberg–Marquardt, then Newton with the exact Hessian."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._compiled import compiled
from fpanalysis.vector_field import VectorField

MAX_STEPS = 100
DAMPING = 1e-2  # of the largest curvature, at the start
LONGEST = 0.3  # of the scales, times the root of their number, as the root finder's longest step
ENOUGH = 0.3  # a step that lowers `q` by less than this fraction asks for the exact Hessian
ZERO, CONTRACTION = 1e-6, 0.1
SETTLED = 1e-9
BATCH, BATCH_ELEMENTS = 64, 2**24
TINY = 1e-300
ROUNDING = 8 * np.finfo(float).eps


class End(IntEnum):
    """How a search ended: at a zero of `r`, where the gradient of `q` vanishes, without, at a known end."""

    RUNNING = 0
    ZERO = 1
    STATIONARY = 2
    FAILED = 3
    KNOWN = 4


@compiled
def _first(
    field: VectorField, z: Float[Array, "n state"], scale: Float[Array, " state"], u: Float[Array, " input"]
) -> tuple[Float[Array, "n state"], Float[Array, "n state state"]]:
    def r(z: Array) -> Array:
        return field.residual(scale * z, u) / scale

    return jax.vmap(lambda z: (r(z), jax.jacfwd(r)(z)))(z)


@compiled
def _second(
    field: VectorField, z: Float[Array, "n state"], scale: Float[Array, " state"], u: Float[Array, " input"]
) -> Float[Array, "n state state"]:
    def r(z: Array) -> Array:
        return field.residual(scale * z, u) / scale

    def curvature(z: Array) -> Array:
        value = r(z)
        return jax.jacfwd(lambda z: jax.vjp(r, z)[1](value)[0])(z)

    return jax.vmap(curvature)(z)


@compiled
def _value(
    field: VectorField, z: Float[Array, "n state"], scale: Float[Array, " state"], u: Float[Array, " input"]
) -> Float[Array, " n"]:
    return jax.vmap(lambda z: 0.5 * jnp.sum((field.residual(scale * z, u) / scale) ** 2))(z)


@dataclass
class Residual:
    """What vanishes at fixed points, in the state's own scales: `r(z) = f(s z) / s`, entry by entry.

    Args:
        field: the vector field, in float64.
        u: the input `(input,)`.
        scale: the scale of every entry, `(state,)`.
    """

    field: VectorField
    u: np.ndarray
    scale: np.ndarray

    @property
    def batch(self) -> int:
        """How many states are evaluated at once."""
        return int(np.clip(BATCH_ELEMENTS // len(self.scale) ** 2, 1, BATCH))

    def q(self, z: np.ndarray) -> np.ndarray:
        """Return `½‖r‖²` at states `(n, state)`, `(n,)`."""
        return np.concatenate(
            [self._call(_value, z[i : i + 8 * BATCH], 8 * BATCH) for i in range(0, len(z), 8 * BATCH)]
        )

    def first(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `r` and its Jacobian at up to a batch of states, `(n, state)` and `(n, state, state)`."""
        return self._call(_first, z, self.batch)

    def second(self, z: np.ndarray) -> np.ndarray:
        """Return the part of the Hessian of `q` that the Jacobian does not give, `(n, state, state)`."""
        return self._call(_second, z, self.batch)

    def rounding(self, z: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
        """Return how far rounding alone moves `r`, `(n, state)`: what enters it, times the unit roundoff."""
        # Nearer to zero than ZERO an entry is as good as there: what else is zero must not wait for it.
        size = np.maximum(np.abs(z), ZERO)
        own = size if self.field.time_domain == "discrete" else 0.0  # the difference F(x) - x
        return ROUNDING * (own + _times(np.abs(jacobian), size))

    def _call(self, function: Callable, z: np.ndarray, size: int) -> Any:
        """Call with `size` rows, so that nothing is compiled twice."""
        rows = z[np.minimum(np.arange(size), len(z) - 1)]
        out = function(self.field, jnp.asarray(rows), jnp.asarray(self.scale), jnp.asarray(self.u))
        return jax.tree_util.tree_map(lambda a: np.asarray(a)[: len(z)], out)


@dataclass
class Searches:
    """Searches under way: each row is one, and each call of `step` moves all of them.

    Args:
        residual: what is minimised.
        z: the states to start from, `(n, state)`, at most a batch.

    Attributes:
        r: the residual at `z`, `(n, state)`.
        jacobian: its Jacobian, `(n, state, state)`.
        q: `½‖r‖²`, `(n,)`.
        end: how each has ended, values of `End`, `(n,)`.
        eigenvalues: those of the exact Hessian where it was last evaluated, `(n, state)`, ascending.
        moved: largest entry of the last step, `(n,)`.
    """

    residual: Residual
    z: np.ndarray
    r: np.ndarray = dataclass_field(init=False)
    jacobian: np.ndarray = dataclass_field(init=False)
    q: np.ndarray = dataclass_field(init=False)
    end: np.ndarray = dataclass_field(init=False)
    eigenvalues: np.ndarray = dataclass_field(init=False)
    moved: np.ndarray = dataclass_field(init=False)

    def __post_init__(self) -> None:
        n = len(self.z)
        self.z = np.array(self.z)
        self.r, self.jacobian = map(np.array, self.residual.first(self.z))
        self.q = _half_square(self.r)
        self.eigenvalues = np.full_like(self.z, np.nan)
        self.moved = np.full(n, np.inf)
        self._damping, self._growth = np.full(n, DAMPING), np.full(n, 2.0)
        self._exact, self._steps = np.zeros(n, bool), np.zeros(n, int)
        self.end = np.full(n, End.RUNNING)
        self.end[~(np.isfinite(self.q) & np.isfinite(self.jacobian).all(axis=(1, 2)))] = End.FAILED

    def keep(self, rows: np.ndarray, others: "Searches | None" = None) -> None:
        """Keep some of the searches, and add others after them."""
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                more = [] if others is None else [getattr(others, name)]
                setattr(self, name, np.concatenate([value[rows], *more]))

    def step(self) -> None:
        """Move every search that runs by one step, where the step lowers `q`, and see which have ended."""
        rows = np.flatnonzero(self.end == End.RUNNING)
        if len(rows) == 0:
            return
        step, predicted = self._propose(rows)
        rows, step, predicted = (a[self.end[rows] == End.RUNNING] for a in (rows, step, predicted))
        if len(rows) == 0:
            return
        new = self.z[rows] + step
        r, jacobian = self.residual.first(new)
        q = _half_square(r)
        floor = np.sum(
            np.abs(self.r[rows]) * self.residual.rounding(self.z[rows], self.jacobian[rows]), axis=1
        )
        q[~np.isfinite(jacobian).all(axis=(1, 2)) | np.isnan(q)] = np.inf
        ratio = (self.q[rows] - q + floor) / (predicted + TINY)
        good = np.isfinite(q) & (ratio > 1e-4)
        self._accept(rows[good], new[good], step[good], r[good], jacobian[good], q[good], ratio[good])
        bad = rows[~good]
        self._damping[bad] *= self._growth[bad]
        self._growth[bad] *= 2.0
        self._exact[bad] |= self._growth[bad] > 8.0
        self._steps[rows] += 1
        spent = (self._steps[rows] >= MAX_STEPS) | (self._damping[rows] > 1e12)
        self.end[rows[spent & (self.end[rows] == End.RUNNING)]] = End.FAILED

    def _propose(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the next step of searches, and by how much the model says that it lowers `q`."""
        jacobian = self.jacobian[rows]
        gradient = _times(np.swapaxes(jacobian, 1, 2), self.r[rows])
        model = np.swapaxes(jacobian, 1, 2) @ jacobian
        exact = self._exact[rows]
        if exact.any():
            model[exact] += self.residual.second(self.z[rows[exact]])
        usable = np.isfinite(model).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=1)
        self.end[rows[~usable]] = End.FAILED
        step, damping = np.zeros_like(gradient), self._damping[rows, None]
        if (now := exact & usable).any():
            step[now] = self._newton(rows[now], model[now], gradient[now], damping[now])
        if (now := ~exact & usable).any():
            step[now] = _marquardt(model[now], gradient[now], damping[now])
        length = np.linalg.norm(step, axis=1)
        longest = LONGEST * np.sqrt(step.shape[1])
        step *= np.minimum(1.0, longest / np.maximum(length, TINY))[:, None]
        predicted = -np.sum(gradient * step, axis=1) - 0.5 * np.sum(step * _times(model, step), axis=1)
        return step, predicted

    def _newton(
        self, rows: np.ndarray, hessian: np.ndarray, gradient: np.ndarray, damping: np.ndarray
    ) -> np.ndarray:
        """Return Newton's damped step, downhill along directions of negative curvature too."""
        values, vectors = np.linalg.eigh(hessian)
        along = _times(np.swapaxes(vectors, 1, 2), gradient)
        self._settle(rows, values, along)
        size = np.abs(values) + damping * np.max(np.abs(values), axis=1, keepdims=True) + TINY
        return -_times(vectors, along / size)

    def _settle(self, rows: np.ndarray, values: np.ndarray, along: np.ndarray) -> None:
        """End the searches whose gradient, along each direction of curvature, is zero or as good as zero."""
        self.eigenvalues[rows] = values
        noise = self.gradient_noise(rows)[:, None]
        still = np.all(np.abs(along) <= np.maximum(SETTLED * np.abs(values), noise), axis=1)
        self.end[rows[still]] = End.STATIONARY

    def gradient_noise(self, rows: np.ndarray) -> np.ndarray:
        """Return how far rounding alone moves the gradient of `q`, `(n,)`."""
        floor = np.linalg.norm(self.residual.rounding(self.z[rows], self.jacobian[rows]), axis=1)
        size = np.linalg.norm(self.jacobian[rows], axis=(1, 2))
        return size * (floor + ROUNDING * np.sqrt(2 * self.q[rows]))

    def _accept(
        self,
        rows: np.ndarray,
        z: np.ndarray,
        step: np.ndarray,
        r: np.ndarray,
        jacobian: np.ndarray,
        q: np.ndarray,
        ratio: np.ndarray,
    ) -> None:
        lowered = q / self.q[rows]
        moved = np.max(np.abs(step), axis=1)
        contracts = (moved <= ZERO) & (moved <= CONTRACTION * self.moved[rows]) & (lowered <= 0.05)
        at_floor = np.all(np.abs(r) <= self.residual.rounding(z, jacobian), axis=1)
        self.z[rows], self.r[rows], self.jacobian[rows], self.q[rows] = z, r, jacobian, q
        self.moved[rows] = moved
        # Nielsen 1999, Damping parameter in Marquardt's method; faster down, so that zeros attract at once.
        self._damping[rows] *= np.clip(1.0 - (2.0 * np.minimum(ratio, 1.0) - 1.0) ** 3, 0.1, 10.0)
        self._growth[rows] = 2.0
        self._exact[rows] |= lowered > 1.0 - ENOUGH
        self.end[rows[contracts | at_floor]] = End.ZERO


def _marquardt(model: np.ndarray, gradient: np.ndarray, damping: np.ndarray) -> np.ndarray:
    # Never so little that the sum is singular.
    damping = np.maximum(damping, ROUNDING * model.shape[1])
    most = np.trace(model, axis1=1, axis2=2)[:, None] + TINY
    damped = model + (damping * most)[..., None] * np.eye(model.shape[1])
    return -np.linalg.solve(damped, gradient[..., None])[..., 0]


def _half_square(r: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return 0.5 * np.sum(r * r, axis=1)


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[..., None])[..., 0]
