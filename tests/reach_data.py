"""Movements to draw, made by hand as `simulate` returns those of an ensemble, and how tests read a figure."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis import plot

# Plotly builds its attributes when they are asked for, so that type checkers do not know them.
trajectories: Callable[..., Any] = plot.trajectories
aligned_trajectories: Callable[..., Any] = plot.aligned_trajectories
profiles: Callable[..., Any] = plot.profiles

N_TIME = 12


def reaches(n_trial=9, methods=("a", "b"), n_replicate=3, seed=0):
    """Return movements with noise from random starts in all directions, and what is commanded meanwhile."""
    rng = np.random.default_rng(seed)
    n_method = len(methods)
    angle = rng.permutation(np.arange(n_trial)) * 2 * np.pi / max(n_trial, 1)
    start = rng.normal(size=(n_trial, 2))
    gone = 0.3 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    way = np.linspace(0, 1, N_TIME)[:, None]
    shape = (n_method, n_replicate, n_trial, N_TIME, 2)
    position = start[:, None] + way * gone[:, None] + 0.01 * rng.normal(size=shape).cumsum(axis=-2)
    dims = ("method", "replicate", "trial", "time", "axis")
    target = np.repeat((start + gone)[:, None], N_TIME, axis=1)
    target[:, :2] = start[:, None]
    return xr.Dataset(
        {
            "position": (dims, position, {"units": "m", "long_name": "position"}),
            "velocity": (dims, rng.normal(size=shape), {"units": "m/s", "long_name": "velocity"}),
            "force": (dims, rng.normal(size=shape), {"units": "N", "long_name": "force"}),
            "torque": ((*dims[:-1], "joint"), rng.normal(size=shape), {"units": "N m"}),
            "hidden": ((*dims[:-1], "unit"), rng.normal(size=(*shape[:-1], 6)), {"long_name": "activity"}),
            "effort": (dims[:-1], rng.normal(size=shape[:-1])),
            "start": (("trial", "axis"), start, {"units": "m"}),
            "target_position": (("trial", "time", "axis"), target, {"units": "m"}),
            "peak": (dims[:3], rng.random(shape[:3]), {"units": "m/s"}),
        },
        coords={
            "method": list(methods),
            "replicate": np.arange(n_replicate),
            "trial": np.arange(n_trial),
            "time": ("time", 0.05 * np.arange(1, N_TIME + 1), {"units": "s"}),
            "axis": ["x", "y"],
            "joint": ["shoulder", "elbow"],
            "unit": np.arange(6),
            "direction": ("trial", angle, {"units": "rad"}),
            "is_best": (
                ("method", "replicate"),
                np.arange(n_method * n_replicate).reshape(n_method, -1) == 1,
            ),
        },
    )


def said(text):
    """Return a hover text as a mapping from names to what is said of them."""
    return dict(line.split(" = ", 1) for line in text.split("<br>") if " = " in line)


def trial_of(ds, text):
    """Return the one movement of a dataset that a hover text tells of."""
    words = said(text)
    return ds.sel({"method": words["method"], **{dim: int(words[dim]) for dim in ("replicate", "trial")}})


def singles(figure):
    """Return the traces that show single trials: those whose text names one."""
    return [trace for trace in figure.data if "trial = " in (trace.hovertext or "")]


def means(figure):
    words = ("<b>mean of", "<b>single trial")
    return [trace for trace in figure.data if str(trace.hovertext).startswith(words)]


def notes(figure):
    return (figure.layout.title.subtitle.text or "").replace("<br>", " ")


def turned(vectors, ds):
    """Return vectors in the plane along and across the reach of a trial, by complex numbers."""
    reach = ds.target_position.values[..., -1, :] - ds.start.values
    angle = np.angle(reach[..., 0] + 1j * reach[..., 1])
    flat = (vectors[..., 0] + 1j * vectors[..., 1]) * np.exp(-1j * angle)[..., None]
    return np.stack([np.real(flat), np.imag(flat)], axis=-1)
