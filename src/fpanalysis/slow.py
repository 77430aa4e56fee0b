"""Slow points: local minima of `q` above the tolerance, found by a search of their own."""

from collections.abc import Callable

import jax
import numpy as np

from fpanalysis.minima import ROUNDING, ZERO, End, Residual, Searches
from fpanalysis.solvers._linear import one_blas_thread
from fpanalysis.unique import wrap
from fpanalysis.vector_field import VectorField, float64

BUDGET = 1024
PATIENCE = 128
MOVE = 1e-2
DISTINCT, DISTINCT_IF_FLAT = 1e-4, 0.3
NEAR = 1e-3
REACH = 10.0
N_RATES = 16


def find_slow_points(
    field: VectorField,
    starts: np.ndarray,
    u: np.ndarray,
    scale: np.ndarray,
    fixed: np.ndarray,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the slow points of one condition that searches from spread starts find.

    Everything is measured in the state's own scales, so that neither the unit of an entry nor that of time
    matters: `q = ½ Σ (f / scale)²`. Searches begin in turn at the starts with the smallest `q` and at those
    that lie farthest from all before, among the half with the smaller `q`. At most `BUDGET` are run; they
    end when `PATIENCE` in a row have led to nothing new. Each minimises `q` by Levenberg and Marquardt's
    method, and by Newton's with the exact Hessian once that no longer lowers `q` much.

    A minimum is a slow point when its Hessian has no negative eigenvalue, the state moves by at most `MOVE`
    of its scale (root mean square over the entries) per step, in continuous time per shortest time constant,
    and it is no fixed point: no residual that rounding explains, and no Newton correction that contracts to
    a zero within 1e-6 of the scale. Where `q` is flat along a line, as on a continuum that drifts, minima
    `DISTINCT_IF_FLAT` apart stand for all.

    Args:
        field: the vector field.
        starts: states `(n, state)`.
        u: the input `(input,)`.
        scale: spread of each entry of the state, positive (1 rad for angles), `(state,)`.
        fixed: the condition's fixed points, `(k, state)`.
        progress: called with how many of the `BUDGET` searches are done or saved.

    Returns:
        The distinct slow points `(m, state)`, and how many searches ended at each `(m,)`.

    Sources:
        Sussillo and Barak 2013, Opening the black box, Neural Computation 25 (slow points); Marquardt 1963,
        An algorithm for least-squares estimation of nonlinear parameters, SIAM J. 11; Nielsen 1999, Damping
        parameter in Marquardt's method.
    """
    with jax.enable_x64(True), one_blas_thread(), np.errstate(all="ignore"):
        field = float64(field)
        residual = Residual(field, np.asarray(u, float), np.asarray(scale, float))
        z = np.asarray(starts, float) / scale
        z = z[np.all(np.isfinite(z), axis=1)]
        middle = np.median(z, axis=0) if len(z) else np.zeros(len(scale))
        queue = _queue(residual, z, middle)
        search = _Minima(residual, np.asarray(fixed, float) / scale, middle, _rate(residual, queue))
        search.run(queue, progress)
    slow = np.array(search.is_slow, bool)
    points = search.z[slow] * scale
    return np.where(field.is_periodic, wrap(points), points), np.array(search.hits, int)[slow]


def _queue(residual: Residual, z: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Return the states to start from, in order, at most `BUDGET`."""
    z = z[_within_reach(z, middle, residual.field.is_periodic)]
    if len(z) == 0:
        return z
    q = residual.q(z)
    z = z[np.argsort(q, kind="stable")[: np.isfinite(q).sum()]]
    half = z[: max(BUDGET, len(z) // 2)]
    far = _farthest_first(_unrolled(half, residual.field.is_periodic, residual.scale), BUDGET)
    in_turn = np.stack([np.arange(len(far)), far], axis=1).ravel()
    _, first = np.unique(in_turn, return_index=True)
    return z[in_turn[np.sort(first)][:BUDGET]]


def _within_reach(z: np.ndarray, middle: np.ndarray, is_periodic: np.ndarray) -> np.ndarray:
    return np.all((np.abs(z - middle) <= REACH) | is_periodic, axis=1)


def _farthest_first(z: np.ndarray, n: int) -> np.ndarray:
    """Return the indices of up to `n` states, each the farthest from all before it; the first comes first."""
    chosen, distance = [], np.full(len(z), np.inf)
    k = 0
    for _ in range(min(n, len(z))):
        chosen.append(k)
        distance = np.minimum(distance, np.sum((z - z[k]) ** 2, axis=1))
        k = int(np.argmax(distance))
    return np.array(chosen, int)


def _unrolled(z: np.ndarray, is_periodic: np.ndarray, scale: np.ndarray) -> np.ndarray:
    angle = (z * scale)[:, is_periodic]
    return np.concatenate([z[:, ~is_periodic], np.cos(angle), np.sin(angle)], axis=1)


def _rate(residual: Residual, z: np.ndarray) -> float:
    """Return the fastest rate that is usual among states: that of a continuous-time field sets its clock."""
    if residual.field.time_domain == "discrete" or len(z) == 0:
        return 1.0
    some = z[np.unique(np.linspace(0, len(z) - 1, min(N_RATES, residual.batch)).astype(int))]
    _, jacobian = residual.first(some)
    jacobian = jacobian[np.isfinite(jacobian).all(axis=(1, 2))]
    rates = np.max(np.abs(np.linalg.eigvals(jacobian)), axis=1) if len(jacobian) else np.zeros(0)
    return float(np.median(rates)) if len(rates) else 0.0


class _Minima:
    """The minima of `q` found so far, slow or not, in the state's own scales."""

    def __init__(self, residual: Residual, fixed: np.ndarray, middle: np.ndarray, rate: float) -> None:
        self.residual, self.fixed, self.middle, self.rate = residual, fixed, middle, rate
        self.z = np.empty((0, len(residual.scale)))
        self.q = np.empty(0)
        self.is_slow: list[bool] = []
        self.is_flat: list[bool] = []
        self.hits: list[int] = []

    def run(self, queue: np.ndarray, progress: Callable[[int], None]) -> None:
        """Search from the states of a queue, a batch at a time, until nothing new turns up."""
        begun, barren = self.residual.batch, 0
        searches = Searches(self.residual, queue[:begun]) if len(queue) else None
        while searches is not None and len(searches.z):
            searches.step()
            self._recognise(searches)
            over = searches.end != End.RUNNING
            barren += int(over.sum())
            for row in np.flatnonzero(searches.end == End.STATIONARY):
                if self._add(searches, row):
                    barren = 0
            progress(int(over.sum()))
            more = queue[begun : begun + int(over.sum())] if barren < PATIENCE else queue[:0]
            begun += len(more)
            if over.any():
                searches.keep(~over, Searches(self.residual, more) if len(more) else None)
        progress(BUDGET - min(begun, len(queue)))

    def _recognise(self, searches: Searches) -> None:
        """End the searches that have left, or come to a fixed point, or to a minimum that is known."""
        left = ~_within_reach(searches.z, self.middle, self.residual.field.is_periodic)
        searches.end[left] = End.FAILED
        for row in np.flatnonzero((searches.end == End.RUNNING) & (searches.moved < NEAR)):
            z = searches.z[row]
            if self._nearest(z, self.fixed)[1] <= DISTINCT:
                searches.end[row] = End.ZERO
                continue
            k, distance = self._nearest(z, self.z)
            if distance <= DISTINCT and searches.q[row] >= self.q[k] * (1.0 - NEAR) and not self.is_flat[k]:
                self.hits[k] += 1
                searches.end[row] = End.KNOWN

    def _add(self, searches: Searches, row: int) -> bool:
        """Keep the end of a search where it is a minimum; return whether it is a new slow point."""
        z, r, jacobian, q = (a[row] for a in (searches.z, searches.r, searches.jacobian, searches.q))
        curvature = searches.eigenvalues[row]
        floor = self.residual.rounding(z[None], jacobian[None])[0]
        noise = ROUNDING * len(z) * curvature[-1] + np.linalg.norm(floor) * np.sqrt(abs(curvature[-1]))
        if curvature[0] < -noise or self._nearest(z, self.fixed)[1] <= DISTINCT:
            return False
        if np.all(np.abs(r) <= floor) or self._is_near_zero(z, r, jacobian):
            return False
        is_flat = bool(curvature[0] <= noise)
        k, distance = self._nearest(z, self.z)
        if k >= 0 and distance <= (DISTINCT_IF_FLAT if is_flat and self.is_flat[k] else DISTINCT):
            self.hits[k] += 1
            return False
        fastest = 1.0
        if self.residual.field.time_domain == "continuous":
            fastest = max(self.rate, float(np.max(np.abs(np.linalg.eigvals(jacobian)))))
        is_slow = bool(np.sqrt(2.0 * q / len(z)) <= MOVE * fastest)
        self.z, self.q = np.vstack([self.z, z]), np.append(self.q, q)
        self.is_slow.append(is_slow)
        self.is_flat.append(is_flat)
        self.hits.append(1)
        return is_slow and not is_flat

    def _is_near_zero(self, z: np.ndarray, r: np.ndarray, jacobian: np.ndarray) -> bool:
        """Return whether Newton's corrections contract to a zero that lies within `ZERO`."""
        try:
            first = np.linalg.solve(jacobian, -r)
            if not np.max(np.abs(first)) <= ZERO:
                return False
            after, _ = self.residual.first((z + first)[None])
            second = np.linalg.solve(jacobian, -after[0])
        except np.linalg.LinAlgError:
            return False
        return bool(np.max(np.abs(second)) <= 0.5 * np.max(np.abs(first)))

    def _nearest(self, z: np.ndarray, points: np.ndarray) -> tuple[int, float]:
        """Return the index of the nearest of some points, −1 if there is none, and its largest distance."""
        if len(points) == 0:
            return -1, np.inf
        difference, scale = points - z, self.residual.scale
        difference = np.where(self.residual.field.is_periodic, wrap(difference * scale) / scale, difference)
        distance = np.max(np.abs(difference), axis=1)
        k = int(np.argmin(distance))
        return k, float(distance[k])
