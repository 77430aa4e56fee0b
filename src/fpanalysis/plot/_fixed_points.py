"""Fixed points among the states, in their first principal components."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis.plot._canvas import Canvas
from fpanalysis.plot._color import Coloring, by_name
from fpanalysis.plot._kinds import HOVER_NAMES, Kind, hover_texts, kinds_of, thinned
from fpanalysis.plot._pca import axis_titles, projection_of
from fpanalysis.plot._points import Points, is_slow, none_found, points_of
from fpanalysis.plot._stability import Answer, answers
from fpanalysis.plot._text import escaped, joined, unit_of
from fpanalysis.plot._theme import FAINT, GREY, PURPLE, WEBGL_ABOVE, blank, new_figure, say
from fpanalysis.plot._trajectories import Paths, paths_of, with_gaps
from fpanalysis.projection import Projection
from fpanalysis.spectra.stability import growth, neutral_margin

# What a browser still turns about in three dimensions.
_MOST_POINTS, _MOST_SAMPLES = 20_000, 200_000
_MOST_VECTORS = 6
# Readout vectors that differ by less, relatively, are one: those of a linear readout.
_ALIKE = 1e-6
_READOUT = PURPLE
# Three-dimensional lines that let the ground through look white on any ground.
_FAINT_3D = "#A8A8A8"
_ABOVE_SCENE = {"orientation": "h", "x": 0.5, "y": 1, "yanchor": "top", "title_side": "top"}
# Plotly has few symbols in three dimensions, and draws its x with a sign that not every font has.
_IN_SPACE = {"x-thin-open": "cross", "triangle-up": "square-open", "star": "diamond"}


def fixed_points(
    ds: xr.Dataset,
    trajectories: xr.Dataset | xr.DataArray | None = None,
    *,
    color: str | None = None,
    n_axes: int = 3,
) -> go.Figure:
    """Draw the fixed points in the first principal components of the states.

    Symbols and colours tell stable points from those with one, two, three or more unstable modes, and
    from slow points. Where the dataset holds eigenvectors, a short line through each unstable point shows
    the real part of each unstable direction; where it holds `output_jacobian`, an arrow shows in which
    direction each output grows. Both are shorter the more they lead out of the components that are drawn.
    The components are fitted to the points, and to the trajectories where there are any; states of no more
    entries than there are axes are drawn in their own coordinates. States of different networks have no
    coordinates in common: choose one of an ensemble first, as in `ds.sel(replicate=0)`.

    Args:
        ds: what `find_fixed_points` returned, with the variable `x` and any condition dims. Of more than
            20,000 points some are chosen, and the figure says how many of how many.
        trajectories: what `simulate` returned, or a DataArray with the dims `time` and `state` and any
            others, drawn as thin lines; of controllers and networks, whose hidden activity it holds, with
            the fixed points of their hidden units. Of more than 200,000 samples, evenly spaced trajectories
            are drawn, and the legend says how many of how many.
        color: a coordinate or variable with one value per condition or fixed point, such as `"context"` or
            `"residual"`, by which points are told apart instead. Up to seven numbers, and any names, get a
            symbol and a colour each; more numbers get a colour scale, on which the symbols tell stable from
            unstable.
        n_axes: the number of components, 3 or 2.

    Returns:
        The figure. A dataset without any fixed point gives a figure that says so.

    Raises:
        TypeError: `ds` is not a dataset, or `trajectories` is not made by xarray.
        ValueError: `ds` holds no states, `trajectories` has other dims or another state, `color` names
            nothing with one real value per point, or `n_axes` is neither 2 nor 3.

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.find_fixed_points(fpa.datasets.flipflop("gru"), progress=False)
        >>> figure = fpa.plot.fixed_points(ds)
        >>> [trace.name for trace in figure.data][3:5]
        ['stable (8)', '1 unstable mode (12)']
    """
    n_axes, points = _checked(n_axes), _with_states(ds)
    ds = points.ds
    states = points.values("x", "state")
    finite = np.asarray(np.isfinite(states).all(axis=1))
    n_dropped = int((~finite).sum())
    if n_dropped:
        points, states = points.keep(finite), states[finite]
    paths = None
    if trajectories is not None:
        paths = paths_of(trajectories, _names(points.ds), "the fixed points", _MOST_SAMPLES)
    notes = [f"{n_dropped:,} more with states that are not finite, not shown"] if n_dropped else []

    coloring = None if color is None else by_name(points, color)
    cloud = _cloud(states, paths)
    if len(cloud) == 0:
        return blank(_title(points), none_found(ds))
    projection = projection_of(cloud, n_axes)
    coordinates = projection(cloud)
    extent = _extent(coordinates)
    kinds = kinds_of(points) if coloring is None else _groups(coloring, len(points), len(projection.axes))
    shown, thinning = thinned(kinds, _MOST_POINTS)
    rows = np.sort(np.concatenate([np.zeros(0, int), *shown]))
    readout = _readout(points.keep(rows))
    notes += [*(coloring.notes if coloring else []), *thinning, *(readout.notes if readout else [])]
    figure = new_figure(_title(points), notes)
    n_samples = 0 if paths is None else paths.states.shape[0] * paths.states.shape[1]
    canvas = Canvas(figure, len(projection.axes), use_webgl=len(rows) + n_samples > WEBGL_ABOVE)
    if paths is not None:
        _draw_trajectories(canvas, projection, paths)
    _draw_unstable_directions(canvas, projection, points.keep(rows), states[rows], extent)
    if readout is not None:
        _draw_readout(canvas, projection, readout, coordinates.mean(axis=0), extent)
    _draw_points(canvas, coordinates[: len(points)], points, kinds, shown, coloring)
    in_components = len(projection.axes) < states.shape[1]
    canvas.frame(_titles(projection, points.ds), coordinates, equal=in_components)
    if len(points) == 0:
        say(figure, none_found(ds), y=0.97)
    return figure


def _checked(n_axes: int) -> int:
    if isinstance(n_axes, bool) or n_axes not in (2, 3):
        raise ValueError(f"n_axes: expected 2 or 3, got {n_axes!r}")
    return int(n_axes)


def _with_states(ds: xr.Dataset) -> Points:
    points = points_of(ds)
    if "x" not in ds:
        raise ValueError("ds: it has no variable 'x' with a dim 'state', the states that are to be drawn")
    return points


def _names(ds: xr.Dataset) -> list[str]:
    if "state" in ds.coords:
        return [str(name) for name in ds["state"].values]
    return [f"x[{i}]" for i in range(ds.sizes["state"])]


def _title(points: Points) -> str:
    slow = int(is_slow(points).sum())
    n = len(points) - slow
    counts = [f"{n:,} fixed point{'' if n == 1 else 's'}"]
    if slow:
        counts.append(f"{slow:,} slow point{'' if slow == 1 else 's'}")
    return " and ".join(counts)


def _cloud(states: np.ndarray, paths: Paths | None) -> np.ndarray:
    """Return all states that are drawn, those that are not finite left out."""
    if paths is None:
        return states
    walked = paths.states.reshape(-1, states.shape[1])
    return np.concatenate([states, walked[np.isfinite(walked).all(axis=1)]])


def _titles(projection: Projection, ds: xr.Dataset) -> list[str]:
    n_axes = len(projection.axes)
    if n_axes == projection.axes.shape[1]:
        return axis_titles(_names(ds), projection.share, unit_of(ds["x"].attrs))
    # In three dimensions, words that go on would be cut off in narrow figures.
    what = " of variance" if n_axes < 3 else ""
    return axis_titles([f"PC {i + 1}" for i in range(n_axes)], projection.share, what=what)


def _extent(coordinates: np.ndarray) -> float:
    """Return the largest extent of the data along an axis; 1 where they have none."""
    return float(np.ptp(coordinates, axis=0).max()) or 1.0


def _draw_trajectories(canvas: Canvas, projection: Projection, paths: Paths) -> None:
    canvas.add(
        projection(with_gaps(paths.states)),
        mode="lines",
        name=paths.name,
        line={"width": 1, "color": FAINT if canvas.n_axes < 3 else _FAINT_3D},
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
    margin = points.values("stability_margin") if "stability_margin" in points.ds else None
    growing = growth(eigenvalues, domain) > neutral_margin(eigenvalues, domain, margin)
    growing &= (answers(points) == Answer.UNSTABLE)[:, None]
    # One of a conjugate pair is enough: both have the same real part.
    row, mode = np.nonzero(growing & (np.imag(eigenvalues) >= 0))
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


class _Readout(NamedTuple):
    """Vectors of length 1 along which outputs grow most, `(output, state)`, and words on what is left out."""

    vectors: np.ndarray
    names: list[str]
    notes: list[str]


def _readout(points: Points) -> _Readout | None:
    """Return the readout vectors of the points, their mean where they differ."""
    ds = points.ds
    if "output_jacobian" not in ds or len(points) == 0 or not ds.sizes["output"]:
        return None
    rows = points.values("output_jacobian", "output", "state")
    mean = (
        np.nanmean(rows, axis=0) if np.isfinite(rows).any(axis=0).all() else np.full(rows.shape[1:], np.nan)
    )
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    usable = np.flatnonzero(np.isfinite(length[:, 0]) & (length[:, 0] > 0))
    notes = []
    if len(usable) and np.nanmax(np.abs(rows - mean)) > _ALIKE * np.nanmax(np.abs(mean)):
        notes.append("readout vectors: mean of those at all points")
    if len(usable) > _MOST_VECTORS:
        notes.append(f"{_MOST_VECTORS} of {len(usable)} readout vectors shown")
        usable = usable[:_MOST_VECTORS]
    names = ds["output"].values if "output" in ds.coords else np.arange(ds.sizes["output"])
    if not len(usable):
        return None
    return _Readout(mean[usable] / length[usable], [escaped(name) for name in names[usable]], notes)


def _draw_readout(
    canvas: Canvas, projection: Projection, readout: _Readout, start: np.ndarray, extent: float
) -> None:
    # Directions are not measured from the mean of the states. Their lengths still say how much of each the
    # projection shows: one that leads out of the components is short beside the others.
    steps = projection.direction(readout.vectors)
    longest = float(np.linalg.norm(steps, axis=1).max())
    steps *= 0.5 * extent / (longest if longest > 0 else 1.0)
    canvas.arrows(start, start + steps, readout.names, name="readout vectors", color=_READOUT)


def _groups(coloring: Coloring, n: int, n_axes: int) -> list[Kind]:
    """Return the groups of `n` points as kinds that can be drawn with so many axes."""
    code = np.broadcast_to(coloring.code, (n, 1))[:, 0]
    in_space = _IN_SPACE if n_axes == 3 else {}
    groups = [
        Kind(group.name, code == k, in_space.get(group.symbol, group.symbol), group.color)
        for k, group in enumerate(coloring.groups)
    ]
    return [group for group in groups if group.mask.any()]


def _draw_points(
    canvas: Canvas,
    coordinates: np.ndarray,
    points: Points,
    kinds: list[Kind],
    shown: list[np.ndarray],
    coloring: Coloring | None,
) -> None:
    size = _size(canvas.n_axes, sum(map(len, shown)))
    for kind, rows in zip(kinds, shown, strict=True):
        # The edge of a filled symbol has the colour of the ground, which the template knows.
        edge = {"color": kind.color, "width": 1.5} if kind.symbol.endswith("open") else {"width": 1}
        marker = {"symbol": kind.symbol, "color": kind.color, "size": size, "line": edge}
        lines = [hover_texts(points.keep(rows))]
        if coloring is not None:
            entries = (len(points), 1), rows, np.zeros_like(rows)
            said = coloring.shown is not None and coloring.shown[0] in HOVER_NAMES
            lines += [] if said else coloring.lines(*entries)
            marker |= coloring.on_scale(*entries)
        canvas.add(
            coordinates[rows],
            mode="markers",
            name=kind.title if coloring is None else kind.name,
            marker=marker,
            hovertext=joined(lines),
            hoverinfo="text",
            showlegend=True,
        )
    if coloring is not None:
        canvas.figure.update_layout(**coloring.layout())
        if canvas.n_axes == 3 and coloring.axis:
            # Beside a scene, which is as wide as it is high, there is no room in narrow figures.
            canvas.figure.update_layout(coloraxis_colorbar=_ABOVE_SCENE, scene_domain_y=[0, 0.88])


def _size(n_axes: int, n: int) -> float:
    size = 9.0 if n <= 200 else 6.0 if n <= 2_000 else 4.0
    return size if n_axes < 3 else 0.7 * size
