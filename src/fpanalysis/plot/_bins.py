"""Eigenvalues in bins of the complex plane: counted by group, and thinned so that none is left empty."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fpanalysis.plot._curves import SEED

_MOST_DRAWN, _RESERVE = 80_000, 20_000
# Numbers worked on at once: few enough for the processor's cache, however many there are in all.
_CHUNK = 200_000


@dataclass(frozen=True)
class Bins:
    """Bins of equal width, the middle of one of which is 0, so that all real eigenvalues share one."""

    width: float
    first: int
    n: int

    @property
    def middles(self) -> np.ndarray:
        """Return the middle of each bin."""
        return self.width * np.arange(self.first, self.first + self.n)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the number of the bin that holds each value."""
        return (values / self.width + (0.5 - self.first)).astype(np.int32)


def bins_over(low: float, high: float, width: float) -> Bins:
    """Return the bins of this width that hold all from `low` to `high`, and an empty one at each end."""
    first, last = int(np.rint(low / width)) - 1, int(np.rint(high / width)) + 1
    return Bins(width, first, last - first + 1)


@dataclass(frozen=True)
class Plane:
    """Eigenvalues `(point, mode)`, their groups (numbers, of a shape that fits), and bins along both axes."""

    eigenvalues: np.ndarray
    code: np.ndarray
    n_groups: int
    real: Bins
    imaginary: Bins

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of groups and of the bins along both axes."""
        return self.n_groups, self.real.n, self.imaginary.n

    @property
    def codes(self) -> np.ndarray:
        """Return the group of every eigenvalue, `(point, mode)`, without a copy."""
        return np.broadcast_to(self.code, self.eigenvalues.shape)

    def cells(self, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return the cell of each value, one for every group and pair of bins, as an index into these."""
        row = groups.astype(np.int64) * self.real.n + self.real(np.real(values))
        return row * self.imaginary.n + self.imaginary(np.imag(values))


def _parts(eigenvalues: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield some rows after the other, and the places in them, read as one line, of the finite numbers."""
    step = max(1, _CHUNK // max(1, eigenvalues.shape[1]))
    for start in range(0, len(eigenvalues), step):
        rows = slice(start, start + step)
        yield rows, np.flatnonzero(np.isfinite(eigenvalues[rows]))


def extremes(eigenvalues: np.ndarray) -> tuple[int, np.ndarray]:
    """Return how many are finite, and two opposite corners of the smallest box around these."""
    n, corners = 0, np.zeros(0, complex)
    for rows, kept in _parts(eigenvalues):
        n += len(kept)
        seen = np.concatenate([eigenvalues[rows].reshape(-1)[kept], corners])
        if len(seen):
            low, high = (complex(f(np.real(seen)), f(np.imag(seen))) for f in (np.min, np.max))
            corners = np.array([low, high])
    return n, corners


def counted(plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """Return how many lie in each cell, `(group, real, imaginary)`, and the index of one; −1 for none."""
    counts = np.zeros(np.prod(plane.shape), np.int64)
    one = np.full_like(counts, -1)
    n_modes, codes = plane.eigenvalues.shape[1], plane.codes
    for rows, kept in _parts(plane.eigenvalues):
        values, groups = (array[rows].reshape(-1)[kept] for array in (plane.eigenvalues, codes))
        cells = plane.cells(values, groups)
        counts += np.bincount(cells, minlength=counts.size)
        one[cells] = rows.start * n_modes + kept
    return counts.reshape(plane.shape), one.reshape(plane.shape)


def thinned(plane: Plane, n: int, one: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the indices of the eigenvalues to draw, of `n` finite ones, and words on it where not all are.

    Most are chosen at random, with a fixed seed. Each cell that is left empty then gets one, so that the
    few that lie alone, which are often the ones to look at, are never lost.
    """
    dice = np.random.default_rng(SEED)
    chosen = np.arange(n) if n <= _MOST_DRAWN else dice.choice(n, _MOST_DRAWN - _RESERVE, replace=False)
    if n < plane.eigenvalues.size:
        chosen = np.flatnonzero(np.isfinite(plane.eigenvalues))[chosen]
    if n <= _MOST_DRAWN:
        return chosen, []
    one = one.ravel().copy()
    place = np.unravel_index(chosen, plane.eigenvalues.shape)
    one[plane.cells(plane.eigenvalues[place], plane.codes[place])] = -1
    alone = one[one >= 0]
    if len(alone) > _RESERVE:
        alone = dice.choice(alone, _RESERVE, replace=False)
    chosen = np.sort(np.concatenate([chosen, alone]))
    return chosen, [
        f"{len(chosen):,} of {n:,} eigenvalues are drawn, at random",
        f"(seed {SEED}); the histograms count all of them",
    ]
