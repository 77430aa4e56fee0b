"""Which points are the same: the distinct fixed points found so far, and what is certain to end at one."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

DISTINCT = 1e-6
CONTRACTION = 0.1
INVERSE_BYTES = 256 * 2**20


class Selection(NamedTuple):
    """Points `(k, state)` and their indices among all that are known `(k,)`."""

    x: np.ndarray
    index: np.ndarray


@dataclass
class KnownPoints:
    """The distinct fixed points of all conditions, while they are being found.

    Every point belongs to a condition. Distances are compared within a condition only.

    Args:
        distinct: distance below which two results can be the same point, one per condition.
        n_state: number of entries of the state.
        periodic: which entries are angles, `(state,)`: whole turns apart they are the same. None are if left
            out.
    """

    distinct: np.ndarray
    n_state: int
    periodic: np.ndarray | None = None
    x: np.ndarray = field(init=False)
    condition: np.ndarray = field(init=False)
    error: np.ndarray = field(init=False)
    residual: np.ndarray = field(init=False)
    inverse: dict[int, np.ndarray] = field(init=False, default_factory=dict)
    count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.x = np.empty((16, self.n_state))
        self.condition = np.empty(16, int)
        self.error, self.residual = np.empty(16), np.empty(16)
        if self.periodic is not None and not np.any(self.periodic):
            self.periodic = None

    def wrapped(self, x: np.ndarray) -> np.ndarray:
        """Return states `(..., state)` with their angles in (−π, π]."""
        return x if self.periodic is None else np.where(self.periodic, wrap(x), x)

    def add(self, x: np.ndarray, f: np.ndarray, condition: int, inverse: np.ndarray | None) -> int:
        """Keep a new point and return its index."""
        if self.count == len(self.x):
            for name in ("x", "condition", "error", "residual"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
        k, self.count = self.count, self.count + 1
        self.x[k], self.condition[k] = x, condition
        self.residual[k] = np.max(np.abs(f))
        self.error[k] = _error(x, f, inverse)
        if inverse is not None:
            self.inverse[k] = inverse
            if len(self.inverse) * inverse.nbytes > INVERSE_BYTES:
                # The oldest goes: conditions come in turn, and its own is most likely finished.
                del self.inverse[next(iter(self.inverse))]
        return k

    def of(self, condition: int) -> "Selection":
        """Return the points of one condition."""
        rows = np.flatnonzero(self.condition[: self.count] == condition)
        return Selection(self.x[rows], rows)

    def improve(self, k: int, x: np.ndarray, f: np.ndarray) -> None:
        """Keep the state of a start that ended at point `k` where its residual is smaller."""
        if (residual := np.max(np.abs(f))) < self.residual[k]:
            self.x[k], self.residual[k] = x, residual

    def nearest(self, x: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the index of the nearest known point of its condition for every state, and the distance.

        The index is −1 and the distance infinite where a condition has no point yet.
        """
        if self.count == 0 or len(x) == 0:
            return np.full(len(x), -1), np.full(len(x), np.inf)
        wanted = np.flatnonzero(np.isin(self.condition[: self.count], condition))
        if len(wanted) == 0:
            return np.full(len(x), -1), np.full(len(x), np.inf)
        points = self.x[wanted]
        flat, flat_points = self._unrolled(x), self._unrolled(points)
        square = np.sum(flat_points**2, axis=1) - 2.0 * flat @ flat_points.T
        square[condition[:, None] != self.condition[wanted]] = np.inf
        best = np.argmin(square, axis=1)
        none = np.isinf(square[np.arange(len(x)), best])
        # The expanded square loses half the digits: the distance itself is computed anew.
        distance = np.where(none, np.inf, np.linalg.norm(self.wrapped(x - points[best]), axis=1))
        return np.where(none, -1, wanted[best]), distance

    def same(self, x: np.ndarray, f: np.ndarray, k: int, distance: float) -> bool:
        """Return whether a converged state is known point `k`.

        It is when it lies within the distinctness distance, unless the two are farther apart than their
        residuals explain and Newton from one does not lead to the other.
        """
        if k < 0 or distance > self.distinct[self.condition[k]]:
            return False
        if distance <= self.error[k] or k not in self.inverse:
            return True
        delta = self.wrapped(x - self.x[k])
        return bool(np.linalg.norm(delta - self.inverse[k] @ f) <= 0.5 * distance)

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
            f: values there, `(n, state)`.
            before: states before the step, `(n, state)`.
            k: nearest known points, `(n,)`.
            distance: distances to them, `(n,)`.

        Returns:
            Flags, `(n,)`.
        """
        out = np.zeros(len(x), bool)
        near = np.flatnonzero(k >= 0)
        moved = np.linalg.norm(self.wrapped(before[near] - self.x[k[near]]), axis=1)
        near = near[distance[near] <= 0.5 * moved]
        for point in np.unique(k[near]):
            if point not in self.inverse:
                continue
            mine = near[k[near] == point]
            miss = self.wrapped(x[mine] - self.x[point]) - f[mine] @ self.inverse[point].T
            out[mine] = np.linalg.norm(miss, axis=1) <= CONTRACTION * distance[mine]
        return out

    def _unrolled(self, x: np.ndarray) -> np.ndarray:
        """Return states with a point on the circle for every angle, so that near ones are near."""
        if self.periodic is None:
            return x
        angle = x[:, self.periodic]
        return np.concatenate([x[:, ~self.periodic], np.cos(angle), np.sin(angle)], axis=1)


def wrap(angle: np.ndarray) -> np.ndarray:
    """Return angles (rad) in (−π, π]; those that are there already keep every bit."""
    turned = angle - 2 * np.pi * np.ceil((angle - np.pi) / (2 * np.pi))
    turned = np.where(turned <= -np.pi, np.pi, turned)  # by rounding
    return np.where((angle > -np.pi) & (angle <= np.pi), angle, turned)


def _error(x: np.ndarray, f: np.ndarray, inverse: np.ndarray | None) -> float:
    """Return how far two results for one point can lie apart: residual and rounding, through the inverse."""
    if inverse is None:
        return np.inf
    rounding = 1e-15 * np.sqrt(len(x)) * max(1.0, float(np.max(np.abs(x))))
    return 8.0 * float(np.linalg.norm(inverse)) * (float(np.linalg.norm(f)) + rounding)
