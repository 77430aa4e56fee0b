"""Measures compared across conditions, as violins."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._curves import SEED, CurveGroup, Curves
from fpanalysis.plot._styles import Style
from fpanalysis.plot._text import axis_title, capitalised, escaped, number, unit_of
from fpanalysis.plot._theme import GREY, WEBGL_ABOVE, new_figure, say

_FEWEST = 5
"""Number of values below which an estimated density would show more than is known."""
_MOST_VALUES, _MOST_POINTS = 2_000, 100
_PANEL, _GAP, _AROUND = 280, 45, 170
"""Height of one of several panels, of the room between them, and of that around them, in pixels."""
_SHARE = 0.84
"""Of the space between two conditions on the axis, the part that violins fill."""


class _Cell(NamedTuple):
    """The values of one violin, ascending, and which they are; `n_left_out` more are not finite."""

    place: float
    width: float
    names: list[str]
    style: Style
    group: str
    values: np.ndarray
    index: np.ndarray
    n_left_out: int


class _Panel(NamedTuple):
    """One measure: its curves (one value each), its violins, and the labels of its axis."""

    name: str
    curves: Curves
    cells: list[_Cell]
    ticks: list[str]


def compare(values: xr.DataArray | xr.Dataset, by: str | None = None, color: str | None = None) -> go.Figure:
    """Draw how measures are distributed under the conditions of training or testing.

    A violin shows the density of the values, its bar their quartiles, its dot their median; the points beside
    them are single values, with every label in their hover text. Fewer than five values are drawn as points
    alone. Several measures get a panel each.

    Args:
        values: such as `measures.lateral_deviation(ds)`, with any dims; or a dataset of several measures.
        by: what the violins stand side by side for: a dim, or a coordinate with one value for each of the
            values. Left out, all values are in one violin, unless there is a `color`.
        color: a second condition, by which the violins at each place are told apart.

    Returns:
        The figure. It says in words how many values are not finite, and are left out. Violins show at most
        2,000 values, and 100 points, evenly spaced by rank; median and quartiles are those of all.

    Raises:
        TypeError: `values` is neither.
        ValueError: they are no real numbers, or `by` or `color` has not one value for each of them.

    Example:
        >>> import fpanalysis as fpa
        >>> trials = fpa.tasks.SimpleReaches().validation(field=fpa.fields.Curl(1.0))
        >>> ds = fpa.simulate(fpa.datasets.reaching_ensemble(), trials, progress=False)
        >>> figure = fpa.plot.compare(fpa.measures.lateral_deviation(ds), by="field_std", color="method")
        >>> figure.layout.yaxis.title.text, list(figure.layout.xaxis.ticktext)
        ('largest lateral deviation (%)', ['0.0', '0.4', '0.8', '1.2'])
    """
    measures = _measures(values)
    for argument, name in (("by", by), ("color", color)):
        _check(measures, argument, name)
    if by is None:
        by, color = color, None
    panels = [_panel(name, curves, by, None if color == by else color) for name, curves in measures.items()]
    figure = new_figure(_title(panels, by), _notes(panels))
    if len(panels) > 1:
        height = _PANEL * len(panels)
        figure.set_subplots(rows=len(panels), cols=1, vertical_spacing=_GAP / height)
        figure.update_layout(height=height + _AROUND)
    n_points = sum(min(len(cell.values), _MOST_POINTS) for panel in panels for cell in panel.cells)
    scatter = go.Scattergl if n_points > WEBGL_ABOVE else go.Scatter
    for row, panel in enumerate(panels, start=1):
        axis = "" if row == 1 else str(row)
        traces = [trace.update(xaxis=f"x{axis}", yaxis=f"y{axis}") for trace in _traces(panel, scatter)]
        figure.add_traces(traces)
        _frame(figure, panel, axis, "" if by is None or row < len(panels) else panel.curves.title(by))
    if color is not None and color != by:
        _add_legend(figure, panels, color)
    if not any(len(cell.values) for panel in panels for cell in panel.cells):
        say(
            figure,
            "no value is finite" if any(len(panel.curves) for panel in panels) else "no values to show",
        )
    return figure


def _measures(values: xr.DataArray | xr.Dataset) -> dict[str, Curves]:
    """Return every measure with its values as curves of one value each, or raise."""
    if isinstance(values, xr.DataArray):
        # A coordinate of the same name, as in `compare(ds.goal_x)`, cannot stand beside the values.
        name = "value" if values.name is None else str(values.name)
        values = values.drop_vars(name, errors="ignore").rename(name).to_dataset()
    if not isinstance(values, xr.Dataset):
        raise TypeError(f"values: expected an xarray.DataArray or Dataset, got {type(values).__name__}")
    if not values.data_vars:
        raise ValueError("values: the dataset has no variables")
    wrong = [str(name) for name, each in values.data_vars.items() if each.dtype.kind not in "iuf"]
    if wrong:
        kind = values[wrong[0]].dtype
        raise ValueError(f"values: expected real numbers, but {listed(wrong)} is of type {kind}")
    bare = {dim: np.arange(n) for dim, n in values.sizes.items() if dim not in values.coords}
    values = values.assign_coords(bare)
    return {str(name): Curves(values, tuple(map(str, each.dims))) for name, each in values.data_vars.items()}


def _check(measures: dict[str, Curves], argument: str, name: str | None) -> None:
    """Raise unless a condition has one value for each value of every measure."""
    for measure, curves in measures.items():
        usable = curves.label_names
        if name is None or name in usable:
            continue
        raise ValueError(
            f"{argument}: expected a dim or coordinate with one value for each value of {measure!r}, "
            f"got {name!r}{nearest(str(name), usable)}; it could be {listed(usable) or 'none'}"
        )


def _panel(name: str, curves: Curves, by: str | None, color: str | None) -> _Panel:
    values = curves.values(name).astype(float)
    finite = np.isfinite(values)
    columns, groups = curves.groups(by), curves.groups(color)
    column, group = _codes(columns, len(values)), _codes(groups, len(values))
    cells = []
    for i, one in enumerate(columns):
        for k, other in enumerate(groups):
            index = np.flatnonzero((column == i) & (group == k))
            shown = index[finite[index]]
            shown = shown[np.argsort(values[shown], kind="stable")]
            conditions = [(by, one), (color, other)]
            cells.append(
                _Cell(
                    place=i + (k - (len(groups) - 1) / 2) * _SHARE / len(groups),
                    width=0.92 * _SHARE / len(groups),
                    names=[f"{escaped(key)} = {each.name}" for key, each in conditions if key is not None],
                    style=one.style if color is None else other.style,
                    group=other.name,
                    values=values[shown],
                    index=shown,
                    n_left_out=len(index) - len(shown),
                )
            )
    return _Panel(name, curves, cells, [each.name for each in columns])


def _codes(groups: list[CurveGroup], n: int) -> np.ndarray:
    """Return the number of each value's group."""
    codes = np.full(n, -1)
    for k, group in enumerate(groups):
        codes[group.index] = k
    return codes


