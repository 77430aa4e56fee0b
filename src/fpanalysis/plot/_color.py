"""What `color=` means: a coordinate or variable becomes groups with symbols, or a colour scale."""

from dataclasses import dataclass, field

import numpy as np

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._points import Points, is_slow, label_names, stability
from fpanalysis.plot._styles import distinct, limits_of, styles
from fpanalysis.plot._text import escaped, said, unit_of
from fpanalysis.plot._theme import BLUE, GREEN, GREY, SYMBOLS, VERMILION

_MOST_NUMBERS = len(SYMBOLS)


@dataclass(frozen=True)
class Group:
    """Entries that are drawn alike: a legend item, or one symbol on a colour scale.

    `mask` is a boolean array `(point, mode)`; `values`, of the same shape, are coloured by the scale.
    """

    name: str
    mask: np.ndarray
    symbol: str
    color: str = GREY
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Coloring:
    """The groups of a figure, the title of its legend or scale, and hover lines `(point, mode)`."""

    groups: list[Group]
    title: str = ""
    scale: tuple[float, float] | None = None
    lines: np.ndarray | None = field(default=None)


def by_stability(points: Points, n_modes: int) -> Coloring:
    """Return the default groups: stable, neutral and unstable fixed points, and slow points."""
    slow = is_slow(points)
    found = stability(points)
    neutral = ~found.stable & (found.n_unstable == 0)
    unstable = found.known & ~found.stable & ~neutral
    kinds = [
        ("stable fixed points", ~slow & found.stable, "circle", BLUE),
        ("neutral fixed points", ~slow & neutral, "square-open", GREEN),
        ("unstable fixed points", ~slow & unstable, "diamond-open", VERMILION),
        ("fixed points, stability not known", ~slow & ~found.known, "circle-open", GREY),
        ("slow points", slow, "triangle-up", GREY),
    ]
    groups = [
        Group(f"{name} ({mask.sum():,})", np.repeat(mask[:, None], n_modes, axis=1), symbol, color)
        for name, mask, symbol, color in kinds
        if mask.any()
    ]
    return Coloring(groups)


def by_name(points: Points, name: str, n_modes: int) -> Coloring:
    """Return the groups, or the scale, of a coordinate or variable of the dataset."""
    values = _values(points, name, n_modes)
    attrs = dict(points.ds[name].attrs)
    flagged = "flag_meanings" in attrs
    unit = unit_of(attrs)
    title = escaped(name) + (f" ({unit})" if unit else "")
    hover = said(values, attrs)
    shown_already = name in (*label_names(points), "time_constant", "frequency")
    lines = (
        None if shown_already else np.char.add(f"<br>{escaped(name)} = ", hover.astype(str)).astype(object)
    )
    if values.dtype.kind in "iuf" and not flagged:
        finite = distinct(values[np.isfinite(values)])
        if len(finite) > _MOST_NUMBERS:
            scale, clipped = _range(name, finite, values)
            title += "<br>middle 96 %" if clipped else ""
            return Coloring(_on_scale(points, np.clip(values, *scale)), title, scale, lines)
        return Coloring([*_each(name, values, finite, {}), *_without_value(values)], title, lines=lines)
    named = _each(name, values, distinct(values.ravel()), attrs if flagged else {})
    return Coloring(named, title, lines=lines)


def _values(points: Points, name: str, n_modes: int) -> np.ndarray:
    """Return the named variable as `(point, mode)`, or raise with what could have been meant."""
    ds = points.ds
    usable = sorted(str(key) for key in ds.variables if points.fits(str(key), "mode"))
    if not isinstance(name, str) or name not in ds.variables:
        hint = nearest(str(name), usable)
        raise ValueError(
            f"color: expected a coordinate or variable of the dataset, got {name!r}{hint}; "
            f"it has {listed(usable)}"
        )
    if name not in usable:
        extra = [str(dim) for dim in ds[name].dims if dim not in (*points.dims, "mode")]
        raise ValueError(
            f"color: {name!r} has more than one value per mode, along {listed(extra)}; choose one entry "
            f"first, as in ds.assign_coords(chosen=ds[{name!r}].isel({extra[0]}=0)) and color='chosen'"
        )
    if ds[name].dtype.kind == "c":
        raise ValueError(
            f"color: {name!r} is complex, which no scale can order; choose its modulus or angle first, "
            f"as in ds.assign_coords(modulus=abs(ds[{name!r}])) and color='modulus'"
        )
    if "mode" in ds[name].dims:
        return points.values(name, "mode")
    return np.repeat(points.values(name)[:, None], n_modes, axis=1)


def _each(name: str, values: np.ndarray, known: list, attrs: dict) -> list[Group]:
    """Return one group per distinct value."""
    texts = said(np.array(known, dtype=object), attrs)
    return [
        Group(text, values == value, look.symbol, look.color)
        for value, text, look in zip(known, texts, styles(name, known), strict=True)
    ]


def _on_scale(points: Points, values: np.ndarray) -> list[Group]:
    """Return the groups by stability, their entries coloured by the values."""
    groups = []
    for group in by_stability(points, values.shape[1]).groups:
        mask = group.mask & ~np.isnan(values)
        if mask.any():
            groups.append(Group(group.name, mask, group.symbol, group.color, values))
    return [*groups, *_without_value(values, infinite=False)]


def _without_value(values: np.ndarray, infinite: bool = True) -> list[Group]:
    """Return a group for what has no value to be coloured by (and for what is infinite)."""
    if values.dtype.kind != "f":
        return []
    missing = Group("no value", np.isnan(values), "x-thin-open", GREY)
    infinities = Group("infinite", np.isinf(values), "star", GREY)
    return [group for group in ((missing, infinities) if infinite else (missing,)) if group.mask.any()]


def _range(name: str, finite: list, values: np.ndarray) -> tuple[tuple[float, float], bool]:
    """Return the range of a colour scale, and whether it leaves out extremes that would take it all."""
    assigned = limits_of(name)
    if assigned is not None:
        return assigned, False
    full = float(finite[0]), float(finite[-1])
    low, high = np.quantile(values[np.isfinite(values)], [0.02, 0.98])
    clipped = bool(full[1] - full[0] > 10 * (high - low) > 0)
    return ((float(low), float(high)) if clipped else full), clipped
