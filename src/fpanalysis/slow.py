"""Slow points: local minima of `q` above the tolerance, found by a search of their own."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fpanalysis._blas import one_blas_thread
from fpanalysis._numerics import in_float64
from fpanalysis.minima import MAX_STEPS, ROUNDING, ZERO, End, Residual, Searches
from fpanalysis.unique import wrap
from fpanalysis.vector_field import VectorField, float64

BUDGET, PATIENCE = 1024, 256  # searches
# All lengths are in the state's own scales.
MOVE = 1e-2
DISTINCT, DISTINCT_IF_FLAT = 1e-4, 1.0
NEAR, UNRESOLVED = 1e-3, 1e-5
REACH = 10.0
N_RATES = 32


def find_slow_points(
    field: VectorField,
    starts: np.ndarray,
    u: np.ndarray,
    scale: np.ndarray,
    fixed: np.ndarray,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slow points of one condition that searches from spread starts find.

    Everything is measured in the state's own scales, so that neither the unit of an entry nor that of time
    matters: `q = ½ Σ (f / scale)²`. Searches begin in turn at the starts with the smallest `q` and at those
    that lie farthest from all before, leaving out the quarter with the largest `q`. At most `BUDGET` are run;
    they end when `PATIENCE` in a row have led to nothing new. Each minimises `q` by Levenberg and Marquardt's
    method, and by Newton's with the exact Hessian once that no longer lowers `q` much.

    A minimum is a slow point when its Hessian has no negative eigenvalue, the state moves by at most `MOVE`
    of its scale (root mean square over the entries) per step, in continuous time per shortest time constant,
    and it is no fixed point: no residual that rounding explains, and no Newton correction that contracts to
    a zero within 1e-6 of the scale. Where `q` is flat along a line, as on a continuum that drifts, minima
    `DISTINCT_IF_FLAT` apart stand for all. What lies more than `REACH` scales from the median of the starts
    is not looked at.

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
    with in_float64(), one_blas_thread(), np.errstate(all="ignore"):
        residual = Residual(float64(field), np.asarray(u, float), np.asarray(scale, float))
        z = np.asarray(starts, float) / scale
        z = z[np.all(np.isfinite(z), axis=1)]
        region = _Region.around(z, field.is_periodic)
        search = _Minima(residual, np.asarray(fixed, float) / scale, region, _rate(residual, z))
        search.run(_queue(residual, z[region.holds(z)]), progress)
    slow = np.array(search.is_slow, bool)
    points = search.z[slow] * scale
    return np.where(field.is_periodic, wrap(points), points), np.array(search.hits, int)[slow]


class _Region(NamedTuple):
    """Where slow points are looked for: far outside, saturated networks slow down without end."""

    middle: np.ndarray
    reach: float
    is_periodic: np.ndarray

    @classmethod
    def around(cls, z: np.ndarray, is_periodic: np.ndarray) -> "_Region":
        """Return the box that reaches `REACH` scales from the median of states, and holds half of them."""
        if len(z) == 0:
            return cls(np.zeros(z.shape[1]), REACH, is_periodic)
        middle = np.median(z, axis=0)
        away = np.max(np.where(is_periodic, 0.0, np.abs(z - middle)), axis=1)
        return cls(middle, max(REACH, float(np.median(away))), is_periodic)

    def holds(self, z: np.ndarray) -> np.ndarray:
        """Return which states `(n, state)` lie inside."""
        return np.all((np.abs(z - self.middle) <= self.reach) | self.is_periodic, axis=1)


def _queue(residual: Residual, z: np.ndarray) -> np.ndarray:
    """Return the states to start from, in order, at most `BUDGET`."""
    if len(z) == 0:
        return z
    q = residual.q(z)
    z = z[np.argsort(q, kind="stable")[: np.isfinite(q).sum()]]
    low = z[: max(BUDGET, 3 * len(z) // 4)]
    far = _farthest_first(_unrolled(low, residual.field.is_periodic, residual.scale), BUDGET)
    in_turn = np.stack([np.arange(len(far)), far], axis=1).ravel()
    _, first = np.unique(in_turn, return_index=True)
    return z[in_turn[np.sort(first)][:BUDGET]]


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
    """Return the rate that sets the clock: in continuous time, what a quarter of the states exceed.

    Near a ghost of one dimension all rates vanish, so that those of the minimum itself do not do.
    """
    if residual.field.time_domain == "discrete" or len(z) == 0:
        return 1.0
    some = z[np.linspace(0, len(z) - 1, min(len(z), N_RATES, residual.batch)).astype(int)]
    _, jacobian = residual.first(some)
    rates = [_fastest(j) for j in jacobian if np.isfinite(j).all()]
    return float(np.quantile(rates, 0.75)) if rates else 0.0


def _fastest(jacobian: np.ndarray) -> float:
    return float(np.max(np.abs(np.linalg.eigvals(jacobian))))


class _Minima:
    """The minima of `q` found so far, slow or not, in the state's own scales."""

    def __init__(self, residual: Residual, fixed: np.ndarray, region: _Region, rate: float) -> None:
        self.residual, self.fixed, self.region, self.rate = residual, fixed, region, rate
        self.z = np.empty((0, len(residual.scale)))
        self.q = np.empty(0)
        self.at_zeros = np.empty_like(self.z)  # where searches ended, short of degenerate zeros
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
            for row in np.flatnonzero(searches.end == End.STATIONARY).tolist():
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
        searches.end[~self.region.holds(searches.z)] = End.FAILED
        for row in np.flatnonzero((searches.end == End.RUNNING) & (searches.moved < NEAR)).tolist():
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
        if self._nearest(z, self.at_zeros)[1] <= NEAR or self._leads_to_zero(z, r, jacobian):
            self.at_zeros = np.vstack([self.at_zeros, z])
            return False
        # So flat that rounding hides where the minimum is.
        is_flat = bool(curvature[0] <= max(noise, searches.gradient_noise(np.array([row]))[0] / UNRESOLVED))
        k, distance = self._nearest(z, self.z)
        if k >= 0 and distance <= (DISTINCT_IF_FLAT if is_flat and self.is_flat[k] else DISTINCT):
            self.hits[k] += 1
            return False
        fastest = 1.0
        if self.residual.field.time_domain == "continuous":
            fastest = max(self.rate, _fastest(jacobian))
        is_slow = bool(np.sqrt(2.0 * q / len(z)) <= MOVE * fastest)
        # Fast minima are kept too: searches that come to them need not run to their end.
        self.z, self.q = np.vstack([self.z, z]), np.append(self.q, q)
        self.is_slow.append(is_slow)
        self.is_flat.append(is_flat)
        self.hits.append(1)
        return is_slow and not is_flat

    def _leads_to_zero(self, z: np.ndarray, r: np.ndarray, jacobian: np.ndarray) -> bool:
        """Return whether Newton's corrections of `r` itself lead to a zero, however degenerate.

        At a root of any order they take about two thirds off `r` each, and at a ghost nothing.
        """
        last = np.inf
        for _ in range(MAX_STEPS):
            if np.all(np.abs(r) <= self.residual.rounding(z[None], jacobian[None])[0]):
                return True
            if not np.isfinite(jacobian).all():
                return False
            correction = np.linalg.lstsq(jacobian, -r, rcond=ROUNDING * len(z))[0]
            moved = np.max(np.abs(correction))
            if moved <= ZERO and moved <= 0.5 * last < np.inf:
                return True
            new = self.residual.first((z + correction)[None])
            if not np.linalg.norm(new[0][0]) <= 0.5 * np.linalg.norm(r):
                return False
            z, last = z + correction, moved
            r, jacobian = new[0][0], new[1][0]
        return False

    def _nearest(self, z: np.ndarray, points: np.ndarray) -> tuple[int, float]:
        """Return the index of the nearest of some points, −1 if there is none, and its largest distance."""
        if len(points) == 0:
            return -1, np.inf
        difference, scale = points - z, self.residual.scale
        difference = np.where(self.residual.field.is_periodic, wrap(difference * scale) / scale, difference)
        distance = np.max(np.abs(difference), axis=1)
        k = int(np.argmin(distance))
        return k, float(distance[k])
