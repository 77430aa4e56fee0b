"""`summarize`: a small table for reading, one row for each condition."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fpanalysis._rounding import usual_errors
from fpanalysis.dataset import time_units
from fpanalysis.rows import rows_of
from fpanalysis.schema import SCHEMA, Kind, Status

# A command at least this large (N, or N m) is said not to vanish.
NO_FORCE = 1e-6
_OF_POINTS = (
    "kind", "is_stable", "n_unstable", "time_constant", "frequency", "residual", "force_norm", "torque_norm",
    "offset_norm",
)  # fmt: skip
_OF_CONDITIONS = ("coverage", "status", "n_points_dropped")
_SLOWEST = {"time_constant": "time constant", "frequency": "frequency"}


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
    with usual_errors():
        rows = rows_of(ds)
        of_points = {name: rows.array(name) for name in _OF_POINTS if name in rows.ds}
        if "u" in rows.ds:
            rows.of_conditions("u")  # points under several inputs are of several conditions
        of_conditions = {name: rows.of_conditions(name) for name in _OF_CONDITIONS if name in rows.ds}
        units = {name: _unit(rows.ds, name) for name in of_points}
        table = [
            _row(
                {name: values[index] for name, values in of_points.items()},
                {name: values[index] for name, values in of_conditions.items()},
                units,
                is_closed=rows.ds.attrs.get("loop") == "closed",
            )
            for index in np.ndindex(rows.kind.shape[:-1])
        ]
        return pd.DataFrame(table, index=_index(rows.ds, rows.dims))


def _unit(ds: xr.Dataset, name: str) -> str:
    """Return the units of a variable, also where what joined results has left out its attributes."""
    usual = SCHEMA[name].units or ""
    if name in ("time_constant", "frequency") and "units" not in ds[name].attrs:
        usual = dict(zip(("time_constant", "frequency"), time_units(ds), strict=True))[name]
    return str(ds[name].attrs.get("units", usual))


def _index(ds: xr.Dataset, dims: tuple[str, ...]) -> pd.Index:
    if not dims:
        return pd.RangeIndex(1)
    shape = tuple(ds.sizes[dim] for dim in dims)
    template = xr.DataArray(np.zeros(shape), {dim: ds[dim] for dim in dims}, dims)
    names = [*dims]
    for dim in dims:
        names += [f"{dim}_{axis}" for axis in "xy" if f"{dim}_{axis}" in ds.coords]
    columns = {name: ds[name].broadcast_like(template).transpose(*dims).values.ravel() for name in names}
    if len(columns) == 1:
        return pd.Index(columns[dims[0]], name=dims[0])
    return pd.MultiIndex.from_arrays(list(columns.values()), names=list(columns))


def _row(points: dict, condition: dict, units: dict[str, str], is_closed: bool) -> dict[str, Any]:
    """Return the columns of one condition, from the values of its points and its own."""
    fixed = points["kind"] == Kind.FIXED
    row: dict[str, Any] = {"fixed points": int(fixed.sum())}
    if "is_stable" in points:
        row["stable"] = int(points["is_stable"][fixed].sum())
    if {"is_stable", "n_unstable", "time_constant", "frequency"} <= points.keys():
        names = [f"{words} ({units[name]})" for name, words in _SLOWEST.items()]
        row |= dict(zip(names, _slowest(points, fixed), strict=True))
    row["residual"] = _largest(points["residual"][fixed]) if "residual" in points else np.nan
    row["coverage"] = float(condition.get("coverage", np.nan))
    for name, column in (("force_norm", "force"), ("torque_norm", "torque"), ("offset_norm", "offset")):
        if name in points and not (column != "offset" and is_closed):
            row[f"{column} ({units[name]})"] = _largest(points[name][fixed])
    row["note"] = _note(points, condition, row)
    return row


def _slowest(points: dict, fixed: np.ndarray) -> tuple[float, float]:
    """Return time constant and frequency of the mode that decays most slowly, or grows fastest."""
    constant, n_unstable = points["time_constant"], points["n_unstable"]
    stable, decided = points["is_stable"] & fixed, fixed & (n_unstable >= 0)
    if stable.any():
        chosen, rank = stable, constant
    elif decided.any():
        chosen = decided & (n_unstable == n_unstable[decided].min())
        with np.errstate(divide="ignore"):
            rank = -1.0 / constant
    else:
        return np.nan, np.nan
    at = np.unravel_index(np.argmax(np.where(chosen[:, None], rank, -np.inf)), rank.shape)
    return float(constant[at]), float(points["frequency"][at])


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else np.nan


def _note(points: dict, condition: dict, row: dict[str, Any]) -> str:
    status = condition.get("status", Status.SOLVED)
    if np.isnan(condition.get("coverage", 0.0)):
        return "left out by a mask"
    if status == Status.NONE_FOUND:
        return "no fixed point was found"
    if status == Status.BAD_MODEL:
        return "the model's weights are not finite"
    notes = []
    if status == Status.BOUND_MET:
        n = int(condition.get("n_points_dropped", 0))
        notes.append(f"a bound was met: {n} points were not followed up")
    undecided = (
        int((points["n_unstable"][points["kind"] == Kind.FIXED] < 0).sum()) if "n_unstable" in points else 0
    )
    if undecided:
        notes.append(f"the stability of {undecided} points is undecided")
    elif row.get("stable") == 0:
        notes.append("no point is stable")
    for name, unit in (("force", "N"), ("torque", "N m")):
        size = row.get(f"{name} ({unit})", 0.0)
        if size > NO_FORCE:
            notes.append(f"{name} {size:.2g} {unit} does not vanish: the body would not stay")
    return "; ".join(notes)
