"""What becomes of the points of one condition in the next: which stay, which end or begin, and how."""

from typing import NamedTuple

import numpy as np

from fpanalysis.folds import STEPS, difference, fold_pairs, steps_to_meeting
from fpanalysis.matching import Links, PointSet, link_points, misses, spacing

# A pair ends where another begins, in the same step, only if they lie so many times further apart than wide.
_APART = 2.0
# Confidence in points that begin although the indices of all points do not add up.
_UNBALANCED = 0.5


class Transition(NamedTuple):
    """What becomes of points. Points of both conditions are given by their row.

    Attributes:
        links: which points stay.
        lost: which end, of the first condition.
        lost_at_fold: whether each ends at a fold.
        born: which begin, of the second condition.
        born_at_fold: whether each begins at a fold.
        born_confidence: how sure it is that each was not there before, from 0 to 1.
        split: each point that begins and the one of the first condition, a degenerate one, that may stand for
            the fold of both, `(n, 2)`.
        merged: each point that ends and the one of the second condition, a degenerate one, that may stand for
            the fold of both, `(n, 2)`.
    """

    links: Links
    lost: np.ndarray
    lost_at_fold: np.ndarray
    born: np.ndarray
    born_at_fold: np.ndarray
    born_confidence: np.ndarray
    split: np.ndarray
    merged: np.ndarray


def transition(a: PointSet, b: PointSet, periodic: np.ndarray) -> Transition:
    """Return which points of one condition are which in the next, and which end or begin there, and how.

    What `link_points` leaves over on both sides is linked after all, with less confidence, as far as
    the number of points allows: that one ends and another begins in the same step takes two coincidences.
    The exception are pairs on both sides that meet at a fold (`steps_to_meeting`) within the step, and lie
    further apart than they are wide. A branch ends or begins at a fold if it is one of such a pair; without
    sensitivities no fold is seen.

    Args:
        a: points of the first condition.
        b: points of the second.
        periodic: which entries of the state are angles, `(state,)`.
    """
    sides = (_Side(a, b.u - a.u, periodic), _Side(b, a.u - b.u, periodic))
    links = link_points(a, b, periodic)
    lost, born = _left(a, links.first), _left(b, links.second)
    if len(lost) and len(born):
        ends, begins = _rest(sides, lost, born)
        more = link_points(a, b, periodic, (ends, begins))
        links = Links(*(np.concatenate(parts) for parts in zip(links, more, strict=True)))
        lost, born = _left(a, links.first), _left(b, links.second)
    lost_at_fold, merged = _at_folds(sides[0], lost, links.first, links.second, sides[1])
    born_at_fold, split = _at_folds(sides[1], born, links.second, links.first, sides[0])
    confidence = _born_confidence(a, b, periodic, lost, born, born_at_fold)
    return Transition(links, lost, lost_at_fold, born, born_at_fold, confidence, split, merged)


class _Side:
    """The points of one condition, and how they move towards the other."""

    def __init__(self, points: PointSet, change: np.ndarray, periodic: np.ndarray) -> None:
        self.points, self.periodic = points, periodic
        self.move = None
        if points.shift is not None:
            with np.errstate(invalid="ignore"):  # infinite shifts along inputs that do not change
                self.move = points.shift @ change

    def steps(self, rows: np.ndarray) -> np.ndarray:
        """Return after how many steps pairs of some points meet, `(k, k)`."""
        if self.move is None:
            return np.full((len(rows), len(rows)), np.inf)
        points = self.points
        return steps_to_meeting(points.x[rows], self.move[rows], points.index[rows], self.periodic)

    def is_degenerate(self, rows: np.ndarray) -> np.ndarray:
        """Return which of some points have no finite sensitivity."""
        if self.points.shift is None:
            return np.zeros(len(rows), bool)
        return np.asarray(~np.isfinite(self.points.shift[rows]).all(axis=(1, 2)))


def _left(points: PointSet, linked: np.ndarray) -> np.ndarray:
    return np.setdiff1d(np.arange(len(points.x)), linked)


def _rest(sides: tuple[_Side, _Side], lost: np.ndarray, born: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left-over points of both conditions without the pairs that end or begin between them."""
    ends = [(lost[i], lost[j]) for i, j in fold_pairs(sides[0].steps(lost))]
    begins = [(born[i], born[j]) for i, j in fold_pairs(sides[1].steps(born))]
    surplus = (len(lost) - len(born)) // 2
    gone, ends = ends[: max(surplus, 0)], ends[max(surplus, 0) :]
    new, begins = begins[: max(-surplus, 0)], begins[max(-surplus, 0) :]
    for pair in ends:
        for other in begins:
            if other not in new and _are_apart(sides, pair, other):
                gone.append(pair)
                new.append(other)
                break
    return np.setdiff1d(lost, gone), np.setdiff1d(born, new)


def _are_apart(sides: tuple[_Side, _Side], pair: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether a pair of one condition and one of the other are too far apart to be the same points."""
    periodic = sides[0].periodic
    x, y = sides[0].points.x[list(pair)], sides[1].points.x[list(other)]
    width = sum(float(np.linalg.norm(difference(z[0], z[1], periodic))) for z in (x, y))
    between = np.linalg.norm(difference(x[:, None], y[None], periodic), axis=-1).min()
    return bool(between > _APART * width)


def _at_folds(
    side: _Side, rows: np.ndarray, stay: np.ndarray, become: np.ndarray, other: _Side
) -> tuple[np.ndarray, np.ndarray]:
    """Return which points end at a fold, and those for which one of the other condition may stand for it.

    The partner of a point may live on as a degenerate one, where the condition is that of the fold itself.
    Where two points could be its partners, it is no fold, but a pitchfork.
    """
    into = other.is_degenerate(become)
    near = np.concatenate([rows, stay[into]])
    steps = side.steps(near)
    partners = (steps[:, : len(rows)] <= STEPS).sum(axis=1)
    is_fork = (np.arange(len(near)) >= len(rows)) & (partners > 1)
    steps[is_fork], steps[:, is_fork] = np.inf, np.inf
    pairs = fold_pairs(steps)
    met = np.zeros(len(near), bool)
    met[[k for pair in pairs for k in pair]] = True
    last = [(rows[i], become[into][j - len(rows)]) for i, j in pairs if i < len(rows) <= j]
    return met[: len(rows)], np.array(last, int).reshape(-1, 2)


def _born_confidence(
    a: PointSet, b: PointSet, periodic: np.ndarray, lost: np.ndarray, born: np.ndarray, at_fold: np.ndarray
) -> np.ndarray:
    """Return how sure it is that points were not there before."""
    out = np.where(at_fold | (a.index.sum() == b.index.sum()), 1.0, _UNBALANCED)
    if len(lost) == 0 or len(born) == 0:
        return out
    own = misses(a, b, periodic)[np.ix_(lost, born)].min(axis=0)
    reach = spacing(b, periodic, born, np.ones(len(born), bool))
    share = np.divide(own, own + reach, out=np.zeros_like(own), where=np.isfinite(reach))
    return out * share
