"""Which components of a variable are drawn over time, and what they are called."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.plot._curves import Curves, curves_of
from fpanalysis.plot._lines import entries_of, left_out, spoken
from fpanalysis.plot._reach import Reach, reach_of
from fpanalysis.plot._series import ACROSS, ALONG, NORM, Series
from fpanalysis.plot._text import axis_title, in_lines, unit_of

_ENTRY_DIMS = ("axis", "joint", "unit", "input", "output", "state")
_MOST, _ROW_WIDTH = 4, 28
_WORDS = {ALONG: "along the reach", ACROSS: "across the reach", NORM: "norm"}
# Counted from the start of each reach, unlike velocities and forces.
_POSITIONS = ("position", "target_position")


class Components(NamedTuple):
    """What is drawn: curves, their numbers, and for each component the title of its axis and its name."""

    curves: Curves
    series: Series
    titles: list[str]
    names: list[str]
    notes: list[str]
    usable: np.ndarray


def components_of(ds: xr.Dataset, variable: str, asked: str | Sequence[str] | None) -> Components:
    """Return the components of a variable that were asked for, or those that it has.

    Raises:
        TypeError: `ds` is no dataset.
        ValueError: there is no such variable, or no such component of it.
    """
    curves = curves_of(ds, variable, "time", argument="variable")
    dims = [dim for dim in curves.dims if dim in _ENTRY_DIMS]
    if len(dims) > 1:
        raise ValueError(
            f"variable: expected one with one number or one vector at each time, but {variable!r} has the "
            f"dims {listed(dims)}; choose an entry with ds.isel"
        )
    curves = Curves(ds, tuple(dim for dim in curves.dims if dim not in dims))
    if not dims:
        return _single(curves, variable, asked)
    reach = reach_of(curves) if dims == ["axis"] else None
    entries = entries_of(ds, dims[0])
    which, notes = _chosen(variable, asked, dims[0], entries, reach)
    origin = reach.start if reach is not None and variable in _POSITIONS else None
    series = Series(curves.values(variable, "time", dims[0]), tuple(which), reach, origin)
    # A number alone would not say what it counts.
    named = dims[0] in ds.coords and ds[dims[0]].dtype.kind not in "iuf"
    spelt = entries if named else [f"{dims[0]} {entry}" for entry in entries]
    names = [spelt[each] if isinstance(each, int) else _WORDS[each] for each in which]
    finite = series.is_finite()
    directed = reach.has_direction if reach is not None and {ALONG, ACROSS} & {*which} else finite
    notes += left_out(finite, "values that are not finite") + left_out(directed | ~finite, "target at start")
    attrs, unit = ds[variable].attrs, unit_of(ds[variable].attrs)
    words = spoken(variable, attrs)
    starts = [
        f"{words} from start" if origin is not None and not isinstance(each, int) else words for each in which
    ]
    ends = [f"{name} ({unit})" if unit else name for name in names]
    # In lines that are no longer than a row is high.
    titles = [in_lines(lines, _ROW_WIDTH) for lines in zip(starts, ends, strict=True)]
    return Components(curves, series, titles, names, notes, finite & directed)


def _single(curves: Curves, variable: str, asked: str | Sequence[str] | None) -> Components:
    """Return the one component of a variable that is a number at each time."""
    if asked is not None:
        raise ValueError(
            f"components: expected None for {variable!r}, which is one number at each time, got {asked!r}"
        )
    series = Series(curves.values(variable, "time")[..., None], (0,))
    attrs = curves.ds[variable].attrs
    finite = series.is_finite()
    notes = left_out(finite, "values that are not finite")
    return Components(curves, series, [axis_title(variable, attrs)], [spoken(variable, attrs)], notes, finite)


def _chosen(
    variable: str, asked: str | Sequence[str] | None, dim: str, entries: list[str], reach: Reach | None
) -> tuple[list[int | str], list[str]]:
    """Return the components, entries by their number, and a note where not all are shown."""
    turned = [] if reach is None else [ALONG, ACROSS]
    if asked is None:
        if turned or len(entries) <= _MOST:
            return [*turned] or [*range(len(entries))], []
        return [*range(_MOST)], [f"{_MOST} of {len(entries):,} entries along {dim!r} shown"]
    found: list[int | str] = []
    for name in [asked] if isinstance(asked, str) else asked:
        if name in (*turned, NORM):
            found.append(name)
        elif str(name) in entries:
            found.append(entries.index(str(name)))
        else:
            known = [*turned, NORM, *entries]
            why = (
                ""
                if turned or name not in (ALONG, ACROSS)
                else (
                    ", which needs 'start' and 'target_position' in the dataset, and a variable along 'axis'"
                )
            )
            raise ValueError(
                f"components: expected components of {variable!r}, got {name!r}"
                f"{why or nearest(str(name), known)}; it has {listed(known)}"
            )
    if not found:
        raise ValueError(f"components: expected at least one, such as {listed([*turned, NORM])}")
    return list(dict.fromkeys(found)), []
