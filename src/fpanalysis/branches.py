"""Points that are the same from one value of a condition to the next get the same label."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.dataset import time_domain, variable
from fpanalysis.matching import Links, PointSet, link_points
from fpanalysis.rows import Rows, rows_of
from fpanalysis.schema import BranchBegin, BranchEnd, Kind
from fpanalysis.shift import shifts


class _Table(NamedTuple):
    """The points of a result, the dim that is followed first: `(step, other conditions, fixed_point, …)`."""

    x: np.ndarray
    u: np.ndarray
    is_fixed: np.ndarray
    shift: np.ndarray | None
    n_unstable: np.ndarray | None


def add_branches(ds: xr.Dataset, dim: str) -> xr.Dataset:
    """Add `branch`, `branch_confidence`, `branch_begins` and `branch_ends`; see `follow`."""
    rows_along = _check(ds, dim)
    dims, full = rows_along.dims, rows_along.ds
    order = (dim, *(d for d in dims if d != dim))
    table = _table(rows_along, dim)
    n_steps, n_others, n_rows = table.is_fixed.shape
    branch = np.full((n_steps, n_others, n_rows), -1)
    confidence = np.full(branch.shape, np.nan)
    begins, ends = np.zeros((2, *branch.shape), np.int8)
    periodic = np.isin(full["state"].values, ds.attrs.get("periodic", "").split())
    for c in range(n_others):
        for step in range(n_steps):
            rows = np.flatnonzero(table.is_fixed[step, c])
            confidence[step, c, rows] = 1.0
            if step == 0:
                branch[step, c, rows], begins[step, c, rows] = np.arange(len(rows)), BranchBegin.START
                continue
            before = np.flatnonzero(table.is_fixed[step - 1, c])
            links = _linked(table, step, c, before, rows, periodic)
            old, new = before[links.first], rows[links.second]
            branch[step, c, new], confidence[step, c, new] = branch[step - 1, c, old], links.confidence
            lost, born = np.setdiff1d(before, old), np.setdiff1d(rows, new)
            branch[step, c, born] = branch[: step + 1, c].max(initial=-1) + 1 + np.arange(len(born))
            ends[step - 1, c, lost] = np.where(
                _at_fold(table, step - 1, c, lost), BranchEnd.FOLD, BranchEnd.DEATH
            )
            begins[step, c, born] = np.where(
                _at_fold(table, step, c, born), BranchBegin.FOLD, BranchBegin.BIRTH
            )
        ends[-1, c, table.is_fixed[-1, c]] = BranchEnd.END
    shape = tuple(full.sizes[d] for d in order)
    made = {"branch": branch, "branch_confidence": confidence, "branch_begins": begins, "branch_ends": ends}
    new = {
        name: variable(name, order, array.reshape(*shape, n_rows)).transpose(*dims, "fixed_point")
        for name, array in made.items()
    }
    new["branch"].attrs["along"] = dim
    return rows_along.added(new)


def links_along(rows: Rows, dim: str) -> Iterator[tuple[tuple, tuple]]:
    """Yield the rows of a branch that follow each other: pairs of indices into `(conditions…, fixed_point)`.

    Earlier values of `dim` come first.
    """
    axis = rows.dims.index(dim)
    branch = np.moveaxis(rows.array("branch"), axis, 0)
    for step in range(1, len(branch)):
        same = (branch[step - 1][..., :, None] == branch[step][..., None, :]) & (
            branch[step][..., None, :] >= 0
        )
        for *others, i, j in np.argwhere(same).tolist():
            yield (
                (*others[:axis], step - 1, *others[axis:], i),
                (*others[:axis], step, *others[axis:], j),
            )


def _check(ds: xr.Dataset, dim: str) -> Rows:
    rows = rows_of(ds)
    dims = rows.dims
    if dim not in dims:
        raise ValueError(
            f"dim: the result has no condition {dim!r}{nearest(str(dim), dims)}; "
            f"it has {listed(dims) or 'none'}"
        )
    if (n := rows.ds.sizes[dim]) < 2:
        raise ValueError(f"dim: expected at least two values of {dim!r}, got {n}")
    return rows


def _table(rows: Rows, dim: str) -> _Table:
    ds, axis = rows.ds, rows.dims.index(dim)

    def along(values: np.ndarray) -> np.ndarray:
        values, n = np.moveaxis(values, axis, 0), len(rows.dims)
        return values.reshape(values.shape[0], int(np.prod(values.shape[1:n])), *values.shape[n:])

    fixed = rows.kind == Kind.FIXED
    is_fixed = along(fixed)
    u = along(rows.of_conditions("u")) if "u" in ds else np.zeros((*is_fixed.shape[:2], 0))
    shift = None
    if "jacobian" in ds and "input_jacobian" in ds:
        drive = rows.array("input_jacobian")
        moved = np.full_like(drive, np.nan)
        moved[fixed] = shifts(rows.jacobian(fixed), drive[fixed], time_domain(ds)).shift
        shift = along(moved)
    n_unstable = along(rows.array("n_unstable")) if "n_unstable" in ds else None
    return _Table(along(rows.array("x")), u, is_fixed, shift, n_unstable)


def _linked(
    table: _Table, step: int, c: int, before: np.ndarray, rows: np.ndarray, periodic: np.ndarray
) -> Links:
    def points(k: int, mine: np.ndarray) -> PointSet:
        shift = None if table.shift is None else table.shift[k, c, mine]
        return PointSet(table.x[k, c, mine], table.u[k, c], shift)

    return link_points(points(step - 1, before), points(step, rows), periodic)


def _at_fold(table: _Table, step: int, c: int, rows: np.ndarray) -> np.ndarray:
    """Return which of the points that come or go do so in a pair that meets at a fold, not alone.

    Two that are each other's nearest, and of which one has one unstable mode more, are such a pair.
    """
    if table.n_unstable is None or len(rows) < 2:
        return np.zeros(len(rows), bool)
    x, unstable = table.x[step, c, rows], table.n_unstable[step, c, rows]
    distance = np.linalg.norm(x[:, None] - x[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    partner = distance.argmin(axis=1)
    mutual = partner[partner] == np.arange(len(rows))
    return mutual & (np.abs(unstable - unstable[partner]) == 1)
