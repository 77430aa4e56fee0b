"""Curves of a dataset, such as the movements of many trials: which there are, and what they say."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._styles import Style, distinct, is_ordered, styles
from fpanalysis.plot._text import escaped, label, objects, said, unit_of
from fpanalysis.plot._theme import BLUE, DASHES, GREY, PALETTE

# More groups than this cannot be told apart; numbers are then put into this many ranges.
_MOST_GROUPS, _RANGES = 12, 7
# Names beyond these would repeat colour and dash of others.
_MOST_NAMES = len(PALETTE) * len(DASHES)
SEED = 0
"""Seed of the choice of curves that are shown of many."""


class CurveGroup(NamedTuple):
    """Curves that are drawn alike: a name for the legend, how they look, and their numbers."""

    name: str
    style: Style
    index: np.ndarray


@dataclass(frozen=True)
class Curves:
    """One curve for every combination of the entries of `dims`, in C order."""

    ds: xr.Dataset
    dims: tuple[str, ...]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Return the number of entries of each dim."""
        return tuple(self.ds.sizes[dim] for dim in self.dims)

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    @cached_property
    def label_names(self) -> list[str]:
        """Return the coordinates that tell curves apart: those with one value per curve, dims first."""
        coords = self.ds.coords
        dims = [dim for dim in self.dims if dim in coords]
        others = [str(name) for name in coords if name not in self.dims]
        return [*dims, *(name for name in others if set(coords[name].dims) <= set(self.dims))]

    def values(self, name: str, *rest: str) -> np.ndarray:
        """Return a variable as `(curve, *rest)`, without a copy where all curves have values of their own."""
        return self.array(self.ds[name].variable, *rest)

    def array(self, variable: xr.Variable, *rest: str) -> np.ndarray:
        """Return a variable that need not be in the dataset, as `values` does."""
        sizes = {dim: self.ds.sizes[dim] for dim in (*self.dims, *rest)}
        whole = variable.set_dims(sizes).transpose(*sizes).values
        return whole.reshape(len(self), *whole.shape[len(self.dims) :])

    def label(self, name: str) -> np.ndarray:
        """Return the value of a coordinate or variable for each curve."""
        return self.values(name)

    def texts(self, index: np.ndarray, color: str | None = None) -> list[str]:
        """Return the hover text of some curves: every label, and `color`, under its name in the dataset."""
        lines = []
        # Without dims there is a single curve, which numpy has no place for.
        places = np.unravel_index(index, self.shape) if self.dims else ()
        for dim, place in zip(self.dims, places, strict=True):
            if dim not in self.ds.coords:
                lines.append([f"{escaped(dim)} = {i}" for i in place])
        more = [] if color is None or color in self.label_names else [color]
        for name in [*self.label_names, *more]:
            attrs = self.ds[name].attrs
            lines.append([f"{escaped(name)} = {text}" for text in said(self.label(name)[index], attrs)])
        return ["<br>".join(parts) for parts in zip(*lines, strict=True)] if lines else [""] * len(index)

    def groups(self, color: str | None) -> list[CurveGroup]:
        """Return the curves by the values of a coordinate or variable; all in one group without any."""
        everything = np.arange(len(self))
        if color is None:
            return [CurveGroup("", Style(BLUE, "circle", "solid"), everything)]
        values, attrs = self.label(self.checked(color)), self.ds[color].attrs
        known = distinct(values)
        if is_ordered(known) and len(known) > _MOST_GROUPS:
            return [*_ranges(color, values, unit_of(attrs)), *_without_value(values)]
        named = set(known[_MOST_NAMES:])
        known = known[:_MOST_NAMES]
        looks = styles(color, known)
        texts = said(objects(known), attrs if "flag_meanings" in attrs else {})
        found = [
            CurveGroup(text, look, np.flatnonzero(values == value))
            for value, look, text in zip(known, looks, texts, strict=True)
        ]
        if named:
            others = np.flatnonzero([value in named for value in values.tolist()])
            found.append(CurveGroup(f"{len(named):,} others", Style(GREY, "circle-open", "solid"), others))
        return [*found, *_without_value(values, infinite=False)]

    def checked(self, color: str) -> str:
        """Return the name of what curves are coloured by, or raise with what could have been meant."""
        usable = [str(name) for name in self.ds.variables if set(self.ds[name].dims) <= set(self.dims)]
        if color not in usable:
            why = (
                f"{color!r} has more than one value per curve, along "
                f"{listed([str(dim) for dim in self.ds[color].dims if dim not in self.dims])}"
                if isinstance(color, str) and color in self.ds.variables
                else f"got {color!r}{nearest(str(color), usable)}"
            )
            raise ValueError(
                f"color: expected a coordinate or variable with one value per curve, {why}; "
                f"it could be {listed(sorted(usable))}"
            )
        return color

    def title(self, color: str | None) -> str:
        """Return the title of the legend: what curves are coloured by, with its unit."""
        if color is None:
            return ""
        unit = unit_of(self.ds[color].attrs)
        return escaped(color) + (f" ({unit})" if unit else "")


