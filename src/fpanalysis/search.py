"""The rounds of a search: from candidates to the distinct fixed points of every condition."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fpanalysis.candidates import between, longest_step, spread_of, visited
from fpanalysis.solvers import AnySolver, DampedNewton
from fpanalysis.solvers._optimistix import run_solver
from fpanalysis.solvers._pool import Starts, solve_pool
from fpanalysis.unique import DISTINCT, KnownPoints
from fpanalysis.vector_field import VectorField

Progress = Callable[[int], None]


class Search(NamedTuple):
    """What a search has found.

    Args:
        known: the distinct fixed points of all conditions.
        starts: the candidates, `(condition, candidate, state)`.
        last: where the failed ones ended, NaN for the others, `(condition, candidate, state)`.
        spread: root-mean-square spread of the candidates, `(condition,)`.
    """

    known: KnownPoints
    starts: np.ndarray
    last: np.ndarray
    spread: np.ndarray


def search_given(
    field: VectorField, u: np.ndarray, x: np.ndarray, solver: AnySolver, tol: float, progress: Progress
) -> Search:
    """Search from candidates that the caller gives, all of them.

    Args:
        field: the vector field.
        u: inputs, `(condition, input)`.
        x: candidates, `(condition, candidate, state)`.
        solver: the solver.
        tol: tolerance of a fixed point.
        progress: called with the number of candidates that have ended.
    """
    spread, cap = _scales(x)
    known = KnownPoints(DISTINCT * spread, x.shape[2])
    last = _round(field, u, x, spread, cap, solver, tol, progress, known)
    return Search(known, x, last, spread)


def search_drawn(
    field: VectorField, u: np.ndarray, n: int, seed: int, solver: AnySolver, tol: float, progress: Progress
) -> Search:
    """Search from `n` candidates for each condition that the package draws.

    The first half are states that the model visits, with noise; the others are drawn in three rounds
    between the points that are known by then, which finds the rare saddles that the first half misses.
    """
    first = visited(field, u, n - n // 2, seed)
    spread, cap = _scales(first)
    known = KnownPoints(DISTINCT * spread, first.shape[2])
    starts, lasts = [first], [_round(field, u, first, spread, cap, solver, tol, progress, known)]
    for turn, size in enumerate(_later_rounds(n // 2), start=1):
        rngs = [np.random.default_rng([seed, turn]) for _ in u]
        x = np.stack([_draw_between(known, c, first[c], spread[c], size, rng) for c, rng in enumerate(rngs)])
        starts.append(x)
        lasts.append(_round(field, u, x, spread, cap, solver, tol, progress, known))
    return Search(known, np.concatenate(starts, axis=1), np.concatenate(lasts, axis=1), spread)


def _later_rounds(n: int) -> Iterator[int]:
    """Yield the sizes of the rounds after the first: a half, a quarter and the rest of `n`."""
    for size in (n // 2, n // 4, n - n // 2 - n // 4):
        if size:
            yield size


def _draw_between(
    known: KnownPoints, condition: int, visited: np.ndarray, spread: float, n: int, rng: np.random.Generator
) -> np.ndarray:
    points = known.of(condition).x
    # Sorted, so that the draw does not depend on the order in which the points were found.
    points = points[np.lexsort(np.round(points / known.distinct[condition]).T[::-1])]
    if len(points) >= 2:
        return between(points, spread, n, rng)
    return visited[rng.integers(len(visited), size=n)] + spread * rng.standard_normal((n, visited.shape[1]))


def _scales(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spread of every condition's candidates, and the longest step, `(condition,)` each.

    Both are those of the distinct candidates in a fixed order: repeated or permuted, they are the same.
    """
    shared = len(x) > 1 and x.strides[0] == 0  # one array of candidates, seen from every condition
    sets = [_distinct(states) for states in (x[:1] if shared else x)]
    scales = np.array([(spread_of(states), longest_step(states)) for states in sets])
    spread, cap = np.broadcast_to(scales, (len(x), 2)).T.copy()
    return spread, cap


def _distinct(states: np.ndarray) -> np.ndarray:
    rows = sorted({row.tobytes() for row in np.asarray(states, float)})
    return np.frombuffer(b"".join(rows)).reshape(-1, states.shape[1])


def _round(
    field: VectorField,
    u: np.ndarray,
    x: np.ndarray,
    spread: np.ndarray,
    cap: np.ndarray,
    solver: AnySolver,
    tol: float,
    progress: Progress,
    known: KnownPoints,
) -> np.ndarray:
    """Run every start, add what is found to `known`, and return where the failed ones ended."""
    if isinstance(solver, DampedNewton):
        cap = np.minimum(cap, solver.cap)
    else:
        # Another solver stops at its own tolerances: its ends are polished and told apart like ours.
        x, progress = run_solver(field, solver, x, u, progress), lambda n: None
    return solve_pool(field, Starts(x, u, spread, cap), tol, progress, known).last
