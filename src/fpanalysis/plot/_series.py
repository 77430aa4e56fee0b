"""What is drawn of many curves over time, read in parts: means, spreads and quantiles of groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fpanalysis.plot._curves import CurveGroup
from fpanalysis.plot._reach import Reach

ALONG, ACROSS, NORM = "along", "across", "norm"
# Parts of this size (bytes) stay in the processor's cache.
_PART = 1 << 21
_BLOCK = 1 << 28
"""Most bytes that quantiles are looked for in at once."""


@dataclass(frozen=True)
class Series:
    """The components of a variable in each curve, worked out when they are asked for.

    `raw` is `(curve, time, entry)`. A component is the number of an entry, or `"along"` or `"across"` the
    reach, or the 2-norm of all entries. The last three are counted from `origin`, `(curve, entry)`.
    """

    raw: np.ndarray
    components: tuple[int | str, ...]
    reach: Reach | None = None
    origin: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.raw)

    def read(self, curves: slice | np.ndarray, times: slice = slice(None)) -> np.ndarray:
        """Return some curves as a new array `(curve, time, component)`."""
        raw = self.raw[curves, times]
        moved = raw if self.origin is None else raw - self.origin[curves][:, None]
        found = np.empty((*raw.shape[:2], len(self.components)))
        # Curves that are not finite, and are left out, need not warn.
        with np.errstate(invalid="ignore", over="ignore"):
            for k, component in enumerate(self.components):
                if component == NORM:
                    found[..., k] = np.sqrt(np.einsum("nti,nti->nt", moved, moved))
                elif isinstance(component, str):
                    assert self.reach is not None
                    x, y = self.reach.turn[curves, :, int(component == ACROSS)].T[:, :, None]
                    found[..., k] = moved[..., 0] * x + moved[..., 1] * y
                else:
                    found[..., k] = raw[..., component]
        return found

    def is_finite(self) -> np.ndarray:
        """Say which curves are finite throughout."""
        found = np.ones(len(self), bool) if self.origin is None else np.isfinite(self.origin.sum(axis=1))
        entries = [component for component in self.components if isinstance(component, int)]
        some = slice(None) if len(entries) < len(self.components) else entries
        with np.errstate(invalid="ignore", over="ignore"):
            for part in self.parts(np.arange(len(self))):
                # One sum is not finite where any of its terms is not.
                values = self.raw[part, :, some]
                found[part] &= np.isfinite(values.reshape(len(values), -1).sum(axis=1))
        return found

    def parts(self, index: np.ndarray) -> Iterator[slice | np.ndarray]:
        """Return some curves in parts that can be read at once; neighbours as slices, which are no copies."""
        step = max(1, _PART // max(1, 8 * self.raw.shape[1] * self.raw.shape[2]))
        for begin in range(0, len(index), step):
            part = index[begin : begin + step]
            together = part[-1] - part[0] + 1 == len(part)
            yield slice(int(part[0]), int(part[-1]) + 1) if together else part


class Moments(NamedTuple):
    """Number of curves `(group,)`, mean `(group, time, component)`, covariances `(group, time, pair)`."""

    count: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


def moments(series: Series, groups: list[CurveGroup], pairs: list[tuple[int, int]]) -> Moments:
    """Return mean and covariances over the curves of each group, for these pairs of components.

    Covariances are unbiased, and NaN for a group of one curve.
    """
    count = np.array([len(group.index) for group in groups])
    # Counted from a curve of the group, near the mean, so that squares do not cancel (Chan et al. 1983).
    base = series.read(np.array([group.index[0] for group in groups]))
    offset, covariance = np.zeros(base.shape), np.zeros((*base.shape[:2], len(pairs)))
    for k, group in enumerate(groups):
        for part in series.parts(group.index):
            moved = series.read(part) - base[k]
            offset[k] += moved.sum(axis=0) / count[k]
            for pair, (i, j) in enumerate(pairs):
                covariance[k, :, pair] += np.einsum("nt,nt->t", moved[..., i], moved[..., j])
    for pair, (i, j) in enumerate(pairs):
        covariance[..., pair] -= count[:, None] * offset[..., i] * offset[..., j]
    free = np.where(count > 1, count - 1, np.nan)[:, None, None]
    return Moments(count, base + offset, covariance / free)


def quantiles(series: Series, groups: list[CurveGroup], at: tuple[float, float]) -> np.ndarray:
    """Return two quantiles, the lower first, over each group, `(quantile, group, time, component)`."""
    n_time, n_components = series.raw.shape[1], len(series.components)
    found = np.empty((2, len(groups), n_time, n_components))
    step = max(1, _BLOCK // max(1, 8 * len(series) * n_components))
    for begin in range(0, n_time, step):
        times = slice(begin, min(begin + step, n_time))
        # The curves last, where they are neighbours in memory, which partitions need.
        values = np.empty((times.stop - begin, n_components, len(series)))
        for part in series.parts(np.arange(len(series))):
            values[..., part] = np.moveaxis(series.read(part, times), 0, -1)
        for k, group in enumerate(groups):
            chosen = values if len(group.index) == len(series) else values.take(group.index, axis=-1)
            found[:, k, times] = _two_quantiles(chosen, *at)
    return found


def _two_quantiles(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two quantiles over the last axis, as numpy defines them; the order of the values is lost.

    The lower one is looked for among what the partition for the upper one has put below it, which takes half
    of numpy's time.
    """
    first, second = low * (values.shape[-1] - 1), high * (values.shape[-1] - 1)
    upper = _at(values, second)
    # The neighbours of the lower place are below the upper one, unless both lie between the same two.
    below = values[..., : int(second) + 1] if int(first) < int(second) else values
    return _at(below, first), upper


def _at(values: np.ndarray, place: float) -> np.ndarray:
    """Return what would be at a place if the values were sorted, between two values where it is not whole."""
    k, part = int(place), place % 1
    values.partition(k, axis=-1)
    found = values[..., k].copy()
    return found + part * (values[..., k + 1 :].min(axis=-1) - found) if part > 0 else found
