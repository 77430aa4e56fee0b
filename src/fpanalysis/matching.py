"""Which point is which, and which mode is which, from one condition to the next, as arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpanalysis.folds import difference

# A link is refused when it is longer than this share of the distance to the nearest rival.
LONGEST = 0.5
# The same for points that nothing else is left for.
_LONGEST_LEFT_OVER = 2.0
# A link that changes the index, as only a point that meets others does, counts as so many times longer.
_INDEX_CHANGES = 3.0
# Where branches cross, half-way between two values, the mean of the sensitivities fits points both ways: what
# the two miss by themselves decides, by so much of it.
_TIE = 1e-6
# A mode becomes one of the other kind (real, complex) only where that overlaps so much better.
_TYPE_MARGIN = 1e-3


class PointSet(NamedTuple):
    """The points of one condition.

    Attributes:
        x: states, `(k, state)`.
        u: the input, `(input,)`.
        shift: how far each point moves per unit of each input, `(k, state, input)`; None if not known.
        index: 1, −1, or 0 where it is not known, `(k,)`; see `folds.indices`.
    """

    x: np.ndarray
    u: np.ndarray
    shift: np.ndarray | None
    index: np.ndarray


class Links(NamedTuple):
    """Which points of two conditions are the same.

    Attributes:
        first: indices in the first condition, `(n,)`.
        second: indices in the second, `(n,)`.
        confidence: of each link, from 0 to 1, `(n,)`.
    """

    first: np.ndarray
    second: np.ndarray
    confidence: np.ndarray


def link_points(
    a: PointSet,
    b: PointSet,
    periodic: np.ndarray,
    left_over: tuple[np.ndarray, np.ndarray] | None = None,
) -> Links:
    """Return which points of one condition are which in the next.

    A pair is as far apart as the prediction from its sensitivities misses: from the first point forward,
    from the second backward, from both, or no prediction at all, whichever misses least. So a point that
    moves fast is found where it has gone, and near a fold, where sensitivities are without bound, the places
    themselves decide. Links that change the index count three times. Pairs are assigned so that the sum of
    the misses is smallest. A link is refused when its miss is more than half the distance from either end to
    the nearest rival, unless there is none. Rivals are the other points of its condition; for a link that
    keeps the index only those of the same index, so that two points close to each other before they meet
    at a fold, which have opposite ones, are no rivals.

    The confidence is 1 minus the miss, relative to that of the best rival of either end, and less for links
    longer than half the distance; 1 without a rival.

    Args:
        a: points of the first condition.
        b: points of the second.
        periodic: which entries of the state are angles, `(state,)`.
        left_over: the only points of both, by row, that are to be linked, in a second attempt: links may be
            twice as long as the distance to the nearest rival, if both ends have the same, known index.
    """
    none = np.zeros(0, int)
    if len(a.x) == 0 or len(b.x) == 0:
        return Links(none, none, np.zeros(0))
    rows, columns = (np.arange(len(a.x)), np.arange(len(b.x))) if left_over is None else left_over
    miss = misses(a, b, periodic)
    both = _miss_of_both(a, b, periodic)
    ranked = miss if both is None else miss + _TIE * np.where(np.isfinite(both), both, 0.0)
    i, j = _best(ranked[np.ix_(rows, columns)])
    first, second = rows[i], columns[j]
    own, same = miss[first, second], a.index[first] * b.index[second] >= 0
    longest = LONGEST if left_over is None else _LONGEST_LEFT_OVER
    reach = np.minimum(spacing(a, periodic, first, same), spacing(b, periodic, second, same))
    kept = own <= longest * reach
    if left_over is not None:
        kept &= a.index[first] * b.index[second] > 0
    first, second, own, reach = first[kept], second[kept], own[kept], reach[kept]
    shorter = np.divide(LONGEST * reach, own, out=np.ones_like(own), where=own > LONGEST * reach)
    return Links(first, second, _confidence(miss, first, second, own) * shorter)


def goes_to(points: PointSet, others: PointSet, periodic: np.ndarray) -> np.ndarray:
    """Return for each point the one of a neighbouring condition that it becomes, or comes from, `(k,)`.

    Indices play no part; there has to be another point.
    """
    return misses(_without_index(points), _without_index(others), periodic).argmin(axis=1)


def link_across(a: PointSet, b: PointSet, periodic: np.ndarray) -> Links | None:
    """Return which points are the same on both sides of a degenerate one, in which all of them meet.

    Where branches cross, as at a transcritical bifurcation, they exchange their indices, and the mean of the
    sensitivities fits them both ways. What tells is that the predictions forward and backward are both right.

    Args:
        a: the points that go into it.
        b: the points that come from it, as many.
        periodic: which entries of the state are angles, `(state,)`.

    Returns:
        The links; None if a sensitivity is not known.
    """
    miss = _miss_of_both(a, b, periodic)
    if miss is None or not np.isfinite(miss).all():
        return None
    first, second = _best(miss)
    return Links(first, second, _confidence(miss, first, second, miss[first, second]))


def _miss_of_both(a: PointSet, b: PointSet, periodic: np.ndarray) -> np.ndarray | None:
    """Return by how much the predictions forward and backward miss together, `(k, l)`; None without them."""
    if a.shift is None or b.shift is None:
        return None
    moved, change = difference(b.x[None], a.x[:, None], periodic), b.u - a.u
    with np.errstate(invalid="ignore", over="ignore"):
        forward, backward = (a.shift @ change)[:, None], (b.shift @ change)[None]
        return np.linalg.norm(moved - forward, axis=-1) + np.linalg.norm(moved - backward, axis=-1)


def _without_index(points: PointSet) -> PointSet:
    return points._replace(index=np.zeros_like(points.index))


def _best(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the assignment of rows to columns with the smallest sum."""
    from scipy.optimize import linear_sum_assignment  # a sixth of the package's import time

    return linear_sum_assignment(cost)


