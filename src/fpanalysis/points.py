"""From what a search has found to the points of every condition: verified, sorted, slow ones included."""

import numpy as np

from fpanalysis._progress import progress_bar
from fpanalysis.dataset import FIXED, SLOW, Points
from fpanalysis.linearization import jacobians
from fpanalysis.search import Search
from fpanalysis.slow import BUDGET, find_slow_points
from fpanalysis.verify import allowed, residuals


def no_points(n_state: int, n_output: int) -> Points:
    """Return the points of a condition that has none."""
    none = np.zeros(0, int)
    x, y = np.zeros((0, n_state)), np.zeros((0, n_output))
    return Points(x, none, x, y, none, none)


def verified(search: Search) -> list[Points]:
    """Return the points of every condition, sorted, whose recomputed residual meets the tolerance."""
    known, field, u = search.known, search.problem.field, search.problem.u
    rows = _sorted(search)
    x, condition = known.wrapped(known.x[rows]), known.condition[rows]
    f, y = residuals(field, x, u[condition])
    norm: np.ndarray | float = 1.0
    if field.time_domain == "continuous":
        norm = np.abs(jacobians(field, x, u[condition]).state).sum(axis=-1).max(axis=-1, initial=0.0)
    good = np.max(np.abs(f), axis=1, initial=0.0) <= allowed(x, norm, field.time_domain, search.problem.tol)
    out = []
    for c in range(len(u)):
        mine = good & (condition == c)
        hits, neighbour_hits = search.hits[rows[mine]], search.neighbour_hits[rows[mine]]
        out.append(Points(x[mine], np.full(mine.sum(), FIXED), f[mine], y[mine], hits, neighbour_hits))
    return out


def _sorted(search: Search) -> np.ndarray:
    """Return the indices of the known points by condition, and lexicographically within each."""
    known = search.known
    x, condition = known.x[: known.count], known.condition[: known.count]
    keys = np.round(known.wrapped(x) / known.distinct[condition][:, None])
    return np.lexsort((*keys.T[::-1], condition))


def with_slow(search: Search, points: list[Points], progress: bool) -> list[Points]:
    """Return the points with each condition's slow points after its fixed ones."""
    field, out = search.problem.field, []
    with progress_bar(BUDGET * len(points), "slow points", progress) as done:
        for c, (u, fixed) in enumerate(zip(search.problem.u, points, strict=True)):
            x, hits = find_slow_points(
                field, search.tried(c), u, np.full(len(field.state), search.spread[c]), fixed.x, done
            )
            order = np.lexsort(np.round(x / search.known.distinct[c]).T[::-1])
            x, hits = x[order], hits[order]
            f, y = residuals(field, x, np.broadcast_to(u, (len(x), len(u))))
            slow = Points(x, np.full(len(x), SLOW), f, y, hits, np.zeros(len(x), int))
            out.append(Points(*map(np.concatenate, zip(fixed, slow, strict=True))))
    return out