def _traces(panel: _Panel, scatter: type) -> list[Any]:
    """Return violins, then points, then bars and medians, which so lie over both."""
    cells = [cell for cell in panel.cells if len(cell.values)]
    # What looks alike is one trace: browsers are slow with many.
    alike = {}
    for cell in cells:
        alike.setdefault((cell.group, cell.style), []).append(cell)
    dice = np.random.default_rng(SEED)
    traces: list[Any] = [_violin(cell) for cell in cells if _has_density(cell)]
    traces += [_points(panel, some, scatter, dice) for some in alike.values()]
    return [*traces, *(trace for some in alike.values() for trace in _middles(panel, some))]


def _has_density(cell: _Cell) -> bool:
    return len(cell.values) >= _FEWEST and bool(cell.values[0] < cell.values[-1])


def _ranks(n: int, most: int) -> np.ndarray:
    """Return at most so many places in an ascending list, the ends included."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(int)


def _violin(cell: _Cell) -> go.Violin:
    return go.Violin(
        y=cell.values[_ranks(len(cell.values), _MOST_VALUES)],
        x0=cell.place,
        width=cell.width,
        scalemode="width",
        spanmode="hard",
        points=False,
        line={"color": cell.style.color, "width": 1.5},
        fillcolor=cell.style.color,
        opacity=0.4,
        hoverinfo="skip",
        name=", ".join(cell.names),
        legendgroup=cell.group,
        showlegend=False,
    )


def _points(panel: _Panel, cells: list[_Cell], scatter: type, dice: np.random.Generator) -> Any:
    ranks = [_ranks(len(cell.values), _MOST_POINTS) for cell in cells]
    chosen = list(zip(cells, ranks, strict=True))
    values = np.concatenate([cell.values[some] for cell, some in chosen])
    labels = panel.curves.texts(np.concatenate([cell.index[some] for cell, some in chosen]))
    unit = unit_of(panel.curves.ds[panel.name].attrs)
    spread = [cell.place + cell.width * dice.uniform(-0.3, 0.3, len(some)) for cell, some in chosen]
    return scatter(
        x=np.concatenate(spread),
        y=values,
        mode="markers",
        marker={"symbol": cells[0].style.symbol, "color": cells[0].style.color, "size": 5, "opacity": 0.7},
        hovertext=[
            f"<b>{escaped(panel.name)} = {f'{number(value)} {unit}'.rstrip()}</b><br>{label}"
            for value, label in zip(values, labels, strict=True)
        ],
        name="values",
        **_shared(cells[0]),
    )


def _shared(cell: _Cell) -> dict[str, Any]:
    return {"hoverinfo": "text", "legendgroup": cell.group, "showlegend": False}


def _middles(panel: _Panel, cells: list[_Cell]) -> list[go.Scatter]:
    """Return bars from quartile to quartile and dots at the medians, of all values."""
    quartiles = np.array([np.quantile(cell.values, [0.25, 0.5, 0.75]) for cell in cells])
    texts = [_summary(panel, cell, *each) for cell, each in zip(cells, quartiles, strict=True)]
    places = np.array([cell.place for cell in cells])
    ends = np.where([[_has_density(cell)] for cell in cells], quartiles[:, [0, 2]], np.nan)
    gaps = np.full((len(cells), 1), np.nan)
    bars = go.Scatter(
        x=np.repeat(places, 3),
        y=np.concatenate([ends, gaps], axis=1).ravel(),
        mode="lines",
        line={"color": cells[0].style.color, "width": 5},
        hovertext=np.repeat(texts, 3).tolist(),
        name="quartiles",
        **_shared(cells[0]),
    )
    dots = go.Scatter(
        x=places,
        y=quartiles[:, 1],
        mode="markers",
        marker={"symbol": "circle", "color": GREY, "size": 9, "line": {"width": 2}},
        hovertext=texts,
        name="median",
        **_shared(cells[0]),
    )
    return [bars, dots]


def _summary(panel: _Panel, cell: _Cell, low: Any, median: Any, high: Any) -> str:
    attrs = panel.curves.ds[panel.name].attrs
    unit = unit_of(attrs)
    n = len(cell.values)
    lines = [f"<b>{escaped(attrs.get('long_name', panel.name))}</b>", *cell.names]
    lines.append(f"{n:,} value{'' if n == 1 else 's'}")
    lines.append(f"median = {number(median)} {unit}".rstrip())
    for name, first, last in (("quartiles", low, high), ("range", cell.values[0], cell.values[-1])):
        lines.append(f"{name}: {number(first)} to {number(last)} {unit}".rstrip())
    if cell.n_left_out:
        lines.append(f"{cell.n_left_out:,} more are not finite")
    return "<br>".join(lines)


def _title(panels: list[_Panel], by: str | None) -> str:
    attrs = panels[0].curves.ds[panels[0].name].attrs
    what = escaped(attrs.get("long_name", panels[0].name.replace("_", " ")))
    what = capitalised(what) if len(panels) == 1 else f"{len(panels)} measures"
    return what if by is None else f"{what} by {escaped(by)}"


def _notes(panels: list[_Panel]) -> list[str]:
    """Return what is left out and what is thinned."""
    notes = []
    for panel in panels:
        n = sum(cell.n_left_out for cell in panel.cells)
        if n:
            whose = f"{escaped(panel.name.replace('_', ' '))}: " if len(panels) > 1 else ""
            notes.append(f"{whose}{n:,} of {len(panel.curves):,} values are not finite")
    if notes:
        notes.append("what is not finite is left out")
    sizes = [len(cell.values) for panel in panels for cell in panel.cells]
    most = max(sizes, default=0)
    if most > _MOST_POINTS:
        shown = sum(min(size, _MOST_POINTS) for size in sizes)
        notes.append(f"{shown:,} of {sum(sizes):,} values are points, at most {_MOST_POINTS} a violin,")
        notes.append("evenly spaced by rank; bar and dot: quartiles and median of all")
    if most > _MOST_VALUES:
        notes.append(f"violins: at most {_MOST_VALUES:,} values each, evenly spaced by rank")
    return notes


def _frame(figure: go.Figure, panel: _Panel, axis: str, title: str) -> None:
    """Title the axes of a panel, and write the conditions at their places."""
    n = len(panel.ticks)
    # A violin alone would fill the whole width.
    beyond = max(0.05, 0.8 - 0.2 * n)
    figure.update_layout(
        {
            f"xaxis{axis}": {
                "title": {"text": title},
                "tickvals": [k for k, text in enumerate(panel.ticks) if text],
                "ticktext": [text for text in panel.ticks if text],
                "range": [-0.5 - beyond, n - 0.5 + beyond],
                "ticklabeloverflow": "allow",
                "showgrid": False,
                "zeroline": False,
            },
            f"yaxis{axis}": {"title": {"text": axis_title(panel.name, panel.curves.ds[panel.name].attrs)}},
        }
    )
    for cell in panel.cells:
        if cell.n_left_out and not len(cell.values):
            at = {"x": cell.place, "xref": f"x{axis}", "y": 0.02, "yref": f"y{axis} domain"}
            figure.add_annotation(
                text="none finite", textangle=-90, yanchor="bottom", font_size=11, borderpad=1, **at
            )


def _add_legend(figure: go.Figure, panels: list[_Panel], color: str) -> None:
    """Add one entry for each value of the second condition, in the order of the violins."""
    looks = {cell.group: cell.style for panel in panels for cell in panel.cells}
    for group, look in looks.items():
        marker = {"symbol": look.symbol, "color": look.color, "size": 9}
        figure.add_trace(
            go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=group, legendgroup=group)
        )
    figure.update_layout(legend_title_text=panels[0].curves.title(color))
