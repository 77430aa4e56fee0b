"""From what a search has found to the points of every condition: evaluated anew, sorted, with slow ones."""

import numpy as np

from fpanalysis._progress import progress_bar
from fpanalysis.dataset import Points
from fpanalysis.local import kinks, margins
from fpanalysis.schema import Kind
from fpanalysis.search import Search, sorted_rows
from fpanalysis.slow import BUDGET, find_slow_points
from fpanalysis.verify import residuals


def no_points(n_state: int, n_output: int) -> Points:
    """Return the points of a condition that has none."""
    none, never, no_number = np.zeros(0, int), np.zeros(0, bool), np.zeros(0)
    x, y = np.zeros((0, n_state)), np.zeros((0, n_output))
    return Points(x, none, x, y, no_number, never, never, no_number, none, none)


def finished(search: Search) -> list[Points]:
    """Return the points of every condition, sorted, with all that is known of each."""
    known, field, u = search.known, search.problem.field, search.problem.u
    rows = _sorted(search)
    x, condition = known.wrapped(known.x[rows]), known.condition[rows]
    f, y = residuals(field, x, u[condition])
    scale, error = known.scale[condition], known.error[rows]
    is_isolated = known.is_isolated[rows]
    kinked = kinks(search.problem.verdict, x, u[condition], scale, error)
    error = np.fmax(error, kinked.error)
    is_isolated = is_isolated & np.isfinite(error).all(axis=1)
    margin = margins(field, x, u[condition], scale, error, is_isolated, kinked.is_smooth)
    largest = np.max(error * scale, axis=1, initial=0.0)
    hits, neighbour_hits = search.hits[rows], search.neighbour_hits[rows]
    kind = np.full(len(rows), Kind.FIXED)
    columns = (x, kind, f, y, largest, is_isolated, kinked.is_smooth, margin, hits, neighbour_hits)
    every = Points(*columns)
    return [Points(*(column[condition == c] for column in every)) for c in range(len(u))]


def _sorted(search: Search) -> np.ndarray:
    """Return the indices of the known points by condition, and lexicographically within each."""
    known = search.known
    x, condition = known.wrapped(known.x[: known.count]), known.condition[: known.count]
    order = sorted_rows(x, known.distinct * known.scale[condition])
    return order[np.argsort(condition[order], kind="stable")]


def with_slow(search: Search, points: list[Points], progress: bool) -> list[Points]:
    """Return the points with each condition's slow points after its fixed ones."""
    field, out = search.problem.field, []
    with progress_bar(BUDGET * len(points), "slow points", progress) as done:
        for c, (u, fixed) in enumerate(zip(search.problem.u, points, strict=True)):
            scale = search.scale[c]
            x, hits = find_slow_points(field, search.tried(c), u, scale, fixed.x, done)
            order = sorted_rows(x, search.known.distinct * scale)
            x, hits, n = x[order], hits[order], len(x)
            f, y = residuals(field, x, np.broadcast_to(u, (n, len(u))))
            kind, nan, yes, no = (
                np.full(n, Kind.SLOW),
                np.full(n, np.nan),
                np.ones(n, bool),
                np.zeros(n, bool),
            )
            slow = Points(x, kind, f, y, nan, no, yes, np.zeros(n), hits, np.zeros(n, int))
            out.append(Points(*map(np.concatenate, zip(fixed, slow, strict=True))))
    return out
