"""The eigenvalues of all fixed points in the complex plane."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from fpanalysis.plot._bins import Plane, bins_over, counted, extremes, thinned
from fpanalysis.plot._color import Coloring, Group, by_name, by_stability
from fpanalysis.plot._marginals import draw_marginals
from fpanalysis.plot._points import Points, descriptions, none_found, points_of
from fpanalysis.plot._text import escaped, joined, number, unit_of
from fpanalysis.plot._theme import GREY, REGION, WEBGL_ABOVE, new_figure, say

_DENSE = 5_000
"""Number of eigenvalues above which markers hide one another, and the boundary below them."""
_HEIGHT = 680


def spectrum(ds: xr.Dataset, color: str | None = None) -> go.Figure:
    """Draw the eigenvalues of all fixed points in the complex plane, with the boundary of stability.

    The shaded area is where modes decay: inside the unit circle for a discrete-time system, left of the
    imaginary axis for a continuous-time one. Histograms above and beside it count the eigenvalues along each
    axis. Hovering over an eigenvalue tells which fixed point and mode it is, its time constant and frequency,
    and every label of its condition. More than 50,000 eigenvalues are drawn with WebGL; of more than 80,000,
    about 60,000 are drawn, and the figure says how many of how many. They are chosen at random, with a fixed
    seed, and those that lie alone are always among them; the histograms count all.

    Args:
        ds: what `find_fixed_points` or `eigendecompose` returned, with the variable `eigenvalue` and any
            condition dims.
        color: a coordinate or variable with one value per condition, fixed point or mode, such as
            `"context"`, `"residual"` or `"time_constant"`. Left out, eigenvalues of stable and of unstable
            fixed points and of slow points are told apart, by symbol and colour. Up to seven numbers, and
            any names, get a symbol and a colour each; more numbers get a colour scale, on which the symbols
            tell stable from unstable, and the histograms are grey.

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
    ds = points.ds
    eigenvalues = points.values("eigenvalue", "mode")
    n, corners = extremes(eigenvalues)
    domain = ds.attrs.get("time_domain")
    coloring = by_stability(points) if color is None else by_name(points, color, "mode")
    title, notes = "Eigenvalues", _notes(points, n, eigenvalues.shape[1], domain)
    dense = n > _DENSE
    if n == 0:
        figure = new_figure(title, notes)
        _draw_plane(figure, corners, domain, unit_of_eigenvalue(ds, domain), dense)
        say(figure, none_found(ds) if len(points) == 0 else "no eigenvalue is finite")
        return figure
    plane = _binned(eigenvalues, n, coloring, corners)
    counts, one = counted(plane)
    shown, thinning = thinned(plane, n, one)
    figure = new_figure(title, notes + coloring.notes + thinning)
    _draw_plane(figure, corners, domain, unit_of_eigenvalue(ds, domain), dense)
    _draw_groups(figure, points, plane, coloring, shown)
    draw_marginals(figure, plane, _in_histograms(coloring), counts)
    figure.update_layout(height=_HEIGHT, **coloring.layout())
    return figure


def _with_spectra(ds: xr.Dataset) -> Points:
    if isinstance(ds, xr.Dataset) and "eigenvalue" not in ds:
        raise ValueError(
            "ds: it has no variable 'eigenvalue'; call find_fixed_points with spectra='values' or 'full', "
            "or add the spectra with eigendecompose(linearize(model, ds))"
        )
    return points_of(ds)


def _notes(points: Points, n_finite: int, n_modes: int, domain: str | None) -> list[str]:
    modes = "1 mode" if n_modes == 1 else f"{n_modes:,} modes"
    n, each = len(points) * n_modes, "" if len(points) == 1 else " each"
    notes = [f"{len(points):,} point{'' if len(points) == 1 else 's'}, {modes}{each}"]
    if n_finite < n:
        notes.append(f"{n - n_finite:,} of {n:,} eigenvalues are missing or not finite")
    if domain not in ("discrete", "continuous"):
        notes.append("no boundary of stability: time_domain is not recorded")
    return notes


def unit_of_eigenvalue(ds: xr.Dataset, domain: str | None) -> str:
    """Return the unit of an eigenvalue: a rate in continuous time, a factor per step in discrete time."""
    recorded = unit_of(ds["eigenvalue"].attrs)
    if recorded or domain != "continuous":
        return recorded or "dimensionless"
    frequency = unit_of(ds["frequency"].attrs) if "frequency" in ds else ""
    return {"Hz": "1/s", "": "1/s"}.get(frequency, frequency)


def _binned(eigenvalues: np.ndarray, n: int, coloring: Coloring, corners: np.ndarray) -> Plane:
    """Return the eigenvalues with bins of one width, a round number, along both axes."""
    low, high = corners
    # The last for eigenvalues that are equal, or nearly so.
    span = max((high - low).real, (high - low).imag, 1e-3 * max(abs(low), abs(high))) or 1.0
    width = _round(span / (20 if n <= 500 else 40 if n <= _DENSE else 60))
    real, imaginary = bins_over(low.real, high.real, width), bins_over(low.imag, high.imag, width)
    return Plane(eigenvalues, coloring.code, len(coloring.groups), real, imaginary)


