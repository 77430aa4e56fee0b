"""`flow_field`: how states move in a plane through state space, as a labelled dataset."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fpanalysis._given import labelled, matched, numbers
from fpanalysis._messages import listed, nearest
from fpanalysis._rounding import usual_errors
from fpanalysis.conditions import conditions_from
from fpanalysis.dataset import attributes
from fpanalysis.goal import Goal
from fpanalysis.projection import Projection, own_axes, principal_components
from fpanalysis.rows import in_order_of, rows_of
from fpanalysis.states import states_of
from fpanalysis.subject import Model, Subject, as_subject
from fpanalysis.vector_field import VectorField
from fpanalysis.verify import residuals

# Nodes that are evaluated at once: a batch of networks' states then takes some ten megabytes.
_CHUNK = 20_000
# Around the states that the plane was laid through, and of the longer side where they lie on a line.
_MARGIN, _NARROWEST = 0.15, 0.5

Range = tuple[float, float] | Sequence[float]


def flow_field(
    model: Model,
    plane: Sequence[str] | xr.Dataset | xr.DataArray,
    u: Any = None,
    *,
    through: ArrayLike | xr.DataArray | None = None,
    extent: tuple[Range, Range] | None = None,
    n: int = 61,
) -> xr.Dataset:
    """Evaluate a vector field on a plane through state space, as a labelled dataset.

    At every node of a grid on the plane it says how far the state moves in a step (in continuous time: how
    fast), along the two axes of the plane and altogether. Where the two speeds differ, states leave the
    plane; a place is a fixed point only where the whole speed vanishes. `plot.flow` draws the result.

    Args:
        model: a `VectorField`, an Equinox cell, a `Network`, or a `Controller`, whose network is looked at
            with its feedback held (for the closed loop give `controller.closed_loop()`).
        plane: the names of two entries of the state, such as `("x", "z")`; or a dataset of states (fixed
            points from `find_fixed_points`, or trajectories from `simulate`), whose first two principal
            components span the plane. A state of two entries is drawn in its own coordinates.
        u: the constant input: nothing (zeros), an array `(input,)`, a Series or mapping from input names to
            numbers (of a mapping, inputs not named are zero), or of a controller a `Goal` of one goal.
        through: a state `(state,)` that the plane goes through. By default the mean of the states of
            `plane`; where `plane` is two names, zero in all others.
        extent: the part of the plane, `((low, high), (low, high))` along the first and second axis, in
            coordinates that are zero at `through` (of named entries: their own values). By default the
            states of `plane` with a margin.
        n: nodes along each axis.

    Returns:
        A Dataset with the dims `first` and `second`, along the two axes: `flow` along each of them
        (`plane_axis`), `speed` and `speed_in_plane`, and what the plane is: `origin`, `axes`,
        `variance_share`. The state at a node is `origin + first · axes[0] + second · axes[1]`. The schema
        page of the documentation says every variable.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: names, shapes or values do not fit, the model is an ensemble, or `u` says several inputs.

    Warns:
        RuntimeWarning: the vector field is not finite at some nodes.

    Sources:
        Sussillo and Barak 2013, Opening the black box, Neural Computation 25 (the speed as a landscape);
        Strogatz 2015, Nonlinear dynamics and chaos (nullclines).

    Example:
        >>> import jax.numpy as jnp, fpanalysis as fpa
        >>> pendulum = fpa.vector_field(
        ...     lambda x, u: jnp.stack([x[1], -jnp.sin(x[0])]),
        ...     state=["angle", "velocity"],
        ...     time_domain="continuous",
        ... )
        >>> ds = fpa.flow_field(pendulum, ("angle", "velocity"), extent=((-3.0, 3.0), (-2.0, 2.0)), n=5)
        >>> float(ds.flow.sel(first=0.0, second=2.0, plane_axis="angle"))
        2.0
    """
    with usual_errors():
        subject = _single(model)
        field = subject.fields[0]
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
            raise ValueError(f"n: expected a whole number of at least 2, got {n!r}")
        inputs = _input(subject, u)
        projection, names, states = _plane(field, plane, through)
        ranges = _extent(extent, projection, states)
        first, second = (np.linspace(low, high, int(n)) for low, high in ranges)
        flow, speed = _evaluate(
            field, projection, np.stack(np.meshgrid(first, second, indexing="ij"), -1), inputs
        )
        _warn_if_not_finite(speed)
        spanned = "two entries of the state" if states is None else "principal components"
        attrs = attributes(subject.fields, {"plane": spanned, "n": int(n)})
        return _labelled(field, projection, names, (first, second), flow, speed, inputs, attrs)


def _single(model: Model) -> Subject:
    subject = as_subject(model)
    if len(subject.fields) != 1:
        raise ValueError(
            f"model: expected one model, got an ensemble of {len(subject.fields)} that differ in "
            f"{listed(map(str, subject.template.dims))}; choose one with sel"
        )
    if len(subject.fields[0].state) < 2:
        raise ValueError(
            f"model: a plane needs a state of two entries, got {listed(subject.fields[0].state)}"
        )
    return subject


def _input(subject: Subject, u: Any) -> np.ndarray:
    """Return the one constant input, `(input,)`."""
    if isinstance(u, Goal):
        if not subject.controllers:
            raise TypeError(
                "u: a Goal is for controllers; give a mapping from input names to numbers instead"
            )
        u = u.inputs(subject.controllers[0], "clamped")
    elif u is None and subject.controllers:
        raise ValueError("u: a controller needs a goal, such as Goal(position=(0.0, 0.0)); got none")
    conditions = conditions_from(subject.fields[0].inputs, u, "u")
    if len(conditions.u) != 1:
        sizes = dict(zip(conditions.dims, conditions.shape, strict=True))
        raise ValueError(f"u: expected one constant input, got {len(conditions.u)} of them, {sizes}")
    return conditions.u[0]


def _plane(
    field: VectorField, plane: Any, through: Any
) -> tuple[Projection, tuple[str, str], np.ndarray | None]:
    """Return the plane, the names of its axes, and the states that it was laid through, if any."""
    state = field.state
    if isinstance(plane, xr.Dataset | xr.DataArray):
        states = _states(plane, field)
        if len(state) == 2:
            return own_axes(2), (state[0], state[1]), states
        found = principal_components(states, 2)
        point = found.mean if through is None else _point(through, field)
        return Projection(point, found.axes, found.share), ("PC 1", "PC 2"), states
    if isinstance(plane, str) or not isinstance(plane, Sequence) or len(plane) != 2:
        raise TypeError(f"plane: expected two names of the state or a dataset of states, got {plane!r}")
    for name in plane:
        if name not in state:
            hint = nearest(str(name), state)
            raise ValueError(f"plane: the state has no entry {name!r}{hint}; it has {listed(state)}")
    if plane[0] == plane[1]:
        raise ValueError(f"plane: expected two entries of the state, got {plane[0]!r} twice")
    chosen = (state.index(plane[0]), state.index(plane[1]))
    point = np.zeros(len(state)) if through is None else _point(through, field).copy()
    # So that coordinates along the axes are the entries' own values.
    point[list(chosen)] = 0.0
    named = own_axes(len(state), chosen)
    return Projection(point, named.axes, named.share), (str(plane[0]), str(plane[1])), None


def _states(plane: xr.Dataset | xr.DataArray, field: VectorField) -> np.ndarray:
    """Return the finite states of a dataset, `(sample, state)`, without rows that are padding."""
    if isinstance(plane, xr.Dataset) and "kind" in plane:
        rows = rows_of(in_order_of(plane, "state", field.state))
        labels = {"state": rows.ds["state"]} if "state" in rows.ds.coords else {}
        plane = xr.DataArray(rows.of("x", rows.used), labels, ("point", "state"))
    array = states_of(plane, field.state, "plane", "the model").transpose(..., "state")
    states = array.values.reshape(-1, len(field.state)).astype(float)
    states = states[np.isfinite(states).all(axis=1)]
    if len(states) == 0:
        raise ValueError("plane: the dataset holds no finite state, so that nothing spans a plane")
    return states


def _point(through: Any, field: VectorField) -> np.ndarray:
    """Return the state that the plane goes through, `(state,)`."""
    through = labelled(through, "through", ("state", "state"))
    if isinstance(through, xr.DataArray):
        if through.dims == ("state",):
            through = matched(through, "state", field.state, "through")
        through = states_of(through, field.state, "through", "the model").values
    point = numbers(through, "through", "a state")
    if point.shape != (len(field.state),) or not np.isfinite(point).all():
        raise ValueError(
            f"through: expected one state of {len(field.state)} finite numbers, got shape {point.shape}"
            + ("" if np.isfinite(point).all() else " with NaN or infinite values")
        )
    return point


def _extent(extent: Any, projection: Projection, states: np.ndarray | None) -> np.ndarray:
    """Return the lowest and highest coordinate along each axis, `(axis, 2)`."""
    if extent is None:
        if states is None:
            raise ValueError(
                "extent: expected two ranges, ((low, high), (low, high)), because two names say no part of "
                "the plane; got none"
            )
        return _around(projection(states))
    found = numbers(extent, "extent", "((low, high), (low, high))")
    if found.shape != (2, 2) or not np.isfinite(found).all() or not (found[:, 0] < found[:, 1]).all():
        raise ValueError(
            f"extent: expected ((low, high), (low, high)) of finite numbers with low < high, got {extent!r}"
        )
    return found


def _around(coordinates: np.ndarray) -> np.ndarray:
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    longest = float((high - low).max())
    # States that all lie in one place, up to rounding, say nothing about a scale.
    longest = longest if longest > 1e-9 * max(1.0, float(np.abs(coordinates).max())) else 1.0
    half = np.maximum(high - low, _NARROWEST * longest) * (0.5 + _MARGIN)
    middle = (low + high) / 2
    return np.stack([middle - half, middle + half], axis=1)


def _evaluate(
    field: VectorField, projection: Projection, nodes: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the flow along the two axes, `(first, second, axis)`, and the whole speed, `(first, second)`."""
    flat = nodes.reshape(-1, 2)
    flow, speed = np.empty_like(flat), np.empty(len(flat))
    for start in range(0, len(flat), _CHUNK):
        rows = slice(start, start + _CHUNK)
        states = projection.mean + flat[rows] @ projection.axes
        f, _ = residuals(field, states, np.broadcast_to(u, (len(states), len(u))))
        with np.errstate(invalid="ignore", over="ignore"):  # said in a warning
            flow[rows], speed[rows] = projection.direction(f), np.linalg.norm(f, axis=1)
    return flow.reshape(nodes.shape), speed.reshape(nodes.shape[:2])


