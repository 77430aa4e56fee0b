"""The eigenvalues of all fixed points in the complex plane."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis.plot._color import Coloring, Group, by_name, by_stability
from fpanalysis.plot._points import Points, descriptions, none_found, points_of
from fpanalysis.plot._text import number, unit_of
from fpanalysis.plot._theme import GREY, REGION, WEBGL_ABOVE, new_figure, say

_DENSE = 5_000
"""Number of eigenvalues above which markers hide one another, and the boundary below them."""


def spectrum(ds: xr.Dataset, color: str | None = None) -> go.Figure:
    """Draw the eigenvalues of all fixed points in the complex plane, with the boundary of stability.

    The shaded area is where modes decay: inside the unit circle for a discrete-time system, left of the
    imaginary axis for a continuous-time one. Hovering over an eigenvalue tells which fixed point and mode
    it is, its time constant and frequency, and every label of its condition. More than 50,000 eigenvalues
    are drawn with WebGL.

    Args:
        ds: what `find_fixed_points` or `eigendecompose` returned, with the variable `eigenvalue` and any
            condition dims.
        color: a coordinate or variable with one value per condition, fixed point or mode, such as
            `"context"`, `"residual"` or `"time_constant"`. Left out, eigenvalues of stable and of unstable
            fixed points and of slow points are told apart, by symbol and colour. Up to seven numbers, and
            any names, get a symbol and a colour each; more numbers get a colour scale, on which the symbols
            tell stable from unstable.

    Returns:
        The figure. A dataset without any fixed point gives a figure that says so.

    Raises:
        TypeError: `ds` is not a dataset.
        ValueError: `ds` holds no spectra, or `color` names nothing with one real value per mode.

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.find_fixed_points(fpa.datasets.flipflop("gru"), progress=False)
        >>> figure = fpa.plot.spectrum(ds)
        >>> figure.layout.xaxis.title.text
        'Re λ (dimensionless)'
    """
    points = _with_spectra(ds)
    eigenvalues = points.values("eigenvalue", "mode").astype(complex)
    finite = np.isfinite(eigenvalues)
    n_modes = eigenvalues.shape[1]
    domain = ds.attrs.get("time_domain")
    coloring = by_stability(points, n_modes) if color is None else by_name(points, color, n_modes)

    figure = new_figure(_title(points, n_modes), _notes(finite, domain))
    _draw_plane(figure, eigenvalues[finite], domain, _unit(ds, domain))
    if len(points) == 0 or not finite.any():
        say(figure, none_found(ds) if len(points) == 0 else "no eigenvalue is finite")
        return figure
    hover = _hover_texts(points, eigenvalues, coloring)
    for group in coloring.groups:
        _draw_group(figure, group, eigenvalues, finite, hover, use_webgl=bool(finite.sum() > WEBGL_ABOVE))
    if coloring.scale is not None:
        low, high = coloring.scale
        figure.update_layout(
            coloraxis={"cmin": low, "cmax": high, "colorbar_title": {"text": coloring.title, "side": "right"}}
        )
    elif coloring.title:
        figure.update_layout(legend_title_text=coloring.title)
    return figure


def _with_spectra(ds: xr.Dataset) -> Points:
    if isinstance(ds, xr.Dataset) and "eigenvalue" not in ds:
        raise ValueError(
            "ds: it has no variable 'eigenvalue'; call find_fixed_points with spectra='values' or 'full', "
            "or add the spectra with eigendecompose(linearize(model, ds))"
        )
    return points_of(ds)


def _title(points: Points, n_modes: int) -> str:
    n = len(points)
    modes = "1 mode" if n_modes == 1 else f"{n_modes:,} modes"
    return f"Eigenvalues of 1 point, {modes}" if n == 1 else f"Eigenvalues of {n:,} points, {modes} each"


def _notes(finite: np.ndarray, domain: str | None) -> list[str]:
    notes = []
    if not finite.all():
        notes.append(f"{(~finite).sum():,} of {finite.size:,} eigenvalues are not finite and not shown")
    if domain not in ("discrete", "continuous"):
        notes.append("no boundary of stability: the dataset does not record its time_domain")
    return notes


def _unit(ds: xr.Dataset, domain: str | None) -> str:
    """Return the unit of an eigenvalue: a rate in continuous time, a factor per step in discrete time."""
    recorded = unit_of(ds["eigenvalue"].attrs)
    if recorded or domain != "continuous":
        return recorded or "dimensionless"
    frequency = unit_of(ds["frequency"].attrs) if "frequency" in ds else ""
    return {"Hz": "1/s", "": "1/s"}.get(frequency, frequency)


def _draw_plane(figure: go.Figure, eigenvalues: np.ndarray, domain: str | None, unit: str) -> None:
    """Draw axes of equal scale and, below the data, the area of stable modes."""
    (left, right), (low, high) = _ranges(eigenvalues, domain)
    figure.update_xaxes(title_text=f"Re λ ({unit})", range=[left, right], constrain="domain")
    figure.update_yaxes(title_text=f"Im λ ({unit})", range=[low, high], constrain="domain", scaleanchor="x")
    line = {"color": GREY, "width": 1.5}
    below = {
        "layer": "below",
        "fillcolor": REGION,
        "line": line,
        "showlegend": True,
        "legendgroup": "boundary",
    }
    above = {"line": line, "legendgroup": "boundary", "showlegend": False}
    if domain == "discrete":
        edges, name = {"type": "circle", "x0": -1, "x1": 1, "y0": -1, "y1": 1}, "unit circle, stable inside"
    elif domain == "continuous":
        # Far beyond the axes, so that its other edges stay out of sight when the reader zooms out.
        far = 100 * max(right - left, high - low)
        edges = {"type": "rect", "x0": left - far, "x1": 0, "y0": low - far, "y1": high + far}
        name = "imaginary axis, stable to the left"
    else:
        return
    figure.add_shape(name=name, **edges, **below)
    if len(eigenvalues) > _DENSE:
        figure.add_shape(name=name, **edges, **above)


def _ranges(eigenvalues: np.ndarray, domain: str | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return axis ranges that show every eigenvalue and the boundary of stability."""
    seen = np.concatenate([eigenvalues, [0]])
    if domain == "discrete" or len(eigenvalues) == 0:
        seen = np.concatenate([seen, [1, -1, 1j, -1j]])
    re, im = np.real(seen), np.imag(seen)
    left, right, low, high = re.min(), re.max(), im.min(), im.max()
    span = max(right - left, high - low) or 1.0
    # Scales are equal: without a smallest span, real eigenvalues alone would leave an axis no height.
    return _padded(left, right, 0.6 * span, 0.06 * span), _padded(low, high, 0.6 * span, 0.06 * span)


