"""Modes that are the same along a condition, and how they change with it."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis._messages import nearest
from fpanalysis.plot._branches import Branches, branches_of
from fpanalysis.plot._curves import CurveGroup
from fpanalysis.plot._points import descriptions, none_found
from fpanalysis.plot._spectrum import complex_number, unit_of_eigenvalue
from fpanalysis.plot._styles import Style
from fpanalysis.plot._text import escaped, number, objects, said, unit_of
from fpanalysis.plot._theme import GREY, VERMILION, WEBGL_ABOVE, blank, new_figure
from fpanalysis.plot._tracks import Tracks, slowest

_SHOWN = ("eigenvalue", "time")
_MOST_ENTRIES = 12_000
_MANY, _HEIGHT = 100, 680
_EVENTS = {"crossing": "x-thin-open", "collision": "star-diamond-open", "uncertain": "circle-open"}
# Where values of a positive quantity span more than this, their axis is logarithmic.
_WIDE = 10.0


class _Panel(NamedTuple):
    """One of the two quantities, for every entry: the title of its axis, and where stability is lost."""

    title: str
    values: np.ndarray
    boundary: float | None = None
    log: bool = False


def spectrum_by(
    ds: xr.Dataset,
    dim: str | None = None,
    color: str | None = None,
    show: str = "eigenvalue",
    max_modes: int = 8,
) -> go.Figure:
    """Draw how modes change with a condition: modulus and angle, or time constant and frequency.

    A line joins the values of one mode along a branch of fixed points, as `follow` found them. Symbols mark
    where modes exchanged their order (crossing), where two real ones became a pair or the reverse
    (collision), and where the steps are too long to be certain. Both of a conjugate pair lie on one another:
    of angles, imaginary parts and frequencies the size is shown.

    Args:
        ds: what `follow` returned, of a result with `spectra="full"`.
        dim: the condition on the horizontal axis; the one that was followed along, which is also taken where
            it is left out.
        color: a coordinate or variable with one value per branch, such as `"replicate"`, or `"mode_track"`.
            Left out, the modes of a single branch are told apart, those of many are not.
        show: `"eigenvalue"` for modulus and angle (in continuous time real and imaginary part), or `"time"`
            for time constant and frequency. Of modes that grow, the time in which they grow by a factor e is
            shown, and marked.
        max_modes: how many modes of each branch are drawn, those with the largest modulus (in continuous
            time the largest real part) anywhere on the branch.

    Returns:
        The figure. Of branches with more than 12,000 such eigenvalues together some are drawn, chosen at
        random with a fixed seed, and the figure says how many of how many.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: `ds` was not followed along `dim`, or without its modes; `color` has no single value for a
            branch; `show` or `max_modes` cannot be.

    Example:
        >>> import fpanalysis as fpa
        >>> model = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=0).one()
        >>> goal = fpa.Goal(position=[0.0, 0.0], context=[0.0, 0.5, 1.0])
        >>> ds = fpa.follow(fpa.find_fixed_points(model, goal, progress=False), "context")
        >>> figure = fpa.plot.spectrum_by(ds, "context", show="time")
        >>> figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text
        ('time constant (s)', 'frequency (Hz)')
    """
    branches = branches_of(ds, dim)
    ds = branches.points.ds
    _check(branches, show, max_modes)
    title = f"Modes along {escaped(branches.dim)}"
    if len(branches) == 0:
        return blank(title, none_found(ds))
    domain = ds.attrs.get("time_domain")
    count = f"{len(branches):,} branch{'' if len(branches) == 1 else 'es'}"
    n_modes = ds.sizes.get("mode", 1)
    branches, thinning = branches.thinned(_MOST_ENTRIES // min(max_modes, n_modes))
    tracks = slowest(branches, domain, max_modes)
    if len(tracks.point) == 0:
        return blank(title, "no eigenvalue is finite")
    panels = _time(tracks) if show == "time" else _eigenvalue(tracks, domain)
    modes = (
        f"the slowest {max_modes} of {n_modes} modes each" if max_modes < n_modes else f"{n_modes} modes each"
    )
    figure = new_figure(title, [f"{count}, {modes}", *thinning, *_left_out(panels)])

    hover = _hover_texts(tracks)
    if color is None and len(branches) == 1:
        color = "mode_track"
    groups = tracks.curves.groups(color)
    along, axis = branches.places()
    for name, panel in panels.items():
        _draw_lines(figure, tracks, panel, name, along, groups, hover)
    if show == "time":
        _draw_growing(figure, tracks, panels["y"], along)
    _draw_events(figure, tracks, panels, along)
    _frame(figure, panels, axis)
    figure.update_layout(legend={"title_text": tracks.curves.title(color), "itemsizing": "trace"})
    return figure


def _check(branches: Branches, show: str, max_modes: int) -> None:
    """Raise unless modes were followed, and the options can be."""
    ds = branches.points.ds
    if "mode_track" not in ds or "eigenvalue" not in ds:
        raise ValueError(
            "ds: its branches were followed, but not its modes, which takes eigenvectors; call "
            f'find_fixed_points with spectra="full", then fpa.follow(ds, "{branches.dim}")'
        )
    if show not in _SHOWN:
        raise ValueError(f"show: expected 'eigenvalue' or 'time', got {show!r}{nearest(str(show), _SHOWN)}")
    if show == "time" and not {"time_constant", "frequency"} <= set(ds):
        raise ValueError("show: 'time' needs the variables 'time_constant' and 'frequency' in ds")
    if isinstance(max_modes, bool) or not isinstance(max_modes, int | np.integer) or max_modes < 1:
        raise ValueError(f"max_modes: expected a whole number, 1 or larger, got {max_modes!r}")


def _eigenvalue(tracks: Tracks, domain: str | None) -> dict[str, _Panel]:
    unit = unit_of_eigenvalue(tracks.branches.points.ds, domain)
    value = tracks.values("eigenvalue")
    if domain == "continuous":
        real, imaginary = np.real(value), np.abs(np.imag(value))
        return {"y": _Panel(f"Re λ ({unit})", real, 0.0), "y2": _Panel(f"|Im λ| ({unit})", imaginary)}
    boundary = 1.0 if domain == "discrete" else None
    modulus, angle = np.abs(value), np.abs(np.angle(value))
    return {"y": _Panel(f"|λ| ({unit})", modulus, boundary), "y2": _Panel("|arg λ| (rad)", angle)}


def _time(tracks: Tracks) -> dict[str, _Panel]:
    ds = tracks.branches.points.ds
    times = np.abs(tracks.values("time_constant"))
    times[~np.isfinite(times)] = np.nan
    positive = times[times > 0]
    log = bool(len(positive)) and bool(positive.max() > _WIDE * positive.min())
    if log:
        times[times == 0] = np.nan
    titles = [
        name.replace("_", " ") + (f" ({unit})" if (unit := unit_of(ds[name].attrs)) else "")
        for name in ("time_constant", "frequency")
    ]
    return {"y": _Panel(titles[0], times, log=log), "y2": _Panel(titles[1], tracks.values("frequency"))}


def _left_out(panels: dict[str, _Panel]) -> list[str]:
    n = int(np.isnan(panels["y"].values).sum())
    return [f"{n:,} time constants of 0 or ∞ are not shown"] if n else []


def _hover_texts(tracks: Tracks) -> np.ndarray:
    """Return the hover text of each entry."""
    branches, ds = tracks.branches, tracks.branches.points.ds
    conditions = branches.of(lambda points: np.array(descriptions(points), dtype=object))
    conditions = conditions + np.array([f"<br>branch = {k}" for k in branches.values("branch")], dtype=object)
    labels = ds["mode"].values if "mode" in ds.coords else np.arange(ds.sizes["mode"])
    texts = conditions[tracks.point]
    value = map(complex_number, tracks.values("eigenvalue").tolist())
    of = zip(labels[tracks.mode].tolist(), tracks.values("mode_track").tolist(), value, strict=True)
    texts = texts + objects([f"<br>mode {escaped(mode)}, track {int(t)}: λ = {v}" for mode, t, v in of])
    for name in ("time_constant", "frequency", "mode_confidence"):
        if name in ds:
            unit = unit_of(ds[name].attrs)
            numbers = tracks.values(name).tolist()
            texts = texts + objects([f"<br>{name} = {number(each)} {unit}".rstrip() for each in numbers])
    if "mode_event" in ds:
        texts = texts + "<br>mode_event = " + said(tracks.values("mode_event"), ds["mode_event"].attrs)
    return texts


def _draw_lines(
    figure: go.Figure,
    tracks: Tracks,
    panel: _Panel,
    axis: str,
    along: np.ndarray,
    groups: list[CurveGroup],
    hover: np.ndarray,
) -> None:
    n_curves = len(tracks.table)
    draw = go.Scattergl if tracks.table.size + n_curves > WEBGL_ABOVE else go.Scatter
    many = n_curves > _MANY
    # An entry of its own for the gaps between curves.
    values, texts = np.append(panel.values, np.nan), np.append(hover, "")
    place = np.append(along.astype(float), np.nan)
    for group in groups:
        entry = np.pad(tracks.table[group.index], ((0, 0), (0, 1)), constant_values=-1).ravel()
        look = group.style
        figure.add_trace(
            draw(
                x=np.tile(place, len(group.index)),
                y=values[entry],
                yaxis=axis,
                mode="lines+markers",
                name=group.name,
                line={"color": look.color, "dash": look.dash, "width": 0.8 if many else 1.5},
                marker={
                    "symbol": look.symbol,
                    "color": look.color,
                    "size": 3 if many else 6,
                    "line": {"width": 1 if look.symbol.endswith("open") else 0},
                },
                opacity=0.5 if many else 1,
                connectgaps=False,
                hovertext=texts[entry],
                hoverinfo="text",
                legendgroup=group.name,
                showlegend=bool(group.name) and axis == "y",
            )
        )


def _draw_growing(figure: go.Figure, tracks: Tracks, panel: _Panel, along: np.ndarray) -> None:
    growing = (tracks.values("time_constant") < 0) & ~np.isnan(panel.values)
    look = Style(VERMILION, "triangle-up-open", "solid")
    _mark(figure, tracks, {"y": panel}, along, growing, "growing", look, visible=True)


def _draw_events(figure: go.Figure, tracks: Tracks, panels: dict[str, _Panel], along: np.ndarray) -> None:
    ds = tracks.branches.points.ds
    if "mode_event" not in ds:
        return
    words = said(tracks.values("mode_event"), ds["mode_event"].attrs)
    for event, symbol in _EVENTS.items():
        look = Style(GREY, symbol, "solid")
        # Of many curves they would hide the lines: a click in the legend shows them.
        visible = True if len(tracks.table) <= _MANY else "legendonly"
        _mark(figure, tracks, panels, along, words == event, event, look, visible)


def _mark(
    figure: go.Figure,
    tracks: Tracks,
    panels: dict[str, _Panel],
    along: np.ndarray,
    mine: np.ndarray,
    name: str,
    look: Style,
    visible: bool | str,
) -> None:
    """Draw symbols around some entries, which say the rest themselves when the mouse is over them."""
    entries = np.flatnonzero(mine)
    if len(entries) == 0:
        return
    size = 7 if len(tracks.table) > _MANY else 11
    for axis, panel in panels.items():
        figure.add_trace(
            go.Scatter(
                x=along[tracks.branches.step[tracks.point[entries]]],
                y=panel.values[entries],
                yaxis=axis,
                mode="markers",
                name=f"{name} ({len(entries):,})",
                marker={"symbol": look.symbol, "color": look.color, "size": size, "line": {"width": 1.5}},
                visible=visible,
                hoverinfo="skip",
                legendgroup=name,
                showlegend=axis == "y",
            )
        )


def _frame(figure: go.Figure, panels: dict[str, _Panel], axis: dict) -> None:
    first, second = panels["y"], panels["y2"]
    # Of a logarithmic axis 1, 2 and 5 of each decade are named, in full.
    scale = {"type": "log", "dtick": "D2", "tickformat": "~g"} if first.log else {"type": "linear"}
    figure.update_layout(
        height=_HEIGHT,
        xaxis=axis | {"anchor": "y2"},
        yaxis=scale | {"domain": [0.54, 1], "title_text": first.title},
        yaxis2={"domain": [0, 0.46], "title_text": second.title},
    )
    if first.boundary is not None:
        figure.add_shape(
            type="line",
            x0=0,
            x1=1,
            xref="x domain",
            y0=first.boundary,
            y1=first.boundary,
            line={"color": GREY, "width": 1.5, "dash": "dot"},
            layer="below",
            name="boundary of stability",
            showlegend=True,
        )
