"""Which points are the same: the distinct fixed points found so far, and what is certain to end at one."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

DISTINCT = 1e-6
CONTRACTION = 0.1
INVERSE_BYTES = 256 * 2**20
# States so near to each other, in units of the scale, differ by rounding: on two sides of a kink, perhaps.
ROUNDING = 1e-14
# A state farther from a point that is not isolated, in units of the scale, may lead elsewhere.
MOST_REACH = 1e-3
# So many of the nearest by the expanded square are looked at again, since it loses half the digits.
NEAREST = 4


class Selection(NamedTuple):
    """Points `(k, state)` and their indices among all that are known `(k,)`."""

    x: np.ndarray
    index: np.ndarray


class NewPoint(NamedTuple):
    """A point that is known to be fixed.

    Attributes:
        x: the state, `(state,)`.
        f: what vanishes there, in units of the scale, `(state,)`.
        error: how far the true point may lie, in units of the scale, `(state,)`; infinite on a continuum.
        is_isolated: whether it is known to be the only point within its error.
        inverse: `(I − J)⁻¹`, up to its sign, in units of the scale, `(state, state)`; None where singular.
    """

    x: np.ndarray
    f: np.ndarray
    error: np.ndarray
    is_isolated: bool
    inverse: np.ndarray | None


@dataclass
class KnownPoints:
    """The distinct fixed points of all conditions, while they are being found.

    Every point belongs to a condition. Distances are compared within a condition only, every entry in
    units of its scale.

    Args:
        scale: spread of the candidates in every entry of the state, `(condition, state)`.
        periodic: which entries are angles, `(state,)`: whole turns apart they are the same. None are if left
            out.
        distinct: distance, in every entry, below which two results can be the same point.
    """

    scale: np.ndarray
    periodic: np.ndarray | None = None
    distinct: float = DISTINCT
    x: np.ndarray = field(init=False)
    error: np.ndarray = field(init=False)
    f: np.ndarray = field(init=False)
    condition: np.ndarray = field(init=False)
    is_isolated: np.ndarray = field(init=False)
    reach: np.ndarray = field(init=False)
    inverse: dict[int, np.ndarray] = field(init=False, default_factory=dict)
    count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        n_state = self.scale.shape[1]
        self.x, self.f, self.error = np.empty((3, 16, n_state))
        self.condition, self.is_isolated = np.empty(16, int), np.empty(16, bool)
        self.reach = np.zeros(16)
        if self.periodic is not None and not np.any(self.periodic):
            self.periodic = None

    def wrapped(self, x: np.ndarray) -> np.ndarray:
        """Return states `(..., state)` with their angles in (−π, π]."""
        return x if self.periodic is None else np.where(self.periodic, wrap(x), x)

    def between(self, x: np.ndarray, y: np.ndarray, condition: np.ndarray | int | np.integer) -> np.ndarray:
        """Return `x − y` in units of the scale, `(..., state)`, angles the short way round."""
        return self.wrapped(x - y) / self.scale[condition]

    def add(self, point: NewPoint, condition: int) -> int:
        """Keep a new point and return its index."""
        if self.count == len(self.x):
            for name in ("x", "f", "error", "condition", "is_isolated", "reach"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
        k, self.count = self.count, self.count + 1
        self.x[k], self.f[k], self.error[k] = point.x, point.f, point.error
        self.condition[k], self.is_isolated[k] = condition, point.is_isolated
        if point.inverse is not None:
            self.inverse[k] = point.inverse
            if len(self.inverse) * point.inverse.nbytes > INVERSE_BYTES:
                # The oldest goes: conditions come in turn, and its own is most likely finished.
                del self.inverse[next(iter(self.inverse))]
        return k

    def of(self, condition: int) -> Selection:
        """Return the points of one condition."""
        rows = np.flatnonzero(self.condition[: self.count] == condition)
        return Selection(self.x[rows], rows)

    def improve(self, k: int, x: np.ndarray, f: np.ndarray) -> None:
        """Keep the state of a start that ended at isolated point `k` if its residual is smaller everywhere.

        The point's error was that of the state that was judged: it grows by how far the two are apart.
        """
        size, known = np.abs(f), np.abs(self.f[k])
        if self.is_isolated[k] and np.all(size <= known) and np.any(size < known):
            self.error[k] += np.abs(self.between(x, self.x[k], self.condition[k]))
            self.x[k], self.f[k] = x, f

    def nearest(self, x: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the index of the nearest known point of its condition for every state, and the distance.

        The distance is the 2-norm, in units of the scale. The index is −1 and the distance infinite where a
        condition has no point yet.
        """
        none = np.full(len(x), -1), np.full(len(x), np.inf)
        if self.count == 0 or len(x) == 0:
            return none
        wanted = np.flatnonzero(np.isin(self.condition[: self.count], condition))
        if len(wanted) == 0:
            return none
        of = self.condition[wanted]
        square = self._squares(x, condition, wanted, of)
        square[condition[:, None] != of] = np.inf
        few = min(NEAREST, len(wanted))
        nearby = np.argpartition(square, few - 1, axis=1)[:, :few]
        gap = self.between(x[:, None], self.x[wanted[nearby]], condition[:, None])
        distance = np.linalg.norm(gap, axis=-1)
        distance[condition[:, None] != of[nearby]] = np.inf
        rows, best = np.arange(len(x)), np.argmin(distance, axis=1)
        distance = distance[rows, best]
        return np.where(np.isinf(distance), -1, wanted[nearby[rows, best]]), distance

    def _squares(
        self, x: np.ndarray, condition: np.ndarray, wanted: np.ndarray, of: np.ndarray
    ) -> np.ndarray:
        """Return squared distances, less what is the same for all points, from the middle of each condition.

        By one product of matrices; far from the middle it loses digits.
        """
        points, states = self._unrolled(self.x[wanted], of), self._unrolled(x, condition)
        middle = np.zeros((len(self.scale), points.shape[1]))
        np.add.at(middle, of, points)
        middle /= np.maximum(np.bincount(of, minlength=len(middle)), 1)[:, None]
        points, states = points - middle[of], states - middle[condition]
        return np.sum(points**2, axis=1) - 2.0 * states @ points.T

    def same(self, x: np.ndarray, f: np.ndarray, k: int, play: np.ndarray | float = 0.0) -> bool:
        """Return whether a converged state is known point `k`.

        It is when it lies within the distinctness distance in every entry, or the two errors, unless the two
        are farther apart than the errors explain and Newton from one does not lead to the other. Of a point
        that is not isolated everything within its error is a copy; on a continuum the distance alone decides.

        Args:
            x: the state, `(state,)`.
            f: what vanishes there, in units of the scale, `(state,)`.
            k: index of the known point; −1 for none.
            play: the state's own error where it is known, in units of the scale.
        """
        if k < 0:
            return False
        gap = self.between(x, self.x[k], self.condition[k])
        size, error = np.abs(gap), self.error[k]
        play = np.where(np.isfinite(play), play, 0.0)
        if not self.is_isolated[k]:
            reach = np.where(np.isfinite(error), error, 0.0) + play
            return bool(np.all(size <= np.maximum(reach, self.distinct)))
        if np.any(size > np.maximum(self.distinct, error + play)):
            return False
        if k not in self.inverse or np.all(size <= 8.0 * error + play + ROUNDING):
            return True
        return bool(np.linalg.norm(gap - self.inverse[k] @ f) <= 0.5 * np.linalg.norm(gap))

    def reach_from(self, k: int, x: np.ndarray) -> None:
        """Remember that a state led to point `k`, which is not isolated: others between them do so too."""
        gap = float(np.max(np.abs(self.between(x, self.x[k], self.condition[k]))))
        self.reach[k] = min(max(self.reach[k], gap), MOST_REACH)

    def covering(self, x: np.ndarray, condition: int) -> int:
        """Return the known point, not isolated, to which a state near it leads, or −1."""
        k = int(self.nearest(x[None], np.array([condition]))[0][0])
        if k < 0 or self.is_isolated[k]:
            return -1
        return k if np.max(np.abs(self.between(x, self.x[k], condition))) <= self.reach[k] else -1

    def certain(
        self, x: np.ndarray, f: np.ndarray, before: np.ndarray, k: np.ndarray, distance: np.ndarray
    ) -> np.ndarray:
        """Return for which of several states it is certain that Newton ends at its nearest known point.

        Two things must hold after a full Newton step: it halved the distance to the point at least, and the
        simplified Newton step from here, with the Jacobian of the known point, lands ten times nearer to
        it. Then the function is as good as linear in between (Deuflhard 2011, *Newton Methods for Nonlinear
        Problems*, chapter 2: an affine-covariant contraction below ¼ means convergence).

        Args:
            x: states, `(n, state)`.
            f: values there in units of the scale, `(n, state)`.
            before: states before the step, `(n, state)`.
            k: nearest known points, `(n,)`.
            distance: distances to them in units of the scale, `(n,)`.

        Returns:
            Flags, `(n,)`.
        """
        out = np.zeros(len(x), bool)
        near = np.flatnonzero(k >= 0)
        near = near[self.is_isolated[k[near]]]
        point = k[near]
        moved = np.linalg.norm(self.between(before[near], self.x[point], self.condition[point]), axis=1)
        near = near[distance[near] <= 0.5 * moved]
        for point in np.unique(k[near]):
            if point not in self.inverse:
                continue
            mine = near[k[near] == point]
            gap = self.between(x[mine], self.x[point], self.condition[point])
            miss = gap - f[mine] @ self.inverse[point].T
            out[mine] = np.linalg.norm(miss, axis=1) <= CONTRACTION * distance[mine]
        return out

    def _unrolled(self, x: np.ndarray, condition: np.ndarray) -> np.ndarray:
        """Return states in units of the scale, a point on the circle for every angle: near ones are near."""
        scaled = x / self.scale[condition]
        if self.periodic is None:
            return scaled
        angle = x[:, self.periodic]
        return np.concatenate([scaled[:, ~self.periodic], np.cos(angle), np.sin(angle)], axis=1)


def wrap(angle: np.ndarray) -> np.ndarray:
    """Return angles (rad) in (−π, π]; those that are there already keep every bit."""
    turned = angle - 2 * np.pi * np.ceil((angle - np.pi) / (2 * np.pi))
    turned = np.where(turned <= -np.pi, np.pi, turned)  # by rounding
    return np.where((angle > -np.pi) & (angle <= np.pi), angle, turned)
