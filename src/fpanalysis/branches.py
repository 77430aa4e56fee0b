"""Points that are the same from one value of a condition to the next get the same label."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.dataset import time_domain, variable
from fpanalysis.folds import indices
from fpanalysis.matching import Links, PointSet, goes_to, link_across
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
    distances do not depend on units; of angles it is 1 rad. `is_known` `(step, other conditions)` is False
    where a mask has left nothing.
    """

    x: np.ndarray
    u: np.ndarray
    is_fixed: np.ndarray
    shift: np.ndarray | None
    index: np.ndarray
    scale: np.ndarray
    is_known: np.ndarray

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
        _Walk(table, labels, c, angles_of(rows.ds)).run()
    shape = tuple(rows.ds.sizes[d] for d in order)
    new = {
        name: variable(name, order, array.reshape(*shape, size[2])).transpose(*rows.dims, "fixed_point")
        for name, array in labels._asdict().items()
    }
    new["branch"].attrs["along"] = dim
    return rows.added(new)


class _Walk:
    """Labels the points of one of the other conditions, step by step; masked steps are left out.

    Where branches meet in one degenerate point, it is on one of them. What became of the others is only known
    a step later: they go on if as many come from it (`_carry`), they ended at a fold if the point is gone.
    """

    def __init__(self, table: _Table, labels: _Labels, c: int, periodic: np.ndarray) -> None:
        self.table, self.c, self.periodic = table, c, periodic
        self.branch, self.confidence, self.begins, self.ends = (array[:, c] for array in labels)
        self.count = 0

    def run(self) -> None:
        steps = np.flatnonzero(self.table.is_known[:, self.c]).tolist()
        if not steps:
            return
        rows = self._rows(steps[0])
        self._number(steps[0], rows)
        self.begins[steps[0], rows] = BranchBegin.START
        earlier: tuple[int, Transition] | None = None
        for one, two in pairwise(steps):
            before, after = self._rows(one), self._rows(two)
            found = transition(self._points(one, before), self._points(two, after), self.periodic)
            found = _by_row(found, before, after)
            self._link(one, two, found)
            if earlier is not None:
                self._settle_merged(*earlier, one, found)
            crossed = [] if earlier is None else self._carry(*earlier, one, two, found)
            self._number(two, np.setdiff1d(found.born, crossed))
            earlier = one, found
        self.ends[steps[-1], self._rows(steps[-1])] = BranchEnd.END

    def _rows(self, step: int) -> np.ndarray:
        return np.flatnonzero(self.table.is_fixed[step, self.c])

    def _points(self, step: int, rows: np.ndarray) -> PointSet:
        return self.table.points(step, self.c, rows)

    def _number(self, step: int, rows: np.ndarray) -> None:
        self.branch[step, rows] = self.count + np.arange(len(rows))
        self.count += len(rows)

    def _link(self, one: int, two: int, found: Transition) -> None:
        old, new = found.links.first, found.links.second
        self.branch[two, new], self.confidence[two, new] = self.branch[one, old], found.links.confidence
        self.confidence[two, found.born] = found.born_confidence
        self.begins[two, found.born] = np.where(found.born_at_fold, BranchBegin.FOLD, BranchBegin.BIRTH)
        self.ends[one, found.lost] = np.where(found.lost_at_fold, BranchEnd.FOLD, BranchEnd.DEATH)
        # Half of a fold is known: the other half is when the degenerate point ends, or where it began.
        self.ends[one, found.merged[:, 0]] = BranchEnd.DEATH
        for new, at in found.split:
            began = self.begins[one, at] in (BranchBegin.BIRTH, BranchBegin.FOLD)
            self.begins[two, new] = BranchBegin.FOLD if began else BranchBegin.BIRTH
            self.begins[one, at] = BranchBegin.FOLD if began else self.begins[one, at]

    def _settle_merged(self, zero: int, earlier: Transition, one: int, found: Transition) -> None:
        """Say fold of the points that ended in a degenerate one which is gone now, and of that."""
        for old, at in earlier.merged:
            if at in found.lost:
                self.ends[zero, old] = self.ends[one, at] = BranchEnd.FOLD

    def _carry(self, zero: int, earlier: Transition, one: int, two: int, found: Transition) -> list[int]:
        """Link branches across degenerate points in which as many end as begin, and return these."""
        shift, rows = self.table.shift, self._rows(one)
        lost, born = earlier.lost, found.born
        if shift is None or not (len(lost) and len(born) and len(rows)):
            return []
        at, carried = self._points(one, rows), []
        into = goes_to(self._points(zero, lost), at, self.periodic)
        out = goes_to(self._points(two, born), at, self.periodic)
        for k in np.flatnonzero(~np.isfinite(shift[one, self.c, rows]).all(axis=(1, 2))):
            old = np.append(earlier.links.first[earlier.links.second == rows[k]], lost[into == k])
            new = np.append(found.links.second[found.links.first == rows[k]], born[out == k])
            if len(old) != len(new) or len(old) < 2:
                continue
            links = link_across(self._points(zero, old), self._points(two, new), self.periodic)
            if links is not None:
                old, new = old[links.first], new[links.second]
                self.branch[two, new], self.confidence[two, new] = self.branch[zero, old], links.confidence
                self.ends[zero, old], self.begins[two, new] = BranchEnd.NONE, BranchBegin.NONE
                carried += new.tolist()
        return carried


def _by_row(found: Transition, before: np.ndarray, after: np.ndarray) -> Transition:
    """Return a transition whose points are given by their rows in the dataset."""
    links = Links(before[found.links.first], after[found.links.second], found.links.confidence)
    split = np.stack([after[found.split[:, 0]], before[found.split[:, 1]]], axis=1)
    merged = np.stack([before[found.merged[:, 0]], after[found.merged[:, 1]]], axis=1)
    return found._replace(
        links=links, lost=before[found.lost], born=after[found.born], split=split, merged=merged
    )


def links_along(rows: Rows, dim: str) -> Iterator[tuple[tuple, tuple]]:
    """Yield the rows of a branch that follow each other: pairs of indices into `(conditions…, fixed_point)`.

    Earlier values of `dim` come first. Values at which a branch has no row are passed over.
    """
    axis = rows.dims.index(dim)
    branch = np.moveaxis(rows.array("branch"), axis, 0)
    last: dict[tuple[int, ...], tuple[int, ...]] = {}
    for step, *others, row in np.argwhere(branch >= 0).tolist():
        key = (*others, int(branch[(step, *others, row)]))
        here = (*others[:axis], step, *others[axis:], row)
        if key in last:
            yield last[key], here
        last[key] = here


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
    known = ~np.moveaxis(rows.is_masked, axis, 0).reshape(is_fixed.shape[:2])
    return _Table(x, u, is_fixed, shift, along(index), np.where(angles_of(ds), 1.0, scale), known)


def _scale(x: np.ndarray) -> np.ndarray:
    """Return the range of each entry of points `(k, state)`; of constant entries their size, or 1."""
    if len(x) == 0:
        return np.ones(x.shape[1])
    spread, size = np.ptp(x, axis=0), np.abs(x).max(axis=0)
    varies = spread > _CONSTANT * size
    return np.where(varies, spread, np.where(size > 0, size, 1.0))
