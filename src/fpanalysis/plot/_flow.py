"""How states move in a plane through state space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis._messages import listed
from fpanalysis.plot._kinds import hover_texts, kinds_of, thinned
from fpanalysis.plot._pca import axis_titles
from fpanalysis.plot._points import Points, none_found, points_of
from fpanalysis.plot._text import escaped, number, unit_of
from fpanalysis.plot._theme import ORANGE, PURPLE, blank, new_figure, set_notes
from fpanalysis.plot._trajectories import paths_of, with_gaps
from fpanalysis.projection import Projection
from fpanalysis.states import states_of

_GRID = ("first", "second")
_MOST_NODES, _MOST_POINTS, _MOST_SAMPLES = 160, 5_000, 20_000
_ARROWS, _SHORTEST, _SHORT, _HEIGHT = 18, 0.3, 0.5, 620
# Of a point, from 1 in the plane to 0 at half its extent.
_NEAR = 0.8
# A span of speeds above which equal steps of colour are equal factors.
_DECADE = 10.0
_NULLCLINES = ((ORANGE, "solid"), (PURPLE, "dash"))
# The coloured speed lies below everything else, and is dark to middling on white and on dark.
_ON_SPEED = "#F4F4F4"
_SYMBOL_EDGE = {"width": 1.5, "color": _ON_SPEED}


@dataclass(frozen=True)
class Plane:
    """A flow in a plane: coordinates along both axes, and what is known at every node `(first, second)`."""

    ds: xr.Dataset
    names: tuple[str, str]
    first: np.ndarray
    second: np.ndarray
    flow: np.ndarray
    speed: np.ndarray
    speed_in_plane: np.ndarray
    unit: str

    @property
    def projection(self) -> Projection:
        """How states get their coordinates in the plane."""
        ds = self.ds
        axes = ds["axes"].transpose("plane_axis", "state").values
        return Projection(ds["origin"].values, axes, ds["variance_share"].values)

    @property
    def size(self) -> np.ndarray:
        """The extent along both axes."""
        return np.array([np.ptp(self.first), np.ptp(self.second)])

    def holds(self, coordinates: np.ndarray) -> np.ndarray:
        """Say which places `(n, axis)` are in the part of the plane that is shown."""
        low = np.array([self.first.min(), self.second.min()])
        return np.asarray(((coordinates >= low) & (coordinates <= low + self.size)).all(axis=1))


def flow(
    field: xr.Dataset,
    points: xr.Dataset | None = None,
    trajectories: xr.Dataset | xr.DataArray | None = None,
) -> go.Figure:
    """Draw how states move in a plane through state space: speed, direction, nullclines and fixed points.

    Colour is the whole speed, on a logarithmic scale where it spans more than a decade. Arrows show the
    direction within the plane; they are short where most of the motion leads out of it. Along a nullcline
    the motion has no component along one axis; where both cross, what motion there is leads out of the
    plane. Fixed points are projected onto it: the farther one lies from the plane, the smaller and fainter
    it is, and its hover text tells the distance.

    Args:
        field: what `flow_field` returned.
        points: what `find_fixed_points` returned, of the same model.
        trajectories: what `simulate` returned, drawn as thin lines where they run, seen along the plane.

    Returns:
        The figure. Its subtitle says the input, and what is not shown: points beyond the part of the plane,
        and most of more than 5,000 points, 20,000 samples of trajectories or 160 nodes along an axis.

    Raises:
        TypeError: `field` or `points` is not a dataset, or `trajectories` is not made by xarray.
        ValueError: they are no such datasets, or belong to systems with other states.

    Example:
        >>> import jax.numpy as jnp, fpanalysis as fpa
        >>> pendulum = fpa.vector_field(
        ...     lambda x, u: jnp.stack([x[1], -jnp.sin(x[0]) - 0.3 * x[1]]),
        ...     state=["angle", "velocity"],
        ...     time_domain="continuous",
        ... )
        >>> ds = fpa.flow_field(pendulum, ("angle", "velocity"), extent=((-4.0, 4.0), (-2.0, 2.0)))
        >>> [trace.name for trace in fpa.plot.flow(ds).data]
        ['speed', 'angle does not change', 'velocity does not change', 'direction']
    """
    plane, notes = _plane(field)
    title = f"Flow in the plane of {' and '.join(map(escaped, plane.names))}"
    if not np.isfinite(plane.speed).any():
        return blank(title, "the vector field is not finite anywhere in this plane")
    figure = new_figure(title, [])
    notes = [*_input_note(field), *notes]
    _draw_speed(figure, plane)
    notes += _draw_nullclines(figure, plane)
    notes += _draw_arrows(figure, plane)
    if trajectories is not None:
        notes.append(_draw_trajectories(figure, plane, trajectories))
    if points is not None:
        notes += _draw_points(figure, plane, points)
    titles = axis_titles(plane.names, field["variance_share"].values)
    for axis, values, text in zip("xy", (plane.first, plane.second), titles, strict=True):
        ends = [float(values.min()), float(values.max())]
        figure.update_layout({f"{axis}axis": {"title": {"text": text}, "range": ends, "zeroline": False}})
    figure.update_layout(height=_HEIGHT)
    set_notes(figure, notes)
    return figure


def _plane(field: xr.Dataset) -> tuple[Plane, list[str]]:
    """Return the flow as arrays, thinned where there are too many nodes, and words on that."""
    if not isinstance(field, xr.Dataset):
        raise TypeError(f"field: expected the xarray.Dataset of flow_field, got {type(field).__name__}")
    needed = ("flow", "speed", "speed_in_plane", "origin", "axes", "variance_share")
    if missing := [name for name in needed if name not in field]:
        raise ValueError(
            f"field: expected the dataset of flow_field, but it has no variable {listed(missing)}"
        )
    if others := [str(dim) for dim in field["speed"].dims if dim not in _GRID]:
        raise ValueError(
            f"field: expected one plane, but there are several along {listed(others)}; choose one with sel"
        )
    step = max(-(-field.sizes[dim] // _MOST_NODES) for dim in _GRID)
    ds = field.isel(first=slice(None, None, step), second=slice(None, None, step))
    names = tuple(str(name) for name in ds["plane_axis"].values)
    speed, in_plane = (ds[name].transpose(*_GRID).values for name in ("speed", "speed_in_plane"))
    flow = ds["flow"].transpose(*_GRID, "plane_axis").values
    unit = unit_of(ds["speed"].attrs)
    n, shown = field["speed"].size, ds["speed"].size
    notes = [f"{shown:,} of {n:,} nodes drawn, evenly spaced"] if step > 1 else []
    if n_bad := int((~np.isfinite(speed)).sum()):
        notes.append(f"not finite at {n_bad:,} of {shown:,} nodes, which are left blank")
    first, second = ds["first"].values, ds["second"].values
    return Plane(ds, (names[0], names[1]), first, second, flow, speed, in_plane, unit), notes


def _input_note(field: xr.Dataset) -> list[str]:
    """Return the constant input in words, as far as it is not zero."""
    if "u" not in field or not field.sizes["input"]:
        return []
    names = field["input"].values if "input" in field.coords else np.arange(field.sizes["input"])
    values = field["u"].values
    said = [f"{escaped(names[i])} = {number(float(values[i]))}" for i in np.flatnonzero(values)]
    return ["input: " + (", ".join(said[:4]) + (", …" if len(said) > 4 else "") if said else "zero")]


def _draw_speed(figure: go.Figure, plane: Plane) -> None:
    speed = np.where(np.isfinite(plane.speed), plane.speed, np.nan)
    values, axis = _on_scale(speed)
    axis["colorbar"] |= {
        "title": {"text": f"speed ({plane.unit})" if plane.unit else "speed", "side": "right"}
    }
    unit = f" {plane.unit}" if plane.unit else ""
    lines = [f"{escaped(name)} = %{{{axis}:.4g}}" for name, axis in zip(plane.names, "xy", strict=True)]
    lines += [f"speed = %{{customdata[0]:.4g}}{unit}", f"within the plane = %{{customdata[1]:.4g}}{unit}"]
    figure.add_trace(
        go.Heatmap(
            x=plane.first,
            y=plane.second,
            z=values.T,
            customdata=np.stack([speed, plane.speed_in_plane], axis=-1).transpose(1, 0, 2),
            hovertemplate="<br>".join(lines) + "<extra></extra>",
            coloraxis="coloraxis",
            zsmooth="best" if np.isfinite(values).all() else False,
            name="speed",
        )
    )
    figure.update_layout(coloraxis=axis)


def _on_scale(speed: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return what is coloured, the speed or its logarithm, and plotly's `coloraxis` for it."""
    moving = speed[speed > 0]
    if moving.size == 0:
        return speed, {"cmin": 0.0, "cmax": 1.0, "colorbar": {}}
    # A node that happens to lie on a fixed point would stretch a logarithmic scale without end.
    low, high = float(np.quantile(moving, 0.005)), float(moving.max())
    if high <= _DECADE * low:
        return speed, {"cmin": float(np.nanmin(speed)), "cmax": high, "colorbar": {}}
    ticks = _ticks(low, high)
    bar = {"tickvals": [np.log10(tick) for tick, _ in ticks], "ticktext": [text for _, text in ticks]}
    axis = {"cmin": np.log10(low), "cmax": np.log10(high), "colorbar": bar}
    return np.log10(np.clip(speed, low, None)), axis


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return ticks of a logarithmic scale and what they say."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    decades = np.log10(high / low)
    factors = (1, 2, 5) if decades < 2 else (1, 3) if decades < 4 else (1,)
    ticks = [(factor * 10.0**power, factor, power) for power in powers for factor in factors]
    return [(tick, _said(factor, power)) for tick, factor, power in ticks if low <= tick <= high]


