"""The points of a result, however its dataset was transposed, selected, masked or joined with others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._messages import listed
from fpanalysis.schema import DIMS, SCHEMA, Kind


@dataclass(frozen=True)
class Rows:
    """The rows of a result, one for each condition and number of a point, in the order of the schema.

    Attributes:
        given: the dataset as it was given.
        ds: the same as `canonical` returns it.
        dims: the condition dims.
        single: dims of the schema that the given dataset lacks, since one entry of each was selected.
    """

    given: xr.Dataset
    ds: xr.Dataset
    dims: tuple[str, ...]
    single: tuple[str, ...]

    @cached_property
    def kind(self) -> np.ndarray:
        """What the rows hold, numbers of `Kind`, `(conditions…, fixed_point)`."""
        return self.array("kind")

    @cached_property
    def is_masked(self) -> np.ndarray:
        """Which conditions a mask has left nothing of: their points are not known, `(conditions…)`."""
        masked = self.given["kind"].isnull()
        masked = masked.all([dim for dim in masked.dims if dim not in self.dims]).variable
        sizes = {dim: self.ds.sizes[dim] for dim in self.dims}
        return masked.set_dims(sizes).transpose(*sizes).values

    @cached_property
    def used(self) -> np.ndarray:
        """Which rows hold a point, `(conditions…, fixed_point)`."""
        return self.kind != Kind.NONE

    def array(self, name: str) -> np.ndarray:
        """Return a variable as `(conditions…, fixed_point, …)`, repeated along the dims that it lacks."""
        variable = self._variable(name)
        places = (*self.dims, "fixed_point")
        rest = [str(dim) for dim in variable.dims if dim not in places]
        sizes = {dim: self.ds.sizes[dim] for dim in (*places, *rest)}
        return variable.set_dims(sizes).transpose(*sizes).values

    def of(self, name: str, mask: np.ndarray) -> np.ndarray:
        """Return a variable at the rows of a mask `(conditions…, fixed_point)`, as `(n, …)`."""
        return self.array(name)[mask]

    def of_conditions(self, name: str) -> np.ndarray:
        """Return a variable that has one value for each condition, `(conditions…, …)`."""
        variable = self._variable(name)
        if "fixed_point" in variable.dims:
            raise ValueError(
                f"ds: {name!r} differs between the points along 'fixed_point', which come from several "
                "conditions, as to_long and concat put them in one row; expected the conditions as dims"
            )
        sizes = {dim: self.ds.sizes[dim] for dim in (*self.dims, *variable.dims)}
        return variable.set_dims(sizes).transpose(*sizes).values

    def jacobian(self, mask: np.ndarray) -> np.ndarray:
        """Return the Jacobians at the rows of a mask, `(n, state, state)`.

        Raises:
            ValueError: there are none, or not all entries of the state are there.
        """
        values = self.of("jacobian", mask)
        n, names = self.ds.sizes["state"], [self.ds[dim].values.tolist() for dim in ("state_out", "state")]
        if names[0] != names[1] or n < self.ds.sizes.get("mode", 0):
            raise ValueError(
                "ds: expected the whole Jacobian, but not all entries of 'state' and 'state_out' are there; "
                "eigenvalues and what follows from them are those of all: select afterwards"
            )
        return values

    def added(self, new: Mapping[str, xr.Variable], **coords: Any) -> xr.Dataset:
        """Return the given dataset with new variables, which have the condition dims and the schema's."""
        ds = self.given
        for dim, values in coords.items():
            # What was selected along a dim that is made anew belongs to another selection.
            if ds.sizes.get(dim, len(values)) != len(values):
                ds = ds.drop_dims(dim)
        made = {
            name: each.isel({dim: 0 for dim in self.single if dim in each.dims and dim not in coords})
            for name, each in new.items()
        }
        return ds.drop_vars(coords, errors="ignore").assign(made).assign_coords(coords)

    def _variable(self, name: str) -> xr.Variable:
        if name not in self.ds:
            raise ValueError(f"ds: the variable {name!r} is missing; it was left out of the result")
        return self.ds[name].variable


