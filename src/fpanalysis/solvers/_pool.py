"""A rolling pool: as soon as one start has ended, the next takes its place in the batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._blas import one_blas_thread
from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64
from fpanalysis.linearization import state_jacobian
from fpanalysis.resting import resting_field
from fpanalysis.solvers._linear import directions
from fpanalysis.solvers._newton import (
    Evaluation,
    Stall,
    half_square,
    has_stalled,
    line_search,
    start_stall,
    update_stall,
)
from fpanalysis.unique import KnownPoints, NewPoint
from fpanalysis.vector_field import VectorField, float64
from fpanalysis.verify import arrived

BATCH_BYTES = 8 * 2**20
MAX_STEPS = 200
OPEN_CONDITIONS = 8
# A start whose steps were all as long as they may be, so many in a row, may take longer ones.
CAPPED_STEPS = 4
# A start where the function has no derivative is moved by so little, in rounding errors of the state or, at
# zero, in units of the scale; so often at most.
NUDGE, NUDGE_AT_ZERO, NUDGES = 64.0, 1e-100, 3
# How many starts of a condition say how steep the function usually is there, about.
SLOPES = 32


@dataclass
class Starts:
    """What to solve: states to start from, each under the input of its condition.

    Args:
        x: states, `(start, state)`.
        condition: the condition of each, `(start,)`.
        u: inputs, `(condition, input)`.
        scale: spread of the states in every entry, `(condition, state)`: the unit of all distances.
        cap: longest Newton step at first, in that unit, `(condition,)`.
    """

    x: np.ndarray
    condition: np.ndarray
    u: np.ndarray
    scale: np.ndarray
    cap: np.ndarray


class Arrivals(NamedTuple):
    """States at which Newton's method has arrived, with what it knows there; a row for each.

    Attributes:
        x: states, `(n, state)`.
        condition: their conditions, `(n,)`.
        u: their inputs, `(n, input)`.
        scale: the unit of every entry, `(n, state)`.
        f: what vanishes, in that unit, `(n, state)`.
        jacobian: its derivative, in that unit, `(n, state, state)`.
        slope: what the rows of the derivative sum up to elsewhere, `(n, state)`.
    """

    x: np.ndarray
    condition: np.ndarray
    u: np.ndarray
    scale: np.ndarray
    f: np.ndarray
    jacobian: np.ndarray
    slope: np.ndarray


# Says of an arrival, by its index, to which known point that is not isolated it leads, or −1.
Covering = Callable[[int], int]
# Looks at arrivals; what it returns says of one, by its index, what point it is: a new or a known one, or
# None where it is none.
Judge = Callable[[Arrivals, Covering], Callable[[int], NewPoint | int | None]]


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


@compiled
def advance(
    field: VectorField,
    x: Float[Array, "batch state"],
    direction: Float[Array, "batch state"],
    u: Float[Array, "batch input"],
    scale: Float[Array, "batch state"],
) -> Evaluation:
    """Go along the directions, and evaluate there; values and derivatives are in units of the scale."""

    def one(x: Array, direction: Array, u: Array, scale: Array) -> Evaluation:
        x, fraction = line_search(lambda x: field.residual(x, u) / scale, x, direction)
        f, jacobian = state_jacobian(field, x, u)
        if field.time_domain == "discrete":
            # Here and not inside the derivative: XLA then writes the Jacobian once, in the order wanted.
            f, jacobian = field.turned(f - x), jacobian - jnp.eye(x.shape[0], dtype=x.dtype)
        f, jacobian = f / scale, jacobian * (scale[None, :] / scale[:, None])
        return Evaluation(x, f, jacobian, half_square(f), fraction)

    return jax.vmap(one)(x, direction, u, scale)


def solve_pool(
    field: VectorField,
    starts: Starts,
    tol: float,
    judge: Judge,
    progress: Callable[[int], None],
    known: KnownPoints | None = None,
    retire: bool = True,
    eps: float = np.finfo(float).eps,
) -> Ends:
    """Run damped Newton from every start.

    Args:
        field: the vector field.
        starts: states, conditions and inputs.
        tol: residual, relative to the scale, at which a start has arrived and is polished.
        judge: says which arrivals are fixed points.
        progress: called with the number of starts that have ended since the last call.
        known: points of the same conditions found earlier; they are added to.
        retire: whether starts are taken out as soon as their end is certain.
        eps: relative precision in which the field computes.

    Returns:
        The distinct points and the fate of every start.
    """
    with in_float64(), one_blas_thread():
        if known is None:
            known = KnownPoints(starts.scale, field.is_periodic)
        searched = resting_field(float64(field), divide_lstm=False)
        pool = _Pool(searched, starts, (tol, eps), judge, known, retire)
        while pool.busy:
            progress(pool.round())
        return pool.ends


class _Pool:
    """The batch in flight. Arrays have one row a slot; `start` is −1 in empty slots."""

    def __init__(
        self,
        field: VectorField,
        starts: Starts,
        precision: tuple[float, float],
        judge: Judge,
        known: KnownPoints,
        retire: bool,
    ) -> None:
        self.field, self.starts, self.judge, self.retire = field, starts, judge, retire
        self.tol, self.eps = precision
        n_starts, n = starts.x.shape
        size = batch_size(n)
        self.queue, self.next = _queue(starts.condition), 0
        self.ends = Ends(known, np.full(n_starts, -1), np.full(starts.x.shape, np.nan))
        self.start, self.condition = np.full(size, -1), np.zeros(size, int)
        self.steps, self.stall = np.zeros(size, int), start_stall(np.zeros(size), np)
        self.capped, self.cap = np.zeros(size, int), np.ones(size)
        self.nudges, self.is_nudged = np.zeros(size, int), np.zeros(size, bool)
        self.x, self.direction, self.f = np.zeros((3, size, n))
        self.residual = np.full(size, np.inf)
        self.slopes, self.n_slopes = np.zeros(starts.scale.shape), np.zeros(len(starts.scale), int)

    @property
    def busy(self) -> bool:
        return self.next < len(self.queue) or bool(np.any(self.start >= 0))

    def round(self) -> int:
        """Advance every start in flight by one step; return how many have ended."""
        fresh = self._refill()
        before = _Before(self.x, self.f, np.where(fresh | self.is_nudged, np.inf, self.residual))
        scale = self.starts.scale[self.condition]
        inputs = (self.x, self.direction, self.starts.u[self.condition], scale)
        batch = Evaluation(*map(np.asarray, advance(self.field, *inputs)))
        batch = batch._replace(x=self.ends.known.wrapped(batch.x))
        self.x, self.f, self.residual = batch.x, batch.f, np.max(np.abs(batch.f), axis=1)
        self._count_steps(batch, fresh)
        self._note_slopes(batch.jacobian, fresh)
        live = np.flatnonzero(self.start >= 0)
        has_arrived = arrived(batch, live, scale, self.field.time_domain, self.tol, self.eps)
        # Where a multiple zero lets Newton's steps shrink to nothing, the judge goes on.
        stalled = np.flatnonzero(has_stalled(self.stall))
        usual = self.tol * self._usual_slope(self.condition[stalled])
        has_arrived[stalled] |= np.all(np.abs(batch.f[stalled]) <= usual, axis=1)
        ended = (
            self._retire_certain(batch, before, fresh)
            + self._end_arrived(batch, before, has_arrived)
            + self._end_lost(batch, has_arrived)
        )
        self.direction = np.zeros_like(batch.x)
        live = np.flatnonzero(self.start >= 0)
        if len(live):
            self.direction[live] = directions(batch, live, self.cap[live])
            self._loosen(live)
            self.direction[live] *= scale[live]
            self._nudge(live, scale)
        return ended

    def _note_slopes(self, jacobian: np.ndarray, fresh: np.ndarray) -> None:
        """Remember how steep the function usually is: the geometric mean over a condition's first starts."""
        rows = np.flatnonzero(fresh & (self.n_slopes[self.condition] < SLOPES))[:SLOPES]
        slope = np.abs(jacobian[rows]).sum(axis=-1)
        known = np.isfinite(slope).all(axis=1)
        rows, slope = rows[known], slope[known]
        slope = np.where(slope > 0, slope, 1.0)  # of an entry that never changes
        np.add.at(self.slopes, self.condition[rows], np.log(slope))
        np.add.at(self.n_slopes, self.condition[rows], 1)

    def _usual_slope(self, condition: np.ndarray) -> np.ndarray:
        return np.exp(self.slopes[condition] / np.maximum(self.n_slopes[condition], 1)[:, None])

    def _refill(self) -> np.ndarray:
        empty = np.flatnonzero(self.start < 0)[: len(self.queue) - self.next]
        taken = self.queue[self.next : self.next + len(empty)]
        self.next += len(empty)
        self.start[empty], self.condition[empty] = taken, self.starts.condition[taken]
        self.cap[empty], self.capped[empty] = self.starts.cap[self.condition[empty]], 0
        self.nudges[empty], self.x = 0, np.array(self.x)
        self.x[empty] = self.starts.x[taken]
        fresh = np.zeros(len(self.start), bool)
        fresh[empty] = True
        return fresh

    def _nudge(self, live: np.ndarray, scale: np.ndarray) -> None:
        """Move starts aside from where the function has a value and no derivative, as `norm` at zero."""
        self.is_nudged[:] = False
        nowhere = ~np.isfinite(self.direction[live]).all(axis=1) & np.isfinite(self.f[live]).all(axis=1)
        rows = live[nowhere & (self.nudges[live] < NUDGES)]
        if len(rows) == 0:
            return
        self.x = np.array(self.x)
        size = np.maximum(NUDGE * np.spacing(np.abs(self.x[rows])), NUDGE_AT_ZERO * scale[rows])
        self.x[rows] += np.random.default_rng(0).uniform(0.5, 1.0, self.x.shape[1]) * size
        self.direction[rows], self.is_nudged[rows] = 0.0, True
        self.nudges[rows] += 1

    def _loosen(self, live: np.ndarray) -> None:
        """Let starts take longer steps that have a long way to go, straight on."""
        length = np.linalg.norm(self.direction[live], axis=1)
        self.capped[live] = np.where(length > 0.999 * self.cap[live], self.capped[live] + 1, 0)
        far = live[self.capped[live] >= CAPPED_STEPS]
        self.cap[far] *= 2.0

    def _count_steps(self, batch: Evaluation, fresh: np.ndarray) -> None:
        with np.errstate(over="ignore"):
            updated = update_stall(self.stall, batch.q, batch.fraction, np)
        new = start_stall(batch.q, np)
        self.stall = Stall(*(np.where(fresh, b, a) for a, b in zip(updated, new, strict=True)))
        self.steps = np.where(fresh, 0, self.steps + 1)
        # A step that was shortened after all is no sign of a long way to go.
        self.capped = np.where(batch.fraction == 1.0, self.capped, 0)

    def _retire_certain(self, batch: Evaluation, before: "_Before", fresh: np.ndarray) -> int:
        """Take out the starts whose end is certain though they have not reached it."""
        if not self.retire:
            return 0
        is_full = ~fresh & (self.capped == 0) & (batch.fraction == 1.0)
        known, rows = self.ends.known, np.flatnonzero((self.start >= 0) & is_full)
        nearest, distance = known.nearest(batch.x[rows], self.condition[rows])
        certain = known.certain(batch.x[rows], batch.f[rows], before.x[rows], nearest, distance)
        self.ends.point[self.start[rows[certain]]] = nearest[certain]
        return self._release(rows[certain])

    def _end_arrived(self, batch: Evaluation, before: "_Before", has_arrived: np.ndarray) -> int:
        """Take out the starts that have arrived: at a known point, at a new one, or at none."""
        rows = np.flatnonzero((self.start >= 0) & has_arrived)
        nearest, _ = self.ends.known.nearest(batch.x[rows], self.condition[rows])
        same = np.array(
            [self._is(batch, i, k) for i, k in zip(rows.tolist(), nearest.tolist(), strict=True)], bool
        )
        self.ends.point[self.start[rows[same]]] = nearest[same]
        for i, k in zip(rows[same].tolist(), nearest[same].tolist(), strict=True):
            self.ends.known.improve(k, batch.x[i], batch.f[i])
        others = rows[~same]
        # The others are polished until they stop improving.
        improves = (self.residual[others] < 0.5 * before.residual[others]) & (self.steps[others] < MAX_STEPS)
        improves &= ~self.is_nudged[others]
        done = others[~improves]
        if len(done):
            self._add(batch, before, done)
        return self._release(np.concatenate([rows[same], done]))

    def _is(self, batch: Evaluation, i: int, k: int) -> bool:
        return self.ends.known.same(batch.x[i], batch.f[i], k)

    def _add(self, batch: Evaluation, before: "_Before", rows: np.ndarray) -> None:
        """Have arrivals judged, and add those that are new points."""
        known, condition = self.ends.known, self.condition[rows]
        better = (before.residual[rows] < self.residual[rows])[:, None]
        arrivals = Arrivals(
            np.where(better, before.x[rows], batch.x[rows]),
            condition,
            self.starts.u[condition],
            self.starts.scale[condition],
            np.where(better, before.f[rows], batch.f[rows]),
            batch.jacobian[rows],
            self._usual_slope(condition),
        )
        judged = self.judge(arrivals, lambda k: known.covering(arrivals.x[k], int(condition[k])))
        for k, (x, f, start) in enumerate(zip(arrivals.x, arrivals.f, self.start[rows], strict=True)):
            # Another that arrived in the same round may have been the same point.
            point = known.nearest(x[None], condition[k : k + 1])[0].item() if k else -1
            if not known.same(x, f, point):
                point = judged(k)
            if point is None:
                self.ends.last[start] = batch.x[rows[k]]
            elif isinstance(point, NewPoint):
                self.ends.point[start] = self._place_of(point, x, int(condition[k]))
            else:
                self.ends.point[start] = point

    def _place_of(self, point: NewPoint, arrival: np.ndarray, condition: int) -> int:
        """Return the index of a point: of the known one that it is, or of itself when it is new."""
        known = self.ends.known
        nearest = int(known.nearest(point.x[None], np.array([condition]))[0][0])
        if not known.same(point.x, point.f, nearest, point.error):
            nearest = known.add(point, condition)
        if not point.is_isolated:
            known.reach_from(nearest, arrival)
        return nearest

    def _end_lost(self, batch: Evaluation, has_arrived: np.ndarray) -> int:
        """Take out the starts that have left the finite numbers or no longer improve."""
        lost = ~np.isfinite(batch.q) | has_stalled(self.stall) | (self.steps >= MAX_STEPS)
        rows = np.flatnonzero((self.start >= 0) & lost & ~has_arrived)
        self.ends.last[self.start[rows]] = batch.x[rows]
        return self._release(rows)

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