def _said(factor: int, power: int) -> str:
    if -3 <= power <= 4:
        return f"{factor * 10.0**power:.10g}"
    return f"10<sup>{power}</sup>" if factor == 1 else f"{factor} × 10<sup>{power}</sup>"


def _draw_nullclines(figure: go.Figure, plane: Plane) -> list[str]:
    """Draw where each component of the flow vanishes; return words on those that do so nowhere."""
    notes = []
    for i, (color, dash) in enumerate(_NULLCLINES):
        component, name = plane.flow[..., i], escaped(plane.names[i])
        finite = component[np.isfinite(component)]
        if not finite.size or finite.min() >= 0 or finite.max() <= 0:
            notes.append(f"no nullcline of {name} in this part")
            continue
        figure.add_trace(
            go.Contour(
                x=plane.first,
                y=plane.second,
                z=component.T,
                contours={"start": 0, "end": 0, "size": 1, "coloring": "none"},
                line={"color": color, "dash": dash, "width": 2.5},
                name=f"{name} does not change",
                hoverinfo="skip",
                showscale=False,
                showlegend=True,
            )
        )
    return notes


def _draw_arrows(figure: go.Figure, plane: Plane) -> list[str]:
    """Draw directions at some nodes, short where most of the motion leaves the plane; return words on it."""
    rows, columns = (_some(len(values)) for values in (plane.first, plane.second))
    place = np.stack(np.meshgrid(plane.first[rows], plane.second[columns], indexing="ij"), axis=-1)
    nodes = np.ix_(rows, columns)
    size = plane.size
    # In units of the extents, so that arrows are equally long wherever they point to on the screen.
    step = plane.flow[nodes] / size
    length = np.linalg.norm(step, axis=-1)
    usable = np.isfinite(plane.speed[nodes]) & np.isfinite(length) & (length > 0)
    share = plane.speed_in_plane[nodes][usable] / plane.speed[nodes][usable]
    long = 0.75 / max(len(rows), len(columns)) * np.maximum(share, _SHORTEST)
    half = 0.5 * (long / length[usable])[:, None] * step[usable] * size
    middle = place[usable]
    lines = with_gaps(np.stack([middle - half, middle + half], axis=1))
    figure.add_trace(
        go.Scatter(
            x=lines[:, 0],
            y=lines[:, 1],
            mode="lines+markers",
            line={"width": 1, "color": _ON_SPEED},
            # Drawn at the second end of each line only, as a head that turns with the line on any screen.
            marker={
                "symbol": "arrow",
                "angleref": "previous",
                "size": np.tile([0, 7, 0], len(middle)),
                "color": _ON_SPEED,
                "opacity": 1,
                "line": {"width": 0},
            },
            name="direction",
            hoverinfo="skip",
            connectgaps=False,
            showlegend=False,
        )
    )
    return ["short arrows: most motion leaves the plane"] if (share < _SHORT).any() else []


