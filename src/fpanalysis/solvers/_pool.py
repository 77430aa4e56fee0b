"""A rolling pool: as soon as one start has ended, the next takes its place in the batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis.linearization import state_jacobian
from fpanalysis.solvers._linear import directions, inverse, one_blas_thread
from fpanalysis.solvers._newton import (
    Evaluation,
    Stall,
    half_square,
    has_stalled,
    jacobian_norm,
    line_search,
    start_stall,
    update_stall,
)
from fpanalysis.unique import DISTINCT, KnownPoints
from fpanalysis.vector_field import VectorField, float64
from fpanalysis.verify import allowed

BATCH_BYTES = 8 * 2**20
MAX_STEPS = 200
OPEN_CONDITIONS = 8


@dataclass
class Starts:
    """What to solve: states to start from, each under the input of its condition.

    Args:
        x: states, `(start, state)`.
        condition: the condition of each, `(start,)`.
        u: inputs, `(condition, input)`.
        spread: root-mean-square spread of the states, `(condition,)`; it scales distinctness.
        cap: longest Newton step, `(condition,)`.
    """

    x: np.ndarray
    condition: np.ndarray
    u: np.ndarray
    spread: np.ndarray
    cap: np.ndarray


@dataclass
class Ends:
    """What became of the starts.

    Args:
        known: the distinct fixed points of all conditions.
        point: the known point at which each start ended, −1 where it failed, `(start,)`.
        last: where the failed starts ended, NaN for the others, `(start, state)`.
    """

    known: KnownPoints
    point: np.ndarray
    last: np.ndarray


def batch_size(n_state: int) -> int:
    """Return how many starts are in flight: their Jacobians fit a cache, and one size is compiled.

    Eight at least share what a Jacobian costs once a batch, the product of a weight matrix and the basis.
    """
    fitting = BATCH_BYTES // (8 * n_state**2)
    return int(np.clip(2 ** int(np.log2(max(fitting, 1))), 8, 256))


@eqx.filter_jit
def _advance(
    field: VectorField,
    x: Float[Array, "batch state"],
    direction: Float[Array, "batch state"],
    u: Float[Array, "batch input"],
) -> Evaluation:
    def one(x: Array, direction: Array, u: Array) -> Evaluation:
        x, fraction = line_search(lambda x: field.residual(x, u), x, direction)
        f, jacobian = state_jacobian(field, x, u)
        if field.time_domain == "discrete":
            # Here and not inside the derivative: XLA then writes the Jacobian once, in the order wanted.
            f, jacobian = f - x, jacobian - jnp.eye(x.shape[0], dtype=x.dtype)
        return Evaluation(x, f, jacobian, half_square(f), fraction)

    return jax.vmap(one)(x, direction, u)


def solve_pool(
    field: VectorField,
    starts: Starts,
    tol: float,
    progress: Callable[[int], None],
    known: KnownPoints | None = None,
    retire: bool = True,
) -> Ends:
    """Run damped Newton from every start.

    Args:
        field: the vector field.
        starts: states, conditions and inputs.
        tol: tolerance of a fixed point.
        progress: called with the number of starts that have ended since the last call.
        known: points of the same conditions found earlier; they are added to.
        retire: whether starts are taken out as soon as their end is certain.

    Returns:
        The distinct points and the fate of every start.
    """
    with jax.enable_x64(True), one_blas_thread():
        if known is None:
            known = KnownPoints(DISTINCT * starts.spread, starts.x.shape[1], field.is_periodic)
        pool = _Pool(float64(field), starts, tol, known, retire)
        while pool.busy:
            progress(pool.round())
        return pool.ends


class _Pool:
    """The batch in flight. Arrays have one row a slot; `start` is −1 in empty slots."""

    def __init__(
        self, field: VectorField, starts: Starts, tol: float, known: KnownPoints, retire: bool
    ) -> None:
        self.field, self.starts, self.tol, self.retire = field, starts, tol, retire
        n_starts, n = starts.x.shape
        size = batch_size(n)
        self.queue, self.next = _queue(starts.condition), 0
        self.ends = Ends(known, np.full(n_starts, -1), np.full(starts.x.shape, np.nan))
        self.start, self.condition = np.full(size, -1), np.zeros(size, int)
        self.steps, self.stall = np.zeros(size, int), start_stall(np.zeros(size), np)
        self.x, self.direction, self.f = np.zeros((3, size, n))
        self.residual = np.full(size, np.inf)

    @property
    def busy(self) -> bool:
        return self.next < len(self.queue) or bool(np.any(self.start >= 0))

    def round(self) -> int:
        """Advance every start in flight by one step; return how many have ended."""
        fresh = self._refill()
        before = _Before(self.x, self.f, np.where(fresh, np.inf, self.residual))
        u = jnp.asarray(self.starts.u[self.condition])
        batch = _advance(self.field, jnp.asarray(self.x), jnp.asarray(self.direction), u)
        batch = Evaluation(*map(np.asarray, batch))
        batch = batch._replace(x=self.ends.known.wrapped(batch.x))
        self.x, self.f, self.residual = batch.x, batch.f, np.max(np.abs(batch.f), axis=1)
        self._count_steps(batch, fresh)
        ended = (
            self._retire_certain(batch, before, fresh)
            + self._end_fixed(batch, before)
            + self._end_lost(batch)
        )
        self.direction = np.zeros_like(batch.x)
        live = np.flatnonzero(self.start >= 0)
        if len(live):
            self.direction[live] = directions(batch, live, self.starts.cap[self.condition[live]])
        return ended

    def _refill(self) -> np.ndarray:
        empty = np.flatnonzero(self.start < 0)[: len(self.queue) - self.next]
        taken = self.queue[self.next : self.next + len(empty)]
        self.next += len(empty)
        self.start[empty], self.condition[empty] = taken, self.starts.condition[taken]
        self.x = np.array(self.x)
        self.x[empty] = self.starts.x[taken]
        fresh = np.zeros(len(self.start), bool)
        fresh[empty] = True
        return fresh

    def _count_steps(self, batch: Evaluation, fresh: np.ndarray) -> None:
        updated = update_stall(self.stall, batch.q, batch.fraction, np)
        new = start_stall(batch.q, np)
        self.stall = Stall(*(np.where(fresh, b, a) for a, b in zip(updated, new, strict=True)))
        self.steps = np.where(fresh, 0, self.steps + 1)

    def _retire_certain(self, batch: Evaluation, before: "_Before", fresh: np.ndarray) -> int:
        """Take out the starts whose end is certain though they have not reached it."""
        if not self.retire:
            return 0
        shortened = np.linalg.norm(self.direction, axis=1) > 0.999 * self.starts.cap[self.condition]
        is_full = ~fresh & ~shortened & (batch.fraction == 1.0)
        known, rows = self.ends.known, np.flatnonzero((self.start >= 0) & is_full)
        nearest, distance = known.nearest(batch.x[rows], self.condition[rows])
        certain = known.certain(batch.x[rows], batch.f[rows], before.x[rows], nearest, distance)
        self.ends.point[self.start[rows[certain]]] = nearest[certain]
        return self._release(rows[certain])

    def _end_fixed(self, batch: Evaluation, before: "_Before") -> int:
        """Take out the starts that have reached a fixed point, polished until they stop improving."""
        known = self.ends.known
        rows = np.flatnonzero((self.start >= 0) & self._is_fixed(batch))
        nearest, distance = known.nearest(batch.x[rows], self.condition[rows])
        count, done = known.count, []
        for i, k, d in zip(rows, nearest.tolist(), distance.tolist(), strict=True):
            x, f, condition = batch.x[i], batch.f[i], int(self.condition[i])
            if not known.same(x, f, k, d) and known.count > count:
                # Points were added in this very round: one of them may be this one.
                new, distances = known.nearest(x[None], self.condition[i : i + 1])
                k, d = int(new[0]), float(distances[0])
            if not known.same(x, f, k, d):
                if self.residual[i] < 0.5 * before.residual[i] and self.steps[i] < MAX_STEPS:
                    continue
                if before.residual[i] < self.residual[i]:
                    x, f = before.x[i], before.f[i]
                k = known.add(x, f, condition, inverse(batch.jacobian[i]))
            known.improve(k, x, f)
            self.ends.point[self.start[i]] = k
            done.append(i)
        return self._release(np.array(done, int))

    def _end_lost(self, batch: Evaluation) -> int:
        """Take out the starts that have left the finite numbers or no longer improve."""
        lost = ~np.isfinite(batch.q) | has_stalled(self.stall) | (self.steps >= MAX_STEPS)
        rows = np.flatnonzero((self.start >= 0) & lost & ~self._is_fixed(batch))
        self.ends.last[self.start[rows]] = batch.x[rows]
        return self._release(rows)

    def _is_fixed(self, batch: Evaluation) -> np.ndarray:
        domain = self.field.time_domain
        norm = jacobian_norm(batch.jacobian) if domain == "continuous" else 1.0
        return self.residual <= allowed(batch.x, norm, domain, self.tol)

    def _release(self, rows: np.ndarray) -> int:
        self.start[rows] = -1
        return len(rows)


class _Before(NamedTuple):
    """The batch as it was before the step."""

    x: np.ndarray
    f: np.ndarray
    residual: np.ndarray


def _queue(condition: np.ndarray) -> np.ndarray:
    """Return the order of the starts: a few conditions at a time, their candidates in turn.

    So a condition's first points are known when most of its starts come, and few conditions are open.
    """
    return np.lexsort((condition, turns(condition), condition // OPEN_CONDITIONS))


def turns(condition: np.ndarray) -> np.ndarray:
    """Return how many starts of the same condition come before each, `(start,)`."""
    order = np.argsort(condition, kind="stable")
    turn = np.empty(len(order), int)
    turn[order] = np.arange(len(order)) - np.searchsorted(condition[order], condition[order])
    return turn
