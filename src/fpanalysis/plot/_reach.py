"""The reach of each curve: where it starts, where it is meant to go, and what lies along and across."""

from typing import NamedTuple

import numpy as np

from fpanalysis.plot._curves import Curves

# Reaches shorter than this, relative to the longest, are rounding errors of reaches that stay.
_SHORTEST = 1e-9


class Reach(NamedTuple):
    """Start `(curve, axis)` and length `(curve,)` of each reach, and the matrices that align it.

    `vector @ turn` has an entry along the reach, from the start to the last target, and one across it,
    positive to the left. `turn` is `(curve, axis, 2)`, and NaN where the target is where the reach starts.
    """

    start: np.ndarray
    length: np.ndarray
    turn: np.ndarray

    @property
    def has_direction(self) -> np.ndarray:
        """Say which of the reaches have a direction."""
        return np.isfinite(self.turn[:, 0, 0])


def reach_of(curves: Curves) -> Reach | None:
    """Return the reaches; None where the dataset does not hold starts and targets in the plane."""
    ends = ends_of(curves)
    if ends is None:
        return None
    start, goal = ends
    gone = goal - start
    length = np.hypot(gone[:, 0], gone[:, 1])
    longest = np.max(length, initial=0.0, where=np.isfinite(length))
    usable = np.isfinite(length) & (length > _SHORTEST * longest)
    x, y = (gone / np.where(usable, length, np.nan)[:, None]).T
    return Reach(start, length, np.stack([np.stack([x, -y], -1), np.stack([y, x], -1)], axis=1))


def ends_of(curves: Curves) -> tuple[np.ndarray, np.ndarray] | None:
    """Return start and last target of each curve, `(curve, axis)`; None where there are none."""
    ds = curves.ds
    if ds.sizes.get("axis") != 2 or not {"start", "target_position"} <= set(ds.data_vars):
        return None
    goal = ds["target_position"].variable
    if "time" in goal.dims:
        if goal.sizes["time"] == 0:
            return None
        # Taken before it is repeated for every curve.
        goal = goal.isel(time=-1)
    known = {*curves.dims, "axis"}
    start = ds["start"].variable
    if not set(goal.dims) | set(start.dims) <= known:
        return None
    return curves.array(start, "axis"), curves.array(goal, "axis")
