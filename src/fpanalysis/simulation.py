"""Labelled trajectories of vector fields under given inputs, and of controllers on trials."""

import importlib.metadata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fpanalysis._given import labelled, matched, numbers, with_numbers
from fpanalysis._messages import listed
from fpanalysis._numerics import refuse_traced
from fpanalysis.control.controller import Controller
from fpanalysis.control.ensemble import Ensemble, Recorded, recorded
from fpanalysis.control.network import Network
from fpanalysis.control.simulation import simulate_trials
from fpanalysis.control.trials import Trials
from fpanalysis.coordinates import plain_labels
from fpanalysis.trajectories import trajectories, warn_if_not_finite
from fpanalysis.vector_field import VectorField, check_finite, vector_field

# Relative disagreement of time steps that is put down to rounding (single-precision time coordinates).
_TIME_TOLERANCE = 1e-3


def simulate(
    model: VectorField | Callable | Controller | Network | Ensemble | Recorded,
    inputs: int | ArrayLike | xr.DataArray | Trials,
    x0: ArrayLike | xr.DataArray | None = None,
    *,
    dt: float | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Run a model on given inputs and return its labelled trajectories.

    Index `k` along `time` holds the input number `k` and the state that it leads to: `x[0]` is the state
    *after* the first input, `x0` itself is a variable of its own. (PyTorch's recurrent layers return the
    same.) Its time coordinate is therefore `(k + 1)·dt`. In continuous time each input is held for `dt`.
    Everything is computed in float64.

    Controllers, networks with named inputs, and ensembles of either run on trials, such as
    `fpanalysis.tasks.SimpleReaches().validation()`; start and field of every trial are its own.

    Args:
        model: a `VectorField`, or anything that `vector_field` wraps without further arguments; or a
            `Controller`, `Network` or `Ensemble`.
        inputs: a number of steps with zero input; an array (time, input) or (trial, time, input); a
            DataFrame with the inputs' names as columns and a row for each step; or a DataArray with the dims
            `time` and `input` and any others, in any order. If it has names along `input`, they are matched
            to `model.inputs`. For a `Controller`, `Network` or `Ensemble`: the trials.
        x0: initial state; zeros by default. An array (state,), or one with the other dims of `inputs`
            before `state` (with none there: (trial, state)), or a DataArray with `state` and any others.
        dt: seconds per step or between samples. By default that of the model, else the spacing of the
            time coordinate of `inputs`.
        seed: for the noise on the feedback and command of controllers; without it there is none.
        progress: whether to show a progress bar over the models of an ensemble.

    Returns:
        A dataset with `x` (..., time, state), `y` (..., time, output) if there is a readout, `u` (..., time,
        input) and `x0` (..., state). `time` is in seconds where `dt` is known, else in steps; the attribute
        `units` of the coordinate says which. For trials: `position` and `velocity` of the effector (…,
        trial, time, axis), the command as `force` (or `torque`), `hidden`, the network's whole input `u`,
        and what was asked for; an ensemble's dims come first, and the labels of the trials lie along
        `trial`.

    Raises:
        TypeError: an argument is not what it should be, or does not go with this kind of model.
        ValueError: shapes, names or time steps do not fit, the model's weights are not finite, or a
            continuous-time model comes without any `dt`.

    Warns:
        RuntimeWarning: states became infinite or NaN; says in how many trials and when first.

    Example:
        >>> import fpanalysis
        >>> decay = fpanalysis.vector_field(lambda x, u: -x, state=["v"], time_domain="continuous")
        >>> ds = simulate(decay, 10, x0=[1.0], dt=0.1)
        >>> float(ds.x.sel(time=1.0, state="v", method="nearest").round(6))
        0.367879
    """
    model = recorded(model)
    if isinstance(model, Controller | Network | Ensemble):
        if not isinstance(inputs, Trials) or x0 is not None or dt is not None:
            raise TypeError(
                f"inputs: {type(model).__name__} runs on trials, simulate(model, task.validation()); "
                "inputs can be given to its vector field, controller.closed_loop() or network.vector_field()"
            )
        return simulate_trials(model, inputs, seed, progress)
    if isinstance(inputs, Trials) or seed is not None:
        raise TypeError(
            "inputs, seed: trials and noise are for a Controller, Network or Ensemble, and the model is "
            f"{type(model).__name__}"
        )
    field = vector_field(model)  # pyright: ignore[reportArgumentType]
    check_finite(field)
    drive = _drive(field, inputs)
    dt = _time_step(field, drive, dt)
    drive, start = _conditions(drive.drop_vars("time", errors="ignore"), _initial(field, x0, drive))
    lead = start.dims[:-1]
    n = int(np.prod(start.shape[:-1]))
    found = trajectories(
        field,
        start.values.reshape(n, len(field.state)),
        drive.values.reshape(n, drive.sizes["time"], len(field.inputs)),
        dt,
    )
    warn_if_not_finite(found.x, dt)
    shape = drive.shape[:-1]
    variables = {
        "x": ((*lead, "time", "state"), found.x.reshape(*shape, -1), {"long_name": "state"}),
        "u": ((*lead, "time", "input"), drive.values, {"long_name": "input"}),
        "x0": (start.dims, start.values, {"long_name": "initial state"}),
    }
    if field.readout is not None:
        shape = (*shape, len(field.outputs))
        variables["y"] = ((*lead, "time", "output"), found.y.reshape(shape), {"long_name": "output"})
    return _labelled(xr.Dataset(variables, _lead_coords(drive)), field, dt)


def _labelled(ds: xr.Dataset, field: VectorField, dt: float | None) -> xr.Dataset:
    """Return the dataset with names along every dimension and with attributes."""
    count = np.arange(1, ds.sizes["time"] + 1)
    time = (count, {"units": "step"}) if dt is None else (count * dt, {"units": "s"})
    names = {"state": list(field.state), "input": np.array(field.inputs, dtype=str)}
    if field.readout is not None:
        names["output"] = list(field.outputs)
    plain = {dim: np.arange(ds.sizes[dim]) for dim in ds.x.dims if dim not in {*ds.coords, *names, "time"}}
    attrs: dict[str, str | float] = {
        "time_domain": field.time_domain,
        "fpanalysis_version": importlib.metadata.version("fpanalysis"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if dt is not None:
        attrs["dt"] = dt
    return ds.assign_coords({"time": ("time", *time), **names, **plain}).assign_attrs(attrs)


def _drive(field: VectorField, inputs: Any) -> xr.DataArray:
    """Return the inputs with their dims named, the entries in the model's order, and float64."""
    n = len(field.inputs)
    if isinstance(inputs, int | np.integer) and not isinstance(inputs, bool):
        if inputs < 1:
            raise ValueError(f"inputs: expected at least one step, got {inputs}")
        return xr.DataArray(np.zeros((int(inputs), n)), dims=("time", "input"))
    inputs = labelled(inputs, "inputs", ("time", "input"))
    if isinstance(inputs, xr.DataArray):
        return _matched(inputs, "input", field.inputs, "inputs", needs=("time", "input"))
    array = numbers(inputs, "inputs")
    if array.ndim not in (2, 3) or array.shape[-1] != n:
        raise ValueError(
            f"inputs: expected a number of steps, or an array of shape (time, {n}) or (trial, time, {n}), "
            f"got shape {array.shape}"
        )
    return xr.DataArray(array, dims=("trial", "time", "input")[3 - array.ndim :])


def _initial(field: VectorField, x0: Any, drive: xr.DataArray) -> xr.DataArray:
    """Return the initial states with their dims named."""
    n = len(field.state)
    if x0 is None:
        return xr.DataArray(np.zeros(n), dims="state")
    x0 = labelled(x0, "x0", ("trial", "state"))
    if isinstance(x0, xr.DataArray):
        return _matched(x0, "state", field.state, "x0", needs=("state",))
    array = numbers(x0, "x0")
    lead = {dim: size for dim, size in drive.sizes.items() if dim not in ("time", "input")}
    if array.shape == (n,):
        return xr.DataArray(array, dims="state")
    if not lead and array.ndim == 2 and array.shape[1] == n:
        return xr.DataArray(array, dims=("trial", "state"))
    if array.shape != (*lead.values(), n):
        raise ValueError(
            f"x0: expected an array of shape ({n},) or {(*lead.values(), n) if lead else f'(trial, {n})'}, "
            f"got {array.shape}"
        )
    return xr.DataArray(array, dims=(*lead, "state"))


def _matched(
    given: xr.DataArray, dim: str, names: tuple[str, ...], argument: str, needs: tuple[str, ...]
) -> xr.DataArray:
    """Return the array with its entries along `dim` in the order of `names`, those labels taken off."""
    if missing := [need for need in needs if need not in given.dims]:
        dims = listed(map(str, given.dims))
        raise ValueError(
            f"{argument}: expected the dims {listed(needs)}, got {dims} without {listed(missing)}"
        )
    return matched(plain_labels(with_numbers(given, argument), argument), dim, names, argument)


def _time_step(field: VectorField, drive: xr.DataArray, dt: float | None) -> float | None:
    """Return the seconds per sample, from wherever they are known."""
    refuse_traced(dt, "dt")
    if dt is not None and not (np.isfinite(dt) and dt > 0):
        raise ValueError(f"dt: expected a positive number of seconds, got {dt!r}")
    given = [("dt", dt)] if dt is not None else []
    # A sampled model steps by its own dt; a continuous one may be sampled as one likes.
    if field.dt is not None and (field.time_domain == "discrete" or dt is None):
        given.append(("the model's dt", field.dt))
    spacing = _spacing(drive)
    if spacing is not None:
        given.append(("the spacing of the time coordinate of inputs", spacing))
    for where, value in given[1:]:
        if abs(value - given[0][1]) > _TIME_TOLERANCE * given[0][1]:
            raise ValueError(f"dt: {given[0][0]} is {given[0][1]:g} s, but {where} is {value:g} s")
    if not given and field.time_domain == "continuous":
        raise ValueError(
            "dt: a continuous-time model needs the seconds between samples; pass dt=..., set it in "
            "vector_field(..., dt=...), or give inputs a time coordinate"
        )
    return float(given[0][1]) if given else None


def _spacing(drive: xr.DataArray) -> float | None:
    """Return the spacing of the time coordinate, if there is one in seconds."""
    if "time" not in drive.coords or drive.sizes["time"] < 2 or drive["time"].attrs.get("units") == "step":
        return None
    time = drive["time"].values
    if time.dtype.kind not in "iuf":
        raise ValueError(f"inputs: expected a time coordinate in seconds, got dtype {time.dtype}")
    steps = np.diff(time.astype(np.float64))
    spacing = float(np.mean(steps))
    if not (spacing > 0 and np.all(np.abs(steps - spacing) <= _TIME_TOLERANCE * spacing)):
        raise ValueError(
            "inputs: expected an evenly spaced, increasing time coordinate, "
            f"got steps from {steps.min():g} to {steps.max():g} s"
        )
    return spacing


def _conditions(drive: xr.DataArray, start: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return inputs and initial states with the same leading dims, in the same order."""
    try:
        drive, start = xr.align(drive, start, join="exact", copy=False, exclude=("time", "input", "state"))
    except ValueError as error:
        raise ValueError(f"x0: its dims and coordinates differ from those of inputs ({error})") from error
    drive, start = xr.broadcast(drive, start, exclude=("time", "input", "state"))
    lead = [dim for dim in drive.dims if dim not in ("time", "input")]
    return drive.transpose(*lead, "time", "input"), start.transpose(*lead, "state")


def _lead_coords(drive: xr.DataArray) -> xr.Coordinates:
    """Return the coordinates that neither time nor input has a part in."""
    along = [name for name, coord in drive.coords.items() if {"time", "input"} & set(coord.dims)]
    return drive.drop_vars(along).coords
