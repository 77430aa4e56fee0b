"""A search in which neighbouring conditions are solved from each other's points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpanalysis.search import Problem, Search
from fpanalysis.solvers._pool import turns

FIRST = 16
# Bounds that only a search which would go on for ever meets.
MOST_PASSES = 256
MOST_POINTS = 512


@dataclass(frozen=True)
class Trail:
    """Conditions that have neighbours, and what they start from.

    Args:
        links: the neighbours of every condition.
        asked: the conditions that get candidates of their own.
        draw: returns candidates `(start, state)` for some conditions, the same number for each, in order.
        n_candidates: how many for each.
    """

    links: list[np.ndarray]
    asked: np.ndarray
    draw: Callable[[np.ndarray], np.ndarray]
    n_candidates: int


def search_neighbours(
    problem: Problem, trail: Trail, scale: np.ndarray, cap: float, exhaustive: bool
) -> Search:
    """Search from candidates, and from the points of neighbouring conditions.

    A few candidates of each condition come first. Every isolated point that is found is a start for the
    neighbouring conditions, until that brings nothing new or a bound is met. (Along a continuum something
    new always turns up.) The other candidates are spared where they would bring nothing either: where no
    point was reached by one candidate only (`coverage` is 1), and all that the neighbours' points lead to
    was found by the candidates as well. Conditions that are left without a point get candidates too.

    Args:
        problem: what is solved.
        trail: the conditions and their candidates.
        scale: spread of the states in every entry, `(state,)`.
        cap: the longest Newton step in that unit.
        exhaustive: whether to run all candidates in any case.

    Returns:
        The search.
    """
    n = len(problem.u)
    search = Search(problem, np.tile(scale, (n, 1)), np.full(n, cap))
    x, condition = trail.draw(trail.asked), np.repeat(trail.asked, trail.n_candidates)
    first = np.ones(len(x), bool) if exhaustive else turns(condition) < FIRST
    search.run(x[first], condition[first])
    handed = _Handed(trail.links, n)
    handed.spread(search)
    later = np.flatnonzero(~first)
    wanted = ~_is_enough(search)[condition[later]]
    problem.progress(int((~wanted).sum()))
    search.run(x[later[wanted]], condition[later[wanted]])
    handed.spread(search)
    without = np.setdiff1d(np.arange(n), np.append(search.known.condition[: search.known.count], trail.asked))
    if len(without):
        search.run(trail.draw(without), np.repeat(without, trail.n_candidates))
        handed.spread(search)
    return search


class _Handed:
    """What has been handed on to neighbouring conditions.

    Args:
        links: the neighbours of every condition.
        n_conditions: how many conditions there are.
    """

    def __init__(self, links: list[np.ndarray], n_conditions: int) -> None:
        self._links, self._count, self._sent, self._passes = links, np.zeros(n_conditions, int), 0, 0

    def spread(self, search: Search) -> None:
        """Start in the neighbouring conditions from every isolated known point that was not sent before.

        Points that turn up on the way go on to the neighbours in their turn.
        """
        known = search.known
        while self._sent < known.count:
            points = np.arange(self._sent, known.count)
            self._sent = known.count
            points = self._within_bounds(search, points[known.is_isolated[points]])
            targets = [self._links[known.condition[k]] for k in points]
            x = np.repeat(known.x[points], [len(each) for each in targets], axis=0)
            if len(x):
                search.run(x, np.concatenate(targets), are_candidates=False)

    def _within_bounds(self, search: Search, points: np.ndarray) -> np.ndarray:
        """Return which points may be handed on; the others are counted as dropped."""
        condition = search.known.condition[points]
        allowed = self._count[condition] + turns(condition) < MOST_POINTS
        self._passes += 1
        if self._passes > MOST_PASSES:
            allowed[:] = False
        np.add.at(self._count, condition[allowed], 1)
        np.add.at(search.n_dropped, condition[~allowed], 1)
        return points[allowed]


def _is_enough(search: Search) -> np.ndarray:
    """Return in which conditions further candidates would bring nothing, `(condition,)`."""
    known, n = search.known, len(search.problem.u)
    of = known.condition[: known.count]
    ended = np.bincount(of, weights=search.hits, minlength=n)
    doubtful = np.bincount(of[search.hits <= 1], minlength=n)
    return (doubtful == 0) & (2 * ended >= search.n_candidates) & (ended > 0)
