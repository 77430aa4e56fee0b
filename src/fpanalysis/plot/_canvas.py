"""A figure of one, two or three axes: what differs between them is settled here."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

# Far enough that axis titles stay inside a figure of 400 pixels, and off the diagonal of the axes, along
# which the points of symmetric systems would hide one another.
_EYE = {"x": 2.1, "y": 1.32, "z": 1.02}
_CENTER = {"x": 0.05, "y": -0.08, "z": -0.13}
_HEIGHT, _SCENE_HEIGHT = 640, 520
# An axis is drawn at least as long as this part of the longest one: its scale is then the same.
_SHORTEST = 0.25


@dataclass(frozen=True)
class Canvas:
    """A figure, the number of its axes, and whether two-dimensional traces are drawn with WebGL."""

    figure: go.Figure
    n_axes: int
    use_webgl: bool = False

    def add(self, coordinates: np.ndarray, **options: object) -> None:
        """Add a scatter trace at `coordinates`, `(sample, axis)`."""
        if self.n_axes == 3:
            x, y, z = coordinates.T
            self.figure.add_trace(go.Scatter3d(x=x, y=y, z=z, **options))
            return
        trace = go.Scattergl if self.use_webgl else go.Scatter
        self.figure.add_trace(trace(**self._flat(coordinates), **options))

    def arrows(self, start: np.ndarray, tips: np.ndarray, texts: list[str], *, name: str, color: str) -> None:
        """Add arrows from one place to several, with a text at the end of each."""
        lines = np.stack([np.broadcast_to(start, tips.shape), tips, np.full(tips.shape, np.nan)], axis=1)
        size, head = (4, "diamond") if self.n_axes == 3 else (12, "arrow")
        marker: dict[str, object] = {"symbol": head, "size": np.tile([0, size, 0], len(tips)), "color": color}
        if self.n_axes < 3:
            marker |= {"angleref": "previous", "line": {"width": 0}}
        together = {"name": name, "legendgroup": name, "hoverinfo": "skip"}
        # Never with WebGL, which knows no heads that turn with their line.
        canvas = replace(self, use_webgl=False)
        canvas.add(
            lines.reshape(-1, self.n_axes),
            mode="lines+markers",
            line={"width": 4 if self.n_axes == 3 else 2, "color": color},
            marker=marker,
            connectgaps=False,
            **together,
        )
        canvas.add(
            start + 1.04 * (tips - start),
            mode="text",
            text=texts,
            textposition=[self._side(tip) for tip in tips - start],
            showlegend=False,
            **together,
        )

    def _side(self, direction: np.ndarray) -> str:
        """Return on which side of the end of an arrow its text goes on."""
        if self.n_axes != 2 or abs(direction[0]) < abs(direction[1]):
            return "bottom center" if direction[-1] < 0 else "top center"
        return "middle left" if direction[0] < 0 else "middle right"

    def _flat(self, coordinates: np.ndarray) -> dict[str, np.ndarray]:
        x = coordinates[:, 0]
        return {"x": x, "y": coordinates[:, 1] if self.n_axes == 2 else np.where(np.isnan(x), np.nan, 0.0)}

    def frame(self, titles: list[str], coordinates: np.ndarray, equal: bool) -> None:
        """Title the axes, with equal scales where wanted; give them an extent where the data have none."""
        low, high = coordinates.min(axis=0), coordinates.max(axis=0)
        smallest = max(1e-9, 1e-6 * float(np.abs(coordinates).max()))
        flat = not np.any(high - low > smallest)
        axes: list[dict] = [{"title": {"text": title}} for title in titles]
        if flat:
            for axis, middle in zip(axes, (low + high) / 2, strict=True):
                axis["range"] = [float(middle) - 1, float(middle) + 1]
        if self.n_axes == 3:
            self._frame_scene(axes, flat)
            return
        self.figure.update_layout(xaxis=axes[0])
        if self.n_axes == 1:
            self.figure.update_layout(yaxis={"visible": False, "range": [-1, 1]})
            return
        self.figure.update_layout(yaxis=axes[1], height=_HEIGHT)
        if equal:
            self.figure.update_yaxes(scaleanchor="x")

    def _frame_scene(self, axes: list[dict], flat: bool) -> None:
        """Give the axes of a scene equal scales, in a box whose diagonal is the same for all figures."""
        ratio = np.ones(3)
        if not flat:
            traces: Any = self.figure.data
            drawn = [np.concatenate([trace[name] for trace in traces]) for name in "xyz"]
            low, high = np.nanmin(drawn, axis=1), np.nanmax(drawn, axis=1)
            size = (high - low).max() * np.clip((high - low) / (high - low).max(), _SHORTEST, 1)
            middle = (low + high) / 2
            for axis, start, end in zip(axes, middle - 0.53 * size, middle + 0.53 * size, strict=True):
                axis["range"] = [float(start), float(end)]
            ratio = size * np.sqrt(3) / np.linalg.norm(size)
        scene = dict(zip(("xaxis", "yaxis", "zaxis"), axes, strict=True))
        scene |= {"aspectmode": "manual", "aspectratio": dict(zip("xyz", ratio.tolist(), strict=True))}
        self.figure.update_layout(scene=scene, scene_camera={"eye": _EYE, "center": _CENTER})
        self.figure.update_layout(margin={"l": 10, "r": 10}, height=_SCENE_HEIGHT)
