"""The fixed points of a dataset as rows: which there are, what is known of each, and how to say it."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from xarray.indexes import PandasMultiIndex

from fpanalysis.plot._text import escaped, joined, said
from fpanalysis.rows import canonical
from fpanalysis.schema import Kind


@dataclass(frozen=True)
class Points:
    """The points of a dataset without the padding, whatever conditions it spans, in its order.

    `rows` holds one index array per entry of `dims` (the condition dims, then `fixed_point`), as
    `numpy.nonzero` returns them.
    """

    ds: xr.Dataset
    dims: tuple[str, ...]
    rows: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.rows[-1])

    def keep(self, mask: np.ndarray) -> "Points":
        """Return the points at which `mask` is true, or those with these numbers, which must increase."""
        return replace(self, rows=tuple(index[mask] for index in self.rows))

    def fits(self, name: str, *extra: str) -> bool:
        """Say whether a variable has one value for each point (and each entry of the `extra` dims)."""
        return set(self.ds[name].dims) <= {*self.dims, *extra}

    def array(self, name: str, *extra: str) -> np.ndarray:
        """Return a variable broadcast to `dims` and the `extra` dims, in that order, padding included."""
        return self._whole(self.ds[name].variable, extra)

    def values(self, name: str, *extra: str) -> np.ndarray:
        """Return a variable with one row per point and one axis for each of the `extra` dims."""
        whole = self.array(name, *extra)
        if len(self) == np.prod(whole.shape[: len(self.dims)]):
            # Nothing is padding: all eigenvalues together can be too many to copy.
            return whole.reshape(len(self), *whole.shape[len(self.dims) :])
        return whole[self.rows]

    def texts(self, name: str) -> np.ndarray:
        """Return the values of a variable as the strings in which a figure shows them, one per point."""
        variable = self.ds[name].variable
        if variable.size > len(self):
            return said(self.values(name), variable.attrs)
        words = xr.Variable(variable.dims, said(variable.values, variable.attrs))
        return self._whole(words, ())[self.rows]

    def _whole(self, variable: xr.Variable, extra: tuple[str, ...]) -> np.ndarray:
        sizes = {dim: self.ds.sizes[dim] for dim in (*self.dims, *extra)}
        return variable.set_dims(sizes).transpose(*sizes).values


def points_of(ds: xr.Dataset) -> Points:
    """Return the points of a dataset, in the order of the schema: the rows whose `kind` is not `none`."""
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected the xarray.Dataset of find_fixed_points, got {type(ds).__name__}")
    reference = next((name for name in ("kind", "eigenvalue", "x") if name in ds), None)
    if reference is None:
        raise ValueError(
            "ds: it has none of 'kind', 'x' and 'eigenvalue', so it is no dataset of fixed points"
        )
    ds, conditions = canonical(ds)
    # Labels of several levels are shown level by level.
    stacked = {index.dim for index in ds.xindexes.values() if isinstance(index, PandasMultiIndex)}
    ds = ds.reset_index(list(stacked))
    dims = (*conditions, "fixed_point")
    shape = tuple(ds.sizes[dim] for dim in dims)
    everything = Points(ds, dims, tuple(index.ravel() for index in np.indices(shape)))
    return everything.keep(everything.values("kind") != Kind.NONE) if "kind" in ds else everything


def is_slow(points: Points) -> np.ndarray:
    """Say which of the points are slow points."""
    if "kind" not in points.ds:
        return np.zeros(len(points), dtype=bool)
    return points.values("kind") == Kind.SLOW


def label_names(points: Points) -> list[str]:
    """Return the coordinates that tell one condition from another: those with one value per point."""
    ds = points.ds
    dims = [name for name in points.dims[:-1] if name in ds.coords]
    others = [str(name) for name in ds.coords if name not in (*dims, "fixed_point")]
    return [*dims, *(name for name in others if points.fits(name))]


def descriptions(points: Points) -> list[str]:
    """Return the first lines of each point's hover text: which point it is, and its condition."""
    index = points.texts("fixed_point") if "fixed_point" in points.ds.coords else points.rows[-1].astype(str)
    kinds = np.where(is_slow(points), "slow point", "fixed point")
    lines = [[f"<b>{kind} {number}</b>" for kind, number in zip(kinds, index, strict=True)]]
    for dim, place in zip(points.dims[:-1], points.rows[:-1], strict=True):
        if dim not in points.ds.coords:
            lines.append([f"{dim} = {i}" for i in place])
    for name in label_names(points):
        start = f"{escaped(name)} = "
        lines.append([start + text for text in points.texts(name)])
    return joined(lines)


def none_found(ds: xr.Dataset) -> str:
    """Return a sentence that says how many candidates ended nowhere."""
    if "n_candidates" not in ds:
        return "no fixed points found"
    # Padded conditions (a model that was not run) hold −1.
    started = int(np.maximum(canonical(ds)[0]["n_candidates"].values, 0).sum())
    return f"no fixed points found<br>(n_candidates: {started:,})"
