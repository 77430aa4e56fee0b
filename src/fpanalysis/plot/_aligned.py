"""Paths of many trials, turned so that all of them go the same way."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._bands import area, ellipses, outline, swept
from fpanalysis.plot._curves import CurveGroup, Curves, checked_most, curves_of, kept, thinned
from fpanalysis.plot._lines import (
    described,
    equal_axes,
    hover,
    left_out,
    line,
    line_class,
    marks,
    shown,
    time_of,
    trials,
)
from fpanalysis.plot._reach import Reach, reach_of
from fpanalysis.plot._series import ACROSS, ALONG, Moments, Series, moments
from fpanalysis.plot._text import unit_of
from fpanalysis.plot._theme import blank, new_figure

_BANDS = ("covariance", "swept")
_HEIGHT = 520
_MOST_GOALS = 20


def aligned_trajectories(
    ds: xr.Dataset, color: str | None = None, *, max_curves: int = 20, band: str | None = None
) -> go.Figure:
    """Draw the paths of reaches, moved to a common start and turned to a common direction.

    Every path is counted from its own start and turned so that the last target lies along the first axis;
    what is left of the straight line counts as positive across. Single trials are thin lines, and the mean
    over all trials of a group, whether shown or not, is a thick one. Both axes have the same scale. Hovering
    over a single trial tells which trial of which model it is and every label of its condition; hovering over
    a mean tells how many trials it is of.

    Args:
        ds: what `simulate` returned for controllers: `position` and `target_position` (..., time, axis) and
            `start` (..., axis), in m.
        color: a coordinate or variable with one value per trial of each model, such as `"field_std"`, which
            colours and dashes tell apart. More than 12 numbers are put into seven ranges. Left out, there
            is one group.
        max_curves: number of single trials shown of each group. Where there are more, they are chosen at
            random, the same ones every time, and the figure says how many of how many there are. With 0
            only means are shown.
        band: what is drawn of the spread over the trials of a group. `"covariance"` draws ellipses of one
            standard deviation at 12 places of the mean path; an ellipse holds 39 % of the trials if they are
            normally distributed. `"swept"` fills the region that this ellipse sweeps along the mean path:
            the convex hulls of its shapes at one time and the next.

    Returns:
        The figure. Trials with values that are not finite, and those whose target is their start, have no
        place in it, and are counted in a note.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: the dataset lacks a variable, `color` names nothing with one value per trial, `band` is
            none of these, or `max_curves` is negative.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std")
        >>> trials = fpa.tasks.SimpleReaches().validation(field=fpa.fields.Curl(1.0))
        >>> ds = fpa.simulate(ensemble, trials, progress=False)
        >>> figure = fpa.plot.aligned_trajectories(ds, "field_std", max_curves=5)
        >>> [trace.name for trace in figure.data if trace.showlegend][:2]
        ['0.0 (21)', '0.4 (21)']
    """
    curves, reach = _reaches(ds)
    most = checked_most(max_curves)
    if band not in (None, *_BANDS):
        raise ValueError(
            f"band: expected None, 'covariance' or 'swept', got {band!r}{nearest(str(band), _BANDS)}"
        )
    groups = curves.groups(color)
    title = f"Aligned paths of {trials(len(curves))}"
    if len(curves) == 0 or ds.sizes["time"] == 0:
        return blank(title, "no trials to show")
    series = Series(curves.values("position", "time", "axis"), (ALONG, ACROSS), reach, reach.start)
    finite, directed = series.is_finite(), reach.has_direction
    if not (finite & directed).any():
        return blank(title, "no trial is finite and has a direction")
    groups = kept(groups, finite & directed)
    chosen, note = thinned(groups, most)
    notes = [
        *left_out(finite, "values that are not finite"),
        *left_out(directed | ~finite, "target at start"),
    ]
    figure = new_figure(title, [*notes, *_explained(most, band), *([note] if note and most else [])])
    found = moments(series, groups, [] if band is None else [(0, 0), (0, 1), (1, 1)])
    unit = unit_of(ds["position"].attrs)
    traces: list[Any] = _ends(reach.length, groups, chosen, unit)
    traces += [trace for k in range(len(groups)) for trace in _spread(groups, found, k, band)]
    traces += _lines(_Drawn(curves, series, groups, chosen), color, found)
    figure.add_traces(traces)
    suffix = " the reach" + (f" ({unit})" if unit else "")
    equal_axes(figure, traces, (ALONG + suffix, ACROSS + suffix))
    figure.update_layout(height=_HEIGHT, legend_title_text=curves.title(color))
    return figure


class _Drawn(NamedTuple):
    """What is drawn: all curves, their numbers, the groups, and of each group the curves that are shown."""

    curves: Curves
    series: Series
    groups: list[CurveGroup]
    chosen: list[np.ndarray]


def _reaches(ds: xr.Dataset) -> tuple[Curves, Reach]:
    """Return the curves of the positions, and their reaches, or raise with what is missing."""
    curves = curves_of(ds, "position", "time", "axis")
    missing = [name for name in ("start", "target_position") if name not in ds]
    if missing:
        raise ValueError(
            f"ds: expected reaches with 'start' and 'target_position', but {listed(missing)} is not in it"
        )
    reach = reach_of(curves)
    if reach is None:
        raise ValueError("ds: expected 'start' and 'target_position' with two entries along 'axis' per trial")
    return curves, reach


def _explained(most: int, band: str | None) -> list[str]:
    lines = ["thin: single trials, thick: mean of all trials" if most else "mean of all trials"]
    words = {"covariance": "ellipses: 1 standard deviation", "swept": "band: swept by 1 standard deviation"}
    return lines if band is None else [*lines, words[band]]


def _ends(
    length: np.ndarray, groups: list[CurveGroup], chosen: list[np.ndarray], unit: str
) -> list[go.Scatter]:
    """Return marks at the common start and at the targets: of all trials, or where they are many, of some."""
    distances = np.unique(np.round(length[np.concatenate([group.index for group in groups])], 9))
    if len(distances) > _MOST_GOALS:
        distances = length[np.concatenate(chosen)]
    goals = np.stack([distances, np.zeros(len(distances))], axis=1)
    return [
        marks(np.zeros((1, 2)), "start", "circle-open", unit),
        marks(goals, "goal", "square-open", unit),
    ]


def _spread(groups: list[CurveGroup], found: Moments, k: int, band: str | None) -> list[go.Scatter]:
    """Return what shows the spread of one of the groups; nothing where one trial has none."""
    if band is None or found.count[k] < 2:
        return []
    first, mixed, second = found.covariance[k].T
    covariance = np.stack([np.stack([first, mixed], -1), np.stack([mixed, second], -1)], axis=1)
    if band == "swept":
        return [area(groups[k], swept(found.mean[k], covariance), len(groups))]
    return [outline(groups[k], ellipses(found.mean[k], covariance))]


def _lines(drawn: _Drawn, color: str | None, found: Moments) -> list[Any]:
    """Return the single trials of all groups and, above them, the means."""
    curves, series, groups, chosen = drawn
    time, unit = time_of(curves.ds), unit_of(curves.ds["position"].attrs)
    draw = line_class(len(time.values) * (sum(map(len, chosen)) + len(groups)))
    values = hover(
        shown("time", "customdata", time.unit), shown("along", "x", unit), shown("across", "y", unit)
    )
    common = {"customdata": time.values, "hovertemplate": values}
    traces = []
    for group, index in zip(groups, chosen, strict=True):
        for path, text in zip(series.read(index), curves.texts(index, color), strict=True):
            options = {"x": path[:, 0], "y": path[:, 1], "hovertext": text, "name": group.name}
            traces.append(draw(**line(group, 1.0, **common, **options), opacity=0.5, showlegend=False))
    for group, mean, count in zip(groups, found.mean, found.count.tolist(), strict=True):
        options = {"x": mean[:, 0], "y": mean[:, 1], **described(group, count, color)}
        traces.append(draw(**line(group, 4.0, **common, **options), showlegend=True))
    return traces
