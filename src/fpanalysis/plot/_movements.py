"""Movements and the fixed points of their times, brought together by their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._messages import listed
from fpanalysis.plot._curves import Curves
from fpanalysis.plot._points import Points, points_of
from fpanalysis.states import states_of


@dataclass(frozen=True)
class Movements:
    """Movements, and the fixed points and slow points of their times.

    Attributes:
        points: the points.
        curves: the movements, with their labels.
        paths: the states on them, `(movement, time, state)`.
        time: the times of the paths.
        place: which of these each time of the points is.
    """

    points: Points
    curves: Curves
    paths: np.ndarray
    time: np.ndarray
    place: np.ndarray

    @cached_property
    def movement(self) -> np.ndarray:
        """Return the number of the movement that each point belongs to."""
        rows = tuple(self.points.rows[self.points.dims.index(dim)] for dim in self.curves.dims)
        return np.ravel_multi_index(rows, self.curves.shape) if rows else np.zeros(len(self.points), int)

    @cached_property
    def moment(self) -> np.ndarray:
        """Return the number of the time of each point, among the times of the points."""
        return self.points.rows[self.points.dims.index("time")]

    @cached_property
    def states(self) -> np.ndarray:
        """Return where the points are, `(point, state)`."""
        return self.points.values("x", "state")

    @cached_property
    def partners(self) -> np.ndarray:
        """Return the states of the movements at the times of the points, `(point, state)`."""
        return self.paths[self.movement, self.place[self.moment]]

    def of(self, chosen: np.ndarray, every: int = 1) -> "Movements":
        """Return these with the points of some movements only, and of every so manyth time."""
        mine = np.isin(self.movement, chosen) & (self.moment % every == 0)
        return replace(self, points=self.points.keep(mine))


def movements_of(ds: xr.Dataset, states: Any) -> Movements:
    """Return the movements that fixed points belong to.

    Raises:
        TypeError: `ds` is no dataset, or `states` is not made by xarray.
        ValueError: `ds` has no condition `time`, or `states` are not those of the same movements.
    """
    points = points_of(ds)
    ds = points.ds
    conditions = points.dims[:-1]
    if "time" not in conditions:
        raise ValueError(
            "ds: expected the condition 'time', as find_fixed_points(model, inputs=simulate(…)) makes it; "
            f"it has {listed(conditions) or 'no conditions'}"
        )
    if "x" not in ds:
        raise ValueError("ds: it has no variable 'x' with a dim 'state', the states that are to be drawn")
    labels = ds["state"].values if "state" in ds.coords else range(ds.sizes["state"])
    array = states_of(states, [str(name) for name in labels], "states", "the fixed points")
    others = [dim for dim in conditions if dim != "time"]
    array = _same_movements(array, ds, others)
    place = _places(array, ds)
    paths = array.transpose(*others, "time", "state").values
    time = array["time"].values if "time" in array.coords else np.arange(array.sizes["time"])
    shape = (-1, *paths.shape[-2:]) if paths.size else (int(np.prod(paths.shape[:-2])), *paths.shape[-2:])
    return Movements(points, Curves(ds, tuple(others)), paths.reshape(shape), time, place)


def _same_movements(array: xr.DataArray, ds: xr.Dataset, others: Sequence[str]) -> xr.DataArray:
    """Return the states of the movements of `ds`, in its order."""
    missing = [dim for dim in (*others, "time") if dim not in array.dims]
    if missing:
        raise ValueError(f"states: they lack {listed(missing)}, along which the fixed points differ")
    for dim in array.dims:
        if dim in ("time", "state"):
            continue
        if dim not in others:
            # A selected trial keeps its label, which says which one of the states it is.
            if dim not in ds.coords or ds[dim].ndim or dim not in array.coords:
                raise ValueError(
                    f"states: they differ along {dim!r}, the fixed points do not; choose one entry"
                )
            array = _chosen(array, str(dim), ds[dim].values)
        elif dim in array.coords and dim in ds.coords:
            array = _chosen(array, str(dim), ds[dim].values)
        elif array.sizes[dim] != ds.sizes[dim]:
            raise ValueError(
                f"states: they have {array.sizes[dim]} entries along {dim!r}, ds has {ds.sizes[dim]}"
            )
    return array


def _chosen(array: xr.DataArray, dim: str, values: np.ndarray) -> xr.DataArray:
    if np.array_equal(array[dim].values, values):
        return array
    try:
        return array.sel({dim: values})
    except KeyError:
        lost = [each for each in np.ravel(values).tolist() if each not in array[dim].values.tolist()]
        raise ValueError(f"states: they lack the values {listed(lost, 3)} of {dim!r}, which ds has") from None


def _places(array: xr.DataArray, ds: xr.Dataset) -> np.ndarray:
    """Return which time of the states each time of the fixed points is."""
    if "time" not in array.coords or "time" not in ds.coords:
        if array.sizes["time"] != ds.sizes["time"]:
            raise ValueError(f"states: they have {array.sizes['time']} times, ds has {ds.sizes['time']}")
        return np.arange(ds.sizes["time"])
    theirs, ours = array["time"].values, ds["time"].values
    place = (
        np.abs(theirs[None, :] - ours[:, None]).argmin(axis=1) if len(theirs) else np.zeros(len(ours), int)
    )
    lost = ours[~np.isclose(theirs[place], ours)] if len(theirs) else ours
    if len(lost):
        raise ValueError(f"states: they lack the times {listed(lost.tolist(), 3)}, which ds has")
    return place
