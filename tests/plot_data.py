"""Datasets to draw, made by hand, and how the tests of figures read a figure."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis import plot
from fpanalysis.schema import FLAGS

# Plotly builds its attributes when they are asked for, so that type checkers do not know them.
spectrum: Callable[..., Any] = plot.spectrum
fixed_points: Callable[..., Any] = plot.fixed_points

KIND = {
    "flag_values": np.arange(len(FLAGS["kind"]), dtype=np.int8),
    "flag_meanings": " ".join(FLAGS["kind"]),
}


def build(n_state=6, n_points=9, conditions=None, n_slow=1, domain="discrete", dt=0.01, seed=0):
    """Return a dataset as `find_fixed_points` makes it: in each condition one row less is in use."""
    rng = np.random.default_rng(seed)
    conditions = {"context": [-1.0, 0.0, 1.0], "goal": [0, 1]} if conditions is None else conditions
    shape = (*map(len, conditions.values()), n_points)
    place = (*conditions, "fixed_point")
    radius = 1.5 if domain == "discrete" else 8.0
    jacobian = rng.normal(size=(*shape, n_state, n_state)) * radius / np.sqrt(n_state) / 1.5
    jacobian -= 0 if domain == "discrete" else 6 * np.eye(n_state)
    value, vector = np.linalg.eig(jacobian)
    order = np.argsort(-(np.abs(value) if domain == "discrete" else np.real(value)), axis=-1)
    value = np.take_along_axis(value, order, -1)
    vector = np.take_along_axis(vector, order[..., None, :], -1)
    n_unstable = ((np.abs(value) > 1) if domain == "discrete" else (np.real(value) > 0)).sum(axis=-1)
    kind = np.ones(shape, np.int8)
    kind[..., n_points - n_slow :] = 2
    for number, index in enumerate(np.ndindex(shape[:-1])):
        kind[index][n_points - number % 3 :] = 0
    padding = kind == 0
    ds = xr.Dataset(
        {
            "x": ((*place, "state"), rng.normal(size=(*shape, n_state))),
            "kind": (place, kind, KIND),
            "residual": (place, 1e-15 * rng.random(shape)),
            "n_hits": (place, rng.integers(1, 90, shape)),
            "n_unstable": (place, np.where(padding, -1, n_unstable)),
            "is_stable": (place, ~padding & (n_unstable == 0)),
            "eigenvalue": ((*place, "mode"), value),
            "right_eigenvector": ((*place, "state", "mode"), vector),
            "y": ((*place, "output"), rng.normal(size=(*shape, 2))),
            "n_candidates": (tuple(conditions), np.full(shape[:-1], 128)),
        },
        coords={**conditions, "fixed_point": np.arange(n_points), "mode": np.arange(n_state)},
        attrs={"time_domain": domain, "dt": dt},
    )
    ds = ds.assign_coords(state=[f"hidden[{i}]" for i in range(n_state)], output=["left", "right"])
    if "goal" in conditions:
        ds = ds.assign_coords(goal_x=("goal", np.linspace(0.1, 0.2, len(ds.goal)), {"units": "m"}))
    rate = np.log(np.abs(ds.eigenvalue)) / dt if domain == "discrete" else ds.eigenvalue.real
    turn = (
        np.abs(np.angle(value)) / (2 * np.pi * dt)
        if domain == "discrete"
        else np.abs(np.imag(value)) / (2 * np.pi)
    )
    ds["time_constant"] = (-1 / rate).assign_attrs(units="s")
    ds["frequency"] = ((*place, "mode"), turn, {"units": "Hz"})
    for name in ("x", "residual", "eigenvalue", "right_eigenvector", "y", "time_constant", "frequency"):
        ds[name] = ds[name].where(ds.kind != 0).assign_attrs(ds[name].attrs)
    return ds


def walks(ds, n=4, n_time=20, seed=1):
    """Return trajectories as `simulate` makes them."""
    walk = np.random.default_rng(seed).normal(size=(n, n_time, ds.sizes["state"])).cumsum(axis=1)
    return xr.Dataset({"x": (("trial", "time", "state"), walk)}, coords={"state": ds.state})


def markers(figure):
    return [trace for trace in figure.data if trace.mode == "markers"]


def names(figure):
    return [trace.name for trace in figure.data]


def lines_of(text):
    """Return the lines of a hover text as a mapping from name to value."""
    first, *rest = text.split("<br>")
    return {"first": first} | dict(line.split(" = ", 1) for line in rest if " = " in line)


def fixed(ds):
    return int((ds.kind == 1).sum())