def _some(n: int) -> np.ndarray:
    """Return the nodes of `n` at which arrows stand, evenly spaced and off the border where possible."""
    if n <= _ARROWS:
        return np.arange(n)
    return np.unique(((np.arange(_ARROWS) + 0.5) / _ARROWS * (n - 1)).round().astype(int))


def _draw_trajectories(figure: go.Figure, plane: Plane, trajectories: Any) -> str:
    """Draw the trajectories; return words on them, since their colour is lost beside the plane."""
    names = [str(name) for name in plane.ds["state"].values]
    paths = paths_of(trajectories, names, "the flow", _MOST_SAMPLES)
    lines = plane.projection(with_gaps(paths.states))
    figure.add_trace(
        go.Scatter(
            x=lines[:, 0],
            y=lines[:, 1],
            mode="lines",
            name=paths.name,
            line={"width": 1, "color": _ON_SPEED},
            opacity=0.7,
            hoverinfo="skip",
            connectgaps=False,
            showlegend=False,
        )
    )
    return f"light lines: {paths.name}"


def _draw_points(figure: go.Figure, plane: Plane, ds: xr.Dataset) -> list[str]:
    """Draw the fixed points in the plane; return words on those that are not shown."""
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"points: expected the xarray.Dataset of find_fixed_points, got {type(ds).__name__}")
    states_of(ds, [str(name) for name in plane.ds["state"].values], "points", "the flow")
    points = points_of(ds)
    if len(points) == 0:
        return [none_found(ds).replace("<br>", " ")]
    states = points.values("x", "state")
    finite = np.asarray(np.isfinite(states).all(axis=1))
    n_bad = int((~finite).sum())
    notes = [f"{n_bad:,} of {len(finite):,} points have states that are not finite"] if n_bad else []
    points, states = points.keep(finite), states[finite]
    place, distance = plane.projection(states), plane.projection.distance(states)
    inside = plane.holds(place)
    if not inside.all():
        notes.append(f"{(~inside).sum():,} of {len(inside):,} points lie beyond the part shown")
    points, place, distance = points.keep(inside), place[inside], distance[inside]
    notes += _other_inputs(plane, points)
    kinds = kinds_of(points)
    shown, thinning = thinned(kinds, _MOST_POINTS)
    near = np.clip(1 - distance / (0.5 * float(plane.size.max())), 0, 1)
    if (near < _NEAR).any():
        notes.append("small and faint points lie off the plane")
    for kind, rows in zip(kinds, shown, strict=True):
        said = [f"distance from the plane = {number(float(each))}" for each in distance[rows]]
        texts = hover_texts(points.keep(rows))
        edge = {"color": kind.color, "width": 1.5} if kind.symbol.endswith("open") else _SYMBOL_EDGE
        figure.add_trace(
            go.Scatter(
                x=place[rows, 0],
                y=place[rows, 1],
                mode="markers",
                name=kind.title,
                marker={
                    "symbol": kind.symbol,
                    "color": kind.color,
                    "size": 6 + 7 * near[rows],
                    "opacity": 0.4 + 0.6 * near[rows],
                    "line": edge,
                },
                hovertext=["<br>".join(pair) for pair in zip(texts, said, strict=True)],
                hoverinfo="text",
                showlegend=True,
            )
        )
    return [*notes, *thinning]


def _other_inputs(plane: Plane, points: Points) -> list[str]:
    """Return words on points that rest under another input than that of the flow."""
    ds = points.ds
    if "u" not in ds or "u" not in plane.ds or ds.sizes.get("input") != plane.ds.sizes["input"]:
        return []
    u = points.values("u", "input")
    if n := int((~np.isclose(u, plane.ds["u"].values).all(axis=1)).sum()):
        return [f"{n:,} of {len(u):,} points belong to another input"]
    return []