def curves_of(ds: xr.Dataset, name: str, *rest: str, argument: str = "ds") -> Curves:
    """Return the curves of a variable: one for each combination of its dims other than `rest`.

    `argument` is what errors name, where it was an argument that named the variable.

    Raises:
        TypeError: `ds` is no dataset.
        ValueError: it has no such variable, or the variable lacks one of the dims `rest`.
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected an xarray.Dataset, got {type(ds).__name__}")
    if name not in ds.variables:
        whose = "it has" if argument == "ds" else "the dataset has"
        known = sorted(str(key) for key in ds.data_vars if set(rest) <= set(ds[key].dims))
        raise ValueError(
            f"{argument}: {whose} no variable {name!r}{nearest(name, known)}; "
            f"with the dims {listed(rest)} it has {listed(known) or 'none'}"
        )
    missing = [dim for dim in rest if dim not in ds[name].dims]
    if missing:
        raise ValueError(
            f"{argument}: {name!r} lacks the dim {listed(missing)}; it has {tuple(map(str, ds[name].dims))}"
        )
    return Curves(ds, tuple(str(dim) for dim in ds[name].dims if dim not in rest))


def thinned(groups: list[CurveGroup], most: int) -> tuple[list[np.ndarray], str]:
    """Return at most so many curves of each group, and a sentence on it; empty where all are shown.

    The choice is random, with a fixed seed, and in the order of the curves.
    """
    dice = np.random.default_rng(SEED)
    chosen = [
        np.sort(dice.choice(group.index, most, replace=False)) if len(group.index) > most else group.index
        for group in groups
    ]
    shown, there = sum(map(len, chosen)), sum(len(group.index) for group in groups)
    if shown == there:
        return chosen, ""
    # In two lines: in one it would be cut off in narrow figures.
    each = f", at most {most:,} a group" if len(groups) > 1 else ""
    return chosen, f"{shown:,} of {there:,} curves shown{each},<br>chosen at random (seed {SEED})"


def kept(groups: list[CurveGroup], usable: np.ndarray) -> list[CurveGroup]:
    """Return the groups without the curves that cannot be drawn; what is then empty is left out."""
    rest = [group._replace(index=group.index[usable[group.index]]) for group in groups]
    return [group for group in rest if len(group.index)]


def checked_most(max_curves: int) -> int:
    """Return the largest number of curves a group, or raise."""
    if isinstance(max_curves, bool) or not isinstance(max_curves, int | np.integer) or max_curves < 0:
        raise ValueError(f"max_curves: expected a whole number, 0 or larger, got {max_curves!r}")
    return int(max_curves)


def _ranges(color: str, values: np.ndarray, unit: str) -> list[CurveGroup]:
    """Return groups of equal size for a condition with many values."""
    finite = np.flatnonzero(np.isfinite(values))
    order = finite[np.argsort(values[finite], kind="stable")]
    parts = [part for part in np.array_split(order, _RANGES) if len(part)]
    middles = [float(np.median(values[part])) for part in parts]
    looks = styles(color, sorted(set(middles)))
    found = []
    for part, middle in zip(parts, middles, strict=True):
        low, high = label(float(values[part[0]])), label(float(values[part[-1]]))
        name = f"{low} to {high}" + (f" {unit}" if unit else "")
        found.append(CurveGroup(name, looks[sorted(set(middles)).index(middle)], np.sort(part)))
    return found


def _without_value(values: np.ndarray, infinite: bool = True) -> list[CurveGroup]:
    """Return a group for curves without a value (and for those whose value is infinite)."""
    if values.dtype.kind != "f":
        return []
    missing = CurveGroup("no value", Style(GREY, "x-thin-open", "dot"), np.flatnonzero(np.isnan(values)))
    endless = CurveGroup("infinite", Style(GREY, "star", "dash"), np.flatnonzero(np.isinf(values)))
    return [group for group in ((missing, endless) if infinite else (missing,)) if len(group.index)]
