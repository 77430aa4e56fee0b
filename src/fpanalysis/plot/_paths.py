"""Paths of many trials in the plane."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._curves import CurveGroup, Curves, checked_most, curves_of, kept, thinned
from fpanalysis.plot._lines import (
    entries_of,
    equal_axes,
    hover,
    left_out,
    line,
    line_class,
    marks,
    shown,
    spoken,
    time_of,
    titled,
    trials,
)
from fpanalysis.plot._reach import ends_of
from fpanalysis.plot._series import Series
from fpanalysis.plot._text import unit_of
from fpanalysis.plot._theme import blank, new_figure

_PANEL, _FRAME, _BETWEEN = 380, 170, 80
"""Pixels that a panel, all that is around the panels, and the gap between two take of the height."""


def trajectories(
    ds: xr.Dataset,
    color: str | None = None,
    *,
    panels: str | Sequence[str] = ("position",),
    max_curves: int = 20,
) -> go.Figure:
    """Draw the paths of the effector in the plane, with marks where they start and where they should end.

    Below the positions there can be further panels, such as one for the velocity and one for the force. The
    two axes of a panel have the same scale. Hovering over a path tells which trial of which model it is,
    every label of its condition, the time and the values.

    Args:
        ds: what `simulate` returned for controllers, or any dataset with variables along `time` and `axis`.
        color: a coordinate or variable with one value per trial of each model, such as `"direction"` or
            `"field_std"`, which colours and dashes tell apart. More than 12 numbers are put into seven
            ranges. Left out, all paths look alike.
        panels: variables with the dims `time` and `axis`: `"position"`, `"velocity"`, `"force"`, ….
        max_curves: number of paths shown of each group. Where there are more, they are chosen at random, the
            same ones every time, and the figure says how many of how many there are. Trials with values that
            are not finite are left out, and counted.

    Returns:
        The figure. A dataset without any trial gives a figure that says so.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: `panels` or `color` names nothing that could be drawn, or `max_curves` is negative.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std")
        >>> ds = fpa.simulate(ensemble, fpa.tasks.SimpleReaches().validation(), progress=False)
        >>> figure = fpa.plot.trajectories(ds, "field_std", panels=["position", "force"])
        >>> figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text
        ('position y (m)', 'force y (N)')
    """
    names, curves = _panels(ds, [panels] if isinstance(panels, str) else list(panels))
    most = checked_most(max_curves)
    groups = curves.groups(color)
    title = f"Paths of {trials(len(curves))}"
    if len(curves) == 0 or ds.sizes["time"] == 0:
        return blank(title, "no trials to show")
    vectors = {name: Series(curves.values(name, "time", "axis"), (0, 1)) for name in names}
    usable = np.all([series.is_finite() for series in vectors.values()], axis=0)
    if most == 0:
        return blank(title, "max_curves is 0: no path is shown")
    if not usable.any():
        return blank(title, "no trial has finite values throughout")
    groups = kept(groups, usable)
    chosen, note = thinned(groups, most)
    notes = left_out(usable, "values that are not finite")
    figure = new_figure(title, [*notes, note] if note else notes)
    height = _PANEL * len(names) + _BETWEEN * (len(names) - 1)
    make_subplots(rows=len(names), cols=1, figure=figure, vertical_spacing=_BETWEEN / height)
    shown_paths = _Paths(curves, groups, chosen, [curves.texts(index, color) for index in chosen])
    for row, (name, series) in enumerate(vectors.items(), start=1):
        _draw_panel(figure, shown_paths, name, series, row, len(names))
    figure.update_layout(height=height + _FRAME, legend_title_text=curves.title(color))
    return figure


class _Paths(NamedTuple):
    """The paths that are shown: for each group which, and their hover texts."""

    curves: Curves
    groups: list[CurveGroup]
    chosen: list[np.ndarray]
    texts: list[list[str]]


def _panels(ds: xr.Dataset, names: list[str]) -> tuple[list[str], Curves]:
    """Return the names of the panels, each once, and the curves of them all."""
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected the xarray.Dataset of simulate, got {type(ds).__name__}")
    known = [str(name) for name in ds.data_vars if {"time", "axis"} <= set(ds[name].dims)]
    for name in names:
        if name not in known:
            raise ValueError(
                f"panels: expected variables with the dims 'time' and 'axis', got {name!r}"
                f"{nearest(str(name), known)}; the dataset has {listed(known) or 'none'}"
            )
    if not names:
        raise ValueError(f"panels: expected at least one variable, such as {listed(known[:3])}")
    if ds.sizes["axis"] != 2:
        raise ValueError(f"ds: expected two entries along 'axis', got {ds.sizes['axis']}")
    # Targets do not depend on the model, and are repeated for each.
    widest = max(names, key=lambda name: ds[name].ndim)
    return list(dict.fromkeys(names)), curves_of(ds, widest, "time", "axis")


def _draw_panel(figure: go.Figure, paths: _Paths, name: str, series: Series, row: int, n_rows: int) -> None:
    curves, time, attrs = paths.curves, time_of(paths.curves.ds), paths.curves.ds[name].attrs
    unit, words = unit_of(attrs), spoken(name, attrs)
    x, y = entries_of(curves.ds, "axis")
    template = hover(
        shown("time", "customdata", time.unit),
        shown(f"{words} {x}", "x", unit),
        shown(f"{words} {y}", "y", unit),
    )
    draw = line_class(n_rows * len(time.values) * sum(map(len, paths.chosen)))
    traces: list = _ends(paths, unit) if name in ("position", "target_position") else []
    for group, index, texts in zip(paths.groups, paths.chosen, paths.texts, strict=True):
        for number, (path, text) in enumerate(zip(series.read(index), texts, strict=True)):
            options = {"x": path[:, 0], "y": path[:, 1], "hovertext": text, "hovertemplate": template}
            options |= {"customdata": time.values, "name": group.name, "opacity": 0.85}
            in_legend = row == 1 and number == 0 and group.name != ""
            traces.append(draw(**line(group, 1.5, **options), showlegend=in_legend))
    figure.add_traces(traces, rows=row, cols=1)
    equal_axes(figure, traces, (titled(name, attrs, x), titled(name, attrs, y)), row)


def _ends(paths: _Paths, unit: str) -> list[go.Scatter]:
    """Return marks at the starts and the last targets of the paths that are shown."""
    ends = ends_of(paths.curves)
    if ends is None:
        return []
    index = np.concatenate(paths.chosen)
    start, goal = (places[index] for places in ends)
    return [marks(start, "start", "circle-open", unit), marks(goal, "goal", "square-open", unit)]
