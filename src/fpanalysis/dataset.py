"""The schema of a result, and the only crossing from arrays to xarray."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from fpanalysis.conditions import Conditions
from fpanalysis.vector_field import VectorField, model_hash

KINDS = ("none", "fixed", "slow")
STATUSES = ("solved", "none_found", "bad_model")
NONE, FIXED, SLOW = range(3)
SOLVED, NONE_FOUND, BAD_MODEL = range(3)


class Points(NamedTuple):
    """The points of one condition, in their final order.

    Args:
        x: states, `(point, state)`.
        kind: `FIXED` or `SLOW`, `(point,)`.
        f: what vanishes at a fixed point, recomputed, `(point, state)`.
        y: readouts, `(point, output)`.
        n_hits: candidates that ended at each, `(point,)`.
        n_neighbour_hits: starts from points of neighbouring conditions that ended at each, `(point,)`.
    """

    x: np.ndarray
    kind: np.ndarray
    f: np.ndarray
    y: np.ndarray
    n_hits: np.ndarray
    n_neighbour_hits: np.ndarray


@dataclass(frozen=True)
class Effort:
    """What went into the conditions of a result.

    Args:
        n_candidates: candidates of each condition, `(condition,)`.
        is_bad: whose models could not be analysed, `(condition,)`.
        has_neighbours: whether conditions were also solved from their neighbours' points.
    """

    n_candidates: np.ndarray
    is_bad: np.ndarray
    has_neighbours: bool = False


# name: (dims after the conditions, long name, units, what fills the unused rows)
SCHEMA: dict[str, tuple[tuple[str, ...], str, str | None, Any]] = {
    "x": (("fixed_point", "state"), "state at the point", None, np.nan),
    "kind": (("fixed_point",), "what the row holds", None, NONE),
    "is_fixed": (("fixed_point",), "whether the row holds a fixed point", None, False),
    "n_fixed_points": ((), "number of fixed points", "1", 0),
    "n_slow_points": ((), "number of slow points", "1", 0),
    "residual": (("fixed_point",), "max-norm of F(x, u) - x (continuous time: of F)", None, np.nan),
    "q": (("fixed_point",), "half the squared 2-norm of F(x, u) - x (continuous time: of F)", None, np.nan),
    "n_hits": (("fixed_point",), "candidates that ended here", "1", -1),
    "n_neighbour_hits": (("fixed_point",), "starts from neighbouring conditions that ended here", "1", -1),
    "coverage": ((), "Good-Turing estimate of the share of hits that go to known points", "1", 0.0),
    "n_candidates": ((), "number of candidates", "1", 0),
    "n_failed": ((), "candidates that ended at no fixed point", "1", 0),
    "status": ((), "outcome of the condition", None, 0),
    "y": (("fixed_point", "output"), "readout at the point", None, np.nan),
    "u": (("input",), "constant input of the condition", None, np.nan),
    "force": (("fixed_point", "axis"), "force that the network exerts on the body", "N", np.nan),
    "force_norm": (("fixed_point",), "size of the force", "N", np.nan),
    "torque": (("fixed_point", "joint"), "torque that the network exerts on the arm", "N m", np.nan),
    "torque_norm": (("fixed_point",), "size of the torque", "N m", np.nan),
    "position": (("fixed_point", "axis"), "where the effector rests", "m", np.nan),
    "offset": (("fixed_point", "axis"), "where the effector rests, from the target", "m", np.nan),
    "offset_norm": (("fixed_point",), "distance of the effector from the target", "m", np.nan),
    "jacobian": (("fixed_point", "state_out", "state"), "dF/dx", None, np.nan),
    "input_jacobian": (("fixed_point", "state_out", "input"), "dF/du", None, np.nan),
    "output_jacobian": (("fixed_point", "output", "state"), "dy/dx", None, np.nan),
    "eigenvalue": (("fixed_point", "mode"), "eigenvalue of the Jacobian", None, np.nan),
    "right_eigenvector": (("fixed_point", "state", "mode"), "right eigenvector, unit 2-norm", "1", np.nan),
    "left_eigenvector": (
        ("fixed_point", "mode", "state"),
        "left eigenvector w, sum(conj(w) v) = 1 with the right one v",
        "1",
        np.nan,
    ),
    "eigenvalue_condition": (("fixed_point", "mode"), "condition number of the eigenvalue", "1", np.nan),
    "is_defective": (("fixed_point", "mode"), "whether the mode is defective", None, False),
    "time_constant": (("fixed_point", "mode"), "time constant, negative where the mode grows", None, np.nan),
    "frequency": (("fixed_point", "mode"), "frequency of oscillation", None, np.nan),
    "is_stable": (("fixed_point",), "whether every mode decays", None, False),
    "n_unstable": (("fixed_point",), "number of modes that grow", "1", -1),
}
SCHEMA |= {
    "mode_input": (
        ("fixed_point", "mode", "input"),
        "how much a unit of the input drives the mode",
        None,
        np.nan,
    ),
    "mode_output": (("fixed_point", "output", "mode"), "how much the output shows of the mode", None, np.nan),
    "henrici": (("fixed_point",), "distance of the Jacobian from normality", "1", np.nan),
    "initial_growth": (("fixed_point",), "fastest growth of a disturbance at the beginning", None, np.nan),
    "peak_growth": (("fixed_point",), "largest factor by which a disturbance grows", "1", np.nan),
    "sensitivity": (("fixed_point", "state", "input"), "shift of the point per unit of input", None, np.nan),
    "output_sensitivity": (
        ("fixed_point", "output", "input"),
        "change of the readout per unit of input",
        None,
        np.nan,
    ),
    "sensitivity_condition": (("fixed_point",), "condition number of the linear system", "1", np.nan),
    "branch": (("fixed_point",), "the same number for the same point", None, -1),
    "branch_confidence": (("fixed_point",), "confidence of the link to the value before", "1", np.nan),
    "branch_begins": (("fixed_point",), "whether and how the branch begins here", None, 0),
    "branch_ends": (("fixed_point",), "whether and how the branch ends here", None, 0),
    "mode_track": (("fixed_point", "mode"), "the same number for the same mode of a branch", None, -1),
    "mode_confidence": (("fixed_point", "mode"), "confidence of the link to the value before", "1", np.nan),
    "mode_event": (("fixed_point", "mode"), "what happened since the value before", None, 0),
    "followed_eigenvalue": (("fixed_point", "track"), "eigenvalue in the order of the tracks", None, np.nan),
}
FLAGS = {
    "kind": KINDS,
    "status": STATUSES,
    "branch_begins": ("none", "start", "birth", "fold"),
    "branch_ends": ("none", "end", "death", "fold"),
    "mode_event": ("none", "crossing", "collision", "uncertain"),
}


def variable(
    name: str, condition_dims: Sequence[str], values: np.ndarray, units: str | None = None
) -> xr.Variable:
    """Return an array as the variable of the schema that it is, with its dims and attributes."""
    dims, long_name, usual_units, _ = SCHEMA[name]
    attrs: dict[str, Any] = {"long_name": long_name}
    if units := units or usual_units:
        attrs["units"] = units
    if name in FLAGS:
        attrs["flag_values"] = np.arange(len(FLAGS[name]), dtype=np.int8)
        attrs["flag_meanings"] = " ".join(FLAGS[name])
    return xr.Variable((*condition_dims, *dims), np.asarray(values), attrs)


def scatter(name: str, mask: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return an array with `rows` where `mask` is set, and the schema's filling elsewhere.

    Args:
        name: the variable, whose filling and dtype apply.
        mask: which rows are used, `(..., fixed_point)`.
        rows: the used rows in order, `(n, ...)`.
    """
    out = np.full(mask.shape + rows.shape[1:], SCHEMA[name][3], dtype=rows.dtype)
    out[mask] = rows
    return out


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
        "is_fixed": kind == FIXED,
        "residual": np.max(np.abs(f), axis=1, initial=0.0),
        "q": 0.5 * np.sum(f**2, axis=1),
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
    fixed = [points.n_hits[points.kind == FIXED] for points in found]
    n_fixed = np.array([len(hits) for hits in fixed])
    ended = np.array([hits.sum() for hits in fixed], int)
    once = np.array([(hits == 1).sum() for hits in fixed], int)
    return {
        "n_fixed_points": n_fixed,
        "n_slow_points": np.array([int((points.kind == SLOW).sum()) for points in found]),
        "coverage": np.where(ended > 0, 1.0 - once / np.maximum(ended, 1), 0.0),
        "n_candidates": effort.n_candidates,
        "n_failed": effort.n_candidates - ended,
        "status": np.select([effort.is_bad, n_fixed > 0], [BAD_MODEL, SOLVED], NONE_FOUND).astype(np.int8),
    }


def _assemble(field: VectorField, conditions: Conditions, values: dict, attrs: dict) -> xr.Dataset:
    shaped = {
        name: variable(name, conditions.dims, array.reshape(conditions.shape + array.shape[1:]))
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


def time_units(ds: xr.Dataset) -> tuple[str, str]:
    """Return the units of a result's time constants and frequencies."""
    in_seconds = ds.attrs["time_domain"] == "continuous" or "dt" in ds.attrs
    return ("s", "Hz") if in_seconds else ("step", "1/step")


def condition_dims(ds: xr.Dataset) -> tuple[str, ...]:
    """Return a result's condition dims."""
    if "kind" not in ds or "fixed_point" not in ds["kind"].dims:
        raise ValueError(
            "ds: expected a dataset made by find_fixed_points, with a variable 'kind' along 'fixed_point'; "
            f"got variables {sorted(map(str, ds.data_vars))}"
        )
    return tuple(str(dim) for dim in ds["kind"].dims if dim != "fixed_point")
