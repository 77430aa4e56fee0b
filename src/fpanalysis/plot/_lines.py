"""How curves over time are drawn: single ones with their labels, marks, and axes of equal scale."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis.plot._curves import CurveGroup
from fpanalysis.plot._text import axis_title, escaped, label, unit_of
from fpanalysis.plot._theme import GREY, WEBGL_ABOVE

# On axes of equal scale, neither is shorter than this part of the other.
_NARROWEST = 0.5


class Time(NamedTuple):
    """The times of all samples, the title of their axis, and their unit."""

    values: np.ndarray
    title: str
    unit: str


def time_of(ds: xr.Dataset) -> Time:
    """Return the times of a dataset; steps where it does not hold any."""
    if "time" not in ds.coords:
        return Time(np.arange(ds.sizes["time"]), "time (steps)", "steps")
    attrs = ds["time"].attrs
    return Time(ds["time"].values, axis_title("time", attrs), unit_of(attrs))


def entries_of(ds: xr.Dataset, dim: str) -> list[str]:
    """Return the names of the entries along a dim, as they can stand in a figure."""
    values = ds[dim].values.tolist() if dim in ds.coords else range(ds.sizes[dim])
    return [label(value) for value in values]


def spoken(name: str, attrs: Mapping[Any, Any]) -> str:
    """Return what a variable is, in words."""
    return axis_title(name, {key: value for key, value in attrs.items() if key != "units"})


def titled(name: str, attrs: Mapping[Any, Any], which: str) -> str:
    """Return the title of an axis for one component of a variable: `velocity x (m/s)`."""
    unit = unit_of(attrs)
    return f"{spoken(name, attrs)} {which}" + (f" ({unit})" if unit else "")


def trials(n: int) -> str:
    """Return how many trials there are, in words."""
    return f"{n:,} trial{'' if n == 1 else 's'}"


def left_out(usable: np.ndarray, why: str) -> list[str]:
    """Return a sentence on the trials that are not drawn, if there are any."""
    n = int((~usable).sum())
    # Cut in two where a narrow figure would cut it off.
    return [f"{n:,} of {trials(len(usable))} left out:<br>{why}"] if n else []


def line_class(n_samples: int) -> type[go.Scatter] | type[go.Scattergl]:
    """Return what draws this many samples. All lines of a figure take the same: WebGL is above all else."""
    return go.Scattergl if n_samples > WEBGL_ABOVE else go.Scatter


def line(group: CurveGroup, width: float, **options: Any) -> dict[str, Any]:
    """Return how a line of this group looks, as options of its trace."""
    color, symbol, dash = group.style
    return {
        # Symbols are for a single sample, which is no line.
        "mode": "lines" if len(options["x"]) > 1 else "markers",
        "line": {"color": color, "dash": dash, "width": width},
        "marker": {"color": color, "symbol": symbol, "size": 5 + width},
        "legendgroup": group.name,
        **options,
    }


def shown(words: str, place: str, unit: str) -> str:
    """Return a line of a hover text with a number that plotly fills in: `time = 0.5 s`."""
    return f"{words} = %{{{place}:.4~g}} {unit}".rstrip()


def hover(*lines: str) -> str:
    """Return plotly's template of a hover text: the text of the curve, and then these lines."""
    return "<br>".join(["%{fullData.hovertext}", *lines]) + "<extra></extra>"


def described(group: CurveGroup, count: int, color: str | None) -> dict[str, str]:
    """Return the name of a mean in the legend, and the text that hovering over it begins with."""
    what = "single trial" if count == 1 else f"mean of {trials(count)}"
    if color is None:
        return {"name": what, "hovertext": f"<b>{what}</b>"}
    text = f"<b>{what}</b><br>{escaped(color)} = {group.name}"
    return {"name": f"{group.name} ({count:,})", "hovertext": text}


def marks(places: np.ndarray, name: str, symbol: str, unit: str, **options: Any) -> go.Scatter:
    """Return grey marks at the distinct places `(place, 2)`."""
    there = np.unique(np.round(places[np.isfinite(places).all(axis=1)], 9), axis=0)
    return go.Scatter(
        x=there[:, 0],
        y=there[:, 1],
        mode="markers",
        name=name,
        marker={"symbol": symbol, "color": GREY, "size": 13, "line": {"color": GREY, "width": 2}},
        hovertext=name,
        hovertemplate=hover(shown("x", "x", unit), shown("y", "y", unit)),
        **options,
    )


def equal_axes(figure: go.Figure, traces: list[Any], titles: tuple[str, str], row: int = 1) -> None:
    """Title the axes of a row, give both the same scale, and ranges that show all of the traces."""
    span, ends = 0.0, []
    for name in ("x", "y"):
        values = np.concatenate([np.asarray(trace[name], float) for trace in traces])
        ends.append((np.nanmin(values), np.nanmax(values)))
        span = max(span, ends[-1][1] - ends[-1][0])
    span = span or 1.0
    for axis, title, (low, high) in zip("xy", titles, ends, strict=True):
        more = max(0.0, _NARROWEST * span - (high - low)) / 2 + 0.06 * span
        figure.update_layout(
            {
                f"{axis}axis{row if row > 1 else ''}": {
                    "title_text": title,
                    "range": [float(low - more), float(high + more)],
                    "constrain": "domain",
                    "zerolinelayer": "below traces",
                    **({"scaleanchor": f"x{row if row > 1 else ''}"} if axis == "y" else {}),
                }
            }
        )
