"""The rounds of a search: from candidates to the distinct fixed points of every condition."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fpanalysis.candidates import between, visited
from fpanalysis.scales import AT_REST, coupled, longest_step, spread_of, units_of
from fpanalysis.solvers import AnySolver, DampedNewton
from fpanalysis.solvers._optimistix import run_solver
from fpanalysis.solvers._pool import Starts, solve_pool
from fpanalysis.unique import KnownPoints
from fpanalysis.vector_field import VectorField
from fpanalysis.verdict import Verdict

Progress = Callable[[int], None]
# At so many candidates it is looked at how the entries of the state depend on each other.
COUPLED_AT = 16


@dataclass
class Problem:
    """What is solved, and how.

    Args:
        field: the vector field.
        u: inputs, `(condition, input)`.
        solver: the solver.
        tol: tolerance at which a solve has arrived.
        progress: called with the number of candidates that have ended.
        verdict: says what is a fixed point.
    """

    field: VectorField
    u: np.ndarray
    solver: AnySolver
    tol: float
    progress: Progress
    verdict: Verdict


@dataclass
class Search:
    """A search under way, and what it has found.

    Args:
        problem: what is solved.
        scale: spread of the candidates in every entry, `(condition, state)`.
        cap: longest Newton step in that unit, `(condition,)`.
    """

    problem: Problem
    scale: np.ndarray
    cap: np.ndarray
    known: KnownPoints = field(init=False)
    n_candidates: np.ndarray = field(init=False)
    n_dropped: np.ndarray = field(init=False)
    _hits: np.ndarray = field(init=False)
    _tried: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        verdict = self.problem.verdict
        self.known = KnownPoints(self.scale, self.problem.field.is_periodic, verdict.precision.distinct)
        self.n_candidates, self.n_dropped = np.zeros((2, len(self.problem.u)), int)
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
        problem = self.problem
        cap, progress = self.cap, problem.progress if are_candidates else _ignore
        begin = x
        if isinstance(problem.solver, DampedNewton):
            cap = np.minimum(cap, problem.solver.cap)
        else:
            # Another solver stops at its own tolerances: its ends are polished and told apart like ours.
            begin = run_solver(problem.field, problem.solver, x, problem.u[condition], progress)
            progress = _ignore
        starts = Starts(begin, condition, problem.u, self.scale, cap)
        verdict = problem.verdict
        ends = solve_pool(
            problem.field, starts, problem.tol, verdict, progress, self.known, eps=verdict.precision.eps
        )
        counts = np.bincount(ends.point[ends.point >= 0], minlength=self.known.count)
        self._hits = np.pad(self._hits, ((0, 0), (0, self.known.count - self._hits.shape[1])))
        self._hits[0 if are_candidates else 1] += counts
        if are_candidates:
            self.n_candidates += np.bincount(condition, minlength=len(problem.u))
            self._tried.append((condition, x, ends.last))

    def tried(self, condition: int) -> np.ndarray:
        """Return where the failed candidates of a condition ended, and all that it began from."""
        rows = [(x[c == condition], last[c == condition]) for c, x, last in self._tried]
        return np.concatenate([last for _, last in rows] + [x for x, _ in rows])


def _ignore(n: int) -> None:
    del n


def search_given(problem: Problem, x: np.ndarray) -> Search:
    """Search from candidates that the caller gives, `(condition, candidate, state)`, all of them."""
    search = Search(problem, *_scales(problem, x))
    search.run(*flat(x))
    return search


def search_drawn(problem: Problem, n: int, seed: int) -> Search:
    """Search from `n` candidates for each condition that the package draws.

    The first half are states that the model visits, with noise; the others are drawn in three rounds
    between the points that are known by then, which finds the rare saddles that the first half misses.
    """
    u = problem.u
    first, scale = visited(problem.field, u, n - n // 2, seed)
    cap = np.array([longest_step(x, spread) for x, spread in zip(first, scale, strict=True)])
    search = Search(problem, scale, cap)
    search.run(*flat(first))
    for turn, size in enumerate(_later_rounds(n // 2), start=1):
        rngs = [np.random.default_rng([seed, turn]) for _ in u]
        x = [_draw_between(search, c, first[c], size, rng) for c, rng in enumerate(rngs)]
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
    search: Search, condition: int, visited: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    points, spread = search.known.of(condition).x, search.scale[condition]
    # Sorted, so that the draw does not depend on the order in which the points were found.
    points = points[sorted_rows(points, search.known.distinct * spread)]
    if len(points) >= 2:
        return between(points, spread, n, rng)
    return visited[rng.integers(len(visited), size=n)] + spread * rng.standard_normal((n, visited.shape[1]))


def sorted_rows(x: np.ndarray, distinct: np.ndarray) -> np.ndarray:
    """Return the order of states `(n, state)` by their coordinates, rounded to the distance `(state,)`."""
    return np.lexsort(np.round(x / distinct).T[::-1])


def _scales(problem: Problem, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spread of every condition's candidates, `(condition, state)`, and its longest step.

    Both are those of the distinct candidates in a fixed order: repeated or permuted, they are the same.
    """
    shared = len(x) > 1 and x.strides[0] == 0  # one array of candidates, seen from every condition
    sets = zip(x[:1] if shared else x, problem.u, strict=False)
    found = [_scales_of(problem, _distinct(states), u) for states, u in sets]
    spread = np.broadcast_to(np.stack([spread for spread, _ in found]), (len(x), x.shape[2]))
    return spread.copy(), np.broadcast_to([cap for _, cap in found], len(x)).copy()


def _scales_of(problem: Problem, states: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the spread of states `(n, state)` in every entry, and the longest Newton step from them."""
    field, units = problem.field, units_of(problem.field)
    spread = spread_of(states, units.blocks)
    if units.are_activities:
        spread = np.maximum(spread, AT_REST)
    else:
        some = states[:: max(1, len(states) // COUPLED_AT)][:COUPLED_AT]
        jacobian = problem.verdict.jacobians(some, np.broadcast_to(u, (len(some), len(u))))
        spread = coupled(spread, jacobian, field.time_domain == "discrete")
    spread[field.is_periodic] = 1.0
    return spread, longest_step(states, spread)


def _distinct(states: np.ndarray) -> np.ndarray:
    rows = sorted({row.tobytes() for row in np.asarray(states, float)})
    return np.frombuffer(b"".join(rows)).reshape(-1, states.shape[1])
