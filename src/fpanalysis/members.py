"""The search for each member: which candidates it starts from, and what becomes of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpanalysis._progress import progress_bar
from fpanalysis.candidates import visited
from fpanalysis.conditions import Conditions
from fpanalysis.dataset import Effort, Points
from fpanalysis.neighbours import Trail, search_neighbours
from fpanalysis.points import finished, no_points, with_slow
from fpanalysis.scales import longest_step
from fpanalysis.search import Problem, Search, search_drawn, search_given
from fpanalysis.solvers import AnySolver
from fpanalysis.span import fresh, links_of
from fpanalysis.subject import Subject
from fpanalysis.verdict import Precision, Verdict, precision_of
from fpanalysis.visits import Visits

# Conditions of a trail whose states are pooled, where there is no controller that could visit them.
POOLED_CONDITIONS = 16


@dataclass(frozen=True)
class Plan:
    """How a search is to go.

    Args:
        subject: what is analysed.
        own: the conditions of one member.
        u: inputs of all members, `(member, condition, input)`.
        given: the caller's candidates, `(member, condition, candidate, state)`, or None.
        n_candidates: how many candidates each condition has.
        has_neighbours: whether conditions are also solved from their neighbours' points.
        exhaustive: whether all candidates run in any case.
        slow_points: whether to look for slow points.
        solver: the solver.
        tol: tolerance of a fixed point.
        seed: decides all randomness.
    """

    subject: Subject
    own: Conditions
    u: np.ndarray
    given: np.ndarray | None
    n_candidates: int
    has_neighbours: bool
    exhaustive: bool
    slow_points: bool
    solver: AnySolver
    tol: float
    seed: int


def solve_members(plan: Plan, progress: bool) -> tuple[list[Points], Effort, Precision]:
    """Return the points of all conditions of all members, members first, and how they were come by.

    Returns:
        The points of every condition; what went into them; in what precision the models compute.
    """
    subject, n_conditions = plan.subject, len(plan.own.u)
    points, counts, dropped, precision = [], [], [], precision_of(np.dtype(float))
    n_asked = plan.n_candidates * (len(fresh(plan.own)) if plan.has_neighbours else n_conditions)
    with progress_bar(len(subject.fields) * n_asked, "candidates", progress) as done:
        for k, field in enumerate(subject.fields):
            if subject.is_bad[k]:
                points += [no_points(len(field.state), len(field.outputs))] * n_conditions
                counts.append(np.zeros(n_conditions, int))
                dropped.append(np.zeros(n_conditions, int))
                done(n_asked)
                continue
            search = _search(plan, k, Problem(field, plan.u[k], plan.solver, plan.tol, done, Verdict(field)))
            found = finished(search)
            precision = max(precision, search.problem.verdict.precision, key=lambda each: each.eps)
            points += with_slow(search, found, progress) if plan.slow_points else found
            counts.append(search.n_candidates)
            dropped.append(search.n_dropped)
    is_bad = np.repeat(subject.is_bad, n_conditions)
    counted = np.concatenate(counts), np.concatenate(dropped)
    return points, Effort(*counted, is_bad, plan.has_neighbours), precision


def _search(plan: Plan, k: int, problem: Problem) -> Search:
    if plan.given is not None:
        return search_given(problem, plan.given[k])
    if not plan.has_neighbours:
        return search_drawn(problem, plan.n_candidates, plan.seed)
    draw, spread, cap = _candidates(plan, k, problem)
    trail = Trail(links_of(plan.own), fresh(plan.own), draw, plan.n_candidates)
    # Along time the candidates are there to be compared with the neighbours: all of them run.
    every = plan.exhaustive or "time" in plan.own.dims
    return search_neighbours(problem, trail, spread, cap, every)


def _candidates(
    plan: Plan, k: int, problem: Problem
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, float]:
    """Return what draws candidates for conditions, from what member `k` itself does, and their scales."""
    n, field = plan.n_candidates, problem.field
    if plan.subject.controllers:
        visits = Visits(plan.subject.controllers[k], plan.subject.force_field, field, problem.u, plan.seed)
        drawn, spread, cap = visits.draw, visits.spread, visits.cap
    else:
        asked = fresh(plan.own)
        some = problem.u[asked[:: -(-len(asked) // POOLED_CONDITIONS)]]
        pool, spreads = visited(field, some, n, plan.seed)
        states, spread = pool.reshape(-1, len(field.state)), np.median(spreads, axis=0)
        cap = longest_step(states, spread)

        def drawn(n: int, rng: np.random.Generator) -> np.ndarray:
            return states[rng.choice(len(states), n)]

    def draw(conditions: np.ndarray) -> np.ndarray:
        # Each condition has its own draw, whichever others there are.
        return np.concatenate([drawn(n, np.random.default_rng([plan.seed, int(c)])) for c in conditions])

    return draw, spread, cap
