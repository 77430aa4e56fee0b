"""The states that a dataset holds, whatever made it: fixed points, or a simulation."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._messages import listed


def states_of(given: Any, names: Sequence[str], argument: str, whose: str) -> xr.DataArray:
    """Return the states that `given` holds, along a dim `state` whose entries are `names`.

    Args:
        given: a dataset with the variable `x` along `state` (of `find_fixed_points`, or `simulate` of a
            vector field) or `hidden` along `unit` (`simulate` of a controller or network); or that variable.
        names: the entries that a state must have.
        argument: what `given` is called in a message.
        whose: whose state `names` are, for a message.

    Raises:
        TypeError: `given` is not made by xarray.
        ValueError: it holds no states, or those of another system.
    """
    if isinstance(given, xr.Dataset):
        variable = next((name for name in ("x", "hidden") if name in given), None)
        if variable is None:
            raise ValueError(
                f"{argument}: the dataset has no variable 'x' or 'hidden'; give what find_fixed_points or "
                "simulate returned"
            )
        given = given[variable]
    if not isinstance(given, xr.DataArray):
        raise TypeError(f"{argument}: expected an xarray.Dataset or a DataArray, got {type(given).__name__}")
    if "unit" in given.dims and "state" not in given.dims:
        given = _from_units(given, names, argument, whose)
    if "state" not in given.dims:
        raise ValueError(f"{argument}: expected the dim 'state', got {tuple(map(str, given.dims))}")
    _check_same(given, names, argument, whose)
    return given


def angles_of(ds: xr.Dataset) -> np.ndarray:
    """Return which entries of a dataset's states are angles, `(state,)`.

    The attribute `periodic` names them as a JSON list. In files written before that it joined them with
    blanks, which names may hold themselves.
    """
    states = [str(name) for name in ds["state"].values]
    text = str(ds.attrs.get("periodic", ""))
    names = json.loads(text) if text.startswith("[") else _separated(text, states)
    return np.isin(states, names) if names else np.zeros(len(states), bool)


def _separated(text: str, names: Sequence[str]) -> list[str]:
    """Return which of some names a text joins with blanks, the longest that fits at each place."""
    found: list[str] = []
    while text:
        fits = [name for name in names if f"{text} ".startswith(f"{name} ")]
        name = max(fits, key=len, default=text.partition(" ")[0])
        found += [name] if fits else []
        text = text[len(name) + 1 :]
    return found


def _from_units(given: xr.DataArray, names: Sequence[str], argument: str, whose: str) -> xr.DataArray:
    """Return hidden activity `(…, unit)` as states, where hidden units are all that the state consists of."""
    others = [name for name in names if not name.startswith("hidden[")]
    if others:
        raise ValueError(
            f"{argument}: it holds the hidden units only, but the state of {whose} has {listed(others, 2)} "
            "as well; give states of the whole system, from simulate of its vector field"
        )
    units = given["unit"].values if "unit" in given.coords else range(given.sizes["unit"])
    labels = [f"hidden[{unit}]" for unit in units]
    return given.drop_vars("unit", errors="ignore").rename(unit="state").assign_coords(state=labels)


def _check_same(given: xr.DataArray, names: Sequence[str], argument: str, whose: str) -> None:
    if given.sizes["state"] != len(names):
        raise ValueError(
            f"{argument}: its state has {given.sizes['state']} entries, that of {whose} {len(names)}"
        )
    if "state" in given.coords:
        theirs = [str(name) for name in given["state"].values]
        differ = np.flatnonzero(np.array(theirs) != np.array(list(names)))
        if len(differ):
            first = int(differ[0])
            raise ValueError(
                f"{argument}: entry {first} of its state is {theirs[first]!r}, that of {whose} "
                f"{str(names[first])!r}"
            )
