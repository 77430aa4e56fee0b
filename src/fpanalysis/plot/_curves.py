"""Curves of a dataset, such as the movements of many trials: which there are, and what they say."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._styles import Style, distinct, is_ordered, styles
from fpanalysis.plot._text import escaped, label, said, unit_of
from fpanalysis.plot._theme import BLUE

# More groups than this cannot be told apart; numbers are then put into this many ranges.
_MOST_GROUPS, _RANGES = 12, 7
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
        variable = self.ds[name].variable
        sizes = {dim: self.ds.sizes[dim] for dim in (*self.dims, *rest)}
        whole = variable.set_dims(sizes).transpose(*sizes).values
        return whole.reshape(len(self), *whole.shape[len(self.dims) :])

    def label(self, name: str) -> np.ndarray:
        """Return the value of a coordinate or variable for each curve."""
        return self.values(name)

    def texts(self, index: np.ndarray) -> list[str]:
        """Return the hover text of some curves: every label, under its name in the dataset."""
        lines = []
        for dim, place in zip(self.dims, np.unravel_index(index, self.shape), strict=True):
            if dim not in self.ds.coords:
                lines.append([f"{escaped(dim)} = {i}" for i in place])
        for name in self.label_names:
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
            return _ranges(color, values, unit_of(attrs))
        looks = styles(color, known)
        texts = said(_object(known), attrs if "flag_meanings" in attrs else {})
        found = [
            CurveGroup(text, look, np.flatnonzero(values == value))
            for value, look, text in zip(known, looks, texts, strict=True)
        ]
        missing = np.flatnonzero(values != values) if values.dtype.kind == "f" else []
        if len(missing):
            found.append(CurveGroup("no value", Style("#808080", "x-thin-open", "dot"), np.asarray(missing)))
        return found

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


def curves_of(ds: xr.Dataset, name: str, *rest: str) -> Curves:
    """Return the curves of a variable: one for each combination of its dims other than `rest`.

    Raises:
        TypeError: `ds` is no dataset.
        ValueError: it has no such variable, or the variable lacks one of the dims `rest`.
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected an xarray.Dataset, got {type(ds).__name__}")
    if name not in ds.variables:
        known = sorted(str(key) for key in ds.data_vars if set(rest) <= set(ds[key].dims))
        raise ValueError(
            f"ds: it has no variable {name!r}{nearest(name, known)}; "
            f"with the dims {listed(rest)} it has {listed(known) or 'none'}"
        )
    missing = [dim for dim in rest if dim not in ds[name].dims]
    if missing:
        raise ValueError(
            f"ds: {name!r} lacks the dim {listed(missing)}; it has {tuple(map(str, ds[name].dims))}"
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
    each = f", at most {most:,} a group" if len(groups) > 1 else ""
    return chosen, f"{shown:,} of {there:,} curves shown{each}, chosen at random (seed {SEED})"


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


def _object(values: list) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
