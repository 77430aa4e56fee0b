"""Which colour, symbol and dash stands for which value of a condition, the same in every figure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from plotly.colors import sample_colorscale

from fpanalysis.plot._theme import DASHES, PALETTE, SCALES, SYMBOLS, colorscale

# Dims along which nothing is told apart by colour, in any dataset of the package.
INNER_DIMS = frozenset(
    "axis candidate checkpoint fixed_point input iteration joint mode output state state_out term time track "
    "trial unit validation_iteration".split()
)


class Style(NamedTuple):
    """How a value looks: never by colour alone."""

    color: str
    symbol: str
    dash: str


class _Assignment(NamedTuple):
    values: list[Any]
    scale: tuple[str, ...]


_ASSIGNED: dict[str, _Assignment] = {}


def assign_colors(conditions: xr.Dataset | Mapping[str, ArrayLike]) -> None:
    """Fix the colours of conditions for all figures that are drawn from now on.

    A figure that shows some of the values then gives them the colours that they have where all are shown.
    Numbers get an ordered scale, each condition one of its own (there are three, then they are used again);
    names get the colours of the palette, in the order given. Without this, a figure spreads the colours over
    the values that it shows.

    Args:
        conditions: the values that each condition can take, `{"context": [-2, -1, 0, 1, 2]}`, or a dataset,
            whose conditions are taken. A condition that was assigned before is assigned anew.

    Raises:
        TypeError: `conditions` is neither.
        ValueError: a condition has no values.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.plot.assign_colors({"context": [-2, -1, 0, 1, 2]})
    """
    if isinstance(conditions, xr.Dataset):
        conditions = {
            str(dim): conditions[dim].values
            for dim in conditions.dims
            if dim in conditions.coords and dim not in INNER_DIMS
        }
    if not isinstance(conditions, Mapping):
        kind = type(conditions).__name__
        raise TypeError(f"conditions: expected a dataset or a mapping from names to values, got {kind}")
    for name, given in conditions.items():
        values = distinct(np.ravel(np.asarray(given)))
        if not values:
            raise ValueError(f"conditions: {name!r} has no values")
        others = [key for key in _ASSIGNED if key != name and is_ordered(_ASSIGNED[key].values)]
        earlier = _ASSIGNED.get(name)
        scale = earlier.scale if earlier else SCALES[len(others) % len(SCALES)]
        _ASSIGNED[name] = _Assignment(values, scale)


def distinct(values: np.ndarray) -> list[Any]:
    """Return the distinct values: numbers in their order, without NaN; anything else as they come."""
    if values.dtype.kind in "iuf":
        return np.unique(values[~np.isnan(values)]).tolist()
    return list(dict.fromkeys(values.tolist()))


def is_ordered(values: list[Any]) -> bool:
    """Say whether values are numbers, which have an order (True and False are names)."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def scale_of(name: str) -> tuple[str, ...]:
    """Return the colour scale of a condition."""
    return _ASSIGNED[name].scale if name in _ASSIGNED else SCALES[0]


def limits_of(name: str) -> tuple[float, float] | None:
    """Return the range of the values assigned to a condition of numbers; None where there is none."""
    known = _ASSIGNED[name].values if name in _ASSIGNED else []
    return (float(known[0]), float(known[-1])) if len(known) > 1 and is_ordered(known) else None


def styles(name: str, values: list[Any]) -> list[Style]:
    """Return how each of the distinct values of a condition looks."""
    known = list(_ASSIGNED[name].values) if name in _ASSIGNED else list(values)
    ordered = is_ordered(values) and is_ordered(known)
    places = np.linspace(0, 1, len(known)) if len(known) > 1 else np.zeros(len(known))
    known += [value for value in values if value not in known]
    found = []
    for value in values:
        rank = known.index(value)
        if ordered:
            # Between the values that were assigned, and at their ends beyond them.
            place = float(np.interp(value, known[: len(places)], places))
            color = str(sample_colorscale(colorscale(scale_of(name)), [place])[0])
        else:
            color = PALETTE[rank % len(PALETTE)]
        found.append(Style(color, SYMBOLS[rank % len(SYMBOLS)], DASHES[rank % len(DASHES)]))
    return found
