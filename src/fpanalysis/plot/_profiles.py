"""Variables over time: means over trials, and bands around them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from fpanalysis._messages import nearest
from fpanalysis.plot._bands import area, between
from fpanalysis.plot._components import Components, components_of
from fpanalysis.plot._curves import CurveGroup, checked_most, kept, thinned
from fpanalysis.plot._lines import Time, described, hover, line, line_class, shown, spoken, time_of, trials
from fpanalysis.plot._series import Series, moments, quantiles
from fpanalysis.plot._text import capitalised, number, unit_of
from fpanalysis.plot._theme import BAND, blank, new_figure

_BANDS = {
    "std": "mean ± standard deviation",
    "sem": "mean ± standard error",
    "quantiles": "5 to 95 % of the trials",
}
_QUANTILES = (0.05, 0.95)
_ROW, _FRAME, _BETWEEN, _ENTRY = 230, 190, 40, 22
"""Pixels of the height for a row, all that is around the rows, the gap between two, and a legend's entry."""


def profiles(
    ds: xr.Dataset,
    variable: str = "velocity",
    color: str | None = None,
    *,
    components: str | Sequence[str] | None = None,
    band: str | None = "std",
    perturbation: Sequence[int | float] | None = None,
    max_curves: int = 0,
) -> go.Figure:
    """Draw a variable over time: the mean over trials, and a band for their spread.

    Vectors in the plane, such as velocity and force, are shown along and across the reach, one below the
    other: along the axes of space, reaches in opposite directions would cancel. Across counts as positive
    to the left. A line behind the curves marks zero.

    Args:
        ds: what `simulate` returned, or any dataset with a variable along `time` (s).
        variable: name of the variable: `"velocity"`, `"force"`, `"torque"`, `"y"`, ….
        color: a coordinate or variable with one value per trial of each model, such as `"field_std"`, which
            colours and dashes tell apart. More than 12 numbers are put into seven ranges. Left out, there
            is one mean over all.
        components: which components have a row each: `"along"` and `"across"` the reach, the Euclidean
            `"norm"` (the speed, of a velocity), or entries of the variable's last dim, such as `"x"` or
            `"elbow"`. Left out, along and across where the dataset holds starts and targets, and otherwise
            the entries, of which the first four are shown.
        band: `"std"`, one standard deviation around the mean; `"sem"`, one standard error; `"quantiles"`,
            from the 5 % to the 95 % quantile; or None.
        perturbation: beginning and end (s) of a perturbation, which a grey band marks.
        max_curves: number of single trials shown of each group, as thin lines. Where there are more, they
            are chosen at random, the same ones every time, and the figure says so.

    Returns:
        The figure. Trials with values that are not finite are left out and counted in a note, and with
        them, where a component needs a direction, trials whose target is their start.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: an argument names nothing that could be drawn, or is out of range.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std")
        >>> ds = fpa.simulate(ensemble, fpa.tasks.SimpleReaches().validation(), progress=False)
        >>> figure = fpa.plot.profiles(ds, "velocity", "field_std", perturbation=(1.0, 1.5))
        >>> figure.layout.yaxis.title.text
        'velocity<br>along the reach (m/s)'
        >>> speed = fpa.plot.profiles(ds, "velocity", components="norm", band="quantiles")
    """
    parts = components_of(ds, variable, components)
    _check(band, perturbation)
    most = checked_most(max_curves)
    groups = parts.curves.groups(color)
    words = spoken(variable, ds[variable].attrs)
    n = len(parts.curves)
    title = capitalised(words) if n == 1 else f"Mean {words} of {trials(n)}"
    if len(parts.curves) == 0 or ds.sizes["time"] == 0:
        return blank(title, "no trials to show")
    if not parts.usable.any():
        return blank(title, "no trial can be shown:<br>" + "<br>".join(parts.notes))
    groups = kept(groups, parts.usable)
    chosen, note = thinned(groups, most)
    several = any(len(group.index) > 1 for group in groups)
    notes = parts.notes + ([f"band: {_BANDS[band]}"] if band is not None and several else [])
    figure = new_figure(title, notes + ([note] if note and most else []))
    n_rows = len(parts.titles)
    height = _ROW * max(n_rows, 1.3) + _BETWEEN * (n_rows - 1)
    make_subplots(rows=n_rows, cols=1, figure=figure, shared_xaxes=True, vertical_spacing=_BETWEEN / height)
    drawn = _Drawn(parts, groups, chosen, color, time_of(ds), unit_of(ds[variable].attrs))
    summary = _summary(parts.series, groups, band)
    for row in range(n_rows):
        _draw_row(figure, drawn, summary, row)
    figure.update_xaxes(title_text=drawn.time.title, row=n_rows, col=1)
    figure.update_layout(
        height=height + _FRAME + _ENTRY * len(groups),
        legend_title_text=parts.curves.title(color),
    )
    if perturbation is not None:
        _draw_perturbation(figure, perturbation, drawn.time.unit, n_rows)
    return figure


