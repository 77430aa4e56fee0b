"""The only crossing from arrays to xarray: a result of the search as a dataset."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from fpanalysis.conditions import Conditions
from fpanalysis.schema import FLAGS, SCHEMA, Kind, Status, TimeDomain
from fpanalysis.vector_field import VectorField, model_hash


class Points(NamedTuple):
    """The points of one condition, in their final order.

    Args:
        x: states, `(point, state)`.
        kind: `Kind.FIXED` or `Kind.SLOW`, `(point,)`.
        f: what vanishes at a fixed point, recomputed, `(point, state)`.
        y: readouts, `(point, output)`.
        error: how far the true point can be, in the state's unit, `(point,)`; infinite on a continuum.
        is_isolated: whether each is known to be the only point within its error, `(point,)`.
        is_smooth: whether the function has a derivative there, `(point,)`.
        margin: how near the boundary of stability a mode counts as neutral, `(point,)`; 0 for the usual.
        n_hits: candidates that ended at each, `(point,)`.
        n_neighbour_hits: starts from points of neighbouring conditions that ended at each, `(point,)`.
    """

    x: np.ndarray
    kind: np.ndarray
    f: np.ndarray
    y: np.ndarray
    error: np.ndarray
    is_isolated: np.ndarray
    is_smooth: np.ndarray
    margin: np.ndarray
    n_hits: np.ndarray
    n_neighbour_hits: np.ndarray


@dataclass(frozen=True)
class Effort:
    """What went into the conditions of a result.

    Args:
        n_candidates: candidates of each condition, `(condition,)`.
        n_dropped: points that were not followed up because a bound was met, `(condition,)`.
        is_bad: whose models could not be analysed, `(condition,)`.
        has_neighbours: whether conditions were also solved from their neighbours' points.
    """

    n_candidates: np.ndarray
    n_dropped: np.ndarray
    is_bad: np.ndarray
    has_neighbours: bool = False


def variable(
    name: str, condition_dims: Sequence[str], values: np.ndarray, units: str | None = None
) -> xr.Variable:
    """Return an array as the variable of the schema that it is, with its dims and attributes."""
    said = SCHEMA[name]
    attrs: dict[str, Any] = {"long_name": said.long_name}
    if units := units or said.units:
        attrs["units"] = units
    if name in FLAGS:
        attrs["flag_values"] = np.arange(len(FLAGS[name]), dtype=np.int8)
        attrs["flag_meanings"] = " ".join(FLAGS[name])
    return xr.Variable((*condition_dims, *said.dims), np.asarray(values), attrs)


def scatter(name: str, mask: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return an array with `rows` where `mask` is set, and the schema's filling elsewhere.

    Args:
        name: the variable, whose filling and dtype apply.
        mask: which rows are used, `(..., fixed_point)`.
        rows: the used rows in order, `(n, ...)`.
    """
    out = np.full(mask.shape + rows.shape[1:], SCHEMA[name].filling, dtype=rows.dtype)
    out[mask] = rows
    return out


def variables(
    condition_dims: Sequence[str], mask: np.ndarray, made: Mapping[str, tuple[np.ndarray, str | None]]
) -> dict[str, xr.Variable]:
    """Return variables of the schema from the values of the used rows, each with its units; see `scatter`."""
    return {
        name: variable(name, condition_dims, scatter(name, mask, rows), units)
        for name, (rows, units) in made.items()
    }


def to_dataset(
    field: VectorField, conditions: Conditions, found: Sequence[Points], effort: Effort, attrs: dict
) -> xr.Dataset:
    """Return the points of all conditions as one labelled dataset, without spectra."""
    counts = np.array([len(points.x) for points in found])
    mask = np.arange(counts.max(initial=0)) < counts[:, None]
    kind = np.concatenate([points.kind for points in found]).astype(np.int8)
    hits = np.concatenate([points.n_hits for points in found]).astype(np.int64)
    f = np.concatenate([points.f for points in found])
    rows = {
        "x": np.concatenate([points.x for points in found]),
        "kind": kind,
        "is_fixed": kind == Kind.FIXED,
        "residual": np.max(np.abs(f), axis=1, initial=0.0),
        "q": 0.5 * np.sum(f**2, axis=1),
        "error": np.concatenate([points.error for points in found]),
        "is_isolated": np.concatenate([points.is_isolated for points in found]),
        "is_smooth": np.concatenate([points.is_smooth for points in found]),
        "stability_margin": np.concatenate([points.margin for points in found]),
        "n_hits": hits,
    }
    if effort.has_neighbours:
        rows["n_neighbour_hits"] = np.concatenate([points.n_neighbour_hits for points in found])
    if field.outputs:
        rows["y"] = np.concatenate([points.y for points in found])
    values = {name: scatter(name, mask, row) for name, row in rows.items()}
    values |= _counts(found, effort)
    if field.inputs:
        values["u"] = conditions.u
    return _assemble(field, conditions, values, attrs)


