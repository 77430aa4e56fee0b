"""Fixed points under the changing input of a movement, beside the state's own path."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis.plot._curves import CurveGroup, thinned
from fpanalysis.plot._kinds import hover_texts
from fpanalysis.plot._movements import Movements, movements_of
from fpanalysis.plot._pca import axis_titles, projection_of
from fpanalysis.plot._points import none_found
from fpanalysis.plot._stability import LOOKS, Answer, answers
from fpanalysis.plot._text import axis_title, number, said, unit_of
from fpanalysis.plot._theme import GREY, blank, new_figure, say
from fpanalysis.plot._trajectories import with_gaps
from fpanalysis.projection import Projection

_TITLE = "The state, and where it would rest"
_MOST_TRIALS, _MOST_POINTS, _LINKS, _HEIGHT = 24, 6_000, 8, 620
_START, _END = "triangle-right", "square"


def fixed_point_trail(
    ds: xr.Dataset, states: xr.Dataset | xr.DataArray, color: str | None = None
) -> go.Figure:
    """Draw movements of a state, and the fixed points that it would have at each time if the input stayed.

    Lines are the paths of the state, symbols the fixed points. At eight times of a movement, evenly
    spaced, a thin line joins the state and the fixed point nearest to it. Both are drawn in the first two
    principal components of all that is shown; states of two entries in their own coordinates, and a state of
    one entry against time.

    Args:
        ds: what `find_fixed_points` returned for the input of simulated movements, with the condition `time`
            and any others, such as `trial`.
        states: what `simulate` returned for these movements (of a controller or network its `hidden`, of a
            vector field its `x`), or such a DataArray. It can hold more times and movements than `ds`.
        color: a coordinate or variable with one value per movement, such as `"direction"`. Left out, the last
            condition that is not `time`.

    Returns:
        The figure. Of more than 24 movements some are drawn, the same number of each colour, chosen at random
        with a fixed seed, and the figure says how many of how many.

    Raises:
        TypeError: `ds` is not a dataset, or `states` is not made by xarray.
        ValueError: `ds` has no condition `time`, `states` are those of another system or other movements, or
            `color` has no single value for a movement.

    Example:
        >>> import fpanalysis as fpa
        >>> model = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=0).one()
        >>> trials = fpa.tasks.SimpleReaches(n_steps=20).validation(n_directions=4, context=1.0)
        >>> reaches = fpa.simulate(model, trials)
        >>> ds = fpa.find_fixed_points(model, inputs=reaches, spectra="values", progress=False)
        >>> figure = fpa.plot.fixed_point_trail(ds, reaches, color="direction")
        >>> figure.layout.legend.title.text
        'direction (rad)'
    """
    everything = movements_of(ds, states)
    curves = everything.curves
    if len(curves) == 0 or everything.paths.shape[1] == 0:
        return blank(_TITLE, "no movements to show")
    if color is None:
        color = next((dim for dim in reversed(curves.dims) if dim in ds.coords), None)
    groups = curves.groups(color)
    chosen, note = thinned(groups, max(1, _MOST_TRIALS // len(groups)))
    groups = [group._replace(index=index) for group, index in zip(groups, chosen, strict=True)]
    shown, notes = _few(everything, np.concatenate(chosen))
    view = _view(shown, np.concatenate(chosen))
    if view is None:
        return blank(_TITLE, "no state is finite")
    figure = new_figure(_TITLE, [*([note.replace("curves", "movements")] if note else []), *notes])
    _legend(figure, view, groups)
    _draw_paths(figure, view, groups, color)
    _draw_links(figure, view)
    _draw_points(figure, view, groups)
    _draw_ends(figure, view, groups)
    _frame(figure, view)
    figure.update_layout(legend={"title_text": curves.title(color), "itemsizing": "trace"})
    if len(shown.points) == 0:
        say(figure, none_found(ds), y=0.97)
    return figure


@dataclass(frozen=True)
class _View:
    """Movements, how their states get their coordinates, and how stable each point is."""

    movements: Movements
    projection: Projection
    answer: np.ndarray

    @property
    def is_plane(self) -> bool:
        """Whether both axes are of states; otherwise the first is time."""
        return len(self.projection.axes) > 1

    def __call__(self, states: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the coordinates `(…, 2)` of states `(…, state)` at times, of a shape that fits."""
        found = self.projection(states)
        if self.is_plane:
            return found
        return np.concatenate([np.broadcast_to(time[..., None], found.shape), found], axis=-1)


