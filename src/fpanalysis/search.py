"""The rounds of a search: from candidates to the distinct fixed points of every condition."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fpanalysis.candidates import between, longest_step, spread_of, visited
from fpanalysis.solvers import AnySolver, DampedNewton
from fpanalysis.solvers._optimistix import run_solver
from fpanalysis.solvers._pool import Starts, solve_pool
from fpanalysis.unique import DISTINCT, KnownPoints
from fpanalysis.vector_field import VectorField

Progress = Callable[[int], None]


@dataclass
class Problem:
    """What is solved, and how.

    Args:
        field: the vector field.
        u: inputs, `(condition, input)`.
        solver: the solver.
        tol: tolerance of a fixed point.
        progress: called with the number of candidates that have ended.
    """

    field: VectorField
    u: np.ndarray
    solver: AnySolver
    tol: float
    progress: Progress


@dataclass
class Search:
    """A search under way, and what it has found.

    Args:
        problem: what is solved.
        spread: root-mean-square spread of the candidates, `(condition,)`.
        cap: longest Newton step, `(condition,)`.
    """

    problem: Problem
    spread: np.ndarray
    cap: np.ndarray
    known: KnownPoints = field(init=False)
    n_candidates: np.ndarray = field(init=False)
    _hits: np.ndarray = field(init=False)
    _tried: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        model = self.problem.field
        self.known = KnownPoints(DISTINCT * self.spread, len(model.state), model.is_periodic)
        self.n_candidates = np.zeros(len(self.problem.u), int)
        self._hits = np.zeros((2, 0), int)

    @property
    def hits(self) -> np.ndarray:
        """How many candidates ended at each known point, `(k,)`."""
        return self._hits[0]

    @property
    def neighbour_hits(self) -> np.ndarray:
        """How many starts from points of neighbouring conditions ended at each known point, `(k,)`."""
        return self._hits[1]

    def run(self, x: np.ndarray, condition: np.ndarray, *, are_candidates: bool = True) -> None:
        """Run starts to their ends.

        Args:
            x: states, `(start, state)`.
            condition: the condition of each, `(start,)`.
            are_candidates: whether they count as candidates; points of neighbouring conditions do not.
        """
        if len(x) == 0:
            return
        model, u, solver = self.problem.field, self.problem.u, self.problem.solver
        cap, progress = self.cap, self.problem.progress if are_candidates else _ignore
        begin = x
        if isinstance(solver, DampedNewton):
            cap = np.minimum(cap, solver.cap)
        else:
            # Another solver stops at its own tolerances: its ends are polished and told apart like ours.
            begin, progress = run_solver(model, solver, x, u[condition], progress), _ignore
        starts = Starts(begin, condition, u, self.spread, cap)
        ends = solve_pool(model, starts, self.problem.tol, progress, self.known)
        counts = np.bincount(ends.point[ends.point >= 0], minlength=self.known.count)
        self._hits = np.pad(self._hits, ((0, 0), (0, self.known.count - self._hits.shape[1])))
        self._hits[0 if are_candidates else 1] += counts
        if are_candidates:
            self.n_candidates += np.bincount(condition, minlength=len(u))
            self._tried.append((condition, x, ends.last))

    def tried(self, condition: int) -> np.ndarray:
        """Return where the failed candidates of a condition ended, and all that it began from."""
        rows = [(x[c == condition], last[c == condition]) for c, x, last in self._tried]
        return np.concatenate([last for _, last in rows] + [x for x, _ in rows])


def _ignore(n: int) -> None:
    del n


def search_given(problem: Problem, x: np.ndarray) -> Search:
    """Search from candidates that the caller gives, `(condition, candidate, state)`, all of them."""
    search = Search(problem, *_scales(x))
    search.run(*flat(x))
    return search


def search_drawn(problem: Problem, n: int, seed: int) -> Search:
    """Search from `n` candidates for each condition that the package draws.

    The first half are states that the model visits, with noise; the others are drawn in three rounds
    between the points that are known by then, which finds the rare saddles that the first half misses.
    """
    u = problem.u
    first = visited(problem.field, u, n - n // 2, seed)
    search = Search(problem, *_scales(first))
    search.run(*flat(first))
    for turn, size in enumerate(_later_rounds(n // 2), start=1):
        rngs = [np.random.default_rng([seed, turn]) for _ in u]
        x = [
            _draw_between(search.known, c, first[c], search.spread[c], size, rng)
            for c, rng in enumerate(rngs)
        ]
        search.run(*flat(np.stack(x)))
    return search


def flat(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return states `(condition, candidate, state)` one a row, and the condition of each."""
    n_conditions, n_candidates, n_state = x.shape
    return x.reshape(-1, n_state), np.repeat(np.arange(n_conditions), n_candidates)


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
    scales = np.array([scales_of(states) for states in sets])
    spread, cap = np.broadcast_to(scales, (len(x), 2)).T.copy()
    return spread, cap


def scales_of(states: np.ndarray) -> tuple[float, float]:
    """Return the spread of states `(n, state)`, and the longest Newton step from them."""
    return spread_of(states), longest_step(states)


def _distinct(states: np.ndarray) -> np.ndarray:
    rows = sorted({row.tobytes() for row in np.asarray(states, float)})
    return np.frombuffer(b"".join(rows)).reshape(-1, states.shape[1])