def _warn_if_not_finite(speed: np.ndarray) -> None:
    if n_bad := int((~np.isfinite(speed)).sum()):
        warnings.warn(
            f"flow_field: the vector field is NaN or infinite at {n_bad} of {speed.size} nodes",
            RuntimeWarning,
            stacklevel=3,
        )


def _labelled(
    field: VectorField,
    projection: Projection,
    names: tuple[str, str],
    coordinates: tuple[np.ndarray, np.ndarray],
    flow: np.ndarray,
    speed: np.ndarray,
    u: np.ndarray,
    attrs: dict[str, Any],
) -> xr.Dataset:
    discrete = field.time_domain == "discrete"
    unit = {"units": "1/step" if discrete else "1/s"}
    moved = "displacement in a step" if discrete else "rate of change"
    grid = ("first", "second")
    with np.errstate(over="ignore"):
        in_plane = np.linalg.norm(flow, axis=-1)
    variables: dict[str, Any] = {
        "flow": ((*grid, "plane_axis"), flow, {"long_name": f"{moved} along the axis", **unit}),
        "speed": (grid, speed, {"long_name": "speed", **unit}),
        "speed_in_plane": (grid, in_plane, {"long_name": "speed within the plane", **unit}),
        "origin": (("state",), projection.mean, {"long_name": "state at the coordinates zero"}),
        "axes": (("plane_axis", "state"), projection.axes, {"long_name": "axes of the plane, of length 1"}),
        "variance_share": (
            ("plane_axis",),
            projection.share,
            {"long_name": "share of the variance of the states", "units": "1"},
        ),
    }
    coords: dict[str, Any] = {
        dim: (dim, values, {"long_name": name})
        for dim, values, name in zip(grid, coordinates, names, strict=True)
    }
    coords |= {"plane_axis": list(names), "state": np.array(field.state, str)}
    if field.inputs:
        variables["u"] = (("input",), u, {"long_name": "constant input"})
        coords["input"] = np.array(field.inputs, str)
    return xr.Dataset(variables, coords, attrs)
