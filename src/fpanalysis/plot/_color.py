"""What `color=` means: a coordinate or variable becomes groups with symbols, or a colour scale."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._points import Points, label_names
from fpanalysis.plot._stability import LOOKS, UNSTABLE_LOOKS, Answer, answers
from fpanalysis.plot._styles import distinct, limits_of, scale_of, styles
from fpanalysis.plot._text import escaped, objects, said, unit_of
from fpanalysis.plot._theme import GREY, PALETTE, SYMBOLS, colorscale

_MOST_NUMBERS = len(SYMBOLS)
# Names beyond these would repeat colour and symbol of others.
_MOST_NAMES = len(PALETTE) * len(SYMBOLS)
_SAMPLE = 1_000_000
# Variables whose values the symbols of points are about.
_OF_STABILITY = ("kind", "stability", "is_stable", "n_unstable")


class Group(NamedTuple):
    """Entries that are drawn alike: a legend item, or one symbol on a colour scale."""

    name: str
    symbol: str
    color: str = GREY
    dash: str = "solid"


@dataclass(frozen=True)
class Coloring:
    """The groups of a figure, and which entry belongs to which.

    Arrays have one row per point and one column per mode, or a single row or column where all are alike.

    Attributes:
        groups: what is drawn alike.
        code: the number of each entry's group.
        title: of the legend or scale.
        values: what a colour scale shows; None without a scale.
        axis: plotly's `coloraxis`; empty without a scale.
        notes: what has to be said of the colours.
        shown: name, values and attributes of what is coloured by, where no label of the points says it.
    """

    groups: list[Group]
    code: np.ndarray
    title: str = ""
    values: np.ndarray | None = None
    axis: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    shown: tuple[str, np.ndarray, Mapping[Any, Any]] | None = None

    def lines(self, shape: tuple[int, int], point: np.ndarray, mode: np.ndarray) -> list[list[str]]:
        """Return the hover line of some entries of `shape`, in a list; an empty list where there is none."""
        if self.shown is None:
            return []
        name, values, attrs = self.shown
        texts = said(np.broadcast_to(values, shape)[point, mode], attrs)
        start = f"{escaped(name)} = "
        return [[start + text for text in texts]]

    def on_scale(self, shape: tuple[int, int], point: np.ndarray, mode: np.ndarray) -> dict[str, Any]:
        """Return the options of markers on a colour scale; none for a group that has no place on one."""
        if self.values is None:
            return {}
        values = np.broadcast_to(self.values, shape)[point, mode]
        if np.isnan(values).any():
            return {}
        return {"color": np.clip(values, self.axis["cmin"], self.axis["cmax"]), "coloraxis": "coloraxis"}

    def layout(self) -> dict[str, Any]:
        """Return how a figure names what it is coloured by: at its scale, or at its legend."""
        return {"coloraxis": self.axis} if self.axis else {"legend_title_text": self.title or None}


def by_stability(points: Points) -> Coloring:
    """Return the default groups: points by their stability, and slow points."""
    answer = answers(points)
    present = [each for each in Answer if np.any(answer == each)]
    groups = [
        Group(f"{LOOKS[each].name} ({np.sum(answer == each):,})", style.symbol, style.color, style.dash)
        for each in present
        for style in [LOOKS[each].style]
    ]
    code = np.searchsorted(present, answer)[:, None].astype(np.int16)
    return Coloring(groups, code, title="points")


def by_name(points: Points, name: str, *per: str) -> Coloring:
    """Return the groups, or the scale, of a coordinate or variable with a value per point, and dims `per`."""
    values = _values(points, name, per)
    attrs = dict(points.ds[name].attrs)
    flagged = "flag_meanings" in attrs
    unit = unit_of(attrs)
    title = escaped(name) + (f" ({unit})" if unit else "")
    shown_already = name in (*label_names(points), "time_constant", "frequency")
    shown = None if shown_already else (name, values, attrs)
    numbers = values.dtype.kind in "iuf" and not flagged
    if numbers and _are_many(values):
        return _on_scale(points, name, values, title, shown)
    known = distinct(values[np.isfinite(values)] if numbers else values.ravel())
    n_others, known = max(0, len(known) - _MOST_NAMES), known[:_MOST_NAMES]
    texts = said(objects(known), attrs if flagged else {})
    if name in _OF_STABILITY:
        groups, code = _by_answer(points, name, values, known, texts)
        return Coloring(groups, code, title=title, shown=shown)
    looks = styles(name, known)
    groups = [
        Group(text, look.symbol, look.color, look.dash) for text, look in zip(texts, looks, strict=True)
    ]
    if n_others:
        groups.append(Group(f"{n_others:,} others", "circle-open"))
    code = np.full(values.shape, len(known), dtype=np.int16)
    for number, value in enumerate(known):
        code[values == value] = number
    return Coloring(*_with_the_rest(groups, code, values), title=title, shown=shown)


def _by_answer(
    points: Points, name: str, values: np.ndarray, known: list[Any], texts: np.ndarray
) -> tuple[list[Group], np.ndarray]:
    """Return groups by the values of what says how stable points are, which look as these do everywhere."""
    answer, groups = answers(points)[:, None], []
    code = np.zeros(values.shape, np.int16)
    for value, text in zip(known, texts, strict=True):
        mine = values == value
        present = np.unique(answer[mine]).tolist()
        for each in map(Answer, present):
            word, style = LOOKS[each]
            symbol, color = style.symbol, style.color
            if name == "n_unstable" and each == Answer.UNSTABLE and value > 0:
                symbol, color = UNSTABLE_LOOKS[min(int(value), len(UNSTABLE_LOOKS)) - 1]
            code[mine & (answer == each)] = len(groups)
            said_already = len(present) == 1 or str(text) == word
            groups.append(Group(text if said_already else f"{text}, {word}", symbol, color, style.dash))
    return groups, code


def _values(points: Points, name: str, per: tuple[str, ...]) -> np.ndarray:
    """Return the named variable as `(point, mode)`, or raise with what could have been meant."""
    ds = points.ds
    usable = sorted(str(key) for key in ds.variables if points.fits(str(key), *per))
    if not isinstance(name, str) or name not in ds.variables:
        hint = nearest(str(name), usable)
        raise ValueError(
            f"color: expected a coordinate or variable of the dataset, got {name!r}{hint}; "
            f"it has {listed(usable)}"
        )
    if name not in usable:
        extra = [str(dim) for dim in ds[name].dims if dim not in (*points.dims, *per)]
        whose = (*per, "point")[0]
        raise ValueError(
            f"color: {name!r} has more than one value per {whose}, along {listed(extra)}; choose one entry "
            f"first, as in ds.assign_coords(chosen=ds[{name!r}].isel({extra[0]}=0)) and color='chosen'"
        )
    if ds[name].dtype.kind == "c":
        raise ValueError(
            f"color: {name!r} is complex, which no scale can order; choose its modulus or angle first, "
            f"as in ds.assign_coords(modulus=abs(ds[{name!r}])) and color='modulus'"
        )
    if ds[name].dims == ("mode",):
        return ds[name].values[None, :]
    if "mode" in ds[name].dims:
        return points.values(name, "mode")
    return points.values(name)[:, None]


def _are_many(values: np.ndarray) -> bool:
    """Say whether there are more distinct numbers than can have a symbol each."""
    finite = np.isfinite(values)
    # Most often a part says so already, and sorting all of them would take long.
    if np.unique(_some(values, finite)).size > _MOST_NUMBERS:
        return True
    return values.size > _SAMPLE and np.unique(values[finite]).size > _MOST_NUMBERS


def _some(values: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Return the finite ones, or evenly spaced ones of very many."""
    step = max(1, values.size // _SAMPLE)
    return values.reshape(-1)[::step][finite.reshape(-1)[::step]]


def _on_scale(points: Points, name: str, values: np.ndarray, title: str, shown: Any) -> Coloring:
    """Return the groups by stability, their entries coloured by the values."""
    kinds = by_stability(points)
    (low, high), clipped = _range(name, values)
    notes = ["colours span the middle 96 % of the values"] if clipped else []
    axis = {
        "cmin": low,
        "cmax": high,
        "colorscale": colorscale(scale_of(name)),
        "colorbar_title": {"text": title, "side": "right"},
    }
    code = np.broadcast_to(kinds.code, np.broadcast_shapes(kinds.code.shape, values.shape))
    groups, code = _with_the_rest(kinds.groups, code, values, infinite=False)
    return Coloring(groups, code, title, values, axis, notes, shown)


def _with_the_rest(
    groups: list[Group], code: np.ndarray, values: np.ndarray, infinite: bool = True
) -> tuple[list[Group], np.ndarray]:
    """Add a group for what has no value to be coloured by (and for what is infinite)."""
    if values.dtype.kind != "f":
        return groups, code
    groups = list(groups)
    rest = [(np.isnan(values), Group("no value", "x-thin-open", dash="dot"))]
    if infinite:
        rest.append((np.isinf(values), Group("infinite", "star", dash="dashdot")))
    for mask, group in rest:
        if mask.any():
            code = np.where(mask, np.int16(len(groups)), code)
            groups.append(group)
    return groups, code


def _range(name: str, values: np.ndarray) -> tuple[tuple[float, float], bool]:
    """Return the range of a colour scale, and whether it leaves out extremes that would take it all."""
    assigned = limits_of(name)
    if assigned is not None:
        return assigned, False
    finite = np.isfinite(values)
    everything = values[finite]
    full = float(everything.min()), float(everything.max())
    low, high = np.quantile(_some(values, finite), [0.02, 0.98])
    clipped = bool(full[1] - full[0] > 10 * (high - low) > 0)
    return ((float(low), float(high)) if clipped else full), clipped
