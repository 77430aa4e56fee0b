"""`summarize`: a small table for reading, one row for each condition."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fpanalysis.dataset import condition_dims
from fpanalysis.schema import Kind, Status

# A command at least this large (N, or N m) is said not to vanish.
NO_FORCE = 1e-6


def summarize(ds: xr.Dataset) -> pd.DataFrame:
    """Return a table that says of every condition what was found.

    Args:
        ds: a result of `find_fixed_points`, or a selection of one.

    Returns:
        A table with the conditions as index (`goal` also as `goal_x` and `goal_y`) and the columns
        `fixed points`; with spectra `stable`, how many of them are, `time constant (s)` of the slowest mode
        of the stable points (where none is stable, of the leading mode of the point with the fewest growing
        ones: negative where it grows) and its `frequency (Hz)`, in steps where the model has no `dt`;
        `residual`, the largest; `coverage`; of controllers `force (N)` (or `torque (N m)`), the
        largest, in the closed loop instead `offset (m)`, the largest distance of the effector from its
        target; and `note`, what to be aware of in words.

    Raises:
        ValueError: the dataset is no result.

    Example:
        >>> import fpanalysis as fpa
        >>> controller = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8).models[0]
        >>> ds = fpa.find_fixed_points(controller, fpa.Goal(position=fpa.grid(2, 1)), progress=False)
        >>> table = fpa.summarize(ds)
        >>> table["stable"].tolist(), list(table.index.names)
        ([1, 1], ['goal', 'goal_x', 'goal_y'])
        >>> table["note"].iloc[0]
        'force 0.0053 N does not vanish: the body would not stay'
    """
    dims = condition_dims(ds)
    ds = ds.transpose(*dims, "fixed_point", ...)
    shape = tuple(ds.sizes[dim] for dim in dims)
    rows = [_row(ds[dict(zip(dims, index, strict=True))]) for index in np.ndindex(shape)]
    return pd.DataFrame(rows, index=_index(ds, dims))


def _index(ds: xr.Dataset, dims: tuple[str, ...]) -> pd.Index:
    if not dims:
        return pd.RangeIndex(1)
    template = ds["n_fixed_points"]
    names = [*dims]
    for dim in dims:
        names += [f"{dim}_{axis}" for axis in "xy" if f"{dim}_{axis}" in ds.coords]
    columns = {
        name: (
            template[name] if name in template.coords else xr.DataArray(np.arange(ds.sizes[name]), dims=name)
        )
        .broadcast_like(template)
        .transpose(*dims)
        .values.ravel()
        for name in names
    }
    if len(columns) == 1:
        return pd.Index(columns[dims[0]], name=dims[0])
    return pd.MultiIndex.from_arrays(list(columns.values()), names=list(columns))


def _row(one: xr.Dataset) -> dict[str, Any]:
    """Return the columns of one condition."""
    fixed = one["kind"].values == Kind.FIXED
    row: dict[str, Any] = {"fixed points": int(fixed.sum())}
    if "is_stable" in one:
        row["stable"] = int(one["is_stable"].values[fixed].sum())
        row |= _slowest(one, fixed)
    row["residual"] = _largest(one["residual"].values[fixed])
    row["coverage"] = float(one["coverage"])
    for name, column in (("force_norm", "force"), ("torque_norm", "torque"), ("offset_norm", "offset")):
        if name in one and not (column != "offset" and one.attrs.get("loop") == "closed"):
            row[f"{column} ({one[name].attrs['units']})"] = _largest(one[name].values[fixed])
    row["note"] = _note(one, row)
    return row


def _slowest(one: xr.Dataset, fixed: np.ndarray) -> dict[str, float]:
    constant, frequency = one["time_constant"], one["frequency"]
    names = [f"time constant ({constant.attrs['units']})", f"frequency ({frequency.attrs['units']})"]
    stable = one["is_stable"].values & fixed
    if stable.any():
        chosen = stable
        rank = constant.values
    elif fixed.any():
        unstable = np.where(fixed, one["n_unstable"].values, np.iinfo(int).max)
        chosen = unstable == unstable.min()
        # Modes are sorted: the first of a point that is not stable is the one that grows fastest.
        rank = -np.broadcast_to(np.arange(constant.shape[1], dtype=float), constant.shape)
    else:
        return dict.fromkeys(names, np.nan)
    at = np.unravel_index(np.argmax(np.where(chosen[:, None], rank, -np.inf)), rank.shape)
    return dict(zip(names, (float(constant.values[at]), float(frequency.values[at])), strict=True))


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else np.nan


def _note(one: xr.Dataset, row: dict[str, Any]) -> str:
    status = int(one["status"])
    if status == Status.NONE_FOUND:
        return "no fixed point was found"
    if status == Status.BAD_MODEL:
        return "the model's weights are not finite"
    notes = []
    if status == Status.BOUND_MET:
        notes.append(f"a bound was met: {int(one['n_points_dropped'])} points were not followed up")
    if row.get("stable") == 0:
        notes.append("no point is stable")
    for name, unit in (("force", "N"), ("torque", "N m")):
        size = row.get(f"{name} ({unit})", 0.0)
        if size > NO_FORCE:
            notes.append(f"{name} {size:.2g} {unit} does not vanish: the body would not stay")
    return "; ".join(notes)
