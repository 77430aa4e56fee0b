"""Points that are the same from one value of a condition to the next get the same label."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.dataset import time_domain, variable
from fpanalysis.folds import indices
from fpanalysis.matching import PointSet
from fpanalysis.rows import Rows, rows_of
from fpanalysis.schema import BranchBegin, BranchEnd, Kind
from fpanalysis.shift import shifts
from fpanalysis.states import angles_of
from fpanalysis.transitions import Transition, transition

# An entry of the state that varies by less, relative to its size, varies by rounding.
_CONSTANT = 1e-9


class _Table(NamedTuple):
    """The points of a result, the dim that is followed first: `(step, other conditions, fixed_point, …)`.

    `scale` `(other conditions, state)` is how far apart the points are in each entry of the state, so that
    distances do not depend on units; of angles it is 1 rad.
    """

    x: np.ndarray
    u: np.ndarray
    is_fixed: np.ndarray
    shift: np.ndarray | None
    index: np.ndarray
    scale: np.ndarray

    def points(self, step: int, c: int, rows: np.ndarray) -> PointSet:
        """Return some points of one condition, in units of `scale`."""
        scale = self.scale[c]
        shift = None if self.shift is None else self.shift[step, c, rows] / scale[:, None]
        return PointSet(self.x[step, c, rows] / scale, self.u[step, c], shift, self.index[step, c, rows])


class _Labels(NamedTuple):
    """What is found of each point, `(step, other conditions, fixed_point)`."""

    branch: np.ndarray
    branch_confidence: np.ndarray
    branch_begins: np.ndarray
    branch_ends: np.ndarray


def add_branches(ds: xr.Dataset, dim: str) -> xr.Dataset:
    """Add `branch`, `branch_confidence`, `branch_begins` and `branch_ends`; see `follow`."""
    rows = _check(ds, dim)
    order = (dim, *(d for d in rows.dims if d != dim))
    table = _table(rows, dim)
    size = table.is_fixed.shape
    begins, ends = np.zeros(size, np.int8), np.zeros(size, np.int8)
    labels = _Labels(np.full(size, -1), np.where(table.is_fixed, 1.0, np.nan), begins, ends)
    for c in range(size[1]):
        _follow(table, labels, c, angles_of(rows.ds))
    shape = tuple(rows.ds.sizes[d] for d in order)
    new = {
        name: variable(name, order, array.reshape(*shape, size[2])).transpose(*rows.dims, "fixed_point")
        for name, array in labels._asdict().items()
    }
    new["branch"].attrs["along"] = dim
    return rows.added(new)


def _follow(table: _Table, labels: _Labels, c: int, periodic: np.ndarray) -> None:
    """Label the points of one of the other conditions, step by step."""
    before = np.flatnonzero(table.is_fixed[0, c])
    labels.branch[0, c, before], labels.branch_begins[0, c, before] = (
        np.arange(len(before)),
        BranchBegin.START,
    )
    merged = before[:0]
    for step in range(1, len(table.is_fixed)):
        rows = np.flatnonzero(table.is_fixed[step, c])
        found = transition(table.points(step - 1, c, before), table.points(step, c, rows), periodic)
        _label(labels, step, c, before, rows, found)
        # A degenerate point into which another went, and which is gone, was their fold.
        labels.branch_ends[step - 1, c, np.intersect1d(merged, before[found.lost])] = BranchEnd.FOLD
        before, merged = rows, rows[found.merged]
    labels.branch_ends[-1, c, before] = BranchEnd.END


def _label(
    labels: _Labels, step: int, c: int, before: np.ndarray, rows: np.ndarray, found: Transition
) -> None:
    branch, confidence, begins, ends = (array[:, c] for array in labels)
    old, new, born = before[found.links.first], rows[found.links.second], rows[found.born]
    branch[step, new], confidence[step, new] = branch[step - 1, old], found.links.confidence
    branch[step, born] = branch[: step + 1].max(initial=-1) + 1 + np.arange(len(born))
    confidence[step, born] = found.born_confidence
    begins[step, born] = np.where(found.born_at_fold, BranchBegin.FOLD, BranchBegin.BIRTH)
    ends[step - 1, before[found.lost]] = np.where(found.lost_at_fold, BranchEnd.FOLD, BranchEnd.DEATH)
    was_fold = before[found.split]
    begins[step - 1, was_fold] = np.where(
        begins[step - 1, was_fold] == BranchBegin.BIRTH, BranchBegin.FOLD, begins[step - 1, was_fold]
    )


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

    fixed, domain = rows.kind == Kind.FIXED, time_domain(ds)
    is_fixed = along(fixed)
    u = along(rows.of_conditions("u")) if "u" in ds else np.zeros((*is_fixed.shape[:2], 0))
    index = rows.array("index").astype(int) if "index" in ds else np.zeros(fixed.shape, int)
    shift = None
    if "jacobian" in ds:
        jacobian = rows.jacobian(fixed)
        if "index" not in ds:
            # At a degenerate point the sign is one of rounding.
            known = rows.of("is_isolated", fixed) if "is_isolated" in ds else True
            index[fixed] = np.where(known, indices(jacobian, domain), 0)
        if "input_jacobian" in ds:
            drive = rows.array("input_jacobian")
            isolated = rows.of("is_isolated", fixed) if "is_isolated" in ds else None
            moved = np.full_like(drive, np.nan)
            moved[fixed] = shifts(jacobian, drive[fixed], domain, isolated).shift
            shift = along(moved)
    x = along(rows.array("x"))
    scale = np.stack([_scale(x[:, c][is_fixed[:, c]]) for c in range(x.shape[1])])
    return _Table(x, u, is_fixed, shift, along(index), np.where(angles_of(ds), 1.0, scale))


def _scale(x: np.ndarray) -> np.ndarray:
    """Return the range of each entry of points `(k, state)`; of constant entries their size, or 1."""
    if len(x) == 0:
        return np.ones(x.shape[1])
    spread, size = np.ptp(x, axis=0), np.abs(x).max(axis=0)
    varies = spread > _CONSTANT * size
    return np.where(varies, spread, np.where(size > 0, size, 1.0))
