"""Which figures fit a dataset."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import plotly.graph_objects as go
import xarray as xr

from fpanalysis import measures
from fpanalysis.plot._aligned import aligned_trajectories
from fpanalysis.plot._bifurcation import bifurcation
from fpanalysis.plot._compare import compare
from fpanalysis.plot._fixed_points import fixed_points
from fpanalysis.plot._flow import flow
from fpanalysis.plot._loss_history import loss_history
from fpanalysis.plot._paths import trajectories
from fpanalysis.plot._points import points_of
from fpanalysis.plot._profiles import profiles
from fpanalysis.plot._spectrum import spectrum
from fpanalysis.plot._spectrum_by import spectrum_by
from fpanalysis.plot._styles import INNER_DIMS, is_ordered
from fpanalysis.plot._weights import weights

# Conditions that say less than others, and so are taken where there is no other.
_LESS = ("goal", "feedback", "replicate")
_SCALARS = ("offset_norm", "force_norm", "torque_norm")


class Fitting(NamedTuple):
    """A figure that fits a dataset `ds`: how to make it, and the same in words, as a reader would call it."""

    call: str
    draw: Callable[[], go.Figure]


def fitting(ds: xr.Dataset) -> tuple[str, list[Fitting]]:
    """Return what a dataset holds, and the figures that could be made of it; nothing for other datasets."""
    found = [(name, list(figures(ds))) for name, holds, figures in _KINDS if holds(ds)]
    return (found[0][0] if found else ""), [figure for _, figures in found for figure in figures]


def _figure(function: Callable[..., go.Figure], ds: xr.Dataset, *args: Any, **options: Any) -> Fitting:
    said = [repr(arg) for arg in args]
    said += [f"{name}={value!r}" for name, value in options.items() if value is not None]
    call = f"fpa.plot.{function.__name__}({', '.join(['ds', *said])})"
    return Fitting(call, lambda: function(ds, *args, **options))


def _conditions(ds: xr.Dataset, variable: str) -> list[str]:
    """Return the conditions that take several values, those first that say most."""
    dims = [str(dim) for dim in ds[variable].dims if dim not in INNER_DIMS and ds.sizes[dim] > 1]
    return sorted(dims, key=lambda dim: (dim in _LESS, not is_ordered(ds[dim].values.tolist())))


def _first(names: list[str]) -> str | None:
    return names[0] if names else None


def _of_points(ds: xr.Dataset) -> Iterator[Fitting]:
    reference = next((name for name in ("kind", "eigenvalue", "x") if name in ds), None)
    given, ds = ds, points_of(ds).ds if reference else ds
    conditions = [name for name in _conditions(ds, reference) if name in ds.coords] if reference else []
    yield _figure(spectrum, given, color=_first(conditions))
    yield _figure(fixed_points, given)
    if "time" in ds.dims:
        yield Fitting("fpa.plot.fixed_point_trail(ds, states)", _without_states)
    # Fixed points of a single condition have no branches.
    if "branch" in ds or any(is_ordered(ds[name].values.tolist()) for name in conditions):
        yield _figure(spectrum_by, given)
        entries = [
            ds[dim].values[0].item() for dim in ("output", "state") if ds.sizes.get(dim) and dim in ds.coords
        ]
        shown = [name for name in _SCALARS if name in ds] + entries
        if shown:
            yield _figure(bifurcation, given, shown[0])


def _without_states() -> go.Figure:
    raise ValueError("states: the movements are in another dataset, the one that simulate returned")


def _of_movements(ds: xr.Dataset) -> Iterator[Fitting]:
    conditions = _conditions(ds, "position")
    first, second = (*conditions, None, None)[:2]
    yield _figure(trajectories, ds, color="direction" if "direction" in ds.coords else first)
    yield _figure(aligned_trajectories, ds, color=first)
    command = "torque" if "torque" in ds else "force"
    for name in ("velocity", command):
        yield _figure(profiles, ds, name, color=first)
    peak = measures.peak_torque if command == "torque" else measures.peak_force
    for measure in (
        measures.end_point_error,
        measures.lateral_deviation,
        measures.settling_time,
        measures.peak_velocity,
        peak,
    ):
        yield _compared(measure, ds, first, second)


def _compared(
    measure: Callable[[xr.Dataset], xr.DataArray], ds: xr.Dataset, by: str | None, color: str | None
) -> Fitting:
    options = [f"{name}={value!r}" for name, value in (("by", by), ("color", color)) if value is not None]
    call = ", ".join([f"fpa.measures.{measure.__name__}(ds)", *options])
    return Fitting(f"fpa.plot.compare({call})", lambda: compare(measure(ds), by=by, color=color))


def _of_signals(ds: xr.Dataset) -> Iterator[Fitting]:
    name = "y" if "y" in ds else "x"
    yield _figure(profiles, ds, name, color=_first(_conditions(ds, name)))


def _of_history(ds: xr.Dataset) -> Iterator[Fitting]:
    yield _figure(loss_history, ds)
    for name in _conditions(ds, "loss"):
        if name not in _LESS:
            yield _figure(loss_history, ds, color=name)


def _of_flow(ds: xr.Dataset) -> Iterator[Fitting]:
    yield _figure(flow, ds)


def _of_weights(ds: xr.Dataset) -> Iterator[Fitting]:
    yield _figure(weights, ds)
    for name in _conditions(ds, "spectral_radius"):
        if name not in (*_LESS, "gate"):
            yield _figure(weights, ds, color=name)


def _along(ds: xr.Dataset, names: tuple[str, ...], *dims: str) -> bool:
    """Say whether one of the variables has these dims, and is none of fixed points."""
    known = [set(ds[name].dims) for name in names if name in ds]
    return any(set(dims) <= each and "fixed_point" not in each for each in known)


def _holds_signals(ds: xr.Dataset) -> bool:
    return _along(ds, ("y", "x"), "time") and not _along(ds, ("position",), "time", "axis")


_KINDS: list[tuple[str, Callable[[xr.Dataset], bool], Callable[[xr.Dataset], Iterator[Fitting]]]] = [
    ("Fixed points", lambda ds: "kind" in ds or "fixed_point" in (*ds.dims, *ds.coords), _of_points),
    ("Movements", lambda ds: _along(ds, ("position",), "time", "axis"), _of_movements),
    ("Simulation", _holds_signals, _of_signals),
    ("Training", lambda ds: _along(ds, ("loss",), "iteration"), _of_history),
    ("Flow", lambda ds: {"flow", "speed"} <= set(ds.data_vars), _of_flow),
    ("Weights", lambda ds: {"singular_value", "spectral_radius"} <= set(ds.data_vars), _of_weights),
]