def rows_of(ds: xr.Dataset, first: Sequence[str] = ()) -> Rows:
    """Return the rows of a result.

    Args:
        ds: a dataset made by `find_fixed_points`, transposed, selected, masked with `where` or concatenated
            with others.
        first: condition dims that come before the others, where the result has them.

    Raises:
        TypeError: `ds` is no dataset.
        ValueError: it is no result, or cannot be brought to the order of the schema.
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected the xarray.Dataset of find_fixed_points, got {type(ds).__name__}")
    if "kind" not in ds:
        raise ValueError(
            "ds: expected a dataset made by find_fixed_points, with a variable 'kind' along 'fixed_point'; "
            f"got the variables {listed(sorted(map(str, ds.data_vars))) or 'none'}"
        )
    full, dims = canonical(ds)
    dims = tuple(sorted(dims, key=lambda dim: (*first, dim).index(dim)))
    return Rows(ds, full, dims, tuple(sorted({str(dim) for dim in full.sizes} - {*ds.sizes})))


def canonical(ds: xr.Dataset) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Return a result in the order of the schema, and its condition dims.

    Dims of the schema of which one entry was selected are there with a length of one. What `where`, `concat`
    and `reindex` turned into floating-point numbers or objects has its type again, unused rows their
    fillings. Variables with one value for each condition have no dim `fixed_point`, unless their points come
    from several conditions.

    Raises:
        ValueError: dims of the schema are stacked, or a variable differs along a dim that it cannot have.
    """
    # A coordinate of another dim: stacked, or one entry was selected for each condition.
    for name in [name for name in ds.coords if name in DIMS and ds[name].dims not in ((), (name,))]:
        if name in ds.indexes:
            raise ValueError(f"ds: {name!r} is stacked with other dims; call unstack first")
        ds = ds.drop_vars([name])
    ds = ds.reset_coords([name for name in ds.coords if name in SCHEMA and name not in ds.dims])
    names = [name for name in SCHEMA if name in ds.data_vars]
    single = {dim for name in names for dim in SCHEMA[name].dims if dim not in ds.dims}
    kept = {dim: ds[dim].values[None] for dim in single if dim in ds.coords}
    ds = ds.drop_vars(kept)
    first = ["kind", *names] if "kind" in names else names
    dims = tuple(dict.fromkeys(str(dim) for name in first for dim in ds[name].dims if dim not in DIMS))
    sizes = {str(dim): size for dim, size in ds.sizes.items()} | dict.fromkeys(single, 1)
    made = {name: _in_order(name, ds[name].variable, dims, sizes) for name in names}
    ds = ds.drop_vars(names).assign(made).assign_coords(kept)
    return (in_order_of(ds, "state_out", ds["state"].values) if "state" in ds.sizes else ds), dims


def in_order_of(ds: xr.Dataset, dim: str, names: Iterable[Any]) -> xr.Dataset:
    """Return a dataset with the entries of a dim in this order, where they are the same in another one."""
    names = list(names)
    if dim in ds.indexes and sorted(map(str, ds[dim].values)) == sorted(map(str, names)):
        places = {str(name): k for k, name in enumerate(ds[dim].values)}
        order = [places[str(name)] for name in names]
        return ds if order == [*range(len(order))] else ds.isel({dim: order})
    return ds


def condition_dims(ds: xr.Dataset) -> tuple[str, ...]:
    """Return a result's condition dims."""
    return rows_of(ds).dims


def _in_order(name: str, variable: xr.Variable, dims: Sequence[str], sizes: dict[str, int]) -> xr.Variable:
    """Return a variable with the schema's dims after those of its conditions, its type and its fillings."""
    own = SCHEMA[name].dims
    if variable.dtype.kind == "O":
        variable = variable.astype(float)
    for dim in [str(dim) for dim in variable.dims if dim in DIMS and dim not in own]:
        variable = _without(name, variable, dim)
    variable = _with_type(variable, SCHEMA[name].filling)
    missing = {dim: sizes[dim] for dim in own if dim not in variable.dims}
    if missing:
        variable = variable.set_dims({**missing, **variable.sizes})
    between = [dim for dim in ("fixed_point",) if dim in variable.dims and dim not in own]
    return variable.transpose(*(dim for dim in dims if dim in variable.dims), *between, *own)


def _without(name: str, variable: xr.Variable, dim: str) -> xr.Variable:
    """Return a variable without a dim along which a mask has repeated it."""
    values = np.moveaxis(variable.values, variable.dims.index(dim), 0)
    known = ~np.isnan(values)
    if len(values) == 0:
        value = np.full(values.shape[1:], np.nan)
    else:
        value = np.take_along_axis(values, known.argmax(axis=0)[None], axis=0)[0]
        if np.any(known & (values != value)):
            if dim == "fixed_point":
                return variable
            raise ValueError(f"ds: {name!r} differs along {dim!r}, a dim that it cannot have")
    return xr.Variable([each for each in variable.dims if each != dim], value, variable.attrs)


def _with_type(variable: xr.Variable, filling: Any) -> xr.Variable:
    """Return a variable with the integers or booleans that a mask has turned into floating-point numbers."""
    if isinstance(filling, float) or variable.dtype.kind in "biu":
        return variable
    dtype = bool if isinstance(filling, bool) else np.int8 if isinstance(filling, IntEnum) else np.int64
    values = np.where(np.isnan(variable.values), filling, variable.values).astype(dtype)
    return xr.Variable(variable.dims, values, variable.attrs)
