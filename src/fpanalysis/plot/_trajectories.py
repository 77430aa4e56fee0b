"""Trajectories of states, read from what `simulate` returns, as lines with gaps between them."""

import numpy as np
import xarray as xr

_MOST_SAMPLES = 200_000


def trajectory_states(trajectories: xr.Dataset | xr.DataArray, ds: xr.Dataset) -> np.ndarray:
    """Return the states as `(trajectory, time, state)`, checked against the states of the fixed points."""
    if isinstance(trajectories, xr.Dataset):
        if "x" not in trajectories:
            raise ValueError("trajectories: the dataset has no variable 'x'; give what simulate returned")
        trajectories = trajectories["x"]
    if not isinstance(trajectories, xr.DataArray):
        kind = type(trajectories).__name__
        raise TypeError(f"trajectories: expected the xarray.Dataset of simulate or a DataArray, got {kind}")
    missing = [dim for dim in ("time", "state") if dim not in trajectories.dims]
    if missing:
        raise ValueError(
            f"trajectories: expected the dims 'time' and 'state', got {tuple(map(str, trajectories.dims))}"
        )
    _check_same_state(trajectories, ds)
    states = trajectories.transpose(..., "time", "state").values.astype(float)
    return states.reshape(-1, *states.shape[-2:])


def _check_same_state(trajectories: xr.DataArray, ds: xr.Dataset) -> None:
    if trajectories.sizes["state"] != ds.sizes["state"]:
        raise ValueError(
            f"trajectories: their state has {trajectories.sizes['state']} entries, "
            f"that of the fixed points {ds.sizes['state']}"
        )
    if "state" in trajectories.coords and "state" in ds.coords:
        differ = trajectories["state"].values != ds["state"].values
        if np.any(differ):
            first = int(np.argmax(differ))
            theirs, ours = (str(array["state"].values[first]) for array in (trajectories, ds))
            raise ValueError(
                f"trajectories: entry {first} of their state is {theirs!r}, that of the fixed points {ours!r}"
            )


def thinned(states: np.ndarray) -> np.ndarray:
    """Return evenly spaced trajectories, few enough to be turned about in a browser."""
    most = max(1, _MOST_SAMPLES // max(1, states.shape[1]))
    if len(states) <= most:
        return states
    return states[np.linspace(0, len(states) - 1, most).round().astype(int)]


def with_gaps(lines: np.ndarray) -> np.ndarray:
    """Return lines `(line, sample, axis)` end to end, `(sample, axis)`, with a row of NaN after each."""
    gap = np.full((len(lines), 1, lines.shape[2]), np.nan)
    return np.concatenate([lines, gap], axis=1).reshape(-1, lines.shape[2])
