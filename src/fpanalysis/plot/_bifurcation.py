"""Branches of fixed points along a condition, stable and unstable."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._branches import Branches, branches_of
from fpanalysis.plot._curves import SEED, CurveGroup
from fpanalysis.plot._kinds import HOVER_NAMES, hover_texts
from fpanalysis.plot._pieces import Pieces, pieces
from fpanalysis.plot._points import Points, is_slow, none_found
from fpanalysis.plot._stability import LOOKS, Answer, answers
from fpanalysis.plot._text import axis_title, escaped, said
from fpanalysis.plot._theme import GREY, blank, new_figure

_TITLE = "Branches of fixed points"
_MOST_POINTS, _MOST_SLOW = 20_000, 5_000
_MANY, _HEIGHT = 100, 560
_DRAWN = "_drawn"
# The dash tells stability whatever the colour; colour and symbol do so by default. Slow points have none.
_LOOKS = {answer: look for answer, look in LOOKS.items() if answer != Answer.SLOW}
_EVENTS = {"fold": "star-diamond-open", "birth": "triangle-right-open", "death": "triangle-left-open"}


def bifurcation(ds: xr.Dataset, y: str, dim: str | None = None, color: str | None = None) -> go.Figure:
    """Draw a number of the fixed points against a condition, branch by branch.

    Stable pieces of a branch are solid and unstable ones dashed. Where stability changes between two values
    of the condition, the line changes where the leading eigenvalue, interpolated between both, passes the
    boundary of stability; half-way where it is not known. Folds, births and deaths are marked at the last
    point that was found. Slow points are on no branch, and are shown as faint rings.

    Args:
        ds: what `follow` returned.
        y: what is drawn: a variable with one value per fixed point, such as `"force_norm"`, or an entry of
            the state or readout, such as `"hidden[3]"`.
        dim: the condition on the horizontal axis; the one that the branches were followed along, which is
            also taken where it is left out.
        color: a coordinate or variable with one value per branch, such as `"replicate"`. Left out, stable
            and unstable pieces are told apart by colour as well.

    Returns:
        The figure. Of branches with more than 20,000 points together some are drawn, chosen at random with a
        fixed seed, and the figure says how many of how many.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: `ds` was not followed along `dim`, it has no such `y`, or `color` has no single value for
            a branch.

    Example:
        >>> import numpy as np, xarray as xr, fpanalysis as fpa
        >>> pitchfork = fpa.vector_field(
        ...     lambda x, u: u * x - x**3, state=["x"], inputs=["r"], time_domain="continuous"
        ... )
        >>> r = np.linspace(-0.5, 1.0, 32)
        >>> r = xr.DataArray(r, dims="r", coords={"r": r})
        >>> ds = fpa.find_fixed_points(pitchfork, {"r": r}, n_candidates=64, progress=False)
        >>> figure = fpa.plot.bifurcation(fpa.follow(ds, "r"), "x")
        >>> [trace.name for trace in figure.data if trace.showlegend]
        ['stable (53)', 'unstable (21)', 'birth (2)']
    """
    branches = branches_of(ds, dim)
    drawn, title = _scalar(branches.points.ds, branches.points, y)
    known = branches.points.ds.assign({_DRAWN: drawn})
    branches = replace(branches, points=replace(branches.points, ds=known))
    slow = branches.points.keep(is_slow(branches.points))
    if len(branches) + len(slow) == 0:
        return blank(_TITLE, none_found(ds))
    count = f"{len(branches):,} branch{'' if len(branches) == 1 else 'es'} along {escaped(branches.dim)}"
    branches, notes = branches.thinned(_MOST_POINTS)
    curves = branches.curves()
    groups = [] if color is None else curves.groups(color)
    along, axis = branches.places()
    place = np.stack([along[branches.step], branches.values(_DRAWN)], axis=1).astype(float)
    missing = int(np.isnan(place[:, 1]).sum())
    notes = [count, *notes, *([f"{missing:,} points without a value are not shown"] if missing else [])]

    figure = new_figure(_TITLE, notes)
    kind = branches.of(answers)
    _legend(figure, kind, groups)
    hover = _branch_texts(branches, y)
    _draw_slow(figure, slow, along[slow.rows[slow.dims.index(branches.dim)]], y)
    _draw_lines(figure, pieces(branches, place, kind), len(branches), groups)
    _draw_points(figure, place, kind, branches.number, groups, hover)
    _draw_events(figure, branches, place)
    figure.update_layout(xaxis=axis, yaxis_title_text=title, height=_HEIGHT)
    figure.update_layout(legend={"title_text": curves.title(color), "itemsizing": "trace"})
    return figure


def _scalar(ds: xr.Dataset, points: Points, y: str) -> tuple[xr.Variable, str]:
    """Return what is drawn, with one number per point, and the title of its axis; or raise."""
    numbers = [str(name) for name in ds.data_vars if ds[name].dtype.kind in "iuf"]
    usable = [name for name in numbers if points.fits(name)]
    if y in usable:
        return ds[y].variable, axis_title(y, ds[y].attrs)
    entries = {"x": "state", "y": "output"}
    for name, dim in entries.items():
        if name in ds and dim in ds[name].dims and dim in ds.coords:
            names = [str(entry) for entry in ds[dim].values]
            if y in names:
                variable = ds[name].variable.isel({dim: names.index(y)})
                return variable, axis_title(y, {"long_name": y} | _unit(variable))
            usable += names
    if isinstance(y, str) and y in ds.variables:
        more = [str(dim) for dim in ds[y].dims if dim not in points.dims]
        why = f"{y!r} has more than one value per point, along {listed(more)}" if more else f"got {y!r}"
    else:
        why = f"got {y!r}{nearest(str(y), usable)}"
    raise ValueError(
        "y: expected a variable with one number per fixed point, or an entry of the state or output, "
        f"{why}; it could be {listed(usable)}"
    )


def _unit(variable: xr.Variable) -> dict:
    return {"units": variable.attrs["units"]} if "units" in variable.attrs else {}


def _texts(points: Points, y: str) -> np.ndarray:
    """Return the hover text of each point: what is known of it, and what is drawn."""
    texts = np.array(hover_texts(points), dtype=object)
    if y in HOVER_NAMES:
        return texts
    drawn = said(points.values(_DRAWN), points.ds[_DRAWN].attrs)
    return texts + _lines(y, drawn)


def _branch_texts(branches: Branches, y: str) -> np.ndarray:
    """Return the hover text of each point on a branch."""
    texts = branches.of(lambda points: _texts(points, y))
    texts = texts + _lines("branch", branches.values("branch"))
    for name, words in _ends(branches).items():
        texts = texts + np.where(words == "none", "", _lines(name, words))
    return texts


def _lines(name: str, words: np.ndarray) -> np.ndarray:
    start = f"<br>{escaped(name)} = "
    return np.array([f"{start}{word}" for word in words.tolist()], dtype=object)


def _members(number: np.ndarray, groups: list[CurveGroup]) -> list[tuple[CurveGroup | None, np.ndarray]]:
    """Return which entries, given by their branches, belong to each group; all where there are no groups."""
    if not groups:
        return [(None, np.ones(len(number), dtype=bool))]
    return [(group, np.isin(number, group.index)) for group in groups]


def _draw_lines(figure: go.Figure, cut: Pieces, n_branches: int, groups: list[CurveGroup]) -> None:
    # Groups that lie on one another shine through.
    many = n_branches > _MANY
    for group, mine in _members(cut.branch, groups):
        for kind, (name, look) in _LOOKS.items():
            x, y = cut.line(mine & (cut.kind == kind))
            if len(x) == 0:
                continue
            color = group.style.color if group else look.color
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=y,
                    mode="lines",
                    name=name,
                    line={"color": color, "dash": look.dash, "width": 0.8 if many else 1.5},
                    opacity=0.5 if many else 1,
                    connectgaps=False,
                    hoverinfo="skip",
                    legendgroup=group.name if group else name,
                    showlegend=False,
                )
            )


def _draw_points(
    figure: go.Figure,
    place: np.ndarray,
    kind: np.ndarray,
    number: np.ndarray,
    groups: list[CurveGroup],
    hover: np.ndarray,
) -> None:
    size, edge = (7, 1) if len(place) <= 300 else (5, 1) if len(place) <= 3_000 else (3.5, 0)
    looks = [(group.name, group.style, mine) for group, mine in _members(number, groups) if group]
    looks = looks or [(name, look, kind == k) for k, (name, look) in _LOOKS.items()]
    for name, look, mine in looks:
        if not mine.any():
            continue
        line = {"width": max(1, edge) if look.symbol.endswith("open") else edge}
        figure.add_trace(
            go.Scatter(
                x=place[mine, 0],
                y=place[mine, 1],
                mode="markers",
                name=name,
                marker={"symbol": look.symbol, "color": look.color, "size": size, "line": line},
                hovertext=hover[mine],
                hoverinfo="text",
                legendgroup=name,
                showlegend=False,
            )
        )


def _draw_events(figure: go.Figure, branches: Branches, place: np.ndarray) -> None:
    """Mark where branches begin and end, other than at the ends of the condition."""
    words = _ends(branches)
    for event, symbol in _EVENTS.items():
        mine = np.flatnonzero(np.any([each == event for each in words.values()], axis=0)) if words else []
        if len(mine) == 0:
            continue
        figure.add_trace(
            go.Scatter(
                x=place[mine, 0],
                y=place[mine, 1],
                mode="markers",
                name=f"{event} ({len(mine):,})",
                marker={"symbol": symbol, "color": GREY, "size": 13, "line": {"width": 2}},
                hoverinfo="skip",
                showlegend=True,
            )
        )


def _ends(branches: Branches) -> dict[str, np.ndarray]:
    """Return in words whether and how branches begin and end at each point."""
    ds = branches.points.ds
    names = [name for name in ("branch_begins", "branch_ends") if name in ds]
    return {name: said(branches.values(name), ds[name].attrs) for name in names}


def _draw_slow(figure: go.Figure, slow: Points, along: np.ndarray, y: str) -> None:
    if len(slow) == 0:
        return
    words, look = LOOKS[Answer.SLOW]
    n, name = len(slow), f"{words} ({len(slow):,})"
    if n > _MOST_SLOW:
        chosen = np.sort(np.random.default_rng(SEED).choice(n, _MOST_SLOW, replace=False))
        slow, along, name = slow.keep(chosen), along[chosen], f"{words} ({_MOST_SLOW:,} of {n:,})"
    figure.add_trace(
        go.Scatter(
            x=along,
            y=slow.values(_DRAWN),
            mode="markers",
            name=name,
            marker={"symbol": look.symbol, "color": look.color, "size": 5, "line": {"width": 1}},
            opacity=0.5,
            hovertext=_texts(slow, y),
            hoverinfo="text",
            showlegend=True,
        )
    )


def _legend(figure: go.Figure, kind: np.ndarray, groups: list[CurveGroup]) -> None:
    """Explain colours, symbols and dashes, by traces without points."""
    entries = [(group.name, group.style._replace(dash="solid"), "markers", group.name) for group in groups]
    for k, (name, look) in _LOOKS.items():
        n = int((kind == k).sum())
        if n:
            style = look._replace(color=GREY) if groups else look
            entries.append((f"{name} ({n:,})", style, "lines" if groups else "lines+markers", name))
    for name, look, mode, legendgroup in entries:
        figure.add_trace(
            go.Scatter(
                x=[None],
                y=[None],
                mode=mode,
                name=name,
                line={"color": look.color, "dash": look.dash, "width": 1.5},
                marker={"symbol": look.symbol, "color": look.color, "size": 7},
                legendgroup=legendgroup,
                showlegend=True,
            )
        )
