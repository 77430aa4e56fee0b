"""Bands around a mean: between two curves over time, and ellipses along a path in the plane."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from fpanalysis.plot._curves import CurveGroup
from fpanalysis.plot._trajectories import with_gaps

_CORNERS = 24
_ELLIPSES = 12
_STATIONS = 60
_OPACITY = 0.22


def between(time: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the outline of the area between two curves over time, `(corner, 2)`."""
    both = np.concatenate([low, high[::-1]])
    return np.stack([np.concatenate([time, time[::-1]]), both], axis=1)


def ellipses(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return outlines of the ellipses of one standard deviation at a few places of a path.

    Args:
        mean: the path, `(time, 2)`.
        covariance: at each time, `(time, 2, 2)`.

    Returns:
        Ellipses at places that are evenly spaced along the path, end to end, `(corner, 2)`, with a row of NaN
        after each.
    """
    way = np.concatenate([[0.0], np.hypot(*np.diff(mean, axis=0).T).cumsum()])
    places = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _ELLIPSES)).clip(max=len(mean) - 1))
    circle = np.stack(_circle(), axis=1)
    corners = mean[places, None] + circle @ _root(covariance[places])
    return with_gaps(np.concatenate([corners, corners[:, :1]], axis=1))


def swept(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return polygons that together cover what the ellipse of one standard deviation sweeps along a path.

    Each polygon is the convex hull of the ellipses at two times that follow each other. In every direction
    the corner of the hull is that of the ellipse that reaches farther. All polygons go round
    counter-clockwise, so that a filled path of them all, by the nonzero rule of SVG, is their union.

    Args:
        mean: the path, `(time, 2)`.
        covariance: at each time, `(time, 2, 2)`.

    Returns:
        The polygons end to end, `(corner, 2)`, with a row of NaN after each.
    """
    # Of very many times some are enough: the hulls also cover what lies between.
    places = np.unique(np.linspace(0, len(mean) - 1, min(len(mean), _STATIONS)).round().astype(int))
    if len(places) == 1:
        places = np.repeat(places, 2)
    ends = [(mean[part], _root(covariance[part])) for part in (places[:-1], places[1:])]
    # The directions in which the corners of either ellipse are the farthest, all of them in order.
    normals = np.concatenate([_normals(root) for _, root in ends], axis=1)
    order = np.argsort(np.arctan2(normals[..., 1], normals[..., 0]), axis=1)
    normals = np.take_along_axis(normals, order[..., None], axis=1)
    (first, near), (second, far) = (_farthest(*end, normals) for end in ends)
    hulls = np.where((far > near)[..., None], second, first)
    return with_gaps(np.concatenate([hulls, hulls[:, :1]], axis=1))


def _circle() -> tuple[np.ndarray, np.ndarray]:
    angle = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    return np.cos(angle), np.sin(angle)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric square roots, `(ellipse, 2, 2)`, which turn a disc into the ellipses."""
    value, vector = np.linalg.eigh(covariance)
    # Rounding can leave a variance of zero a little below it.
    return (vector * np.sqrt(np.maximum(value, 0.0))[:, None]) @ vector.transpose(0, 2, 1)


def _normals(root: np.ndarray) -> np.ndarray:
    """Return the outer normals at evenly spaced corners of each ellipse, `(ellipse, corner, 2)`."""
    cos, sin = _circle()
    tangents = np.stack([-sin, cos], axis=1) @ root
    return np.stack([tangents[..., 1], -tangents[..., 0]], axis=-1)


def _farthest(mean: np.ndarray, root: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the farthest point of each ellipse in some directions, and how far it reaches there.

    In the direction `u` the farthest point of `m + R · disc`, with `R = Rᵀ`, is `m + R R u / |R u|`.

    Returns:
        Points `(ellipse, direction, 2)`, and reaches `(ellipse, direction)` times the direction's length.
    """
    pushed = normals @ root
    length = np.linalg.norm(pushed, axis=-1, keepdims=True)
    points = mean[:, None] + (pushed / np.where(length > 0, length, np.inf)) @ root
    return points, np.sum(points * normals, axis=-1)


def area(group: CurveGroup, outline: np.ndarray, n_areas: int) -> go.Scatter:
    """Return a filled area in the colour of a group, one of so many that can lie over one another."""
    return go.Scatter(
        x=outline[:, 0],
        y=outline[:, 1],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=group.style.color,
        opacity=_OPACITY * min(1.0, 4 / n_areas),
        **_quiet(group),
    )


def outline(group: CurveGroup, places: np.ndarray) -> go.Scatter:
    """Return a thin outline in the colour and dash of a group."""
    line = {"color": group.style.color, "dash": group.style.dash, "width": 1}
    return go.Scatter(x=places[:, 0], y=places[:, 1], mode="lines", line=line, **_quiet(group))


def _quiet(group: CurveGroup) -> dict[str, Any]:
    """Return the options of what belongs to a group, but says nothing of its own."""
    return {"name": group.name, "legendgroup": group.name, "showlegend": False, "hoverinfo": "skip"}