class _Drawn(NamedTuple):
    """What is drawn: all curves, the groups, and of each group the curves that are shown."""

    parts: Components
    groups: list[CurveGroup]
    chosen: list[np.ndarray]
    color: str | None
    time: Time
    unit: str


class _Summary(NamedTuple):
    """Number of trials `(group,)`, mean and, with a band, its edges, each `(group, time, component)`."""

    count: list[int]
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    words: str


def _check(band: str | None, perturbation: Sequence[int | float] | None) -> None:
    if band is not None and band not in _BANDS:
        raise ValueError(
            f"band: expected {', '.join(map(repr, _BANDS))} or None, got {band!r}{nearest(str(band), _BANDS)}"
        )
    if perturbation is None:
        return
    ends = np.asarray(perturbation, float) if len(perturbation) == 2 else np.array([np.nan])
    if not np.all(np.isfinite(ends)) or not ends[0] < ends[-1]:
        raise ValueError(
            f"perturbation: expected its beginning and its later end in seconds, got {perturbation!r}"
        )


def _summary(series: Series, groups: list[CurveGroup], band: str | None) -> _Summary:
    n = len(series.components)
    found = moments(series, groups, [(k, k) for k in range(n)] if band in ("std", "sem") else [])
    count = found.count.tolist()
    if band is None:
        return _Summary(count, found.mean, None, None, "")
    if band == "quantiles":
        low, high = quantiles(series, groups, _QUANTILES)
        return _Summary(count, found.mean, low, high, _BANDS[band])
    half = np.sqrt(np.maximum(found.covariance, 0.0))
    if band == "sem":
        half = half / np.sqrt(found.count)[:, None, None]
    return _Summary(count, found.mean, found.mean - half, found.mean + half, _BANDS[band])


def _draw_row(figure: go.Figure, drawn: _Drawn, summary: _Summary, row: int) -> None:
    """Draw the bands of all groups, above them single trials, and above these the means."""
    parts, groups, chosen, color, time, unit = drawn
    n_lines = sum(map(len, chosen)) + len(groups)
    draw = line_class(n_lines * len(time.values) * len(parts.titles))
    values = shown("time", "x", time.unit), shown(parts.names[row], "y", unit)
    traces: list[Any] = []
    for k, group in enumerate(groups):
        if summary.low is not None and summary.high is not None and summary.count[k] > 1:
            edges = summary.low[k, :, row], summary.high[k, :, row]
            traces.append(area(group, between(time.values, *edges), len(groups)))
    for group, index in zip(groups, chosen, strict=True):
        for curve, text in zip(parts.series.read(index), parts.curves.texts(index, color), strict=True):
            options = {"x": time.values, "y": curve[:, row], "hovertext": text, "name": group.name}
            look = line(group, 1.0, **options, hovertemplate=hover(*values))
            traces.append(draw(**look, opacity=0.5, showlegend=False))
    for k, (group, count) in enumerate(zip(groups, summary.count, strict=True)):
        mean = summary.mean[k, :, row]
        options = {
            "x": time.values,
            "y": mean,
            **described(group, count, color),
            "hovertemplate": hover(*values),
        }
        if summary.low is not None and summary.high is not None and count > 1:
            edges = shown(summary.words, "customdata[0]", "") + " to %{customdata[1]:.4~g} " + unit
            options["customdata"] = np.stack([summary.low[k, :, row], summary.high[k, :, row]], axis=1)
            options["hovertemplate"] = hover(*values, edges.rstrip())
        traces.append(draw(**line(group, 3.0, **options), showlegend=row == 0))
    figure.add_traces(traces, rows=row + 1, cols=1)
    _frame(figure, parts.titles[row], traces, row)


def _frame(figure: go.Figure, title: str, traces: list[Any], row: int) -> None:
    """Title the axis, and have a line at zero in it, below the curves and inside the frame."""
    values = np.concatenate([np.asarray(trace.y, float) for trace in traces])
    margin = 0.04 * float(max(np.nanmax(values), 0.0) - min(np.nanmin(values), 0.0)) or 1.0
    figure.update_yaxes(
        title_text=title,
        zeroline=True,
        zerolinewidth=2,
        zerolinelayer="below traces",
        autorangeoptions_include=[-margin, margin],
        row=row + 1,
        col=1,
    )
    figure.update_xaxes(zeroline=False, row=row + 1, col=1)


def _draw_perturbation(figure: go.Figure, ends: Sequence[int | float], unit: str, n_rows: int) -> None:
    """Shade the time of a perturbation behind the curves of every row, and name it in the legend."""
    start, end = map(float, ends)
    for row in range(1, n_rows + 1):
        axis = "" if row == 1 else str(row)
        figure.add_shape(
            type="rect",
            x0=start,
            x1=end,
            y0=0,
            y1=1,
            xref=f"x{axis}",
            yref=f"y{axis} domain",
            layer="below",
            fillcolor=BAND,
            line_width=0,
            name=f"perturbation ({number(start)} to {number(end)} {unit}".rstrip() + ")",
            legendgroup="perturbation",
            showlegend=row == 1,
        )
