"""Fixed points among the states, in their first principal components."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis.plot._pca import Projection, own_axes, principal_components
from fpanalysis.plot._points import Points, descriptions, is_slow, none_found, points_of, stability
from fpanalysis.plot._text import escaped, joined, label, number, unit_of
from fpanalysis.plot._theme import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
    say,
)
from fpanalysis.plot._trajectories import thinned, trajectory_states, with_gaps

_MOST_OUTPUTS = 6
# Far enough that axis titles stay inside a figure of 500 pixels, and off the diagonal of the axes, along
# which the points of symmetric systems would hide one another.
_EYE = {"x": 1.9, "y": 1.2, "z": 0.92}
_CENTER = {"x": 0, "y": 0, "z": -0.13}
_HEIGHT = 640
_UNSTABLE_STYLES = (("diamond", VERMILION), ("square", ORANGE), ("square-open", PURPLE), ("x", SKY))


def fixed_points(ds: xr.Dataset, trajectories: xr.Dataset | xr.DataArray | None = None) -> go.Figure:
    """Draw the fixed points in the first three principal components of the states.

    Symbols and colours tell stable points from those with one, two, three or more unstable modes, and
    from slow points. Where the dataset holds eigenvectors, a short line through each unstable point shows
    the real part of each unstable direction. The components are fitted to the points, and to the
    trajectories where there are any; states of up to three entries are drawn in their own coordinates.

    Args:
        ds: what `find_fixed_points` returned, with the variable `x` and any condition dims.
        trajectories: what `simulate` returned (its variable `x` is used), or a DataArray with the dims
            `time` and `state` and any others, drawn as thin lines. Of more than 200,000 samples, evenly
            spaced trajectories are drawn, and the legend says how many of how many.

    Returns:
        The figure. A dataset without any fixed point gives a figure that says so.

    Raises:
        TypeError: `ds` is not a dataset, or `trajectories` is not made by xarray.
        ValueError: `ds` holds no states, or `trajectories` has other dims or another state.

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.find_fixed_points(fpa.datasets.flipflop("gru"), progress=False)
        >>> figure = fpa.plot.fixed_points(ds)
        >>> [trace.name for trace in figure.data][:3]
        ['unstable directions', 'stable (8)', '1 unstable mode (12)']
    """
    points = _with_states(ds)
    # A selected single entry, `ds.isel(state=0)`, has no state dim left: the selection has to keep it.
    states = points.values("x", "state")
    finite = np.all(np.isfinite(states), axis=1, keepdims=True)[:, 0]
    points, states = points.keep(finite), states[finite]
    paths = None if trajectories is None else trajectory_states(trajectories, points.ds)
    figure = new_figure(_title(points), _notes(int((~finite).sum())))

    cloud = states if paths is None else np.concatenate([states, paths.reshape(-1, paths.shape[2])])
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    if len(cloud) == 0:
        _blank(figure, ds)
        return figure
    projection = _projection(cloud)
    canvas = Canvas(figure, projection.axes.shape[0])
    if paths is not None:
        _draw_trajectories(canvas, projection, paths)
    _draw_unstable_directions(canvas, projection, points, states, _extent(projection(cloud)))
    _draw_points(canvas, projection, points, states)
    canvas.frame(_axis_titles(projection, points.ds), projection(cloud))
    if len(points) == 0:
        say(figure, none_found(ds), y=0.97)
    return figure


@dataclass(frozen=True)
class Canvas:
    """A figure of one, two or three dimensions: what differs between them is settled here."""

    figure: go.Figure
    n_axes: int

    def add(self, coordinates: np.ndarray, **options: object) -> None:
        """Add a scatter trace at `coordinates`, `(sample, axis)`."""
        if self.n_axes == 3:
            x, y, z = coordinates.T
            self.figure.add_trace(go.Scatter3d(x=x, y=y, z=z, **options))
        else:
            y = coordinates[:, 1] if self.n_axes == 2 else np.where(np.isnan(coordinates[:, 0]), np.nan, 0.0)
            self.figure.add_trace(go.Scatter(x=coordinates[:, 0], y=y, **options))

    def frame(self, titles: list[str], coordinates: np.ndarray) -> None:
        """Title the axes; where the data have no extent, give the axes one."""
        low, high = coordinates.min(axis=0), coordinates.max(axis=0)
        smallest = max(1e-9, 1e-6 * float(np.abs(coordinates).max()))
        flat = not np.any(high - low > smallest)
        axes: list[dict] = [{"title": {"text": title}} for title in titles]
        if flat:
            for axis, middle in zip(axes, (low + high) / 2, strict=True):
                axis["range"] = [float(middle) - 1, float(middle) + 1]
        if self.n_axes == 3:
            scene = dict(zip(("xaxis", "yaxis", "zaxis"), axes, strict=True))
            self.figure.update_layout(scene=scene, scene_aspectmode="cube" if flat else "auto")
            self.figure.update_layout(margin={"l": 10, "r": 10}, height=_HEIGHT)
            self.figure.update_layout(scene_camera={"eye": _EYE, "center": _CENTER})
            return
        self.figure.update_layout(xaxis=axes[0])
        self.figure.update_layout(yaxis=axes[1] if self.n_axes == 2 else {"visible": False, "range": [-1, 1]})


def _with_states(ds: xr.Dataset) -> Points:
    points = points_of(ds)
    if "x" not in ds or "state" not in ds["x"].dims:
        raise ValueError("ds: it has no variable 'x' with a dim 'state', the states that are to be drawn")
    return points


def _title(points: Points) -> str:
    slow = int(is_slow(points).sum())
    n = len(points) - slow
    counts = [f"{n:,} fixed point{'' if n == 1 else 's'}"]
    if slow:
        counts.append(f"{slow:,} slow point{'' if slow == 1 else 's'}")
    return " and ".join(counts)


def _notes(n_dropped: int) -> list[str]:
    return [f"{n_dropped:,} more with states that are not finite, not shown"] if n_dropped else []


def _blank(figure: go.Figure, ds: xr.Dataset) -> None:
    figure.update_layout(xaxis_visible=False, yaxis_visible=False)
    say(figure, none_found(ds))


def _projection(cloud: np.ndarray) -> Projection:
    n_state = cloud.shape[1]
    return own_axes(n_state) if n_state <= 3 else principal_components(cloud, 3)


def _axis_titles(projection: Projection, ds: xr.Dataset) -> list[str]:
    n_axes, n_state = projection.axes.shape
    if n_state <= 3:
        unit = unit_of(ds["x"].attrs)
        names = ds["state"].values if "state" in ds.coords else [f"x[{i}]" for i in range(n_state)]
        return [escaped(name) + (f" ({unit})" if unit else "") for name in names]
    shares = ["" if np.isnan(share) else f" ({_percent(share)} of variance)" for share in projection.share]
    return [f"PC {i + 1}{shares[i]}" for i in range(n_axes)]


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


def _extent(coordinates: np.ndarray) -> float:
    """Return the largest extent of the data along an axis; 1 where they have none."""
    return float(np.ptp(coordinates, axis=0).max()) or 1.0


def _draw_trajectories(canvas: Canvas, projection: Projection, paths: np.ndarray) -> None:
    shown = thinned(paths)
    count = f"{len(paths):,}" if len(shown) == len(paths) else f"{len(shown):,} of {len(paths):,}"
    canvas.add(
        projection(with_gaps(shown)),
        mode="lines",
        name=f"trajectories ({count})",
        line={"width": 1, "color": FAINT},
        hoverinfo="skip",
        connectgaps=False,
        showlegend=True,
    )


def _draw_unstable_directions(
    canvas: Canvas, projection: Projection, points: Points, states: np.ndarray, extent: float
) -> None:
    """Draw a short line along the real part of each unstable eigenvector of each fixed point."""
    domain = points.ds.attrs.get("time_domain")
    if "right_eigenvector" not in points.ds or "eigenvalue" not in points.ds or domain is None:
        return
    eigenvalues = points.values("eigenvalue", "mode")
    growing = np.abs(eigenvalues) > 1 if domain == "discrete" else np.real(eigenvalues) > 0
    # One of a conjugate pair is enough: both have the same real part.
    row, mode = np.nonzero(growing & (np.imag(eigenvalues) >= 0) & ~is_slow(points)[:, None])
    # Only these are copied: all eigenvectors together can fill most of the memory.
    vectors = points.array("right_eigenvector", "mode", "state")
    chosen = np.real(vectors[(*(index[row] for index in points.rows), mode)])
    length = np.linalg.norm(chosen, axis=1, keepdims=True)
    usable = np.isfinite(length[:, 0]) & (length[:, 0] > 0)
    if not usable.any():
        return
    # Unit length in the full state, so that a line shortened by the projection shows that it is.
    steps = 0.06 * extent * projection.direction(chosen[usable] / length[usable])
    middles = projection(states[row[usable]])
    canvas.add(
        with_gaps(np.stack([middles - steps, middles + steps], axis=1)),
        mode="lines",
        name="unstable directions",
        line={"width": 3 if canvas.n_axes == 3 else 2, "color": GREY},
        hoverinfo="skip",
        connectgaps=False,
        showlegend=True,
    )


def _draw_points(canvas: Canvas, projection: Projection, points: Points, states: np.ndarray) -> None:
    coordinates, hover = projection(states), np.array(_hover_texts(points), dtype=object)
    size = _size(canvas.n_axes, len(points))
    for name, mask, symbol, color in _groups(points):
        edge = {"color": color, "width": 1.5} if symbol.endswith("open") else {"color": "white", "width": 1}
        canvas.add(
            coordinates[mask],
            mode="markers",
            name=f"{name} ({mask.sum():,})",
            marker={"symbol": symbol, "color": color, "size": size, "line": edge},
            hovertext=hover[mask],
            hoverinfo="text",
            showlegend=True,
        )


def _groups(points: Points) -> list[tuple[str, np.ndarray, str, str]]:
    """Return name, mask, symbol and colour of every kind of point that occurs."""
    slow = is_slow(points)
    found = stability(points)
    n_unstable, rest = found.n_unstable, ~slow & found.known & ~found.stable
    groups = [
        ("stable", ~slow & found.stable, "circle", BLUE),
        ("neutral, no unstable mode", rest & (n_unstable == 0), "cross", GREEN),
    ]
    most = int(n_unstable[rest].max(initial=0))
    last = len(_UNSTABLE_STYLES)
    for few, (symbol, color) in enumerate(_UNSTABLE_STYLES, start=1):
        # The last style stands for its number and all above.
        mask = rest & ((n_unstable >= few) if few == last else (n_unstable == few))
        how_many = f"{few}–{most}" if few == last and most > few else f"{few}"
        groups.append((f"{how_many} unstable mode{'' if few == 1 else 's'}", mask, symbol, color))
    groups += [
        ("unstable", rest & (n_unstable < 0), "diamond", VERMILION),
        ("stability not known", ~slow & ~found.known, "diamond-open", GREY),
        ("slow points", slow, "circle-open", GREY),
    ]
    return [group for group in groups if group[1].any()]


def _size(n_axes: int, n: int) -> float:
    size = 9.0 if n <= 200 else 6.0 if n <= 2_000 else 4.0
    return size if n_axes < 3 else 0.7 * size


def _hover_texts(points: Points) -> list[str]:
    """Return each point's hover text: its condition, then values under their names in the dataset."""
    ds = points.ds
    lines = [descriptions(points)]
    for name in ("n_unstable", "residual", "n_hits"):
        if name in ds:
            unit = unit_of(ds[name].attrs)
            lines.append(
                [f"{name} = {_known(value)} {unit}".rstrip() for value in points.values(name).tolist()]
            )
    if "y" in ds and ds["y"].sizes.get("output"):
        names = list(ds["output"].values if "output" in ds.coords else range(ds.sizes["output"]))
        lines.append([_readout(names, values) for values in points.values("y", "output").tolist()])
    return joined(lines)


def _known(value: int | float) -> str:
    if isinstance(value, int):
        return label(value) if value >= 0 else "not known"
    return number(value)


def _readout(names: list, values: list[float]) -> str:
    shown = [f"{escaped(name)} = {number(value)}" for name, value in zip(names, values, strict=True)]
    more = f", … ({len(shown)} outputs)" if len(shown) > _MOST_OUTPUTS else ""
    return "y: " + ", ".join(shown[:_MOST_OUTPUTS]) + more
