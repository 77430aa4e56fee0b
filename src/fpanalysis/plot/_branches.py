"""The branches that `follow` found: which points are on which, in which order, and which are drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._curves import SEED, Curves
from fpanalysis.plot._points import Points, points_of
from fpanalysis.plot._text import axis_title, escaped


@dataclass(frozen=True)
class Branches:
    """The points on branches, branch after branch, each in the order of `dim`.

    Attributes:
        points: all points of the dataset.
        dim: the condition along which branches run.
        row: the number in `points` of each point.
        number: the branch that it is on, `0, 1, …`.
        step: its place along `dim`.
    """

    points: Points
    dim: str
    row: np.ndarray
    number: np.ndarray
    step: np.ndarray

    def __len__(self) -> int:
        return int(self.number[-1]) + 1 if len(self.number) else 0

    @cached_property
    def begins(self) -> np.ndarray:
        """Return where each branch begins among the points."""
        return np.searchsorted(self.number, np.arange(len(self)))

    def values(self, name: str, *extra: str) -> np.ndarray:
        """Return a variable with one row for each point on a branch."""
        return self.points.array(name, *extra)[tuple(index[self.row] for index in self.points.rows)]

    def of(self, describe: Callable[[Points], np.ndarray]) -> np.ndarray:
        """Return what a function says of each of some points, for the points on branches."""
        order = np.argsort(self.row)
        said = describe(self.points.keep(self.row[order]))
        found = np.empty(len(order), dtype=said.dtype)
        found[order] = said
        return found

    def places(self) -> tuple[np.ndarray, dict[str, Any]]:
        """Return where each value of `dim` lies on an axis, and the options of that axis."""
        n = self.points.ds.sizes[self.dim]
        coord = self.points.ds[self.dim]
        options = {"title": {"text": axis_title(self.dim, coord.attrs)}}
        if self.dim not in self.points.ds.coords:
            return np.arange(n), options
        if coord.dtype.kind in "iuf":
            return coord.values, options
        texts = [escaped(value) for value in coord.values.tolist()]
        return np.arange(n), options | {"tickmode": "array", "tickvals": list(range(n)), "ticktext": texts}

    def curves(self) -> Curves:
        """Return the branches as curves, with all that has one value along each of them."""
        ds, first = self.points.ds, self.row[self.begins]
        place = {
            dim: xr.Variable("curve", index[first])
            for dim, index in zip(self.points.dims[:-1], self.points.rows, strict=False)
            if dim != self.dim
        }
        table: dict[str, Any] = {"branch": ("curve", self.values("branch")[self.begins])}
        for name, variable in ds.variables.items():
            if set(variable.dims) <= set(place) and variable.dtype.kind != "c":
                mine = variable.isel({dim: place[str(dim)] for dim in variable.dims})
                table[str(name)] = (mine.dims, mine.values, mine.attrs)
        return Curves(xr.Dataset(coords=table), ("curve",))

    def thinned(self, most_points: int) -> tuple["Branches", list[str]]:
        """Return as many branches as have so many points, and words on it where these are not all."""
        size = np.bincount(self.number, minlength=len(self))
        if size.sum() <= most_points:
            return self, []
        order = np.random.default_rng(SEED).permutation(len(self))
        n = max(1, int(np.searchsorted(size[order].cumsum(), most_points, side="right")))
        chosen = np.sort(order[:n])
        mine = np.isin(self.number, chosen)
        number = np.searchsorted(chosen, self.number[mine])
        kept = replace(self, row=self.row[mine], number=number, step=self.step[mine])
        return kept, [f"{n:,} of {len(self):,} branches shown,", f"chosen at random (seed {SEED})"]


def branches_of(ds: xr.Dataset, dim: str | None) -> Branches:
    """Return the branches along `dim`, or along the one that they were followed along.

    Raises:
        TypeError: `ds` is no dataset.
        ValueError: it was not followed, or along another dim.
    """
    points = points_of(ds)
    conditions = points.dims[:-1]
    known = (
        dim
        if dim in conditions
        else next((d for d in ("context", *conditions) if d in conditions), "context")
    )
    asked = f'"{known}"'
    if "branch" not in ds:
        raise ValueError(f"ds: it has no branches; call fpa.follow(ds, {asked}) first")
    along = ds["branch"].attrs.get("along", dim)
    if dim is not None and dim != along:
        hint = "" if dim in conditions else nearest(str(dim), conditions)
        raise ValueError(
            f"dim: the branches were followed along {along!r}, got {dim!r}{hint}; "
            f"call fpa.follow(ds, {asked}) first"
        )
    if along is None:
        raise ValueError(f"ds: 'branch' has lost the attribute 'along'; say dim={asked}, or whatever it was")
    if along not in conditions:
        raise ValueError(
            f"ds: its branches run along {along!r}, which is no longer among its conditions "
            f"({listed(conditions) or 'none'}); select values of other conditions only"
        )
    branch = points.values("branch")
    mine = np.flatnonzero(branch >= 0)
    places = {dim: index[mine] for dim, index in zip(conditions, points.rows, strict=False)}
    step = places.pop(str(along))
    key = branch[mine].astype(np.int64)
    for place in places.values():
        key += (int(key.max(initial=0)) + 1) * place
    order = np.lexsort((step, key))
    number = np.unique(key[order], return_inverse=True)[1]
    return Branches(points, str(along), mine[order], number, step[order])