def misses(a: PointSet, b: PointSet, periodic: np.ndarray) -> np.ndarray:
    """Return how far each pair is from being the same point, `(k, l)`; threefold where the index changes."""
    moved = difference(b.x[None], a.x[:, None], periodic)
    found = [np.linalg.norm(moved, axis=-1)]
    if a.shift is not None and b.shift is not None:
        change = b.u - a.u
        with np.errstate(invalid="ignore", over="ignore"):  # singular systems have infinite shifts
            forward, backward = (a.shift @ change)[:, None], (b.shift @ change)[None]
            for expected in (forward, backward, 0.5 * (forward + backward)):
                found.append(np.linalg.norm(moved - expected, axis=-1))
    changes = a.index[:, None] * b.index[None] < 0
    return np.fmin.reduce(found) * np.where(changes, _INDEX_CHANGES, 1.0)


def spacing(points: PointSet, periodic: np.ndarray, rows: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Return the distance of some points to the nearest other, of the same index where asked for."""
    distance = np.linalg.norm(difference(points.x[rows, None], points.x[None], periodic), axis=-1)
    distance[np.arange(len(rows)), rows] = np.inf
    opposite = points.index[rows, None] * points.index[None] < 0
    return np.where(same[:, None] & opposite, np.inf, distance).min(axis=1)


def _confidence(miss: np.ndarray, first: np.ndarray, second: np.ndarray, own: np.ndarray) -> np.ndarray:
    rivals = np.pad(miss, ((0, 1), (0, 1)), constant_values=np.inf)
    out = np.ones(len(first))
    for n, (i, j) in enumerate(zip(first, second, strict=True)):
        rival = min(np.delete(rivals[i], j).min(), np.delete(rivals[:, j], i).min())
        if np.isfinite(rival):
            out[n] = np.clip(1.0 - own[n] / rival, 0.0, 1.0) if rival > 0 else 0.0
    return out


class Modes(NamedTuple):
    """The modes of one point: eigenvalues `(mode,)`, right `(state, mode)` and left `(mode, state)` vectors.

    `is_defective` `(mode,)` says which left vectors are not to be used.
    """

    value: NDArray[np.complex128]
    right: np.ndarray
    left: np.ndarray
    is_defective: np.ndarray


class Match(NamedTuple):
    """Which modes of two points are the same.

    Attributes:
        mode: the mode of the second point that each mode of the first becomes, `(mode,)`.
        confidence: from 0 to 1, `(mode,)`.
        collides: whether it becomes one of a complex pair and was real, or the reverse, `(mode,)`.
        crosses: whether it and another one, not its conjugate, exchange their order, `(mode,)`.
    """

    mode: np.ndarray
    confidence: np.ndarray
    collides: np.ndarray
    crosses: np.ndarray


def match_modes(a: Modes, b: Modes) -> Match:
    """Return which modes of one point are which of a neighbouring one, by the overlap of their eigenvectors.

    The overlap of two modes is `|w_a^H v_b| |w_b^H v_a|`: 1 for equal modes and 0 for different ones of one
    matrix, however far from normal it is. (Of defective modes it is `|v_a^H v_b|²`.) Modes are assigned so
    that the sum of the overlaps is largest, conjugate pairs as one, the positive imaginary part to the
    positive one. The confidence is the overlap, at most 1, times 1 minus the relative overlap of the best
    rival.

    Args:
        a: modes of the first point, in order.
        b: modes of the second.
    """
    overlap = _overlaps(a, b)
    mode = _assigned(a.value, b.value, overlap)
    own = overlap[np.arange(len(mode)), mode]
    collides = (a.value.imag == 0) != (b.value.imag[mode] == 0)
    confidence = np.where(collides, 0.0, np.clip(own, 0.0, 1.0) * (1.0 - _rivals(overlap, mode, own)))
    return Match(mode, confidence, collides, _crossings(a.value, mode))


def _overlaps(a: Modes, b: Modes) -> np.ndarray:
    overlap = np.abs(a.left.conj() @ b.right) * np.abs(b.left.conj() @ a.right).T
    odd = a.is_defective[:, None] | b.is_defective[None]
    if odd.any():
        overlap = np.where(odd, np.abs(a.right.conj().T @ b.right) ** 2, overlap)
    return overlap


def _assigned(a: NDArray[np.complex128], b: NDArray[np.complex128], overlap: np.ndarray) -> np.ndarray:
    """Return the assignment of modes, conjugate pairs kept together."""
    mode = np.full(len(a), -1)
    mine, theirs = np.flatnonzero(a.imag >= 0), np.flatnonzero(b.imag >= 0)
    score = np.minimum(overlap, 1.0)[np.ix_(mine, theirs)]
    score -= _TYPE_MARGIN * ((a[mine].imag > 0)[:, None] != (b[theirs].imag > 0)[None])
    for i, j in zip(*_best(-score), strict=True):
        m, n = int(mine[i]), int(theirs[j])
        mode[m] = n
        if a[m].imag > 0 and b[n].imag > 0:
            mode[_conjugate(a, m)] = _conjugate(b, n)
    # What is left belongs to pairs that came apart or together: the other halves.
    left, free = np.flatnonzero(mode < 0), np.setdiff1d(np.arange(len(b)), mode)
    if len(left):
        rows, columns = _best(-np.minimum(overlap, 1.0)[np.ix_(left, free)])
        mode[left[rows]] = free[columns]
    return mode


def _conjugate(value: NDArray[np.complex128], m: int) -> int:
    """Return the partner of a mode with positive imaginary part."""
    return (
        m + 1
        if m + 1 < len(value) and value[m + 1].imag < 0
        else int(np.argmin(abs(value - value[m].conj())))
    )


def _rivals(overlap: np.ndarray, mode: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the best other overlap of each mode or of what it becomes, relative to its own, at most 1."""
    rows = np.arange(len(mode))
    other = overlap.copy()
    other[rows, mode] = 0.0
    best = np.maximum(other.max(axis=1, initial=0.0), other.max(axis=0, initial=0.0)[mode])
    return np.minimum(best / np.maximum(own, np.finfo(float).tiny), 1.0)


def _crossings(value: NDArray[np.complex128], mode: np.ndarray) -> np.ndarray:
    before = np.arange(len(mode))
    exchanged = (before[:, None] < before) != (mode[:, None] < mode)
    is_pair = value[:, None] == value.conj()
    np.fill_diagonal(exchanged, False)
    return np.any(exchanged & ~is_pair, axis=1)
