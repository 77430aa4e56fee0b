"""Kinds of points by their stability: how they look, what their hover says, and which of many are drawn."""

from typing import NamedTuple

import numpy as np

from fpanalysis.plot._curves import SEED
from fpanalysis.plot._points import Points, descriptions
from fpanalysis.plot._stability import LOOKS, UNSTABLE_LOOKS, Answer, answers, n_unstable
from fpanalysis.plot._text import escaped, joined, label, number, unit_of

HOVER_NAMES = ("n_unstable", "residual", "n_hits")
"""Variables that every hover text of a point says."""
_MOST_OUTPUTS = 6


class Kind(NamedTuple):
    """Points that are drawn alike: a name for the legend, which they are, symbol and colour."""

    name: str
    mask: np.ndarray
    symbol: str
    color: str

    @property
    def title(self) -> str:
        """What the legend says."""
        return f"{self.name} ({self.mask.sum():,})"


def kinds_of(points: Points) -> list[Kind]:
    """Return every kind of point that occurs."""
    answer, n = answers(points), n_unstable(points)
    kinds = []
    for each, (name, style) in LOOKS.items():
        mine = answer == each
        if each == Answer.UNSTABLE:
            kinds += _by_number(mine & (n > 0), n)
            mine &= n <= 0
        kinds.append(Kind(name, mine, style.symbol, style.color))
    return [kind for kind in kinds if kind.mask.any()]


def _by_number(unstable: np.ndarray, n: np.ndarray) -> list[Kind]:
    """Return unstable points by their number of unstable modes."""
    most, last = int(n[unstable].max(initial=0)), len(UNSTABLE_LOOKS)
    kinds = []
    for few, (symbol, color) in enumerate(UNSTABLE_LOOKS, start=1):
        # The last style stands for its number and all above.
        mask = unstable & ((n >= few) if few == last else (n == few))
        how_many = f"{few}–{most}" if few == last and most > few else f"{few}"
        kinds.append(Kind(f"{how_many} unstable mode{'' if few == 1 else 's'}", mask, symbol, color))
    return kinds


def thinned(kinds: list[Kind], most: int) -> tuple[list[np.ndarray], list[str]]:
    """Return the numbers of at most so many points of each kind, and words on it where not all are shown.

    Kinds of few points are kept whole, so that a rare saddle is not lost among many attractors. Of the
    others the same number is chosen at random, with a fixed seed.
    """
    index = [np.flatnonzero(kind.mask) for kind in kinds]
    n = sum(map(len, index))
    if n <= most:
        return index, []
    share, left = most, len(kinds)
    for size in sorted(map(len, index)):
        if size * left > share:
            break
        share, left = share - size, left - 1
    each = share // left
    dice = np.random.default_rng(SEED)
    shown = [np.sort(dice.choice(rows, each, replace=False)) if len(rows) > each else rows for rows in index]
    n_shown = sum(map(len, shown))
    return shown, [f"{n_shown:,} of {n:,} points shown,<br>chosen at random (seed {SEED})"]


def hover_texts(points: Points) -> list[str]:
    """Return each point's hover text: its condition, then values under their names in the dataset."""
    ds = points.ds
    lines = [descriptions(points)]
    for name in HOVER_NAMES:
        if name in ds:
            unit = unit_of(ds[name].attrs)
            lines.append(
                [f"{name} = {_known(value)} {unit}".rstrip() for value in points.values(name).tolist()]
            )
    if "y" in ds and ds["y"].sizes.get("output"):
        names = list(ds["output"].values if "output" in ds.coords else range(ds.sizes["output"]))
        lines.append([_readout(names, values) for values in points.values("y", "output").tolist()])
    return joined(lines)


def _known(value: int | float) -> str:
    if isinstance(value, int):
        return label(value) if value >= 0 else "not known"
    return number(value)


def _readout(names: list, values: list[float]) -> str:
    shown = [f"{escaped(name)} = {number(value)}" for name, value in zip(names, values, strict=True)]
    more = f", … ({len(shown)} outputs)" if len(shown) > _MOST_OUTPUTS else ""
    return "y: " + ", ".join(shown[:_MOST_OUTPUTS]) + more
