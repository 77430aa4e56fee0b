"""A search in which neighbouring conditions are solved from each other's points."""

import numpy as np

from fpanalysis.search import Problem, Search
from fpanalysis.solvers._pool import turns

FIRST = 16


def search_neighbours(
    problem: Problem,
    x: np.ndarray,
    condition: np.ndarray,
    scales: tuple[float, float],
    links: list[np.ndarray],
    exhaustive: bool,
) -> Search:
    """Search from candidates, and from the points of neighbouring conditions.

    A few candidates of each condition come first. Every point that is found is a start for the neighbouring
    conditions, until that brings nothing new. The other candidates are spared where they would bring nothing
    either: where no point was reached by one candidate only (`coverage` is 1), and all that the neighbours'
    points lead to was found by the candidates as well.

    Args:
        problem: what is solved.
        x: candidates, `(start, state)`.
        condition: the condition of each, `(start,)`, in the order in which they are to be tried. Conditions
            without candidates are solved from their neighbours alone.
        scales: root-mean-square spread of the states, and the longest Newton step.
        links: the neighbours of every condition.
        exhaustive: whether to run all candidates in any case.

    Returns:
        The search.
    """
    spread, cap = (np.full(len(problem.u), scale) for scale in scales)
    search = Search(problem, spread, cap)
    first = np.ones(len(x), bool) if exhaustive else turns(condition) < FIRST
    search.run(x[first], condition[first])
    sent = _spread_points(search, links, 0)
    later = np.flatnonzero(~first)
    wanted = ~_is_enough(search)[condition[later]]
    problem.progress(int((~wanted).sum()))
    search.run(x[later[wanted]], condition[later[wanted]])
    _spread_points(search, links, sent)
    return search


def _spread_points(search: Search, links: list[np.ndarray], sent: int) -> int:
    """Start in the neighbouring conditions from every known point that was not among the first `sent`.

    Points that turn up on the way go on to the neighbours in their turn.
    """
    known = search.known
    while sent < known.count:
        points = np.arange(sent, known.count)
        sent = known.count
        targets = [links[known.condition[k]] for k in points]
        x = np.repeat(known.x[points], [len(each) for each in targets], axis=0)
        search.run(x, np.concatenate(targets), are_candidates=False)
    return sent


def _is_enough(search: Search) -> np.ndarray:
    """Return in which conditions further candidates would bring nothing, `(condition,)`."""
    known, n = search.known, len(search.problem.u)
    of = known.condition[: known.count]
    ended = np.bincount(of, weights=search.hits, minlength=n)
    doubtful = np.bincount(of[search.hits <= 1], minlength=n)
    return (doubtful == 0) & (2 * ended >= search.n_candidates) & (ended > 0)