def _few(movements: Movements, chosen: np.ndarray) -> tuple[Movements, list[str]]:
    """Return the chosen movements with as many points as can be told apart, and words on it."""
    shown = movements.of(chosen)
    every = -(-len(shown.points) // _MOST_POINTS)
    if every <= 1:
        return shown, []
    return shown.of(chosen, every), [f"fixed points of one in {every} times are shown"]


def _view(shown: Movements, chosen: np.ndarray) -> _View | None:
    """Return how to look at these movements; None where no state is finite."""
    paths = shown.paths[chosen]
    cloud = np.concatenate([shown.states, paths.reshape(-1, paths.shape[2])])
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    if len(cloud) == 0:
        return None
    return _View(shown, projection_of(cloud, 2), answers(shown.points))


def _legend(figure: go.Figure, view: _View, groups: list[CurveGroup]) -> None:
    """Explain lines and symbols, by traces without points."""
    line = {"color": GREY, "width": 1}
    for group in groups:
        if group.name:
            _entry(figure, group.name, "lines", {"color": group.style.color, "dash": group.style.dash}, {})
    for answer, (name, look) in LOOKS.items():
        if np.any(view.answer == answer):
            _entry(figure, name, "markers", line, {"symbol": look.symbol})
    _entry(figure, "both at the same time", "lines", line, {})
    _entry(figure, "start", "markers", line, {"symbol": _START})
    _entry(figure, "end", "markers", line, {"symbol": _END})


def _entry(figure: go.Figure, name: str, mode: str, line: dict, marker: dict) -> None:
    marker = {"color": GREY, "size": 8} | marker
    figure.add_trace(
        go.Scatter(x=[None], y=[None], mode=mode, name=name, line=line, marker=marker, legendgroup=name)
    )


def _draw_paths(figure: go.Figure, view: _View, groups: list[CurveGroup], color: str | None) -> None:
    movements = view.movements
    attrs = movements.curves.ds["time"].attrs
    moments = [f"<br>time = {text}" for text in said(movements.time, attrs)]
    for group in groups:
        # Each path ends with a gap, which says nothing.
        texts = [t + m for t in movements.curves.texts(group.index, color) for m in (*moments, "")]
        x, y = with_gaps(view(movements.paths[group.index], movements.time)).T
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                name=group.name,
                line={"color": group.style.color, "dash": group.style.dash, "width": 1.8},
                connectgaps=False,
                hovertext=texts,
                hoverinfo="text",
                legendgroup=group.name,
                showlegend=False,
            )
        )


def _draw_links(figure: go.Figure, view: _View) -> None:
    """Draw lines from the state to the nearest fixed point at some times."""
    movements = view.movements
    n = movements.points.ds.sizes["time"]
    moments = np.unique(np.linspace(0, n - 1, _LINKS).round().astype(int)) if n else []
    # The nearest of what is drawn, which may be one in so many times.
    near = (
        [movements.moment[np.abs(movements.moment - m).argmin()] for m in moments]
        if len(movements.points)
        else []
    )
    mine = np.flatnonzero(
        (view.answer != Answer.SLOW) & np.isin(movements.moment, near) & np.isfinite(_distance(movements))
    )
    mine = mine[np.argsort(_distance(movements)[mine], kind="stable")]
    label = movements.movement[mine] * n + movements.moment[mine]
    mine = mine[np.unique(label, return_index=True)[1]]
    if len(mine) == 0:
        return
    time = _times(movements)[mine]
    ends = [view(states[mine], time) for states in (movements.states, movements.partners)]
    x, y = with_gaps(np.stack(ends, axis=1)).T
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            name="both at the same time",
            line={"color": GREY, "width": 1},
            connectgaps=False,
            hoverinfo="skip",
            legendgroup="both at the same time",
            showlegend=False,
        )
    )


def _times(movements: Movements) -> np.ndarray:
    return movements.time[movements.place[movements.moment]]


def _distance(movements: Movements) -> np.ndarray:
    """Return how far each point is from the state at its time."""
    return np.linalg.norm(movements.states - movements.partners, axis=1)


def _draw_points(figure: go.Figure, view: _View, groups: list[CurveGroup]) -> None:
    movements = view.movements
    unit = unit_of(movements.points.ds["x"].attrs)
    lines = [
        f"<br>distance from the state = {number(d)} {unit}".rstrip() for d in _distance(movements).tolist()
    ]
    hover = np.array(hover_texts(movements.points), dtype=object) + np.array(lines, dtype=object)
    place = view(movements.states, _times(movements))
    for answer, (name, look) in LOOKS.items():
        edge = {"width": 1.2 if look.symbol.endswith("open") else 0}
        marker = {"symbol": look.symbol, "size": 6, "line": edge}
        for group in groups:
            mine = (view.answer == answer) & np.isin(movements.movement, group.index)
            if not mine.any():
                continue
            figure.add_trace(
                go.Scatter(
                    x=place[mine, 0],
                    y=place[mine, 1],
                    mode="markers",
                    name=name,
                    marker=marker | {"color": group.style.color},
                    hovertext=hover[mine],
                    hoverinfo="text",
                    legendgroup=name,
                    showlegend=False,
                )
            )


def _draw_ends(figure: go.Figure, view: _View, groups: list[CurveGroup]) -> None:
    movements = view.movements
    for name, symbol, at in (("start", _START, 0), ("end", _END, -1)):
        for group in groups:
            place = view(movements.paths[group.index, at], movements.time[[at]])
            figure.add_trace(
                go.Scatter(
                    x=place[:, 0],
                    y=place[:, 1],
                    mode="markers",
                    name=name,
                    marker={"symbol": symbol, "color": group.style.color, "size": 10, "line": {"width": 1}},
                    hoverinfo="skip",
                    legendgroup=name,
                    showlegend=False,
                )
            )


def _frame(figure: go.Figure, view: _View) -> None:
    ds, axes = view.movements.points.ds, view.projection.axes
    unit = unit_of(ds["x"].attrs)
    if axes.shape[1] > len(axes):
        titles = axis_titles([f"PC {i + 1}" for i in range(len(axes))], view.projection.share, unit)
    else:
        entries = [str(name) for name in ds["state"].values] if "state" in ds.coords else ["x[0]", "x[1]"]
        titles = axis_titles(entries[: len(axes)], view.projection.share, unit)
    if not view.is_plane:
        titles = [axis_title("time", ds["time"].attrs), *titles]
    figure.update_layout(height=_HEIGHT, xaxis_title_text=titles[0], yaxis_title_text=titles[1])
    if view.is_plane:
        figure.update_layout(xaxis_constrain="range", yaxis={"constrain": "range", "scaleanchor": "x"})
