"""What a network's recurrent weights are like: their distribution, singular values, spectrum, and readout."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from fpanalysis.plot._bands import area, between
from fpanalysis.plot._curves import SEED, CurveGroup, Curves, curves_of, kept
from fpanalysis.plot._spectrum import complex_number
from fpanalysis.plot._styles import Style
from fpanalysis.plot._text import escaped, label, number
from fpanalysis.plot._theme import GREY, REGION, blank, new_figure, set_notes

_HEIGHT = 720
_MOST_EIGENVALUES, _MOST_OUTPUTS, _MOST_BINS = 10_000, 12, 60
_SAMPLE = 100_000
_HISTOGRAM, _SINGULAR, _SPECTRUM, _READOUT = (1, 1), (1, 2), (2, 1), (2, 2)


def weights(ds: xr.Dataset, color: str | None = None) -> go.Figure:
    """Draw the recurrent weights of networks: distribution, singular values, spectrum, and readout norms.

    The spectrum is that of the recurrent matrix alone, as a first look at what a network could do; inside the
    unit circle a linear network with this matrix would decay. What it does near one of its states is in
    `plot.spectrum`. Of several networks that look alike, the singular values are a mean and a band from the
    lowest to the highest, and so are the norms of the readout.

    Args:
        ds: what `weights` returned.
        color: a coordinate with one value for each matrix: `"gate"`, or a hyperparameter of an ensemble.
            Left out, gates are told apart. Of networks with gates, a figure coloured by anything else shows
            the matrices of the candidate; `ds.sel(gate=…)` chooses others.

    Returns:
        The figure. It says how many eigenvalues it shows of more than 10,000, chosen at random.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: it is no dataset of weights, or `color` has not one value for each matrix.

    Example:
        >>> import fpanalysis as fpa
        >>> figure = fpa.plot.weights(fpa.weights(fpa.datasets.flipflop("gru")))
        >>> [trace.name for trace in figure.data][:3]
        ['reset', 'update', 'candidate']
    """
    ds, by, notes = _chosen(ds, color)
    curves = curves_of(ds, "singular_value", "component")
    usable = np.asarray(np.isfinite(curves.values("singular_value", "component")).any(axis=1))
    groups = kept(curves.groups(by), usable)
    title = _title(ds, curves)
    if not groups:
        return blank(title, "no network has finite weights")
    if not usable.all():
        notes.append(f"{(~usable).sum():,} of {len(curves):,} matrices are not finite,<br>not shown")
    figure = new_figure(title, [])
    make_subplots(rows=2, cols=2, figure=figure, horizontal_spacing=0.22, vertical_spacing=0.14)
    several = max(len(group.index) for group in groups) > 1
    _draw_histogram(figure, curves, groups)
    _draw_singular_values(figure, curves, groups)
    notes += _draw_spectrum(figure, curves, groups)
    notes += _draw_readout(figure, ds, by)
    if several:
        notes.append("bands and bars: from the lowest to the highest")
    figure.update_layout(height=_HEIGHT)
    set_notes(figure, notes)
    if by is not None:
        figure.update_layout(legend_title_text=curves.title(by))
    return figure


def _chosen(ds: xr.Dataset, color: str | None) -> tuple[xr.Dataset, str | None, list[str]]:
    """Return the dataset, with one gate where another thing is coloured by; what that is; and words on it."""
    curves = curves_of(ds, "singular_value", "component")
    for name, rest in (("eigenvalue", ("mode",)), ("recurrent_weight", ("unit_out", "unit"))):
        curves_of(ds, name, *rest)
    if "gate" not in curves.dims:
        return ds, color, [f"gate: {escaped(ds['gate'].item())}"] if "gate" in ds.coords else []
    gates = [str(gate) for gate in ds["gate"].values]
    if color is None or color == "gate":
        return ds, "gate" if len(gates) > 1 or color else None, []
    curves.checked(color)
    candidates = [i for i, gate in enumerate(gates) if gate.endswith("candidate")] or [len(gates) - 1]
    notes = [f"gate: {escaped(gates[candidates[-1]])}"] if len(gates) > 1 else []
    return ds.isel(gate=candidates[-1]), color, notes


def _title(ds: xr.Dataset, curves: Curves) -> str:
    n = len(curves) // (ds.sizes["gate"] if "gate" in curves.dims else 1)
    cell = f" ({escaped(ds.attrs['cell'])})" if "cell" in ds.attrs else ""
    return f"Weights of {n:,} networks{cell}" if n > 1 else f"Recurrent weights{cell}"


def _add(figure: go.Figure, trace: Any, panel: tuple[int, int]) -> None:
    figure.add_trace(trace, row=panel[0], col=panel[1])


def _titles(figure: go.Figure, panel: tuple[int, int], x: str, y: str) -> None:
    row, col = panel
    figure.update_xaxes(title_text=x, row=row, col=col)
    figure.update_yaxes(title_text=y, row=row, col=col)


def _look(group: CurveGroup, shown: bool = False) -> dict[str, Any]:
    """Return how a group stands in the legend: once for all panels."""
    name = group.name or "all"
    return {"name": name, "legendgroup": name, "showlegend": shown and bool(group.name)}


def _draw_histogram(figure: go.Figure, curves: Curves, groups: list[CurveGroup]) -> None:
    values = curves.values("recurrent_weight", "unit_out", "unit").reshape(len(curves), -1)
    some = values.ravel()[:: max(1, values.size // _SAMPLE)]
    some = some[np.isfinite(some)]
    n_bins = len(np.histogram_bin_edges(some, "auto")) - 1
    edges = np.linspace(np.nanmin(values), np.nanmax(values), max(5, min(n_bins, _MOST_BINS)) + 1)
    for group in groups:
        density = _density(values, group.index, edges)
        _add(
            figure,
            go.Scatter(
                x=edges,
                y=np.append(density, density[-1]),
                mode="lines",
                line={"color": group.style.color, "dash": group.style.dash, "shape": "hv", "width": 1.5},
                hovertemplate="weights from %{x:.3g} on: density %{y:.4g}",
                **_look(group, shown=True),
            ),
            _HISTOGRAM,
        )
    _titles(figure, _HISTOGRAM, "weight", "density")
    figure.update_yaxes(rangemode="tozero", row=_HISTOGRAM[0], col=_HISTOGRAM[1])


def _density(values: np.ndarray, index: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the density of the weights of some matrices in each bin, counted matrix block by block."""
    counts = np.zeros(len(edges) - 1)
    block = max(1, 1_000_000 // max(1, values.shape[1]))
    for start in range(0, len(index), block):
        part = values[index[start : start + block]]
        counts += np.histogram(part[np.isfinite(part)], edges)[0]
    return counts / (max(1.0, counts.sum()) * np.diff(edges))


def _draw_singular_values(figure: go.Figure, curves: Curves, groups: list[CurveGroup]) -> None:
    values = curves.values("singular_value", "component")
    for group in groups:
        low, mean, high, used = _spread(values[group.index])
        place = 1 + np.flatnonzero(used)
        if len(group.index) > 1:
            _add(figure, area(group, between(place, low, high), len(groups)), _SINGULAR)
        _add(
            figure,
            go.Scatter(
                x=place,
                y=mean,
                customdata=np.stack([low, high], axis=-1),
                mode="lines",
                line={"color": group.style.color, "dash": group.style.dash, "width": 2},
                hovertemplate="singular value %{x}: %{y:.4g}"
                + (" (%{customdata[0]:.4g} to %{customdata[1]:.4g})" if len(group.index) > 1 else ""),
                **_look(group),
            ),
            _SINGULAR,
        )
    _titles(figure, _SINGULAR, "rank", "singular value")
    figure.update_yaxes(rangemode="tozero", row=_SINGULAR[0], col=_SINGULAR[1])


def _spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return lowest, mean and highest of each column with a finite number, and which columns these are."""
    used = np.asarray(np.isfinite(values).any(axis=0))
    values = values[:, used]
    return np.nanmin(values, axis=0), np.nanmean(values, axis=0), np.nanmax(values, axis=0), used


def _draw_spectrum(figure: go.Figure, curves: Curves, groups: list[CurveGroup]) -> list[str]:
    """Draw the eigenvalues over the unit circle; return words on those that are not shown."""
    values = curves.values("eigenvalue", "mode")
    most = max(1, _MOST_EIGENVALUES // max(1, values.shape[1] * len(groups)))
    dice = np.random.default_rng(SEED)
    n_shown, n = 0, 0
    for group in groups:
        index = group.index
        if len(index) > most:
            index = np.sort(dice.choice(index, most, replace=False))
        _add(figure, _eigenvalues(curves, group, index, values[index]), _SPECTRUM)
        n_shown += int(np.isfinite(values[index]).sum())
        n += int(np.isfinite(values[group.index]).sum())
    row, col = _SPECTRUM
    edges = {"type": "circle", "x0": -1, "x1": 1, "y0": -1, "y1": 1, "layer": "below", "row": row, "col": col}
    line = {"color": GREY, "width": 1.5}
    figure.add_shape(**edges, fillcolor=REGION, line=line, name="unit circle", showlegend=True)
    _titles(figure, _SPECTRUM, "Re λ", "Im λ")
    figure.update_xaxes(row=row, col=col, constrain="domain", **_room(np.real(values)))
    figure.update_yaxes(row=row, col=col, constrain="domain", scaleanchor="x3", **_room(np.imag(values)))
    return (
        [f"{n_shown:,} of {n:,} eigenvalues shown,<br>chosen at random (seed {SEED})"] if n_shown < n else []
    )


def _eigenvalues(curves: Curves, group: CurveGroup, index: np.ndarray, values: np.ndarray) -> go.Scatter:
    """Return the eigenvalues `(matrix, mode)` of some matrices of a group, with their labels."""
    member, mode = np.nonzero(np.isfinite(values))
    chosen = values[member, mode]
    texts = curves.texts(index)
    hover = [
        "<br>".join(filter(None, (texts[i], f"mode {k}: λ = {complex_number(z)}, |λ| = {number(abs(z))}")))
        for i, k, z in zip(member.tolist(), mode.tolist(), chosen.tolist(), strict=True)
    ]
    return go.Scatter(
        x=np.real(chosen),
        y=np.imag(chosen),
        mode="markers",
        marker=_marker(group.style, len(chosen)),
        hovertext=hover,
        hoverinfo="text",
        **_look(group),
    )


def _room(values: np.ndarray) -> dict[str, Any]:
    """Return a range that shows all values and the unit circle."""
    finite = values[np.isfinite(values)]
    low, high = min(-1.0, finite.min(initial=0)), max(1.0, finite.max(initial=0))
    pad = 0.06 * (high - low)
    return {"range": [low - pad, high + pad]}


def _marker(style: Style, n: int) -> dict[str, Any]:
    size = 6 if n <= 200 else 4
    marker = {"symbol": style.symbol, "color": style.color, "size": size, "opacity": 0.8 if n <= 200 else 0.5}
    return marker | {"line": {"width": 1.2 if style.symbol.endswith("open") else 0}}


def _draw_readout(figure: go.Figure, ds: xr.Dataset, by: str | None) -> list[str]:
    """Draw the norms of the readout, output by output and together; return words on what is left out."""
    row, col = _READOUT
    if "readout_norm" not in ds:
        figure.update_xaxes(visible=False, row=row, col=col)
        figure.update_yaxes(visible=False, row=row, col=col)
        figure.add_annotation(text="no linear readout", x=0.5, y=0.5, xref="x4 domain", yref="y4 domain")
        return []
    curves = curves_of(ds, "readout_norm", "output")
    # The readout belongs to the network, not to one of its gates.
    by = None if by is None or not set(ds[by].dims) <= set(curves.dims) else by
    norms = curves.values("readout_norm", "output")
    names = _names(ds, norms.shape[1])
    n_left = norms.shape[1] - _MOST_OUTPUTS
    norms = np.concatenate([norms[:, :_MOST_OUTPUTS], curves.values("readout_matrix_norm")[:, None]], axis=1)
    groups = kept(curves.groups(by), np.asarray(np.isfinite(norms).any(axis=1)))
    if by is None:
        groups = [CurveGroup("", Style(GREY, "circle", "solid"), group.index) for group in groups]
    for k, group in enumerate(groups):
        low, mean, high, used = _spread(norms[group.index])
        place = np.flatnonzero(used) + 0.5 * ((k + 0.5) / len(groups) - 0.5)
        words = [names[i] for i in np.flatnonzero(used)]
        _add(figure, _bars(group, place, (low, mean, high), words), _READOUT)
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[-0.6, len(names) - 0.4],
        zeroline=False,
        row=row,
        col=col,
    )
    figure.update_yaxes(rangemode="tozero", row=row, col=col)
    _titles(figure, _READOUT, "output", "readout norm")
    return [f"{_MOST_OUTPUTS} of {n_left + _MOST_OUTPUTS} outputs shown"] if n_left > 0 else []


def _names(ds: xr.Dataset, n: int) -> list[str]:
    names: Sequence[Any] = ds["output"].values.tolist() if "output" in ds.coords else range(n)
    return [*(label(name) for name in names[:_MOST_OUTPUTS]), "all"]


def _bars(
    group: CurveGroup,
    place: np.ndarray,
    spread: tuple[np.ndarray, np.ndarray, np.ndarray],
    words: list[str],
) -> go.Scatter:
    low, mean, high = spread
    several = len(group.index) > 1
    hover = [
        f"{word}: {number(middle)}" + (f" ({number(a)} to {number(b)})" if several else "")
        for word, middle, a, b in zip(words, mean.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    reach = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low}
    return go.Scatter(
        x=place,
        y=mean,
        mode="markers",
        marker={"symbol": group.style.symbol, "color": group.style.color, "size": 8},
        error_y=reach | {"thickness": 1.5, "width": 3, "color": group.style.color} if several else None,
        hovertext=[f"{group.name}<br>{text}" if group.name else text for text in hover],
        hoverinfo="text",
        **_look(group),
    )