def _padded(low: float, high: float, smallest: float, pad: float) -> tuple[float, float]:
    more = max(0.0, smallest - (high - low)) / 2 + pad
    return float(low - more), float(high + more)


def _hover_texts(points: Points, eigenvalues: np.ndarray, coloring: Coloring) -> np.ndarray:
    """Return the hover text of each eigenvalue as an array of strings `(point, mode)`."""
    ds, texts = points.ds, np.empty(eigenvalues.shape, dtype=object)
    modes = ds["mode"].values.tolist() if "mode" in ds.coords else range(eigenvalues.shape[1])
    times = [
        (name, unit_of(ds[name].attrs), points.values(name, "mode"))
        for name in ("time_constant", "frequency")
        if name in ds
    ]
    for row, condition in enumerate(descriptions(points)):
        for column, mode in enumerate(modes):
            parts = [condition, f"mode {mode}: λ = {complex_number(eigenvalues[row, column])}"]
            parts += [
                f"{name} = {number(values[row, column])} {unit}".rstrip() for name, unit, values in times
            ]
            texts[row, column] = "<br>".join(parts)
    return texts if coloring.lines is None else texts + coloring.lines


def complex_number(value: complex) -> str:
    """Return a complex number as text, `0.98 + 0.12i`; without its imaginary part where that is zero."""
    if value.imag == 0:
        return number(value.real)
    return f"{number(value.real)} {'-' if value.imag < 0 else '+'} {number(abs(value.imag))}i"


def _draw_group(
    figure: go.Figure,
    group: Group,
    eigenvalues: np.ndarray,
    finite: np.ndarray,
    hover: np.ndarray,
    use_webgl: bool,
) -> None:
    n, shown = finite.sum(), group.mask & finite
    marker = {"symbol": group.symbol, **_marker(int(n))}
    if group.values is None:
        marker["color"] = group.color
    else:
        marker |= {"color": group.values[shown], "coloraxis": "coloraxis"}
    if not group.symbol.endswith("open"):
        marker["line"] = {"width": 0}
    trace = go.Scattergl if use_webgl else go.Scatter
    figure.add_trace(
        trace(
            x=np.real(eigenvalues[shown]),
            y=np.imag(eigenvalues[shown]),
            mode="markers",
            name=group.name,
            marker=marker,
            hovertext=hover[shown],
            hoverinfo="text",
            showlegend=True,
        )
    )


def _marker(n: int) -> dict:
    """Return the size and opacity at which `n` overlapping markers still show where they are dense."""
    size = 8 if n <= 500 else 6 if n <= _DENSE else 4
    opacity = 0.85 if n <= 500 else 0.6 if n <= _DENSE else max(0.1, 0.6 * (_DENSE / n) ** 0.5)
    return {"size": size, "opacity": opacity, "line": {"width": 1.2}}