def _round(width: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above `width`."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(power * max(m for m in (1, 2, 5) if m * power <= 1.000001 * width))


def _in_histograms(coloring: Coloring) -> list[Group]:
    """Return the groups as histograms show them: without the colours that a scale gives to markers."""
    return [group._replace(color=GREY) for group in coloring.groups] if coloring.axis else coloring.groups


def _draw_plane(figure: go.Figure, corners: np.ndarray, domain: str | None, unit: str, dense: bool) -> None:
    """Draw axes of equal scale, their zero lines and, below the data, the area of stable modes."""
    (left, right), (low, high) = _ranges(corners, domain)
    axis = {"constrain": "range", "zeroline": True}
    if dense:
        axis["zerolinelayer"] = "above traces"
    figure.update_layout(
        xaxis=axis | {"title_text": f"Re λ ({unit})", "range": [left, right]},
        yaxis=axis | {"title_text": f"Im λ ({unit})", "range": [low, high], "scaleanchor": "x"},
    )
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
    if dense:
        figure.add_shape(name=name, **edges, **above)


def _ranges(corners: np.ndarray, domain: str | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return axis ranges that show every eigenvalue and the boundary of stability."""
    seen = np.concatenate([corners, [0]])
    if domain == "discrete" or len(corners) == 0:
        seen = np.concatenate([seen, [1, -1, 1j, -1j]])
    re, im = np.real(seen), np.imag(seen)
    left, right, low, high = re.min(), re.max(), im.min(), im.max()
    span = max(right - left, high - low) or 1.0
    # Scales are equal: without a smallest span, real eigenvalues alone would leave an axis no height.
    return _padded(left, right, 0.6 * span, 0.06 * span), _padded(low, high, 0.6 * span, 0.06 * span)


def _padded(low: float, high: float, smallest: float, pad: float) -> tuple[float, float]:
    more = max(0.0, smallest - (high - low)) / 2 + pad
    return float(low - more), float(high + more)


def complex_number(value: complex) -> str:
    """Return a complex number as text, `0.98 + 0.12i`; without its imaginary part where that is zero."""
    if value.imag == 0:
        return number(value.real)
    return f"{number(value.real)} {'-' if value.imag < 0 else '+'} {number(abs(value.imag))}i"


def _draw_groups(
    figure: go.Figure, points: Points, plane: Plane, coloring: Coloring, index: np.ndarray
) -> None:
    """Draw the eigenvalues with these flat indices, a trace for each group."""
    shape = plane.eigenvalues.shape
    point, mode = np.unravel_index(index, shape)
    hover = _hover_texts(points, plane.eigenvalues, coloring, point, mode)
    code = plane.codes[point, mode]
    draw = go.Scattergl if len(index) > WEBGL_ABOVE else go.Scatter
    for number_, group in enumerate(coloring.groups):
        mine = np.flatnonzero(code == number_)
        if len(mine) == 0:
            continue
        place = point[mine], mode[mine]
        marker = {"symbol": group.symbol, "color": group.color, **_marker(len(index))}
        marker |= coloring.on_scale(shape, *place)
        if not group.symbol.endswith("open"):
            marker["line"] = {"width": 0}
        figure.add_trace(
            draw(
                x=np.real(plane.eigenvalues[place]),
                y=np.imag(plane.eigenvalues[place]),
                mode="markers",
                name=group.name,
                marker=marker,
                hovertext=hover[mine],
                hoverinfo="text",
                legendgroup=group.name,
                showlegend=True,
            )
        )


def _hover_texts(
    points: Points, eigenvalues: np.ndarray, coloring: Coloring, point: np.ndarray, mode: np.ndarray
) -> np.ndarray:
    """Return the hover texts of some eigenvalues, given by the numbers of their points and modes."""
    ds = points.ds
    # Of the points that are seen only: there can be many more.
    mine, back = np.unique(point, return_inverse=True)
    conditions = descriptions(points.keep(mine))
    labels = ds["mode"].values if "mode" in ds.coords else np.arange(eigenvalues.shape[1])
    values = map(complex_number, eigenvalues[point, mode].tolist())
    lines = [
        [conditions[i] for i in back.tolist()],
        [f"mode {escaped(k)}: λ = {value}" for k, value in zip(labels[mode].tolist(), values, strict=True)],
    ]
    for name in ("time_constant", "frequency"):
        if name in ds:
            unit = unit_of(ds[name].attrs)
            times = points.array(name, "mode")[(*(rows[point] for rows in points.rows), mode)]
            lines.append([f"{name} = {number(time)} {unit}".rstrip() for time in times.tolist()])
    lines += coloring.lines(eigenvalues.shape, point, mode)
    return np.array(joined(lines), dtype=object)


def _marker(n: int) -> dict:
    """Return the size and opacity at which `n` overlapping markers still show where they are dense."""
    size = 8 if n <= 500 else 6 if n <= _DENSE else 3.5
    # The legend shows them as faint as they are, and has to be read.
    opacity = 0.85 if n <= 500 else 0.6 if n <= _DENSE else 0.4
    return {"size": size, "opacity": opacity, "line": {"width": 1.2}}
