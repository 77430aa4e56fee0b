"""Branches cut into pieces where their stability changes."""

from typing import NamedTuple

import numpy as np

from fpanalysis.plot._branches import Branches
from fpanalysis.plot._stability import Answer
from fpanalysis.spectra.stability import growth


class Pieces(NamedTuple):
    """Pieces of branches, in their order: from where to where, `(piece, 2)`, how stable, and of which branch.

    `link` tells between which two points of the branches a piece lies; two pieces can share one.
    """

    start: np.ndarray
    end: np.ndarray
    kind: np.ndarray
    branch: np.ndarray
    link: np.ndarray

    def line(self, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return chosen pieces as one line, `x` and `y`; those that follow each other are joined."""
        index = np.flatnonzero(mine)
        before = index - 1
        # One line rather than many short ones, in which dashes would begin anew and look solid.
        goes_on = np.isin(before, index) & (self.branch[before] == self.branch[index])
        goes_on &= self.link[index] - self.link[before] <= 1
        at = np.cumsum(np.where(goes_on, 1, 3)) - 1
        line = np.full((int(at[-1]) + 1 if len(at) else 0, 2), np.nan)
        line[at] = self.end[index]
        line[at[~goes_on] - 1] = self.start[index[~goes_on]]
        return line[:, 0], line[:, 1]


def _leading(branches: Branches) -> np.ndarray:
    """Return how fast the leading mode of each point grows, negative where it decays; NaN if not known."""
    ds = branches.points.ds
    domain = ds.attrs.get("time_domain")
    if "eigenvalue" not in ds or not ds.sizes.get("mode") or domain not in ("discrete", "continuous"):
        return np.full(len(branches.row), np.nan)
    return growth(branches.values("eigenvalue", "mode"), domain).max(axis=1)


def pieces(branches: Branches, place: np.ndarray, kind: np.ndarray) -> Pieces:
    """Cut branches through the places `(point, 2)` where stability, `kind` (numbers of `Answer`), changes."""
    number, step, lead = branches.number, branches.step, _leading(branches)
    link = np.flatnonzero((np.diff(number) == 0) & (np.diff(step) == 1))
    a, b = link, link + 1
    changes = kind[a] != kind[b]
    # A neutral point is where stability changes. Else it changes where the growth passes zero, if it does.
    share = np.select(
        [kind[a] == Answer.NEUTRAL, kind[b] == Answer.NEUTRAL], [0.0, 1.0], _share(lead[a], lead[b])
    )
    cut = np.where(changes[:, None], place[a] + share[:, None] * (place[b] - place[a]), place[b])
    both = np.stack([np.ones_like(changes), changes], axis=1)

    def pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.stack([first, second], axis=1)[both]

    return Pieces(
        pair(place[a], cut),
        pair(cut, place[b]),
        pair(kind[a], kind[b]),
        pair(number[a], number[a]),
        pair(link, link),
    )


def _share(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return after which share of the way a growth passes zero; half where it does not."""
    passes = (first * second <= 0) & (first != second)
    return np.where(passes, first / np.where(passes, first - second, 1.0), 0.5)
