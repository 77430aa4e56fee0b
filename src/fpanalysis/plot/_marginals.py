"""Histograms along the edges of the complex plane."""

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, unlabel_rgb

from fpanalysis.plot._bins import Bins, Plane
from fpanalysis.plot._color import Group
from fpanalysis.plot._text import number
from fpanalysis.plot._theme import GREY

# More outlines than this hide one another; there is then one of everything.
_MOST_OUTLINES = 12
_INNER, _OUTER = [0, 0.85], [0.88, 1]


def draw_marginals(figure: go.Figure, plane: Plane, groups: list[Group], counts: np.ndarray) -> None:
    """Draw how many eigenvalues, `(group, real, imaginary)`, there are along both axes of the plane.

    The histograms share the axes of the plane, so that they move with it.
    """
    count = {"title": {"text": "count"}, "rangemode": "tozero", "nticks": 3, "showgrid": False}
    # Room for two labels is all that a narrow figure has.
    count |= {"tickformat": "~s", "tickangle": 0}
    figure.update_layout(
        xaxis_domain=_INNER,
        yaxis_domain=_INNER,
        xaxis2=count | {"domain": _OUTER, "anchor": "y", "nticks": 2},
        yaxis2=count | {"domain": _OUTER, "anchor": "x"},
    )
    if len(groups) > _MOST_OUTLINES:
        groups, counts = [Group("", "circle", GREY)], counts.sum(axis=0, keepdims=True)
    for group, mine in zip(groups, counts, strict=True):
        _outline(figure, group, plane.real, mine.sum(axis=1), above=True)
        _outline(figure, group, plane.imaginary, mine.sum(axis=0), above=False)


def _outline(figure: go.Figure, group: Group, bins: Bins, counts: np.ndarray, above: bool) -> None:
    if not counts.any():
        return
    middles = bins.middles
    x, y = (middles, counts) if above else (counts, middles)
    axes = {"yaxis": "y2"} if above else {"xaxis": "x2"}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            **axes,
            mode="lines",
            line={"shape": "hvh" if above else "vhv", "color": group.color, "dash": group.dash, "width": 1.2},
            fill="tozeroy" if above else "tozerox",
            fillcolor=_dim(group.color),
            hovertext=_texts(group, "Re λ" if above else "Im λ", middles, bins.width, counts),
            hoverinfo="text",
            legendgroup=group.name,
            showlegend=False,
        )
    )


def _texts(group: Group, part: str, middles: np.ndarray, width: float, counts: np.ndarray) -> list[str]:
    name = f"<b>{group.name}</b><br>" if group.name else ""
    low, high = middles - width / 2, middles + width / 2
    return [
        f"{name}{part} from {number(a)} to {number(b)}: {n:,} eigenvalues"
        for a, b, n in zip(low.tolist(), high.tolist(), counts.tolist(), strict=True)
    ]


def _dim(color: str) -> str:
    red, green, blue = hex_to_rgb(color) if color.startswith("#") else unlabel_rgb(color)
    return f"rgba({red:.0f}, {green:.0f}, {blue:.0f}, 0.15)"
