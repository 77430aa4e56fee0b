"""Modes that are the same all along a branch: which of them are drawn, and where."""

from dataclasses import dataclass

import numpy as np

from fpanalysis.plot._branches import Branches
from fpanalysis.plot._curves import Curves


@dataclass(frozen=True)
class Tracks:
    """Followed modes, a curve for each, and their entries: one for each value of the condition.

    Attributes:
        branches: the branches that the modes belong to.
        curves: what has one value along each curve.
        point: the number of each entry's point, among the points on branches.
        mode: the number of its mode at that point.
        table: which entry a curve has at each value of the condition, `(curve, step)`; −1 for none.
    """

    branches: Branches
    curves: Curves
    point: np.ndarray
    mode: np.ndarray
    table: np.ndarray

    def values(self, name: str) -> np.ndarray:
        """Return a variable with a value for each mode, for each entry."""
        points = self.branches.points
        row = self.branches.row[self.point]
        return points.array(name, "mode")[(*(index[row] for index in points.rows), self.mode)]


def slowest(branches: Branches, domain: str | None, most: int) -> Tracks:
    """Return so many modes of each branch: those with the largest modulus (or real part) anywhere on it."""
    value, track = branches.values("eigenvalue", "mode"), branches.values("mode_track", "mode").astype(int)
    lead = np.real(value) if domain == "continuous" else np.abs(value)
    known = (track >= 0) & np.isfinite(lead)
    point, mode = np.nonzero(known)
    branch, track = branches.number[point], track[point, mode]
    slowness = np.full((len(branches), int(track.max(initial=0)) + 1), -np.inf)
    np.maximum.at(slowness, (branch, track), lead[point, mode])
    best = np.argsort(-slowness, axis=1, kind="stable")[:, :most]
    mine = np.isfinite(np.take_along_axis(slowness, best, axis=1))
    curve_of = np.full(slowness.shape, -1)
    of, which = np.nonzero(mine)[0], np.sort(np.where(mine, best, slowness.shape[1]), axis=1)
    which = which[which < slowness.shape[1]]
    curve_of[of, which] = np.arange(len(of))

    curve = curve_of[branch, track]
    shown = curve >= 0
    point, mode, curve = point[shown], mode[shown], curve[shown]
    table = np.full((len(of), branches.points.ds.sizes[branches.dim]), -1)
    table[curve, branches.step[point]] = np.arange(len(curve))
    labels = branches.curves().ds.isel(curve=of).assign_coords(mode_track=("curve", which))
    return Tracks(branches, Curves(labels, ("curve",)), point, mode, table)