def _counts(found: Sequence[Points], effort: Effort) -> dict[str, np.ndarray]:
    fixed = [points.n_hits[points.kind == Kind.FIXED] for points in found]
    n_fixed = np.array([len(hits) for hits in fixed])
    ended = np.array([hits.sum() for hits in fixed], int)
    once = np.array([(hits == 1).sum() for hits in fixed], int)
    return {
        "n_fixed_points": n_fixed,
        "n_slow_points": np.array([int((points.kind == Kind.SLOW).sum()) for points in found]),
        "coverage": np.where(ended > 0, 1.0 - once / np.maximum(ended, 1), 0.0),
        "n_candidates": effort.n_candidates,
        "n_failed": effort.n_candidates - ended,
        "n_points_dropped": effort.n_dropped,
        "status": np.select(
            [effort.is_bad, n_fixed == 0, effort.n_dropped > 0],
            [Status.BAD_MODEL, Status.NONE_FOUND, Status.BOUND_MET],
            Status.SOLVED,
        ).astype(np.int8),
    }


def _assemble(field: VectorField, conditions: Conditions, values: dict, attrs: dict) -> xr.Dataset:
    rate = "1/s" if field.time_domain == "continuous" else "1"
    shaped = {
        name: variable(
            name,
            conditions.dims,
            array.reshape(conditions.shape + array.shape[1:]),
            rate if name == "stability_margin" else None,
        )
        for name, array in values.items()
    }
    coords: dict[str, Any] = {str(name): coord.variable for name, coord in conditions.template.coords.items()}
    coords["fixed_point"] = np.arange(shaped["kind"].shape[-1])
    coords["state"] = np.array(field.state, str)
    if field.inputs:
        coords["input"] = np.array(field.inputs, str)
    if field.outputs:
        coords["output"] = np.array(field.outputs, str)
    order = [name for name in SCHEMA if name in shaped]
    return xr.Dataset({name: shaped[name] for name in order}, coords, attrs)


def attributes(fields: Sequence[VectorField], configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes by which a result explains itself: numbers and strings only.

    Args:
        fields: the vector field, or those of an ensemble.
        configuration: arguments of the call; those that are None are left out.
    """
    field, hashes = fields[0], [model_hash(each) for each in fields]
    configuration = {name: value for name, value in configuration.items() if value is not None}
    attrs: dict[str, Any] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fpanalysis_version": version("fpanalysis"),
        "jax_version": jax.__version__,
        "model_hash": hashes[0] if len(fields) == 1 else sha256("".join(hashes).encode()).hexdigest(),
        "time_domain": field.time_domain,
        "configuration": json.dumps(configuration, sort_keys=True),
    }
    if field.dt is not None:
        attrs["dt"] = field.dt
    if field.periodic:
        attrs["periodic"] = json.dumps(list(field.periodic))
    simple = {name: value for name, value in configuration.items() if isinstance(value, int | float | str)}
    return attrs | {name: int(value) if isinstance(value, bool) else value for name, value in simple.items()}


def time_domain(ds: xr.Dataset) -> TimeDomain:
    """Return whether a result is of a system in discrete or continuous time."""
    domain = ds.attrs.get("time_domain")
    if domain not in ("discrete", "continuous"):
        raise ValueError(
            "ds: expected the attribute 'time_domain', 'discrete' or 'continuous', as find_fixed_points sets "
            f"it, got {domain!r}; what joins results may leave out attributes in which they differ"
        )
    return domain


def time_units(ds: xr.Dataset) -> tuple[str, str]:
    """Return the units of a result's time constants and frequencies."""
    in_seconds = time_domain(ds) == "continuous" or "dt" in ds.attrs
    return ("s", "Hz") if in_seconds else ("step", "1/step")
